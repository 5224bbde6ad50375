"""Keras's layout of HDF5 files: which group and attribute holds what.

The layout is that of Keras 2: `model_config` and `training_config` as JSON attributes, a group for the
weights of each layer under `model_weights`, and the state of the optimizer under `optimizer_weights`. A
file of weights alone has the groups of the layers at its root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from multikeras.programs import storage
from multikeras.saving import states
from multikeras.saving.hdf5.objects import is_empty, make_group, write_array, write_text, write_texts
from multikeras.saving.hdf5.older import present_configuration
from multikeras.saving.keras3 import config as keras3_config
from multikeras.saving.keras3 import training as keras3_training
from multikeras.saving.keras3 import writing as keras3_writing
from multikeras.saving.reading.limits import LIMITS
from multikeras.saving.reading.reader import CorruptFileError, Group, is_name, understanding
from multikeras.saving.snapshot import LayerWeights, Snapshot, to_json

# An HDF5 object header holds 64 KiB; attributes beyond that have to be cut.
_HEADER = 64_512

#: What compile was told, in our own form; `training_config` says it as Keras 3 wants it, where it can be said there.
_TRAINING = "multikeras_training_config"
#: Attribute of a layer that is a model: where its weights belong in it, one after the other.
_PLACES = "multikeras_places"


def write(group: Any, snapshot: Snapshot) -> None:
    """Writes a model, or the weights alone where a snapshot holds no more, into an open group of h5py.

    Args:
        group: The group; it may hold other things.
        snapshot: What `snapshot.take` gave.

    Raises:
        ValueError: If it holds a model already, or a layer or weight has a name that no file may have; nothing is
            written then.
    """
    _check_names(snapshot)
    if not is_empty(group):
        _check_free(group, snapshot)
    with storage.held():
        if snapshot.architecture is None:
            _write_weights(group, snapshot)
        else:
            _write_model(group, snapshot)


def _check_names(snapshot: Snapshot) -> None:
    for layer in snapshot.layers:
        for name in (layer.name, *[name for name, _ in layer.weights]):
            if not is_name(name) or name.count("/") > LIMITS.depth // 2:
                raise ValueError(
                    f"Layer {layer.name!r}: {name!r} cannot be the name of a group or array of HDF5, where names "
                    "are paths within the file. Give the layer another name."
                )


def _check_free(group: Any, snapshot: Snapshot) -> None:
    names = [layer.name for layer in snapshot.layers] if snapshot.architecture is None else ["model_weights"]
    taken = [name for name in ("model_config", "layer_names", "layer_names0") if name in group.attrs]
    taken += [name for name in [*names, "optimizer_weights"] if name in group]
    if taken:
        raise ValueError(
            f"{group.file.filename}, {group.name} holds {taken[0]!r} already: a model is saved to a group that holds "
            "none. Delete it first, or take another group."
        )


def _write_model(group: Any, snapshot: Snapshot) -> None:
    _stamp(group, snapshot)
    write_text(group, "model_config", to_json(keras3_writing.readable_by_all(snapshot.architecture)))
    _write_weights(make_group(group, "model_weights"), snapshot)
    states.write(group, snapshot.states)
    if snapshot.training is not None:
        write_text(group, _TRAINING, to_json(snapshot.training))
        theirs = keras3_training.hdf5_training(snapshot.training)
        if theirs is not None:
            write_text(group, "training_config", to_json(theirs))
        if snapshot.streams:
            write_text(group, "multikeras_random_streams", to_json(snapshot.streams))
        if snapshot.optimizer:
            made = make_group(group, "optimizer_weights")
            write_names(made, "weight_names", [name for name, _ in snapshot.optimizer])
            for name, variable in snapshot.optimizer:
                write_array(made, name, storage.seen(variable))


def _write_weights(group: Any, snapshot: Snapshot) -> None:
    _stamp(group, snapshot)
    write_names(group, "layer_names", [layer.name for layer in snapshot.layers])
    for layer in snapshot.layers:
        made = make_group(group, layer.name)
        write_names(made, "weight_names", [name for name, _ in layer.weights])
        if layer.places is not None:
            write_text(made, _PLACES, to_json(layer.places))
        for name, variable in layer.weights:
            write_array(made, name, storage.seen(variable))


def _stamp(group: Any, snapshot: Snapshot) -> None:
    write_text(group, "keras_version", snapshot.keras_version)
    write_text(group, "backend", snapshot.backend)


def write_names(group: Any, name: str, texts: Sequence[str]) -> None:
    """Writes a list of texts as an attribute, cut into several where it would not fit."""
    encoded = [text.encode("utf-8") for text in texts]
    longest = max((len(text) for text in encoded), default=0)
    if longest > _HEADER:
        raise ValueError(f"The name {texts[0][:40]!r}… is {longest} bytes long; a file holds names up to {_HEADER}.")
    per_piece = max(1, _HEADER // max(1, longest))
    if len(encoded) <= per_piece:
        write_texts(group, name, np.array(encoded, dtype=f"S{max(1, longest)}"))
        return
    for number, start in enumerate(range(0, len(encoded), per_piece)):
        piece = np.array(encoded[start : start + per_piece], dtype=f"S{longest}")
        write_texts(group, f"{name}{number}", piece)


# -- reading ------------------------------------------------------------------------------------


def read(root: Group) -> Snapshot:
    """The model of a file.

    Raises:
        CorruptFileError: If it is not a model file.
    """
    architecture = root.json("model_config")
    if not isinstance(architecture, Mapping):
        what = (
            "only weights: make the model and call load_weights"
            if root.texts("layer_names") is not None
            else "no model"
        )
        raise CorruptFileError(f"{root.where} holds {what} (there is no attribute 'model_config').")
    training = root.json(_TRAINING) or root.json("training_config")
    optimizer = _read_optimizer(root) if "optimizer_weights" in root else None
    with understanding(root.where):
        if keras3_config.is_keras3(architecture):
            architecture = keras3_config.from_keras3(architecture)
            training = keras3_training.training_config(training) if training is not None else None
            optimizer = keras3_training.state_of_names(optimizer) if optimizer else None
        else:
            architecture = present_configuration(keras3_config.with_listed_inputs(architecture))
    weights = root.group("model_weights")
    return Snapshot(
        architecture=dict(architecture),
        layers=read_weights(weights),
        training=training,
        optimizer=optimizer,
        streams=root.json("multikeras_random_streams"),
        states=states.read(root),
        keras_version=weights.text("keras_version") or root.text("keras_version") or "1",
        backend=weights.text("backend") or root.text("backend") or "",
    )


def read_weights(root: Group) -> list[LayerWeights]:
    """The weights of a file, of weights alone or of a whole model.

    Raises:
        CorruptFileError: If there are none.
    """
    names = root.texts("layer_names")
    if names is None:
        if "model_weights" in root:
            return read_weights(root.group("model_weights"))
        raise CorruptFileError(f"{root.where} holds no weights (there is no attribute 'layer_names').")
    return [_read_layer(root, name) for name in names]


def weights_group(root: Group) -> Group:
    """The group whose members are layers."""
    return root if "model_weights" not in root else root.group("model_weights")


def _read_layer(root: Group, name: str) -> LayerWeights:
    group = root.group(name)
    names = group.texts("weight_names") or []
    return LayerWeights(name, [(each, group.array(each)) for each in names], _read_places(group, len(names)))


def _read_places(group: Group, count: int) -> list[int] | None:
    found = group.json(_PLACES)
    if found is None:
        return None
    if not isinstance(found, list) or {*map(type, found)} != {int} or sorted(found) != list(range(count)):
        raise CorruptFileError(f"{group.where}: {_PLACES!r} says nothing of {count} weights.")
    return found


def _read_optimizer(root: Group) -> list[tuple[str, np.ndarray]]:
    group = root.group("optimizer_weights")
    return [(name, group.array(name)) for name in group.texts("weight_names") or []]
