"""Kernels that reduce or accumulate along axes.

They keep the data type: an int32 sum is an int32, and 16-bit floats are accumulated in float32.
"""

from __future__ import annotations

from typing import Any

from multikeras.contract import Array, Kernel


def reduction_kernels(xp: Any) -> dict[str, Kernel]:
    """Kernels of the reductions over the array module `xp`."""

    def reduce_sum(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
        if x.dtype.char == "e":
            return xp.sum(x, axis=axis, dtype="float32", keepdims=keepdims).astype("float16")
        return xp.sum(x, axis=axis, dtype=x.dtype, keepdims=keepdims)

    def reduce_prod(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
        if x.dtype.char == "e":
            return xp.prod(x, axis=axis, dtype="float32", keepdims=keepdims).astype("float16")
        return xp.prod(x, axis=axis, dtype=x.dtype, keepdims=keepdims)

    def reduce_max(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
        return xp.max(x, axis=axis, keepdims=keepdims)

    def reduce_min(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
        return xp.min(x, axis=axis, keepdims=keepdims)

    def reduce_any(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
        return xp.any(x, axis=axis, keepdims=keepdims)

    def reduce_all(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
        return xp.all(x, axis=axis, keepdims=keepdims)

    def argmax(x: Array, *, axis: int) -> Array:
        return x.argmax(axis)

    def argmin(x: Array, *, axis: int) -> Array:
        return x.argmin(axis)

    def cumsum(x: Array, *, axis: int, reverse: bool) -> Array:
        if reverse:
            return xp.flip(cumsum(xp.flip(x, axis), axis=axis, reverse=False), axis)
        if x.dtype.char == "e":
            return xp.cumsum(x, axis=axis, dtype="float32").astype("float16")
        return xp.cumsum(x, axis=axis, dtype=x.dtype)

    return {
        "reduce_sum": reduce_sum,
        "reduce_prod": reduce_prod,
        "reduce_max": reduce_max,
        "reduce_min": reduce_min,
        "reduce_any": reduce_any,
        "reduce_all": reduce_all,
        "argmax": argmax,
        "argmin": argmin,
        "cumsum": cumsum,
    }
