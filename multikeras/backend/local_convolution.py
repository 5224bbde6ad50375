"""Convolutions whose windows share no weights."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

from multikeras.backend import common
from multikeras.backend.configuration import normalize_data_format
from multikeras.backend.convolution import channels_back, channels_last, numbers
from multikeras.graph import operands
from multikeras.graph.ops import algebra, shapes
from multikeras.graph.tensor import Tensor


def local_conv1d(inputs: Any, kernel: Any, kernel_size: Any, strides: Any, data_format: Any = None) -> Tensor:
    """A convolution over one axis with weights of its own for each place.

    Args:
        inputs: Tensor (samples, steps, in), or channels first.
        kernel: Tensor (places, window * in, out).
        kernel_size: Window.
        strides: Distance of two windows.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
    """
    places = common.tensor(kernel).shape[0]
    # Only in two dimensions does the order of entries in a window follow the data format.
    word = normalize_data_format(data_format)
    moved = channels_last(common.float_tensor(inputs), word)
    made = _local(moved, kernel, kernel_size, strides, (places,), False, 1, "local_conv1d")
    return channels_back(made, word)


def local_conv2d(
    inputs: Any, kernel: Any, kernel_size: Any, strides: Any, output_shape: Any, data_format: Any = None
) -> Tensor:
    """A convolution over rows and columns with weights of its own for each place.

    Args:
        inputs: Tensor (samples, rows, cols, in), or channels first.
        kernel: Tensor (places, window * in, out); entries of a window are ordered as the axes of
            `inputs`.
        kernel_size: Window along each axis.
        strides: Distance of two windows along each axis.
        output_shape: Number of places along each axis.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
    """
    word = normalize_data_format(data_format)
    moved = channels_last(common.float_tensor(inputs), word)
    first = word == "channels_first"
    made = _local(moved, kernel, kernel_size, strides, tuple(output_shape), first, 2, "local_conv2d")
    return channels_back(made, word)


def _local(
    x: Tensor,
    kernel: Any,
    kernel_size: Any,
    strides: Any,
    places: tuple[Any, ...],
    channels_before: bool,
    axes: int,
    function: str,
) -> Tensor:
    source, weights = operands.match(x, kernel)
    if source.ndim != axes + 2 or weights.ndim != 3 or None in places or len(places) != axes:
        raise ValueError(
            f"K.{function} takes inputs of {axes + 2} axes, a kernel (places, window * in, out) of known shape and "
            f"{axes} numbers of places, received shapes {source.shape} and {weights.shape} and {places}."
        )
    window = numbers(kernel_size, axes, "kernel_size", function)
    steps = numbers(strides, axes, "strides", function)
    for axis, (n, k, s, count) in enumerate(zip(source.shape[1:-1], window, steps, places, strict=True)):
        held = algebra.window_length(n, k, s, (0, 0), 1)
        if held is not None and held != count:
            raise ValueError(
                f"K.{function}: along spatial axis {axis} an input of {n} has {held} windows of {k} with stride {s}; "
                f"there are weights for {count}."
            )
    channels, entries_held = source.shape[-1], weights.shape[1]
    if channels is not None and entries_held is not None and entries_held != prod(window) * channels:
        raise ValueError(
            f"K.{function}: a window of {window} over {channels} channels has {prod(window) * channels} entries, a "
            f"kernel (places, window * in, out) of shape {weights.shape} takes {entries_held}."
        )
    if weights.shape[0] is not None and weights.shape[0] != prod(places):
        raise ValueError(
            f"K.{function}: a kernel (places, window * in, out) of shape {weights.shape} has weights for "
            f"{weights.shape[0]} places, and {places} are {prod(places)}."
        )
    views = []
    for offset in product(*map(range, window)):
        spans = [slice(o, o + (n - 1) * s + 1, s) for o, n, s in zip(offset, places, steps, strict=True)]
        views.append(source[(slice(None), *spans)])
    # (samples, *places, in) for each entry of the window, to (samples, *places, window * in).
    ndim = source.ndim
    patches = _joined(views, ndim if channels_before else ndim - 1)
    entries = weights.shape[1] if weights.shape[1] is not None else -1
    count = weights.shape[0] if weights.shape[0] is not None else -1
    rows = common.reshape(patches, [common.length_of(source, 0), count, entries])
    result = common.transpose(algebra.matmul(common.transpose(rows, [1, 0, 2]), weights), [1, 0, 2])
    return common.reshape(result, [common.length_of(source, 0), *places, common.length_of(weights, 2)])


def _joined(views: list[Tensor], axis: int) -> Tensor:
    made: Tensor = shapes.concatenate(*[common.expand(v, axis) for v in views], axis=axis)
    return made
