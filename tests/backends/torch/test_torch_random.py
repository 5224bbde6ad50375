"""Random numbers: the bits that a plain computation with Python's integers gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

WORD = 2**32


def fin(x: int) -> int:
    x ^= x >> 16
    x = x * 0x7FEB352D % WORD
    x ^= x >> 15
    x = x * 0x846CA68B % WORD
    return x ^ (x >> 16)


def bits(k0: int, k1: int, count: int, start: int = 0) -> list[int]:
    return [fin(fin((index * 0x9E3779B9 + k0) % WORD) ^ k1) for index in range(start, start + count)]


KEYS = [(0, 0), (1, 2**31), (0xDEADBEEF, 0xFFFFFFFF)]


def both() -> list[Any]:
    from multikeras_torch.random_numbers import HOST_RANDOM, device_random_kernels

    return [HOST_RANDOM, device_random_kernels(torch.device("cpu"))]


@pytest.fixture(params=["by NumPy", "as on a GPU"])
def kernels(request: Any) -> Any:
    return both()[request.param != "by NumPy"]


def array(key: tuple[int, int]) -> Any:
    return torch.tensor(key, dtype=torch.uint32)


@pytest.mark.parametrize("key", KEYS)
def test_bits(kernels: Any, key: tuple[int, int]) -> None:
    result = kernels["random_bits"](array(key), shape=(3, 50))
    assert result.dtype == torch.uint32
    assert result.numpy().ravel().tolist() == bits(*key, 150)
    assert kernels["random_bits"](array(key), shape=()).item() == bits(*key, 1)[0]
    assert kernels["random_bits"](array(key), shape=(0, 3)).shape == (0, 3)


def test_bits_beyond_a_block(kernels: Any) -> None:
    result = kernels["random_bits"](array(KEYS[2]), shape=(40001,)).numpy()
    for start in (16380, 32760, 39990):
        assert result[start : start + 11].tolist() == bits(*KEYS[2], 11, start)


@pytest.mark.parametrize("key", KEYS)
def test_uniform(kernels: Any, key: tuple[int, int]) -> None:
    drawn = np.array(bits(*key, 400), dtype="uint64")
    for dtype, discarded in {"float32": 8, "float16": 21, "bfloat16": 24}.items():
        result = kernels["random_uniform"](array(key), shape=(20, 20), dtype=dtype)
        assert result.dtype == getattr(torch, dtype)
        expected = (drawn >> discarded) * 2.0 ** (discarded - 32)
        np.testing.assert_array_equal(result.double().numpy().ravel(), expected)
    result = kernels["random_uniform"](array(key), shape=(10, 20), dtype="float64")
    expected = ((drawn[0::2] >> 5) * 2.0**26 + (drawn[1::2] >> 6)) * 2.0**-53
    np.testing.assert_array_equal(result.numpy().ravel(), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_dropout_mask(kernels: Any, rate: float, dtype: str) -> None:
    result = kernels["dropout_mask"](array(KEYS[1]), shape=(7, 11), rate=rate, dtype=dtype)
    kept = np.array(bits(*KEYS[1], 77)) >= int(rate * 2**32)
    scale = torch.tensor(1 / (1 - rate) if rate < 1 else 0.0, dtype=getattr(torch, dtype))
    assert result.dtype == scale.dtype
    assert result.shape == (7, 11)
    np.testing.assert_array_equal(result.double().numpy().ravel(), kept * scale.double().item())


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("i", [0, 1, 2**31 + 5])
def test_fold_in(kernels: Any, key: tuple[int, int], i: int) -> None:
    k0 = fin(key[0] ^ fin((i * 0x9E3779B9 + 0x85EBCA6B) % WORD))
    expected = [k0, fin((key[1] + k0) % WORD)]
    for number in (torch.tensor(i), torch.tensor(i, dtype=torch.uint32), i):
        result = kernels["fold_in"](array(key), number)
        assert result.dtype == torch.uint32
        assert result.tolist() == expected
    if i < 2**31:
        assert kernels["fold_in"](array(key), torch.tensor(i, dtype=torch.int32)).tolist() == expected
    minus = kernels["fold_in"](array(key), torch.tensor(-1, dtype=torch.int32)).tolist()
    assert minus == kernels["fold_in"](array(key), 2**32 - 1).tolist()


def test_both_ways_draw_the_same() -> None:
    host, device = both()
    key = array((123456789, 987654321))
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        one, two = (kernels["random_uniform"](key, shape=(100, 333), dtype=dtype) for kernels in (host, device))
        assert torch.equal(one, two)
        assert one.min() >= 0 and one.max() < 1
        one, two = (kernels["dropout_mask"](key, shape=(100, 333), rate=0.3, dtype=dtype) for kernels in (host, device))
        assert torch.equal(one, two)


def test_too_many_numbers(kernels: Any) -> None:
    with pytest.raises(ValueError, match=r"2\*\*32"):
        kernels["random_bits"](array(KEYS[0]), shape=(2**17, 2**16))
