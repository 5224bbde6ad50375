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


#: Rows up to this length are sorted as fast as they are searched.
_SHORT = 64


def _chosen(x: Array, k: int) -> Array:
    """A mask of exactly `k` entries a row: the largest, of equal ones the first; NaN is the largest."""
    # Which of equal entries torch.topk takes is not said, but the value of the last one is sure.
    bound = torch.topk(x, k, dim=-1).values[..., -1:]
    chosen = ~(x < bound)
    if int(chosen.count_nonzero()) == k * (x.numel() // x.shape[-1]):
        return chosen
    # Several equal the bound, or the bound is NaN, beside which nothing is smaller.
    bound_is_nan = bound != bound
    above = ~(x <= bound) & ~bound_is_nan
    level = chosen & ~above & ((x != x) | ~bound_is_nan)
    wanted = k - above.sum(-1, keepdim=True)
    return above | (level & (torch.cumsum(level, -1, dtype=torch.int32) <= wanted))


def top_k(x: Array, *, k: int) -> tuple[Array, Array]:
    """The `k` largest entries along the last axis, the largest first, equal ones in their order; and their places."""
    if x.dtype in UNSIGNED or x.dtype == torch.bool:
        values, places = top_k(x.to(torch.int64), k=k)
        return values.to(x.dtype), places
    n = x.shape[-1]
    # A GPU sorts quickly, and would be waited for by the search.
    if n <= _SHORT or k == 0 or 2 * k > n or not x.numel() or x.device.type != "cpu":
        values, places = torch.sort(x, dim=-1, descending=True, stable=True)
        return values[..., :k], places[..., :k]
    places = torch.nonzero(_chosen(x, k))[:, -1].reshape(*x.shape[:-1], k)
    values, order = torch.sort(torch.gather(x, -1, places), dim=-1, descending=True, stable=True)
    return values, torch.gather(places, -1, order)


SORTING: dict[str, Kernel] = {
    "sort": with_unsigned(sort),
    "argsort": argsort,
    "top_k": top_k,
    "take_along_axis": with_unsigned(take_along_axis),
    "scatter_along_axis": scatter_along_axis,
}
