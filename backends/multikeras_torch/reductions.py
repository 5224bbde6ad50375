"""Kernels that reduce axes, and cumulative sums.

PyTorch takes no axes to mean all of them, and widens sums of integers: both are undone here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from multikeras.contract import Array, Kernel
from multikeras_torch.dtypes import HALVES, UNSIGNED, with_unsigned

Axes = tuple[int, ...]


def reduce_sum(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    """The sum; PyTorch carries those of 16-bit floats in float32."""
    return torch.sum(x, axis, keepdims, dtype=x.dtype) if axis else x


def reduce_prod(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    """The product, axis by axis, since PyTorch takes one; of 16-bit floats carried in float32."""
    product = x.to(torch.float32) if x.dtype in HALVES else x
    for number in reversed(axis):
        product = torch.prod(product, number, keepdims, dtype=product.dtype)
    return product.to(x.dtype)


def _reduction(function: Callable[[Array, Axes, bool], Array]) -> Kernel:
    def kernel(x: Array, *, axis: Axes, keepdims: bool) -> Array:
        return function(x, axis, keepdims) if axis else x

    return kernel


def _first_of(function: Callable[[Array, int], Array]) -> Kernel:
    """The position of an extreme entry; the first, where several are equal."""

    def kernel(x: Array, *, axis: int) -> Array:
        if x.dtype == torch.bool or x.dtype in UNSIGNED:
            x = x.to(torch.int64)
        return function(x, axis)

    return kernel


def cumsum(x: Array, *, axis: int, reverse: bool) -> Array:
    """Sums from the start up to each entry, or from each entry to the end."""
    if reverse:
        return torch.flip(torch.cumsum(torch.flip(x, (axis,)), axis, dtype=x.dtype), (axis,))
    return torch.cumsum(x, axis, dtype=x.dtype)


def softmax(x: Array) -> Array:
    """Softmax over the last axis."""
    return torch.softmax(x, -1)


def log_softmax(x: Array) -> Array:
    """Logarithm of the softmax over the last axis."""
    return torch.log_softmax(x, -1)


REDUCTIONS: dict[str, Kernel] = {
    "reduce_sum": with_unsigned(reduce_sum),
    "reduce_prod": with_unsigned(reduce_prod),
    "reduce_max": with_unsigned(_reduction(torch.amax)),
    "reduce_min": with_unsigned(_reduction(torch.amin)),
    "reduce_any": _reduction(torch.any),
    "reduce_all": _reduction(torch.all),
    "argmax": _first_of(torch.argmax),
    "argmin": _first_of(torch.argmin),
    "cumsum": with_unsigned(cumsum),
    "softmax": softmax,
    "log_softmax": log_softmax,
}
