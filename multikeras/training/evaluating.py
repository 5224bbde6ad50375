"""`evaluate` and `evaluate_generator`, and the methods that take one batch."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

from multikeras.training.compiling import (
    Compiling,
    evaluated_later,
    need_stream,
    one_or_list,
    refuse_beside_stream,
    with_values,
)
from multikeras.training.old_names import translated
from multikeras.training.run import Run
from multikeras.training.sources import Source
from multikeras.training.tables import is_stream
from multikeras.utils.progress import Progbar


class Evaluating(Compiling):
    """The part of a model that judges it, and that trains it batch by batch."""

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        reset_metrics: bool = True,
    ) -> Any:
        """One update by one batch.

        Args:
            x: Inputs.
            y: Targets.
            sample_weight: A weight for each sample.
            class_weight: Dictionary from class number to weight.
            reset_metrics: Whether metrics are of this batch alone.

        Returns:
            The loss before the update; with metrics or several outputs a list in the order of `metrics_names`.
        """
        return self._on_batch(True, x, y, sample_weight, class_weight, reset_metrics)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, reset_metrics: bool = True) -> Any:
        """Loss and metrics of one batch, without penalties.

        Args:
            x: Inputs.
            y: Targets.
            sample_weight: A weight for each sample.
            reset_metrics: Whether metrics are of this batch alone.

        Returns:
            The loss; with metrics or several outputs a list in the order of `metrics_names`.
        """
        return self._on_batch(False, x, y, sample_weight, None, reset_metrics)

    def _on_batch(
        self, training: bool, x: Any, y: Any, sample_weight: Any, class_weight: Any, reset_metrics: bool
    ) -> Any:
        self._check_compiled()
        x, y, sample_weight = with_values((x, y, sample_weight))
        compiled = self._ready(x)
        data = self._data(x, y, sample_weight, class_weight)
        self._check_batch(data.size)
        function, values = compiled.batch_function(training), data.range(0, data.size)
        with compiled.turns.lock:
            compiled.turns.give(compiled.by_hand)
            if reset_metrics and compiled.metrics:
                compiled.reset_metrics()
            results = function(values)
        return one_or_list(results)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int = 1,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """Loss and metrics over a data set, without penalties.

        Args:
            x: Inputs, or a generator or Sequence of batches `(x, y)` or `(x, y, sample_weight)`.
            y: Targets; None beside a generator or Sequence.
            batch_size: Samples in a batch; 32 if None.
            verbose: 1 shows a progress bar.
            sample_weight: A weight for each sample.
            steps: Number of batches; those of the data if None.
            callbacks: List of callbacks.
            max_queue_size: How many batches of a generator or Sequence may wait.
            workers: How many workers make them; 0 makes them in the calling thread.
            use_multiprocessing: Whether the workers are processes rather than threads.

        Returns:
            The loss; with metrics or several outputs a list in the order of `metrics_names`.

        Raises:
            RuntimeError: If the model is not compiled.
            ValueError: If the data do not fit the model.
        """
        compiled = self._check_compiled()
        if is_stream(x):
            refuse_beside_stream(type(x).__name__, y=y, sample_weight=sample_weight, batch_size=batch_size)
            made_by = (workers, use_multiprocessing, max_queue_size)
            source: Source = self._stream(x, self._data, True, steps, "steps", False, made_by)
        else:
            self._ready(x)
            given = (x, y, sample_weight)
            data = evaluated_later(given) or self._data(*given)
            source = self._source(data, self._data, batch_size, False, steps, "steps")
        run = Run(self, compiled, callbacks, 0, 1, source)
        bar = Progbar(source.steps if source.samples is None else source.samples, verbose=1) if verbose == 1 else None
        with contextlib.closing(run):
            run.callbacks.call("on_test_begin", {})
            numbers = run.epoch(False, source, 0, lambda: False, bar)
            run.callbacks.call("on_test_end", {})
        if numbers is None:
            raise ValueError(f"The {type(x).__name__} gave no batch to evaluate.")
        if source.exhausted:
            warnings.warn("The data ended before `steps` batches; what it had is evaluated.", UserWarning, stacklevel=2)
        if bar is not None:
            bar.show(bar.target or 0, zip(compiled.names, numbers, strict=False))
            bar.finish()
        return one_or_list(numbers)

    def evaluate_generator(
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
        """Loss and metrics over the batches of a generator or Sequence; see `evaluate`, which does the same.

        Args:
            generator: Gives batches `(x, y)` or `(x, y, sample_weight)`.
            steps: Number of batches; those of a Sequence if None.
            callbacks: List of callbacks.
            max_queue_size: How many batches may wait.
            workers: How many workers make batches; 0 makes them in the calling thread.
            use_multiprocessing: Whether the workers are processes rather than threads.
            verbose: 1 shows a progress bar.
            **kwargs: Old names of arguments.

        Returns:
            The loss; with metrics or several outputs a list in the order of `metrics_names`.

        Raises:
            TypeError: If it is neither a generator nor a Sequence.
        """
        need_stream("evaluate_generator", generator)
        given = {
            "steps": steps,
            "callbacks": callbacks,
            "max_queue_size": max_queue_size,
            "workers": workers,
            "use_multiprocessing": use_multiprocessing,
            "verbose": verbose,
        }
        return self.evaluate(generator, **{**given, **translated("evaluate_generator", kwargs)})
