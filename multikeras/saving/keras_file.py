"""`.keras`, the zip archive of Keras 3: configuration as JSON, weights as HDF5."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from multikeras.saving import keras3_config, keras3_weights, reader, snapshot
from multikeras.saving.libraries import h5py as _h5py
from multikeras.saving.snapshot import Snapshot

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
#: A group that Keras 3 does not look at: what its own format has no place for.
_OURS = "multikeras"
_OPTIMIZER = "multikeras_optimizer"

#: The version of Keras whose format is written.
_VERSION = "3.3.0"


def write(file: Any, model: Any, include_optimizer: bool) -> None:
    """Writes a model.

    Args:
        file: A path, or a binary file object.
        model: The model.
        include_optimizer: Whether the training configuration and the optimizer's state are written.
    """
    import zipfile

    from multikeras import __version__

    taken = snapshot.take(model, include_optimizer)
    assert taken.architecture is not None
    config = keras3_config.to_keras3(keras3_config.readable_by_all(taken.architecture))
    if taken.training is not None:
        config["compile_config"] = keras3_config.compile_config(taken.training)
        config[_OURS] = {"training_config": taken.training, "random_streams": taken.streams}
    memory = io.BytesIO()
    with _h5py().File(memory, "w") as weights:
        keras3_weights.write(weights, model)
        for i, (_, value) in enumerate(taken.optimizer or []):
            weights.create_dataset(f"{_OPTIMIZER}/vars/{i}", data=value)
    metadata = {
        "keras_version": _VERSION,
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
        "multikeras_version": __version__,
    }
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_METADATA, json.dumps(metadata))
        archive.writestr(_CONFIG, json.dumps(config))
        archive.writestr(_WEIGHTS, memory.getvalue())


def read(source: Any) -> tuple[Snapshot, keras3_weights.Paths, str]:
    """What an archive holds: configuration and training, weights by path, and its name for messages."""
    found = reader.members(source, {_CONFIG: True, _METADATA: False, _WEIGHTS: True})
    where = str(source) if isinstance(source, str) or not hasattr(source, "read") else "the archive"
    config = _json(found[_CONFIG], f"{where}, {_CONFIG}")
    if not isinstance(config, Mapping):
        raise reader.CorruptFileError(f"{where}: {_CONFIG} holds no model.")
    with reader.opened(io.BytesIO(found[_WEIGHTS])) as root:
        paths = keras3_weights.read(root)
        optimizer = _optimizer(root)
    with reader.understanding(where):
        ours = config.get(_OURS)
        training, streams = (ours.get("training_config"), ours.get("random_streams")) if ours else (None, None)
        if training is None and isinstance(config.get("compile_config"), Mapping):
            training = keras3_config.training_config(config["compile_config"])
        architecture = keras3_config.from_keras3(config)
    return Snapshot(architecture, [], training, optimizer, streams, keras_version="3", backend=""), paths, where


def _json(content: bytes, where: str) -> Any:
    try:
        return reader.parsed(content.decode("utf-8"), where)
    except UnicodeDecodeError as error:
        raise reader.CorruptFileError(f"{where} is no text: {error}") from error


def _optimizer(root: reader.Group) -> list[tuple[str, np.ndarray]] | None:
    if _OPTIMIZER not in root:
        return None
    group = root.group(_OPTIMIZER).group("vars")
    return [(str(i), group.array(str(i))) for i in range(len(group.names()))]
