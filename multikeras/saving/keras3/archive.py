"""`.keras`, the zip archive of Keras 3: configuration as JSON, weights as HDF5."""

from __future__ import annotations

import datetime
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.programs import storage
from multikeras.saving import snapshot, states
from multikeras.saving.hdf5.objects import write_array
from multikeras.saving.keras3 import config as keras3_config
from multikeras.saving.keras3 import differences
from multikeras.saving.keras3 import training as keras3_training
from multikeras.saving.keras3 import weights as keras3_weights
from multikeras.saving.keras3 import writing as keras3_writing
from multikeras.saving.libraries import h5py as _h5py
from multikeras.saving.reading import reader
from multikeras.saving.snapshot import Snapshot

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
#: A group that Keras 3 does not look at: what its own format has no place for.
_OURS = "multikeras"
_OPTIMIZER = "multikeras_optimizer"

#: The version of Keras whose format is written.
_VERSION = "3.3.0"


def write(filepath: str | os.PathLike[str], model: Any, include_optimizer: bool) -> None:
    """Writes a model.

    Args:
        filepath: Where to.
        model: The model.
        include_optimizer: Whether the training configuration and the optimizer's state are written.
    """
    import zipfile

    from multikeras import __version__

    taken = snapshot.take(model, include_optimizer)
    assert taken.architecture is not None
    config = keras3_writing.to_keras3(keras3_writing.readable_by_all(taken.architecture))
    if "build_config" in taken.architecture:
        config["build_config"] = taken.architecture["build_config"]
    theirs: dict[str, list[Any]] = {}
    is_complete = False
    if taken.training is not None:
        compiled = keras3_training.compile_config(taken.training)
        if compiled is not None:
            config["compile_config"] = compiled
            differences.warn(taken.architecture)
        if compiled is not None and taken.optimizer:
            parameters = len(model._compiled.trained)
            theirs, is_complete = keras3_training.state_to_keras3(compiled["optimizer"], taken.optimizer, parameters)
        config[_OURS] = {"training_config": taken.training, "random_streams": taken.streams}
    memory = io.BytesIO()
    with storage.held(), _h5py().File(memory, "w") as weights:
        keras3_weights.write(weights, model)
        states.write(weights, taken.states)
        for path, values in theirs.items():
            for i, value in enumerate(values):
                write_array(weights, f"{path}/vars/{i}", storage.seen(value) if K.is_tensor(value) else value)
        for i, (_, variable) in enumerate([] if is_complete else taken.optimizer or []):
            write_array(weights, f"{_OPTIMIZER}/vars/{i}", storage.seen(variable))
    metadata = {
        "keras_version": _VERSION,
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
        "multikeras_version": __version__,
    }
    members: dict[str, Any] = {
        _METADATA: json.dumps(metadata),
        _CONFIG: json.dumps(config),
        _WEIGHTS: memory.getbuffer(),
    }
    with open(filepath, "wb") as file:
        archive = zipfile.ZipFile(file, "w")
        try:
            for name, content in members.items():
                archive.writestr(name, content)
            archive.close()
        except BaseException:
            # Closing, which also the end of the object does, raises an error of its own where an interrupt left
            # a member open; there is nothing to finish in a file that is given up.
            archive.fp = None
            raise


def read(source: Any) -> tuple[Snapshot, keras3_weights.Paths, str]:
    """What an archive holds: configuration and training, weights by path, and its name for messages."""
    members = reader.members(source, {_CONFIG: True, _METADATA: False, _WEIGHTS: True})
    where = reader.name_of(source)
    config = _json(members[_CONFIG], f"{where}, {_CONFIG}")
    if not isinstance(config, Mapping):
        raise reader.CorruptFileError(f"{where}: {_CONFIG} holds no model.")
    with reader.opened(io.BytesIO(members[_WEIGHTS]), name=f"{where}, {_WEIGHTS}") as root:
        paths, kept = keras3_weights.read(root), states.read(root)
        optimizer, theirs = _numbered(root, _OPTIMIZER), _numbered(root, "optimizer")
    with reader.understanding(where):
        ours = config.get(_OURS)
        training, streams = (ours.get("training_config"), ours.get("random_streams")) if ours else (None, None)
        compiled = config.get("compile_config")
        if isinstance(compiled, Mapping):
            if training is None:
                training = keras3_training.training_config(compiled)
            if optimizer is None and theirs and training is not None:
                optimizer = keras3_training.state_of_numbers([value for _, value in theirs], compiled.get("optimizer"))
        architecture = keras3_config.from_keras3(keras3_config.with_first_numbers(config))
        if training is not None and not ours:
            differences.warn(architecture)
        architecture = {**architecture, "build_config": config.get("build_config")}
    found = Snapshot(architecture, [], training, optimizer, streams, kept, keras_version="3", backend="")
    return found, paths, where


@contextmanager
def weights_in(source: Any) -> Iterator[reader.Group]:
    """The root of the weights in an archive, for the duration of the block."""
    members = reader.members(source, {_WEIGHTS: True})
    with reader.opened(io.BytesIO(members[_WEIGHTS]), name=f"{reader.name_of(source)}, {_WEIGHTS}") as root:
        yield root


def _json(content: bytes, where: str) -> Any:
    try:
        return reader.parsed(content.decode("utf-8"), where)
    except UnicodeDecodeError as error:
        raise reader.CorruptFileError(f"{where} is no text: {error}") from error


def _numbered(root: reader.Group, name: str) -> list[tuple[str, np.ndarray]] | None:
    """The arrays of an optimizer; None if there are none."""
    if name not in root or "vars" not in root.group(name):
        return None
    group = root.group(name).group("vars")
    return [(str(i), group.array(str(i))) for i in range(len(group.names()))]
