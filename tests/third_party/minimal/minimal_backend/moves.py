"""Kernels that move entries without computing on them."""

from __future__ import annotations

from typing import Any

import numpy as np


def place(x: Any, *, starts: Any, stops: Any, steps: Any, shape: tuple[int, ...]) -> Any:
    made = np.zeros(shape, x.dtype)
    made[tuple(map(slice, starts, stops, steps))] = x
    return made


def split(x: Any, *, axis: int, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis))


def pad(x: Any, *, padding: Any, value: float) -> Any:
    shape = tuple(before + n + after for n, (before, after) in zip(x.shape, padding, strict=True))
    made = np.full(shape, value, x.dtype)
    made[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, padding, strict=True))] = x
    return made


def scatter_add(x: Any, indices: Any, *, axis: int, size: int) -> Any:
    made = np.zeros((*x.shape[:axis], size, *x.shape[axis + indices.ndim :]), x.dtype)
    np.add.at(made, (slice(None),) * axis + (indices,), x)
    return made


KERNELS = {
    "reshape": lambda x, *, shape: np.reshape(x, shape),
    "transpose": lambda x, *, permutation: np.transpose(x, permutation),
    "broadcast_to": lambda x, *, shape: np.broadcast_to(x, shape),
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "split": split,
    "slice": lambda x, *, starts, stops, steps: x[tuple(map(slice, starts, stops, steps))],
    "place": place,
    "pad": pad,
    "flip": lambda x, *, axis: np.flip(x, axis),
    "gather": lambda x, indices, *, axis: np.take(x, indices, axis),
    "scatter_add": scatter_add,
    "iota": lambda *, length, dtype: np.arange(length, dtype=dtype),
    "sort": lambda x, *, axis: np.sort(x, axis),
    "argsort": lambda x, *, axis: np.argsort(x, axis, kind="stable"),
}
