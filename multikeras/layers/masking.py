"""`Masking`."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.layers.base import InputSpec, Layer


class Masking(Layer):
    """Marks the time steps all of whose features equal a value, for later layers to leave out.

    Args:
        mask_value: The value.
        **kwargs: What every layer takes.
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.mask_value = mask_value
        self.input_spec = InputSpec(min_ndim=2)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return K.any(K.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        kept = K.any(K.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return inputs * K.cast(kept, K.dtype(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_value": self.mask_value}
