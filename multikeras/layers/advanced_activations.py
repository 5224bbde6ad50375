"""Activations with arguments, or weights, as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments
from multikeras.layers.base import InputSpec, Layer


class _Elementwise(Layer):
    """What they share: an output of the input's shape, and its mask."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class LeakyReLU(_Elementwise):
    """`x` above 0, `alpha * x` below.

    Args:
        alpha: Slope below 0.
        **kwargs: What every layer takes.

    Source: Maas et al., "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    def __init__(self, alpha: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = arguments.number("LeakyReLU", "alpha", alpha)

    def call(self, inputs: Any) -> Any:
        return K.relu(inputs, alpha=self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


class PReLU(_Elementwise):
    """`x` above 0, `alpha * x` below, with a learned alpha for each place.

    Args:
        alpha_initializer: First value of alpha.
        alpha_regularizer: Penalty on alpha.
        alpha_constraint: Bounds of alpha.
        shared_axes: Axes along which all places share an alpha, counted from 1: `[1, 2]` for the
            feature maps of pictures.
        **kwargs: What every layer takes.

    Weights: `alpha`, of the input's shape without the batch, 1 along shared axes.

    Source: He et al., "Delving deep into rectifiers", arXiv 1502.01852.
    """

    alpha: Any

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        arguments.look_up(
            self,
            alpha_initializer=alpha_initializer,
            alpha_regularizer=alpha_regularizer,
            alpha_constraint=alpha_constraint,
        )
        listed = shared_axes if isinstance(shared_axes, (list, tuple)) else [shared_axes]
        self.shared_axes: list[Any] | None = None if shared_axes is None else list(listed)

    def build(self, input_shape: Any) -> None:
        ndim = len(input_shape)
        shared = {axis % ndim if -ndim <= axis < ndim else 0 for axis in self.shared_axes or ()}
        if 0 in shared:
            raise ValueError(
                f"Layer {self.name!r} (PReLU): shared_axes are axes from 1 to {ndim - 1} of an input of shape "
                f"{tuple(input_shape)}, received {self.shared_axes}."
            )
        shape = [1 if axis in shared else n for axis, n in enumerate(input_shape)][1:]
        if None in shape:
            raise ValueError(
                f"Layer {self.name!r} (PReLU) has an alpha for each place and needs to know the lengths of its input "
                f"along all axes that are not among shared_axes ({self.shared_axes}), received shape "
                f"{tuple(input_shape)}."
            )
        self.alpha = arguments.add_weight(self, "alpha", shape)
        axes = {axis: n for axis, n in enumerate(input_shape) if axis > 0 and axis not in shared}
        self.input_spec = InputSpec(ndim=ndim, axes=axes)
        self.built = True

    def call(self, inputs: Any) -> Any:
        return K.relu(inputs) - self.alpha * K.relu(-inputs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **arguments.serialized(self, "alpha_initializer", "alpha_regularizer", "alpha_constraint"),
            "shared_axes": self.shared_axes,
        }


class ELU(_Elementwise):
    """`x` above 0, `alpha * (exp(x) - 1)` below.

    Args:
        alpha: Scale below 0.
        **kwargs: What every layer takes.

    Source: Clevert et al., arXiv 1511.07289.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = arguments.number("ELU", "alpha", alpha)

    def call(self, inputs: Any) -> Any:
        return K.elu(inputs, self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


class ThresholdedReLU(_Elementwise):
    """`x` above theta, 0 elsewhere.

    Args:
        theta: The threshold, from 0 on.
        **kwargs: What every layer takes.

    Source: Konda et al., arXiv 1402.3337.
    """

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = arguments.number("ThresholdedReLU", "theta", theta)

    def call(self, inputs: Any) -> Any:
        return K.where(K.greater(inputs, self.theta), inputs, K.zeros_like(inputs))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "theta": self.theta}


class Softmax(_Elementwise):
    """Exponentials scaled to sum 1 along an axis.

    Args:
        axis: The axis.
        **kwargs: What every layer takes.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        return K.softmax(inputs, axis=self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


class ReLU(_Elementwise):
    """`x` from a threshold on, up to a ceiling; a slope below the threshold.

    Args:
        max_value: The ceiling, None for none.
        negative_slope: The slope.
        threshold: The threshold.
        **kwargs: What every layer takes.
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else arguments.number("ReLU", "max_value", max_value, 0.0)
        self.negative_slope = arguments.number("ReLU", "negative_slope", negative_slope, 0.0)
        self.threshold = arguments.number("ReLU", "threshold", 0.0 if threshold is None else threshold)

    def call(self, inputs: Any) -> Any:
        return K.relu(inputs, alpha=self.negative_slope, max_value=self.max_value, threshold=self.threshold)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


__all__ = ["ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU"]
