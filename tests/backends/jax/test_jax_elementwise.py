"""Elementwise kernels against NumPy in float64, op by op.

Values are checked in some data types, since every kernel compiles anew for each; `test_jax_dtypes.py`
checks shapes and types in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from multikeras.contract import DTYPES, FLOATS, INTEGERS
from multikeras_jax.kernels.common import NUMPY_DTYPES

ALL = sorted(DTYPES)
NUMBERS = ["uint8", "int32", "bfloat16", "float32", "float64"]
ROUNDING = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 3e-6, "float64": 1e-13}


def values(dtype: str, *, low: float = -3, high: float = 3, shape: tuple[int, ...] = (2, 5)) -> np.ndarray:
    drawn = np.random.default_rng(0).uniform(low, high, shape)
    if dtype == "bool":
        return drawn > (low + high) / 2
    if dtype.startswith("uint"):
        drawn = np.abs(drawn)
    return drawn.astype(NUMPY_DTYPES[dtype])


def check(got: Any, wanted: np.ndarray, dtype: str, scale: float = 1) -> None:
    assert isinstance(got, jax.Array)
    assert got.dtype == NUMPY_DTYPES[dtype]
    assert got.shape == wanted.shape
    if dtype in FLOATS:
        got = np.asarray(got).astype(np.float64)
        np.testing.assert_allclose(got, wanted, rtol=ROUNDING[dtype] * scale, atol=ROUNDING[dtype] * scale)
    else:
        np.testing.assert_array_equal(np.asarray(got), wanted)


FLOAT_OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
}


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", FLOAT_OPERATIONS)
def test_functions_of_floats(kernels: Any, name: str, dtype: str) -> None:
    positive = name in ("log", "log1p", "sqrt")
    x = values(dtype, low=0.1 if positive else -1.2, high=1.2)
    check(getattr(kernels, name)(x), FLOAT_OPERATIONS[name](x.astype(np.float64)), dtype, scale=4)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("negative", np.negative),
        ("abs", np.abs),
        ("sign", np.sign),
        ("floor", np.floor),
        ("ceil", np.ceil),
        ("round", np.round),
        ("relu", lambda x: np.maximum(x, np.zeros((), x.dtype))),
    ],
)
def test_simple_functions(kernels: Any, name: str, reference: Any, dtype: str) -> None:
    x = values(dtype)
    wanted = x if dtype in INTEGERS and name in ("floor", "ceil", "round") else reference(x)
    check(getattr(kernels, name)(x), wanted.astype(np.float64) if dtype in FLOATS else wanted, dtype)


def test_round_takes_halves_to_even(kernels: Any) -> None:
    x = np.array([-2.5, -0.5, 0.5, 1.5, 2.5], np.float32)
    np.testing.assert_array_equal(kernels.round(x), [-2, 0, 0, 2, 2])


def test_square_root_below_zero_and_logarithm_of_zero(kernels: Any) -> None:
    assert np.isnan(kernels.sqrt(np.float32(-1)))
    assert kernels.log(np.zeros((1,), np.float32))[0] == -np.inf


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
}


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_broadcasts(kernels: Any, name: str, dtype: str) -> None:
    x, y = values(dtype, low=-9, high=9), values(dtype, low=1, high=5, shape=(5,))
    with np.errstate(over="ignore"):
        wanted = ARITHMETIC[name](x, y)
    result = getattr(kernels, name)(x, y)
    check(result, wanted.astype(np.float64) if dtype in FLOATS else wanted, dtype)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint32", "int64"])
def test_integers_wrap_around(kernels: Any, dtype: str) -> None:
    most = np.full((1,), np.iinfo(dtype).max, dtype)
    with np.errstate(over="ignore"):
        check(kernels.add(most, np.ones_like(most)), most + np.ones_like(most), dtype)
        check(kernels.multiply(most, most), most * most, dtype)


@pytest.mark.parametrize("dtype", sorted(FLOATS))
def test_divide_and_power(kernels: Any, dtype: str) -> None:
    x, y = values(dtype, low=0.5), values(dtype, shape=(2, 1))
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    check(kernels.divide(x, y), x64 / y64, dtype, scale=2)
    check(kernels.power(abs(x), y), abs(x64) ** y64, dtype, scale=8)


def test_power_of_integers(kernels: Any) -> None:
    x, y = np.array([-2, 3, 5], np.int32), np.array([3, 4, 0], np.int32)
    check(kernels.power(x, y), x**y, "int32")


def test_signs_of_remainders(kernels: Any) -> None:
    x, y = np.array([7, -7, 7, -7], np.int32), np.array([3, 3, -3, -3], np.int32)
    for dtype in ("int32", "float32"):
        check(kernels.remainder(x.astype(dtype), y.astype(dtype)), np.remainder(x, y), dtype)
        check(kernels.floor_divide(x.astype(dtype), y.astype(dtype)), x // y, dtype)


def test_nan_passes_through_maximum_and_minimum(kernels: Any) -> None:
    x, y = np.array([np.nan, 1], np.float32), np.array([1, np.nan], np.float32)
    assert np.isnan(kernels.maximum(x, y)).all()
    assert np.isnan(kernels.minimum(x, y)).all()
    assert np.isnan(kernels.relu(x)[0])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "uint32"])
@pytest.mark.parametrize(
    ("name", "reference"),
    [("bitwise_and", np.bitwise_and), ("bitwise_or", np.bitwise_or), ("bitwise_xor", np.bitwise_xor)],
)
def test_bits(kernels: Any, name: str, reference: Any, dtype: str) -> None:
    x, y = values(dtype, low=-99, high=99), values(dtype, low=-9, high=9, shape=(5,))
    check(getattr(kernels, name)(x, y), reference(x, y), dtype)


def test_shifts(kernels: Any) -> None:
    unsigned, signed = np.array([0x80000001, 7], np.uint32), np.array([-8, 7], np.int32)
    check(kernels.shift_right(unsigned, np.full(2, 1, np.uint32)), unsigned >> np.uint32(1), "uint32")
    check(kernels.shift_left(unsigned, np.full((), 1, np.uint32)), unsigned << np.uint32(1), "uint32")
    check(kernels.shift_right(signed, 1), signed >> 1, "int32")


def test_bool_maximum_and_minimum(kernels: Any) -> None:
    x, y = np.array([True, True, False]), np.array([True, False, False])
    check(kernels.maximum(x, y), x | y, "bool")
    check(kernels.minimum(x, y), x & y, "bool")


def test_logic(kernels: Any) -> None:
    x, y = np.array([True, True, False, False]), np.array([True, False, True, False])
    check(kernels.logical_not(x), ~x, "bool")
    check(kernels.logical_and(x, y), x & y, "bool")
    check(kernels.logical_or(x, y), x | y, "bool")
    check(kernels.logical_xor(x, y), x ^ y, "bool")


@pytest.mark.parametrize("dtype", ["bool", "uint32", "float32", "float64"])
@pytest.mark.parametrize("name", ["equal", "not_equal", "greater", "greater_equal", "less", "less_equal"])
def test_comparisons(kernels: Any, name: str, dtype: str) -> None:
    x, y = values(dtype), values(dtype, shape=(5,))
    y[1] = x[0, 1]
    check(getattr(kernels, name)(x, y), getattr(np, name)(x, y), "bool")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32"])
def test_isnan_and_isfinite(kernels: Any, dtype: str) -> None:
    x = np.array([0, 1], NUMPY_DTYPES[dtype])
    if dtype in FLOATS:
        x = np.array([0, np.nan, np.inf], NUMPY_DTYPES[dtype])
    check(kernels.isnan(x), np.isnan(x.astype(np.float64)), "bool")
    check(kernels.isfinite(x), np.isfinite(x.astype(np.float64)), "bool")


@pytest.mark.parametrize("dtype", ["bool", "int64", "bfloat16", "float32"])
def test_where(kernels: Any, dtype: str) -> None:
    x, y = values(dtype), values(dtype, shape=(5,))[::-1].copy()
    condition = np.array([[True], [False]])
    wanted = np.where(condition, x, y)
    check(kernels.where(condition, x, y), wanted.astype(np.float64) if dtype in FLOATS else wanted, dtype)


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("source", ["bool", "int64", "bfloat16", "float32"])
def test_cast(kernels: Any, source: str, target: str) -> None:
    x = values(source)
    if target.startswith("uint"):
        x = np.abs(x)
    wanted = (x != 0) if target == "bool" else x.astype(NUMPY_DTYPES[target])
    check(kernels.cast(x, dtype=target), wanted.astype(np.float64) if target in FLOATS else wanted, target)


@pytest.mark.parametrize("dtype", ALL)
def test_identity_is_a_jax_array_of_its_own(kernels: Any, dtype: str) -> None:
    x = values(dtype)
    y = kernels.identity(x)
    before = np.array(x)
    x[:] = 0
    assert y.dtype == NUMPY_DTYPES[dtype]
    assert (np.asarray(y) == before).all()


@pytest.mark.parametrize("dtype", ["int32", "float16", "float32", "float64"])
def test_python_scalars_take_the_type_of_the_array(kernels: Any, dtype: str) -> None:
    x = np.array([1, 2, 3], dtype)
    check(kernels.add(x, 2), x + x.dtype.type(2), dtype)
    check(kernels.subtract(2, x), x.dtype.type(2) - x, dtype)
    check(kernels.where(x > 1, x, 0), np.where(x > 1, x, 0), dtype)
    check(kernels.where(x > 1, 5, x), np.where(x > 1, 5, x), dtype)
    check(kernels.maximum(x, 2), np.maximum(x, 2), dtype)
    check(kernels.greater(x, 2), x > 2, "bool")


def test_python_scalars_alone(kernels: Any) -> None:
    check(kernels.add(1.0, 2.0), np.array(3.0), "float32")
    check(kernels.where(True, 1, 2), np.array(1), "int32")
    check(kernels.negative(2.5), np.array(-2.5), "float32")
    check(kernels.cast(2.5, dtype="int64"), np.array(2), "int64")


def test_compiled(compiled: Any, backend: Any) -> None:
    x, y = values("float32"), values("float32", shape=(5,))
    kernels = backend.kernels

    def function(x: Any, y: Any) -> tuple[Any, ...]:
        return kernels["tanh"](kernels["add"](x, y)), kernels["where"](kernels["less"](x, y), x, 0.5)

    first, second = compiled(function, x, y)
    np.testing.assert_allclose(first, np.tanh(x + y), rtol=1e-5)
    np.testing.assert_array_equal(second, np.where(x < y, x, np.float32(0.5)))
