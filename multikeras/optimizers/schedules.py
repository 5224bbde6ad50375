"""Learning rates that follow the number of the step.

A schedule is given as `learning_rate`. It is part of the training program, so that it costs no call of Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi
from typing import Any

from multikeras import backend as K
from multikeras import lookup

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]


class LearningRateSchedule:
    """Base class: a subclass defines `__call__(step)` by functions of K, and `get_config`."""

    def __call__(self, step: Any) -> Any:
        """The rate at a step.

        Args:
            step: Number of finished steps, a number or a tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(step).")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_config, and so cannot be saved.")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearningRateSchedule:
        """A schedule from what `get_config` gave."""
        return cls(**config)


class _Decay(LearningRateSchedule):
    """A schedule whose configuration is its attributes."""

    def __init__(self, initial_learning_rate: float, decay_steps: float, name: str | None) -> None:
        if not decay_steps > 0:
            raise ValueError(f"{type(self).__name__}: decay_steps is above 0, received {decay_steps!r}.")
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.name = name or type(self).__name__

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))


def _float(step: Any) -> Any:
    """A step as a tensor of floats."""
    dtype = K.floatx() if K.floatx() == "float64" else "float32"
    return K.cast(step, dtype) if K.is_tensor(step) else K.constant(step, dtype=dtype)


class ExponentialDecay(_Decay):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        """Keeps the settings.

        Args:
            initial_learning_rate: The rate at step 0.
            decay_steps: After how many steps the rate has been multiplied by `decay_rate`.
            decay_rate: The factor.
            staircase: Whether the rate falls at once after every `decay_steps` steps.
            name: Kept, and used for nothing.

        Raises:
            ValueError: If `decay_steps` is not above 0.
        """
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_rate = decay_rate
        self.staircase = staircase

    def __call__(self, step: Any) -> Any:
        passed = _float(step) / self.decay_steps
        return self.initial_learning_rate * K.pow(self.decay_rate, K.floor(passed) if self.staircase else passed)


class InverseTimeDecay(_Decay):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        """Keeps the settings.

        Args:
            initial_learning_rate: The rate at step 0.
            decay_steps: How many steps count as one.
            decay_rate: How much the divisor grows with each of them.
            staircase: Whether the rate falls at once after every `decay_steps` steps.
            name: Kept, and used for nothing.

        Raises:
            ValueError: If `decay_steps` is not above 0.
        """
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_rate = decay_rate
        self.staircase = staircase

    def __call__(self, step: Any) -> Any:
        passed = _float(step) / self.decay_steps
        return self.initial_learning_rate / (1.0 + self.decay_rate * (K.floor(passed) if self.staircase else passed))


class PiecewiseConstantDecay(LearningRateSchedule):
    """One rate up to and including each boundary, the next one after it."""

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str | None = None) -> None:
        """Keeps the settings.

        Args:
            boundaries: Numbers of steps, rising.
            values: The rates: one more than boundaries.
            name: Kept, and used for nothing.

        Raises:
            ValueError: If there is another number of them, or if boundaries do not rise.
        """
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"PiecewiseConstantDecay needs one rate more than boundaries, received {len(values)} rates and "
                f"{len(boundaries)} boundaries."
            )
        if any(b <= a for a, b in zip(boundaries, boundaries[1:], strict=False)):
            raise ValueError(f"PiecewiseConstantDecay: boundaries rise, received {list(boundaries)}.")
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name or type(self).__name__

    def __call__(self, step: Any) -> Any:
        passed = _float(step)
        rate = K.zeros_like(passed) + self.values[0]
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = K.switch(K.greater(passed, boundary), K.zeros_like(passed) + value, rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))


