"""Slow, plain NumPy in float64, to compare K with."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

Array = np.ndarray


def to_last(x: Array, data_format: str) -> Array:
    """The channels behind all other axes."""
    return x if data_format == "channels_last" else np.moveaxis(x, 1, -1)


def from_last(x: Array, data_format: str) -> Array:
    """The channels where a data format has them."""
    return x if data_format == "channels_last" else np.moveaxis(x, -1, 1)


def paddings(lengths: Any, window: Any, strides: Any, dilation: Any, padding: str) -> list[tuple[int, int]]:
    """Entries added before and behind each axis."""
    if padding == "valid":
        return [(0, 0)] * len(lengths)
    pairs = []
    for n, k, s, d in zip(lengths, window, strides, dilation, strict=True):
        reach = (k - 1) * d + 1
        total = max((-(-n // s) - 1) * s + reach - n, 0)
        pairs.append((total // 2, total - total // 2))
    return pairs


def conv(
    x: Array, kernel: Array, strides: Any, padding: Any, dilation: Any, data_format: str = "channels_last"
) -> Array:
    """Cross-correlation by loops over the places of the window."""
    x = to_last(x, data_format)
    axes = x.ndim - 2
    window = kernel.shape[:axes]
    pairs = paddings(x.shape[1:-1], window, strides, dilation, padding) if isinstance(padding, str) else padding
    x = np.pad(x, [(0, 0), *pairs, (0, 0)])
    places = [
        (n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[1:-1], window, strides, dilation, strict=True)
    ]
    result = np.zeros((x.shape[0], *places, kernel.shape[-1]))
    for offset in product(*map(range, window)):
        spans = [
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, d, n, s in zip(offset, dilation, places, strides, strict=True)
        ]
        result += x[(slice(None), *spans)] @ kernel[offset]
    return from_last(result, data_format)


def conv_transpose(
    y: Array, kernel: Array, lengths: Any, strides: Any, padding: str, data_format: str = "channels_last"
) -> Array:
    """The adjoint of `conv`, by applying `conv` to every unit tensor."""
    y = to_last(y, data_format)
    shape = (1, *lengths, kernel.shape[-2])
    ones = (1,) * len(lengths)
    result = np.zeros((y.shape[0], *shape[1:]))
    for index in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[index] = 1
        answer = conv(unit, kernel, strides, padding, ones)[0]
        result[(slice(None), *index[1:])] = (y * answer).sum(axis=tuple(range(1, y.ndim)))
    return from_last(result, data_format)


def depthwise(x: Array, kernel: Array, strides: Any, padding: str, data_format: str = "channels_last") -> Array:
    """Each channel convolved with kernels of its own."""
    x = to_last(x, data_format)
    ones = (1,) * (x.ndim - 2)
    parts = [conv(x[..., c : c + 1], kernel[..., c : c + 1, :], strides, padding, ones) for c in range(x.shape[-1])]
    return from_last(np.concatenate(parts, -1), data_format)


def pool(x: Array, window: Any, strides: Any, padding: str, mode: str, data_format: str = "channels_last") -> Array:
    """Largest or mean entry of each window; what was added does not count."""
    x = to_last(x, data_format)
    ones = (1,) * len(window)
    pairs = paddings(x.shape[1:-1], window, strides, ones, padding)
    padded = np.pad(x, [(0, 0), *pairs, (0, 0)], constant_values=np.nan)
    places = [(n - k) // s + 1 for n, k, s in zip(padded.shape[1:-1], window, strides, strict=True)]
    result = np.zeros((x.shape[0], *places, x.shape[-1]))
    reduce = np.nanmax if mode == "max" else np.nanmean
    for place in np.ndindex(*places):
        spans = [slice(p * s, p * s + k) for p, s, k in zip(place, strides, window, strict=True)]
        result[(slice(None), *place)] = reduce(padded[(slice(None), *spans)], axis=tuple(range(1, len(window) + 1)))
    return from_last(result, data_format)


def batch_dot(x: Array, y: Array, a: int, b: int) -> Array:
    """Products sample by sample."""
    parts = [np.tensordot(p, q, axes=(a - 1, b - 1)) for p, q in zip(x, y, strict=True)]
    result = np.stack(parts)
    return result[:, None] if result.ndim == 1 else result


def softmax(x: Array, axis: int = -1) -> Array:
    """Exponentials, divided by their sum."""
    shifted = np.exp(x - x.max(axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def local(x: Array, kernel: Array, window: Any, strides: Any, data_format: str = "channels_last") -> Array:
    """Windows with weights of their own; entries of a window in the order of the axes of x."""
    first = data_format == "channels_first"
    spatial = x.shape[2:] if first else x.shape[1:-1]
    places = [(n - k) // s + 1 for n, k, s in zip(spatial, window, strides, strict=True)]
    result = np.zeros((x.shape[0], *places, kernel.shape[-1]))
    for i, place in enumerate(np.ndindex(*places)):
        spans = [slice(p * s, p * s + k) for p, s, k in zip(place, strides, window, strict=True)]
        patch = x[(slice(None), slice(None), *spans) if first else (slice(None), *spans)]
        result[(slice(None), *place)] = patch.reshape(len(x), -1) @ kernel[i]
    return from_last(result, data_format)


def rnn(x: Array, w: Array, u: Array, h: Array, mask: Array | None, backwards: bool) -> tuple[Array, Array, Array]:
    """A plain recurrent network: last output, outputs in the order processed, final state."""
    output = np.zeros_like(h)
    outputs = []
    steps = range(x.shape[1])
    for t in reversed(steps) if backwards else steps:
        new = np.tanh(x[:, t] @ w + h @ u)
        valid = np.ones((len(x), 1), bool) if mask is None else mask[:, t].reshape(-1, 1).astype(bool)
        output, h = np.where(valid, new, output), np.where(valid, new, h)
        outputs.append(output)
    return output, np.stack(outputs, 1), h
