"""`predict`, `predict_generator` and `predict_on_batch`."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.callbacks import CallbackList
from multikeras.programs import Function
from multikeras.training import data as data_module
from multikeras.training.compiling import (
    Compiling,
    evaluated_later,
    need_stream,
    refuse_beside_stream,
    with_values,
)
from multikeras.training.data import Data
from multikeras.training.eager import EagerPrediction
from multikeras.training.old_names import translated
from multikeras.training.places import Place
from multikeras.training.sources import Source
from multikeras.training.tables import is_stream
from multikeras.utils.progress import Progbar


class Predicting(Compiling):
    """The part of a model that uses it, compiled or not; from as many threads as one likes."""

    _predictor: tuple[Any, Any] | None = None

    @property
    def predict_function(self) -> Any:
        """The function from inputs to outputs in the test phase."""
        eager = self._compiled is not None and self._compiled.run_eagerly
        key = (tuple(self.feed_inputs), tuple(self.outputs), eager)  # type: ignore[attr-defined]
        kept = self._predictor
        if kept is None or kept[0] != key:
            function: Any
            if eager:
                function = EagerPrediction(self)
            else:
                updates = self.state_updates  # type: ignore[attr-defined]
                function = Function(key[0], key[1], updates, name=f"predict of {self.name}", phase=0)
            kept = self.__dict__["_predictor"] = (key, function)
        return kept[1]

    def _make_predict_function(self) -> None:
        """For programs that call it before they start threads: makes the function of `predict`."""
        if self.inputs:
            self.predict_function  # noqa: B018 - it is made when it is asked for

    def _inputs(self, x: Any, *_: Any) -> Data:
        """The inputs of prediction, checked; targets and weights that come with them are left out."""
        # The inputs are there while another thread still builds what comes after them.
        if not (self.inputs and self.built):  # type: ignore[attr-defined]
            self._build(x)
        feeds, names = self.feed_inputs, self.feed_input_names  # type: ignore[attr-defined]
        places = [Place(name, K.int_shape(t)) for name, t in zip(names, feeds, strict=True)]
        tables = data_module.columns(x, places, "input")
        return Data(tables, data_module.size_of(tables, ()))

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch.

        Args:
            x: Inputs.

        Returns:
            An array, or a list for several outputs.
        """
        data = self._inputs(*with_values((x,)))
        self._check_batch(data.size)
        results = self.predict_function(data.range(0, data.size))
        return results[0] if len(results) == 1 else results

    def predict(
        self,
        x: Any = None,
        batch_size: int | None = None,
        verbose: int = 0,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The outputs for a data set, computed batch by batch.

        Args:
            x: Inputs, or a generator or Sequence of batches `x`, `(x, y)` or `(x, y, sample_weight)`, of which only
                the inputs count.
            batch_size: Samples in a batch; 32 if None.
            verbose: 1 shows a progress bar.
            steps: Number of batches; those of the data if None.
            callbacks: List of callbacks.
            max_queue_size: How many batches of a generator or Sequence may wait.
            workers: How many workers make them; 0 makes them in the calling thread.
            use_multiprocessing: Whether the workers are processes rather than threads.

        Returns:
            An array, or a list for several outputs.

        Raises:
            ValueError: If the data do not fit the model.
        """
        if is_stream(x):
            refuse_beside_stream(type(x).__name__, batch_size=batch_size)
            made_by = (workers, use_multiprocessing, max_queue_size)
            source: Source = self._stream(x, self._inputs, False, steps, "steps", False, made_by)
        else:
            data = evaluated_later((x,)) or self._inputs(x)
            source = self._source(data, self._inputs, batch_size, False, steps, "steps")
        with contextlib.closing(source):
            results = self._predict(source, callbacks, verbose)
        if not results:
            raise ValueError(f"The {type(x).__name__} gave no batch to predict.")
        if source.exhausted:
            warnings.warn("The data ended before `steps` batches; what it had is predicted.", UserWarning, stacklevel=2)
        joined = [_joined(parts) for parts in zip(*results, strict=True)]
        return joined[0] if len(joined) == 1 else joined

    def _predict(self, source: Source, callbacks: Any, verbose: int) -> list[list[np.ndarray]]:
        told = CallbackList(callbacks.callbacks if isinstance(callbacks, CallbackList) else callbacks or ())
        if told.callbacks:
            told.set_model(self)
            told.set_params(
                {
                    "batch_size": source.batch_size,
                    "steps": source.steps,
                    "samples": source.samples,
                    "verbose": verbose,
                }
            )
        watchers = CallbackList(told.of_batches("predict"))
        bar = Progbar(source.steps if source.samples is None else source.samples, verbose=1) if verbose else None
        told.call("on_predict_begin", {})
        results: list[list[np.ndarray]] = []
        seen = 0
        # A Sequence or generator may have built the model just now.
        function = None
        for step, (values, count) in enumerate(source.epoch()):
            function = function or self.predict_function
            watchers.call("on_predict_batch_begin", step, {"batch": step, "size": count})
            results.append(function(values))
            watchers.call("on_predict_batch_end", step, {"batch": step, "size": count})
            seen += count
            if bar is not None:
                bar.show(step + 1 if source.samples is None else seen, ())
        told.call("on_predict_end", {})
        if bar is not None:
            bar.finish()
        return results

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int = 0,
        **kwargs: Any,
    ) -> Any:
        """The outputs for the batches of a generator or Sequence; see `predict`, which does the same.

        Args:
            generator: Gives batches `x`, `(x, y)` or `(x, y, sample_weight)`, of which only the inputs count.
            steps: Number of batches; those of a Sequence if None.
            callbacks: List of callbacks.
            max_queue_size: How many batches may wait.
            workers: How many workers make batches; 0 makes them in the calling thread.
            use_multiprocessing: Whether the workers are processes rather than threads.
            verbose: 1 shows a progress bar.
            **kwargs: Old names of arguments.

        Returns:
            An array, or a list for several outputs.

        Raises:
            TypeError: If it is neither a generator nor a Sequence.
        """
        need_stream("predict_generator", generator)
        given = {
            "steps": steps,
            "callbacks": callbacks,
            "max_queue_size": max_queue_size,
            "workers": workers,
            "use_multiprocessing": use_multiprocessing,
            "verbose": verbose,
        }
        return self.predict(generator, **{**given, **translated("predict_generator", kwargs)})


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
