"""Elementwise kernels against NumPy in float64 or Python, in every data type they are declared for."""

import math
import operator

import numpy as np
import pytest
from scipy.special import expit

from multikeras_numpy import NumpyBackend

FLOATS = ("float16", "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32")
NUMBERS = (*FLOATS, *SIGNED, *UNSIGNED)
TOLERANCE = {"float16": 2e-3, "float32": 5e-7, "float64": 1e-14}

UNARY = {
    "negative": (np.negative, NUMBERS),
    "abs": (np.absolute, NUMBERS),
    "sign": (np.sign, NUMBERS),
    "floor": (np.floor, NUMBERS),
    "ceil": (np.ceil, NUMBERS),
    "round": (np.round, NUMBERS),
    "exp": (np.exp, FLOATS),
    "expm1": (np.expm1, FLOATS),
    "log": (np.log, FLOATS),
    "log1p": (np.log1p, FLOATS),
    "sqrt": (np.sqrt, FLOATS),
    "sin": (np.sin, FLOATS),
    "cos": (np.cos, FLOATS),
    "tan": (np.tan, FLOATS),
    "tanh": (np.tanh, FLOATS),
    "sigmoid": (expit, FLOATS),
    "relu": (lambda x: np.maximum(x, 0), NUMBERS),
    "identity": (lambda x: x, (*NUMBERS, "bool")),
    "logical_not": (np.logical_not, ("bool",)),
    "isnan": (np.isnan, FLOATS),
    "isfinite": (np.isfinite, FLOATS),
}
BINARY = {
    "add": (np.add, NUMBERS),
    "subtract": (np.subtract, NUMBERS),
    "multiply": (np.multiply, NUMBERS),
    "divide": (np.divide, FLOATS),
    "power": (np.power, FLOATS),
    "floor_divide": (np.floor_divide, NUMBERS),
    "remainder": (np.remainder, NUMBERS),
    "maximum": (np.maximum, (*NUMBERS, "bool")),
    "minimum": (np.minimum, (*NUMBERS, "bool")),
    "bitwise_and": (np.bitwise_and, (*SIGNED, *UNSIGNED, "bool")),
    "bitwise_or": (np.bitwise_or, (*SIGNED, *UNSIGNED, "bool")),
    "bitwise_xor": (np.bitwise_xor, (*SIGNED, *UNSIGNED, "bool")),
    "logical_and": (np.logical_and, ("bool",)),
    "logical_or": (np.logical_or, ("bool",)),
    "logical_xor": (np.logical_xor, ("bool",)),
    "equal": (np.equal, (*NUMBERS, "bool")),
    "not_equal": (np.not_equal, (*NUMBERS, "bool")),
    "greater": (np.greater, NUMBERS),
    "greater_equal": (np.greater_equal, NUMBERS),
    "less": (np.less, NUMBERS),
    "less_equal": (np.less_equal, NUMBERS),
}
TO_BOOL = {
    *("isnan", "isfinite", "equal", "not_equal", "greater", "greater_equal", "less", "less_equal"),
    *("logical_not", "logical_and", "logical_or", "logical_xor"),
}


def values(rng, shape, dtype):
    """Numbers of both signs where there are two, with infinities and NaN among the floats."""
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype in FLOATS:
        x = rng.normal(0, 3, shape)
        x[..., :4] = [np.nan, np.inf, -np.inf, 2.5]
        return x.astype(dtype)
    return rng.integers(0 if dtype in UNSIGNED else -7, 9, shape).astype(dtype)


