"""Cases of the random primitives, whose bits are the same everywhere, against whole-number Python."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, prod

import numpy as np

from multikeras.testing.case import FLOATS, Case, fixed

_WORD = 2**32

#: Keys of two words: ordinary ones, and those at the ends of what a word can hold.
KEYS: list[tuple[int, int]] = [(0x12345678, 0x9ABCDEF0), (0, 0), (_WORD - 1, _WORD - 1), (1, 0x80000000)]


def hash_word(x: int) -> int:
    """The finalizer: xor with the upper bits and multiply, twice."""
    x = (x ^ (x >> 16)) * 0x7FEB352D % _WORD
    x = (x ^ (x >> 15)) * 0x846CA68B % _WORD
    return x ^ (x >> 16)


def bits(k0: int, k1: int, count: int) -> list[int]:
    """The first words of the stream of a key."""
    return [hash_word(hash_word((i * 0x9E3779B9 + k0) % _WORD) ^ k1) for i in range(count)]


def random_bits(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The bits as an array."""
    return np.array(bits(int(key[0]), int(key[1]), prod(shape)), "uint32").reshape(shape)


def random_uniform(key: np.ndarray, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers in [0, 1) with as many bits as the type holds of them."""
    count = prod(shape)
    if dtype == "float64":
        words = bits(int(key[0]), int(key[1]), 2 * count)
        made = [((a >> 5) * 2**26 + (b >> 6)) / 2**53 for a, b in zip(words[::2], words[1::2], strict=True)]
    else:
        kept = {"float16": 11, "bfloat16": 8}.get(dtype, 24)
        made = [(word >> (32 - kept)) / 2**kept for word in bits(int(key[0]), int(key[1]), count)]
    return np.array(made, "float64").reshape(shape)


def _dropout_mask(key: np.ndarray, shape: tuple[int, ...], rate: float, dtype: str) -> np.ndarray:
    words = bits(int(key[0]), int(key[1]), prod(shape))
    kept = 1 / (1 - rate) if rate < 1 else 0.0
    return np.array([0.0 if word < floor(rate * _WORD) else kept for word in words], "float64").reshape(shape)


def _fold_in(key: np.ndarray, i: np.ndarray) -> np.ndarray:
    mixed = hash_word((int(i) % _WORD * 0x9E3779B9 + 0x85EBCA6B) % _WORD)
    k0 = hash_word(int(key[0]) ^ mixed)
    return np.array([k0, hash_word((int(key[1]) + k0) % _WORD)], "uint32")


def _key(number: int) -> tuple[int, int]:
    return KEYS[number % len(KEYS)]


def _cases() -> Iterator[Case]:
    word = ("uint32",)
    for number, key in enumerate(KEYS):
        label = f"key {number}" if number else ""
        yield Case("random_bits", (fixed(key, "uint32"),), random_bits, label, {"shape": (5, 7)}, word, "uint32")
    shapes: list[tuple[str, tuple[int, ...]]] = [("0-d", ()), ("empty", (0, 3)), ("several blocks", (3, 20000))]
    for label, shape in shapes:
        yield Case("random_bits", (fixed(KEYS[0], "uint32"),), random_bits, label, {"shape": shape}, word, "uint32")
    for number, dtype in enumerate(FLOATS):
        for label, shape in [("", (5, 7)), *shapes]:
            yield Case(
                "random_uniform",
                (fixed(_key(number), "uint32"),),
                random_uniform,
                f"{dtype} {label}".strip(),
                {"shape": shape, "dtype": dtype},
                (dtype,),
                dtype,
                exact=True,
            )
        for rate in (0.5, 0.1, 0.0, 0.75):
            yield Case(
                "dropout_mask",
                (fixed(_key(number + 1), "uint32"),),
                _dropout_mask,
                f"{dtype} {rate}",
                {"shape": (9, 11), "rate": rate, "dtype": dtype},
                (dtype,),
                dtype,
                exact=True,
            )
    for number, (key, i, dtype) in enumerate(
        [
            (KEYS[0], 0, "int32"),
            (KEYS[0], 1, "int32"),
            (KEYS[2], 2**31 - 1, "int32"),
            (KEYS[3], -1, "int32"),
            (KEYS[0], 2**32 - 1, "uint32"),
            (KEYS[1], 123456789, "int64"),
        ]
    ):
        label = f"number {number}" if number else ""
        operands = (fixed(key, "uint32"), fixed(i, dtype))
        yield Case("fold_in", operands, _fold_in, label, dtypes=word, result="uint32")


CASES = list(_cases())
