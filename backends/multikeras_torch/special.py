"""Inverse and hyperbolic functions, the error function, and running products."""

from __future__ import annotations

import torch

from multikeras.contract import Array, Kernel
from multikeras_torch.dtypes import HALVES, with_unsigned


def cumprod(x: Array, *, axis: int, reverse: bool) -> Array:
    """Products from the start up to each entry, or from each entry to the end; halves carried in float32."""
    wide = x.to(torch.float32) if x.dtype in HALVES else x
    if reverse:
        return torch.flip(torch.cumprod(torch.flip(wide, (axis,)), axis, dtype=wide.dtype), (axis,)).to(x.dtype)
    return torch.cumprod(wide, axis, dtype=wide.dtype).to(x.dtype)


SPECIAL: dict[str, Kernel] = {
    "erf": torch.erf,
    "arcsin": torch.asin,
    "arccos": torch.acos,
    "arctan": torch.atan,
    "arctan2": torch.atan2,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "arcsinh": torch.asinh,
    "arccosh": torch.acosh,
    "arctanh": torch.atanh,
    "cumprod": with_unsigned(cumprod),
}
