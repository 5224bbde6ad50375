"""Kernels that move entries without computing: views, copies and indexing.

They return views wherever the array module can make one.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

from multikeras.contract import Array, Kernel, outside

Ints = tuple[int, ...]


@lru_cache(maxsize=4096)
def slices(starts: Ints, stops: Ints, steps: Ints) -> tuple[slice, ...]:
    """The index of the entries from `starts` below `stops` by `steps`, one of each an axis."""
    return tuple(map(slice, starts, stops, steps))


@lru_cache(maxsize=1024)
def _split_indices(axis: int, sizes: Ints) -> tuple[tuple[slice, ...], ...]:
    indices, start = [], 0
    for size in sizes:
        indices.append((slice(None),) * axis + (slice(start, start + size),))
        start += size
    return tuple(indices)


@lru_cache(maxsize=1024)
def _flip_index(axis: Ints) -> tuple[slice, ...]:
    if not axis:
        return ()
    return tuple(slice(None, None, -1) if i in axis else slice(None) for i in range(max(axis) + 1))


@lru_cache(maxsize=1024)
def _pad_plan(shape: Ints, padding: tuple[Ints, ...]) -> tuple[Ints, tuple[slice, ...]]:
    """Shape of the padded array, and the index of what is not padding in it."""
    padded = tuple(before + size + after for size, (before, after) in zip(shape, padding, strict=True))
    inside = tuple(slice(before, before + size) for size, (before, _) in zip(shape, padding, strict=True))
    return padded, inside


def shape_kernels(xp: Any) -> dict[str, Kernel]:
    """Kernels of the shape primitives over the array module `xp`."""

    def reshape(x: Array, *, shape: Ints) -> Array:
        return x.reshape(shape)

    def transpose(x: Array, *, permutation: Ints) -> Array:
        return x.transpose(permutation)

    def broadcast_to(x: Array, *, shape: Ints) -> Array:
        return xp.broadcast_to(x, shape)

    def concatenate(*xs: Array, axis: int) -> Array:
        return xp.concatenate(xs, axis)

    def split(x: Array, *, axis: int, sizes: Ints) -> tuple[Array, ...]:
        return tuple([x[index] for index in _split_indices(axis, sizes)])

    def slice_(x: Array, *, starts: Ints, stops: Ints, steps: Ints) -> Array:
        return x[slices(starts, stops, steps)]

    def place(x: Array, *, starts: Ints, stops: Ints, steps: Ints, shape: Ints) -> Array:
        y = xp.zeros(shape, x.dtype)
        y[slices(starts, stops, steps)] = x
        return y

    def pad(x: Array, *, padding: tuple[Ints, ...], value: Any) -> Array:
        shape, inside = _pad_plan(x.shape, padding)
        y = xp.full(shape, value, x.dtype) if value else xp.zeros(shape, x.dtype)
        y[inside] = x
        return y

    def flip(x: Array, *, axis: Ints) -> Array:
        return x[_flip_index(axis)]

    def gather(x: Array, indices: Array, *, axis: int) -> Array:
        try:
            return x.take(indices, axis)
        except IndexError:
            raise outside(int(indices.min()), int(indices.max()), x.shape[axis]) from None

    def scatter_add(updates: Array, indices: Array, *, axis: int, size: int) -> Array:
        rows, restore = rows_along(updates, indices, axis)
        total = xp.zeros((size, *rows.shape[1:]), "float32" if rows.dtype.char == "e" else rows.dtype)
        xp.add.at(total, indices.reshape(-1), rows.astype(total.dtype, copy=False))
        return restore(total.astype(rows.dtype, copy=False))

    def iota(*, length: int, dtype: str) -> Array:
        return xp.arange(length, dtype=dtype)

    return {
        "reshape": reshape,
        "transpose": transpose,
        "broadcast_to": broadcast_to,
        "concatenate": concatenate,
        "split": split,
        "slice": slice_,
        "place": place,
        "pad": pad,
        "flip": flip,
        "gather": gather,
        "scatter_add": scatter_add,
        "iota": iota,
    }


def rows_along(updates: Array, indices: Array, axis: int) -> tuple[Array, Any]:
    """Brings the axes of `updates` that `indices` numbers to the front, as one axis of rows.

    Args:
        updates: Array of shape `outer + indices.shape + inner`, with `axis` axes in `outer`.
        indices: Array of row numbers.
        axis: Where the rows are.

    Returns:
        The array of shape `(indices.size, *outer, *inner)`, or with one axis more where there is
        neither, and a function that brings the result's first axis back to `axis`.
    """
    outer, inner = updates.shape[:axis], updates.shape[axis + indices.ndim :]
    rows = updates.reshape((prod(outer), indices.size, prod(inner)))
    if not axis:
        return rows[0], lambda total: total.reshape((total.shape[0], *inner))
    rows = rows.transpose((1, 0, 2))
    return rows, lambda total: total.transpose((1, 0, 2)).reshape((*outer, total.shape[0], *inner))
