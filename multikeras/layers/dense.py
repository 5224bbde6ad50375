"""`Dense`."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments
from multikeras.layers.base import InputSpec, Layer


class Dense(Layer):
    """`activation(dot(input, kernel) + bias)`, over the last axis of the input.

    Args:
        units: Length of the last axis of the output.
        activation: Name, function or object; nothing if None.
        use_bias: Whether there is a bias.
        kernel_initializer: First value of the kernel.
        bias_initializer: First value of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Bounds of the kernel.
        bias_constraint: Bounds of the bias.
        **kwargs: What every layer takes.

    Input shape: `(batch, ..., n)`. Output shape: `(batch, ..., units)`.
    """

    kernel: Any
    bias: Any
    activation: Any

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = arguments.whole(type(self).__name__, "units", units)
        self.use_bias = use_bias
        arguments.look_up(
            self,
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        length = input_shape[-1]
        if length is None:
            raise ValueError(
                f"Dense layer {self.name!r} needs to know the last axis of its input, received shape {input_shape}. "
                "Give it in input_shape=, or in Input(shape=…)."
            )
        self.kernel = arguments.add_weight(self, "kernel", (length, self.units))
        self.bias = arguments.add_weight(self, "bias", (self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: length})
        self.built = True

    def call(self, inputs: Any) -> Any:
        outputs = K.dot(inputs, self.kernel)
        if self.use_bias:
            outputs = K.bias_add(outputs, self.bias, data_format="channels_last")
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            **arguments.serialized(
                self,
                "activation",
                "kernel_initializer",
                "bias_initializer",
                "kernel_regularizer",
                "bias_regularizer",
                "activity_regularizer",
                "kernel_constraint",
                "bias_constraint",
            ),
        }
