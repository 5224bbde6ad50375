"""Random kernels against the definition, in Python's integers of any length."""

import numpy as np
import pytest

WORD = 2**32


def finalize(x):
    x ^= x >> 16
    x = x * 0x7FEB352D % WORD
    x ^= x >> 15
    x = x * 0x846CA68B % WORD
    return x ^ x >> 16


def bits(k0, k1, size):
    return [finalize(finalize((index * 0x9E3779B9 + k0) % WORD) ^ k1) for index in range(size)]


KEYS = [(0, 0), (1, 2), (0xFFFFFFFF, 0x80000001), (0xDEADBEEF, 0x12345678)]


def key_array(key):
    array = np.array(key, "uint32")
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("shape", [(), (1,), (7, 3), (0, 4), (2, 5, 3)])
def test_bits(kernels, key, shape):
    result = kernels["random_bits"](key_array(key), shape=shape)
    assert result.dtype == "uint32"
    assert result.shape == shape
    assert np.ravel(result).tolist() == bits(*key, result.size)


def test_bits_of_several_blocks(kernels):
    size = 2 * (1 << 15) + 3
    result = kernels["random_bits"](key_array(KEYS[2]), shape=(size,))
    assert result.tolist() == bits(*KEYS[2], size)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("shape", [(), (5, 3), (0,), ((1 << 15) + 5,)])
def test_uniforms(kernels, key, shape):
    words = bits(*key, 2 * max(1, int(np.prod(shape))))
    for dtype, expected in (
        ("float64", [((a >> 5) * 2**26 + (b >> 6)) / 2**53 for a, b in zip(words[::2], words[1::2], strict=True)]),
        ("float32", [(word >> 8) / 2**24 for word in words]),
        ("float16", [(word >> 21) / 2**11 for word in words]),
    ):
        result = kernels["random_uniform"](key_array(key), shape=shape, dtype=dtype)
        assert result.dtype == dtype
        assert result.shape == shape
        assert np.ravel(result).tolist() == expected[: result.size]


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 1 / 3, 0.999, 1.0])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dropout_masks(kernels, rate, dtype):
    key = KEYS[3]
    kept = 0.0 if rate == 1 else float(np.array(1 / (1 - rate), dtype))
    expected = [0.0 if word < int(rate * WORD) else kept for word in bits(*key, 300)]
    result = kernels["dropout_mask"](key_array(key), shape=(20, 15), rate=rate, dtype=dtype)
    assert result.dtype == dtype
    assert result.ravel().tolist() == expected


@pytest.mark.parametrize("number", [0, 1, 7, 2**31 - 1, -1, -(2**31)])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_fold_in(kernels, number, dtype):
    for key in KEYS:
        k0 = finalize(key[0] ^ finalize((number % WORD * 0x9E3779B9 + 0x85EBCA6B) % WORD))
        for i in (np.array(number, dtype), np.dtype(dtype).type(number)):
            result = kernels["fold_in"](key_array(key), i)
            assert result.dtype == "uint32"
            assert result.tolist() == [k0, finalize((key[1] + k0) % WORD)]


def test_more_numbers_than_a_key_has(kernels):
    for name, shape, attributes in (
        ("random_bits", (2**16, 2**16 + 1), {}),
        ("random_uniform", (2**16, 2**16 + 1), {"dtype": "float32"}),
        ("random_uniform", (2**31 + 1,), {"dtype": "float64"}),
        ("dropout_mask", (2**33,), {"rate": 0.5, "dtype": "float32"}),
    ):
        with pytest.raises(ValueError, match=r"entries and one key numbers 2\*\*32"):
            kernels[name](key_array(KEYS[0]), shape=shape, **attributes)
