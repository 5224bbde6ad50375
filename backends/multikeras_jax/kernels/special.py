"""Inverse and hyperbolic functions, the error function, normal numbers, and running products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from multikeras.contract import Kernel
from multikeras.contract.quantile import quantile
from multikeras_jax.kernels.common import array, narrow, operand, same_shape, widen


def _unary(operation: Callable[[Any], jax.Array]) -> Kernel:
    """In float32 for 16-bit floats, in which XLA composes most of these of others and rounds each."""

    def kernel(x: Any) -> jax.Array:
        x = array(x)
        return narrow(operation(widen(x)), x.dtype)

    return kernel


def _arctanh(x: jax.Array) -> jax.Array:
    # XLA's own is a difference of two logarithms, which loses two digits near 0.
    size = lax.abs(x)
    half = lax.log1p(lax.div(lax.add(size, size), lax.sub(lax.full_like(x, 1), size)))
    return lax.mul(lax.mul(lax.sign(x), half), lax.full_like(x, 0.5))


def _hyperbolic(x: jax.Array, sign: float) -> jax.Array:
    """Half of exp(|x|), and of exp(-|x|) with a sign."""
    # XLA's own puts the half into the exponent, and loses five bits where that is large.
    half = lax.full_like(x, 0.5)
    root = lax.exp(lax.mul(half, x))
    # Of the largest numbers the exponential overflows, and its half does not.
    late = lax.gt(x, lax.full_like(x, np.log(np.finfo(x.dtype).max) - 1))
    upper = lax.select(late, lax.mul(lax.mul(half, root), root), lax.mul(half, lax.exp(x)))
    return lax.add(upper, lax.mul(lax.full_like(x, 0.5 * sign), lax.exp(lax.neg(x))))


def _cosh(x: jax.Array) -> jax.Array:
    return _hyperbolic(lax.abs(x), 1.0)


def _sinh(x: jax.Array) -> jax.Array:
    size = lax.abs(x)
    large = lax.mul(lax.sign(x), _hyperbolic(size, -1.0))
    return lax.select(lax.gt(size, lax.full_like(x, 1)), large, lax.sinh(x))


def _arctan2(y: Any, x: Any) -> jax.Array:
    y, x = same_shape(operand(y, x), operand(x, operand(y, None)))
    return narrow(lax.atan2(widen(array(y)), widen(array(x))), y.dtype)


def _inverse_normal(q: jax.Array) -> jax.Array:
    return quantile(jnp, q, wide=q.dtype == np.float64)


def _cumprod(x: Any, *, axis: int, reverse: bool) -> jax.Array:
    x = array(x)
    return narrow(lax.cumprod(widen(x), axis, reverse=reverse), x.dtype)


KERNELS: dict[str, Kernel] = {
    "erf": _unary(lax.erf),
    "arcsin": _unary(lax.asin),
    "arccos": _unary(lax.acos),
    "arctan": _unary(lax.atan),
    "sinh": _unary(_sinh),
    "cosh": _unary(_cosh),
    "arcsinh": _unary(lax.asinh),
    "arccosh": _unary(lax.acosh),
    "arctanh": _unary(_arctanh),
    "arctan2": _arctan2,
    "inverse_normal": _unary(_inverse_normal),
    "cumprod": _cumprod,
}
