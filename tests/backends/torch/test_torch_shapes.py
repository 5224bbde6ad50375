from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras.contract import DTYPES, is_float

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def sample(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, shape)


def _scattered(updates: np.ndarray, indices: np.ndarray, axis: int, size: int) -> np.ndarray:
    outer, inner = updates.shape[:axis], updates.shape[axis + indices.ndim :]
    total = np.zeros((size, *outer, *inner), updates.dtype)
    moved = np.moveaxis(updates.reshape((*outer, -1, *inner)), axis, 0)
    np.add.at(total, indices.reshape(-1), moved)
    return np.moveaxis(total, 0, axis)


FULL = {"starts": (0, 0, 0), "steps": (1, 1, 1)}
X = sample((2, 3, 4))
INDICES = np.array([[2, 0], [1, 2]], "int32")
CASES: list[tuple[str, tuple[np.ndarray, ...], dict[str, Any], np.ndarray]] = [
    ("reshape", (X,), {"shape": (4, 6)}, X.reshape(4, 6)),
    ("reshape", (X[:1, :1, :1],), {"shape": ()}, X[0, 0, 0]),
    ("transpose", (X,), {"permutation": (2, 0, 1)}, X.transpose(2, 0, 1)),
    ("broadcast_to", (X[:, :1],), {"shape": (5, 2, 3, 4)}, np.broadcast_to(X[:, :1], (5, 2, 3, 4))),
    ("concatenate", (X, X[:, :0], X[:, :1]), {"axis": 1}, np.concatenate([X, X[:, :1]], 1)),
    ("slice", (X,), {"starts": (0, 1, 0), "stops": (2, 3, 4), "steps": (1, 1, 3)}, X[:, 1:3, ::3]),
    ("slice", (X,), {**FULL, "stops": (2, 0, 4)}, X[:, :0]),
    (
        "pad",
        (X,),
        {"padding": ((1, 0), (0, 2), (0, 0)), "value": 1},
        np.pad(X, ((1, 0), (0, 2), (0, 0)), constant_values=1),
    ),
    ("flip", (X,), {"axis": (0, 2)}, np.flip(X, (0, 2))),
    ("flip", (X,), {"axis": ()}, X),
    ("gather", (X[0], INDICES), {"axis": 0}, X[0][INDICES]),
    ("gather", (X, INDICES.astype("int64")), {"axis": 1}, np.take(X, INDICES, 1)),
    ("gather", (X, INDICES - 3), {"axis": 1}, np.take(X, INDICES, 1)),
    ("gather", (X[0], INDICES - 3), {"axis": 0}, X[0][INDICES]),
    ("gather", (X[0], np.array(1, "int32")), {"axis": 0}, X[0][1]),
    ("gather", (X[0], np.zeros((0,), "int32")), {"axis": 0}, X[0][:0]),
    ("gather", (X[0, 0], np.array(1, "int32")), {"axis": 0}, X[0, 0, 1]),
]


@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_moves_of_every_type(backend: Any, case: Any, dtype: str) -> None:
    name, xs, attributes, expected = case
    attributes = {**attributes, **({"value": 1.0} if name == "pad" and is_float(dtype) else {})}
    with backend.scope():
        arrays = [backend.feed(x, dtype if x.dtype == X.dtype and not i else str(x.dtype)) for i, x in enumerate(xs)]
        if name == "concatenate":
            arrays = [backend.feed(x, dtype) for x in xs]
        result = backend.kernels[name](*arrays, **attributes)
    assert result.dtype == getattr(torch, dtype)
    assert tuple(result.shape) == expected.shape
    np.testing.assert_array_equal(
        backend.to_numpy(result), expected.astype("float32" if dtype == "bfloat16" else dtype)
    )


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_split_place_and_iota(backend: Any, dtype: str) -> None:
    with backend.scope():
        x = backend.feed(X, dtype)
        parts = backend.kernels["split"](x, axis=2, sizes=(1, 0, 3))
        assert isinstance(parts, tuple)
        for part, expected in zip(parts, (X[..., :1], X[..., :0], X[..., 1:]), strict=True):
            assert part.dtype == getattr(torch, dtype)
            np.testing.assert_array_equal(backend.to_numpy(part), backend.to_numpy(backend.feed(expected, dtype)))
        where = {"starts": (1, 0, 2), "stops": (4, 3, 9), "steps": (2, 1, 2)}
        placed = backend.kernels["place"](x, shape=(4, 3, 9), **where)
        expected = np.zeros((4, 3, 9), int)
        expected[1:4:2, :, 2:9:2] = X
        assert placed.dtype == getattr(torch, dtype)
        np.testing.assert_array_equal(backend.to_numpy(placed).astype(int), expected)
        if dtype != "bool":
            counted = backend.kernels["iota"](length=5, dtype=dtype)
            assert counted.dtype == getattr(torch, dtype)
            np.testing.assert_array_equal(backend.to_numpy(counted), np.arange(5))


