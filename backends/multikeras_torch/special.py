"""Inverse and hyperbolic functions, the error function, normal numbers, and running products."""

from __future__ import annotations

import numpy as np
import torch

from multikeras.contract import Array, Kernel
from multikeras.contract.quantile import quantile, quantile_by_blocks
from multikeras_torch.dtypes import HALVES, with_unsigned


def cumprod(x: Array, *, axis: int, reverse: bool) -> Array:
    """Products from the start up to each entry, or from each entry to the end; halves carried in float32."""
    wide = x.to(torch.float32) if x.dtype in HALVES else x
    if reverse:
        return torch.flip(torch.cumprod(torch.flip(wide, (axis,)), axis, dtype=wide.dtype), (axis,)).to(x.dtype)
    return torch.cumprod(wide, axis, dtype=wide.dtype).to(x.dtype)


def erf(x: Array) -> Array:
    """The error function; of halves in float32, since PyTorch's own loses four bits of small bfloat16."""
    return torch.erf(x.to(torch.float32)).to(x.dtype) if x.dtype in HALVES else torch.erf(x)


def inverse_normal(q: Array) -> Array:
    """The number below which a share of 0.5 + q of the standard normal distribution lies."""
    held = q.to(torch.float32) if q.dtype in HALVES else q
    wide = q.dtype == torch.float64
    if q.device.type == "cpu":
        # By NumPy on the same memory, as the bits are drawn: faster here, and equal to the last bit.
        with np.errstate(all="ignore"):
            return torch.from_numpy(quantile_by_blocks(np, held.numpy(), wide)).to(q.dtype)
    return quantile(torch, held, wide).to(q.dtype)


SPECIAL: dict[str, Kernel] = {
    "erf": erf,
    "arcsin": torch.asin,
    "arccos": torch.acos,
    "arctan": torch.atan,
    "arctan2": torch.atan2,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "arcsinh": torch.asinh,
    "inverse_normal": inverse_normal,
    "arccosh": torch.acosh,
    "arctanh": torch.atanh,
    "cumprod": with_unsigned(cumprod),
}
