"""Optimizers: how the weights follow the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multikeras import lookup
from multikeras.optimizers import schedules
from multikeras.optimizers.adaptive import Adadelta, Adagrad
from multikeras.optimizers.base import Optimizer, clip_norm
from multikeras.optimizers.decoupled import AdamW
from multikeras.optimizers.descent import SGD
from multikeras.optimizers.loss_scaling import LossScaleOptimizer
from multikeras.optimizers.moments import Adam, Adamax, Nadam
from multikeras.optimizers.root_mean_square import RMSprop

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LossScaleOptimizer",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "clip_norm",
    "deserialize",
    "get",
    "nadam",
    "rmsprop",
    "schedules",
    "serialize",
    "sgd",
]

sgd = SGD
rmsprop = RMSprop
adagrad = Adagrad
adadelta = Adadelta
adam = Adam
adamw = AdamW
adamax = Adamax
nadam = Nadam

_CLASSES: dict[str, type[Optimizer]] = {
    kind.__name__.lower(): kind
    for kind in (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Nadam, LossScaleOptimizer)
}


def serialize(optimizer: Optimizer) -> Any:
    """What stands for an optimizer in a configuration."""
    return lookup.serialize(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The optimizer that a name or a configuration stands for; case does not matter for the built-in ones."""
    custom = {**lookup.get_custom_objects(), **(custom_objects or {})}
    name = config if isinstance(config, str) else str(config.get("class_name"))
    if name not in custom and name.lower() in _CLASSES:
        config = name.lower() if isinstance(config, str) else {**config, "class_name": name.lower()}
    return lookup.deserialize(config, _CLASSES, "optimizer", custom_objects)


def get(identifier: Any) -> Any:
    """An optimizer from its name, its configuration, its class, or itself.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    if isinstance(identifier, type):
        return identifier()
    if hasattr(identifier, "get_updates"):
        return identifier
    raise ValueError(
        f"Cannot read {identifier!r} as an optimizer: pass a name ({', '.join(sorted(_CLASSES))}) or an object with "
        "get_updates(loss, params), such as multikeras.optimizers.Adam(lr=0.001)."
    )
