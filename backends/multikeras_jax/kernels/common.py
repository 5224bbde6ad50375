"""What several kernels need: data types by name, operands of one shape, wide accumulation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from multikeras.contract import DTYPES

#: Name to NumPy data type; bfloat16 is the one that JAX brings.
NUMPY_DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(jnp.bfloat16) if name == "bfloat16" else np.dtype(name) for name in DTYPES
}

_NARROW = frozenset({NUMPY_DTYPES["float16"], NUMPY_DTYPES["bfloat16"]})
_OF_PYTHON_SCALAR = {bool: NUMPY_DTYPES["bool"], int: NUMPY_DTYPES["int32"], float: NUMPY_DTYPES["float32"]}


def array(value: Any) -> jax.Array:
    """`value` as something with a shape and a data type that lax takes and never hands back untouched.

    NumPy arrays are copied into JAX ones, since lax returns its operand where there is nothing to do,
    and a result must not share memory with what was fed.
    """
    if isinstance(value, jax.Array):
        return value
    return jnp.array(value, _OF_PYTHON_SCALAR.get(type(value)))


def operand(value: Any, other: Any) -> Any:
    """`value` for an elementwise lax operation: a Python scalar takes the data type of `other`."""
    dtype = _OF_PYTHON_SCALAR.get(type(value))
    if dtype is None:
        return value
    return np.asarray(value, getattr(other, "dtype", dtype))


def broadcast(x: Any, shape: tuple[int, ...]) -> jax.Array:
    """`x` broadcast to `shape` as NumPy does."""
    if x.shape == shape:
        return x
    return lax.broadcast_in_dim(x, shape, tuple(range(len(shape) - x.ndim, len(shape))))


def same_shape(*values: Any) -> tuple[Any, ...]:
    """The values broadcast against each other (lax itself does not broadcast)."""
    first = values[0].shape
    if all(value.shape == first for value in values):
        return values
    shape = np.broadcast_shapes(*(value.shape for value in values))
    return tuple(broadcast(value, shape) for value in values)


def is_float(x: Any) -> bool:
    """Whether `x` holds floating-point numbers."""
    return jnp.issubdtype(x.dtype, jnp.floating)


def widen(x: jax.Array) -> jax.Array:
    """`x` in the type in which sums are accumulated: float32 for 16-bit floats, else its own."""
    return lax.convert_element_type(x, jnp.float32) if x.dtype in _NARROW else x


def narrow(x: jax.Array, dtype: Any) -> jax.Array:
    """The way back from `widen`."""
    return x if x.dtype == dtype else lax.convert_element_type(x, dtype)
