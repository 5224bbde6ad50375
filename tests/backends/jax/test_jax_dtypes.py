"""Every kernel's result type and shape in every data type, without compiling anything."""

from __future__ import annotations

from typing import Any

import jax
import pytest

from multikeras.contract import DTYPES, FLOATS, INTEGERS
from multikeras_jax.kernels.common import NUMPY_DTYPES

SHAPE = (2, 3, 4)
NUMBERS = FLOATS | INTEGERS
UNSIGNED = {dtype for dtype in INTEGERS if dtype.startswith("u")}

UNARY = [
    (NUMBERS, "negative abs sign floor ceil round relu"),
    (FLOATS, "exp expm1 log log1p sqrt sin cos tan tanh sigmoid softmax log_softmax"),
    (DTYPES, "identity"),
]
BINARY = [
    (NUMBERS, "add subtract multiply power floor_divide remainder maximum minimum"),
    (FLOATS, "divide"),
    (INTEGERS | {"bool"}, "bitwise_and bitwise_or bitwise_xor"),
    (INTEGERS, "shift_left shift_right"),
    ({"bool"}, "maximum minimum"),
]
COMPARISONS = "equal not_equal greater greater_equal less less_equal"
#: Name, inputs beside x, attributes, shape of the result.
OTHERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("reshape", (), {"shape": (6, 4)}, (6, 4)),
    ("transpose", (), {"permutation": (1, 0, 2)}, (3, 2, 4)),
    ("broadcast_to", (), {"shape": (7, 2, 3, 4)}, (7, 2, 3, 4)),
    ("concatenate", (), {"axis": 1}, SHAPE),
    ("slice", (), {"starts": (0, 1, 0), "stops": (2, 3, 4), "steps": (1, 1, 2)}, (2, 2, 2)),
    ("place", (), {"starts": (0, 0, 0), "stops": SHAPE, "steps": (1, 1, 1), "shape": SHAPE}, SHAPE),
    ("pad", (), {"padding": ((1, 1), (0, 0), (0, 0)), "value": 0}, (4, 3, 4)),
    ("flip", (), {"axis": (0,)}, SHAPE),
    ("max_pool", (), {"window": (2,), "strides": (1,), "padding": ((0, 1),), "residuals": False}, SHAPE),
    ("max_pool", (), {"window": (2,), "strides": (2,), "padding": ((0, 0),), "residuals": False}, (2, 1, 4)),
]
ON_NUMBERS: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("reduce_sum", {"axis": (0, 2), "keepdims": False}, (3,)),
    ("reduce_prod", {"axis": (0, 2), "keepdims": True}, (1, 3, 1)),
    ("reduce_max", {"axis": (1,), "keepdims": False}, (2, 4)),
    ("reduce_min", {"axis": (), "keepdims": False}, SHAPE),
    ("cumsum", {"axis": 1, "reverse": True}, SHAPE),
    ("sum_pool", {"window": (2,), "strides": (1,), "padding": ((0, 1),)}, SHAPE),
    ("sum_pool_gradient", {"shape": (2, 6, 4), "window": (2,), "strides": (2,), "padding": ((0, 0),)}, (2, 6, 4)),
]


def abstract(dtype: str, shape: tuple[int, ...] = SHAPE) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, NUMPY_DTYPES[dtype])


def check(kernel: Any, inputs: tuple[Any, ...], attributes: dict[str, Any], shape: Any, dtype: str) -> None:
    result = jax.eval_shape(lambda *inputs: kernel(*inputs, **attributes), *inputs)
    result = result[0] if isinstance(result, tuple) else result
    assert (result.shape, result.dtype) == (shape, NUMPY_DTYPES[dtype])
    assert not result.weak_type


def named(table: list[tuple[Any, str]]) -> list[tuple[str, str]]:
    return sorted({(name, dtype) for dtypes, names in table for name in names.split() for dtype in dtypes})


@pytest.mark.parametrize(("name", "dtype"), named(UNARY))
def test_unary(kernels: Any, name: str, dtype: str) -> None:
    check(getattr(kernels, name), (abstract(dtype),), {}, SHAPE, dtype)


