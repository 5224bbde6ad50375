"""Convolutions. Primitives are channels last; the other order is transposed around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras.backend import common
from multikeras.backend.configuration import normalize_data_format
from multikeras.graph import operands
from multikeras.graph.ops import algebra
from multikeras.graph.tensor import Tensor

# -- arguments ----------------------------------------------------------------------------------


def numbers(value: Any, count: int, name: str, function: str) -> tuple[int, ...]:
    """One int above 0 for each spatial axis, from an int or a sequence."""
    entries = tuple(value) if isinstance(value, (list, tuple)) else (value,) * count
    if len(entries) != count or not all(isinstance(n, (int, np.integer)) and n > 0 for n in entries):
        raise ValueError(f"K.{function}: {name} is a whole number above 0 or {count} of them, received {value!r}.")
    return tuple([int(n) for n in entries])


def padding_word(padding: Any, function: str, words: Sequence[str] = ("valid", "same")) -> str:
    """A padding word in lower case.

    Raises:
        ValueError: If it is none of `words`.
    """
    word = padding.lower() if isinstance(padding, str) else padding
    if word not in words:
        raise ValueError(f"K.{function}: padding is {' or '.join(map(repr, words))}, received {padding!r}.")
    return str(word)


def channels_last(x: Tensor, data_format: str) -> Tensor:
    """`x` with its channels as the last axis."""
    if data_format == "channels_last":
        return x
    return common.transpose(x, [0, *range(2, x.ndim), 1])


def channels_back(x: Tensor, data_format: str) -> Tensor:
    """A channels-last result in the order of the data format."""
    if data_format == "channels_last":
        return x
    return common.transpose(x, [0, x.ndim - 1, *range(1, x.ndim - 1)])


def _operands(x: Any, kernel: Any, axes: int, function: str) -> tuple[Tensor, Tensor]:
    source, weights = operands.match(common.float_tensor(x), kernel)
    for operand, what in ((source, "input"), (weights, "kernel")):
        if operand.ndim != axes + 2:
            raise ValueError(
                f"K.{function} takes an input and a kernel of {axes + 2} axes; the {what} received has shape "
                f"{operand.shape}."
            )
    return source, weights


# -- convolution --------------------------------------------------------------------------------


def _conv(
    x: Any, kernel: Any, strides: Any, padding: Any, data_format: Any, dilation: Any, axes: int, function: str
) -> Tensor:
    source, weights = _operands(x, kernel, axes, function)
    word = normalize_data_format(data_format)
    resolved: Any = padding
    if not isinstance(padding, tuple):
        resolved = padding_word(padding, function)
    made = algebra.conv(
        channels_last(source, word),
        weights,
        strides=numbers(strides, axes, "strides", function),
        padding=resolved,
        dilation=numbers(dilation, axes, "dilation_rate", function),
        groups=1,
    )
    return channels_back(made, word)


def conv1d(
    x: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> Tensor:
    """Cross-correlation over one axis.

    Args:
        x: Tensor (samples, steps, in), or channels first.
        kernel: Tensor (window, in, out).
        strides: Distance of two windows.
        padding: `'valid'`, `'same'` or `'causal'` (no output sees later steps).
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        dilation_rate: Distance of two entries of the window.
    """
    word = padding_word(padding, "conv1d", ("valid", "same", "causal"))
    resolved: Any = word
    if word == "causal":
        window = common.tensor(kernel).shape[0]
        if window is None:
            raise ValueError("K.conv1d: padding='causal' needs a kernel of known length.")
        resolved = (((window - 1) * numbers(dilation_rate, 1, "dilation_rate", "conv1d")[0], 0),)
    return _conv(x, kernel, strides, resolved, data_format, dilation_rate, 1, "conv1d")


def conv2d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1),
) -> Tensor:
    """Cross-correlation over rows and columns.

    Args:
        x: Tensor (samples, rows, cols, in), or channels first.
        kernel: Tensor (rows, cols, in, out), whatever the data format.
        strides: Distance of two windows along each axis.
        padding: `'valid'`, or `'same'`, which gives ceil(n / stride) and pads the larger half at
            the end.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        dilation_rate: Distance of two entries of the window along each axis.

    Raises:
        ValueError: If shapes or words do not fit.

    Source: Keras 2.3 `K.conv2d`.
    """
    return _conv(x, kernel, strides, padding, data_format, dilation_rate, 2, "conv2d")


def conv3d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1, 1),
) -> Tensor:
    """Cross-correlation over three spatial axes.

    Args:
        x: Tensor (samples, d1, d2, d3, in), or channels first.
        kernel: Tensor (d1, d2, d3, in, out), whatever the data format.
        strides: Distance of two windows along each axis.
        padding: `'valid'` or `'same'`.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        dilation_rate: Distance of two entries of the window along each axis.
    """
    return _conv(x, kernel, strides, padding, data_format, dilation_rate, 3, "conv3d")


# -- transposed ---------------------------------------------------------------------------------


def _conv_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilation: Any,
    axes: int,
    function: str,
) -> Tensor:
    source, weights = _operands(x, kernel, axes, function)
    word = normalize_data_format(data_format)
    steps = numbers(strides, axes, "strides", function)
    rates = numbers(dilation, axes, "dilation_rate", function)
    pad = padding_word(padding, function)
    moved = channels_last(source, word)
    wanted = list(output_shape) if isinstance(output_shape, (list, tuple, np.ndarray, Tensor)) else [output_shape]
    if len(wanted) != axes + 2:
        raise ValueError(f"K.{function}: output_shape needs {axes + 2} entries, received {output_shape!r}.")
    if word == "channels_first":
        wanted = [wanted[0], *wanted[2:], wanted[1]]
    channels, filters = moved.shape[-1], weights.shape[-1]
    if channels is not None and filters is not None and channels != filters:
        raise ValueError(
            f"K.{function}: an input of shape {source.shape} has {channels} channels, a kernel (*window, out, in) of "
            f"shape {weights.shape} takes {filters}. Check the data format and the order of the kernel."
        )
    out = weights.shape[-2]
    if isinstance(wanted[-1], int) and out is not None and wanted[-1] != out:
        raise ValueError(
            f"K.{function}: a kernel (*window, out, in) of shape {weights.shape} gives {out} channels, output_shape "
            f"{output_shape!r} has {wanted[-1]}."
        )
    # Every sample has its output: the batch length is that of the input whatever was given.
    wanted[0] = common.length_of(moved, 0)
    if wanted[-1] is None:
        wanted[-1] = weights.shape[-2]
    for i in range(axes):
        n, k = wanted[1 + i], weights.shape[i]
        if isinstance(n, int) and moved.shape[1 + i] is not None:
            places = algebra.window_length(n, k, steps[i], pad if pad == "same" else (0, 0), rates[i])
            if places is not None and places != moved.shape[1 + i]:
                raise ValueError(
                    f"K.{function}: an output of {n} along spatial axis {i} has {places} windows of {k} with stride "
                    f"{steps[i]} and padding {pad!r}, and the input has {moved.shape[1 + i]} entries there."
                )
    made = algebra.conv_input_gradient(
        moved, weights, shape=operands.pack(wanted), strides=steps, padding=pad, dilation=rates, groups=1
    )
    return channels_back(made, word)


def conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1),
) -> Tensor:
    """Adjoint of `conv2d`, onto a given output shape.

    Args:
        x: Tensor (samples, rows, cols, in), or channels first.
        kernel: Tensor (rows, cols, out, in).
        output_shape: Shape of the result, in the order of the data format; its batch entry may be
            None.
        strides: Strides of the convolution whose adjoint it is.
        padding: `'valid'` or `'same'`.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        dilation_rate: Distance of two entries of the window along each axis.

    Raises:
        ValueError: If `output_shape` does not fit.
    """
    return _conv_transpose(x, kernel, output_shape, strides, padding, data_format, dilation_rate, 2, "conv2d_transpose")


def conv3d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1, 1),
) -> Tensor:
    """Adjoint of `conv3d`, onto a given output shape.

    Args:
        x: Tensor (samples, d1, d2, d3, in), or channels first.
        kernel: Tensor (d1, d2, d3, out, in).
        output_shape: Shape of the result, in the order of the data format.
        strides: Strides of the convolution whose adjoint it is.
        padding: `'valid'` or `'same'`.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        dilation_rate: Distance of two entries of the window along each axis.
    """
    return _conv_transpose(x, kernel, output_shape, strides, padding, data_format, dilation_rate, 3, "conv3d_transpose")


# -- depthwise and separable --------------------------------------------------------------------


def _depthwise(
    x: Any, kernel: Any, strides: Any, padding: Any, data_format: Any, dilation: Any, axes: int, function: str
) -> Tensor:
    source, weights = _operands(x, kernel, axes, function)
    word = normalize_data_format(data_format)
    *_, channels, multiplier = weights.shape
    given = source.shape[-1 if word == "channels_last" else 1]
    if given is not None and channels is not None and given != channels:
        raise ValueError(
            f"K.{function}: an input of shape {source.shape} has {given} channels, a kernel (*window, in, multiplier) "
            f"of shape {weights.shape} takes {channels}. Check the data format."
        )
    if channels is None or multiplier is None:
        raise ValueError(f"K.{function} needs a kernel of known shape, received {weights.shape}.")
    grouped = common.reshape(weights, [*common.lengths(weights)[:-2], 1, channels * multiplier])
    made = algebra.conv(
        channels_last(source, word),
        grouped,
        strides=numbers(strides, axes, "strides", function),
        padding=padding_word(padding, function),
        dilation=numbers(dilation, axes, "dilation_rate", function),
        groups=channels,
    )
    return channels_back(made, word)


def _pointwise(x: Tensor, kernel: Any, data_format: Any, axes: int, function: str) -> Tensor:
    weights = common.tensor(kernel)
    if any(n not in (1, None) for n in weights.shape[:axes]):
        raise ValueError(
            f"K.{function}: the pointwise kernel has a window of {(1,) * axes}, received one of shape {weights.shape}."
        )
    return _conv(x, weights, 1, "valid", data_format, 1, axes, function)


def depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1),
) -> Tensor:
    """Cross-correlation of each channel by itself.

    Args:
        x: Tensor (samples, rows, cols, in), or channels first.
        depthwise_kernel: Tensor (rows, cols, in, multiplier); channel c gives the channels from
            c * multiplier on.
        strides: Distance of two windows along each axis.
        padding: `'valid'` or `'same'`.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        dilation_rate: Distance of two entries of the window along each axis.
    """
    return _depthwise(x, depthwise_kernel, strides, padding, data_format, dilation_rate, 2, "depthwise_conv2d")


def separable_conv1d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """A convolution of each channel by itself, then one over the channels.

    Args:
        x: Tensor (samples, steps, in), or channels first.
        depthwise_kernel: Tensor (window, in, multiplier).
        pointwise_kernel: Tensor (1, in * multiplier, out).
        strides: Distance of two windows.
        padding: `'valid'` or `'same'`.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        dilation_rate: Distance of two entries of the window.
    """
    apart = _depthwise(x, depthwise_kernel, strides, padding, data_format, dilation_rate, 1, "separable_conv1d")
    return _pointwise(apart, pointwise_kernel, data_format, 1, "separable_conv1d")


def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1),
) -> Tensor:
    """A convolution of each channel by itself, then one over the channels.

    Args:
        x: Tensor (samples, rows, cols, in), or channels first.
        depthwise_kernel: Tensor (rows, cols, in, multiplier).
        pointwise_kernel: Tensor (1, 1, in * multiplier, out).
        strides: Distance of two windows along each axis.
        padding: `'valid'` or `'same'`.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        dilation_rate: Distance of two entries of the window along each axis.
    """
    apart = _depthwise(x, depthwise_kernel, strides, padding, data_format, dilation_rate, 2, "separable_conv2d")
    return _pointwise(apart, pointwise_kernel, data_format, 2, "separable_conv2d")
