"""How 16-bit floats are computed: in float32, with the result in their own type."""

from __future__ import annotations

from functools import wraps
from typing import Any

from multikeras.contract import Array, Kernel


def in_float32(kernel: Kernel) -> Kernel:
    """`kernel`, with float16 inputs computed in float32 and the result returned as float16."""

    @wraps(kernel)
    def wide(*inputs: Array, **attributes: Any) -> Array:
        if inputs[0].dtype.char != "e":
            return kernel(*inputs, **attributes)
        return kernel(*[x.astype("float32") for x in inputs], **attributes).astype("float16")

    return wide
