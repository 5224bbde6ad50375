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
    linear_algebra,
    loops,
    pooling,
    random,
    reductions,
    shapes,
    sorting,
    special,
)
from multikeras_jax.kernels.eager import eager

#: Kernels that call Python, or must not be compiled by themselves.
_AS_THEY_ARE: Mapping[str, Kernel] = {**control.KERNELS, **loops.KERNELS, "identity": elementwise.KERNELS["identity"]}

_THEMES = (
    elementwise,
    reductions,
    shapes,
    indexing,
    algebra,
    convolution,
    pooling,
    random,
    special,
    sorting,
    linear_algebra,
)

#: Primitive name to kernel.
KERNELS: Mapping[str, Kernel] = {
    **{name: eager(kernel) for theme in _THEMES for name, kernel in theme.KERNELS.items()},
    **_AS_THEY_ARE,
}
