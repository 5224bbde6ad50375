from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from multikeras.contract import DTYPES, FLOATS, INTEGERS, is_float

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

TOLERANCE = {"float64": 1e-13, "float32": 3e-6, "float16": 4e-3, "bfloat16": 3e-2}

FLOAT_UNARY = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
ANY_UNARY = {
    "negative": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "floor": lambda x: np.floor(x) if x.dtype.kind == "f" else x,
    "ceil": lambda x: np.ceil(x) if x.dtype.kind == "f" else x,
    "round": lambda x: np.rint(x) if x.dtype.kind == "f" else x,
    "relu": lambda x: np.maximum(x, np.zeros((), x.dtype)),
    "identity": lambda x: x,
}
ARITHMETIC = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "power": np.power,
}
COMPARISONS = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}
BITWISE = {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "shift_left": np.left_shift,
    "shift_right": np.right_shift,
}


def sample(dtype: str, seed: int, shape: tuple[int, ...] = (3, 5)) -> np.ndarray:
    """Values that every type holds exactly, in an array of the type (float32 for bfloat16)."""
    random = np.random.default_rng(seed)
    if is_float(dtype):
        return (random.integers(-24, 25, shape) / 8).astype("float32" if dtype == "bfloat16" else dtype)
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    info = np.iinfo(dtype)
    return random.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def check(result: Any, backend: Any, dtype: str, expected: np.ndarray) -> None:
    assert result.dtype == getattr(torch, dtype)
    assert tuple(result.shape) == expected.shape
    value = backend.to_numpy(result)
    if is_float(dtype):
        np.testing.assert_allclose(value.astype("float64"), expected, TOLERANCE[dtype], TOLERANCE[dtype])
    else:
        np.testing.assert_array_equal(value, expected)


def call(backend: Any, name: str, dtype: str, *xs: np.ndarray) -> Any:
    with backend.scope():
        return backend.kernels[name](*[backend.feed(x, dtype) for x in xs])


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        yield


@pytest.mark.parametrize("dtype", sorted(FLOATS))
@pytest.mark.parametrize("name", sorted(FLOAT_UNARY))
def test_functions_of_floats(backend: Any, name: str, dtype: str) -> None:
    x = sample(dtype, 1)
    x = np.abs(x) + x.dtype.type(0.125) if name in ("log", "log1p", "sqrt") else x
    check(call(backend, name, dtype, x), backend, dtype, FLOAT_UNARY[name](x.astype("float64")))


@pytest.mark.parametrize("dtype", sorted(FLOATS | INTEGERS))
@pytest.mark.parametrize("name", sorted(ANY_UNARY))
def test_functions_of_every_type(backend: Any, name: str, dtype: str) -> None:
    x = sample(dtype, 2)
    check(call(backend, name, dtype, x), backend, dtype, ANY_UNARY[name](x))


@pytest.mark.parametrize("dtype", sorted(FLOATS | INTEGERS))
@pytest.mark.parametrize("name", sorted(ARITHMETIC))
def test_arithmetic(backend: Any, name: str, dtype: str) -> None:
    x, y = sample(dtype, 3), sample(dtype, 4, (5,))
    if name == "power":
        x, y = (np.abs(x), y) if is_float(dtype) else (x, y % np.asarray(5, dtype))
    if name in ("floor_divide", "remainder") and is_float(dtype):
        y = np.where(y == 0, y.dtype.type(0.5), y)
    wide = [x.astype("float64"), y.astype("float64")] if is_float(dtype) else [x, y]
    check(call(backend, name, dtype, x, y), backend, dtype, ARITHMETIC[name](*wide))


@pytest.mark.parametrize("dtype", sorted(FLOATS))
def test_divide(backend: Any, dtype: str) -> None:
    x, y = sample(dtype, 3), np.abs(sample(dtype, 4)) + 1
    y = y.astype(x.dtype)
    check(call(backend, "divide", dtype, x, y), backend, dtype, x.astype("float64") / y)


@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_comparisons(backend: Any, name: str, dtype: str) -> None:
    x, y = sample(dtype, 5), sample(dtype, 6)
    y[0] = x[0]
    check(call(backend, name, dtype, x, y), backend, "bool", COMPARISONS[name](x, y))


@pytest.mark.parametrize("dtype", sorted(INTEGERS))
@pytest.mark.parametrize("name", sorted(BITWISE))
def test_bits(backend: Any, name: str, dtype: str) -> None:
    x, y = sample(dtype, 7), sample(dtype, 8)
    if name.startswith("shift"):
        y = y % np.asarray(7, dtype)
    check(call(backend, name, dtype, x, y), backend, dtype, BITWISE[name](x, y))


@pytest.mark.parametrize("name", ["maximum", "minimum", "logical_and", "logical_or", "logical_xor"])
def test_two_bools(backend: Any, name: str) -> None:
    x, y = np.array([False, False, True, True]), np.array([False, True, False, True])
    check(call(backend, name, "bool", x, y), backend, "bool", getattr(np, name)(x, y))


def test_logical_not(run: Any) -> None:
    np.testing.assert_array_equal(run("logical_not", np.array([True, False])), [False, True])


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_where_and_finiteness_of_every_type(backend: Any, dtype: str) -> None:
    condition, x, y = sample("bool", 9), sample(dtype, 10), sample(dtype, 11, (1, 5))
    with backend.scope():
        result = backend.kernels["where"](backend.feed(condition, "bool"), *[backend.feed(v, dtype) for v in (x, y)])
    check(result, backend, dtype, np.where(condition, x, y))
    check(call(backend, "isnan", dtype, x), backend, "bool", np.zeros(x.shape, bool))
    check(call(backend, "isfinite", dtype, x), backend, "bool", np.ones(x.shape, bool))


