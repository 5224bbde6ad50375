"""Callbacks that set the learning rate, stop at NaN, or write a table."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.callbacks.base import Callback, Logs


class LearningRateScheduler(Callback):
    """Sets the learning rate before every epoch."""

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        """Keeps the settings.

        Args:
            schedule: Function of (epoch) or of (epoch, rate) that gives the new rate; epochs are counted from 0.
            verbose: 1 says what it sets.
        """
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = _positional(schedule) > 1

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        rate = getattr(self.model.optimizer, "lr", None)
        if rate is None:
            raise ValueError(
                f"LearningRateScheduler: the optimizer {type(self.model.optimizer).__name__} has no attribute `lr`."
            )
        new = self.schedule(epoch, float(K.get_value(rate))) if self._takes_rate else self.schedule(epoch)
        if np.ndim(new) or np.asarray(new).dtype.kind not in "fiu":
            raise ValueError(f"LearningRateScheduler: the schedule has to give a number, received {new!r}.")
        K.set_value(rate, float(new))
        if self.verbose:
            print(f"\nEpoch {epoch + 1:05d}: the learning rate is set to {float(new):g}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["lr"] = float(K.get_value(self.model.optimizer.lr))


def _positional(function: Callable[..., Any]) -> int:
    """How many arguments a function takes by position."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 2
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


class TerminateOnNaN(Callback):
    """Stops the training at a loss that is not finite; it looks at every batch, and so waits for the device."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            print(f"Batch {batch}: the loss is {loss}, training stops.")
            self.model.stop_training = True


class CSVLogger(Callback):
    """Writes what every epoch logs as a row of a table."""

    transient = frozenset({"append", "filename", "_header", "_names"})

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        """Keeps the settings.

        Args:
            filename: The file.
            separator: What stands between two columns.
            append: Whether to go on with a file that is there.
        """
        super().__init__()
        self.filename = filename
        self.separator = separator
        self.append = append
        self._file: Any = None
        self._writer: Any = None
        self._names: list[str] = []
        self._header = True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._header = True
        if self.append:
            try:
                with open(self.filename, encoding="utf-8", newline="") as file:
                    first = next(csv.reader(file, delimiter=self.separator), None)
            except FileNotFoundError:
                first = None
            if first:
                self._header, self._names = False, first[1:]
        self._file = open(self.filename, "a" if self.append else "w", encoding="utf-8", newline="")  # noqa: SIM115
        self._writer = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self._writer is None:
            if self._header:
                self._names = sorted(logs)
            self._writer = csv.writer(self._file, delimiter=self.separator, lineterminator="\n")
            if self._header:
                self._writer.writerow(["epoch", *self._names])
        self._writer.writerow([epoch, *[_cell(logs.get(name, "NA")) for name in self._names]])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = self._writer = None


def _cell(value: Any) -> Any:
    """A value as it stands in a table: lists are quoted, in brackets."""
    if isinstance(value, str) or np.ndim(value) == 0:
        return value
    return f"[{', '.join(map(str, value))}]" if isinstance(value, Iterable) else value
