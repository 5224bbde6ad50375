"""Arguments and shapes that convolution, pooling and resizing share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from multikeras import backend as K
from multikeras.layers.input_spec import InputSpec

if TYPE_CHECKING:
    from multikeras.layers.base import Layer


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
        several = f", or {count} of them" if count > 1 else ""
        raise ValueError(f"{layer}: {name} is a whole number above 0{several}, received {value!r}.")
    return made


def pairs(layer: str, name: str, value: Any, count: int) -> tuple[tuple[int, int], ...]:
    """Two whole numbers from 0 on for each axis, those before and behind.

    Args:
        layer: Who asks, for the message.
        name: The argument's name.
        value: A number for all sides, a number for both sides of each axis, or a pair for each axis
            (with one axis the pair itself).
        count: Number of axes.

    Raises:
        ValueError: If it is none of these.
    """
    entries = tuple(value) if isinstance(value, (list, tuple)) else (value,) * count
    if count == 1 and len(entries) == 2:
        entries = (entries,)
    made = [tuple(e) if isinstance(e, (list, tuple)) else (e, e) for e in entries]
    if len(made) != count or any(len(p) != 2 or not all(_is_length(n) for n in p) for p in made):
        forms = "(before, behind)" if count == 1 else f"{count} numbers or {count} pairs (before, behind)"
        raise ValueError(f"{layer}: {name} is a whole number from 0 on, or {forms}, received {value!r}.")
    return tuple((int(before), int(behind)) for before, behind in made)


def _is_length(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and bool(n >= 0)


def check_causal(layer: str, padding: str, data_format: str) -> None:
    """Refuses padding of the past where time is the last axis."""
    if padding == "causal" and data_format != "channels_last":
        raise ValueError(f"{layer}: padding='causal' needs data_format='channels_last', received {data_format!r}.")


def known_channels(layer: Layer, shape: Sequence[Any]) -> int:
    """The length of the channel axis for a layer that makes weights over it.

    Raises:
        ValueError: If it is unknown.
    """
    data_format: str = layer.data_format  # type: ignore[attr-defined]
    channels = channels_of(shape, data_format)
    if channels is None:
        raise ValueError(
            f"Layer {layer.name!r} needs to know the channels of its input ({data_format}), received shape "
            f"{tuple(shape)}. Give them in input_shape=, or in Input(shape=…)."
        )
    return int(channels)


#: What the spatial axes are called, by their number.
_AXES = {1: "steps", 2: "rows, columns", 3: "d1, d2, d3"}


def input_spec(rank: int, data_format: str, axes: Mapping[int, int | None] | None = None) -> InputSpec:
    """The demands on an input with so many spatial axes.

    Args:
        rank: Number of spatial axes.
        data_format: Where the channels are.
        axes: Lengths of single axes, by index.
    """
    named = f"channels, {_AXES[rank]}" if data_format == "channels_first" else f"{_AXES[rank]}, channels"
    return InputSpec(ndim=rank + 2, axes=axes, layout=f"(batch, {named})")


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


def transposed_length(n: Any, window: int, padding: str, stride: int, dilation: int, extra: int | None) -> Any:
    """Length of an axis of which a window has n places, for a transposed convolution.

    Several lengths have n places. Without `extra` it is `n * stride` (and the rest of a window larger
    than its steps where padding is `'valid'`); with it the shortest one, and so much more.

    Args:
        n: Number of places: an int, an integer scalar made of a shape, or None.
        window: Length of the window.
        padding: `'valid'` or `'same'`.
        stride: Step of the window.
        dilation: Distance between entries of the window.
        extra: `output_padding`, or None.
    """
    if n is None:
        return None
    reach = (window - 1) * dilation + 1
    if extra is None:
        return n * stride + (max(reach - stride, 0) if padding == "valid" else 0)
    cut = 2 * (reach // 2) if padding == "same" else 0
    return (n - 1) * stride + reach - cut + extra
