"""Convolution and sum pooling: one strided view of the input for each place in the window.

With padding already a number of entries before and after each axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

Ints = tuple[int, ...]


def offsets(lengths: Ints, window: Ints, strides: Ints, dilation: Ints) -> Iterator[tuple[Ints, Any]]:
    """Each place in the window, with the index of the entries of a padded input that meet it."""
    places = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(lengths, window, strides, dilation, strict=True)]
    for offset in product(*map(range, window)):
        starts = [o * d for o, d in zip(offset, dilation, strict=True)]
        stops = [a + (n - 1) * s + 1 for a, n, s in zip(starts, places, strides, strict=True)]
        yield offset, (slice(None), *map(slice, starts, stops, strides))


def padded(x: Any, padding: Any) -> Any:
    return np.pad(x, ((0, 0), *padding, (0, 0)))


def empty_padded(shape: Ints, padding: Any, dtype: Any) -> Any:
    return np.zeros((shape[0], *[a + n + b for n, (a, b) in zip(shape[1:-1], padding, strict=True)], shape[-1]), dtype)


def cropped(x: Any, padding: Any) -> Any:
    return x[(slice(None), *[slice(a, n - b) for n, (a, b) in zip(x.shape[1:-1], padding, strict=True)])]


def grouped(x: Any, groups: int) -> Any:
    """Channels as (groups, channels of one group)."""
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)


def conv(x: Any, kernel: Any, *, strides: Ints, padding: Any, dilation: Ints, groups: int) -> Any:
    x, y = padded(x, padding), None
    for offset, places in offsets(x.shape[1:-1], kernel.shape[:-2], strides, dilation):
        part = np.einsum("...gi,igo->...go", grouped(x[places], groups), grouped(kernel[offset], groups))
        y = part if y is None else y + part
    return y.reshape(*y.shape[:-2], kernel.shape[-1])  # type: ignore[union-attr]


def conv_input_gradient(
    g: Any, kernel: Any, *, shape: Ints, strides: Ints, padding: Any, dilation: Ints, groups: int
) -> Any:
    x = empty_padded(shape, padding, g.dtype)
    for offset, places in offsets(x.shape[1:-1], kernel.shape[:-2], strides, dilation):
        part = np.einsum("...go,igo->...gi", grouped(g, groups), grouped(kernel[offset], groups))
        x[places] += part.reshape(*g.shape[:-1], shape[-1])
    return cropped(x, padding)


def conv_kernel_gradient(
    x: Any, g: Any, *, shape: Ints, strides: Ints, padding: Any, dilation: Ints, groups: int
) -> Any:
    x, made = padded(x, padding), np.zeros(shape, g.dtype)
    letters = "nabcd"[: g.ndim - 1]
    for offset, places in offsets(x.shape[1:-1], shape[:-2], strides, dilation):
        part = np.einsum(f"{letters}gi,{letters}go->igo", grouped(x[places], groups), grouped(g, groups))
        made[offset] = part.reshape(shape[-2:])
    return made


def sum_pool(x: Any, *, window: Ints, strides: Ints, padding: Any) -> Any:
    x = padded(x, padding)
    return sum(x[places] for _, places in offsets(x.shape[1:-1], window, strides, (1,) * len(window)))


def sum_pool_gradient(g: Any, *, shape: Ints, window: Ints, strides: Ints, padding: Any) -> Any:
    x = empty_padded(shape, padding, g.dtype)
    for _, places in offsets(x.shape[1:-1], window, strides, (1,) * len(window)):
        x[places] += g
    return cropped(x, padding)


KERNELS = {
    "conv": conv,
    "conv_input_gradient": conv_input_gradient,
    "conv_kernel_gradient": conv_kernel_gradient,
    "sum_pool": sum_pool,
    "sum_pool_gradient": sum_pool_gradient,
}
