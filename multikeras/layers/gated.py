"""`Highway` and `MaxoutDense`, which Keras 2 kept for the models of Keras 1, with the arguments that they had."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras import initializers
from multikeras.layers import arguments
from multikeras.layers.base import InputSpec, Layer

_PARTS = ("W_regularizer", "b_regularizer", "activity_regularizer", "W_constraint", "b_constraint")


class _Old(Layer):
    """What both have: a matrix `W` and a bias `b`, with the arguments of Keras 1."""

    W: Any
    b: Any

    def __init__(self, init: Any, bias: bool, parts: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.init = initializers.get(init)
        self.bias = bias
        arguments.look_up(self, **parts)
        self.input_spec = InputSpec(ndim=2)

    def _add(self, name: str, shape: tuple[int, ...], initializer: Any) -> Any:
        kind = name[0]
        return self.add_weight(
            name,
            shape,
            initializer=initializer,
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "init": initializers.serialize(self.init),
            "bias": self.bias,
            **arguments.serialized(self, *_PARTS),
        }


class Highway(_Old):
    """`t * activation(dot(x, W) + b) + (1 - t) * x`, where `t` is `sigmoid(dot(x, W_carry) + b_carry)`.

    Args:
        init: First value of both matrices.
        activation: Name, function or object; nothing if None.
        W_regularizer: Penalty on both matrices.
        b_regularizer: Penalty on both biases.
        activity_regularizer: Penalty on the output.
        W_constraint: Bounds of both matrices.
        b_constraint: Bounds of both biases.
        bias: Whether there are biases.
        transform_bias: First value of `b_carry`.
        **kwargs: What every layer takes.

    Input and output shape: `(batch, n)`.

    Source: Srivastava, Greff and Schmidhuber 2015; Keras 2.3 `keras.legacy.layers.Highway`.
    """

    activation: Any

    def __init__(
        self,
        init: Any = "glorot_uniform",
        activation: Any = None,
        W_regularizer: Any = None,
        b_regularizer: Any = None,
        activity_regularizer: Any = None,
        W_constraint: Any = None,
        b_constraint: Any = None,
        bias: bool = True,
        transform_bias: float = 1.0,
        **kwargs: Any,
    ) -> None:
        parts = (W_regularizer, b_regularizer, activity_regularizer, W_constraint, b_constraint)
        super().__init__(init, bias, dict(zip(_PARTS, parts, strict=True)), **kwargs)
        arguments.look_up(self, activation=activation)
        self.transform_bias = arguments.number(type(self).__name__, "transform_bias", transform_bias)

    def build(self, input_shape: Any) -> None:
        length = input_shape[-1]
        self.W = self._add("W", (length, length), self.init)
        self.W_carry = self._add("W_carry", (length, length), self.init)
        self.b = self._add("b", (length,), "zeros") if self.bias else None
        first = initializers.Constant(self.transform_bias)
        self.b_carry = self._add("b_carry", (length,), first) if self.bias else None
        self.built = True

    def call(self, inputs: Any) -> Any:
        gate, made = K.dot(inputs, self.W_carry), K.dot(inputs, self.W)
        if self.bias:
            gate, made = K.bias_add(gate, self.b_carry), K.bias_add(made, self.b)
        gate = K.sigmoid(gate)
        return gate * self.activation(made) + (1 - gate) * inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        activation = arguments.serialized(self, "activation")
        return {**super().get_config(), **activation, "transform_bias": self.transform_bias}


class MaxoutDense(_Old):
    """The largest of several `dot(x, W) + b`, entry for entry.

    Args:
        output_dim: Length of the output.
        nb_feature: How many there are.
        init: First value of the matrices.
        W_regularizer: Penalty on the matrices.
        b_regularizer: Penalty on the biases.
        activity_regularizer: Penalty on the output.
        W_constraint: Bounds of the matrices.
        b_constraint: Bounds of the biases.
        bias: Whether there are biases.
        **kwargs: What every layer takes.

    Input shape: `(batch, n)`. Output shape: `(batch, output_dim)`.

    Source: Goodfellow et al. 2013; Keras 2.3 `keras.legacy.layers.MaxoutDense`.
    """

    def __init__(
        self,
        output_dim: int,
        nb_feature: int = 4,
        init: Any = "glorot_uniform",
        W_regularizer: Any = None,
        b_regularizer: Any = None,
        activity_regularizer: Any = None,
        W_constraint: Any = None,
        b_constraint: Any = None,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        parts = (W_regularizer, b_regularizer, activity_regularizer, W_constraint, b_constraint)
        super().__init__(init, bias, dict(zip(_PARTS, parts, strict=True)), **kwargs)
        self.output_dim = arguments.whole(type(self).__name__, "output_dim", output_dim)
        self.nb_feature = arguments.whole(type(self).__name__, "nb_feature", nb_feature)

    def build(self, input_shape: Any) -> None:
        self.W = self._add("W", (self.nb_feature, input_shape[-1], self.output_dim), self.init)
        self.b = self._add("b", (self.nb_feature, self.output_dim), "zeros") if self.bias else None
        self.built = True

    def call(self, inputs: Any) -> Any:
        made = K.dot(inputs, self.W)
        return K.max(made + self.b if self.bias else made, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_dim": self.output_dim, "nb_feature": self.nb_feature}
