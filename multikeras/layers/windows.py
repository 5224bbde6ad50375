"""Arguments and shapes that convolution, pooling and resizing share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K


def check_data_format(layer: str, data_format: str | None) -> str:
    """The data format, the global one for None.

    Raises:
        ValueError: If it is none.
    """
    if data_format is None:
        return str(K.image_data_format())
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"{layer}: data_format is 'channels_last' or 'channels_first', received {data_format!r}.")
    return data_format


def check_padding(layer: str, padding: str, words: Sequence[str] = ("valid", "same")) -> str:
    """The padding in small letters.

    Raises:
        ValueError: If it is none of the words.
    """
    if not isinstance(padding, str) or padding.lower() not in words:
        raise ValueError(f"{layer}: padding is {' or '.join(map(repr, words))}, received {padding!r}.")
    return padding.lower()


def numbers(layer: str, name: str, value: Any, count: int) -> tuple[int, ...]:
    """A whole number above 0 for each axis; one stands for all.

    Raises:
        ValueError: If it is neither a number nor so many.
    """
    listed = (value,) * count if not isinstance(value, (list, tuple)) else tuple(value)
    try:
        made = tuple(int(n) for n in listed)
        fits = len(made) == count and all(n == m and n > 0 for n, m in zip(made, listed, strict=True))
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(f"{layer}: {name} is a whole number above 0, or {count} of them, received {value!r}.")
    return made


def spatial(shape: Sequence[Any], data_format: str) -> tuple[Any, ...]:
    """The axes between batch and channels."""
    return tuple(shape[2:]) if data_format == "channels_first" else tuple(shape[1:-1])


def with_spatial(shape: Sequence[Any], lengths: Sequence[Any], channels: Any, data_format: str) -> tuple[Any, ...]:
    """The shape with other spatial axes and channels."""
    if data_format == "channels_first":
        return (shape[0], channels, *lengths)
    return (shape[0], *lengths, channels)


def channels_of(shape: Sequence[Any], data_format: str) -> Any:
    """The length of the channel axis."""
    return shape[1] if data_format == "channels_first" else shape[-1]


def window_length(n: int | None, window: int, padding: str, stride: int, dilation: int = 1) -> int | None:
    """Number of places of a window along an axis of length n."""
    if n is None:
        return None
    if padding == "causal":
        return (n - 1) // stride + 1
    if padding == "same":
        return -(-n // stride)
    return (n - (window - 1) * dilation - 1) // stride + 1
