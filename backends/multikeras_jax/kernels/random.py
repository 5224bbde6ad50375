"""Random numbers by a counter-based hash, with the same bits on every backend.

All arithmetic is on unsigned 32-bit integers, where XLA has nothing to round or to contract, and a
uniform number is made by one multiplication that is exact. XLA fuses the whole of it into what reads it.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from jax import lax

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import NUMPY_DTYPES

_GOLDEN = 0x9E3779B9

#: Of each 16-bit type and float32: how far bits are shifted right, and the value of the last one left.
#: More bits than these would round up to 1.
_UNIFORM = {"float32": (8, 2.0**-24), "float16": (21, 2.0**-11), "bfloat16": (24, 2.0**-8)}


def _word(value: int, like: jax.Array) -> jax.Array:
    return lax.full(like.shape, value, np.uint32)


def _shift(x: jax.Array, places: int) -> jax.Array:
    return lax.shift_right_logical(x, _word(places, x))


def _finalize(x: jax.Array) -> jax.Array:
    """The finalizer: each of the 32 bits of `x` sways every bit of the result."""
    x = lax.mul(lax.bitwise_xor(x, _shift(x, 16)), _word(0x7FEB352D, x))
    x = lax.mul(lax.bitwise_xor(x, _shift(x, 15)), _word(0x846CA68B, x))
    return lax.bitwise_xor(x, _shift(x, 16))


def _words(key: Any) -> tuple[jax.Array, jax.Array]:
    return lax.index_in_dim(key, 0, keepdims=False), lax.index_in_dim(key, 1, keepdims=False)


def _random_bits(key: Any, *, shape: tuple[int, ...]) -> jax.Array:
    size = math.prod(shape)
    if size > 2**32:
        raise ValueError(
            f"random_bits draws at most 2**32 numbers from one key, and shape {shape} has {size}. "
            "Draw parts of it from several keys (fold_in) and concatenate them."
        )
    first, second = (lax.broadcast(word, (size,)) for word in _words(key))
    index = lax.iota(np.uint32, size)
    mixed = _finalize(lax.add(lax.mul(index, _word(_GOLDEN, index)), first))
    return lax.reshape(_finalize(lax.bitwise_xor(mixed, second)), shape)


def _random_uniform(key: Any, *, shape: tuple[int, ...], dtype: str) -> jax.Array:
    if dtype == "float64":
        pairs = _random_bits(key, shape=(*shape, 2))
        high, low = (lax.index_in_dim(pairs, i, pairs.ndim - 1, keepdims=False) for i in (0, 1))
        # 27 and 26 bits: their sum is an integer below 2**53, so that a multiply-add changes nothing.
        high, low = (lax.convert_element_type(_shift(x, n), np.float64) for x, n in ((high, 5), (low, 6)))
        total = lax.add(lax.mul(high, lax.full_like(high, 2.0**26)), low)
        return lax.mul(total, lax.full_like(total, 2.0**-53))
    places, unit = _UNIFORM[dtype]
    whole = lax.convert_element_type(_shift(_random_bits(key, shape=shape), places), np.float32)
    return lax.convert_element_type(lax.mul(whole, lax.full_like(whole, unit)), NUMPY_DTYPES[dtype])


def _dropout_mask(key: Any, *, shape: tuple[int, ...], rate: float, dtype: str) -> jax.Array:
    threshold = math.floor(rate * 2**32)
    if threshold >= 2**32:
        return lax.full(shape, 0, NUMPY_DTYPES[dtype])
    bits = _random_bits(key, shape=shape)
    # Integers are compared: a fraction compared with `rate` would depend on how it was rounded.
    kept = lax.full(shape, 1.0 / (1.0 - rate), NUMPY_DTYPES[dtype])
    return lax.select(lax.lt(bits, _word(threshold, bits)), lax.full_like(kept, 0), kept)


def _fold_in(key: Any, i: Any) -> jax.Array:
    first, second = _words(key)
    index = np.uint32(i & 0xFFFFFFFF) if isinstance(i, int) else lax.convert_element_type(i, np.uint32)
    step = lax.add(lax.mul(index, np.uint32(_GOLDEN)), np.uint32(0x85EBCA6B))
    first = _finalize(lax.bitwise_xor(first, _finalize(step)))
    second = _finalize(lax.add(second, first))
    return lax.concatenate([lax.expand_dims(first, (0,)), lax.expand_dims(second, (0,))], 0)


KERNELS: dict[str, Kernel] = {
    "random_bits": _random_bits,
    "random_uniform": _random_uniform,
    "dropout_mask": _dropout_mask,
    "fold_in": _fold_in,
}
