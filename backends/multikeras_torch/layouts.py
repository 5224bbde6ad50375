"""Axes, padding and memory order, which convolution and pooling share.

Arrays have their channels last; PyTorch's functions want them second. Permuting the axes of a view
brings them there while the memory stays as it is.
"""

from __future__ import annotations

from functools import lru_cache

import torch

from multikeras.contract import Array

Ints = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]

#: By number of axes: orders that bring the channels second, and last again.
SECOND = {4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}
LAST = {4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}

#: By number of axes: PyTorch's name for memory whose channels are last.
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


@lru_cache(maxsize=4096)
def flat_padding(padding: Padding) -> list[int]:
    """PyTorch's order of paddings: last axis first, before and after."""
    return [size for pair in reversed(padding) for size in pair]


def is_symmetric(padding: Padding) -> bool:
    """Whether every axis has as much padding before as after, which is all that PyTorch knows."""
    return all(before == after for before, after in padding)


def without_padding(padding: Padding) -> Padding:
    """No padding, on as many axes."""
    return ((0, 0),) * len(padding)


def pad_around(x: Array, padding: Padding, value: float) -> Array:
    """`x`, channels last, with its spatial axes padded."""
    return torch.constant_pad_nd(x, flat_padding(((0, 0), *padding, (0, 0))), value)


def padded_shape(shape: Ints, padding: Padding) -> Ints:
    """The shape that `pad_around` gives."""
    sizes = zip(shape[1:-1], padding, strict=True)
    return (shape[0], *[before + size + after for size, (before, after) in sizes], shape[-1])


def crop(x: Array, shape: Ints, padding: Padding) -> Array:
    """The part of `shape` that `pad_around` had put padding around."""
    sizes = zip(shape[1:-1], padding, strict=True)
    return x[(slice(None), *[slice(before, before + size) for size, (before, _) in sizes])]


def empty(shape: Ints, like: Array) -> Array:
    """An array, its channels second, that tells PyTorch a shape and a memory order; its entries are not read."""
    sizes = [shape[axis] for axis in SECOND[len(shape)]]
    return torch.empty(sizes, dtype=like.dtype, device=like.device, memory_format=FORMATS[len(shape)])


def to_last(y: Array) -> Array:
    """A result of PyTorch's, its channels last, in memory too."""
    return y.contiguous(memory_format=FORMATS[y.ndim]).permute(LAST[y.ndim])