def check(result, expected, name, dtype):
    assert result.dtype == ("bool" if name in TO_BOOL else dtype)
    assert result.shape == expected.shape
    if dtype in FLOATS and name not in TO_BOOL:
        np.testing.assert_allclose(result, expected.astype(dtype), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    else:
        np.testing.assert_array_equal(result, expected.astype(result.dtype))


@pytest.mark.parametrize("name", UNARY)
def test_unary(kernels, rng, name):
    function, dtypes = UNARY[name]
    for dtype in dtypes:
        x = values(rng, (3, 5), dtype)
        x.flags.writeable = False
        check(kernels[name](x), function(x.astype("float64") if dtype in FLOATS else x), name, dtype)
        for shape in ((), (0, 2)):
            empty = np.ones(shape, dtype)
            result = kernels[name](empty)
            assert result.shape == shape
            assert result.dtype == ("bool" if name in TO_BOOL else dtype)


@pytest.mark.parametrize("name", BINARY)
def test_binary(kernels, rng, name):
    function, dtypes = BINARY[name]
    for dtype in dtypes:
        for shapes in (((3, 5), (3, 5)), ((3, 5), (5,)), ((2, 1, 5), (3, 1)), ((3, 5), ()), ((), (0, 2)), ((), ())):
            x, y = (values(rng, (*shape, 5), dtype)[..., 4].copy() for shape in shapes)
            if name in ("floor_divide", "remainder"):
                y = np.where(y == 0, np.ones_like(y), y)
            if name == "power":
                x, y = np.asarray(np.abs(x)), np.asarray(np.round(y))
            for array in (x, y):
                array.flags.writeable = False
            wide = (x.astype("float64"), y.astype("float64")) if dtype in FLOATS else (x, y)
            if dtype == "float16" and name in ("floor_divide", "remainder"):
                wide = (x, y)  # The quotient's floor may differ where the division was rounded.
            check(kernels[name](x, y), np.asarray(function(*wide)), name, dtype)


@pytest.mark.parametrize("dtype", [*SIGNED, *UNSIGNED])
def test_integer_powers(kernels, dtype):
    result = kernels["power"](np.array([0, 1, 2, 3], dtype), np.array([0, 5, 3, 2], dtype))
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, [1, 1, 8, 9])


@pytest.mark.parametrize(("name", "function"), [("shift_left", operator.lshift), ("shift_right", operator.rshift)])
@pytest.mark.parametrize("dtype", [*SIGNED, *UNSIGNED])
def test_shifts(kernels, name, function, dtype):
    x = np.array([1, 5, 100], dtype)
    n = np.array([0, 3, 6], dtype)
    bits = x.dtype.itemsize * 8
    expected = [function(int(a), int(b)) % 2**bits for a, b in zip(x, n, strict=True)]
    expected = [e - 2**bits if dtype in SIGNED and e >= 2 ** (bits - 1) else e for e in expected]
    result = kernels[name](x, n)
    assert result.dtype == dtype
    assert result.tolist() == expected


def test_integers_wrap_around(kernels):
    big = np.array([2**32 - 1, 2**31], "uint32")
    assert kernels["add"](big, np.array(3, "uint32")).tolist() == [2, 2**31 + 3]
    assert kernels["multiply"](big, big).tolist() == [1, 0]
    assert kernels["subtract"](np.array(0, "uint32"), np.array(1, "uint32")) == 2**32 - 1
    assert kernels["multiply"](np.array([2**31 - 1], "int32"), np.array([2], "int32")).tolist() == [-2]


def test_floats_follow_ieee_without_warnings(kernels):
    x = np.array([-1, 0, np.inf], "float32")
    np.testing.assert_array_equal(kernels["sqrt"](x), [np.nan, 0, np.inf])
    np.testing.assert_array_equal(kernels["log"](x), [np.nan, -np.inf, np.inf])
    np.testing.assert_array_equal(kernels["divide"](x, np.zeros(3, "float32")), [-np.inf, np.nan, np.inf])
    np.testing.assert_array_equal(kernels["round"](np.array([0.5, 1.5, -2.5], "float32")), [0, 2, -2])
    for name in ("maximum", "minimum"):
        assert np.isnan(kernels[name](np.array([np.nan, 1.0]), np.array([1.0, np.nan]))).all()
    assert np.isnan(kernels["relu"](np.array(np.nan, "float32")))


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_keeps_its_digits_where_it_is_small(kernels, dtype):
    lowest = {"float16": -8, "float32": -80, "float64": -700}[dtype]
    x = np.linspace(lowest, -lowest, 101).astype(dtype)
    exact = [1 / (1 + math.exp(-float(number))) for number in x]
    np.testing.assert_allclose(kernels["sigmoid"](x).astype("float64"), exact, rtol=3 * TOLERANCE[dtype])
    far = np.array([-1e4, 1e4, -np.inf, np.inf, np.nan], dtype)
    np.testing.assert_array_equal(kernels["sigmoid"](far), [0, 1, 0, 1, np.nan])


