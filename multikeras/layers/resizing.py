"""Layers that make pictures larger."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.layers import windows
from multikeras.layers.base import InputSpec, Layer


class ZeroPadding2D(Layer):
    """Zeros around rows and columns.

    Args:
        padding: A number for all sides, `(rows, columns)`, or `((top, bottom), (left, right))`.
        data_format: Where the channels are; the global setting if None.
        **kwargs: What every layer takes.
    """

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = _pairs(padding)
        self.data_format = windows.check_data_format("ZeroPadding2D", data_format)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        return K.spatial_2d_padding(inputs, padding=self.padding, data_format=self.data_format)

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths = [
            None if n is None else n + before + after
            for n, (before, after) in zip(windows.spatial(input_shape, self.data_format), self.padding, strict=True)
        ]
        channels = windows.channels_of(input_shape, self.data_format)
        return windows.with_spatial(input_shape, lengths, channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "padding": [list(pair) for pair in self.padding],
            "data_format": self.data_format,
        }


def _pairs(padding: Any) -> tuple[tuple[int, int], ...]:
    entries = (padding, padding) if isinstance(padding, int) else tuple(padding)
    pairs = tuple((entry, entry) if isinstance(entry, int) else tuple(entry) for entry in entries)
    if len(pairs) != 2 or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ValueError(
            "ZeroPadding2D: padding is a number from 0 on, (rows, columns) or ((top, bottom), (left, right)), received "
            f"{padding!r}."
        )
    return pairs


class UpSampling2D(Layer):
    """Repeats rows and columns, or goes in steps from each to the next.

    Args:
        size: How many come of one, `(rows, columns)` or a number for both.
        data_format: Where the channels are; the global setting if None.
        interpolation: `'nearest'` or `'bilinear'`, as in `K.resize_images`.
        **kwargs: What every layer takes.
    """

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.size = windows.numbers("UpSampling2D", "size", size, 2)
        self.data_format = windows.check_data_format("UpSampling2D", data_format)
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f"UpSampling2D: interpolation is 'nearest' or 'bilinear', received {interpolation!r}.")
        self.interpolation = interpolation
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        rows, columns = self.size
        return K.resize_images(inputs, rows, columns, self.data_format, interpolation=self.interpolation)

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths = [
            None if n is None else n * factor
            for n, factor in zip(windows.spatial(input_shape, self.data_format), self.size, strict=True)
        ]
        channels = windows.channels_of(input_shape, self.data_format)
        return windows.with_spatial(input_shape, lengths, channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": list(self.size),
            "data_format": self.data_format,
            "interpolation": self.interpolation,
        }
