"""The random streams of a model: where each of its random nodes stands.

A random node owns a seed and counts its runs; with both, dropout after loading draws what it would
have drawn. Nodes are told apart by the layer that made them and their order in it, which does not
depend on the order in which layers were built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multikeras.graph.tensor import RandomKey, Tensor

#: By name of the layer: seed and number of runs of each of its random nodes, in order.
Streams = dict[str, list[list[int]]]


def streams_of(model: Any) -> Streams:
    """The streams of a built model."""
    return {layer: [[key.seed, key.runs] for key in keys] for layer, keys in _keys_by_layer(_tensors_of(model)).items()}


def set_streams(model: Any, streams: Any) -> None:
    """Lets the random nodes of a model go on from where `streams_of` found them.

    Layers that the model does not have are ignored, and so is everything that is not of this form:
    the file may come from elsewhere, and its predictions do not depend on it.
    """
    if not isinstance(streams, Mapping) or not model.inputs:
        return
    there = _keys_by_layer(_tensors_of(model))
    # The code of a model may give its layers other names in every object; then they come in the same order.
    others = [[name for name in one if name not in other] for one, other in ((there, streams), (streams, there))]
    renamed = dict(zip(*others, strict=True)) if len(others[0]) == len(others[1]) else {}
    for layer, keys in there.items():
        saved = streams.get(renamed.get(layer, layer))
        if not isinstance(saved, Sequence) or len(saved) != len(keys):
            continue
        for key, pair in zip(keys, saved, strict=True):
            if isinstance(pair, Sequence) and len(pair) == 2 and all(type(n) is int and 0 <= n < 1 << 64 for n in pair):
                key.seed, key.runs = pair


def _tensors_of(model: Any) -> list[Tensor]:
    """The tensors that training a model evaluates."""
    owned = model._owned()
    found: list[Any] = [*model.outputs, *[term.tensor for term in owned.loss_terms()]]
    found += [*owned.updates(), *owned.state_updates()]
    compiled = getattr(model, "_compiled", None)
    if compiled is not None and model.inputs:
        compiled.build()
        found += [compiled.total_loss, *compiled.metric_results]
    return [t for t in found if isinstance(t, Tensor)]


def _keys_by_layer(tensors: Sequence[Tensor]) -> dict[str, list[RandomKey]]:
    seen = set(tensors)
    stack = list(tensors)
    keys: list[RandomKey] = []
    while stack:
        tensor = stack.pop()
        if isinstance(tensor, RandomKey):
            keys.append(tensor)
        for x in tensor.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    by_layer: dict[str, list[RandomKey]] = {}
    for key in sorted(keys, key=lambda key: key.serial):
        layer = key.origin[2] if key.origin is not None else None
        by_layer.setdefault(layer or "", []).append(key)
    return by_layer
