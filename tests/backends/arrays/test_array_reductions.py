"""Reductions and accumulations: values, data types, empty axes."""

import numpy as np
import pytest

from multikeras_numpy import NumpyBackend

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
FUNCTIONS = {"reduce_sum": np.sum, "reduce_prod": np.prod, "reduce_max": np.max, "reduce_min": np.min}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_reductions_keep_the_dtype(kernels, rng, name, dtype):
    x = rng.integers(1, 4, (2, 3, 4)).astype(dtype)
    x.flags.writeable = False
    for axis in ((), (0,), (2,), (0, 2), (0, 1, 2)):
        for keepdims in (False, True):
            result = kernels[name](x, axis=axis, keepdims=keepdims)
            expected = FUNCTIONS[name](x.astype("float64"), axis=axis, keepdims=keepdims)
            assert result.dtype == dtype
            assert result.shape == expected.shape
            if dtype in INTEGERS:
                # Sums and products of small types wrap around.
                np.testing.assert_array_equal(result, expected.astype("int64").astype(dtype))
            else:
                np.testing.assert_allclose(result, expected.astype(dtype), rtol=1e-6 if dtype != "float16" else 1e-3)


@pytest.mark.parametrize("name", ["reduce_any", "reduce_all"])
def test_reductions_of_truth(kernels, rng, name):
    x = rng.integers(0, 4, (3, 4, 5)).astype(bool)
    function = {"reduce_any": np.any, "reduce_all": np.all}[name]
    for axis in ((1,), (0, 2), (0, 1, 2)):
        result = kernels[name](x, axis=axis, keepdims=True)
        assert result.dtype == bool
        np.testing.assert_array_equal(result, function(x, axis=axis, keepdims=True))


def test_sums_of_float16_are_accumulated_in_float32(kernels):
    ones = np.ones((5000, 2), "float16")
    assert kernels["reduce_sum"](ones, axis=(0,), keepdims=False).tolist() == [5000, 5000]
    assert kernels["cumsum"](ones, axis=0, reverse=False)[-1].tolist() == [5000, 5000]
    small = np.full(1000, 0.001, "float16")
    assert abs(float(kernels["reduce_sum"](small, axis=(0,), keepdims=False)) - 1) < 2e-3


def test_maxima_of_truth_and_not_a_number(kernels):
    x = np.array([[True, False], [False, False]])
    assert kernels["reduce_max"](x, axis=(1,), keepdims=False).tolist() == [True, False]
    assert kernels["reduce_min"](x, axis=(0,), keepdims=False).tolist() == [False, False]
    assert np.isnan(kernels["reduce_max"](np.array([1, np.nan, 3]), axis=(0,), keepdims=False))


def test_sums_over_nothing(kernels):
    x = np.ones((0, 3), "float32")
    assert kernels["reduce_sum"](x, axis=(0,), keepdims=False).tolist() == [0, 0, 0]
    assert kernels["reduce_prod"](x, axis=(0,), keepdims=True).tolist() == [[1, 1, 1]]
    assert kernels["reduce_sum"](np.array(3, "int32"), axis=(), keepdims=False) == 3


@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "uint8", "bool"])
def test_positions_of_extremes_are_the_first_of_ties(kernels, dtype):
    x = np.array([[0, 1, 1], [1, 0, 0]], dtype)
    for name, expected in (("argmax", [1, 0]), ("argmin", [0, 1])):
        result = kernels[name](x, axis=1)
        assert result.dtype == "int64"
        assert result.tolist() == expected


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumsum(kernels, rng, dtype, reverse):
    x = rng.integers(0, 5, (3, 4)).astype(dtype)
    for axis in (0, 1):
        expected = np.cumsum(x.astype("int64"), axis)
        if reverse:
            expected = np.flip(np.cumsum(np.flip(x.astype("int64"), axis), axis), axis)
        result = kernels["cumsum"](x, axis=axis, reverse=reverse)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(300, 7), (3, 50, 4), (2, 9, 8, 3), (5000, 2), (2, 2049, 1), (4, 100), (300, 0)])
def test_sums_over_any_axes(kernels, rng, dtype, shape):
    x = rng.integers(-9, 10, shape).astype(dtype)
    axes = [
        (0,),
        (len(shape) - 1,),
        tuple(range(len(shape) - 1)),
        tuple(range(1, len(shape))),
        tuple(range(len(shape))),
    ]
    for axis in axes:
        for keepdims in (False, True):
            for array in (x, np.asfortranarray(x), x[::2]):
                result = kernels["reduce_sum"](array, axis=axis, keepdims=keepdims)
                expected = array.sum(axis, keepdims=keepdims)
                assert (result.dtype, result.shape) == (dtype, expected.shape)
                np.testing.assert_array_equal(result, expected)


def test_sums_of_many_rows_keep_their_digits(rng):
    kernel = NumpyBackend().kernels["reduce_sum"]
    x = rng.random((200_000, 3), dtype="float32")
    np.testing.assert_allclose(kernel(x, axis=(0,), keepdims=False), x.sum(0, "float64"), rtol=1e-6)


def test_sums_of_infinities(kernels):
    x = np.ones((300, 2), "float32")
    x[7] = [np.inf, np.nan]
    np.testing.assert_array_equal(kernels["reduce_sum"](x, axis=(0,), keepdims=False), [np.inf, np.nan])
    x[8, 0] = -np.inf
    assert np.isnan(kernels["reduce_sum"](x, axis=(1,), keepdims=False)[7])
    assert np.isnan(kernels["reduce_sum"](x, axis=(0,), keepdims=False)).all()
