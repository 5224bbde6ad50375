"""Objects by their names: what a string, a dictionary or a function given by a user stands for.

Activations, initializers, regularizers, constraints and layers are all found here, so that an
unknown name is answered alike everywhere, with a list of the names there are.
"""

from __future__ import annotations

import inspect
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, TypeVar

Made = TypeVar("Made")

#: Objects that users made known by name, for reading configurations.
_custom: dict[str, Any] = {}
#: Names of registered classes and functions, for writing configurations.
_registered: dict[Any, str] = {}
#: Tables of the blocks around, innermost first; every thread and every asynchronous task has its own.
_scopes: ContextVar[tuple[dict[str, Any], ...]] = ContextVar("custom_object_scopes", default=())


def get_custom_objects() -> MutableMapping[str, Any]:
    """The table of objects known by name beside the built-in ones; it may be changed.

    Inside a `custom_object_scope` it is that of the block, on top of the one outside: what is written to it is
    forgotten with the block.
    """
    scopes = _scopes.get()
    return ChainMap(*scopes, _custom) if scopes else _custom


class CustomObjectScope:
    """A block in which further names count: `with CustomObjectScope({"Scale": Scale}):`.

    It counts for the thread (and the asynchronous task) that entered it, and for no other.
    """

    def __init__(self, *tables: Mapping[str, Any] | None) -> None:
        """Keeps the tables.

        Args:
            *tables: Objects by name; later ones count before earlier ones, and None is as good as empty.

        Raises:
            TypeError: If one of them is no table.
        """
        for table in tables:
            if table is not None and not isinstance(table, Mapping):
                raise TypeError(
                    f"custom_object_scope takes dictionaries of objects by name, such as {{'Scale': Scale}}, received "
                    f"{table!r}."
                )
        self._tables = tables

    def __enter__(self) -> CustomObjectScope:
        own: dict[str, Any] = {}
        for table in self._tables:
            own.update(table or {})
        _scopes.set((own, *_scopes.get()))
        return self

    def __exit__(self, *error: object) -> None:
        _scopes.set(_scopes.get()[1:])


def custom_object_scope(*tables: Mapping[str, Any] | None) -> CustomObjectScope:
    """In this block the given tables of names count as well; see `CustomObjectScope`."""
    return CustomObjectScope(*tables)


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Made], Made]:
    """A decorator that makes a class or a function known for good, as `package>name`.

    Configurations are then written and read without `custom_objects`.

    Args:
        package: Whose it is, so that equal names do not meet.
        name: Its name; that of the class or function if None.

    Raises:
        ValueError: If another object has this name already, or if a class has no `get_config`.
    """

    def register(made: Made) -> Made:
        if inspect.isclass(made) and not hasattr(made, "get_config"):
            raise ValueError(f"{made.__name__} cannot be registered: a configuration needs its method get_config.")
        full = f"{package}>{name or getattr(made, '__name__', type(made).__name__)}"
        known = _custom.get(full)
        # A cell of a notebook that runs again defines the same class anew.
        if known is not None and _home(known) != _home(made):
            raise ValueError(f"{full!r} is the registered name of {known!r} already; give {made!r} another one.")
        _custom[full] = made
        _registered[made] = full
        return made

    return register


def _home(made: Any) -> tuple[Any, Any]:
    return getattr(made, "__module__", None), getattr(made, "__qualname__", None)


def get_registered_name(made: Any) -> str:
    """The name under which a class or a function was registered, else its own."""
    return _registered.get(made) or made.__name__


def get_registered_object(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """What stands under a registered name, or None.

    Args:
        name: `'package>name'`, or a name in `custom_objects`.
        custom_objects: Names that count before all others.
    """
    return (custom_objects or {}).get(name, get_custom_objects().get(name))


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
        return {"class_name": get_registered_name(type(instance)), "config": instance.get_config()}
    if getattr(instance, "__name__", None) is not None:
        return get_registered_name(instance)
    raise ValueError(f"{instance!r} cannot be written to a configuration: give it a method get_config.")


def find(name: str, known: Mapping[str, Any], kind: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """What a name stands for: in `custom_objects`, among those made known, or built in.

    Raises:
        ValueError: If nothing has this name; the message lists the names there are.
    """
    custom = get_custom_objects()
    for table in (custom_objects or {}, custom, known):
        if name in table:
            return table[name]
    there = sorted({*known, *custom, *(custom_objects or {})})
    raise ValueError(
        f"Unknown {kind} {name!r}.{_suggestion(name, there)} Known: {', '.join(there)}. One of your own is passed as "
        "an object, or in custom_objects."
    )


def _suggestion(name: str, there: list[str]) -> str:
    """A question with the known name that looks most like the unknown one, or nothing."""
    spellings: dict[str, list[str]] = {}
    for known in there:
        spellings.setdefault(known.lower().replace("_", ""), []).append(known)
    close = get_close_matches(name.lower().replace("_", "").replace("-", "").replace(" ", ""), spellings, n=1)
    if not close:
        return ""
    # Of a function and a class of one name, that which is written alike.
    return f" Did you mean {get_close_matches(name, spellings[close[0]], n=1, cutoff=0)[0]!r}?"


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
    made = config["config"]
    if config["class_name"] == "function" and isinstance(made, str):
        # How Keras 3 writes a function.
        return find(config.get("registered_name") or made, known, kind, custom_objects)
    found = find(config["class_name"], known, kind, custom_objects)
    if hasattr(found, "from_config"):
        return _from_config(found, made, custom_objects)
    if not inspect.isclass(found) and _is_only_registered(config["class_name"], custom_objects):
        # Whoever writes a file would call it with arguments of his own.
        raise ValueError(
            f"{config['class_name']!r} is a function, which a configuration names and does not call. If it makes "
            "objects of configurations, pass it in custom_objects."
        )
    return found(**made)


def _is_only_registered(name: str, custom_objects: Mapping[str, Any] | None) -> bool:
    """Whether an object is known because somebody registered it, and not because the caller passed it."""
    return name in _custom and not any(name in table for table in (custom_objects or {}, *_scopes.get()))


@lru_cache(maxsize=256)
def _takes_custom_objects(from_config: Callable[..., Any]) -> bool:
    return "custom_objects" in inspect.signature(from_config).parameters


def _from_config(found: Any, config: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    method = found.from_config
    if custom_objects is not None and _takes_custom_objects(getattr(method, "__func__", method)):
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
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        # Some built-in functions do not tell; they take no arguments by name.
        return False
    return any(p.name == argument or p.kind is p.VAR_KEYWORD for p in parameters)


__all__ = [
    "CustomObjectScope",
    "accepts",
    "custom_object_scope",
    "deserialize",
    "find",
    "get",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "register_keras_serializable",
    "serialize",
]
