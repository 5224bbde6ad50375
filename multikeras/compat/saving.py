"""Functions of `keras.engine.saving` (before 2.2 `keras.engine.topology`) that programs call on open HDF5 files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from multikeras import models
from multikeras.saving import snapshot, weights
from multikeras.saving.hdf5 import layout, older
from multikeras.saving.hdf5 import order as layer_order
from multikeras.saving.plain import plain
from multikeras.saving.reading import reader
from multikeras.saving.snapshot import LayerWeights, Snapshot
from multikeras.utils.io_utils import H5Dict, ask_to_proceed_with_overwrite

Arrays = list[np.ndarray]


def load_weights_from_hdf5_group(f: Any, layers: Sequence[Any], reshape: bool = False) -> None:
    """Gives layers the weights of an open HDF5 group, one after the other.

    Args:
        f: The group of h5py that lists the layers.
        layers: The layers.
        reshape: Bring arrays of as many numbers into shape.

    Raises:
        ValueError: If they do not fit. The layers are then as they were.
    """
    found, where = _read(f)
    weights.set_by_position(_as_model(layers), found, where, reshape)


def load_weights_from_hdf5_group_by_name(
    f: Any, layers: Sequence[Any], skip_mismatch: bool = False, reshape: bool = False
) -> None:
    """Gives layers the weights that an open HDF5 group holds under their names, and leaves the others.

    Args:
        f: The group of h5py that lists the layers.
        layers: The layers.
        skip_mismatch: Leave layers whose weights differ as they are, with a warning.
        reshape: Bring arrays of as many numbers into shape.

    Raises:
        ValueError: If they do not fit. The layers are then as they were.
    """
    found, where = _read(f)
    weights.set_by_name(_as_model(layers), found, where, skip_mismatch, reshape)


def save_weights_to_hdf5_group(f: Any, layers: Sequence[Any]) -> None:
    """Writes the weights of layers into an open HDF5 group, as `Model.save_weights` does."""
    layout.write(f, Snapshot(None, snapshot.weights_of(_as_model(layers))))


def preprocess_weights_for_loading(
    layer: Any,
    weights: Sequence[Any],
    original_keras_version: str | None = None,
    original_backend: str | None = None,
    reshape: bool = False,
) -> Arrays:
    """The arrays that a file holds for a layer as the layer of today has them.

    Args:
        layer: The layer.
        weights: The arrays, in the order of the file.
        original_keras_version: What the file says of it; Keras 1 if None.
        original_backend: What the file says of it.
        reshape: Bring arrays of as many numbers into shape.
    """
    source = LayerWeights(layer.name, [("", np.asarray(array)) for array in weights])
    file = Snapshot(None, [source], keras_version=original_keras_version or "1", backend=original_backend or "")
    arrays = older.present_order(layer, source, file)
    return _reshaped(layer, arrays) if reshape else arrays


def load_attributes_from_hdf5_group(group: Any, name: str) -> list[str]:
    """A list of names among the attributes of an HDF5 group, which may be cut into several; empty if there is none."""
    return reader.group_of(group).texts(name) or []


def save_attributes_to_hdf5_group(group: Any, name: str, data: Sequence[Any]) -> None:
    """Writes a list of names as an attribute of an HDF5 group, cut into several where it would not fit."""
    texts = [each.decode("utf-8") if isinstance(each, bytes) else str(each) for each in data]
    layout.write_names(group, name, texts)


def pickle_model(model: Any) -> dict[str, Any]:
    """A model as a dictionary, for `unpickle_model`."""
    made: dict[str, Any] = {}
    models.save_model(model, H5Dict(made))
    return made


def unpickle_model(state: Any) -> Any:
    """The model of the dictionary that `pickle_model` gave."""
    return models.load_model(H5Dict(state, "r"))


def get_json_type(obj: Any) -> Any:
    """What `json.dumps(default=get_json_type)` writes for an object that JSON does not know.

    Raises:
        TypeError: If there is nothing.
    """
    if hasattr(obj, "get_config"):
        return {"class_name": type(obj).__name__, "config": obj.get_config()}
    return plain(obj, "the object")


def _serialize_model(model: Any, h5dict: Any, include_optimizer: bool = True) -> None:
    """Writes a model into an open group or an `H5Dict`."""
    models.save_model(model, h5dict, include_optimizer=include_optimizer)


def _deserialize_model(h5dict: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Any:
    """The model in an open group or an `H5Dict`."""
    return models.load_model(h5dict, custom_objects, compile)


def _reshaped(layer: Any, arrays: Arrays) -> Arrays:
    variables = layer_order.variables(layer)
    if len(variables) != len(arrays):
        return arrays
    return [weights.in_shape(array, variable) for variable, array in zip(variables, arrays, strict=True)]


def _read(group: Any) -> tuple[Snapshot, str]:
    """The weights of a group, and its name."""
    with reader.opened(group) as root:
        inside = layout.weights_group(root)
        found = Snapshot(None, layout.read_weights(root))
        found.keras_version, found.backend = inside.text("keras_version") or "1", inside.text("backend") or ""
        return found, root.where


def _as_model(layers: Sequence[Any]) -> Any:
    """What has these layers, to read and write their weights."""
    return SimpleNamespace(name="of these layers", layers=list(layers), built=True)


__all__ = [
    "ask_to_proceed_with_overwrite",
    "get_json_type",
    "load_attributes_from_hdf5_group",
    "load_weights_from_hdf5_group",
    "load_weights_from_hdf5_group_by_name",
    "pickle_model",
    "preprocess_weights_for_loading",
    "save_attributes_to_hdf5_group",
    "save_weights_to_hdf5_group",
    "unpickle_model",
]
