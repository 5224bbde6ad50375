"""`Activation`, and the penalty on an output."""

from __future__ import annotations

from typing import Any

from multikeras import activations, regularizers
from multikeras.layers import arguments
from multikeras.layers.base import Layer


class Activation(Layer):
    """An activation function as a layer.

    Args:
        activation: Name, function or object.
        **kwargs: What every layer takes.
    """

    activation: Any

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        arguments.look_up(self, activation=activation)

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class ActivityRegularization(Layer):
    """Passes its input on and adds `l1 * sum(|x|) + l2 * sum(x ** 2)` to the training loss.

    Args:
        l1: Factor of the sum of absolute values.
        l2: Factor of the sum of squares.
        **kwargs: What every layer takes.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.l1 = arguments.number("ActivityRegularization", "l1", l1, 0.0)
        self.l2 = arguments.number("ActivityRegularization", "l2", l2, 0.0)
        self.activity_regularizer = regularizers.L1L2(l1=self.l1, l2=self.l2)

    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l1": self.l1, "l2": self.l2}
