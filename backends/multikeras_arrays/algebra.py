"""Kernels of matrix products and of softmax.

16-bit floats are computed in float32 and returned in their own type.
"""

from __future__ import annotations

from math import prod
from typing import Any

from multikeras.contract import Array, Kernel
from multikeras_arrays.half import in_float32


def algebra_kernels(xp: Any) -> dict[str, Kernel]:
    """Kernels of the algebraic primitives over the array module `xp`."""

    def matmul(x: Array, y: Array) -> Array:
        if y.ndim == 2 and x.ndim > 2:
            # One large product instead of one a batch entry.
            rows = x.reshape((prod(x.shape[:-1]), x.shape[-1]))
            return xp.matmul(rows, y).reshape((*x.shape[:-1], y.shape[1]))
        return xp.matmul(x, y)

    def shifted(x: Array) -> Array:
        """`x` less its maximum over the last axis, a new array of float32 or wider."""
        if x.dtype.char == "e":
            x = x.astype("float32")
        return x - x.max(axis=-1, keepdims=True)

    def softmax(x: Array) -> Array:
        if not x.size:
            return x
        y = shifted(x)
        xp.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)
        return y.astype(x.dtype, copy=False)

    def log_softmax(x: Array) -> Array:
        if not x.size:
            return x
        y = shifted(x)
        y -= xp.log(xp.exp(y).sum(axis=-1, keepdims=True))
        return y.astype(x.dtype, copy=False)

    return {"matmul": in_float32(matmul), "softmax": softmax, "log_softmax": log_softmax}
