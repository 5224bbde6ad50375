"""Weights of a file into the layers of a model: by position, or by name.

Everything is checked before anything is stored, and all of it is stored at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras.programs import storage
from multikeras.saving.hdf5 import order as layer_order
from multikeras.saving.hdf5.older import present_order
from multikeras.saving.snapshot import LayerWeights, Snapshot


def set_by_position(model: Any, snapshot: Snapshot, where: str, reshape: bool = False) -> None:
    """Gives the layers of a model the weights of a file, in order.

    Args:
        model: The model.
        snapshot: The content of the file.
        where: Name of the file.
        reshape: Bring an array of as many numbers into the shape of the weight.

    Raises:
        ValueError: If the number of layers or weights, or a shape, is another. The model is then as it was.
    """
    targets = [layer for layer in model.layers if layer.weights]
    sources = [layer for layer in snapshot.layers if layer.weights]
    if sources and not targets and not model.built:
        raise ValueError(
            f"Model {model.name!r} is not built yet and has no weights that those of {where} could go into: call it on "
            "data, or build(input_shape), first."
        )
    if len(targets) != len(sources):
        raise ValueError(
            f"Model {model.name!r} has {len(targets)} layers with weights ({_named(targets)}), and {where} holds "
            f"{len(sources)} ({_named(sources)}). Load into a model of the same architecture, or with by_name=True."
        )
    pairs: list[tuple[Any, np.ndarray]] = []
    for layer, source in zip(targets, sources, strict=True):
        arrays = present_order(layer, source, snapshot)
        pairs += _matched(layer, source, arrays, where, reshape)
    storage.write_all(pairs, given=True)


def set_by_name(model: Any, snapshot: Snapshot, where: str, skip_mismatch: bool = False, reshape: bool = False) -> None:
    """Gives the layers whose names are in a file the weights of that name, and leaves the others.

    Args:
        model: The model.
        snapshot: The content of the file.
        where: Name of the file.
        skip_mismatch: Leave layers whose weights differ in number or shape as they are, with a warning.
        reshape: Bring an array of as many numbers into the shape of the weight.

    Raises:
        ValueError: If weights of a layer of this name do not fit. The model is then as it was.
    """
    targets: dict[str, list[Any]] = {}
    for layer in model.layers:
        targets.setdefault(layer.name, []).append(layer)
    pairs: list[tuple[Any, np.ndarray]] = []
    for source in snapshot.layers:
        for layer in targets.get(source.name, []):
            arrays = present_order(layer, source, snapshot)
            try:
                pairs += _matched(layer, source, arrays, where, reshape)
            except ValueError as error:
                if not skip_mismatch:
                    raise
                warnings.warn(f"Layer {layer.name!r} keeps its weights: {error}", stacklevel=4)
    # Layers of one name share what the file holds for it.
    storage.write_all(pairs)


def _matched(
    layer: Any, source: LayerWeights, arrays: Sequence[np.ndarray], where: str, reshape: bool = False
) -> list[tuple[Any, np.ndarray]]:
    variables = layer_order.variables(layer)
    if len(variables) != len(arrays):
        raise ValueError(
            f"Layer {layer.name!r} has {len(variables)} weights ({_shapes(variables)}), and {where} holds "
            f"{len(arrays)} for layer {source.name!r} ({_shapes(arrays)})."
        )
    pairs = []
    for variable, array in zip(variables, arrays, strict=True):
        value = in_shape(array, variable) if reshape else array
        if value.shape != variable.shape:
            raise ValueError(
                f"Layer {layer.name!r}: weight {variable.name!r} has shape {variable.shape}, and {where} holds shape "
                f"{array.shape} for it (layer {source.name!r})."
            )
        pairs.append((variable, value))
    return pairs


def in_shape(array: np.ndarray, variable: Any) -> np.ndarray:
    """An array of as many numbers as a variable has, in its shape; any other as it is."""
    return array.reshape(variable.shape) if array.size == np.prod(variable.shape, dtype=int) else array


def set_optimizer(model: Any, state: Sequence[tuple[str, np.ndarray]]) -> None:
    """Gives the optimizer of a compiled model its state, or warns that it begins without.

    Its slots are made first, if they are not there yet.
    """
    compiled = model._ready()
    compiled.optimizer_updates()
    optimizer = compiled.optimizer
    try:
        optimizer.set_weights([value for _, value in state])
    except ValueError as error:
        warnings.warn(f"The state of the optimizer is left out, training starts without it: {error}", stacklevel=3)


def _named(layers: Sequence[Any]) -> str:
    names = [layer.name for layer in layers]
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") or "none"


def _shapes(arrays: Sequence[Any]) -> str:
    return ", ".join(str(tuple(a.shape)) for a in arrays) or "none"
