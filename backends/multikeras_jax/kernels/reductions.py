"""Kernels that reduce or accumulate along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import array, narrow, widen


def _reduction(operation: Callable[..., jax.Array]) -> Kernel:
    def kernel(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> jax.Array:
        x = array(x)
        result = narrow(operation(x, axis), x.dtype)
        return lax.expand_dims(result, axis) if keepdims else result

    return kernel


def _sum(x: jax.Array, axis: tuple[int, ...]) -> jax.Array:
    return lax.reduce_sum(widen(x), axis)


def _prod(x: jax.Array, axis: tuple[int, ...]) -> jax.Array:
    return lax.reduce_prod(widen(x), axis)


def _arg(operation: Callable[..., jax.Array]) -> Kernel:
    def kernel(x: Any, *, axis: int) -> jax.Array:
        x = array(x)
        # Counting in 32 bits is faster, above all on a GPU; only the result is int64.
        counted_in = np.int32 if x.shape[axis] < 2**31 else np.int64
        return lax.convert_element_type(operation(x, axis, counted_in), np.int64)

    return kernel


def _cumsum(x: Any, *, axis: int, reverse: bool) -> jax.Array:
    x = array(x)
    return narrow(lax.cumsum(widen(x), axis, reverse=reverse), x.dtype)


KERNELS: dict[str, Kernel] = {
    "reduce_sum": _reduction(_sum),
    "reduce_prod": _reduction(_prod),
    "reduce_max": _reduction(jnp.max),
    "reduce_min": _reduction(jnp.min),
    "reduce_any": _reduction(lax.reduce_or),
    "reduce_all": _reduction(lax.reduce_and),
    "argmax": _arg(lax.argmax),
    "argmin": _arg(lax.argmin),
    "cumsum": _cumsum,
}
