"""Layers that make sequences, pictures and volumes larger by whole factors."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.layers import windows
from multikeras.layers.base import Layer


class UpSampling(Layer):
    """What the up-samplings share: several entries for each one along the spatial axes.

    Args:
        size: How many come of one; a number stands for all axes.
        data_format: Where the channels are; the global setting if None.
        **kwargs: What every layer takes.

    Input and output shape: `(batch, *spatial, channels)`, or with channels first.
    """

    #: Number of spatial axes.
    rank: int = 2

    def __init__(self, size: Any = 2, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self._factors = windows.numbers(kind, "size", size, self.rank)
        self.size: Any = self._factors
        self.data_format = windows.check_data_format(kind, data_format)
        self.input_spec = windows.input_spec(self.rank, self.data_format)

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths = [
            None if n is None else n * factor
            for n, factor in zip(windows.spatial(input_shape, self.data_format), self._factors, strict=True)
        ]
        channels = windows.channels_of(input_shape, self.data_format)
        return windows.with_spatial(input_shape, lengths, channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": list(self._factors), "data_format": self.data_format}


class UpSampling1D(UpSampling):
    """Repeats each step of time.

    Args:
        size: How often.
        **kwargs: What every layer takes.

    Input shape: `(batch, time, channels)`. Output shape: `(batch, time * size, channels)`.
    """

    rank = 1

    def __init__(self, size: Any = 2, **kwargs: Any) -> None:
        super().__init__(size, "channels_last", **kwargs)
        self.size = self._factors[0]

    def call(self, inputs: Any) -> Any:
        return K.repeat_elements(inputs, self.size, axis=1)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "size": self.size}
        # Layers over time have their channels last, as in Keras 2.
        del config["data_format"]
        return config


class UpSampling2D(UpSampling):
    """Repeats rows and columns, or goes in steps from each to the next.

    Args:
        size: How many come of one, `(rows, columns)` or a number for both.
        data_format: Where the channels are; the global setting if None.
        interpolation: `'nearest'` or `'bilinear'`, as in `K.resize_images`.
        **kwargs: What every layer takes.
    """

    rank = 2

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(size, data_format, **kwargs)
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f"UpSampling2D: interpolation is 'nearest' or 'bilinear', received {interpolation!r}.")
        self.interpolation = interpolation

    def call(self, inputs: Any) -> Any:
        rows, columns = self._factors
        return K.resize_images(inputs, rows, columns, self.data_format, interpolation=self.interpolation)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "interpolation": self.interpolation}


class UpSampling3D(UpSampling):
    """Repeats entries along three axes.

    Args:
        size: How often along each, or a number for all.
        data_format: Where the channels are; the global setting if None.
        **kwargs: What every layer takes.
    """

    rank = 3

    def call(self, inputs: Any) -> Any:
        d1, d2, d3 = self._factors
        return K.resize_volumes(inputs, d1, d2, d3, self.data_format)
