"""The order in which the weights of a model inside a model stand in a file.

Here they come layer after layer. Keras's HDF5 files list those that are trained before the others, and a layer that
stands in several places of a configuration as often as it stands there, since Keras makes copies of it. Which
weights are trained may change until a file is read, so that our files say beside each such list where its
entries belong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

#: Weights of a layer that is no model, each with whether it is trained.
_Leaf = list[tuple[Any, bool]]


def variables(layer: Any) -> list[Any]:
    """The weights of a layer of a model, layer after layer; of what is shared inside, as often as it stands there."""
    if not _has_parts(layer):
        return _weights(layer)
    return [variable for leaf in _leaves(layer, True) for variable, _ in leaf]


def places(layer: Any) -> list[int] | None:
    """Where the weights of a file belong among `variables`, by their place in the file; None for a layer of one part.

    The file has the trained ones first, and says of what is inside something frozen that it is frozen.
    """
    if not _has_parts(layer):
        return None
    leaves = list(_leaves(layer, bool(layer.trainable), True))
    return _trained_first(leaves) if len(leaves) > 1 else None


def _trained_first(leaves: Sequence[_Leaf]) -> list[int]:
    trained = [flag for leaf in leaves for _, flag in leaf]
    return sorted(range(len(trained)), key=lambda i: not trained[i])


def restored(
    layer: Any, names: Sequence[str], arrays: Sequence[np.ndarray], known: Sequence[int] | None, ours: Sequence[str]
) -> list[np.ndarray]:
    """The weights of a file in the order of `variables`.

    Args:
        layer: The layer that they are for.
        names: Their names in the file.
        arrays: Their values.
        known: What `places` gave when the file was written; None if it does not say.
        ours: Names that a file has for `variables`.

    Returns:
        The values, as they are if their number is another.
    """
    listed = list(arrays)
    if known is None and not _has_parts(layer):
        return listed
    leaves = list(_leaves(layer, _is_trained(layer)))
    count = sum(map(len, leaves))
    if known is None and (len(leaves) < 2 or len(listed) != count):
        return listed
    if known is not None:
        order: Sequence[int] = known
    elif len(set(names)) == count and set(names) == set(ours):
        at = {name: i for i, name in enumerate(ours)}
        order = [at[name] for name in names]
    else:
        order = _trained_first(leaves)
    made = listed.copy()
    for place, array in zip(order, listed, strict=True):
        made[place] = array
    return made


def _is_trained(layer: Any) -> bool:
    """Whether Keras takes a layer of a model to be trained where it reads a file.

    Its Sequential has no flag of its own there, and those of models further inside do not count.
    """
    from multikeras.models import Sequential

    return isinstance(layer, Sequential) or bool(layer.trainable)


def _has_parts(layer: Any) -> bool:
    """Whether a layer is a model, or wraps others."""
    from multikeras.layers import Bidirectional, TimeDistributed
    from multikeras.models.network import Network

    return isinstance(layer, (Bidirectional, TimeDistributed)) or (isinstance(layer, Network) and layer._is_graph)


def _leaves(layer: Any, active: bool, throughout: bool = False) -> Iterator[_Leaf]:
    """The layers inside a layer that are no models, with their weights.

    Args:
        layer: The layer.
        active: Whether flags of the layers inside count; otherwise nothing is trained.
        throughout: Whether models further inside, too, freeze what is inside them.
    """
    from multikeras.layers import Bidirectional, TimeDistributed
    from multikeras.models.network import Network

    if isinstance(layer, Network) and layer._is_graph:
        own = [*layer._trainable_weights, *layer._non_trainable_weights]
        if own:
            yield [(w, active and w.trainable) for w in own]
        for inner in layer.layers:
            yield from _leaves(inner, active and (inner.trainable or not throughout), throughout)
    elif isinstance(layer, TimeDistributed):
        yield from _leaves(layer.layer, active and (layer.layer.trainable or not throughout), throughout)
    elif isinstance(layer, Bidirectional):
        yield from _leaves(layer.forward_layer, active, throughout)
        yield from _leaves(layer.backward_layer, active, throughout)
    else:
        trained = {id(w) for w in layer.trainable_weights} if active else set()
        found = _weights(layer)
        if found:
            yield [(w, id(w) in trained) for w in found]


def _weights(layer: Any) -> list[Any]:
    """The weights of a layer; those of a cell that is several times in a stack as often."""
    from multikeras.layers import RNN, StackedRNNCells

    if isinstance(layer, StackedRNNCells):
        return [w for cell in layer.cells if hasattr(cell, "weights") for w in _weights(cell)]
    if isinstance(layer, RNN) and isinstance(layer.cell, StackedRNNCells):
        return _weights(layer.cell)
    found: list[Any] = layer.weights
    return found