@pytest.mark.parametrize("dtype", sorted(DTYPES - {"bool"}))
def test_scatter_add(backend: Any, dtype: str) -> None:
    random = np.random.default_rng(2)
    for shape, indices, axis, size in [
        ((6, 3), np.array([0, 2, 2, 1, 0, 0]), 0, 4),
        ((2, 2, 3), INDICES, 0, 5),
        ((5, 2, 2, 3), INDICES, 1, 3),
        ((5, 3), np.array(2), 1, 4),
        ((2, 2), INDICES - 3, 0, 3),
        ((0, 3), np.zeros(0, "int32"), 0, 2),
    ]:
        shape = shape if indices.ndim else (5, 3)
        updates = random.integers(0, 5, shape)
        with backend.scope():
            result = backend.kernels["scatter_add"](
                backend.feed(updates, dtype), backend.feed(indices, "int32"), axis=axis, size=size
            )
        expected = _scattered(updates, np.asarray(indices), axis, size)
        assert result.dtype == getattr(torch, dtype)
        np.testing.assert_array_equal(backend.to_numpy(result).astype(int), expected)


def test_indices_out_of_range_raise(run: Any) -> None:
    x = np.zeros((3, 2))
    for wrong in (3, -4):
        with pytest.raises(IndexError, match=f"Index {wrong} is outside an axis of length"):
            run("gather", x, np.array([0, wrong]), axis=0)
        with pytest.raises(IndexError, match=f"Index {wrong} is outside an axis of length"):
            run("gather", x, np.array([0, wrong]), axis=1)
        with pytest.raises(IndexError, match=f"Index {wrong} is outside an axis of length"):
            run("scatter_add", np.zeros((2, 2)), np.array([0, wrong]), axis=0, size=3)


@pytest.mark.parametrize("dtype", sorted(DTYPES - {"bool"}))
def test_matrix_products(backend: Any, dtype: str) -> None:
    random = np.random.default_rng(3)
    for x_shape, y_shape in [((3, 4), (4, 2)), ((5, 3, 4), (4, 2)), ((2, 1, 3, 4), (5, 4, 2)), ((3, 0), (0, 2))]:
        x, y = random.integers(0, 3, x_shape), random.integers(0, 3, y_shape)
        with backend.scope():
            result = backend.kernels["matmul"](backend.feed(x, dtype), backend.feed(y, dtype))
        assert result.dtype == getattr(torch, dtype)
        np.testing.assert_array_equal(backend.to_numpy(result).astype(int), x @ y)


def test_integer_products_as_on_a_gpu() -> None:
    from multikeras_torch.algebra import algebra_kernels

    matmul = algebra_kernels(torch.device("cuda"))["matmul"]
    x, y = torch.arange(24).reshape(2, 1, 3, 4).int(), torch.arange(40).reshape(5, 4, 2).int()
    torch.testing.assert_close(matmul(x, y), torch.matmul(x, y))
    assert matmul(x, y).dtype == torch.int32
