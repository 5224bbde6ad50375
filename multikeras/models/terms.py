"""What a model owns of the updates, losses and metrics of its layers.

It owns the records on the paths from its inputs to its outputs, entries filed under the tensors on
these paths, and what layers added for themselves, unless that needs a placeholder which the model
does not feed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.graph.updates import Update
from multikeras.layers import owned
from multikeras.layers.base import Layer
from multikeras.layers.calls import Entries, LossTerm, MetricTerm
from multikeras.layers.owned import Pair
from multikeras.layers.weights import unique


class Owned:
    """The entries that belong to a model, as it is when this is made.

    Args:
        model: The model.
        pairs: Its layers with their records, in the order of the calls.
        fed: The tensors at which its graph is cut.
        tensors: The tensors on its paths.
    """

    def __init__(self, model: Layer, pairs: Sequence[Pair], fed: Sequence[Tensor], tensors: Sequence[Tensor]) -> None:
        self._model = model
        self._pairs = pairs
        self._fed = set(fed)
        self._tensors = {*fed, *tensors}
        self._reaches: dict[Tensor, bool] = {}

    def updates(self) -> list[Any]:
        """Updates of training, those of frozen layers left out."""
        model = self._model
        found = owned.training_updates(self._pairs, model.trainable)
        for layer, active in self._layers:
            if active and not layer.stateful:
                found += [u for entries in self._beside(layer) for u in entries.updates if self._runs(u)]
        return unique([u for u in found if _is_update(u)])

    def state_updates(self) -> list[Any]:
        """Updates of stateful layers."""
        found = owned.state_updates(self._pairs)
        for layer, _ in self._layers:
            if layer.stateful:
                found += [u for entries in self._beside(layer) for u in entries.updates if self._runs(u)]
        return unique([u for u in found if _is_update(u)])

    def loss_terms(self) -> list[LossTerm]:
        """Penalties of weights, then losses in the order of the calls."""
        found = [term for layer, _ in self._layers for term in layer._weight_losses]
        found += [term for _, record, _ in owned.walk(self._pairs) for term in record.losses]
        for layer, _ in self._layers:
            found += [t for entries in self._beside(layer) for t in entries.losses if self._runs(t.tensor)]
        return unique(found)

    def metric_terms(self) -> list[MetricTerm]:
        """Metrics in the order of the calls."""
        found = [term for _, record, _ in owned.walk(self._pairs) for term in record.metrics]
        for layer, _ in self._layers:
            found += [t for entries in self._beside(layer) for t in entries.metrics if self._runs(t.tensor)]
        return unique(found)

    def _beside(self, layer: Layer) -> Iterator[Entries]:
        """Entries of a layer that no call made."""
        yield layer._unconditional
        yield from layer._filed.found(self._tensors.__contains__)

    @cached_property
    def _layers(self) -> list[tuple[Layer, bool]]:
        """The model and all layers inside, with whether they and all around them are trainable."""
        found = []
        seen = {id(self._model)}
        stack = [(self._model, self._model.trainable)]
        while stack:
            layer, active = stack.pop()
            found.append((layer, active))
            for inner in reversed(layer._sublayers()):
                if id(inner) not in seen:
                    seen.add(id(inner))
                    stack.append((inner, active and inner.trainable))
        return found

    def _runs(self, entry: Any) -> bool:
        """Whether an entry can be computed from what the model feeds."""
        tensors = entry if isinstance(entry, tuple) else (entry,)
        return not any(isinstance(t, Tensor) and self._needs_more(t) for t in tensors)

    def _needs_more(self, tensor: Tensor) -> bool:
        """Whether a tensor depends on a placeholder that is not fed."""
        known = self._reaches
        stack = [tensor]
        while stack:
            node = stack[-1]
            if node in known:
                stack.pop()
            elif node in self._fed or not node.inputs:
                known[node] = isinstance(node, Placeholder) and node not in self._fed
                stack.pop()
            else:
                waiting = [x for x in node.inputs if x not in known]
                if waiting:
                    stack.extend(waiting)
                else:
                    known[node] = any(known[x] for x in node.inputs)
                    stack.pop()
        return known[tensor]


def _is_update(entry: Any) -> bool:
    if isinstance(entry, Update):
        return True
    return isinstance(entry, (tuple, list)) and len(entry) == 2 and isinstance(entry[0], Variable)
