"""A clock that tells whether a layer changed after a program was made from it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multikeras.layers.base import Layer

_ticks = itertools.count(1)
_now = 0


def tick() -> int:
    """Moves the clock on; the new time."""
    global _now
    _now = next(_ticks)
    return _now


def now() -> int:
    """When an attribute of any layer was set last."""
    return _now


def inside(layer: Layer) -> Iterator[Layer]:
    """A layer and all layers inside it."""
    seen = {id(layer)}
    stack = [layer]
    while stack:
        one = stack.pop()
        yield one
        for inner in one._sublayers():
            if id(inner) not in seen:
                seen.add(id(inner))
                stack.append(inner)


def latest(layer: Layer) -> int:
    """When an attribute of this layer, or of a layer inside it, was set last."""
    return max(one.__dict__.get("_version", 0) for one in inside(layer))
