"""Dropout, of entries and of whole feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.layers.base import InputSpec, Layer


class Dropout(Layer):
    """In training sets a share of the entries to 0 and divides the rest by what is left of 1.

    Args:
        rate: Share of entries, from 0 to 1.
        noise_shape: Shape of the mask, 1 or None where it is the same along or has the length of an axis.
        seed: Fixes the sequence of masks; None draws a seed from NumPy's generator.
        **kwargs: What every layer takes.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"{type(self).__name__}: rate is a share between 0 and 1, received {rate!r}.")
        self.rate = rate
        self.noise_shape = noise_shape
        self.seed = seed
        self.supports_masking = True

    def _mask_shape(self, inputs: Any) -> Any:
        if self.noise_shape is None:
            return None
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


class SpatialDropout1D(Dropout):
    """Drops whole feature maps of sequences.

    Args:
        rate: Share of the maps, from 0 to 1.
        **kwargs: What every layer takes.

    Input and output shape: `(batch, time, channels)`.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def _mask_shape(self, inputs: Any) -> Any:
        shape = K.shape(inputs)
        return (shape[0], 1, shape[2])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["noise_shape"], config["seed"]
        return config
