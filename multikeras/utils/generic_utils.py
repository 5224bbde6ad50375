"""Objects by name: what turns a layer, an optimizer or a loss into a configuration and back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from multikeras.utils.progress import Progbar

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "has_arg",
    "serialize_keras_object",
    "slice_arrays",
    "to_list",
    "unpack_singleton",
]

_custom_objects: dict[str, Any] = {}


def get_custom_objects() -> dict[str, Any]:
    """The dictionary of names that users made known to the whole process; it may be written to."""
    return _custom_objects


@contextmanager
def custom_object_scope(*objects: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """In this block the given names are known wherever an object is looked up by name.

    Args:
        *objects: Dictionaries from name to class or function.
    """
    before = dict(_custom_objects)
    for mapping in objects:
        _custom_objects.update(mapping)
    try:
        yield _custom_objects
    finally:
        _custom_objects.clear()
        _custom_objects.update(before)


CustomObjectScope = custom_object_scope


def serialize_keras_object(instance: Any) -> Any:
    """What stands for an object in a configuration.

    Args:
        instance: None, an object with `get_config`, or a named function.

    Returns:
        None, `{'class_name': …, 'config': …}`, or the function's name.

    Raises:
        ValueError: If it is neither.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        return {"class_name": type(instance).__name__, "config": instance.get_config()}
    name = getattr(instance, "__name__", None)
    if name is None:
        raise ValueError(
            f"serialize_keras_object: {instance!r} has neither get_config() nor a name, so nothing can stand for it "
            "in a configuration. Give its class a get_config method that returns the arguments of its constructor."
        )
    return name


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that a configuration or a name stands for.

    Names are looked up in `custom_objects`, then among those of `custom_object_scope`, then in
    `module_objects`.

    Args:
        identifier: None, a dictionary as `serialize_keras_object` gives it, a name, or an object that
            needs no look-up.
        module_objects: The built-in classes and functions, by name.
        custom_objects: Further names for this call.
        printable_module_name: What is looked up, for messages: `'optimizer'`.

    Raises:
        ValueError: If the name is unknown; the message lists the known ones.
    """
    if identifier is None:
        return None
    if isinstance(identifier, Mapping):
        return _from_config(identifier, module_objects, custom_objects, printable_module_name)
    if isinstance(identifier, str):
        found = _look_up(identifier, module_objects, custom_objects, printable_module_name)
        return found() if inspect.isclass(found) else found
    if callable(identifier):
        return identifier
    raise ValueError(
        f"Expected a {printable_module_name}, its name or its configuration, received "
        f"{type(identifier).__name__}: {identifier!r}."
    )


def _from_config(
    identifier: Mapping[str, Any],
    module_objects: Mapping[str, Any] | None,
    custom_objects: Mapping[str, Any] | None,
    kind: str,
) -> Any:
    if "class_name" not in identifier or "config" not in identifier:
        raise ValueError(
            f"The configuration of a {kind} is a dictionary with the keys 'class_name' and 'config', received the "
            f"keys {sorted(map(str, identifier))}."
        )
    found = _look_up(identifier["class_name"], module_objects, custom_objects, kind)
    config = dict(identifier["config"] or {})
    if not hasattr(found, "from_config"):
        with custom_object_scope(custom_objects or {}):
            return found(**config)
    if has_arg(found.from_config, "custom_objects"):
        known = {**_custom_objects, **(custom_objects or {})}
        return found.from_config(config, custom_objects=known)
    with custom_object_scope(custom_objects or {}):
        return found.from_config(config)


def _look_up(
    name: str, module_objects: Mapping[str, Any] | None, custom_objects: Mapping[str, Any] | None, kind: str
) -> Any:
    for objects in (custom_objects, _custom_objects, module_objects):
        if objects and objects.get(name) is not None:
            return objects[name]
    public = sorted(n for n in (module_objects or {}) if not n.startswith("_"))
    known = f" Known: {', '.join(public)}." if public else ""
    raise ValueError(
        f"Unknown {kind} {name!r}.{known} A class or function of your own is made known with custom_objects="
        f"{{{name!r}: ...}}, or within `with custom_object_scope({{{name!r}: ...}}):`."
    )


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
