"""`keras.initializations` of Keras 1: functions from a shape to a variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikeras import backend as K
from multikeras import initializers

_NAMES = (
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_uniform",
    "normal",
    "one",
    "orthogonal",
    "uniform",
    "zero",
)


def get(identifier: Any, **kwargs: Any) -> Callable[..., Any]:
    """A function of (shape, name=None, dim_ordering=…) that gives a variable.

    Args:
        identifier: Name of an initializer, or a function, which is returned.
        **kwargs: More arguments of the initializer.
    """
    if callable(identifier):
        return identifier
    config = {"class_name": identifier, "config": kwargs} if kwargs else identifier
    initialize = initializers.get(config)

    def make(shape: Any, name: str | None = None, dim_ordering: str | None = None) -> Any:
        return K.variable(initialize(tuple(shape)), name=name)

    return make


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["get"]
__all__.extend(_NAMES)
