"""Reductions, shapes, indexing and products against NumPy, in some data types (see `test_jax_dtypes.py`)."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from multikeras.contract import FLOATS, INTEGERS
from multikeras_jax.kernels.common import NUMPY_DTYPES

ROUNDING = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-6, "float64": 1e-13}
SOME = ["uint8", "int32", "bfloat16", "float32", "float64"]


def values(dtype: str, shape: tuple[int, ...] = (2, 3, 4), seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).uniform(-3, 3, shape)
    if dtype == "bool":
        return drawn > 0
    return (np.abs(drawn) if dtype.startswith("uint") else drawn).astype(NUMPY_DTYPES[dtype])


def check(got: Any, wanted: np.ndarray, dtype: str, scale: float = 1) -> None:
    assert isinstance(got, jax.Array)
    assert got.dtype == NUMPY_DTYPES[dtype]
    assert got.shape == wanted.shape
    if dtype in FLOATS:
        rounding = ROUNDING[dtype] * scale
        got, wanted = np.asarray(got).astype(np.float64), wanted.astype(np.float64)
        np.testing.assert_allclose(got, wanted, rtol=rounding, atol=rounding)
    else:
        np.testing.assert_array_equal(np.asarray(got), wanted)


def wide(x: np.ndarray) -> np.ndarray:
    return x if np.issubdtype(x.dtype, np.integer) or x.dtype == bool else x.astype(np.float64)


@pytest.mark.parametrize("dtype", SOME)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_reductions_keep_the_type(kernels: Any, name: str, dtype: str) -> None:
    x = values(dtype)
    reference, kernel = getattr(np, name), getattr(kernels, f"reduce_{name}")
    with np.errstate(over="ignore"):
        more = {"dtype": x.dtype} if name in ("sum", "prod") and dtype in INTEGERS else {}
        check(kernel(x, axis=(0, 2), keepdims=True), reference(wide(x), axis=(0, 2), keepdims=True, **more), dtype, 9)
        check(kernel(x, axis=(1,), keepdims=False), reference(wide(x), axis=1, **more), dtype, 9)


def test_reduction_over_no_axis_and_over_all(kernels: Any) -> None:
    x = values("float32")
    check(kernels.reduce_sum(x, axis=(), keepdims=False), x, "float32")
    check(kernels.reduce_sum(x, axis=(0, 1, 2), keepdims=False), np.sum(x, dtype=np.float64), "float32", 9)
    check(kernels.reduce_max(x, axis=(), keepdims=True), x, "float32")
    check(kernels.reduce_sum(np.zeros((0, 3), np.float32), axis=(0,), keepdims=False), np.zeros(3), "float32")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sums_of_narrow_floats_are_wide_inside(kernels: Any, dtype: str) -> None:
    x = np.ones(5000, NUMPY_DTYPES[dtype])
    assert kernels.reduce_sum(x, axis=(0,), keepdims=False) == NUMPY_DTYPES[dtype].type(5000)
    assert kernels.cumsum(x, axis=0, reverse=False)[-1] == NUMPY_DTYPES[dtype].type(5000)
    scattered = kernels.scatter_add(x, np.zeros(5000, np.int32), axis=0, size=1)
    assert scattered[0] == NUMPY_DTYPES[dtype].type(5000)


def test_nan_passes_through_reduce_max(kernels: Any) -> None:
    assert np.isnan(kernels.reduce_max(np.array([1, np.nan, 3], np.float32), axis=(0,), keepdims=False))


def test_any_and_all(kernels: Any) -> None:
    x = np.array([[True, False], [True, True]])
    check(kernels.reduce_any(x, axis=(1,), keepdims=True), x.any(1, keepdims=True), "bool")
    check(kernels.reduce_all(x, axis=(0,), keepdims=False), x.all(0), "bool")


@pytest.mark.parametrize("dtype", ["bool", "uint32", "float32"])
def test_argmax_and_argmin_are_int64_and_take_the_first(kernels: Any, dtype: str) -> None:
    x = np.array([[0, 1, 1, 0], [1, 0, 0, 1]], NUMPY_DTYPES[dtype])
    check(kernels.argmax(x, axis=1), np.array([1, 0]), "int64")
    check(kernels.argmin(x, axis=0), np.array([0, 1, 1, 0]), "int64")


@pytest.mark.parametrize("dtype", SOME)
def test_cumsum(kernels: Any, dtype: str) -> None:
    x = values(dtype)
    dtypes = {"dtype": x.dtype} if dtype in INTEGERS else {}
    check(kernels.cumsum(x, axis=1, reverse=False), np.cumsum(wide(x), axis=1, **dtypes), dtype, 4)
    backwards = np.flip(np.cumsum(np.flip(wide(x), 2), axis=2, **dtypes), 2)
    check(kernels.cumsum(x, axis=2, reverse=True), backwards, dtype, 4)


@pytest.mark.parametrize("dtype", ["bool", "int64", "bfloat16", "float32"])
def test_shapes(kernels: Any, dtype: str) -> None:
    x = values(dtype)
    check(kernels.reshape(x, shape=(4, 6)), x.reshape(4, 6), dtype)
    check(kernels.reshape(x, shape=x.shape), x, dtype)
    check(kernels.transpose(x, permutation=(2, 0, 1)), x.transpose(2, 0, 1), dtype)
    check(kernels.broadcast_to(x[:, :1], shape=(5, 2, 3, 4)), np.broadcast_to(x[:, :1], (5, 2, 3, 4)), dtype)
    check(kernels.concatenate(x, x[:, :1], axis=1), np.concatenate([x, x[:, :1]], 1), dtype)
    check(kernels.flip(x, axis=(0, 2)), np.flip(x, (0, 2)), dtype)
    padded = np.pad(x, ((1, 0), (0, 2), (0, 0)), constant_values=x.dtype.type(1))
    check(kernels.pad(x, padding=((1, 0), (0, 2), (0, 0)), value=1), padded, dtype)
    parts = kernels.split(x, axis=2, sizes=(1, 0, 3))
    assert isinstance(parts, tuple)
    for part, wanted in zip(parts, np.split(x, (1, 1), axis=2), strict=True):
        check(part, wanted, dtype)


@pytest.mark.parametrize(
    ("starts", "stops", "steps"),
    [((0, 1, 0), (2, 3, 4), (1, 1, 1)), ((1, 0, 1), (2, 3, 4), (1, 2, 2)), ((0, 2, 3), (2, 2, 4), (1, 1, 3))],
)
def test_slice_and_place(kernels: Any, starts: tuple[int, ...], stops: tuple[int, ...], steps: tuple[int, ...]) -> None:
    x = values("float32")
    where = tuple(slice(*edges) for edges in zip(starts, stops, steps, strict=True))
    part = kernels.slice(x, starts=starts, stops=stops, steps=steps)
    check(part, x[where], "float32")
    whole = np.zeros_like(x)
    whole[where] = x[where]
    check(kernels.place(part, starts=starts, stops=stops, steps=steps, shape=x.shape), whole, "float32")


@pytest.mark.parametrize("dtype", ["uint32", "int32", "int64", "float32", "bfloat16"])
def test_iota(kernels: Any, dtype: str) -> None:
    check(kernels.iota(length=5, dtype=dtype), np.arange(5).astype(NUMPY_DTYPES[dtype]), dtype)
    check(kernels.iota(length=0, dtype=dtype), np.zeros(0), dtype)


@pytest.mark.parametrize("dtype", ["bool", "uint32", "float32"])
@pytest.mark.parametrize("axis", [0, 1])
def test_gather(kernels: Any, dtype: str, axis: int) -> None:
    x, indices = values(dtype), np.array([[1, 0], [-1, 1]], np.int32)
    check(kernels.gather(x, indices, axis=axis), np.take(x, indices, axis=axis), dtype)


def test_gather_by_int64_and_by_one_index(kernels: Any) -> None:
    x = values("float32")
    check(kernels.gather(x, np.array([2, 0]), axis=1), x[:, [2, 0]], "float32")
    check(kernels.gather(x, np.int64(1), axis=1), x[:, 1], "float32")


def test_index_out_of_range_shows(kernels: Any) -> None:
    assert np.isnan(kernels.gather(np.ones((3,), np.float32), np.array([3], np.int32), axis=0)).all()
    dropped = kernels.scatter_add(np.ones((2,), np.float32), np.array([0, 3], np.int32), axis=0, size=3)
    np.testing.assert_array_equal(dropped, [1, 0, 0])


@pytest.mark.parametrize("dtype", ["int32", "bfloat16", "float32"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scatter_add(kernels: Any, dtype: str, axis: int) -> None:
    indices = np.array([[1, 0, 1], [3, 1, -1]], np.int64)
    shape = (2, 3)[:axis] + (2, 3) + (4, 5)[axis:]
    updates = values(dtype, shape)
    whole = np.zeros((*shape[:axis], 4, *shape[axis + 2 :]), wide(updates).dtype)
    where = (slice(None),) * axis + (indices,)
    np.add.at(whole, where, wide(updates))
    check(kernels.scatter_add(updates, indices, axis=axis, size=4), whole, dtype, 4)


@pytest.mark.parametrize("dtype", SOME)
@pytest.mark.parametrize(
    ("left", "right"), [((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((1, 2, 3), (4, 3, 2)), ((2, 0), (0, 3))]
)
def test_matmul(kernels: Any, dtype: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    x, y = values(dtype, left), values(dtype, right, seed=1)
    check(kernels.matmul(x, y), np.matmul(wide(x), wide(y)), dtype, 9)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_products_of_narrow_floats_are_wide_inside(kernels: Any, dtype: str) -> None:
    ones = np.ones((1, 5000), NUMPY_DTYPES[dtype])
    assert kernels.matmul(ones, ones.T)[0, 0] == NUMPY_DTYPES[dtype].type(5000)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_softmax(kernels: Any, dtype: str) -> None:
    x = values(dtype, (3, 7)) * NUMPY_DTYPES[dtype].type(4)
    exponentials = np.exp(wide(x) - wide(x).max(-1, keepdims=True))
    wanted = exponentials / exponentials.sum(-1, keepdims=True)
    check(kernels.softmax(x), wanted, dtype, 4)
    check(kernels.log_softmax(x), np.log(wanted), dtype, 9)


def test_softmax_of_large_numbers(kernels: Any) -> None:
    x = np.array([[1e4, 0, -1e4]], np.float32)
    np.testing.assert_array_equal(kernels.softmax(x), [[1, 0, 0]])
    np.testing.assert_array_equal(kernels.log_softmax(x), [[0, -1e4, -2e4]])