class PolynomialDecay(_Decay):
    """From the initial rate to the end rate along `(1 - step / decay_steps) ** power`."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = None,
    ) -> None:
        """Keeps the settings.

        Args:
            initial_learning_rate: The rate at step 0.
            decay_steps: After how many steps the end is reached.
            end_learning_rate: The rate from then on.
            power: 1 for a straight line.
            cycle: Whether, past the end, the rate jumps up and falls again, towards the next multiple of `decay_steps`.
            name: Kept, and used for nothing.

        Raises:
            ValueError: If `decay_steps` is not above 0.
        """
        super().__init__(initial_learning_rate, decay_steps, name)
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle

    def __call__(self, step: Any) -> Any:
        step = _float(step)
        if self.cycle:
            # At step 0 the first multiple counts, and not 0 / 0.
            passed = step / (self.decay_steps * K.maximum(K.ceil(step / self.decay_steps), 1.0))
        else:
            passed = K.minimum(step, float(self.decay_steps)) / self.decay_steps
        span = self.initial_learning_rate - self.end_learning_rate
        # A compiler may multiply by 1 / decay_steps, and a root of something below 0 is no number.
        return span * K.pow(K.maximum(1.0 - passed, 0.0), self.power) + self.end_learning_rate


def _cosine(share: Any) -> Any:
    """From 1 to 0 along half a cosine, as `share` goes from 0 to 1."""
    return 0.5 * (1.0 + K.cos(pi * share))


class CosineDecay(_Decay):
    """Down along half a cosine, after a straight way up if a warm-up is asked for.

    Source: I. Loshchilov and F. Hutter (2016), SGDR: Stochastic Gradient Descent with Warm Restarts.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str | None = None,
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        """Keeps the settings.

        Args:
            initial_learning_rate: The rate at step 0.
            decay_steps: How many steps the way down takes.
            alpha: The last rate as a share of the highest.
            name: Kept, and used for nothing.
            warmup_target: The rate after the warm-up; None for no warm-up.
            warmup_steps: How many steps the way up takes.

        Raises:
            ValueError: If `decay_steps` is not above 0, or `warmup_steps` below 0.
        """
        super().__init__(initial_learning_rate, decay_steps, name)
        if warmup_steps < 0:
            raise ValueError(f"CosineDecay: warmup_steps is at least 0, received {warmup_steps!r}.")
        self.alpha = alpha
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        step = _float(step)
        highest = self.initial_learning_rate if self.warmup_target is None else self.warmup_target
        begin = 0 if self.warmup_target is None else self.warmup_steps
        share = K.minimum(K.maximum(step - begin, 0.0), float(self.decay_steps)) / self.decay_steps
        falling = highest * ((1.0 - self.alpha) * _cosine(share) + self.alpha)
        if not begin:
            return falling
        rising = self.initial_learning_rate + (highest - self.initial_learning_rate) * (step / begin)
        return K.switch(K.less(step, begin), rising, falling)


class CosineDecayRestarts(LearningRateSchedule):
    """Down along half a cosine again and again, each time longer and from a lower rate.

    Source: I. Loshchilov and F. Hutter (2016), SGDR: Stochastic Gradient Descent with Warm Restarts.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str | None = None,
    ) -> None:
        """Keeps the settings.

        Args:
            initial_learning_rate: The rate at step 0.
            first_decay_steps: How many steps the first way down takes.
            t_mul: By how much each is longer than the one before.
            m_mul: By how much the rate that each begins with is multiplied.
            alpha: The last rate as a share of the first.
            name: Kept, and used for nothing.

        Raises:
            ValueError: If `first_decay_steps` is not above 0, or `t_mul` below 1.
        """
        if not first_decay_steps > 0:
            raise ValueError(f"CosineDecayRestarts: first_decay_steps is above 0, received {first_decay_steps!r}.")
        if t_mul < 1:
            raise ValueError(f"CosineDecayRestarts: t_mul is at least 1, received {t_mul!r}.")
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name or type(self).__name__

    def __call__(self, step: Any) -> Any:
        passed = _float(step) / self.first_decay_steps
        if self.t_mul == 1:
            restarts = K.floor(passed)
            share = passed - restarts
        else:
            # The first n ways down take (1 - t_mul ** n) / (1 - t_mul) times the first.
            restarts = K.floor(K.log(1.0 - passed * (1.0 - self.t_mul)) / K.log(_float(self.t_mul)))
            length = K.pow(self.t_mul, restarts)
            share = (passed - (1.0 - length) / (1.0 - self.t_mul)) / length
        falling = K.pow(self.m_mul, restarts) * _cosine(share)
        return self.initial_learning_rate * ((1.0 - self.alpha) * falling + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))


_KNOWN: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}


def serialize(learning_rate_schedule: LearningRateSchedule) -> Any:
    """What stands for a schedule in a configuration."""
    return lookup.serialize(learning_rate_schedule)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The schedule that a configuration stands for."""
    return lookup.deserialize(config, _KNOWN, "learning-rate schedule", custom_objects)
