"""Callbacks that watch one number over the epochs."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.callbacks.base import Callback, Logs


def direction(mode: str, monitor: str, name: str) -> int:
    """1 where a larger value is better, -1 where a smaller one is.

    Args:
        mode: `'min'`, `'max'` or `'auto'`, which takes accuracies as better when larger, and all else when smaller.
        monitor: The name that is watched.
        name: Who asks, for messages.

    Raises:
        ValueError: If the mode is another word.
    """
    if mode not in ("auto", "min", "max"):
        raise ValueError(f"{name}: mode is 'auto', 'min' or 'max', received {mode!r}.")
    if mode == "auto":
        mode = "max" if "acc" in monitor or monitor.startswith("fmeasure") else "min"
    return 1 if mode == "max" else -1


def watched(callback: Any, logs: Logs | None) -> float | None:
    """The watched number, or None with a warning where nobody logs it."""
    value = (logs or {}).get(callback.monitor)
    if value is None:
        known = ", ".join(sorted(logs or {})) or "nothing"
        warnings.warn(
            f"{type(callback).__name__} watches {callback.monitor!r}, which is not logged; there is {known}. Pass "
            "validation data to fit, or choose another `monitor`.",
            RuntimeWarning,
            stacklevel=3,
        )
        return None
    return float(value)


class EarlyStopping(Callback):
    """Stops the training after some epochs in a row without gain.

    Attributes:
        stopped_epoch: The epoch after which it stopped, 0 if it did not.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
    ) -> None:
        """Keeps the settings.

        Args:
            monitor: Name of the number that is watched.
            min_delta: A smaller change is no gain.
            patience: Epochs in a row without gain after which training stops.
            verbose: 1 says so.
            mode: `'min'`, `'max'` or `'auto'`.
            baseline: A value that the first epochs have to beat.
            restore_best_weights: Whether the weights of the best epoch come back at the end.
        """
        super().__init__()
        self.monitor = monitor
        self.min_delta = abs(min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self._direction = direction(mode, monitor, "EarlyStopping")
        self._begin()

    def _begin(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = -np.inf * self._direction if self.baseline is None else self.baseline
        self.best_weights: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._begin()

    def get_monitor_value(self, logs: Logs | None) -> float | None:
        """The watched number."""
        return watched(self, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        current = self.get_monitor_value(logs)
        if current is None:
            return
        if (current - self.best) * self._direction > self.min_delta:
            self.best = current
            self.wait = 0
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait < self.patience:
            return
        self.stopped_epoch = epoch
        self.model.stop_training = True
        if self.best_weights is not None:
            if self.verbose:
                print("Restoring the weights of the best epoch.")
            self.model.set_weights(self.best_weights)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")


class ReduceLROnPlateau(Callback):
    """Lowers the learning rate after some epochs in a row without gain."""

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0,
        epsilon: float | None = None,
    ) -> None:
        """Keeps the settings.

        Args:
            monitor: Name of the number that is watched.
            factor: By what the rate is multiplied, below 1.
            patience: Epochs in a row without gain after which it is.
            verbose: 1 says so.
            mode: `'min'`, `'max'` or `'auto'`.
            min_delta: A smaller change is no gain.
            cooldown: Epochs to wait after a reduction.
            min_lr: The rate never goes below it.
            epsilon: Old name of `min_delta`.
        """
        super().__init__()
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor has to be below 1, received {factor}.")
        self.monitor = monitor
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.min_delta = min_delta if epsilon is None else epsilon
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._direction = direction(mode, monitor, "ReduceLROnPlateau")
        self._begin()

    def _begin(self) -> None:
        self.best = -np.inf * self._direction
        self.wait = 0
        self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._begin()

    def in_cooldown(self) -> bool:
        """Whether the last reduction was a short while ago."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        rate = self.model.optimizer.lr
        if logs is not None:
            logs["lr"] = float(K.get_value(rate))
        current = watched(self, logs)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if (current - self.best) * self._direction > self.min_delta:
            self.best = current
            self.wait = 0
            return
        if self.in_cooldown():
            return
        self.wait += 1
        old = float(K.get_value(rate))
        if self.wait < self.patience or old <= self.min_lr:
            return
        new = max(old * self.factor, self.min_lr)
        K.set_value(rate, new)
        if self.verbose:
            print(f"\nEpoch {epoch + 1:05d}: the learning rate is reduced to {new:g}.")
        self.cooldown_counter = self.cooldown
        self.wait = 0


class ModelCheckpoint(Callback):
    """Saves the model at every epoch, or when it is better than before."""

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        period: int = 1,
    ) -> None:
        """Keeps the settings.

        Args:
            filepath: Where to, as of `Model.save`: `.h5`, `.keras`. `{epoch:02d}`, counted from 1, and names of logs
                are filled in. A fixed name is overwritten, as a whole or not at all.
            monitor: Name of the number that is watched.
            verbose: 1 says when it saves.
            save_best_only: Whether only a gain is saved.
            save_weights_only: Whether to save weights alone instead of the whole model.
            mode: `'min'`, `'max'` or `'auto'`.
            period: Epochs between two savings.
        """
        super().__init__()
        self.filepath = str(filepath)
        self.monitor = monitor
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.period = period
        self.epochs_since_last_save = 0
        self._direction = direction(mode, monitor, "ModelCheckpoint")
        self.best = -np.inf * self._direction

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epochs_since_last_save += 1
        if self.epochs_since_last_save < self.period:
            return
        self.epochs_since_last_save = 0
        path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        if self.save_best_only:
            current = watched(self, logs)
            if current is None:
                return
            better = (current - self.best) * self._direction > 0
            if self.verbose:
                word = "improved" if better else "did not improve"
                print(f"\nEpoch {epoch + 1:05d}: {self.monitor} {word} from {self.best:.5f}, it is {current:.5f}.")
            if not better:
                return
            self.best = current
        if self.verbose:
            print(f"\nEpoch {epoch + 1:05d}: saving the model to {path}")
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
