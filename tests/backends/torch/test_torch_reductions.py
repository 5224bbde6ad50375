from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras.contract import DTYPES, FLOATS, INTEGERS, is_float

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

AXES = [(), (0,), (1,), (0, 2), (0, 1, 2)]
NUMERIC = sorted(FLOATS | INTEGERS)


def sample(dtype: str) -> np.ndarray:
    values = np.random.default_rng(0).integers(1, 4, (2, 3, 4))
    return values.astype("float32" if dtype == "bfloat16" else dtype)


def check(
    backend: Any, name: str, dtype: str, expected: np.ndarray, kind: str | None = None, **attributes: Any
) -> None:
    with backend.scope():
        result = backend.kernels[name](backend.feed(sample(dtype), dtype), **attributes)
    assert result.dtype == getattr(torch, kind or dtype)
    assert tuple(result.shape) == expected.shape
    np.testing.assert_allclose(backend.to_numpy(result).astype("float64"), expected, 1e-2 if dtype == "bfloat16" else 0)


@pytest.mark.parametrize("dtype", NUMERIC)
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(backend: Any, dtype: str, axis: tuple[int, ...], keepdims: bool) -> None:
    x = sample(dtype)
    for name, function in {"sum": np.sum, "max": np.max, "min": np.min}.items():
        expected = function(x, axis=axis, keepdims=keepdims, **({"dtype": x.dtype} if name == "sum" else {}))
        check(backend, f"reduce_{name}", dtype, expected, axis=axis, keepdims=keepdims)
    if len(axis) < 3:  # the product of all would be no number of a small type
        expected = np.prod(x, axis=axis, keepdims=keepdims, dtype=x.dtype)
        check(backend, "reduce_prod", dtype, expected, axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("axis", AXES)
def test_any_and_all(run: Any, axis: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).random((2, 3, 4)) < 0.5
    for keepdims in (False, True):
        for name, function in {"any": np.any, "all": np.all}.items():
            result = run(f"reduce_{name}", x, axis=axis, keepdims=keepdims)
            np.testing.assert_array_equal(result, function(x, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_positions_of_extremes_are_the_first(backend: Any, dtype: str) -> None:
    for axis in (0, 2):
        check(backend, "argmax", dtype, np.argmax(sample(dtype), axis), "int64", axis=axis)
        check(backend, "argmin", dtype, np.argmin(sample(dtype), axis), "int64", axis=axis)


def test_nan_in_extremes(run: Any) -> None:
    x = np.array([1.0, np.nan, 5.0, np.nan])
    assert run("argmax", x, axis=0) == run("argmin", x, axis=0) == 1
    assert np.isnan(run("reduce_max", x, axis=(0,), keepdims=False))
    assert np.isnan(run("reduce_min", x, axis=(0,), keepdims=False))


@pytest.mark.parametrize("dtype", NUMERIC)
def test_cumulative_sums(backend: Any, dtype: str) -> None:
    x = sample(dtype)
    check(backend, "cumsum", dtype, np.cumsum(x, 1, dtype=x.dtype), axis=1, reverse=False)
    check(backend, "cumsum", dtype, np.flip(np.cumsum(np.flip(x, 2), 2, dtype=x.dtype), 2), axis=2, reverse=True)


def test_sums_of_integers_wrap_around(run: Any) -> None:
    x = np.full((3,), 2**31 - 1, "int32")
    result = run("reduce_sum", x, axis=(0,), keepdims=False)
    assert result.dtype == np.int32 and result == np.sum(x, dtype="int32")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits_are_carried_in_32(backend: Any, run: Any, dtype: str) -> None:
    """2048 (256) is where adding 1 is lost in the type itself, and products may leave it on the way."""
    large = 2048.0 if dtype == "float16" else 256.0
    x = backend.feed(np.concatenate([[large], np.ones(1024)]), dtype)
    total = large + 1024
    assert run("reduce_sum", x, axis=(0,), keepdims=False) == total
    assert run("cumsum", x, axis=0, reverse=False)[-1] == total
    assert run("cumsum", x, axis=0, reverse=True)[0] == total
    ones = backend.feed(np.ones((1025, 2)), dtype)
    np.testing.assert_array_equal(run("matmul", x.reshape(1, -1), ones), [[total, total]])
    zeros = np.zeros(1025, "int32")
    assert run("scatter_add", x.reshape(-1, 1), zeros, axis=0, size=1)[0, 0] == total
    if dtype == "float16":
        factors = backend.feed(np.array([60000.0, 2.0, 0.25]), dtype)
        assert run("reduce_prod", factors, axis=(0,), keepdims=False) == 30000.0
    even = run("softmax", backend.feed(np.zeros((1, 4096)), dtype))
    np.testing.assert_array_equal(even, np.full((1, 4096), 1 / 4096))


def test_softmax(run: Any) -> None:
    x = np.array([[1.0, 2.0, 300.0], [-300.0, 0.0, -1.0]])
    shifted = np.exp(x - x.max(-1, keepdims=True))
    expected = shifted / shifted.sum(-1, keepdims=True)
    np.testing.assert_allclose(run("softmax", x), expected, 1e-12)
    logarithms = x - x.max(-1, keepdims=True) - np.log(shifted.sum(-1, keepdims=True))
    np.testing.assert_allclose(run("log_softmax", x), logarithms, 1e-12)
    for dtype in sorted(FLOATS):
        name = dtype if dtype != "bfloat16" else "float32"
        assert run("softmax", x.astype(name)).dtype == name


def test_empty_arrays(run: Any) -> None:
    empty = np.zeros((0, 3), "float32")
    np.testing.assert_array_equal(run("reduce_sum", empty, axis=(0,), keepdims=False), np.zeros(3))
    np.testing.assert_array_equal(run("reduce_prod", empty, axis=(0, 1), keepdims=False), 1)
    assert run("reduce_all", np.zeros((0,), bool), axis=(0,), keepdims=False)
    assert is_float(run("reduce_sum", empty, axis=(0, 1), keepdims=False).dtype.name)
