"""The largest entries of rows, without sorting the others."""

from __future__ import annotations

import numpy as np

from multikeras.contract import Array, Kernel

#: Rows up to this length are sorted as fast as they are searched.
_SHORT = 64


def _descending(rows: Array) -> Array:
    """Places of the entries of rows from the largest to the smallest, equal ones in their order, NaN first."""
    turned = np.argsort(rows[:, ::-1], -1, kind="stable")
    return (rows.shape[1] - 1 - turned)[:, ::-1]


def _chosen(rows: Array, k: int) -> Array:
    """A mask of exactly `k` entries a row: the largest, of equal ones the first; NaN is the largest."""
    n = rows.shape[1]
    bound = np.partition(rows, n - k, -1)[:, n - k, None]
    chosen = ~(rows < bound)
    if np.count_nonzero(chosen) == k * len(rows):
        return chosen
    # Several equal the bound, or the bound is NaN, beside which nothing is smaller.
    bound_is_nan = bound != bound
    above = ~(rows <= bound) & ~bound_is_nan
    level = chosen & ~above & ((rows != rows) | ~bound_is_nan)
    wanted = k - np.count_nonzero(above, -1)[:, None]
    return above | (level & (np.cumsum(level, -1, dtype="int32") <= wanted))


def top_k(x: Array, *, k: int) -> tuple[Array, Array]:
    """The `k` largest entries along the last axis, the largest first, and their places."""
    n = x.shape[-1]
    rows = x.reshape(-1, n) if n else x.reshape(0, 0)
    if x.dtype == bool:
        rows = rows.view("uint8")
    if n <= _SHORT or k == 0 or 2 * k > n or not len(rows):
        places = _descending(rows)[:, :k]
        values = np.take_along_axis(rows, places, -1)
    else:
        places = np.nonzero(_chosen(rows, k))[1].reshape(-1, k)
        values = np.take_along_axis(rows, places, -1)
        order = _descending(values)
        places, values = np.take_along_axis(places, order, -1), np.take_along_axis(values, order, -1)
    shape = (*x.shape[:-1], k)
    return values.view(x.dtype).reshape(shape), places.astype("int64", copy=False).reshape(shape)


SORTING_KERNELS: dict[str, Kernel] = {"top_k": top_k}
