"""Counter-based random numbers, in 32-bit integer arithmetic that every device has.

Number i of a key `(k0, k1)` is `mix(mix(i * STEP + k0) ^ k1)` modulo 2**32, where `mix` is a
finalizer of two multiplications. A number depends on nothing but key and position, so that every
backend draws the same bits.
"""

from __future__ import annotations

from math import prod
from typing import Any

from multikeras.contract import Array, Kernel

#: Odd and near 2**32 divided by the golden ratio: successive positions start far apart.
STEP = 0x9E3779B9
FIRST_FACTOR = 0x7FEB352D
SECOND_FACTOR = 0x846CA68B
#: Keeps `fold_in(key, 0)` from hashing a zero, which `mix` leaves as it is.
FOLD_OFFSET = 0x85EBCA6B
WORD = 0xFFFFFFFF


def mix(x: int) -> int:
    """The finalizer, on a Python number below 2**32."""
    x ^= x >> 16
    x = x * FIRST_FACTOR & WORD
    x ^= x >> 15
    x = x * SECOND_FACTOR & WORD
    return x ^ x >> 16


def check_size(shape: tuple[int, ...]) -> int:
    """The number of entries of `shape`.

    Raises:
        ValueError: If the 32-bit counter cannot number them.
    """
    size = prod(shape)
    if size > 1 << 32:
        raise ValueError(
            f"A random array of shape {shape} has {size} entries and one key numbers 2**32 of them. "
            "Draw it in parts, each with its own key."
        )
    return size


def dropout_constants(rate: float) -> tuple[int, float]:
    """The bits below which a dropout mask is 0, and the value of the mask elsewhere."""
    if rate >= 1.0:
        return 1 << 32, 0.0
    return int(rate * 2.0**32), 1.0 / (1.0 - rate)


def random_kernels(xp: Any) -> dict[str, Kernel]:
    """Kernels of the random primitives over the array module `xp`, all arrays in uint32."""

    def word(value: int) -> Array:
        return xp.asarray(value, "uint32")

    def finalize(x: Array) -> Array:
        x = (x ^ (x >> word(16))) * word(FIRST_FACTOR)
        x = (x ^ (x >> word(15))) * word(SECOND_FACTOR)
        return x ^ (x >> word(16))

    def random_bits(key: Array, *, shape: tuple[int, ...]) -> Array:
        counter = xp.arange(check_size(shape), dtype="uint32")
        return finalize(finalize(counter * word(STEP) + key[0]) ^ key[1]).reshape(shape)

    return {"random_bits": random_bits, **uniform_kernels(xp, random_bits), "fold_in": _fold_in(xp, finalize)}


def uniform_kernels(xp: Any, random_bits: Kernel) -> dict[str, Kernel]:
    """What is made of random bits alone.

    Args:
        xp: The array module.
        random_bits: Its kernel of that primitive.
    """

    def random_uniform(key: Array, *, shape: tuple[int, ...], dtype: str) -> Array:
        if dtype == "float64":
            bits = random_bits(key, shape=(*shape, 2))
            high, low = bits[..., 0] >> 5, bits[..., 1] >> 6
            return (high.astype(dtype) * 2.0**26 + low.astype(dtype)) * 2.0**-53
        if dtype == "float16":
            # Eleven bits, since more would be rounded, and the largest to 1.
            return ((random_bits(key, shape=shape) >> 21).astype("float32") * 2.0**-11).astype(dtype)
        return (random_bits(key, shape=shape) >> 8).astype(dtype) * 2.0**-24

    def dropout_mask(key: Array, *, shape: tuple[int, ...], rate: float, dtype: str) -> Array:
        threshold, scale = dropout_constants(rate)
        if threshold > WORD:
            return xp.zeros(shape, dtype)
        kept = random_bits(key, shape=shape) >= xp.asarray(threshold, "uint32")
        return kept.astype(dtype) * xp.asarray(scale, dtype)

    return {"random_uniform": random_uniform, "dropout_mask": dropout_mask}


def _fold_in(xp: Any, finalize: Any) -> Kernel:
    def fold_in(key: Array, i: Array) -> Array:
        position = xp.asarray(i).astype("uint32")
        hashed = finalize(position * xp.asarray(STEP, "uint32") + xp.asarray(FOLD_OFFSET, "uint32"))
        k0 = finalize(key[0] ^ hashed)
        return xp.stack([k0, finalize(key[1] + k0)])

    return fold_in
