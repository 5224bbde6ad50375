"""Lengths of convolutions, by counting windows."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras.utils import conv_utils


def windows(length: int, size: int, padding: str, stride: int, dilation: int) -> int:
    """How many places a window has, counted."""
    reach = (size - 1) * dilation + 1
    before = {"valid": 0, "causal": reach - 1, "full": reach - 1, "same": (reach - 1) // 2}[padding]
    behind = {"valid": 0, "causal": 0, "full": reach - 1, "same": reach - 1 - (reach - 1) // 2}[padding]
    padded = before + length + behind
    return len([start for start in range(0, padded, stride) if start + reach <= padded])


@pytest.mark.parametrize("padding", ["valid", "same", "causal", "full"])
def test_lengths(padding: str) -> None:
    for length in range(5, 12):
        for size in (1, 2, 3, 4):
            for stride, dilation in ((1, 1), (2, 1), (3, 1), (1, 2)):
                if (size - 1) * dilation + 1 > length:
                    continue
                expected = windows(length, size, padding, stride, dilation)
                assert conv_utils.conv_output_length(length, size, padding, stride, dilation) == expected
    assert conv_utils.conv_output_length(None, 3, padding, 1) is None


def test_transposed_lengths_are_lengths_that_give_the_input_back() -> None:
    for length in range(2, 8):
        for size in (1, 2, 3, 5):
            for stride in (1, 2, 3):
                for padding in ("valid", "same", "full"):
                    made = conv_utils.deconv_length(length, stride, size, padding)
                    assert made is not None
                    if made > 0:
                        assert conv_utils.conv_output_length(made, size, padding, stride) == length
    for padding in ("valid", "full", "same"):
        made = conv_utils.deconv_length(5, 2, 3, padding, output_padding=1)
        assert made == conv_utils.conv_input_length(5, 3, padding, 2) + 1  # type: ignore[operator]
    assert conv_utils.deconv_length(None, 2, 3, "same") is None
    assert conv_utils.deconv_length(5, 1, 3, "valid", dilation=2) == 9


def test_arguments() -> None:
    assert conv_utils.normalize_tuple(2, 3, "size") == (2, 2, 2)
    assert conv_utils.normalize_tuple([1, 2], 2, "size") == (1, 2)
    assert conv_utils.normalize_padding("SAME") == "same"
    assert conv_utils.normalize_data_format(None) == "channels_last"
    with pytest.raises(ValueError, match="`size` is an integer or 2 integers, received .1, 2, 3."):
        conv_utils.normalize_tuple((1, 2, 3), 2, "size")
    with pytest.raises(ValueError, match="`size` is an integer or 2 integers, received 'ab'"):
        conv_utils.normalize_tuple("ab", 2, "size")
    with pytest.raises(ValueError, match="received 'full'"):
        conv_utils.normalize_padding("full")
    with pytest.raises(ValueError, match="received 'sam'"):
        conv_utils.conv_output_length(3, 1, "sam", 1)


def test_turned_kernels() -> None:
    kernel = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(conv_utils.convert_kernel(kernel), kernel[::-1, ::-1])
    with pytest.raises(ValueError, match=r"received shape \(2, 3\)"):
        conv_utils.convert_kernel(np.zeros((2, 3)))
