"""Objects by name, as old programs import it; `multikeras.lookup` does the work."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from multikeras import lookup
from multikeras.lookup import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from multikeras.utils.progress import Progbar

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "has_arg",
    "register_keras_serializable",
    "serialize_keras_object",
    "slice_arrays",
    "to_list",
    "unpack_singleton",
]


def serialize_keras_object(instance: Any) -> Any:
    """What stands for an object in a configuration: None, a name, or `{'class_name': …, 'config': …}`."""
    return lookup.serialize(instance)


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that a configuration or a name stands for; an object that needs no look-up is returned.

    Args:
        identifier: None, a name, a configuration, a class, a function or an object.
        module_objects: The built-in classes and functions, by name.
        custom_objects: Names that count before all others.
        printable_module_name: What is looked up, for messages: `'optimizer'`.

    Raises:
        ValueError: If the name is unknown; the message lists the known ones.
    """
    known = module_objects or {}
    if isinstance(identifier, (str, Mapping)):
        return lookup.deserialize(identifier, known, printable_module_name, custom_objects)
    return lookup.get(identifier, known, printable_module_name)


def has_arg(function: Callable[..., Any], name: str, accept_all: bool = False) -> bool:
    """Whether a function takes an argument of this name.

    Args:
        function: Any callable with a signature.
        name: The argument's name.
        accept_all: Whether `**keywords` counts as taking it.
    """
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            if accept_all:
                return True
        elif parameter.name == name and parameter.kind is not parameter.VAR_POSITIONAL:
            return parameter.kind is not parameter.POSITIONAL_ONLY
    return False


def to_list(x: Any, allow_tuple: bool = False) -> list[Any]:
    """`x` if it is a list, the entries of a tuple if that is allowed, else `[x]`."""
    if isinstance(x, list):
        return x
    if allow_tuple and isinstance(x, tuple):
        return list(x)
    return [x]


def unpack_singleton(x: Sequence[Any]) -> Any:
    """The only entry of a sequence of one, else the sequence."""
    return x[0] if len(x) == 1 else x


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """Rows of an array or of each array of a list.

    Args:
        arrays: An array or a list of arrays; None entries stay None.
        start: First row, or a sequence of row numbers.
        stop: The row after the last one.
    """
    if arrays is None:
        return [None]
    rows = start if isinstance(start, Iterable) else slice(start, stop)
    if isinstance(arrays, list):
        return [None if array is None else array[rows] for array in arrays]
    return arrays[rows]
