"""The order of layers in Keras 3, which counts what computes masks as layers of its own.

Files hold weights in that order, so that a layer before a `Masking` may change places with one of another branch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multikeras.saving.keras3.mask_rules import MERGING, RECURRENT, Key, Layer, Propagation, Terms

#: Layers whose calls take the mask of their first input as an argument there.
_TAKING = RECURRENT | {
    "BatchNormalization",
    "GlobalAveragePooling1D",
    "MultiHeadAttention",
    "Softmax",
    "TimeDistributed",
}
#: Layers without weights, whose order is nothing to a file.
_WITHOUT_WEIGHTS = MERGING | {
    "Activation",
    "ActivityRegularization",
    "AlphaDropout",
    "Concatenate",
    "Dot",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling1D",
    "InputLayer",
    "Lambda",
    "Masking",
    "Permute",
    "RepeatVector",
    "Reshape",
    "Softmax",
    "SpatialDropout1D",
}

Node = tuple[Any, int]


def moved(layers: Mapping[Any, Layer], ends: Sequence[Key], terms: Terms, theirs: Propagation) -> list[Layer]:
    """The layers with weights that stand elsewhere among them in Keras 3; empty if all stand in the same order.

    Args:
        layers: The layers of a model, by name.
        ends: The outputs of the model.
        terms: The masks.
        theirs: Which tensors have which, there.
    """
    plain = _order(layers, ends, _sources(layers, None, None))
    counted = _order(layers, ends, _sources(layers, terms, theirs))
    return [layers[there] for here, there in zip(plain, counted, strict=True) if here != there]


def _sources(
    layers: Mapping[Any, Layer], terms: Terms | None, theirs: Propagation | None
) -> dict[Node, list[tuple[Node, int]]]:
    """By call: the calls that it needs, and how many operations lie between."""
    found: dict[Node, list[tuple[Node, int]]] = {}
    for name, layer in layers.items():
        for number, call in enumerate(layer.calls):
            needed = [((key[0], key[1]), 0) for key in call.tensors if key[0] in layers]
            if terms is not None and theirs is not None and layer.kind in _TAKING and call.first:
                asked = [*call.first, *call.others] if layer.kind == "MultiHeadAttention" else call.first
                masks = [theirs.mask(key) for key in asked]
                needed += [each for mask in masks if mask is not None for each in _behind(mask, terms, layers)]
            found[name, number] = needed
    return found


def _behind(mask: int, terms: Terms, layers: Mapping[Any, Layer]) -> list[tuple[Node, int]]:
    """The calls that a mask is computed from, and how many operations lie between."""
    term = terms.of(mask)
    if term[0] == "differs":
        return [((term[1][0], term[1][1]), 1)] if term[1][0] in layers else []
    inner: Sequence[int] = ()
    if term[0] == "any":
        inner = term[1:]
    elif term[0] in ("or", "and"):
        inner = sorted(term[1])
    elif term[0] == "joined":
        inner = term[2]
    return [(node, count + 1) for part in inner for node, count in _behind(part, terms, layers)]


def _order(
    layers: Mapping[Any, Layer], ends: Sequence[Key], sources: Mapping[Node, list[tuple[Node, int]]]
) -> list[Any]:
    """Names of the layers with weights: the farthest from the outputs first, then as a walk from there meets them."""
    met: dict[Any, int] = {}
    finished: list[Node] = []
    entered: set[Node] = set()
    stack = [((key[0], key[1]), False) for key in reversed(ends)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            finished.append(node)
            continue
        if node in entered:
            continue
        entered.add(node)
        met.setdefault(node[0], len(met))
        stack.append((node, True))
        stack.extend((source, False) for source, _ in reversed(sources.get(node, [])))
    depths = dict.fromkeys(entered, 0)
    for node in reversed(finished):
        for source, between in sources.get(node, []):
            depths[source] = max(depths[source], depths[node] + between + 1)
    far: dict[Any, int] = {}
    for (name, _), depth in depths.items():
        far[name] = max(depth, far.get(name, 0))
    weighted = [name for name in met if layers[name].kind not in _WITHOUT_WEIGHTS]
    return sorted(weighted, key=lambda name: (-far[name], met[name]))
