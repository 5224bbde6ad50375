"""Kernels that move entries about without computing with them."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import lax

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import NUMPY_DTYPES, array, broadcast


def _reshape(x: Any, *, shape: tuple[int, ...]) -> jax.Array:
    return lax.reshape(array(x), shape)


def _transpose(x: Any, *, permutation: tuple[int, ...]) -> jax.Array:
    return lax.transpose(array(x), permutation)


def _broadcast_to(x: Any, *, shape: tuple[int, ...]) -> jax.Array:
    return broadcast(array(x), shape)


def _concatenate(*xs: Any, axis: int) -> jax.Array:
    return lax.concatenate([array(x) for x in xs], axis)


def _split(x: Any, *, axis: int, sizes: tuple[int, ...]) -> tuple[jax.Array, ...]:
    # One operation with several results, so that its transpose is one concatenate and no sum of pads.
    return tuple(lax.split(array(x), sizes, axis))


def _slice(x: Any, *, starts: tuple[int, ...], stops: tuple[int, ...], steps: tuple[int, ...]) -> jax.Array:
    return lax.slice(array(x), starts, stops, steps)


def _place(
    x: Any, *, starts: tuple[int, ...], stops: tuple[int, ...], steps: tuple[int, ...], shape: tuple[int, ...]
) -> jax.Array:
    x = array(x)
    padding = []
    for count, start, step, size in zip(x.shape, starts, steps, shape, strict=True):
        extent = (count - 1) * step + 1 if count else 0
        padding.append((start, size - start - extent, step - 1))
    return lax.pad(x, np.zeros((), x.dtype), padding)


def _pad(x: Any, *, padding: tuple[tuple[int, int], ...], value: float) -> jax.Array:
    x = array(x)
    return lax.pad(x, np.asarray(value, x.dtype), [(before, after, 0) for before, after in padding])


def _flip(x: Any, *, axis: tuple[int, ...]) -> jax.Array:
    return lax.rev(array(x), axis)


def _iota(*, length: int, dtype: str) -> jax.Array:
    return lax.iota(NUMPY_DTYPES[dtype], length)


KERNELS: dict[str, Kernel] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "concatenate": _concatenate,
    "split": _split,
    "slice": _slice,
    "place": _place,
    "pad": _pad,
    "flip": _flip,
    "iota": _iota,
}
