"""Normalizations of each sample by itself: `LayerNormalization` and `GroupNormalization`.

They came after Keras 2.3; arguments, weights and results are those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments
from multikeras.layers.base import InputSpec, Layer


class SampleNormalization(Layer):
    """What the two share: a learned factor and shift behind the normalization.

    Args:
        axis: The axis, or axes, of the factor and the shift.
        epsilon: Added to the variance.
        center: Whether there is a learned shift, `beta`.
        scale: Whether there is a learned factor, `gamma`.
        beta_initializer: First value of beta.
        gamma_initializer: First value of gamma.
        beta_regularizer: Penalty on beta.
        gamma_regularizer: Penalty on gamma.
        beta_constraint: Bounds of beta.
        gamma_constraint: Bounds of gamma.
        **kwargs: What every layer takes.
    """

    gamma: Any
    beta: Any

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.axis: Any = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        arguments.look_up(
            self,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )

    def _axes(self, ndim: int) -> list[int]:
        """The axes, sorted and counted from the beginning.

        Raises:
            ValueError: If one of them is the batch, or outside the input.
        """
        listed = self.axis if isinstance(self.axis, list) else [self.axis]
        if not listed or any(not isinstance(a, int) or not -ndim <= a < ndim or a % ndim == 0 for a in listed):
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}): axis {self.axis} is not among the axes from 1 to "
                f"{ndim - 1} of its input."
            )
        return sorted({a % ndim for a in listed})

    def build(self, input_shape: Any) -> None:
        ndim = len(input_shape)
        axes = self._axes(ndim)
        shape = tuple(input_shape[a] for a in axes)
        if None in shape:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) needs to know the length of its input along axis "
                f"{self.axis}, received shape {tuple(input_shape)}."
            )
        self._check(shape)
        self.gamma = arguments.add_weight(self, "gamma", shape) if self.scale else None
        self.beta = arguments.add_weight(self, "beta", shape) if self.center else None
        self.input_spec = InputSpec(ndim=ndim, axes={a: input_shape[a] for a in axes})
        self.built = True

    def _check(self, shape: tuple[int, ...]) -> None:
        """Refuses lengths along the axes that do not fit the arguments."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            **arguments.serialized(
                self,
                "beta_initializer",
                "gamma_initializer",
                "beta_regularizer",
                "gamma_regularizer",
                "beta_constraint",
                "gamma_constraint",
            ),
        }


class LayerNormalization(SampleNormalization):
    """Normalizes each place of each sample by mean and variance over an axis, or several.

    Mean and variance are taken over `axis`, and `gamma` and `beta` have the input's shape along it;
    see `SampleNormalization` for the arguments.

    Source: Ba et al., arXiv 1607.06450; Keras 3 `LayerNormalization`.
    """

    def call(self, inputs: Any) -> Any:
        axes = self._axes(K.ndim(inputs))
        return K.layer_normalization(inputs, self.gamma, self.beta, axis=axes, epsilon=self.epsilon)


class GroupNormalization(SampleNormalization):
    """Normalizes groups of channels of each sample by mean and variance over a group and all places.

    With one group it normalizes all of a sample, with as many groups as channels each map by itself.

    Args:
        groups: Number of groups, which divides the number of channels; -1 for one channel each.
        axis: The axis of the channels.
        epsilon: Added to the variance.
        center: Whether there is a learned shift, `beta`.
        scale: Whether there is a learned factor, `gamma`.
        beta_initializer: First value of beta.
        gamma_initializer: First value of gamma.
        beta_regularizer: Penalty on beta.
        gamma_regularizer: Penalty on gamma.
        beta_constraint: Bounds of beta.
        gamma_constraint: Bounds of gamma.
        **kwargs: What every layer takes.

    Source: Wu and He, arXiv 1803.08494; Keras 3 `GroupNormalization`.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            axis,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        if (
            not isinstance(axis, int)
            or isinstance(groups, bool)
            or int(groups) != groups
            or (groups < 1 and groups != -1)
        ):
            raise ValueError(
                "GroupNormalization: groups is a whole number above 0, or -1 for groups of one channel, and axis a "
                f"whole number; received groups={groups!r}, axis={axis!r}."
            )
        self.groups = int(groups)

    def _check(self, shape: tuple[int, ...]) -> None:
        groups = shape[0] if self.groups == -1 else self.groups
        if shape[0] % groups:
            raise ValueError(
                f"Layer {self.name!r} (GroupNormalization): {groups} groups do not divide the {shape[0]} channels of "
                f"axis {self.axis}. Choose a number of groups that does."
            )

    def call(self, inputs: Any) -> Any:
        static, shape = K.int_shape(inputs), K.shape(inputs)
        (axis,) = self._axes(len(static))
        channels: int = static[axis] or self.input_spec.axes[axis]
        groups = channels if self.groups == -1 else self.groups
        # The channels as (groups, members): the mean is over the members and every axis but batch and groups.
        lengths = [shape[i] if n is None else n for i, n in enumerate(static)]
        apart = K.reshape(inputs, [*lengths[:axis], groups, channels // groups, *lengths[axis + 1 :]])
        reduced = [i for i in range(1, len(static) + 1) if i != axis]
        whole = K.layer_normalization(apart, None, None, axis=reduced, epsilon=self.epsilon)
        outputs = K.reshape(whole, lengths)
        spread = [1] * len(static)
        spread[axis] = channels
        if self.gamma is not None:
            outputs = outputs * K.cast(K.reshape(self.gamma, spread), K.dtype(outputs))
        if self.beta is not None:
            outputs = outputs + K.cast(K.reshape(self.beta, spread), K.dtype(outputs))
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups}


__all__ = ["GroupNormalization", "LayerNormalization", "SampleNormalization"]
