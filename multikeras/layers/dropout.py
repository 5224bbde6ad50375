"""Dropout, of entries and of whole feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.layers import windows
from multikeras.layers.base import Layer


class Dropout(Layer):
    """In training sets a share of the entries to 0 and divides the rest by what is left of 1.

    Args:
        rate: Share of entries, from 0 to 1; 0 and 1 change nothing, as in Keras 2.
        noise_shape: Shape of the mask, 1 or None where it is the same along or has the length of an axis.
        seed: Fixes the sequence of masks; None draws a seed from NumPy's generator.
        **kwargs: What every layer takes.

    Source: Srivastava et al., "Dropout", JMLR 15, 2014.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate(type(self).__name__, rate)
        self.noise_shape = noise_shape
        self.seed = seed
        self.supports_masking = True

    def _mask_shape(self, inputs: Any) -> Any:
        if self.noise_shape is None:
            return None
        if len(self.noise_shape) != K.ndim(inputs):
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}): noise_shape {tuple(self.noise_shape)} needs one entry "
                f"for each axis of its input, received shape {K.int_shape(inputs)}."
            )
        shape = K.shape(inputs)
        return tuple(shape[i] if n is None else n for i, n in enumerate(self.noise_shape))

    def call(self, inputs: Any, training: Any = None) -> Any:
        if not 0 < self.rate < 1:
            return inputs

        def dropped() -> Any:
            return K.dropout(inputs, self.rate, self._mask_shape(inputs), seed=self.seed)

        return K.in_train_phase(dropped, inputs, training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}


def check_rate(kind: str, rate: Any) -> Any:
    """A share of entries.

    Raises:
        ValueError: If it is not between 0 and 1.
    """
    if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)) or not 0 <= rate <= 1:
        raise ValueError(f"{kind}: rate is a share between 0 and 1, received {rate!r}.")
    return rate


class SpatialDropout(Dropout):
    """What the spatial dropouts share: they drop whole feature maps.

    Args:
        rate: Share of the maps, from 0 to 1.
        data_format: Where the channels are; the global setting if None.
        **kwargs: `seed`, and what every layer takes.

    Input and output shape: `(batch, *spatial, channels)`, or with channels first.

    Source: Tompson et al., arXiv 1411.4280.
    """

    #: Number of spatial axes.
    rank: int = 2

    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.data_format = windows.check_data_format(type(self).__name__, data_format)
        self.input_spec = windows.input_spec(self.rank, self.data_format)

    def _mask_shape(self, inputs: Any) -> Any:
        shape = K.shape(inputs)
        channels = shape[1] if self.data_format == "channels_first" else shape[self.rank + 1]
        return windows.with_spatial([shape[0]], (1,) * self.rank, channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["noise_shape"]
        return config if self.rank == 1 else {**config, "data_format": self.data_format}


class SpatialDropout1D(SpatialDropout):
    """Drops whole feature maps of sequences.

    Args:
        rate: Share of the maps, from 0 to 1.
        **kwargs: `seed`, and what every layer takes.

    Input and output shape: `(batch, time, channels)`.
    """

    rank = 1

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, "channels_last", **kwargs)


class SpatialDropout2D(SpatialDropout):
    """Drops whole feature maps of pictures; see `SpatialDropout` for the arguments."""

    rank = 2


class SpatialDropout3D(SpatialDropout):
    """Drops whole feature maps of volumes; see `SpatialDropout` for the arguments."""

    rank = 3
