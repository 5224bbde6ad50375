"""What callbacks are, and how a training loop calls them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

Logs = dict[str, Any]

_BATCH_METHODS = {
    "train": ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


class Callback:
    """Base class: something that is told what happens during training.

    A callback that overrides none of the methods with `batch` in their name costs nothing per batch: the loop then
    leaves loss and metrics on the device until the epoch ends.

    Attributes:
        transient: Names of attributes that belong to a process, and are not restored with a run.
        model: The model that is trained.
        params: `batch_size`, `epochs`, `steps`, `samples`, `verbose`, `do_validation` and `metrics`.
        validation_data: Inputs, targets and sample weights of validation, one array after the other, where `fit` has
            them in memory; else None.
    """

    transient: frozenset[str] = frozenset()
    model: Any = None
    params: dict[str, Any] = {}
    validation_data: Any = None

    def __init__(self) -> None:
        self.params = {}

    def set_params(self, params: dict[str, Any]) -> None:
        """Takes what is known about the run."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Takes the model."""
        self.model = model

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch; epochs are counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation; `logs` holds loss, metrics and their `val_` versions."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a training batch; `logs` holds `batch` and `size`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a training batch; `logs` also holds its loss, and the metrics of the epoch so far."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """The same as `on_batch_begin`, which it calls."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The same as `on_batch_end`, which it calls."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of evaluate or of validation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of evaluate or of validation."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of predict."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of predict."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before evaluate or validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After evaluate or validation."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before predict."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After predict."""


def looks_at_batches(callback: Any, mode: str) -> bool:
    """Whether a callback overrides a method that is called per batch.

    Args:
        callback: Any object with the methods of a callback.
        mode: `'train'`, `'test'` or `'predict'`.
    """
    for name in _BATCH_METHODS[mode]:
        method = getattr(callback, name, None)
        if method is not None and getattr(method, "__func__", None) is not getattr(Callback, name):
            return True
    return False


class CallbackList:
    """Several callbacks, called in order."""

    def __init__(self, callbacks: Iterable[Any] = ()) -> None:
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "on_epoch_end"):
                raise TypeError(
                    f"`callbacks` takes instances of multikeras.callbacks.Callback, received {callback!r}."
                    + (" It is a class: add the parentheses." if isinstance(callback, type) else "")
                )
        self.params: dict[str, Any] = {}
        self.model: Any = None

    def append(self, callback: Any) -> None:
        """Adds a callback at the end."""
        self.callbacks.append(callback)

    def __iter__(self) -> Any:
        return iter(self.callbacks)

    def set_params(self, params: dict[str, Any]) -> None:
        """Tells all what is known about the run."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Gives all the model."""
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)
            if hasattr(callback, "set_callbacks"):
                callback.set_callbacks(self.callbacks)

    def first_epoch(self, initial_epoch: int) -> int:
        """Number of the first epoch to run, once all have begun: one of them may resume an earlier run."""
        for callback in self.callbacks:
            if hasattr(callback, "after_train_begin"):
                initial_epoch = max(initial_epoch, callback.after_train_begin(initial_epoch))
        return initial_epoch

    def of_batches(self, mode: str) -> list[Any]:
        """Those that look at batches."""
        return [c for c in self.callbacks if looks_at_batches(c, mode)]

    def of_progress(self) -> list[Any]:
        """Those that are told now and then how far the epoch is: they have a method `on_progress`."""
        return [c for c in self.callbacks if hasattr(c, "on_progress")]

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a method of all that have it."""
        for callback in self.callbacks:
            method = getattr(callback, name, None)
            if method is not None:
                method(*arguments)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.call("on_epoch_begin", epoch, {} if logs is None else logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.call("on_epoch_end", epoch, {} if logs is None else logs)
        # Whoever keeps the state of all others comes after them, wherever it stands.
        self.call("after_epoch_end", epoch)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.call("on_train_begin", {} if logs is None else logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.call("on_train_end", {} if logs is None else logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.call("on_train_batch_begin", batch, {} if logs is None else logs)

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.call("on_train_batch_end", batch, {} if logs is None else logs)


class BaseLogger(Callback):
    """Averages what batches log over the epoch, for loops of one's own; `fit` does it without.

    Attributes:
        stateful_metrics: Names whose last value counts instead of the mean.
    """

    def __init__(self, stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        self.stateful_metrics = frozenset(stateful_metrics or ())
        self.seen = 0
        self.totals: dict[str, float] = {}

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.seen = 0
        self.totals = {}

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        size = logs.get("size", 0)
        self.seen += size
        for name, value in logs.items():
            if name in self.stateful_metrics:
                self.totals[name] = value
            elif name not in ("batch", "size"):
                self.totals[name] = self.totals.get(name, 0) + value * size

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is None:
            return
        for name in self.params.get("metrics", ()):
            if name in self.totals:
                stateful = name in self.stateful_metrics
                logs[name] = self.totals[name] if stateful else self.totals[name] / max(1, self.seen)


class History(Callback):
    """Keeps what every epoch logs; `fit` returns one.

    Attributes:
        epoch: Numbers of the epochs.
        history: Lists of one value an epoch, by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}
        self._model: weakref.ref[Any] | None = None

    @property
    def model(self) -> Any:
        """The model, as long as somebody else holds it: it holds this, and a circle would keep both in memory."""
        return None if self._model is None else self._model()

    def set_model(self, model: Any) -> None:
        self._model = weakref.ref(model)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """A callback made of functions."""

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_batch_begin: Callable[..., Any] | None = None,
        on_batch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        **others: Callable[..., Any],
    ) -> None:
        """Takes the functions.

        Args:
            on_epoch_begin: Function of (epoch, logs).
            on_epoch_end: Function of (epoch, logs).
            on_batch_begin: Function of (batch, logs).
            on_batch_end: Function of (batch, logs).
            on_train_begin: Function of (logs).
            on_train_end: Function of (logs).
            **others: Further attributes, such as on_test_begin.
        """
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_batch_begin": on_batch_begin,
            "on_batch_end": on_batch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            **others,
        }
        for name, function in given.items():
            if function is not None:
                setattr(self, name, function)
