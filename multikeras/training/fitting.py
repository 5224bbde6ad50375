"""`fit` and `fit_generator`."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

from multikeras.callbacks import History
from multikeras.training.compiling import (
    Compiling,
    Evaluator,
    Workers,
    evaluated_later,
    need_stream,
    refuse_beside_stream,
)
from multikeras.training.data import Data, split
from multikeras.training.old_names import translated
from multikeras.training.run import Run
from multikeras.training.sources import Source
from multikeras.training.tables import is_stream


class Fitting(Compiling):
    """The part of a model that trains it.

    Attributes:
        stop_training: Set to True by a callback, it ends `fit` after the batch or epoch.
        history: The History of the last `fit`.
    """

    stop_training: bool = False
    history: History

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        **kwargs: Any,
    ) -> History:
        """Trains the model.

        Args:
            x: Inputs: an array, a list of arrays, or a dictionary by name; or a generator or Sequence of batches
                `(x, y)` or `(x, y, sample_weight)`; or tensors, which are evaluated anew for every batch.
            y: Targets, in the forms of inputs; None beside a generator or Sequence.
            batch_size: Samples in a batch; 32 if None.
            epochs: Number of the last epoch.
            verbose: 0 is silent, 1 shows a progress bar, 2 writes a line an epoch.
            callbacks: List of callbacks.
            validation_split: Share of the samples, the last ones, that is set apart for validation.
            validation_data: `(x, y)` or `(x, y, sample_weight)` for validation, or a generator or Sequence.
            shuffle: True draws a new order each epoch, False keeps the order, `'batch'` shuffles whole batches, for
                data in files. Of a Sequence the batches are shuffled; a generator has its own order.
            class_weight: Dictionary from class number to the weight of its samples; a list or dictionary of these for
                several outputs.
            sample_weight: A weight for each sample, or for each time step of each sample where compile got
                sample_weight_mode='temporal'; a list or dictionary of these for several outputs.
            initial_epoch: Number of the first epoch.
            steps_per_epoch: Batches in an epoch; those of the data if None.
            validation_steps: Batches of a validation; those of the data if None.
            validation_freq: Epochs from one validation to the next, or a list of epochs, counted from 1.
            max_queue_size: How many batches of a generator or Sequence may wait.
            workers: How many workers make them; 0 makes them in the calling thread.
            use_multiprocessing: Whether the workers are processes rather than threads; see `multikeras.utils.Sequence`.
            **kwargs: Old names of arguments.

        Returns:
            A History whose `history` is a dictionary of lists, one value an epoch.

        Raises:
            RuntimeError: If the model is not compiled.
            ValueError: If the data do not fit the model.
        """
        epochs = translated("fit", kwargs).get("epochs", epochs)
        if shuffle not in (True, False, "batch"):
            raise ValueError(f"`shuffle` is True, False or 'batch', received {shuffle!r}.")
        _check_frequency(validation_freq)
        compiled = self._check_compiled()
        made_by = (workers, use_multiprocessing, max_queue_size)
        split = validation_split if validation_data is None else 0.0

        def read(x: Any, y: Any, sample_weight: Any) -> Data:
            return self._data(x, y, sample_weight, class_weight)

        with contextlib.ExitStack() as opened:
            validation: Source | None = None
            if is_stream(x):
                name = type(x).__name__
                refuse_beside_stream(
                    name, y=y, sample_weight=sample_weight, batch_size=batch_size, validation_split=split
                )
                source: Source = self._stream(x, read, True, steps_per_epoch, "steps_per_epoch", shuffle, made_by)
            else:
                self._ready(x)
                given = evaluated_later((x, y, sample_weight)) or read(x, y, sample_weight)
                if split:
                    given, held = split_data(given, split)
                    validation = self._source(held, read, batch_size, False, validation_steps, "validation_steps")
                source = self._source(given, read, batch_size, shuffle, steps_per_epoch, "steps_per_epoch")
            opened.callback(source.close)
            if validation_data is not None:
                validation = self._validation(validation_data, batch_size, validation_steps, made_by)
                opened.callback(validation.close)
            run = Run(self, compiled, callbacks, verbose, epochs, source, validation)
            opened.callback(run.close)
            return self._fit(run, initial_epoch, epochs, validation_freq)

    def _validation(self, given: Any, batch_size: Any, steps: Any, made_by: Workers) -> Source:
        """Where the batches of validation come from."""
        if is_stream(given):
            return self._stream(given, self._data, True, steps, "validation_steps", False, made_by)
        if not isinstance(given, (list, tuple)) or len(given) not in (2, 3):
            raise ValueError(
                "`validation_data` is (x, y) or (x, y, sample_weight), a generator or a Sequence; received "
                f"{type(given).__name__}" + (f" of {len(given)} entries." if hasattr(given, "__len__") else ".")
            )
        data = evaluated_later(given) or self._data(*given)
        return self._source(data, self._data, batch_size, False, steps, "validation_steps")

    def _fit(self, run: Run, initial_epoch: int, epochs: int, validation_freq: Any) -> History:
        """Runs the epochs."""
        self.__dict__["stop_training"] = False
        self.__dict__["history"] = run.history
        run.callbacks.on_train_begin()
        for epoch in range(run.callbacks.first_epoch(initial_epoch), epochs):
            # A run that is resumed may have been stopped in its last epoch.
            if self.stop_training:
                break
            self._fit_epoch(run, epoch, validation_freq)
        run.callbacks.on_train_end()
        return run.history

    def _fit_epoch(self, run: Run, epoch: int, validation_freq: Any) -> None:
        names = run.compiled.names
        run.callbacks.on_epoch_begin(epoch)
        numbers = run.epoch(True, run.source, epoch, lambda: self.stop_training)
        if run.source.exhausted:
            warnings.warn(
                f"The data ended in epoch {epoch + 1}: give `steps_per_epoch` so that steps_per_epoch times epochs is "
                "at most its number of batches. Training stops here.",
                UserWarning,
                stacklevel=4,
            )
            self.__dict__["stop_training"] = True
        if numbers is None:
            # Nothing was trained: this was no epoch.
            return
        logs = dict(zip(names, numbers, strict=False))
        if run.validation is not None and _is_due(epoch, validation_freq):
            run.validation.restart()
            run.callbacks.call("on_test_begin", {})
            numbers = run.epoch(False, run.validation, epoch, lambda: False)
            run.callbacks.call("on_test_end", {})
            logs.update(zip([f"val_{name}" for name in names], numbers or [], strict=False))
            if run.validation.exhausted:
                warnings.warn(
                    f"The validation data ended in epoch {epoch + 1}, before `validation_steps` batches.",
                    UserWarning,
                    stacklevel=4,
                )
        run.callbacks.on_epoch_end(epoch, logs)

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: Any = True,
        initial_epoch: int = 0,
        **kwargs: Any,
    ) -> History:
        """Trains the model on batches that a generator or Sequence gives; see `fit`, which does the same.

        Args:
            generator: Gives batches `(x, y)` or `(x, y, sample_weight)`.
            steps_per_epoch: Batches in an epoch; those of a Sequence if None.
            epochs: Number of the last epoch.
            verbose: 0 is silent, 1 shows a progress bar, 2 writes a line an epoch.
            callbacks: List of callbacks.
            validation_data: `(x, y)` or `(x, y, sample_weight)`, or a generator or Sequence.
            validation_steps: Batches of a validation; those of the data if None.
            validation_freq: Epochs from one validation to the next, or a list of epochs, counted from 1.
            class_weight: Dictionary from class number to the weight of its samples.
            max_queue_size: How many batches may wait.
            workers: How many workers make batches; 0 makes them in the calling thread.
            use_multiprocessing: Whether the workers are processes rather than threads.
            shuffle: Whether the batches of a Sequence are shuffled.
            initial_epoch: Number of the first epoch.
            **kwargs: Old names of arguments.

        Returns:
            A History.

        Raises:
            TypeError: If it is neither a generator nor a Sequence.
        """
        need_stream("fit_generator", generator)
        given = {
            "steps_per_epoch": steps_per_epoch,
            "epochs": epochs,
            "verbose": verbose,
            "callbacks": callbacks,
            "validation_data": validation_data,
            "validation_steps": validation_steps,
            "validation_freq": validation_freq,
            "class_weight": class_weight,
            "max_queue_size": max_queue_size,
            "workers": workers,
            "use_multiprocessing": use_multiprocessing,
            "shuffle": shuffle,
            "initial_epoch": initial_epoch,
        }
        return self.fit(generator, **{**given, **translated("fit_generator", kwargs)})


def split_data(given: Data | Evaluator, share: float) -> tuple[Data, Data]:
    """The first samples, and the last `share` of them."""
    if isinstance(given, Evaluator):
        raise ValueError("`validation_split` cuts arrays, and tensors cannot be cut: pass validation_data.")
    return split(given, share)


def _check_frequency(frequency: Any) -> None:
    if isinstance(frequency, bool) or (isinstance(frequency, int) and frequency < 1):
        raise ValueError(f"`validation_freq` is a whole number from 1, or a list of epochs; received {frequency!r}.")
    if not isinstance(frequency, int) and not hasattr(frequency, "__contains__"):
        raise TypeError(f"`validation_freq` is a whole number, or a list of epochs; received {frequency!r}.")


def _is_due(epoch: int, frequency: Any) -> bool:
    """Whether an epoch, counted from 0, ends with a validation."""
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency
