"""The error function, as CuPy has it."""

from __future__ import annotations

from cupyx.scipy import special

from multikeras.contract import Kernel
from multikeras_arrays.half import in_float32

SPECIAL_KERNELS: dict[str, Kernel] = {"erf": in_float32(special.erf)}
