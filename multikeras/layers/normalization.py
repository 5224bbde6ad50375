"""`BatchNormalization`."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.graph.tensor import Constant
from multikeras.layers import arguments
from multikeras.layers.base import InputSpec, Layer


class BatchNormalization(Layer):
    """Normalizes each feature: in training by mean and variance of the batch, else by moving averages.

    The moving averages are updated when a model trains that owns the call. A frozen layer
    (`trainable = False`) keeps its averages and still normalizes by the batch in training, as in
    Keras 2; `layer(x, training=False)` is the way to inference mode.

    Args:
        axis: The axis of the features, 1 with channels first.
        momentum: Share of the old moving average in the new one.
        epsilon: Added to the variance.
        center: Whether there is a learned shift, `beta`.
        scale: Whether there is a learned factor, `gamma`.
        beta_initializer: First value of beta.
        gamma_initializer: First value of gamma.
        moving_mean_initializer: First value of the moving mean.
        moving_variance_initializer: First value of the moving variance.
        beta_regularizer: Penalty on beta.
        gamma_regularizer: Penalty on gamma.
        beta_constraint: Bounds of beta.
        gamma_constraint: Bounds of gamma.
        **kwargs: What every layer takes.

    Source: Ioffe and Szegedy 2015; the moving variance is that of the population, as in Keras 2.3.
    """

    gamma: Any
    beta: Any
    moving_mean_initializer: Any
    moving_variance_initializer: Any

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.axis = axis
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        arguments.look_up(
            self,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )

    def build(self, input_shape: Any) -> None:
        ndim = len(input_shape)
        if not -ndim <= self.axis < ndim:
            raise ValueError(f"Layer {self.name!r}: axis {self.axis} is outside an input of shape {input_shape}.")
        length = input_shape[self.axis]
        if length is None:
            raise ValueError(
                f"Layer {self.name!r} needs to know the length of axis {self.axis} of its input, received shape "
                f"{input_shape}."
            )
        self.gamma = arguments.add_weight(self, "gamma", (length,)) if self.scale else None
        self.beta = arguments.add_weight(self, "beta", (length,)) if self.center else None
        self.moving_mean = self.add_weight(
            "moving_mean", (length,), initializer=self.moving_mean_initializer, trainable=False
        )
        self.moving_variance = self.add_weight(
            "moving_variance", (length,), initializer=self.moving_variance_initializer, trainable=False
        )
        self.input_spec = InputSpec(ndim=ndim, axes={self.axis: length})
        self.built = True

    def call(self, inputs: Any, training: Any = None) -> Any:
        def normalized_by_averages() -> Any:
            return K.batch_normalization(
                inputs,
                self.moving_mean,
                self.moving_variance,
                self.beta,
                self.gamma,
                axis=self.axis,
                epsilon=self.epsilon,
            )

        if _is_test(training):
            return normalized_by_averages()
        axis = self.axis % K.ndim(inputs)
        reduced = [i for i in range(K.ndim(inputs)) if i != axis]
        normalized, mean, variance = K.normalize_batch_in_training(
            inputs, self.gamma, self.beta, reduced, epsilon=self.epsilon
        )
        self._add_updates(inputs, reduced, mean, variance)
        return K.in_train_phase(normalized, normalized_by_averages, training=training)

    def _add_updates(self, inputs: Any, reduced: list[int], mean: Any, variance: Any) -> None:
        shape = K.shape(inputs)
        count: Any = 1
        for axis in reduced:
            count = count * shape[axis]
        count = K.cast(count, K.dtype(variance))
        # From the variance of the batch to that of the population it was drawn from.
        variance = variance * (count / (count - (1.0 + self.epsilon)))
        self.add_update(
            [
                K.moving_average_update(self.moving_mean, mean, self.momentum),
                K.moving_average_update(self.moving_variance, variance, self.momentum),
            ]
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            **arguments.serialized(
                self,
                "beta_initializer",
                "gamma_initializer",
                "moving_mean_initializer",
                "moving_variance_initializer",
                "beta_regularizer",
                "gamma_regularizer",
                "beta_constraint",
                "gamma_constraint",
            ),
        }


def _is_test(training: Any) -> bool:
    """Whether the phase is known to be test: a number, or fixed by `K.set_learning_phase`."""
    if isinstance(training, Constant):
        return not bool(training.value)
    return training is not None and not K.is_tensor(training) and not bool(training)
