"""Kernels that move entries, over every data type."""

import sys

import numpy as np
import pytest

from multikeras_numpy import NumpyBackend
from multikeras_numpy.numpy_scatter import by_sorted_runs

DTYPES = sorted(NumpyBackend.dtypes)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_moves(kernels, dtype):
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    x.flags.writeable = False
    cases = [
        (kernels["reshape"](x, shape=(6, 4)), x.reshape(6, 4)),
        (kernels["transpose"](x, permutation=(2, 0, 1)), x.transpose(2, 0, 1)),
        (kernels["broadcast_to"](x[:, :1], shape=(2, 3, 4)), np.broadcast_to(x[:, :1], (2, 3, 4))),
        (kernels["broadcast_to"](x[:, :1], shape=(500, 2, 3, 4)), np.broadcast_to(x[:, :1], (500, 2, 3, 4))),
        (kernels["concatenate"](x, x[:, :1], axis=1), np.concatenate([x, x[:, :1]], 1)),
        (kernels["slice"](x, starts=(1, 0, 1), stops=(2, 3, 4), steps=(1, 2, 2)), x[1:2, 0:3:2, 1:4:2]),
        (
            kernels["pad"](x, padding=((0, 1), (2, 0), (0, 0)), value=1),
            np.pad(x, ((0, 1), (2, 0), (0, 0)), constant_values=1),
        ),
        (kernels["pad"](x, padding=((0, 1), (2, 0), (0, 0)), value=0), np.pad(x, ((0, 1), (2, 0), (0, 0)))),
        (kernels["flip"](x, axis=(0, 2)), x[::-1, :, ::-1]),
        (kernels["flip"](x, axis=()), x),
        (kernels["gather"](x, np.array([[2, 0], [-1, 1]]), axis=1), np.take(x, [[2, 0], [-1, 1]], 1)),
        (kernels["gather"](x, np.array(1, "int32"), axis=0), x[1]),
        (kernels["identity"](x), x),
    ]
    for result, expected in cases:
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)
    placed = kernels["place"](x[:, :2], starts=(0, 1, 0), stops=(2, 4, 4), steps=(1, 2, 1), shape=(2, 5, 4))
    expected = np.zeros((2, 5, 4), dtype)
    expected[:, 1:4:2] = x[:, :2]
    assert placed.dtype == dtype
    np.testing.assert_array_equal(placed, expected)


def test_split(kernels):
    x = np.arange(12).reshape(2, 6)
    parts = kernels["split"](x, axis=1, sizes=(1, 0, 3, 2))
    assert isinstance(parts, tuple)
    assert [part.shape for part in parts] == [(2, 1), (2, 0), (2, 3), (2, 2)]
    np.testing.assert_array_equal(np.concatenate(parts, 1), x)


def test_arrays_without_axes_or_entries(kernels):
    scalar, empty = np.array(2.0, "float32"), np.zeros((0, 3), "float32")
    assert kernels["reshape"](scalar, shape=(1, 1)).tolist() == [[2]]
    assert kernels["transpose"](scalar, permutation=()).shape == ()
    assert kernels["slice"](scalar, starts=(), stops=(), steps=()).shape == ()
    assert kernels["place"](scalar, starts=(), stops=(), steps=(), shape=()) == 2
    assert kernels["pad"](scalar, padding=(), value=1.0) == 2
    assert kernels["broadcast_to"](scalar, shape=(2,)).tolist() == [2, 2]
    assert kernels["broadcast_to"](empty, shape=(2, 0, 3)).shape == (2, 0, 3)
    assert kernels["pad"](empty, padding=((1, 1), (0, 0)), value=5).tolist() == [[5] * 3] * 2
    assert kernels["gather"](empty, np.zeros((2, 0), "int64"), axis=0).shape == (2, 0, 3)
    assert kernels["concatenate"](empty, empty, axis=1).shape == (0, 6)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "float32", "float16"])
def test_iota(kernels, dtype):
    result = kernels["iota"](length=5, dtype=dtype)
    assert result.dtype == dtype
    assert result.tolist() == [0, 1, 2, 3, 4]
    assert kernels["iota"](length=0, dtype=dtype).shape == (0,)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("index_dtype", ["int32", "int64"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("index_shape", [(), (4,), (2, 3), (0,), (40, 6)])
def test_scatter_add(kernels, rng, dtype, index_dtype, axis, index_shape):
    shape, size = (3, 4, 5), 7
    indices = rng.integers(-size, size, index_shape).astype(index_dtype)
    outer, inner = shape[:axis], shape[axis + 1 :]
    updates = rng.integers(-4, 5, (*outer, *index_shape, *inner)).astype(dtype)
    expected = np.zeros((*outer, size, *inner))
    for position in np.ndindex(index_shape):
        place = (slice(None),) * axis
        expected[(*place, indices[position])] += updates[(*place, *position)]
    updates.flags.writeable = indices.flags.writeable = False
    result = kernels["scatter_add"](updates, indices, axis=axis, size=size)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, expected)


def test_scatter_add_is_the_adjoint_of_gather(kernels, rng):
    x, indices = rng.standard_normal((6, 50, 4)), rng.integers(0, 50, (30, 7))
    g = rng.standard_normal((6, 30, 7, 4))
    by_gather = np.vdot(kernels["gather"](x, indices, axis=1), g)
    np.testing.assert_allclose(np.vdot(x, kernels["scatter_add"](g, indices, axis=1, size=50)), by_gather)


def test_scatter_add_without_scipy(rng, monkeypatch):
    scatter_add = NumpyBackend().kernels["scatter_add"]
    updates, indices = rng.integers(-4, 5, (600, 8)).astype("float32"), rng.integers(0, 100, 600)
    expected = scatter_add(updates, indices, axis=0, size=100)
    np.testing.assert_array_equal(by_sorted_runs(updates, indices, 100), expected)
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    np.testing.assert_array_equal(scatter_add(updates, indices, axis=0, size=100), expected)


@pytest.mark.parametrize("count", [2, 3000])
def test_scatter_add_refuses_indices_outside(count):
    scatter_add = NumpyBackend().kernels["scatter_add"]
    indices = np.arange(count)
    with pytest.raises(IndexError, match=f"Index {count - 1} is outside an axis of length {count - 1}"):
        scatter_add(np.ones((count, 2)), indices, axis=0, size=count - 1)
