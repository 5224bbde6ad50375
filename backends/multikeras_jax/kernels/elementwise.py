"""Kernels that compute each entry from the entries at the same place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import NUMPY_DTYPES, array, is_float, narrow, operand, same_shape, widen


def _unary(operation: Callable[[Any], jax.Array]) -> Kernel:
    def kernel(x: Any) -> jax.Array:
        return operation(operand(x, None))

    return kernel


def _in_float32(operation: Callable[[Any], jax.Array]) -> Kernel:
    """For 16-bit floats in float32: XLA composes these of others, which overflow or round on the way."""

    def kernel(x: Any) -> jax.Array:
        x = array(x)
        return narrow(operation(widen(x)), x.dtype)

    return kernel


def _floats_only(operation: Callable[[Any], jax.Array]) -> Kernel:
    """Rounding and the like: integers and bools are left as they are."""

    def kernel(x: Any) -> jax.Array:
        x = array(x)
        return operation(x) if is_float(x) else x

    return kernel


def _binary(operation: Callable[[Any, Any], jax.Array]) -> Kernel:
    def kernel(x: Any, y: Any) -> jax.Array:
        x, y = same_shape(operand(x, y), operand(y, operand(x, None)))
        return operation(x, y)

    return kernel


def _abs(x: Any) -> jax.Array:
    x = array(x)
    return lax.abs(x) if jnp.issubdtype(x.dtype, jnp.signedinteger) or is_float(x) else x


def _relu(x: Any) -> jax.Array:
    x = operand(x, None)
    return lax.max(x, np.zeros((), x.dtype)) if x.ndim == 0 else lax.max(x, lax.full(x.shape, 0, x.dtype))


def _power(x: jax.Array, y: jax.Array) -> jax.Array:
    return lax.pow(x, y) if is_float(x) else jnp.power(x, y)


def _shift_right(x: jax.Array, y: jax.Array) -> jax.Array:
    unsigned = jnp.issubdtype(x.dtype, jnp.unsignedinteger)
    return lax.shift_right_logical(x, y) if unsigned else lax.shift_right_arithmetic(x, y)


def _isnan(x: jax.Array) -> jax.Array:
    return lax.ne(x, x)


def _isfinite(x: jax.Array) -> jax.Array:
    return lax.is_finite(x) if is_float(x) else lax.full(x.shape, True, np.dtype(bool))


def _where(condition: Any, x: Any, y: Any) -> jax.Array:
    x, y = operand(x, y), operand(y, operand(x, None))
    return lax.select(*same_shape(operand(condition, None), x, y))


def _cast(x: Any, *, dtype: str) -> jax.Array:
    return lax.convert_element_type(array(x), NUMPY_DTYPES[dtype])


KERNELS: dict[str, Kernel] = {
    "negative": _unary(lax.neg),
    "abs": _abs,
    "sign": _unary(lax.sign),
    "floor": _floats_only(lax.floor),
    "ceil": _floats_only(lax.ceil),
    "round": _floats_only(lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)),
    "exp": _unary(lax.exp),
    "expm1": _in_float32(lax.expm1),
    "log": _unary(lax.log),
    "log1p": _unary(lax.log1p),
    "sqrt": _unary(lax.sqrt),
    "sin": _unary(lax.sin),
    "cos": _unary(lax.cos),
    "tan": _unary(lax.tan),
    "tanh": _unary(lax.tanh),
    "sigmoid": _in_float32(lax.logistic),
    "relu": _relu,
    "add": _binary(lax.add),
    "subtract": _binary(lax.sub),
    "multiply": _binary(lax.mul),
    "divide": _binary(lax.div),
    "power": _binary(_power),
    "floor_divide": _binary(jnp.floor_divide),
    "remainder": _binary(jnp.remainder),
    "maximum": _binary(lax.max),
    "minimum": _binary(lax.min),
    "bitwise_and": _binary(lax.bitwise_and),
    "bitwise_or": _binary(lax.bitwise_or),
    "bitwise_xor": _binary(lax.bitwise_xor),
    "shift_left": _binary(lax.shift_left),
    "shift_right": _binary(_shift_right),
    "logical_not": _unary(lax.bitwise_not),
    "logical_and": _binary(lax.bitwise_and),
    "logical_or": _binary(lax.bitwise_or),
    "logical_xor": _binary(lax.bitwise_xor),
    "isnan": _unary(_isnan),
    "isfinite": _unary(_isfinite),
    "equal": _binary(lax.eq),
    "not_equal": _binary(lax.ne),
    "greater": _binary(lax.gt),
    "greater_equal": _binary(lax.ge),
    "less": _binary(lax.lt),
    "less_equal": _binary(lax.le),
    "where": _where,
    "cast": _cast,
    "identity": array,
}
