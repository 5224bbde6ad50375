"""Arguments and lengths of convolutions, as layers of third parties compute them."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras import backend as K

__all__ = [
    "conv_input_length",
    "conv_output_length",
    "convert_kernel",
    "deconv_length",
    "normalize_data_format",
    "normalize_padding",
    "normalize_tuple",
]

_PADDINGS = ("valid", "same", "causal", "full")


def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """A number, or several, as a tuple of n integers.

    Args:
        value: An integer that stands for all, or n integers.
        n: How many there are to be.
        name: What they are, for messages.

    Raises:
        ValueError: If it is neither.
    """
    listed = (value,) * n if isinstance(value, (int, np.integer)) else value
    try:
        made = tuple(int(entry) for entry in listed)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` is an integer or {n} integers, received {value!r}.") from error
    if len(made) != n:
        raise ValueError(f"`{name}` is an integer or {n} integers, received {value!r}.")
    return made


def normalize_data_format(value: str | None) -> str:
    """`'channels_first'` or `'channels_last'`; the global one for None."""
    return K.normalize_data_format(value)


def normalize_padding(value: str) -> str:
    """The padding in small letters.

    Raises:
        ValueError: If it is none.
    """
    padding = str(value).lower()
    if padding not in _PADDINGS[:3]:
        raise ValueError(f"padding is 'valid', 'same' or 'causal', received {value!r}.")
    return padding


def convert_kernel(kernel: Any) -> np.ndarray:
    """A kernel of 3 to 5 axes with its spatial axes turned around: convolution and cross-correlation swapped.

    Raises:
        ValueError: If it has another number of axes.
    """
    values = np.asarray(kernel)
    if not 3 <= values.ndim <= 5:
        raise ValueError(f"convert_kernel takes a kernel of 3 to 5 axes, received shape {values.shape}.")
    return np.copy(np.flip(values, tuple(range(values.ndim - 2))))


def conv_output_length(
    input_length: int | None, filter_size: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """Length that a convolution gives; None stays None.

    Args:
        input_length: Length of its input.
        filter_size: Length of the kernel.
        padding: `'valid'`, `'same'`, `'causal'` or `'full'`.
        stride: Step of the window.
        dilation: Step between the kernel's entries.
    """
    if input_length is None:
        return None
    _check(padding)
    reach = (filter_size - 1) * dilation + 1
    length = {"valid": input_length - reach + 1, "full": input_length + reach - 1}.get(padding, input_length)
    return (length + stride - 1) // stride


def conv_input_length(output_length: int | None, filter_size: int, padding: str, stride: int) -> int | None:
    """A length of input from which a convolution gives this length; None stays None."""
    if output_length is None:
        return None
    _check(padding)
    border = {"same": filter_size // 2, "causal": filter_size // 2, "valid": 0, "full": filter_size - 1}[padding]
    return (output_length - 1) * stride - 2 * border + filter_size


def deconv_length(
    dim_size: int | None,
    stride_size: int,
    kernel_size: int,
    padding: str,
    output_padding: int | None = None,
    dilation: int = 1,
) -> int | None:
    """Length that a transposed convolution gives; None stays None.

    Args:
        dim_size: Length of its input.
        stride_size: Step of the window.
        kernel_size: Length of the kernel.
        padding: `'valid'`, `'same'` or `'full'`.
        output_padding: Entries more on one side; None for the length that fits the padding.
        dilation: Step between the kernel's entries.
    """
    if dim_size is None:
        return None
    _check(padding)
    reach = (kernel_size - 1) * dilation + 1
    if output_padding is None:
        if padding == "valid":
            return dim_size * stride_size + max(reach - stride_size, 0)
        return dim_size * stride_size - (stride_size + reach - 2 if padding == "full" else 0)
    border = {"same": reach // 2, "valid": 0, "full": reach - 1}[padding]
    return (dim_size - 1) * stride_size + reach - 2 * border + output_padding


def _check(padding: str) -> None:
    if padding not in _PADDINGS:
        raise ValueError(f"padding is one of {', '.join(_PADDINGS)}; received {padding!r}.")
