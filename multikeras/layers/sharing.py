"""Layers that stand in a configuration several times, and come back as one.

A layer may be used in two models that are both parts of a third, or a cell in two recurrent layers. The
configuration then describes it wherever it stands, and `shared_object_id` beside each of these descriptions says
that they mean one layer. Numbers count within one configuration: a writing or reading begins with the outermost
object, and everything inside belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from multikeras import lookup

if TYPE_CHECKING:
    from multikeras.layers.base import Layer

#: Key of the number of a shared layer, beside its class and configuration; Keras calls it so as well.
KEY = "shared_object_id"


class _Writing:
    """Layers that were described so far.

    Args:
        numbers_all: Whether each gets a number at once, rather than where it is met again.
    """

    def __init__(self, numbers_all: bool = False) -> None:
        self.numbers_all = numbers_all
        self._count = 0
        # With the layers themselves, so that no identity is given to another one meanwhile.
        self._met: dict[int, tuple[Layer, dict[str, Any]]] = {}

    def add(self, layer: Layer, entry: dict[str, Any]) -> None:
        met = self._met.get(id(layer))
        if met is None:
            self._met[id(layer)] = (layer, entry)
            if self.numbers_all:
                self._number(entry)
            return
        if KEY not in met[1]:
            self._number(met[1])
        entry[KEY] = met[1][KEY]

    def _number(self, entry: dict[str, Any]) -> None:
        self._count += 1
        entry[KEY] = self._count

    def number(self, layer: Layer) -> int | None:
        met = self._met.get(id(layer))
        return None if met is None else met[1].get(KEY)


_writing: ContextVar[_Writing | None] = ContextVar("writing_of_shared_layers", default=None)
#: By number: the name of its class in the configuration, and the layer.
_reading: ContextVar[dict[int, tuple[Any, Layer]] | None] = ContextVar("reading_of_shared_layers", default=None)


@contextmanager
def writing() -> Iterator[None]:
    """A block that writes one configuration; inside such a block it is a part of that."""
    if _writing.get() is not None:
        yield
        return
    token = _writing.set(_Writing())
    try:
        yield
    finally:
        _writing.reset(token)


@contextmanager
def reading() -> Iterator[None]:
    """A block that reads one configuration; inside such a block it is a part of that."""
    if _reading.get() is not None:
        yield
        return
    token = _reading.set({})
    try:
        yield
    finally:
        _reading.reset(token)


@contextmanager
def apart(written: _Writing | None = None, read: dict[int, tuple[Any, Layer]] | None = None) -> Iterator[None]:
    """A block whose configurations have nothing to do with what is written or read around it.

    Args:
        written: What was written already.
        read: What was read already.
    """
    tokens = _writing.set(written), _reading.set(read)
    try:
        yield
    finally:
        _writing.reset(tokens[0])
        _reading.reset(tokens[1])


def described(layer: Layer, **more: Any) -> dict[str, Any]:
    """Class and configuration of a layer, with a number if it is described again.

    Args:
        layer: The layer.
        **more: What else stands beside them.
    """
    with writing():
        entry = {**more, "class_name": lookup.get_registered_name(type(layer)), "config": layer.get_config()}
        around = _writing.get()
        assert around is not None
        around.add(layer, entry)
        return entry


def made(config: Any, make: Callable[[], Any]) -> Any:
    """The layer of a description: the one that was made of an earlier description with its number, or a new one.

    Args:
        config: The description.
        make: Makes a new layer of it.

    Raises:
        ValueError: If the number is none, or belongs to an object of another class.
    """
    number = config.get(KEY) if isinstance(config, Mapping) else None
    with reading():
        if number is None:
            return make()
        if type(number) is not int:
            raise ValueError(f"A configuration has a whole number as {KEY}, received {number!r}.")
        known, kind = _known(), config.get("class_name")
        if number not in known:
            layer = make()
            known[number] = (kind, layer)
            return layer
        first, layer = known[number]
        if first != kind:
            raise ValueError(
                f"The configuration has the {KEY} {number} for a {first} ({layer.name!r}) and for a {kind}: one number "
                "stands for one layer."
            )
        return layer


def _known() -> dict[int, tuple[Any, Layer]]:
    known = _reading.get()
    assert known is not None
    return known


@contextmanager
def cloning(classes: Mapping[str, type]) -> Iterator[Callable[[Layer, Callable[[], Any] | None], Any]]:
    """A block in which every layer has one copy.

    Args:
        classes: Classes of one's own among the layers, by name.

    Yields:
        A function of a layer and, where it is not copied by its configuration, of a function that makes the copy.
    """
    numbers = _Writing(numbers_all=True)
    with apart(numbers, {}), lookup.custom_object_scope(classes):

        def copied(layer: Layer, make: Callable[[], Any] | None = None) -> Any:
            from multikeras.layers import deserialize

            known, number = _known(), numbers.number(layer)
            if number in known:
                return known[number][1]
            if make is None:
                return deserialize(described(layer))
            found = make()
            entry: dict[str, Any] = {"class_name": lookup.get_registered_name(type(layer))}
            numbers.add(layer, entry)
            known[entry[KEY]] = (entry["class_name"], found)
            return found

        yield copied


__all__ = ["KEY", "apart", "cloning", "described", "made", "reading", "writing"]
