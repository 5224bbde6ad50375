"""YAML as data: texts, numbers, lists and dictionaries, whatever the text asks for.

PyYAML composes the nodes; what they stand for is decided here. The tags for tuples and texts that Keras 2
itself wrote are read as lists and texts, references are followed as often as a limit allows, and numbers in base
60 (whose reading takes the square of their length) and dates are texts.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from multikeras.saving.libraries import yaml as _yaml
from multikeras.saving.reading.faults import CorruptFileError, UnsafeFileError
from multikeras.saving.reading.limits import LIMITS, Limits

_PREFIX = "tag:yaml.org,2002:"

#: By tag: what it is read as.
_KINDS = {
    f"{_PREFIX}{name}": kind
    for name, kind in {
        "bool": "bool",
        "float": "float",
        "int": "int",
        "map": "map",
        "null": "null",
        "python/tuple": "seq",
        "python/unicode": "str",
        "seq": "seq",
        "str": "str",
    }.items()
}

_PATTERNS = {
    "bool": (re.compile(r"^(?:yes|no|true|false|on|off)$", re.IGNORECASE), "yYnNtTfFoO"),
    "float": (
        re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?$|^[-+]?\.inf$|^\.nan$", re.IGNORECASE),
        "-+0123456789.",
    ),
    "int": (re.compile(r"^[-+]?[0-9]+$|^0x[0-9a-fA-F]+$"), "-+0123456789"),
    "null": (re.compile(r"^(?:~|null|)$", re.IGNORECASE), ["~", "n", "N", ""]),
}

_TRUE = frozenset({"yes", "true", "on"})


def parsed(text: str, where: str, limits: Limits = LIMITS) -> Any:
    """YAML as data.

    Args:
        text: The YAML.
        where: What it is, for messages.
        limits: The limits.

    Raises:
        ImportError: If PyYAML is not installed.
        CorruptFileError: If it is no YAML.
        UnsafeFileError: If it asks for Python objects, is nested too deep, or stands for too much.
    """
    if len(text) > limits.text_bytes:
        raise UnsafeFileError(f"{where} is {len(text):,} characters long.")
    yaml = _yaml()
    try:
        loader = _loader()(text, where, limits)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        if _count(node, where, {}) > limits.names:
            # A few lines of references to references stand for more than any memory holds.
            raise UnsafeFileError(f"{where} stands for more than {limits.names:,} entries.")
        return None if node is None else _data(node, where)
    except RecursionError as error:
        raise UnsafeFileError(f"{where} is nested too deep.") from error
    except yaml.YAMLError as error:
        raise CorruptFileError(f"{where} is no YAML: {error}") from error


@functools.cache
def _loader() -> Any:
    yaml = _yaml()

    class Loader(yaml.SafeLoader):  # type: ignore[name-defined]
        yaml_implicit_resolvers: dict[Any, Any] = {}

        def __init__(self, text: str, where: str, limits: Limits) -> None:
            super().__init__(text)
            self._where, self._limits = where, limits

        def fetch_flow_collection_start(self, token: Any) -> None:
            # Every open bracket is looked at again with every token.
            if self.flow_level >= self._limits.depth:
                raise UnsafeFileError(f"{self._where} is nested too deep.")
            super().fetch_flow_collection_start(token)

    for kind, (pattern, first) in _PATTERNS.items():
        Loader.add_implicit_resolver(f"{_PREFIX}{kind}", pattern, list(first))
    return Loader


def _count(node: Any, where: str, known: dict[int, int]) -> int:
    """How many nodes a node stands for, those that are referred to counted each time."""
    if node is None:
        return 0
    if id(node) in known:
        if not known[id(node)]:
            raise UnsafeFileError(f"{where} refers to itself.")
        return known[id(node)]
    known[id(node)] = 0
    children = node.value if isinstance(node.value, list) else []
    total = 1
    for child in children:
        for each in child if isinstance(child, tuple) else (child,):
            total += _count(each, where, known)
    known[id(node)] = total
    return total


def _data(node: Any, where: str) -> Any:
    kind = _KINDS.get(node.tag)
    if kind is None:
        raise UnsafeFileError(
            f"{where} asks for a Python object, {node.tag.removeprefix(_PREFIX)!r}; only texts, numbers, lists and "
            "dictionaries are read."
        )
    content = node.value
    shape = {"seq": "sequence", "map": "mapping"}.get(kind, "scalar")
    if node.id != shape:
        raise CorruptFileError(f"{where}: a {node.id} is marked as {kind!r}.")
    if kind == "seq":
        return [_data(entry, where) for entry in content]
    if kind == "map":
        return {_key(key, where): _data(entry, where) for key, entry in content}
    return _scalar(kind, content, where)


def _key(node: Any, where: str) -> Any:
    if node.id != "scalar":
        raise CorruptFileError(f"{where}: a key is a {node.id}, expected a text.")
    return _data(node, where)


def _scalar(kind: str, content: str, where: str) -> Any:
    if kind == "str":
        return content
    if kind == "null":
        return None
    try:
        if kind == "bool":
            return content.lower() in _TRUE
        if kind == "int":
            return int(content, 16 if content[:2].lower() == "0x" else 10)
        return float(re.sub(r"\.(?=inf|nan)", "", content.lower()))
    except ValueError as error:
        raise CorruptFileError(f"{where}: {content[:40]!r} is no number: {error}") from error
