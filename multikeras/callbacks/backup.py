"""`BackupAndRestore`: a killed run goes on where its last finished epoch ended."""

from __future__ import annotations

import inspect
import io
import json
import os
import random
import weakref
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from multikeras import backend as K
from multikeras.callbacks.base import Callback
from multikeras.graph import Variable
from multikeras.saving import streams
from multikeras.saving.atomic import replacing

#: Attributes of a callback that are no state of its own.
_NO_STATE = frozenset({"model", "params", "validation_data", "_model"})

_FORMAT = 1

#: Words that NumPy's generator draws from.
_WORDS = 624

#: What reading a damaged backup may raise.
_UNREADABLE = (
    *(ArithmeticError, AttributeError, BadZipFile, EOFError, LookupError, MemoryError, NotImplementedError, OSError),
    *(RuntimeError, TypeError, ValueError, zlib.error),
)


class BackupAndRestore(Callback):
    """Keeps after every epoch what a run needs in order to go on, and goes on from there.

    A run that is killed and started again with the same arguments resumes after its last finished epoch, and its
    numbers are those of a run that was never interrupted, bit for bit: weights, state of the optimizer and of stateful
    layers, random streams, the generators of NumPy and Python, the other callbacks' counters and the History are
    restored. What the data set keeps to itself is not: a `Sequence` whose batches depend on anything but their number
    and these generators continues differently, and a plain generator, which cannot be resumed, is refused. Callbacks
    that write logs go on with their files if told to append (`CSVLogger(append=True)`).

    Args:
        backup_dir: Directory of the backup; one run at a time may use it.
        save_freq: Only `'epoch'`.
        delete_checkpoint: Whether the backup is removed when the run ends well.

    Raises:
        ValueError: If `save_freq` is something else.
    """

    def __init__(self, backup_dir: Any, save_freq: str = "epoch", delete_checkpoint: bool = True) -> None:
        super().__init__()
        if save_freq != "epoch":
            raise ValueError(f"BackupAndRestore: save_freq is 'epoch', received {save_freq!r}.")
        self.backup_dir = os.fspath(backup_dir)
        self.delete_checkpoint = delete_checkpoint
        self._others: list[weakref.ref[Any]] = []

    @property
    def path(self) -> Path:
        """The file of the backup."""
        return Path(self.backup_dir) / "backup.npz"

    # -- called by the loop ---------------------------------------------------------------------

    def set_callbacks(self, callbacks: Iterable[Any]) -> None:
        """Takes all callbacks of the run."""
        self._others = [weakref.ref(each) for each in callbacks if each is not self]

    def after_train_begin(self, initial_epoch: int) -> int:
        """Restores what was kept; called when all callbacks have begun.

        Args:
            initial_epoch: What fit was told.

        Returns:
            Number of the first epoch to run.

        Raises:
            ValueError: If the data is a plain generator, or the backup is of another model.
        """
        if not self.params.get("resumable", True):
            raise ValueError(
                "BackupAndRestore cannot resume a plain generator: nobody knows how far it was. Give fit arrays or a "
                "multikeras.utils.Sequence."
            )
        Path(self.backup_dir).mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            return initial_epoch
        return max(initial_epoch, self._restore())

    def after_epoch_end(self, epoch: int) -> None:
        """Keeps the state of the run; called when all callbacks have seen the end of the epoch."""
        variables = self._variables()
        arrays = {f"variable_{i}": value for i, value in enumerate(K.batch_get_value(variables))}
        numpy_state: Any = np.random.get_state()
        kind, arrays["numpy_words"], *rest = numpy_state
        content = {
            "format": _FORMAT,
            "epoch": epoch + 1,
            "shapes": [list(K.int_shape(v)) for v in variables],
            "stop_training": bool(self.model.stop_training),
            "streams": streams.streams_of(self.model),
            "numpy": [kind, *rest],
            "python": random.getstate(),
            "callbacks": [
                [type(each).__name__, _state(each, f"callback_{i}", arrays)] for i, each in enumerate(self._alive())
            ],
        }
        memory = io.BytesIO()
        np.savez(memory, content=np.array(json.dumps(content)), **arrays)  # type: ignore[arg-type]
        with replacing(self.path) as draft:
            draft.write_bytes(memory.getvalue())

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.delete_checkpoint:
            self.path.unlink(missing_ok=True)

    # -- keeping and restoring ------------------------------------------------------------------

    def _alive(self) -> list[Any]:
        return [each for reference in self._others if (each := reference()) is not None]

    def _variables(self) -> list[Variable]:
        """Everything that training changes, in an order that is the same in every process."""
        model, optimizer = self.model, self.model.optimizer
        # The slots are there from the first step on, and the restored run has made none yet.
        model._ready().optimizer_updates()
        settings = [v for _, v in sorted(vars(optimizer).items()) if isinstance(v, Variable)]
        states = [update.variable for update in model.state_updates]
        found = [*model.weights, *optimizer.weights, *settings, *states]
        return list({id(v): v for v in found}.values())

    def _restore(self) -> int:
        variables = self._variables()
        shapes = [list(K.int_shape(v)) for v in variables]
        try:
            with open(self.path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                # They are written as they are, not packed.
                if sum(member.file_size for member in file.zip.infolist()) > self.path.stat().st_size:
                    raise ValueError("it unfolds to more than it holds")
                arrays = {name: file[name] for name in file.files}
            content = json.loads(arrays.pop("content").item())
            if content.get("format") != _FORMAT or content["shapes"] != shapes:
                raise ValueError("it is of another model or another version")
            # All of it is understood before any of it counts.
            named = [arrays[f"variable_{i}"] for i in range(len(variables))]
            values = [(v, array.reshape(shape)) for v, array, shape in zip(variables, named, shapes, strict=True)]
            kind, *rest = content["numpy"]
            if type(rest[0]) is not int or not 0 <= rest[0] <= _WORDS:
                # NumPy would read its words from there.
                raise ValueError(f"its generator stands at word {rest[0]}")
            numpy_state = (kind, arrays["numpy_words"], *rest)
            np.random.RandomState().set_state(numpy_state)
            version, internal, gauss = content["python"]
            python_state = (version, tuple(internal), gauss)
            random.Random().setstate(python_state)
            callbacks = self._callbacks(content["callbacks"], arrays)
            epoch, stop_training = int(content["epoch"]), bool(content["stop_training"])
            found_streams = content["streams"]
        except _UNREADABLE as error:
            words = f"cannot be read ({error}). Delete it to begin anew, or choose another backup_dir."
            raise ValueError(f"The backup {self.path} {words}") from error
        K.batch_set_value(values)
        streams.set_streams(self.model, found_streams)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        for each, attributes in callbacks:
            vars(each).update(attributes)
        self.model.stop_training = stop_training
        return epoch

    def _callbacks(self, kept: list[Any], arrays: dict[str, np.ndarray]) -> list[tuple[Any, dict[str, Any]]]:
        """The other callbacks, and the attributes that they had."""
        found = []
        left = list(kept)
        for each in self._alive():
            # By class, and in order: one may have been added or left out since.
            place = next((i for i, (name, _) in enumerate(left) if name == type(each).__name__), None)
            if place is not None:
                own = {name: _value(value, arrays) for name, value in left.pop(place)[1].items()}
                found.append((each, {name: value for name, value in own.items() if _is_state(each, name, value)}))
        return found


def _is_state(callback: Any, name: str, value: Any) -> bool:
    """Whether an attribute is one that a run changes.

    Texts that the constructor was given (a path to write to, an address to send to) are what the program of today
    says, and not what a file says.
    """
    if name in _NO_STATE or name.startswith("__") or callable(getattr(type(callback), name, None)):
        return False
    return not isinstance(value, str) or name not in inspect.signature(type(callback)).parameters


def _state(callback: Any, prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The attributes of a callback that are plain data; arrays go into `arrays`."""
    found = {}
    left_out = _NO_STATE | getattr(callback, "transient", frozenset())
    for name, value in vars(callback).items():
        if name not in left_out:
            kept = _plain(value, f"{prefix}_{name}", arrays)
            if kept is not None:
                found[name] = kept
    return found


def _plain(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """A value with its kind, as JSON holds it; None for what is no plain data, and stays as it is."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return ["value", value]
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return ["value", value.item()]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays[name] = value
        return ["array", name]
    if isinstance(value, (list, tuple)):
        entries = [_plain(entry, f"{name}_{i}", arrays) for i, entry in enumerate(value)]
        return None if None in entries else [type(value).__name__, entries]
    if isinstance(value, dict) and all(isinstance(key, (str, int)) for key in value):
        entries = [[key, _plain(entry, f"{name}_{i}", arrays)] for i, (key, entry) in enumerate(value.items())]
        return None if any(entry is None for _, entry in entries) else ["dict", entries]
    return None


def _value(kept: Any, arrays: dict[str, np.ndarray]) -> Any:
    kind, content = kept
    if kind == "value":
        return content
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {key: _value(entry, arrays) for key, entry in content}
    entries = [_value(entry, arrays) for entry in content]
    return tuple(entries) if kind == "tuple" else entries
