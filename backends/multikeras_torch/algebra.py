"""Matrix products."""

from __future__ import annotations

import torch

from multikeras.contract import Array, Kernel
from multikeras_torch.dtypes import binary_with_unsigned


def _integers_by_sums(x: Array, y: Array) -> Array:
    """The matrix product where the GPU has none for integers: products, then their sums."""
    if x.is_floating_point():
        return torch.matmul(x, y)
    return torch.sum(x.unsqueeze(-1) * y.unsqueeze(-3), -2, dtype=x.dtype)


def algebra_kernels(device: torch.device) -> dict[str, Kernel]:
    """Kernels of the algebra primitives on `device`."""
    return {"matmul": binary_with_unsigned(torch.matmul if device.type == "cpu" else _integers_by_sums)}
