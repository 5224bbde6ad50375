"""Pooling and its gradients, over arrays whose last axis is the channels.

PyTorch works on a view with the channels second, in the memory order that it calls channels_last (a
fifth of the time of its default order on a CPU). It pads both sides alike and by half a window at
most; any other padding is laid around the array first. One spatial axis is lifted to two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

from multikeras.contract import Array, Kernel
from multikeras_torch.dtypes import HALVES, UNSIGNED
from multikeras_torch.layouts import (
    SECOND,
    Ints,
    Padding,
    crop,
    empty,
    pad_around,
    padded_shape,
    to_last,
    without_padding,
)

_MAX = {4: torch._C._nn.max_pool2d_with_indices, 5: torch._C._nn.max_pool3d_with_indices}
_MAX_GRADIENT = {
    4: torch.ops.aten.max_pool2d_with_indices_backward.default,
    5: torch.ops.aten.max_pool3d_with_indices_backward.default,
}
_AVERAGE = {4: torch._C._nn.avg_pool2d, 5: torch._C._nn.avg_pool3d}
_AVERAGE_GRADIENT = {4: torch.ops.aten.avg_pool2d_backward.default, 5: torch.ops.aten.avg_pool3d_backward.default}


def _lifted(window: Ints, strides: Ints, padding: Padding) -> dict[str, Any]:
    """The attributes with a first spatial axis of length 1 added."""
    return {"window": (1, *window), "strides": (1, *strides), "padding": ((0, 0), *padding)}


def _is_native(shape: Ints, window: Ints, padding: Padding) -> bool:
    # PyTorch refuses an axis without entries, however much padding there is.
    return 0 not in shape[1:-1] and all(
        before == after <= size // 2 for size, (before, after) in zip(window, padding, strict=True)
    )


def _is_native_mean(shape: Ints, window: Ints, padding: Padding) -> bool:
    # Means over three axes want an input that is as long as the window, whatever the padding.
    long = len(window) < 3 or all(size <= n for size, n in zip(window, shape[1:-1], strict=True))
    return long and _is_native(shape, window, padding)


def _lowest(dtype: torch.dtype) -> float:
    """What padding holds when the largest is looked for."""
    if dtype.is_floating_point:
        return float("-inf")
    return 0 if dtype == torch.bool else torch.iinfo(dtype).min


def _one_channel(x: Array) -> Array:
    """An array with a channel made up where there is none, which PyTorch refuses to pool."""
    return x.new_zeros((*x.shape[:-1], 1))


def _by_windows(
    x: Array, function: Callable[[Array, Ints], Array], window: Ints, strides: Ints, padding: Padding, fill: float
) -> Array:
    """Pooling of integers, most of which PyTorch's own does not take: a view of all windows, reduced."""
    x = pad_around(x, padding, fill)
    for axis, (size, stride) in enumerate(zip(window, strides, strict=True)):
        x = x.unfold(axis + 1, size, stride)
    return function(x, tuple(range(-len(window), 0)))


def max_pool(x: Array, *, window: Ints, strides: Ints, padding: Padding, residuals: bool) -> tuple[Array, ...]:
    """The largest entry of every window; the residual says where in the (padded) array it was."""
    if not x.shape[-1]:
        y, *index = max_pool(_one_channel(x), window=window, strides=strides, padding=padding, residuals=residuals)
        return (y[..., :0], *index)
    if x.ndim == 3:
        y, *index = max_pool(x.unsqueeze(1), residuals=residuals, **_lifted(window, strides, padding))
        return (y.squeeze(1), *index)
    if not x.is_floating_point():
        y = _integer_max(x, window, strides, padding)
        return (y, torch.empty(0, device=x.device)) if residuals else (y,)
    native, added = _is_native(tuple(x.shape), window, padding), padding
    if not native:
        x, added = pad_around(x, padding, _lowest(x.dtype)), without_padding(padding)
    sizes = [before for before, _ in added]
    y, index = _MAX[x.ndim](x.permute(SECOND[x.ndim]), window, strides, sizes)
    if not residuals:
        return (to_last(y),)
    if not native or x.ndim == 5:
        # Where all entries are minus infinity, padding of ours is the first of them, and over three axes PyTorch
        # names an entry outside the window.
        firsts = _first_inside(tuple(x.shape[1:-1]), tuple(y.shape[2:]), strides, padding, native, x.device)
        index = torch.where(y == float("-inf"), firsts, index)
    return to_last(y), index


