"""Pictures and volumes made larger by whole factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras.backend import common
from multikeras.backend.shapes import first_spatial_axis, repeated
from multikeras.graph import operands
from multikeras.graph.ops import shapes as ops
from multikeras.graph.tensor import Tensor


def resize_images(
    x: Any, height_factor: int, width_factor: int, data_format: Any = None, interpolation: str = "nearest"
) -> Tensor:
    """Rows and columns of a 4-D tensor made more by whole factors.

    Args:
        x: Tensor (samples, rows, cols, channels), or channels first.
        height_factor: How many rows come of each, above 0.
        width_factor: How many columns come of each, above 0.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        interpolation: `'nearest'` repeats entries. `'bilinear'` goes in equal steps from each entry
            to the next, the last one being repeated: entry `i * factor + p` of the result lies the
            share `p / factor` of the way from entry i to entry i + 1.

    Returns:
        Tensor of the type of `x`; of integers in floatx where it is interpolated.

    Raises:
        ValueError: If `x` has not four axes, a factor is no whole number above 0, or another
            interpolation is asked for.

    Source: Keras 2.3 `K.resize_images` on TensorFlow, whose bilinear resizing aligns the first
        corners. (Later Kerases align the centres of pixels.)
    """
    source, first, (height, width) = _checked(x, (height_factor, width_factor), data_format, "resize_images")
    if interpolation == "nearest":
        return repeated(source, {first: height, first + 1: width})
    if interpolation != "bilinear":
        raise ValueError(f"K.resize_images: interpolation is 'nearest' or 'bilinear', received {interpolation!r}.")
    number = common.float_tensor(source)
    between = _interpolated(_interpolated(common.wide(number), first, height), first + 1, width)
    return operands.cast(common.fresh(between), number.dtype)


def resize_volumes(x: Any, depth_factor: int, height_factor: int, width_factor: int, data_format: Any = None) -> Tensor:
    """Three spatial axes of a 5-D tensor repeated by whole factors.

    Args:
        x: Tensor (samples, d1, d2, d3, channels), or channels first.
        depth_factor: How often each entry of the first spatial axis is repeated, above 0.
        height_factor: Likewise for the second.
        width_factor: Likewise for the third.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.

    Raises:
        ValueError: If `x` has not five axes, or a factor is no whole number above 0.
    """
    factors = (depth_factor, height_factor, width_factor)
    source, first, counts = _checked(x, factors, data_format, "resize_volumes")
    return repeated(source, {first + i: n for i, n in enumerate(counts)})


def _checked(x: Any, factors: Sequence[Any], data_format: Any, function: str) -> tuple[Tensor, int, list[int]]:
    """The tensor, the axis of its rows, and the factors as ints."""
    source = common.tensor(x)
    first = first_spatial_axis(source, len(factors), data_format, function)
    return source, first, [common.whole(f, "a factor", 1) for f in factors]


def _interpolated(x: Tensor, axis: int, factor: int) -> Tensor:
    """`factor` entries for each one along an axis, on the way to the next one."""
    if factor == 1:
        return x
    window: list[Any] = [slice(None)] * x.ndim
    window[axis] = slice(1, None)
    behind = x[tuple(window)]
    window[axis] = slice(-1, None)
    following = ops.concatenate(behind, x[tuple(window)], axis=axis)
    shares = np.arange(factor).reshape(-1, *[1] * (x.ndim - 1 - axis)) / factor
    steps = common.expand(following - x, axis + 1) * operands.constant(shares, x.dtype)
    lengths = common.lengths(x)
    lengths[axis] = lengths[axis] * factor
    return common.reshape(common.expand(x, axis + 1) + steps, lengths)