@pytest.mark.parametrize("source", sorted(DTYPES))
@pytest.mark.parametrize("target", sorted(DTYPES))
def test_cast(backend: Any, source: str, target: str) -> None:
    x = np.array([0, 1, 2, 3.75, 100.5]).astype("float32" if source == "bfloat16" else source)
    with backend.scope():
        array = backend.feed(x, source)
        result = backend.kernels["cast"](array, dtype=target)
    expected = backend.to_numpy(array).astype("float32" if target == "bfloat16" else target)
    assert result.dtype == getattr(torch, target)
    np.testing.assert_allclose(backend.to_numpy(result), expected, 1e-2 if target == "bfloat16" else 0)


def test_cast_truncates_and_wraps(run: Any) -> None:
    np.testing.assert_array_equal(run("cast", np.array([-1.9, 1.9, -0.5]), dtype="int32"), [-1, 1, 0])
    np.testing.assert_array_equal(run("cast", np.array([-0.5, 0.0, np.nan]), dtype="bool"), [True, False, True])
    np.testing.assert_array_equal(run("cast", np.array([-1, 2**32 + 5]), dtype="uint32"), [2**32 - 1, 5])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values(run: Any, dtype: str) -> None:
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 300.0, -300.0], dtype)
    for name in ("exp", "log", "log1p", "sqrt", "tanh", "abs", "negative", "sign", "floor", "expm1"):
        expected = getattr(np, name)(special)
        np.testing.assert_allclose(run(name, special), expected, 1e-6, err_msg=name)
    np.testing.assert_array_equal(run("relu", special), np.maximum(special, 0))
    np.testing.assert_allclose(run("sigmoid", special), [np.nan, 1, 0, 0.5, 0.5, 1, np.exp(-300.0, dtype=dtype)], 1e-6)
    x, y = (part.ravel() for part in np.meshgrid(special, special))
    for name in ("maximum", "minimum", "add", "divide", "floor_divide", "remainder", "equal", "less"):
        expected = getattr(np, name)(x, y)
        np.testing.assert_array_equal(run(name, x, y), expected, err_msg=name)
    np.testing.assert_array_equal(run("round", np.array([0.5, 1.5, -2.5], dtype)), [0, 2, -2])
    np.testing.assert_array_equal(run("isnan", special), np.isnan(special))
    np.testing.assert_array_equal(run("isfinite", special), np.isfinite(special))


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "uint32"])
def test_integers_divided_by_zero_are_zero(run: Any, dtype: str) -> None:
    x, y = np.array([7, 0, 9], dtype), np.array([0, 0, 2], dtype)
    np.testing.assert_array_equal(run("floor_divide", x, y), [0, 0, 4])
    np.testing.assert_array_equal(run("remainder", x, y), [0, 0, 1])


@pytest.mark.parametrize("dtype", sorted(FLOATS | INTEGERS))
@pytest.mark.parametrize("name", sorted(ARITHMETIC | COMPARISONS))
def test_python_numbers_take_the_type_of_the_array(backend: Any, name: str, dtype: str) -> None:
    x = np.abs(sample(dtype, 12)).clip(1, 2).astype("float32" if dtype == "bfloat16" else dtype)
    number = 2.0 if is_float(dtype) else 2
    kind = "bool" if name in COMPARISONS else dtype
    function = (ARITHMETIC | COMPARISONS)[name]
    with backend.scope():
        array = backend.feed(x, dtype)
        check(backend.kernels[name](array, number), backend, kind, function(x, np.asarray(number, x.dtype)))
        check(backend.kernels[name](number, array), backend, kind, function(np.asarray(number, x.dtype), x))


def test_python_numbers_in_where_and_logic(backend: Any, feed: Any) -> None:
    with backend.scope():
        condition = feed([True, False])
        for dtype in ("float16", "float32", "float64", "int32", "int8"):
            number = 2.0 if is_float(dtype) else 2
            x = feed([3, 4], dtype)
            check(backend.kernels["where"](condition, x, number), backend, dtype, np.array([3, 2]))
            check(backend.kernels["where"](condition, number, x), backend, dtype, np.array([2, 4]))
        check(backend.kernels["logical_and"](condition, True), backend, "bool", np.array([True, False]))
        check(backend.kernels["logical_xor"](True, condition), backend, "bool", np.array([False, True]))


def test_scalar_arrays_and_the_users_defaults(backend: Any, feed: Any) -> None:
    """Neither PyTorch's default type nor its default device decides about a result."""
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), backend.scope():
            x, two = feed([1.0, 3.0], "float32"), feed(2.0, "float32")
            check(backend.kernels["multiply"](x, two), backend, "float32", np.array([2.0, 6.0]))
            check(backend.kernels["maximum"](x, 2.0), backend, "float32", np.array([2.0, 3.0]))
            check(backend.kernels["where"](feed([True, False]), x, 0.0), backend, "float32", np.array([1.0, 0.0]))
            check(backend.kernels["iota"](length=3, dtype="int32"), backend, "int32", np.arange(3))
    finally:
        torch.set_default_dtype(torch.float32)
