"""Random kernels against the definition, written out with Python's integers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from multikeras_jax.kernels import random
from multikeras_jax.kernels.common import NUMPY_DTYPES

MASK = 2**32 - 1
KEYS = [(0, 0), (1, 0), (0xDEADBEEF, 0x12345678), (MASK, MASK)]


def finalize(x: int) -> int:
    x ^= x >> 16
    x = x * 0x7FEB352D & MASK
    x ^= x >> 15
    x = x * 0x846CA68B & MASK
    return x ^ x >> 16


def bits_of(key: tuple[int, int], count: int) -> list[int]:
    return [finalize(finalize((i * 0x9E3779B9 + key[0]) & MASK) ^ key[1]) for i in range(count)]


def array(key: tuple[int, int]) -> np.ndarray:
    return np.array(key, np.uint32)


@pytest.mark.parametrize("key", KEYS)
def test_bits(kernels: Any, key: tuple[int, int]) -> None:
    got = kernels.random_bits(array(key), shape=(5, 7))
    assert got.dtype == np.uint32
    np.testing.assert_array_equal(np.asarray(got).ravel(), bits_of(key, 35))


def test_bits_of_a_scalar_and_of_nothing(kernels: Any) -> None:
    assert kernels.random_bits(array(KEYS[2]), shape=()) == bits_of(KEYS[2], 1)[0]
    assert kernels.random_bits(array(KEYS[2]), shape=(3, 0)).shape == (3, 0)


def test_too_many_bits(kernels: Any) -> None:
    with pytest.raises(ValueError, match=r"at most 2\*\*32 numbers.*\(65536, 65537\)"):
        kernels.random_bits(array(KEYS[0]), shape=(65536, 65537))


@pytest.mark.parametrize("key", KEYS[1:3])
def test_uniform_numbers(kernels: Any, compiled: Any, key: tuple[int, int]) -> None:
    bits = np.array(bits_of(key, 200), np.uint64)
    wanted = {
        "float32": (bits[:100] >> 8) / 2.0**24,
        "float16": (bits[:100] >> 21) / 2.0**11,
        "bfloat16": (bits[:100] >> 24) / 2.0**8,
        "float64": ((bits[::2] >> 5) * 2**26 + (bits[1::2] >> 6)) / 2.0**53,
    }
    for dtype, value in wanted.items():

        def draw(key: Any, dtype: str = dtype) -> tuple[Any, ...]:
            return (kernels.random_uniform(key, shape=(10, 10), dtype=dtype),)

        (got,) = compiled(draw, array(key))
        # The values of bfloat16 arrive in float32.
        assert got.dtype == ("float32" if dtype == "bfloat16" else NUMPY_DTYPES[dtype])
        np.testing.assert_array_equal(got.astype(np.float64).ravel(), value)


def test_uniform_numbers_stay_below_one(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest bits there are, in each type."""
    monkeypatch.setattr(random, "_random_bits", lambda key, *, shape: np.full(shape, MASK, np.uint32))
    with backend.scope():
        for dtype in ("float16", "bfloat16", "float32", "float64"):
            drawn = random.KERNELS["random_uniform"](array(KEYS[0]), shape=(), dtype=dtype)
            assert 0.99 < float(drawn) < 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_dropout_mask(kernels: Any, rate: float, dtype: str) -> None:
    got = kernels.dropout_mask(array(KEYS[2]), shape=(6, 50), rate=rate, dtype=dtype)
    kept = np.array(bits_of(KEYS[2], 300)) >= math.floor(rate * 2**32)
    wanted = np.where(kept, np.array(1 / (1 - rate), NUMPY_DTYPES[dtype]), NUMPY_DTYPES[dtype].type(0))
    assert got.dtype == NUMPY_DTYPES[dtype]
    np.testing.assert_array_equal(np.asarray(got).ravel(), wanted)
    assert kept.mean() == pytest.approx(1 - rate, abs=0.1)


def test_dropping_everything(kernels: Any) -> None:
    assert not np.asarray(kernels.dropout_mask(array(KEYS[0]), shape=(9,), rate=1.0, dtype="float32")).any()


@pytest.mark.parametrize("index", [0, 1, -1, MASK, 2**32 + 7])
def test_fold_in(kernels: Any, index: int) -> None:
    for key in KEYS[1:3]:
        first = finalize(key[0] ^ finalize((index * 0x9E3779B9 + 0x85EBCA6B) & MASK))
        wanted = [first, finalize((key[1] + first) & MASK)]
        np.testing.assert_array_equal(kernels.fold_in(array(key), np.array(index, np.int64)), wanted)
        np.testing.assert_array_equal(kernels.fold_in(array(key), index), wanted)
        if abs(index) < 2**31:
            np.testing.assert_array_equal(kernels.fold_in(array(key), np.array(index, np.int32)), wanted)


def test_bits_fused_into_a_program_are_the_same(kernels: Any, compiled: Any) -> None:
    """Bits, numbers and masks do not depend on what XLA fuses them into."""
    shape = (64, 65)

    def program(key: Any, x: Any) -> tuple[Any, ...]:
        uniform = kernels.random_uniform(key, shape=shape, dtype="float32")
        mask = kernels.dropout_mask(key, shape=shape, rate=0.3, dtype="float32")
        # (u + c) * s, whose rounding no multiply-add can change.
        between = kernels.multiply(kernels.add(uniform, np.float32(-0.5)), np.float32(3.7))
        return kernels.multiply(x, mask), between, kernels.fold_in(key, 3)

    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    masked, between, folded = compiled(program, array(KEYS[2]), x)
    bits = np.array(bits_of(KEYS[2], 64 * 65), np.uint32).reshape(shape)
    kept = np.where(bits < math.floor(0.3 * 2**32), np.float32(0), np.float32(1 / 0.7))
    np.testing.assert_array_equal(masked, x * kept)
    uniform = (bits >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    np.testing.assert_array_equal(between, (uniform + np.float32(-0.5)) * np.float32(3.7))
    np.testing.assert_array_equal(folded, kernels.fold_in(array(KEYS[2]), 3))
