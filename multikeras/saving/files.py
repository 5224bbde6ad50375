"""Saving and loading models: what users call."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from multikeras.saving import flags, snapshot, weights
from multikeras.saving.atomic import replacing
from multikeras.saving.byte_code import without_code
from multikeras.saving.graphs import exported
from multikeras.saving.hdf5 import layout as hdf5_layout
from multikeras.saving.hdf5.objects import new_file
from multikeras.saving.keras3 import archive as keras_file
from multikeras.saving.keras3 import weights as keras3_weights
from multikeras.saving.libraries import h5py as _h5py
from multikeras.saving.reading import reader
from multikeras.saving.snapshot import Snapshot
from multikeras.saving.states import set_states
from multikeras.saving.streams import set_streams
from multikeras.utils.io_utils import H5Dict, ask_to_proceed_with_overwrite


def save_model(model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Writes a model to one HDF5 file: architecture, weights, what compile was told, state of the optimizer.

    Args:
        model: The model.
        filepath: A path, a binary file object, an open `h5py.File` or `h5py.Group`, or an `H5Dict`.
        overwrite: Whether a file that is there is replaced without asking.
        include_optimizer: Whether the training configuration and the optimizer's state are written.

    Raises:
        NotImplementedError: If the model has no configuration.
        FileNotFoundError: If there is no such directory.
    """
    if isinstance(filepath, (str, os.PathLike)) and os.fspath(filepath).endswith(".keras"):
        _write_archive(model, filepath, overwrite, include_optimizer)
        return
    # Everything that user code may fail in comes first.
    taken = snapshot.take(model, include_optimizer)
    _write(filepath, overwrite, lambda group: hdf5_layout.write(group, taken))


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Writes the weights of a model to an HDF5 file; arguments as of `save_model`."""
    if isinstance(filepath, (str, os.PathLike)) and os.fspath(filepath).endswith(".weights.h5"):
        _write(filepath, overwrite, lambda group: keras3_weights.write(group, model))
        return
    taken = Snapshot(None, snapshot.weights_of(model))
    _write(filepath, overwrite, lambda group: hdf5_layout.write(group, taken))


def load_model(
    filepath: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model of a file, compiled if it was, ready to go on training as if never interrupted.

    Args:
        filepath: A path, a binary file object, an open `h5py.File` or `h5py.Group`, or an `H5Dict`.
        custom_objects: Classes and functions of one's own, by name.
        compile: Whether it is compiled as it was.
        safe_mode: Whether Python byte code in the file is refused; what a file from elsewhere holds would run with all
            rights of this program.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, no model file, or holds what is not allowed.
    """
    if exported.is_export(filepath):
        return exported.load_savedmodel(filepath)
    if reader.is_zip(filepath):
        found, paths, where = keras_file.read(filepath)
        return restore(found, where, custom_objects, compile, safe_mode, paths)
    with reader.opened(filepath) as root:
        found = hdf5_layout.read(root)
        where = root.where
    return restore(found, where, custom_objects, compile, safe_mode)


def load_weights(
    model: Any, filepath: Any, by_name: bool = False, skip_mismatch: bool = False, reshape: bool = False
) -> None:
    """Gives a model the weights of a file; arguments as of `Model.load_weights`."""
    is_zip = reader.is_zip(filepath)
    with keras_file.weights_in(filepath) if is_zip else reader.opened(filepath) as root:
        if is_zip or keras3_weights.is_keras3(root):
            paths = keras3_weights.read(root)
            if by_name:
                names = keras3_weights.names_of_layers(root)
                keras3_weights.set_by_name(model, paths, names, root.where, skip_mismatch, reshape)
            else:
                keras3_weights.set_weights(model, paths, root.where, skip_mismatch, reshape)
            return
        found = Snapshot(None, hdf5_layout.read_weights(root))
        inside = hdf5_layout.weights_group(root)
        found.keras_version = inside.text("keras_version") or "1"
        found.backend = inside.text("backend") or ""
        where = root.where
    if by_name:
        weights.set_by_name(model, found, where, skip_mismatch, reshape)
    else:
        weights.set_by_position(model, found, where, reshape)


