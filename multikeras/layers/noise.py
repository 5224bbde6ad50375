"""Layers that put noise on their input in training."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments
from multikeras.layers.base import Layer
from multikeras.layers.dropout import check_rate

#: What `selu` gives for minus infinity: minus its scale times its alpha (Klambauer et al. 2017, appendix A).
_LOWEST_SELU = -1.0507009873554805 * 1.6732632423543772


class Noise(Layer):
    """What the noise layers share: they act in training, and pass masks on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def _is_off(self) -> bool:
        """Whether the layer changes nothing, also in training."""
        return False

    def _noisy(self, inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say what its noise is.")

    def call(self, inputs: Any, training: Any = None) -> Any:
        if self._is_off():
            return inputs
        return K.in_train_phase(lambda: self._noisy(inputs), inputs, training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class GaussianNoise(Noise):
    """Adds numbers drawn from a normal distribution around 0 in training.

    Args:
        stddev: Standard deviation.
        seed: Fixes the sequence of draws; None draws a seed from NumPy's generator.
        **kwargs: What every layer takes.
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = arguments.number("GaussianNoise", "stddev", stddev, 0.0)
        self.seed = seed

    def _noisy(self, inputs: Any) -> Any:
        noise = K.random_normal(K.shape(inputs), 0.0, self.stddev, dtype=K.dtype(inputs), seed=self.seed)
        return inputs + noise

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


class GaussianDropout(Noise):
    """Multiplies by numbers drawn from a normal distribution around 1 in training.

    Args:
        rate: As the rate of `Dropout`: the standard deviation is `sqrt(rate / (1 - rate))`, that of its masks.
        seed: Fixes the sequence of draws; None draws a seed from NumPy's generator.
        **kwargs: What every layer takes.

    Source: Srivastava et al., "Dropout", JMLR 15, 2014, section 10.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate(type(self).__name__, rate)
        self.seed = seed

    def _is_off(self) -> bool:
        return not 0 < self.rate < 1

    def _noisy(self, inputs: Any) -> Any:
        deviation = sqrt(self.rate / (1 - self.rate))
        return inputs * K.random_normal(K.shape(inputs), 1.0, deviation, dtype=K.dtype(inputs), seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class AlphaDropout(Noise):
    """Dropout that keeps mean 0 and variance 1 of what `selu` gives.

    In training a share of the entries becomes the lowest value of `selu`; then all are scaled and
    shifted, so that mean and variance stay.

    Args:
        rate: Share of entries, from 0 to 1.
        noise_shape: Shape of the mask, 1 or None where it is the same along or has the length of an axis.
        seed: Fixes the sequence of masks; None draws a seed from NumPy's generator.
        **kwargs: What every layer takes.

    Source: Klambauer et al., "Self-normalizing neural networks", arXiv 1706.02515, section 3.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate(type(self).__name__, rate)
        self.noise_shape = noise_shape
        self.seed = seed

    def _is_off(self) -> bool:
        return not 0 < self.rate < 1

    def _mask_shape(self, inputs: Any) -> Any:
        shape = K.shape(inputs)
        if self.noise_shape is None:
            return shape
        return tuple(shape[i] if n is None else n for i, n in enumerate(self.noise_shape))

    def _noisy(self, inputs: Any) -> Any:
        kind = K.dtype(inputs)
        kept = K.random_binomial(self._mask_shape(inputs), 1 - self.rate, dtype=kind, seed=self.seed)
        # With q = 1 - rate the entries have variance q + q (1 - q) low² and mean (1 - q) low before.
        scale = 1 / sqrt((1 - self.rate) * (1 + self.rate * _LOWEST_SELU**2))
        shift = -scale * _LOWEST_SELU * self.rate
        return (inputs * kept + _LOWEST_SELU * (1 - kept)) * scale + shift

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}


__all__ = ["AlphaDropout", "GaussianDropout", "GaussianNoise"]
