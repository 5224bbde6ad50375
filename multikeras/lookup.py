"""Objects by their names: what a string, a dictionary or a function given by a user stands for.

Activations, initializers, regularizers, constraints and layers are all found here, so that an
unknown name is answered alike everywhere, with a list of the names there are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

#: Objects that users made known by name, for reading configurations.
_custom: dict[str, Any] = {}


def get_custom_objects() -> dict[str, Any]:
    """The table of objects known by name beside the built-in ones; it may be changed."""
    return _custom


@contextmanager
def custom_object_scope(*tables: Mapping[str, Any] | None) -> Iterator[None]:
    """In this block the given tables of names count as well."""
    before = dict(_custom)
    for table in tables:
        _custom.update(table or {})
    try:
        yield
    finally:
        _custom.clear()
        _custom.update(before)


def serialize(instance: Any) -> Any:
    """The configuration by which `deserialize` finds or makes an object again.

    Returns:
        None for None, the name of a function, `{'class_name': …, 'config': …}` for an object.

    Raises:
        ValueError: If it has neither a name nor a configuration.
    """
    if instance is None or isinstance(instance, str):
        return instance
    if hasattr(instance, "get_config") and not inspect.isclass(instance):
        return {"class_name": type(instance).__name__, "config": instance.get_config()}
    name = getattr(instance, "__name__", None)
    if name is not None:
        return name
    raise ValueError(f"{instance!r} cannot be written to a configuration: give it a method get_config.")


def find(name: str, known: Mapping[str, Any], kind: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """What a name stands for: in `custom_objects`, among those made known, or built in.

    Raises:
        ValueError: If nothing has this name; the message lists the names there are.
    """
    for table in (custom_objects or {}, _custom, known):
        if name in table:
            return table[name]
    names = sorted({*known, *_custom, *(custom_objects or {})})
    raise ValueError(
        f"Unknown {kind} {name!r}. {_similar(name, names)}Known: {', '.join(names)}. One of your own is passed as an "
        "object, or in custom_objects."
    )


def _similar(name: str, names: Sequence[str]) -> str:
    """`"Did you mean 'mse'? "`, or nothing if no name is like it."""
    import difflib

    by_lower = {known.lower(): known for known in names}
    found = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    return f"Did you mean {by_lower[found[0]]!r}? " if found else ""


def deserialize(
    config: Any, known: Mapping[str, Any], kind: str, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """The object that a name or a dictionary of `serialize` stands for.

    Args:
        config: A name (a class among `known` is then made without arguments) or a dictionary.
        known: The built-in objects by name.
        kind: What is looked for, for messages.
        custom_objects: Names that count before all others.

    Raises:
        ValueError: If the name is unknown, or the dictionary is not one of `serialize`.
    """
    if isinstance(config, str):
        found = find(config, known, kind, custom_objects)
        return found() if inspect.isclass(found) else found
    if not isinstance(config, Mapping) or not {"class_name", "config"} <= set(config):
        raise ValueError(
            f"A configuration of {kind} is a name or a dictionary with 'class_name' and 'config', received {config!r}."
        )
    found = find(config["class_name"], known, kind, custom_objects)
    made = config["config"]
    if hasattr(found, "from_config"):
        return _from_config(found, made, custom_objects)
    return found(**made)


def _from_config(found: Any, config: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    if custom_objects is not None and "custom_objects" in inspect.signature(found.from_config).parameters:
        return found.from_config(config, custom_objects=custom_objects)
    with custom_object_scope(custom_objects):
        return found.from_config(config)


def get(identifier: Any, known: Mapping[str, Any], kind: str) -> Any:
    """The object that a user means by None, a string, a dictionary, a class, a function or an object.

    Raises:
        ValueError: If it is none of these, or an unknown name.
    """
    if identifier is None:
        return None
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier, known, kind)
    if inspect.isclass(identifier):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(
        f"Cannot read {identifier!r} as {kind}: pass a name ({', '.join(sorted(known))}), a function or an object."
    )


def accepts(function: Callable[..., Any], argument: str) -> bool:
    """Whether a callable takes an argument of this name."""
    parameters = inspect.signature(function).parameters.values()
    return any(p.name == argument or p.kind is p.VAR_KEYWORD for p in parameters)


__all__ = ["accepts", "custom_object_scope", "deserialize", "find", "get", "get_custom_objects", "serialize"]
