"""`Embedding`."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments
from multikeras.layers.base import Layer


class Embedding(Layer):
    """A learned vector for each of a number of integers.

    Args:
        input_dim: Number of integers, 0 … input_dim - 1.
        output_dim: Length of a vector.
        embeddings_initializer: First value of the vectors.
        embeddings_regularizer: Penalty on the vectors.
        activity_regularizer: Penalty on the output.
        embeddings_constraint: Bounds of the vectors.
        mask_zero: Whether 0 stands for padding, which later layers leave out.
        input_length: Length of the sequences, where it is constant.
        **kwargs: What every layer takes.

    Input shape: `(batch, ...)`. Output shape: `(batch, ..., output_dim)`. A number outside raises IndexError
    when the layer is run; on JAX, whose programs cannot raise, its vector is NaN.
    """

    #: Data type of an input that is made for this layer.
    input_dtype = "int32"
    embeddings: Any

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        activity_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        input_length: Any = None,
        **kwargs: Any,
    ) -> None:
        if not {"input_shape", "batch_input_shape"} & set(kwargs):
            lengths = tuple(input_length) if isinstance(input_length, (list, tuple)) else (input_length,)
            kwargs["batch_input_shape"] = (kwargs.get("batch_size"), *lengths)
        super().__init__(**kwargs)
        self.input_dim = arguments.whole("Embedding", "input_dim", input_dim)
        self.output_dim = arguments.whole("Embedding", "output_dim", output_dim)
        arguments.look_up(
            self,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            activity_regularizer=activity_regularizer,
            embeddings_constraint=embeddings_constraint,
        )
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.input_length = input_length

    def build(self, input_shape: Any) -> None:
        self.embeddings = arguments.add_weight(self, "embeddings", (self.input_dim, self.output_dim))
        self.built = True

    def call(self, inputs: Any) -> Any:
        if K.dtype(inputs) not in ("int32", "int64"):
            inputs = K.cast(inputs, "int32")
        return K.gather(self.embeddings, inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return K.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            **arguments.serialized(
                self,
                "embeddings_initializer",
                "embeddings_regularizer",
                "activity_regularizer",
                "embeddings_constraint",
            ),
            "mask_zero": self.mask_zero,
            "input_length": self.input_length,
        }
