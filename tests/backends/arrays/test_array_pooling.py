"""Pooling against a plain loop over windows."""

from itertools import product

import numpy as np
import pytest

# shape of x, window, strides, padding
CASES = [
    ((2, 8, 3), (2,), (2,), ((0, 0),)),
    ((2, 9, 3), (3,), (2,), ((1, 2),)),
    ((2, 6, 4, 3), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((2, 7, 5, 3), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((2, 7, 5, 1), (3, 2), (1, 1), ((0, 0), (0, 0))),
    ((2, 7, 6, 3), (3, 3), (2, 2), ((1, 1), (2, 0))),
    ((2, 7, 6, 3), (2, 3), (3, 4), ((1, 0), (0, 2))),
    ((1, 3, 3, 2), (3, 3), (1, 1), ((2, 2), (2, 2))),
    ((1, 20, 20, 1), (17, 17), (3, 3), ((0, 0), (5, 5))),
    ((2, 4, 5, 6, 2), (2, 3, 2), (2, 1, 2), ((0, 0), (1, 1), (0, 1))),
]


def windows(shape, window, strides, padding):
    """For every position of the result: the position, and the places of its window in row-major order."""
    sizes = [(n + sum(pad) - w) // s + 1 for n, w, s, pad in zip(shape[1:-1], window, strides, padding, strict=True)]
    for position in product(*map(range, sizes)):
        starts = [t * s - pad[0] for t, s, pad in zip(position, strides, padding, strict=True)]
        places = [tuple(a + o for a, o in zip(starts, offset, strict=True)) for offset in product(*map(range, window))]
        inside = [p for p in places if all(0 <= i < n for i, n in zip(p, shape[1:-1], strict=True))]
        yield sizes, position, inside


def reference(x, g, window, strides, padding):
    """Maxima, sums, and the gradients of both, by loops over everything."""
    shape = [x.shape[0], *next(windows(x.shape, window, strides, padding))[0], x.shape[-1]]
    maxima, sums = np.zeros(shape, x.dtype), np.zeros(shape, x.dtype)
    max_gradient, sum_gradient = np.zeros_like(x), np.zeros_like(x)
    for _, position, places in windows(x.shape, window, strides, padding):
        for image, channel in product(range(x.shape[0]), range(x.shape[-1])):
            entries = [(image, *place, channel) for place in places]
            values = [x[entry] for entry in entries]
            here = (image, *position, channel)
            maxima[here], sums[here] = max(values), sum(values)
            max_gradient[entries[values.index(max(values))]] += g(here)
            for entry in entries:
                sum_gradient[entry] += g(here)
    return maxima, sums, max_gradient, sum_gradient


def arriving(here):
    return 1.0 + sum(place * weight for place, weight in zip(here, (3, 5, 7, 11, 13), strict=False)) % 17


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("kind", ["distinct", "ties", "infinite"])
def test_pooling_is_what_loops_give(kernels, rng, case, kind):
    shape, window, strides, padding = case
    attributes = {"window": window, "strides": strides, "padding": padding}
    x = rng.standard_normal(shape) if kind == "distinct" else rng.integers(0, 2, shape).astype("float64")
    if kind == "infinite":
        x[x == 0] = -np.inf
    maxima, sums, max_gradient, sum_gradient = reference(x, arriving, **attributes)
    g = np.array([arriving(here) for here in np.ndindex(maxima.shape)]).reshape(maxima.shape)
    (alone,) = kernels["max_pool"](x, residuals=False, **attributes)
    y, residual = kernels["max_pool"](x, residuals=True, **attributes)
    np.testing.assert_array_equal(alone, maxima)
    np.testing.assert_array_equal(y, maxima)
    np.testing.assert_array_equal(kernels["max_pool_gradient"](g, x, y, residual, **attributes), max_gradient)
    np.testing.assert_allclose(kernels["sum_pool"](x, **attributes), sums, atol=1e-12)
    np.testing.assert_allclose(kernels["sum_pool_gradient"](g, shape=shape, **attributes), sum_gradient, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8"])
@pytest.mark.parametrize("window", [(2, 2), (3, 2)])
def test_dtype_and_inputs_stay(kernels, rng, dtype, window):
    attributes = {"window": window, "strides": (2, 2), "padding": ((1, 0), (0, 1))}
    x = rng.integers(0, 5, (2, 7, 6, 3)).astype(dtype)
    x.flags.writeable = False
    copy = x.copy()
    y, residual = kernels["max_pool"](x, residuals=True, **attributes)
    total = kernels["sum_pool"](x, **attributes)
    assert y.dtype == total.dtype == dtype
    exact = kernels["max_pool"](copy.astype("float64"), residuals=True, **attributes)
    np.testing.assert_array_equal(y, exact[0])
    np.testing.assert_array_equal(residual, exact[1])
    g = rng.integers(0, 5, y.shape).astype(dtype)
    g.flags.writeable = False
    spread = kernels["sum_pool_gradient"](g, shape=x.shape, **attributes)
    assert spread.dtype == dtype
    if "float" in dtype:
        gradient = kernels["max_pool_gradient"](g, x, y, residual, **attributes)
        assert gradient.dtype == dtype
        assert gradient.sum() == g.sum()
    np.testing.assert_array_equal(x, copy)


def test_an_infinite_gradient_reaches_one_entry_alone(kernels):
    attributes = {"window": (2,), "strides": (2,), "padding": ((0, 0),)}
    x = np.array([[[1.0], [2.0], [3.0], [3.0]]], "float32")
    y, residual = kernels["max_pool"](x, residuals=True, **attributes)
    gradient = kernels["max_pool_gradient"](np.full_like(y, np.inf), x, y, residual, **attributes)
    np.testing.assert_array_equal(gradient[0, :, 0], [0, np.inf, np.inf, 0])


@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (2, 4, 4, 0), (2, 1, 4, 3)])
def test_empty_arrays(kernels, shape):
    attributes = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}
    x = np.ones(shape, "float32")
    y, residual = kernels["max_pool"](x, residuals=True, **attributes)
    assert y.shape == kernels["sum_pool"](x, **attributes).shape
    assert kernels["max_pool_gradient"](y, x, y, residual, **attributes).shape == shape
    assert kernels["sum_pool_gradient"](y, shape=shape, **attributes).shape == shape


def test_small_tiles_change_nothing(kernels, rng):
    from multikeras_arrays.pooling import pooling_kernels

    tiled = pooling_kernels(np, tile_bytes=1)
    attributes = {"window": (3, 3), "strides": (2, 2), "padding": ((1, 1), (0, 1))}
    x = rng.standard_normal((5, 9, 8, 4))
    y, residual = tiled["max_pool"](x, residuals=True, **attributes)
    expected, expected_residual = kernels["max_pool"](x, residuals=True, **attributes)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(residual, expected_residual)
