"""Largest and mean entries of windows."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.layers import windows
from multikeras.layers.base import Layer


class Pooling(Layer):
    """What the poolings share.

    Args:
        pool_size: Lengths of the window; a number stands for all axes.
        strides: Steps of the window; `pool_size` if None.
        padding: `'valid'` or `'same'`; means count only entries inside the input.
        data_format: Where the channels are; the global setting if None.
        **kwargs: What every layer takes.

    Input and output shape: `(batch, *spatial, channels)`, or with channels first.
    """

    #: Number of spatial axes.
    rank: int = 2
    #: `'max'` or `'avg'`.
    mode: str = "max"

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.pool_size = windows.numbers(kind, "pool_size", pool_size, self.rank)
        self.strides = windows.numbers(kind, "strides", self.pool_size if strides is None else strides, self.rank)
        self.padding = windows.check_padding(kind, padding)
        self.data_format = windows.check_data_format(kind, data_format)
        self.input_spec = windows.input_spec(self.rank, self.data_format)

    def call(self, inputs: Any) -> Any:
        arguments = {"padding": self.padding, "data_format": self.data_format, "pool_mode": self.mode}
        if self.rank == 2:
            return K.pool2d(inputs, self.pool_size, self.strides, **arguments)
        if self.rank == 3:
            return K.pool3d(inputs, self.pool_size, self.strides, **arguments)
        # A second spatial axis of length 1, on which the window is 1.
        axis = 3 if self.data_format == "channels_first" else 2
        wide = K.expand_dims(inputs, axis)
        return K.squeeze(K.pool2d(wide, (*self.pool_size, 1), (*self.strides, 1), **arguments), axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths = [
            windows.window_length(n, k, self.padding, s)
            for n, k, s in zip(
                windows.spatial(input_shape, self.data_format), self.pool_size, self.strides, strict=True
            )
        ]
        channels = windows.channels_of(input_shape, self.data_format)
        return windows.with_spatial(input_shape, lengths, channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": list(self.pool_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
        }


class _Pooling1D(Pooling):
    rank = 1

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class MaxPooling1D(_Pooling1D):
    """Largest entry of each window over time; see `Pooling` for the arguments."""

    mode = "max"


class AveragePooling1D(_Pooling1D):
    """Mean of each window over time; see `Pooling` for the arguments."""

    mode = "avg"


class MaxPooling2D(Pooling):
    """Largest entry of each window of rows and columns; see `Pooling` for the arguments."""

    rank, mode = 2, "max"


class AveragePooling2D(Pooling):
    """Mean of each window of rows and columns; see `Pooling` for the arguments."""

    rank, mode = 2, "avg"


class MaxPooling3D(Pooling):
    """Largest entry of each window over three axes; see `Pooling` for the arguments."""

    rank, mode = 3, "max"


class AveragePooling3D(Pooling):
    """Mean of each window over three axes; see `Pooling` for the arguments."""

    rank, mode = 3, "avg"
