"""Matrix products and softmax."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import array, broadcast, narrow, widen
from multikeras_jax.kernels.precision import precision_of


def _matmul(x: Any, y: Any) -> jax.Array:
    # XLA accumulates 16-bit products in float32 by itself, on CPUs and GPUs.
    return jnp.matmul(x, y, precision=precision_of(x), preferred_element_type=x.dtype)


def _shifted(x: jax.Array) -> jax.Array:
    """`x` less its maximum over the last axis, so that no exponential overflows."""
    last = (x.ndim - 1,)
    return lax.sub(x, broadcast(lax.expand_dims(jnp.max(x, last), last), x.shape))


def _softmax(x: Any) -> jax.Array:
    x = array(x)
    last = (x.ndim - 1,)
    exponentials = lax.exp(_shifted(widen(x)))
    total = lax.expand_dims(lax.reduce_sum(exponentials, last), last)
    return narrow(lax.div(exponentials, broadcast(total, x.shape)), x.dtype)


def _log_softmax(x: Any) -> jax.Array:
    x = array(x)
    last = (x.ndim - 1,)
    shifted = _shifted(widen(x))
    total = lax.expand_dims(lax.reduce_sum(lax.exp(shifted), last), last)
    return narrow(lax.sub(shifted, broadcast(lax.log(total), x.shape)), x.dtype)


KERNELS: dict[str, Kernel] = {"matmul": _matmul, "softmax": _softmax, "log_softmax": _log_softmax}
