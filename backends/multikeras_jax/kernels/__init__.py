"""Kernels on JAX arrays, a file a theme.

Every kernel works traced and op by op, inside the backend's 64-bit scope. It is written with `jax.lax`
wherever that says the same as `jax.numpy`: lax never promotes, never widens, and is traced in half the
time, a fifth where operands broadcast.
"""

from __future__ import annotations

from collections.abc import Mapping

from multikeras.contract import Kernel
from multikeras_jax.kernels import (
    algebra,
    control,
    convolution,
    elementwise,
    indexing,
    pooling,
    random,
    reductions,
    shapes,
)

#: Primitive name to kernel.
KERNELS: Mapping[str, Kernel] = {
    **elementwise.KERNELS,
    **reductions.KERNELS,
    **shapes.KERNELS,
    **indexing.KERNELS,
    **algebra.KERNELS,
    **convolution.KERNELS,
    **pooling.KERNELS,
    **random.KERNELS,
    **control.KERNELS,
}
