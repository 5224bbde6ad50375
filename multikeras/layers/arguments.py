"""Activations, initializers, regularizers and constraints among the arguments of layers.

Which of them an argument is, its last word says: `kernel_initializer`, `bias_constraint`. So a layer
names them once, and they are looked up, written to a configuration and given to weights alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def look_up(layer: Layer, **given: Any) -> None:
    """Sets attributes to what the user means by names, functions, objects or None.

    Args:
        layer: The layer.
        **given: The arguments by name; the last word of each is `activation`, `initializer`,
            `regularizer` or `constraint`.
    """
    for name, value in given.items():
        setattr(layer, name, _kind(name).get(value))


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
