"""Kernels that move entries without computing; they return views wherever PyTorch can make one."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from multikeras.contract import Array, Kernel
from multikeras_torch.dtypes import TORCH, with_unsigned
from multikeras_torch.layouts import Ints, Padding, flat_padding


@lru_cache(maxsize=4096)
def _index(starts: Ints, stops: Ints, steps: Ints) -> tuple[slice, ...]:
    return tuple(map(slice, starts, stops, steps))


def transpose(x: Array, *, permutation: Ints) -> Array:
    """`x` with its axes in another order."""
    return torch.permute(x, permutation)


def broadcast_to(x: Array, *, shape: Ints) -> Array:
    """`x` repeated, without a copy, to `shape`."""
    return x.expand(shape)


def concatenate(*xs: Array, axis: int) -> Array:
    """Arrays joined along an axis."""
    return torch.cat(xs, axis)


def split(x: Array, *, axis: int, sizes: Ints) -> tuple[Array, ...]:
    """Parts of the given sizes along an axis."""
    return tuple(torch.split_with_sizes(x, sizes, axis))


def slice_(x: Array, *, starts: Ints, stops: Ints, steps: Ints) -> Array:
    """A slice of every axis."""
    return x[_index(starts, stops, steps)]


def place(x: Array, *, starts: Ints, stops: Ints, steps: Ints, shape: Ints) -> Array:
    """Zeros, and `x` where `slice` would have taken it from."""
    y = torch.zeros(shape, dtype=x.dtype, device=x.device)
    y[_index(starts, stops, steps)] = x
    return y


def pad(x: Array, *, padding: Padding, value: Any) -> Array:
    """`x` with entries of one value around it."""
    return torch.constant_pad_nd(x, flat_padding(padding), value)


def flip(x: Array, *, axis: Ints) -> Array:
    """`x` with axes reversed."""
    return torch.flip(x, axis)


def shape_kernels(device: torch.device) -> dict[str, Kernel]:
    """Kernels of the shape primitives; `device` is where they make new arrays."""

    def iota(*, length: int, dtype: str) -> Array:
        return torch.arange(length, dtype=torch.int64, device=device).to(TORCH[dtype])

    return {
        "reshape": torch.reshape,
        "transpose": transpose,
        "broadcast_to": broadcast_to,
        "concatenate": concatenate,
        "split": split,
        "slice": slice_,
        "place": place,
        "pad": pad,
        "flip": with_unsigned(flip),
        "iota": iota,
    }
