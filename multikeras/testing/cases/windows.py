"""Convolution and pooling by their definitions: a loop over every place of the window.

Slow, and the same formula for any number of axes. Nothing of it is shared with a backend.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

Ints = tuple[int, ...]


def pairs(padding: Any, lengths: Ints, window: Ints, strides: Ints, dilation: Ints) -> list[tuple[int, int]]:
    """Entries added before and after each axis; `'same'` gives ceil(length / stride) places."""
    if padding == "valid":
        return [(0, 0)] * len(lengths)
    if padding != "same":
        return [(before, after) for before, after in padding]
    found = []
    for n, k, s, d in zip(lengths, window, strides, dilation, strict=True):
        places = (n + s - 1) // s
        missing = max(0, (places - 1) * s + d * (k - 1) + 1 - n)
        found.append((missing // 2, missing - missing // 2))
    return found


def _places(lengths: Ints, window: Ints, strides: Ints, padding: Any, dilation: Ints) -> Ints:
    added = pairs(padding, lengths, window, strides, dilation)
    return tuple(
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, s, d, (before, after) in zip(lengths, window, strides, dilation, added, strict=True)
    )


def conv_shape(shape: Ints, kernel: Ints, strides: Ints, padding: Any, dilation: Ints) -> Ints:
    """Shape of a convolution's result."""
    return (shape[0], *_places(shape[1:-1], kernel[:-2], strides, padding, dilation), kernel[-1])


def pool_shape(shape: Ints, window: Ints, strides: Ints, padding: Any) -> Ints:
    """Shape of a pooling's result."""
    return (shape[0], *_places(shape[1:-1], window, strides, padding, (1,) * len(window)), shape[-1])


def _meetings(
    shape: Ints, window: Ints, strides: Ints, padding: Any, dilation: Ints
) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Every place of the result with every offset of the window, and the entry of the input they meet in.

    Offsets rise in row-major order; those that meet the padding are left out.
    """
    lengths = shape[1:-1]
    added = pairs(padding, lengths, window, strides, dilation)
    for place in product(*map(range, _places(lengths, window, strides, padding, dilation))):
        for offset in product(*map(range, window)):
            entry = tuple(
                p * s + o * d - before
                for p, s, o, d, (before, _) in zip(place, strides, offset, dilation, added, strict=True)
            )
            if all(0 <= i < n for i, n in zip(entry, lengths, strict=True)):
                yield place, offset, entry


def _at(*place: Any) -> Any:
    """An index of all images and the given places of the other axes."""
    return (slice(None), *place)


def _channels(group: int, groups: int, count: int) -> slice:
    return slice(group * count // groups, (group + 1) * count // groups)


def conv(x: np.ndarray, kernel: np.ndarray, strides: Ints, padding: Any, dilation: Ints, groups: int) -> np.ndarray:
    """Cross-correlation of (batch, *spatial, in) with (*window, in / groups, out)."""
    made = np.zeros(conv_shape(x.shape, kernel.shape, strides, padding, dilation))
    for place, offset, entry in _meetings(x.shape, kernel.shape[:-2], strides, padding, dilation):
        for group in range(groups):
            taken, given = _channels(group, groups, x.shape[-1]), _channels(group, groups, kernel.shape[-1])
            made[_at(*place, given)] += x[_at(*entry, taken)] @ kernel[offset][:, given]
    return made


def conv_input_gradient(
    g: np.ndarray, kernel: np.ndarray, shape: Ints, strides: Ints, padding: Any, dilation: Ints, groups: int
) -> np.ndarray:
    """What arrives at the input of `conv` from a gradient of its result."""
    made = np.zeros(shape)
    for place, offset, entry in _meetings(shape, kernel.shape[:-2], strides, padding, dilation):
        for group in range(groups):
            taken, given = _channels(group, groups, shape[-1]), _channels(group, groups, kernel.shape[-1])
            made[_at(*entry, taken)] += g[_at(*place, given)] @ kernel[offset][:, given].T
    return made


def conv_kernel_gradient(
    x: np.ndarray, g: np.ndarray, shape: Ints, strides: Ints, padding: Any, dilation: Ints, groups: int
) -> np.ndarray:
    """What arrives at the kernel of `conv` from a gradient of its result."""
    made = np.zeros(shape)
    for place, offset, entry in _meetings(x.shape, shape[:-2], strides, padding, dilation):
        for group in range(groups):
            taken, given = _channels(group, groups, x.shape[-1]), _channels(group, groups, shape[-1])
            made[offset][:, given] += x[_at(*entry, taken)].T @ g[_at(*place, given)]
    return made


def max_pool(x: np.ndarray, window: Ints, strides: Ints, padding: Any) -> np.ndarray:
    """Largest entry of each window, the padding left out."""
    made = np.full(pool_shape(x.shape, window, strides, padding), -np.inf)
    for place, _, entry in _meetings(x.shape, window, strides, padding, (1,) * len(window)):
        at = _at(*place)
        made[at] = np.maximum(made[at], x[_at(*entry)])
    return made


def max_pool_gradient(g: np.ndarray, x: np.ndarray, window: Ints, strides: Ints, padding: Any) -> np.ndarray:
    """The gradient of `max_pool`: the first of the largest entries of a window gets all."""
    made, largest = np.zeros(x.shape), max_pool(x, window, strides, padding)
    given = np.zeros(largest.shape, bool)
    for place, _, entry in _meetings(x.shape, window, strides, padding, (1,) * len(window)):
        at, source = _at(*place), _at(*entry)
        wins = (x[source] == largest[at]) & ~given[at]
        made[source] += np.where(wins, g[at], 0)
        given[at] |= wins
    return made


def max_pool_pick(v: np.ndarray, x: np.ndarray, window: Ints, strides: Ints, padding: Any) -> np.ndarray:
    """The entries of `v` where `max_pool` finds the first of the largest entries of `x`."""
    largest = max_pool(x, window, strides, padding)
    made, given = np.zeros(largest.shape), np.zeros(largest.shape, bool)
    for place, _, entry in _meetings(x.shape, window, strides, padding, (1,) * len(window)):
        at, source = _at(*place), _at(*entry)
        wins = (x[source] == largest[at]) & ~given[at]
        made[at] = np.where(wins, v[source], made[at])
        given[at] |= wins
    return made


def sum_pool(x: np.ndarray, window: Ints, strides: Ints, padding: Any) -> np.ndarray:
    """Sum of each window, the padding counting as 0."""
    made = np.zeros(pool_shape(x.shape, window, strides, padding))
    for place, _, entry in _meetings(x.shape, window, strides, padding, (1,) * len(window)):
        made[_at(*place)] += x[_at(*entry)]
    return made


def sum_pool_gradient(g: np.ndarray, shape: Ints, window: Ints, strides: Ints, padding: Any) -> np.ndarray:
    """What arrives at the input of `sum_pool`."""
    made = np.zeros(shape)
    for place, _, entry in _meetings(shape, window, strides, padding, (1,) * len(window)):
        made[_at(*entry)] += g[_at(*place)]
    return made
