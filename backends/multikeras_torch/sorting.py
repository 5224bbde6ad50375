"""Ordering entries, and picking and putting them by their places along an axis."""

from __future__ import annotations

import torch

from multikeras.contract import Array, Kernel
from multikeras_torch.dtypes import HALVES, UNSIGNED, with_unsigned
from multikeras_torch.indexing import _checked as checked


def sort(x: Array, *, axis: int) -> Array:
    """Entries from the smallest to the largest; NaN counts as the largest."""
    return torch.sort(x, dim=axis).values


def argsort(x: Array, *, axis: int) -> Array:
    """Their places, equal ones in their order."""
    wide = x.to(torch.int64) if x.dtype in UNSIGNED else x
    return torch.sort(wide, dim=axis, stable=True).indices


def take_along_axis(x: Array, indices: Array, *, axis: int) -> Array:
    """Entries of `x` by their places along an axis."""
    return checked(lambda places: torch.gather(x, axis, places), indices.to(torch.int64), x.shape[axis])


def scatter_along_axis(updates: Array, indices: Array, *, axis: int, size: int) -> Array:
    """Zeros to which `updates` are added where `take_along_axis` would have taken them from."""
    wide = updates.to(torch.float32) if updates.dtype in HALVES else updates
    shape = (*updates.shape[:axis], size, *updates.shape[axis + 1 :])

    def total(places: Array) -> Array:
        return torch.zeros(shape, dtype=wide.dtype, device=wide.device).scatter_add_(axis, places, wide)

    return checked(total, indices.to(torch.int64), size).to(updates.dtype)


SORTING: dict[str, Kernel] = {
    "sort": with_unsigned(sort),
    "argsort": argsort,
    "take_along_axis": with_unsigned(take_along_axis),
    "scatter_along_axis": scatter_along_axis,
}
