"""Kernels of inverse and hyperbolic functions, normal numbers, and running products.

The error function is not here: NumPy has none.
"""

from __future__ import annotations

from typing import Any

from multikeras.contract import Array, Kernel
from multikeras.contract.quantile import quantile
from multikeras_arrays.half import in_float32

#: Primitives whose kernel is the array module's function of the same name.
BOUND = ("arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "arcsinh", "arccosh", "arctanh")


def special_kernels(xp: Any) -> dict[str, Kernel]:
    """Kernels over the array module `xp`."""

    def cumprod(x: Array, *, axis: int, reverse: bool) -> Array:
        if reverse:
            return xp.flip(cumprod(xp.flip(x, axis), axis=axis, reverse=False), axis)
        if x.dtype.char == "e":
            return xp.cumprod(x, axis=axis, dtype="float32").astype("float16")
        return xp.cumprod(x, axis=axis, dtype=x.dtype)

    def inverse_normal(q: Array) -> Array:
        return quantile(xp, q, wide=q.dtype.char == "d")

    return {
        **{name: getattr(xp, name) for name in BOUND},
        "cumprod": cumprod,
        "inverse_normal": in_float32(inverse_normal),
    }
