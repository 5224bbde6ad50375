"""Largest and mean entries over all of time or space."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.layers import windows
from multikeras.layers.base import Layer


class GlobalPooling(Layer):
    """What the global poolings share.

    Args:
        data_format: Where the channels are; the global setting if None.
        **kwargs: What every layer takes.

    Input shape: `(batch, *spatial, channels)`, or with channels first. Output shape: `(batch, channels)`.
    """

    #: Number of spatial axes.
    rank: int = 2

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = windows.check_data_format(type(self).__name__, data_format)
        self.input_spec = windows.input_spec(self.rank, self.data_format)

    @property
    def _spatial_axes(self) -> list[int]:
        first = 2 if self.data_format == "channels_first" else 1
        return list(range(first, first + self.rank))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], windows.channels_of(input_shape, self.data_format))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class _Largest(GlobalPooling):
    def call(self, inputs: Any) -> Any:
        return K.max(inputs, axis=self._spatial_axes)


class _Mean(GlobalPooling):
    def call(self, inputs: Any) -> Any:
        return K.mean(inputs, axis=self._spatial_axes)


class GlobalMaxPooling1D(_Largest):
    """Largest entry over time; see `GlobalPooling`."""

    rank = 1

    def __init__(self, data_format: str | None = "channels_last", **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)


class GlobalMaxPooling2D(_Largest):
    """Largest entry over rows and columns; see `GlobalPooling`."""

    rank = 2


class GlobalMaxPooling3D(_Largest):
    """Largest entry over three axes; see `GlobalPooling`."""

    rank = 3


class GlobalAveragePooling1D(_Mean):
    """Mean over time, of the steps that a mask keeps; see `GlobalPooling`.

    A sequence none of whose steps is kept gives zeros.
    """

    rank = 1

    def __init__(self, data_format: str | None = "channels_last", **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return super().call(inputs)
        kept = K.expand_dims(K.cast(mask, "bool"), 1 if self.data_format == "channels_first" else 2)
        count = K.sum(K.cast(kept, K.dtype(inputs)), axis=self._spatial_axes)
        # Chosen rather than multiplied: what is left out may be no number.
        total = K.sum(K.where(kept, inputs, K.zeros_like(inputs)), axis=self._spatial_axes)
        return total / K.maximum(count, 1.0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


class GlobalAveragePooling2D(_Mean):
    """Mean over rows and columns; see `GlobalPooling`."""

    rank = 2


class GlobalAveragePooling3D(_Mean):
    """Mean over three axes; see `GlobalPooling`."""

    rank = 3


__all__ = [
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GlobalPooling",
]
