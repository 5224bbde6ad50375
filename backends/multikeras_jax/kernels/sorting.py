"""Ordering entries, and picking and putting them by their places along an axis.

Places out of range give NaN, or are dropped, as with `gather` and `scatter_add`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import array, is_float, narrow, widen


def _sort(x: Any, *, axis: int) -> jax.Array:
    return lax.sort(array(x), axis)


def _argsort(x: Any, *, axis: int) -> jax.Array:
    x = array(x)
    # Numbering in 32 bits is faster; only the result is int64.
    counted_in = np.int32 if x.shape[axis] < 2**31 else np.int64
    places = lax.broadcasted_iota(counted_in, x.shape, axis)
    return lax.convert_element_type(lax.sort((x, places), axis, num_keys=1)[1], np.int64)


def _top_k(x: Any, *, k: int) -> tuple[jax.Array, jax.Array]:
    x = array(x)
    ordered = x
    if is_float(x):
        # XLA's order of all floats puts -0 below 0 and a NaN with a sign below all numbers.
        ordered = lax.select(lax.eq(x, lax.full_like(x, 0)), lax.full_like(x, 0), x)
        ordered = lax.select(lax.ne(x, x), lax.full_like(x, np.nan), ordered)
    elif x.dtype == np.bool_:
        ordered = lax.convert_element_type(x, np.uint8)
    places = lax.convert_element_type(lax.top_k(ordered, k)[1], np.int64)
    return jnp.take_along_axis(x, places, -1, mode="clip"), places


def _take_along_axis(x: Any, indices: Any, *, axis: int) -> jax.Array:
    return jnp.take_along_axis(array(x), array(indices), axis, mode="fill")


def _scatter_along_axis(updates: Any, indices: Any, *, axis: int, size: int) -> jax.Array:
    updates, indices = array(updates), array(indices)
    shape = (*updates.shape[:axis], size, *updates.shape[axis + 1 :])
    wide = widen(updates)
    where = tuple(indices if i == axis else lax.broadcasted_iota(np.int32, indices.shape, i) for i in range(len(shape)))
    return narrow(lax.full(shape, 0, wide.dtype).at[where].add(wide, mode="drop"), updates.dtype)


KERNELS: dict[str, Kernel] = {
    "sort": _sort,
    "argsort": _argsort,
    "top_k": _top_k,
    "take_along_axis": _take_along_axis,
    "scatter_along_axis": _scatter_along_axis,
}