@pytest.mark.parametrize(("name", "dtype"), named(BINARY))
def test_binary(kernels: Any, name: str, dtype: str) -> None:
    check(getattr(kernels, name), (abstract(dtype), abstract(dtype, (4,))), {}, SHAPE, dtype)
    check(getattr(kernels, name), (abstract(dtype, ()), abstract(dtype)), {}, SHAPE, dtype)


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_comparisons_where_and_argmax(kernels: Any, dtype: str) -> None:
    x = abstract(dtype)
    for name in COMPARISONS.split():
        check(getattr(kernels, name), (x, abstract(dtype, (3, 1))), {}, SHAPE, "bool")
    check(kernels.where, (abstract("bool", (2, 1, 1)), x, abstract(dtype, ())), {}, SHAPE, dtype)
    check(kernels.argmax, (x,), {"axis": 1}, (2, 4), "int64")
    check(kernels.isfinite, (x,), {}, SHAPE, "bool")
    check(kernels.isnan, (x,), {}, SHAPE, "bool")


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_casts(kernels: Any, dtype: str) -> None:
    for target in DTYPES:
        check(kernels.cast, (abstract(dtype),), {"dtype": target}, SHAPE, target)


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_moving_entries(kernels: Any, dtype: str) -> None:
    for name, others, attributes, shape in OTHERS:
        check(getattr(kernels, name), (abstract(dtype), *others), attributes, shape, dtype)
    check(kernels.split, (abstract(dtype),), {"axis": 1, "sizes": (3, 0)}, SHAPE, dtype)
    for indices in ("int32", "int64"):
        check(kernels.gather, (abstract(dtype), abstract(indices, (5, 6))), {"axis": 1}, (2, 5, 6, 4), dtype)


@pytest.mark.parametrize("dtype", sorted(NUMBERS))
def test_numbers(kernels: Any, dtype: str) -> None:
    x = abstract(dtype)
    for name, attributes, shape in ON_NUMBERS:
        check(getattr(kernels, name), (x,), attributes, shape, dtype)
    check(kernels.matmul, (x, abstract(dtype, (4, 5))), {}, (2, 3, 5), dtype)
    check(kernels.scatter_add, (x, abstract("int32", (2,))), {"axis": 0, "size": 9}, (9, 3, 4), dtype)


@pytest.mark.parametrize("dtype", sorted(FLOATS))
def test_convolution_pooling_and_random(kernels: Any, dtype: str) -> None:
    x, kernel, g = abstract(dtype, (2, 9, 4)), abstract(dtype, (3, 2, 6)), abstract(dtype, (2, 7, 6))
    plain = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 2}
    check(kernels.conv, (x, kernel), plain, g.shape, dtype)
    check(kernels.conv_input_gradient, (g, kernel), plain | {"shape": x.shape}, x.shape, dtype)
    check(kernels.conv_kernel_gradient, (x, g), plain | {"shape": kernel.shape}, kernel.shape, dtype)
    for window, strides in ((3, 2), (2, 2), (9, 9), (70, 1)):
        pool = {"window": (window,), "strides": (strides,), "padding": ((0, 0),)}
        if window > 9:
            x = abstract(dtype, (2, 80, 4))
        y = jax.eval_shape(lambda x, pool=pool: kernels.max_pool(x, **pool, residuals=True), x)[0]
        check(kernels.max_pool_gradient, (y, x, y, None), pool, x.shape, dtype)
    key = abstract("uint32", (2,))
    check(kernels.random_uniform, (key,), {"shape": (3, 2), "dtype": dtype}, (3, 2), dtype)
    check(kernels.dropout_mask, (key,), {"shape": (), "rate": 0.1, "dtype": dtype}, (), dtype)
    check(kernels.random_bits, (key,), {"shape": (0, 4)}, (0, 4), "uint32")
    check(kernels.fold_in, (key, abstract("int64", ())), {}, (2,), "uint32")
