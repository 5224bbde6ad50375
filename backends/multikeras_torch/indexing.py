"""Gather and its adjoint.

Negative indices count from the end. PyTorch's fast functions refuse them, so on the CPU they are
tried as given, and turned into positive ones when they were refused: looking for negative ones first
would cost more than a small gather. A GPU refuses only later, so there they are always turned.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from multikeras.contract import Array, Kernel, outside
from multikeras_torch.dtypes import HALVES, with_unsigned


def _from_start(indices: Array, size: int) -> Array:
    return torch.where(indices < 0, indices + size, indices)


def _checked(function: Callable[[Array], Array], indices: Array, size: int) -> Array:
    """`function` of indices into an axis of length `size`, none of them negative."""
    if indices.is_cuda:
        return function(_from_start(indices, size))
    try:
        return function(indices)
    except (IndexError, RuntimeError) as error:
        if isinstance(error, NotImplementedError) or not indices.numel():
            raise
        least, greatest = int(indices.min()), int(indices.max())
        if least < -size or greatest >= size:
            raise outside(least, greatest, size) from None
        if least >= 0:
            raise
        return function(_from_start(indices, size))


def gather(x: Array, indices: Array, *, axis: int) -> Array:
    """Entries of `x` along an axis by their numbers, as `numpy.take`."""
    if x.ndim == 2 and axis == 0:
        return _checked(lambda numbers: torch.embedding(x, numbers), indices, x.shape[0])
    taken = _checked(lambda numbers: torch.index_select(x, axis, numbers), indices.reshape(-1), x.shape[axis])
    return taken.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


def scatter_add(updates: Array, indices: Array, *, axis: int, size: int) -> Array:
    """Zeros to which `updates` are added where `gather` would have taken them from."""
    outer, inner = updates.shape[:axis], updates.shape[axis + indices.ndim :]
    # Sums of 16-bit floats are carried in float32, and PyTorch is three times faster by int64 indices.
    rows = updates.to(torch.float32) if updates.dtype in HALVES else updates
    rows = rows.reshape((*outer, indices.numel(), *inner))

    def total(numbers: Array) -> Array:
        zeros = torch.zeros((*outer, size, *inner), dtype=rows.dtype, device=rows.device)
        return zeros.index_add_(axis, numbers, rows)

    return _checked(total, indices.reshape(-1).to(torch.int64), size).to(updates.dtype)


INDEXING: dict[str, Kernel] = {"gather": with_unsigned(gather), "scatter_add": with_unsigned(scatter_add)}
