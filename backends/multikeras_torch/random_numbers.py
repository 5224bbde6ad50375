"""Counter-based random numbers, in 32-bit integer arithmetic.

Number i of a key `(k0, k1)` is `mix(mix(i * STEP + k0) ^ k1)` modulo 2**32, where `mix` is a finalizer
of two multiplications: bit for bit what every backend draws.

On the CPU NumPy computes them in PyTorch's own memory, in blocks that stay in the cache: PyTorch has
hardly any arithmetic for unsigned integers, and int32 in its place takes five times as long. A GPU does
it in int32, whose products wrap around alike, with the sign bits of each shift masked away.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import prod
from typing import Any

import numpy as np
import torch

from multikeras.contract import Array, Kernel
from multikeras_torch.dtypes import TORCH
from multikeras_torch.layouts import Ints

STEP = 0x9E3779B9
FIRST_FACTOR = 0x7FEB352D
SECOND_FACTOR = 0x846CA68B
FOLD_OFFSET = 0x85EBCA6B
WORD = 0xFFFFFFFF

#: Numbers computed at a time: few enough that block and scratch stay in a core's second cache, many
#: enough that the cost of calling NumPy does not show.
BLOCK = 1 << 16


def _size(shape: Ints) -> int:
    size = prod(shape)
    if size > 1 << 32:
        raise ValueError(
            f"A random array of shape {tuple(shape)} has {size} entries and one key numbers 2**32 of them. "
            "Draw it in parts, each with its own key."
        )
    return size


@cache
def _dropout_constants(rate: float, dtype: str) -> tuple[int, float]:
    """The bits below which a dropout mask is 0, and the value of the mask elsewhere, rounded to its type."""
    if rate >= 1.0:
        return 1 << 32, 0.0
    # Rounded first, so that a cast of the finished mask is exact.
    return int(rate * 2.0**32), torch.tensor(1.0 / (1.0 - rate), dtype=TORCH[dtype], device="cpu").item()


# On the CPU, by NumPy.


# As arrays, which NumPy need not convert at each call.
_FIRST_FACTOR, _SECOND_FACTOR = np.array(FIRST_FACTOR, np.uint32), np.array(SECOND_FACTOR, np.uint32)
_16, _15 = np.array(16, np.uint32), np.array(15, np.uint32)


@cache
def _steps() -> np.ndarray:
    """`i * STEP` of the first block."""
    return np.arange(BLOCK, dtype=np.uint32) * np.uint32(STEP)


def _mix_in_place(x: np.ndarray, scratch: np.ndarray) -> None:
    np.right_shift(x, _16, scratch)
    np.bitwise_xor(x, scratch, x)
    np.multiply(x, _FIRST_FACTOR, x)
    np.right_shift(x, _15, scratch)
    np.bitwise_xor(x, scratch, x)
    np.multiply(x, _SECOND_FACTOR, x)
    np.right_shift(x, _16, scratch)
    np.bitwise_xor(x, scratch, x)


def _blocks(key: Array, size: int, out: np.ndarray | None = None) -> Iterator[tuple[int, int, np.ndarray]]:
    """First and last position (exclusive) of every block of numbers, and the numbers.

    Args:
        key: The key.
        size: How many numbers there are.
        out: Where to put them; without it each block overwrites the one before.
    """
    k0, k1 = key.tolist()
    scratch = np.empty(min(BLOCK, size), np.uint32)
    kept = np.empty(min(BLOCK, size), np.uint32)
    steps = _steps()
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        block = kept[: stop - start] if out is None else out[start:stop]
        np.add(steps[: stop - start], np.uint32((start * STEP + k0) & WORD), out=block)
        _mix_in_place(block, scratch[: stop - start])
        np.bitwise_xor(block, np.uint32(k1), out=block)
        _mix_in_place(block, scratch[: stop - start])
        yield start, stop, block


def random_bits(key: Array, *, shape: Ints) -> Array:
    """Uniformly distributed unsigned 32-bit integers."""
    size = _size(shape)
    bits = torch.empty(shape, dtype=torch.uint32, device="cpu")
    for _ in _blocks(key, size, bits.numpy().reshape(-1)):
        pass
    return bits


def _uniform(key: Array, size: int, discarded: int, out: np.ndarray) -> None:
    """Writes the upper bits of each number, as a fraction of 1, into a float array."""
    scale = out.dtype.type(2.0 ** (discarded - 32))
    for start, stop, block in _blocks(key, size):
        np.right_shift(block, discarded, out=block)
        # As signed integers, which they now are too: the conversion is much faster.
        np.multiply(block.view(np.int32), scale, out=out[start:stop], dtype=out.dtype, casting="unsafe")


def random_uniform(key: Array, *, shape: Ints, dtype: str) -> Array:
    """Uniform numbers in [0, 1), of as many bits as fit without rounding to 1."""
    size = _size(shape)
    if dtype == "float64":
        bits = random_bits(key, shape=(*shape, 2)).numpy()
        high, low = bits[..., 0] >> 5, bits[..., 1] >> 6
        values = torch.empty(shape, dtype=torch.float64, device="cpu")
        np.multiply(high * 2.0**26 + low, 2.0**-53, out=values.numpy())
        return values
    values = torch.empty(shape, dtype=torch.float32, device="cpu")
    _uniform(key, size, {"float32": 8, "float16": 21, "bfloat16": 24}[dtype], values.numpy().reshape(-1))
    return values.to(TORCH[dtype])


def dropout_mask(key: Array, *, shape: Ints, rate: float, dtype: str) -> Array:
    """0 with probability `rate`, else what keeps the mean at 1."""
    size = _size(shape)
    threshold, scale = _dropout_constants(rate, dtype)
    if threshold > WORD:
        return torch.zeros(shape, dtype=TORCH[dtype], device="cpu")
    mask = torch.empty(shape, dtype=torch.float64 if dtype == "float64" else torch.float32, device="cpu")
    flat = mask.numpy().reshape(-1)
    least, value = np.uint32(threshold), flat.dtype.type(scale)
    for start, stop, block in _blocks(key, size):
        np.multiply(block >= least, value, out=flat[start:stop])
    return mask.to(TORCH[dtype])


def _mix_number(x: int) -> int:
    x ^= x >> 16
    x = x * FIRST_FACTOR & WORD
    x ^= x >> 15
    x = x * SECOND_FACTOR & WORD
    return x ^ x >> 16


def fold_in(key: Array, i: Array) -> Array:
    """Another key, made of a key and a number."""
    k0, k1 = key.tolist()
    k0 = _mix_number(k0 ^ _mix_number((int(i) * STEP + FOLD_OFFSET) & WORD))
    return torch.tensor([k0, _mix_number((k1 + k0) & WORD)], dtype=torch.uint32, device="cpu")


HOST_RANDOM: dict[str, Kernel] = {
    "random_bits": random_bits,
    "random_uniform": random_uniform,
    "dropout_mask": dropout_mask,
    "fold_in": fold_in,
}


# On a GPU, in int32.


def _signed(word: int) -> int:
    """The int32 with the bits of `word`."""
    word &= WORD
    return word - (1 << 32) if word >> 31 else word


def _shifted(x: Array, count: int) -> Array:
    """`x >> count` with zeros coming in, whatever the sign."""
    return (x >> count).bitwise_and_(WORD >> count)


def _mix(x: Array) -> Array:
    """The finalizer, in the memory of `x`."""
    x ^= _shifted(x, 16)
    x *= _signed(FIRST_FACTOR)
    x ^= _shifted(x, 15)
    x *= _signed(SECOND_FACTOR)
    x ^= _shifted(x, 16)
    return x


def device_random_kernels(device: torch.device) -> dict[str, Kernel]:
    """Kernels of the random primitives in PyTorch's int32 arithmetic, without a look at the key's value."""

    def int32_bits(key: Array, shape: Ints) -> Array:
        size = _size(shape)
        k0, k1 = key.view(torch.int32).unbind()
        counter = torch.int32 if size < 1 << 31 else torch.int64
        bits = torch.arange(size, dtype=counter, device=device).to(torch.int32)
        bits *= _signed(STEP)
        bits += k0
        bits = _mix(bits)
        bits ^= k1
        return _mix(bits).reshape(shape)

    def random_bits(key: Array, *, shape: Ints) -> Array:
        return int32_bits(key, shape).view(torch.uint32)

    def random_uniform(key: Array, *, shape: Ints, dtype: str) -> Array:
        if dtype == "float64":
            high, low = int32_bits(key, (*shape, 2)).unbind(-1)
            return (_shifted(high, 5).to(torch.float64) * 2.0**26 + _shifted(low, 6)) * 2.0**-53
        discarded = {"float32": 8, "float16": 21, "bfloat16": 24}[dtype]
        values = _shifted(int32_bits(key, shape), discarded).to(torch.float32)
        return values.mul_(2.0 ** (discarded - 32)).to(TORCH[dtype])

    def dropout_mask(key: Array, *, shape: Ints, rate: float, dtype: str) -> Array:
        threshold, scale = _dropout_constants(rate, dtype)
        if threshold > WORD:
            return torch.zeros(shape, dtype=TORCH[dtype], device=device)
        # Unsigned numbers compare as signed ones do when the highest bit of both is turned over.
        bits = int32_bits(key, shape).bitwise_xor_(_signed(1 << 31))
        return (bits >= _signed(threshold ^ 1 << 31)).to(TORCH[dtype]).mul_(scale)

    def fold_in(key: Array, i: Any) -> Array:
        k0, k1 = key.view(torch.int32).unbind()
        if not isinstance(i, torch.Tensor):
            i = torch.tensor(_signed(i), dtype=torch.int32, device=device)
        k0 = _mix(_mix(i.to(torch.int32) * _signed(STEP) + _signed(FOLD_OFFSET)).bitwise_xor_(k0))
        return torch.stack([k0, _mix(k1 + k0)]).view(torch.uint32)

    return {
        "random_bits": random_bits,
        "random_uniform": random_uniform,
        "dropout_mask": dropout_mask,
        "fold_in": fold_in,
    }
