"""Activations, initializers, regularizers and constraints among the arguments of layers.

Which of them an argument is, its last word says: `kernel_initializer`, `bias_constraint`. So a layer
names them once, and they are looked up, written to a configuration and given to weights alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from multikeras import activations, constraints, initializers, regularizers
from multikeras.graph.tensor import Variable

if TYPE_CHECKING:
    from multikeras.layers.base import Layer

_KINDS: dict[str, Any] = {
    "activation": activations,
    "initializer": initializers,
    "regularizer": regularizers,
    "constraint": constraints,
}


def _kind(name: str) -> Any:
    return _KINDS[name.rsplit("_", 1)[-1]]


def whole(layer: str, name: str, value: Any, least: int = 1) -> int:
    """A whole number.

    Args:
        layer: Who asks, for the message.
        name: The argument's name.
        value: What the user gave.
        least: The smallest that is allowed.

    Raises:
        ValueError: If it is none.
    """
    fits = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not fits or int(value) != value or value < least:
        bound = "above 0" if least == 1 else f"from {least} on"
        raise ValueError(f"{layer}: {name} is a whole number {bound}, received {value!r}.")
    return int(value)


def number(layer: str, name: str, value: Any, least: float | None = None) -> float:
    """A number, also given as an array of one entry, as old programs do.

    Args:
        layer: Who asks, for the message.
        name: The argument's name.
        value: What the user gave.
        least: The smallest that is allowed, or None.

    Raises:
        ValueError: If it is none.
    """
    array = np.asarray(value) if isinstance(value, (int, float, np.ndarray, np.generic)) else np.asarray(None)
    if array.size != 1 or array.dtype.kind not in "iuf" or (least is not None and array.item() < least):
        bound = "" if least is None else f" from {least:g} on"
        raise ValueError(f"{layer}: {name} is a number{bound}, received {value!r}.")
    return float(array.item())


def look_up(layer: Layer, **given: Any) -> None:
    """Sets attributes to what the user means by names, functions, objects or None.

    Args:
        layer: The layer.
        **given: The arguments by name; the last word of each is `activation`, `initializer`,
            `regularizer` or `constraint`.

    Raises:
        ValueError: If one of them is unknown; the message names the layer and the argument.
    """
    for name, value in given.items():
        try:
            setattr(layer, name, _kind(name).get(value))
        except ValueError as error:
            raise ValueError(f"{type(layer).__name__}: {name}={value!r} cannot be used. {error}") from None


def serialized(layer: Layer, *names: str) -> dict[str, Any]:
    """What the configuration of a layer holds for such arguments."""
    return {name: _kind(name).serialize(getattr(layer, name)) for name in names}


def add_weight(layer: Layer, name: str, shape: Any, called: str | None = None) -> Variable:
    """Makes a weight with the initializer, regularizer and constraint that bear its name.

    Args:
        layer: The layer, with attributes such as `kernel_initializer`.
        name: The weight's name in them: `kernel`.
        shape: Its shape.
        called: Its name within the layer, where that is another.
    """
    return layer.add_weight(
        called or name,
        shape,
        initializer=getattr(layer, f"{name}_initializer"),
        regularizer=getattr(layer, f"{name}_regularizer", None),
        constraint=getattr(layer, f"{name}_constraint", None),
    )
