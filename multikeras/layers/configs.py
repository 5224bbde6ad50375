"""Layers of one's own and their configurations: what is missing in one, said with the mend."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multikeras.layers.base import Layer

_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def layer_from(cls: type[Layer], config: Any) -> Any:
    """The layer that the constructor makes of a configuration.

    Raises:
        TypeError: If the two do not fit, with what is missing or too much.
    """
    try:
        return cls(**config)
    except TypeError as error:
        fault = _fault(cls, config)
        if fault is None:
            raise
        raise TypeError(fault) from error


def _fault(cls: type[Layer], config: Any) -> str | None:
    """What keeps a constructor from taking a configuration; None where it took it and failed later."""
    name = cls.__name__
    if not isinstance(config, Mapping):
        return (
            f"The configuration of a {name} is a dictionary of its constructor's arguments, received {config!r}. "
            "Its get_config has to return one."
        )
    parameters = _parameters(cls)
    named = {p.name for p in parameters if p.kind not in _OPEN}
    lacking = [p.name for p in parameters if p.kind not in _OPEN and p.default is p.empty and p.name not in config]
    if lacking:
        return (
            f"{name} cannot be made from its configuration, which lacks {_listed(lacking)}. {_mend(name, lacking[0])}"
        )
    unknown = [key for key in config if key not in named]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        return (
            f"{name} cannot be made from its configuration: its constructor does not take {_listed(unknown)}. Let it "
            "take **kwargs and pass them on by super().__init__(**kwargs)."
        )
    return None


def warn_of_losses(layer: Layer, config: Mapping[str, Any]) -> None:
    """Warns if a class without a `get_config` has arguments of its own, which its configuration lacks.

    An optional argument counts if the layer has an attribute of its name that is not the default.
    """
    lost = [
        p.name
        for p in _parameters(type(layer))
        if p.kind not in _OPEN and p.name not in config and _differs(vars(layer), p)
    ]
    if lost:
        name = type(layer).__name__
        warnings.warn(
            f"The configuration of layer {layer.name!r} lacks {_listed(lost)}, and a layer made from it will be "
            f"another. {_mend(name, lost[0])}",
            stacklevel=3,
        )


def _parameters(cls: type) -> list[inspect.Parameter]:
    return list(inspect.signature(cls).parameters.values())


def _differs(attributes: Mapping[str, Any], parameter: inspect.Parameter) -> bool:
    if parameter.default is parameter.empty:
        return True
    value = attributes.get(parameter.name, parameter.default)
    return isinstance(value, (bool, int, float, str, tuple)) and value != parameter.default


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))


def _mend(name: str, argument: str) -> str:
    return (
        f"Define get_config on {name}: return {{**super().get_config(), {argument!r}: self.{argument}}}, with all of "
        "the constructor's arguments."
    )
