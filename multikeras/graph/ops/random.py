"""Random primitives: a counter-based hash, the same bits on every backend.

`fin(fin(index * G + k0) ^ k1)`, where `fin` is a finalizer of two multiplications with the constants
of Chris Wellons' hash prospector (lowbias32) and (k0, k1) is a 64-bit key. The compositions below
use 32-bit integer primitives only, so that a backend need not know the generator.
"""

from __future__ import annotations

import threading
from math import prod
from typing import Any

import numpy as np

from multikeras.contract import Primitive, is_float, primitive
from multikeras.graph import operands
from multikeras.graph.context import context
from multikeras.graph.ops.elementwise import bitwise_xor, less, shift_right
from multikeras.graph.ops.rules import where
from multikeras.graph.ops.shapes import concatenate, expand_dims, iota, reshape
from multikeras.graph.tensor import RandomKey, Tensor

GOLDEN = 0x9E3779B9
_MASK = 0xFFFFFFFF
_draw_lock = threading.Lock()


def finalize(x: int) -> int:
    """The finalizer on one 32-bit number, for keys made on the host."""
    x ^= x >> 16
    x = x * 0x7FEB352D & _MASK
    x ^= x >> 15
    x = x * 0x846CA68B & _MASK
    return x ^ x >> 16


def key_words(seed: int, step: int) -> tuple[int, int]:
    """The 64-bit key of one draw, as two words, from a 64-bit seed and the number of the run."""
    low, high = seed & _MASK, seed >> 32 & _MASK
    k0 = finalize(low ^ finalize(step * GOLDEN + 0x85EBCA6B & _MASK))
    return k0, finalize((high + k0 + (step >> 32)) & _MASK)


def mix_seed(seed: int) -> int:
    """A 64-bit number in which every bit depends on every bit of `seed`."""
    low = finalize((seed & _MASK) ^ finalize((seed >> 32) + GOLDEN & _MASK))
    return low << 32 | finalize((seed ^ low) * GOLDEN & _MASK)


def new_key(seed: int | None) -> Tensor:
    """The key for a random primitive that is being built.

    It comes from `seed`, or from NumPy's global generator, one draw a node: `np.random.seed(n)` at
    the top of a program fixes everything, as it did in Keras. Inside a scan the iteration is hashed
    in.
    """
    if context.eager is not None:
        key: Tensor = context.eager.key(context.layer, lambda: _key_of(seed))
    else:
        key = _key_of(seed)
    scope = context.body
    iterations = []
    while scope is not None:
        if scope.iteration is not None:
            iterations.append(scope.iteration)
        scope = scope.outer
    for iteration in reversed(iterations):
        key = fold_in(key, iteration)
    return key


def _key_of(seed: int | None) -> RandomKey:
    if seed is None:
        with _draw_lock:
            drawn = np.random.randint(0, 2**63 - 1, dtype=np.int64)
        return RandomKey(int(drawn))
    return RandomKey(mix_seed(int(seed) & (1 << 64) - 1))


def _word(value: int) -> Tensor:
    return operands.scalar(value, "uint32")


def _finalize(x: Tensor) -> Tensor:
    x = bitwise_xor(x, shift_right(x, _word(16)))
    x = x * _word(0x7FEB352D)
    x = bitwise_xor(x, shift_right(x, _word(15)))
    x = x * _word(0x846CA68B)
    return bitwise_xor(x, shift_right(x, _word(16)))


def _bits(key: Tensor, shape: tuple[int, ...]) -> Tensor:
    size = prod(shape)
    if size > 2**32:
        raise ValueError(f"A random tensor of shape {shape} has more than 2**32 entries.")
    index = iota(length=size, dtype="uint32")
    x = _finalize(index * _word(GOLDEN) + key[0])
    made: Tensor = reshape(_finalize(bitwise_xor(x, key[1])), shape=shape)
    return made


def _uniform(key: Tensor, shape: tuple[int, ...], dtype: str) -> Tensor:
    if dtype == "float64":
        bits = random_bits(key, shape=(*shape, 2))
        high = operands.cast(shift_right(bits[..., 0], _word(5)), "float64")
        low = operands.cast(shift_right(bits[..., 1], _word(6)), "float64")
        return (high * 2.0**26 + low) * 2.0**-53
    kept = {"float16": 11, "bfloat16": 8}.get(dtype, 24)
    bits = shift_right(random_bits(key, shape=shape), _word(32 - kept))
    return operands.cast(operands.cast(bits, "float32") * 2.0**-kept, dtype)


def _mask(key: Tensor, shape: tuple[int, ...], rate: float, dtype: str) -> Tensor:
    dropped = less(random_bits(key, shape=shape), _word(int(rate * 2**32)))
    return where(dropped, operands.scalar(0, dtype), operands.scalar(1 / (1 - rate), dtype))


def _fold_in(key: Tensor, i: Tensor) -> Tensor:
    mixed = _finalize(operands.cast(i, "uint32") * _word(GOLDEN) + _word(0x85EBCA6B))
    k0 = _finalize(bitwise_xor(key[0], mixed))
    k1 = _finalize(key[1] + k0)
    made: Tensor = concatenate(expand_dims(k0, axis=(0,)), expand_dims(k1, axis=(0,)), axis=0)
    return made


def _shape(key: Tensor, shape: Any, **attributes: Any) -> Any:
    return tuple(shape)


def _float(key: Tensor, shape: Any, dtype: str, **attributes: Any) -> str:
    if not is_float(dtype):
        raise ValueError(f"Random numbers are drawn in a floating-point type, received {dtype!r}.")
    return dtype


random_bits: Primitive = primitive(
    "random_bits",
    shape=_shape,
    dtype=lambda key, shape: "uint32",
    gradient=None,
    composition=_bits,
    doc="Uniform 32-bit integers.",
)
random_uniform: Primitive = primitive(
    "random_uniform",
    shape=_shape,
    dtype=_float,
    gradient=None,
    composition=_uniform,
    doc="Uniform numbers in [0, 1).",
)
dropout_mask: Primitive = primitive(
    "dropout_mask",
    shape=_shape,
    dtype=_float,
    gradient=None,
    composition=_mask,
    doc="0 with probability `rate`, else 1 / (1 - rate).",
)
fold_in: Primitive = primitive(
    "fold_in",
    shape=lambda key, i: (2,),
    dtype=lambda key, i: "uint32",
    gradient=None,
    composition=_fold_in,
    doc="A key made of a key and a number.",
)
