"""Updates of call records, and of the records inside them, as far as `trainable` lets them through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from multikeras.layers.calls import CallRecord

if TYPE_CHECKING:
    from multikeras.layers.base import Layer

Pair = tuple["Layer", CallRecord]


def walk(pairs: Sequence[Pair], active: bool = True) -> Iterator[tuple[Layer, CallRecord, bool]]:
    """Layers and records in the order of the calls, those of inner calls included.

    The third entry says whether the layer and all layers around it are trainable.
    """
    stack = [(layer, record, active) for layer, record in reversed(pairs)]
    while stack:
        layer, record, outer = stack.pop()
        here = outer and layer.trainable
        yield layer, record, here
        stack.extend((inner, child, here) for inner, child in reversed(record.children))


def training_updates(pairs: Sequence[Pair], active: bool = True) -> list[Any]:
    """Updates that belong to training."""
    return [
        update for layer, record, on in walk(pairs, active) if on and not layer.stateful for update in record.updates
    ]


def state_updates(pairs: Sequence[Pair]) -> list[Any]:
    """Updates of stateful layers, which belong to every run."""
    return [update for layer, record, _ in walk(pairs) if layer.stateful for update in record.updates]
