"""Gathering rows by index, and its adjoint.

Indices are promised to be in range, negative ones counting from the end as in NumPy. A compiled program
cannot raise on one that is not; where NumPy and PyTorch raise, `gather` gives NaN (for integers the
smallest, for unsigned ones the largest number), which shows in a loss, and `scatter_add` drops the entry.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import array, narrow, widen


def _gather(x: Any, indices: Any, *, axis: int) -> jax.Array:
    return jnp.take(array(x), array(indices), axis=axis, mode="fill")


def _scatter_add(updates: Any, indices: Any, *, axis: int, size: int) -> jax.Array:
    updates, indices = array(updates), array(indices)
    if updates.dtype == np.bool_:
        # Of booleans "add" is "or", which JAX adds to no array.
        counts = _scatter_add(updates.astype(np.int32), indices, axis=axis, size=size)
        return counts != np.int32(0)
    shape = (*updates.shape[:axis], size, *updates.shape[axis + indices.ndim :])
    wide = widen(updates)
    where = (slice(None),) * axis + (indices,)
    return narrow(lax.full(shape, 0, wide.dtype).at[where].add(wide, mode="drop"), updates.dtype)


KERNELS: dict[str, Kernel] = {"gather": _gather, "scatter_add": _scatter_add}