@lru_cache(maxsize=256)
def _first_inside(
    sizes: Ints, places: Ints, strides: Ints, padding: Padding, native: bool, device: torch.device
) -> Array:
    """For each window the number of its first entry that is no padding.

    Entries are numbered row by row in an array of spatial shape `sizes`, which holds the padding unless it is native.
    """
    number = torch.zeros((), dtype=torch.int64, device=device)
    for size, count, stride, (before, _) in zip(sizes, places, strides, padding, strict=True):
        starts = (torch.arange(count, device=device) * stride).clamp(min=before)
        number = number.unsqueeze(-1) * size + (starts - before if native else starts)
    return number


def _integer_max(x: Array, window: Ints, strides: Ints, padding: Padding) -> Array:
    if x.dtype in UNSIGNED:
        return _integer_max(x.to(torch.int64), window, strides, padding).to(x.dtype)
    return _by_windows(x, torch.amax, window, strides, padding, _lowest(x.dtype))


def max_pool_gradient(
    g: Array, x: Array, y: Array, residual: Array, *, window: Ints, strides: Ints, padding: Padding
) -> Array:
    """The gradient of `max_pool` for its input: all of it for the first largest entry of a window."""
    if not x.shape[-1]:
        return torch.empty_like(x)
    if x.ndim == 3:
        arrays = (g.unsqueeze(1), x.unsqueeze(1), y.unsqueeze(1), residual)
        return max_pool_gradient(*arrays, **_lifted(window, strides, padding)).squeeze(1)
    order = SECOND[x.ndim]
    ones = (1,) * len(window)
    if _is_native(tuple(x.shape), window, padding):
        sizes = [before for before, _ in padding]
        gradient = _MAX_GRADIENT[x.ndim](
            g.permute(order), x.permute(order), window, strides, sizes, ones, False, residual
        )
        return to_last(gradient)
    padded = empty(padded_shape(tuple(x.shape), padding), g)
    zeros = (0,) * len(window)
    gradient = _MAX_GRADIENT[x.ndim](g.permute(order), padded, window, strides, zeros, ones, False, residual)
    return crop(to_last(gradient), tuple(x.shape), padding)


def sum_pool(x: Array, *, window: Ints, strides: Ints, padding: Padding) -> Array:
    """The sum of every window."""
    if not x.shape[-1]:
        return sum_pool(_one_channel(x), window=window, strides=strides, padding=padding)[..., :0]
    if x.ndim == 3:
        return sum_pool(x.unsqueeze(1), **_lifted(window, strides, padding)).squeeze(1)
    if not x.is_floating_point():
        wide = x.to(torch.int64)
        return _by_windows(wide, torch.sum, window, strides, padding, 0).to(x.dtype)
    if x.dtype in HALVES:
        return sum_pool(x.float(), window=window, strides=strides, padding=padding).to(x.dtype)
    if not _is_native_mean(tuple(x.shape), window, padding):
        x, padding = pad_around(x, padding, 0), without_padding(padding)
    sizes = [before for before, _ in padding]
    # An average whose divisor is 1; the padding counts, as zeros.
    return to_last(_AVERAGE[x.ndim](x.permute(SECOND[x.ndim]), window, strides, sizes, False, True, 1))


def sum_pool_gradient(g: Array, *, shape: Ints, window: Ints, strides: Ints, padding: Padding) -> Array:
    """The gradient of `sum_pool` for its input, of the given shape."""
    if not shape[-1]:
        return g.new_empty(shape)
    if g.ndim == 3:
        return sum_pool_gradient(
            g.unsqueeze(1), shape=(shape[0], 1, *shape[1:]), **_lifted(window, strides, padding)
        ).squeeze(1)
    if g.dtype in HALVES:
        return sum_pool_gradient(g.float(), shape=shape, window=window, strides=strides, padding=padding).to(g.dtype)
    order = SECOND[g.ndim]
    if _is_native_mean(shape, window, padding):
        sizes = [before for before, _ in padding]
        x = empty(shape, g)
        return to_last(_AVERAGE_GRADIENT[g.ndim](g.permute(order), x, window, strides, sizes, False, True, 1))
    x = empty(padded_shape(shape, padding), g)
    zeros = (0,) * len(window)
    gradient = _AVERAGE_GRADIENT[g.ndim](g.permute(order), x, window, strides, zeros, False, True, 1)
    return crop(to_last(gradient), shape, padding)


POOLING: dict[str, Kernel] = {
    "max_pool": max_pool,
    "max_pool_gradient": max_pool_gradient,
    "sum_pool": sum_pool,
    "sum_pool_gradient": sum_pool_gradient,
}
