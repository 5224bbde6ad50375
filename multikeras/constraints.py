"""Constraints: what is done to a weight after every update, to keep it within bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from multikeras import backend as K
from multikeras import lookup
from multikeras.programs import settings


class Constraint:
    """Base class: a callable from a weight to the weight within its bounds."""

    def __call__(self, w: Any) -> Any:
        return w

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The constraint with these arguments."""
        return cls(**config)


def _scaled(w: Any, axis: Any, wanted: Callable[[Any], Any]) -> Any:
    """Weights scaled from the norms that they have to those that `wanted` makes of them.

    In 32 bits for weights of 16. Epsilon is that of the time when a program is specialised.
    """
    dtype = K.dtype(w)
    wide = K.cast(w, "float32") if dtype in ("float16", "bfloat16") else w
    norms = K.sqrt(K.sum(K.square(wide), axis=axis, keepdims=True))
    made = wide * (wanted(norms) / (K.cast(settings.epsilon(), K.dtype(wide)) + norms))
    return made if wide is w else K.cast(made, dtype)


class MaxNorm(Constraint):
    """Weights whose norm exceeds `max_value` are scaled down to it.

    Args:
        max_value: Largest norm.
        axis: Axes over which norms are taken: 0 for each unit of a Dense kernel, [0, 1, 2] for each
            filter of a Conv2D kernel.
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        if max_value < 0:
            raise ValueError(f"MaxNorm: max_value is at least 0, received {max_value!r}.")
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return _scaled(w, self.axis, lambda norms: K.clip(norms, 0, self.max_value))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Negative weights become 0."""

    def __call__(self, w: Any) -> Any:
        return w * K.cast(K.greater_equal(w, 0.0), K.dtype(w))


class UnitNorm(Constraint):
    """Weights are scaled to norm 1.

    Args:
        axis: Axes over which norms are taken.
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return _scaled(w, self.axis, K.ones_like)

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Norms are drawn into an interval.

    Args:
        min_value: Smallest norm.
        max_value: Largest norm.
        rate: Which part of the way a weight outside is moved at each step, 1 for all of it.
        axis: Axes over which norms are taken.
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0) -> None:
        if not 0 <= min_value <= max_value:
            raise ValueError(
                f"MinMaxNorm: norms go from min_value to max_value, received {min_value!r} and {max_value!r}."
            )
        if not 0 <= rate <= 1:
            raise ValueError(f"MinMaxNorm: rate is a share from 0 to 1, received {rate!r}.")
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        def wanted(norms: Any) -> Any:
            return self.rate * K.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms

        return _scaled(w, self.axis, wanted)

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


max_norm = maxnorm = MaxNorm
non_neg = nonneg = NonNeg
unit_norm = unitnorm = UnitNorm
min_max_norm = MinMaxNorm

_KNOWN: dict[str, Any] = {
    "Constraint": Constraint,
    "MaxNorm": MaxNorm,
    "max_norm": MaxNorm,
    "maxnorm": MaxNorm,
    "MinMaxNorm": MinMaxNorm,
    "min_max_norm": MinMaxNorm,
    "NonNeg": NonNeg,
    "non_neg": NonNeg,
    "nonneg": NonNeg,
    "UnitNorm": UnitNorm,
    "unit_norm": UnitNorm,
    "unitnorm": UnitNorm,
}


def serialize(constraint: Any) -> Any:
    """The configuration of a constraint."""
    return lookup.serialize(constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint of this name or configuration."""
    return lookup.deserialize(config, _KNOWN, "constraint", custom_objects)


def get(identifier: Any) -> Any:
    """The constraint meant by a name, a configuration or a callable; None for None."""
    return lookup.get(identifier, _KNOWN, "constraint")