def test_remainder_has_the_sign_of_the_divisor(kernels):
    for dtype in ("int32", "float32"):
        x, y = np.array([7, -7, 7, -7], dtype), np.array([3, 3, -3, -3], dtype)
        assert kernels["remainder"](x, y).tolist() == [1, 2, -2, -1]
        assert kernels["floor_divide"](x, y).tolist() == [2, -3, -3, 2]


@pytest.mark.parametrize("to", [*NUMBERS, "bool"])
def test_cast(kernels, to):
    for dtype in (*NUMBERS, "bool"):
        x = np.array([0, 1, 5], dtype) if dtype == "bool" or "u" in dtype else np.array([0, 1, -2], dtype)
        if dtype in FLOATS:
            x = np.array([0, 1.75, 2.5], dtype)
        result = kernels["cast"](x, dtype=to)
        assert result.dtype == to
        expected = [
            bool(number) if to == "bool" else int(number) if to not in FLOATS else float(number) for number in x
        ]
        np.testing.assert_array_equal(result, np.array(expected).astype(to))
    assert kernels["cast"](np.float32(-1.75), dtype="int32") == -1


@pytest.mark.parametrize("dtype", [*NUMBERS, "bool"])
def test_where(kernels, rng, dtype):
    condition = rng.integers(0, 2, (3, 1)).astype(bool)
    x, y = np.ones((3, 4), dtype), np.zeros((), dtype)
    result = kernels["where"](condition, x, y)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.broadcast_to(condition, (3, 4)).astype(dtype))


@pytest.mark.parametrize("dtype", [*NUMBERS, "bool"])
@pytest.mark.parametrize("size", [1500, 150_000])
def test_where_of_many_entries(rng, dtype, size):
    """The NumPy backend chooses by bits there: infinities, NaN and signed zeros have to come through."""
    kernel = NumpyBackend().kernels["where"]
    condition = rng.integers(0, 2, size).astype(bool)
    x, y = values(rng, size, dtype), values(rng, size, dtype)[::-1]
    row = values(rng, (3, size), dtype)
    for first, second in (
        (x, y),
        (x, y.copy()),
        (x, np.zeros((), dtype)),
        (np.zeros((), dtype), x),
        (x, np.ones((), dtype)),
        (np.zeros((), dtype), np.ones((), dtype)),
        (row, y),
        (row[:, :1], np.zeros((), dtype)),
        (x, np.array(-0.0, dtype) if dtype in FLOATS else x),
    ):
        for choice in (condition, np.broadcast_to(condition, (3, size)), condition[:1]):
            result = kernel(choice, first, second)
            expected = np.where(choice, first, second)
            assert result.dtype == dtype
            np.testing.assert_array_equal(result, expected)
            if dtype in FLOATS:
                np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (3, 5), (60, 50), (300, 500)])
def test_relu_gradient(kernels, rng, dtype, shape):
    kernel = kernels["relu_gradient"]
    g, out = np.asarray(rng.standard_normal(shape), dtype), np.asarray(rng.standard_normal(shape), dtype)
    if shape:
        g[0, :2] = [np.inf, np.nan]
        out[0, :2] = [-1, 0]
    for a, b in ((g, out), (g.T, out.T), (g, np.asfortranarray(out))):
        result = kernel(a, b)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, np.where(b > 0, a, np.zeros((), dtype)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_powers_by_one_exponent(kernels, rng, dtype):
    x = rng.normal(0, 2, 3000).astype(dtype)
    x[:2] = [0, np.inf]
    for exponent in (-3, -2, -1, 0, 0.5, 1, 1.5, 2, 3, 4, 5, 6):
        result = kernels["power"](x, np.array(exponent, dtype))
        assert result.dtype == dtype
        with np.errstate(all="ignore"):
            expected = np.power(x.astype("float64"), exponent).astype(dtype)
        # Fourth powers by two products: at most three roundings.
        np.testing.assert_allclose(result, expected, rtol=3e-3 if dtype == "float16" else TOLERANCE[dtype] * 2)