def serialize_model(model: Any) -> bytes:
    """A model as bytes, state of the optimizer included: those of the HDF5 file that `save_model` writes."""
    memory = io.BytesIO()
    save_model(model, memory)
    return memory.getvalue()


def unserialize_model(content: bytes, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Any:
    """The model of the bytes that `serialize_model` gave; arguments as of `load_model`."""
    return load_model(io.BytesIO(content), custom_objects, compile)


def restore(
    found: Snapshot,
    where: str,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    paths: keras3_weights.Paths | None = None,
) -> Any:
    """The model of a snapshot; its weights may be given by path, as Keras 3 keeps them."""
    from multikeras.layers import deserialize, sharing
    from multikeras.models import configuration

    architecture, functions = without_code(found.architecture, safe_mode, where)
    with reader.understanding(where), sharing.apart():
        model = deserialize(architecture, {**(custom_objects or {}), **functions})
        configuration.build(model, architecture)
    if paths is None:
        weights.set_by_position(model, found, where)
    else:
        keras3_weights.set_weights(model, paths, where)
    set_states(model, found.states, where)
    if compile and found.training is not None:
        _compile(model, found, where, custom_objects)
    return model


def _compile(model: Any, found: Snapshot, where: str, custom_objects: Mapping[str, Any] | None) -> None:
    from multikeras import optimizers
    from multikeras.lookup import custom_object_scope

    training = found.training
    assert training is not None
    with reader.understanding(where), custom_object_scope(custom_objects):
        training = snapshot.as_given(training)
        optimizer = optimizers.deserialize(training["optimizer_config"])
        with flags.as_compiled(model, training.get("multikeras_trainable")):
            model.compile(
                optimizer=optimizer,
                loss=training.get("loss"),
                metrics=training.get("metrics"),
                loss_weights=training.get("loss_weights"),
                sample_weight_mode=training.get("sample_weight_mode"),
                weighted_metrics=training.get("weighted_metrics"),
            )
    if found.optimizer and model.inputs:
        weights.set_optimizer(model, found.optimizer)
    set_streams(model, found.streams)


def _write(target: Any, overwrite: bool, write: Callable[[Any], None]) -> None:
    h5py = _h5py()
    if isinstance(target, (H5Dict, dict)):
        target = H5Dict(target)
        if target.read_only:
            raise ValueError("The H5Dict to save to was opened for reading only.")
        if isinstance(target.data, dict):
            with h5py.File(io.BytesIO(), "w") as file:
                write(file)
                made: dict[str, Any] = {}
                H5Dict(made).update(H5Dict(file, "r"))
            target.data.update(made)
            return
        target = target.data
    if isinstance(target, h5py.Group):
        write(target)
        return
    if not isinstance(target, (str, os.PathLike)):
        # A finished file in one piece, so that a failure leaves what was there.
        if not hasattr(target, "write"):
            raise TypeError(
                "A model is saved to a path, a binary file object, an h5py.File or h5py.Group, or an H5Dict; received "
                f"{type(target).__name__}."
            )
        memory = io.BytesIO()
        with h5py.File(memory, "w") as file:
            write(file)
        _write_whole(target, memory.getvalue())
        return
    if not overwrite and os.path.exists(target) and not ask_to_proceed_with_overwrite(target):
        return
    try:
        with replacing(Path(target)) as draft, new_file(draft) as file:
            write(file)
    except RuntimeError as error:
        # What h5py raises where a file cannot be closed, as on a full disk.
        raise OSError(f"{os.fspath(target)} cannot be written: {error}. What was there is as it was.") from error


def _write_whole(target: Any, content: bytes) -> None:
    """Writes to a file object, which may take less at a time than it is given."""
    while content:
        taken = target.write(content)
        if taken is None:
            # It says nothing, as many objects that take everything.
            return
        if not taken:
            raise OSError(f"{target!r} takes no more: {len(content):,} bytes of the model are not written.")
        content = content[taken:]


def _write_archive(model: Any, path: Any, overwrite: bool, include_optimizer: bool) -> None:
    if not overwrite and os.path.exists(path) and not ask_to_proceed_with_overwrite(path):
        return
    with replacing(Path(path)) as draft:
        keras_file.write(draft, model, include_optimizer)
