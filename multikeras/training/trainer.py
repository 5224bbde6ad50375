"""`compile`, `fit`, `evaluate`, `predict` and their kin, which every model has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import optimizers
from multikeras.callbacks import CallbackList, History
from multikeras.programs import Function
from multikeras.training import data as data_module
from multikeras.training import loop
from multikeras.training.compiled import Compiled
from multikeras.training.data import Data, Place
from multikeras.training.run import Run
from multikeras.training.tables import table
from multikeras.utils.progress import Progbar


class Trainer:
    """The part of a model that trains it.

    The model itself supplies `inputs`, `outputs`, `input_names`, `output_names`, `feed_inputs`, `feed_input_names`,
    `trainable_weights`, `updates`, `state_updates`, `loss_terms`, `metric_terms`, `layers`, `build_from_data` and
    `_stateful_layers`.

    Attributes:
        stop_training: Set to True by a callback, it ends `fit` after the batch or epoch.
        history: The History of the last `fit`.
    """

    stop_training: bool = False
    history: History
    inputs: list[Any]
    outputs: list[Any]
    name: str
    _compiled: Compiled | None = None
    _predictor: tuple[Any, Function] | None = None

    # -- compile --------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any,
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        run_eagerly: bool = False,
        **kwargs: Any,
    ) -> None:
        """Says how the model is trained. What is trainable now stays so until the next call.

        Args:
            optimizer: Name, configuration or object.
            loss: Name, function or object; a list or dictionary for several outputs. None if the model adds its
                losses itself.
            metrics: List of names, functions or objects; a list of lists or a dictionary for several outputs.
            loss_weights: List or dictionary of factors for the losses of several outputs.
            sample_weight_mode: `'temporal'` for weights of time steps; a list or dictionary for several outputs.
            weighted_metrics: As `metrics`; sample weights count for these.
            target_tensors: Not there yet.
            run_eagerly: Not there yet.
            **kwargs: Nothing else is taken.

        Raises:
            ValueError: If losses or metrics do not fit the outputs.
        """
        if kwargs:
            raise TypeError(f"compile does not take {', '.join(sorted(kwargs))}.")
        for name, value in (("target_tensors", target_tensors), ("run_eagerly", run_eagerly)):
            if value:
                raise NotImplementedError(f"compile: `{name}` is not there yet.")
        given = (loss, metrics, loss_weights, sample_weight_mode, weighted_metrics)
        self.__dict__["_compiled"] = Compiled(self, optimizers.get(optimizer), *given)

    @property
    def optimizer(self) -> Any:
        """The optimizer; None before compile."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """The loss as compile got it; None before."""
        return None if self._compiled is None else self._compiled.arguments[0]

    @property
    def loss_weights(self) -> Any:
        """The factors of the losses as compile got them; None before."""
        return None if self._compiled is None else self._compiled.arguments[2]

    @property
    def metrics(self) -> list[Any]:
        """The metric objects."""
        return [] if self._compiled is None else list(self._compiled.metrics)

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns, in order."""
        return [] if self._compiled is None else list(self._compiled.names)

    @property
    def total_loss(self) -> Any:
        """The loss of a training batch as a tensor."""
        return self._ready().total_loss

    @property
    def targets(self) -> list[Any]:
        """The placeholders of the targets."""
        return [output.target for output in self._ready().trained_outputs]

    @property
    def sample_weights(self) -> list[Any]:
        """The placeholders of the sample weights."""
        return [output.weight for output in self._ready().trained_outputs]

    def reset_metrics(self) -> None:
        """Lets all metrics forget what they have seen."""
        if self._compiled is not None:
            self._compiled.reset_metrics()

    def _ready(self, x: Any = None) -> Compiled:
        """What compile fixed, with the model built."""
        compiled = self._compiled
        if compiled is None:
            raise RuntimeError(
                f"The model {self.name!r} is not compiled. Call compile first, e.g. "
                "model.compile(optimizer='rmsprop', loss='mse'); it says how the model is trained and judged."
            )
        if not self.inputs:
            if x is None:
                raise RuntimeError(
                    f"The model {self.name!r} is not built yet: it is when it first meets data, or when its first "
                    "layer has an input_shape."
                )
            self._build(x)
        if not compiled.built:
            compiled.build()
        compiled.check_unchanged()
        return compiled

    def _build(self, x: Any) -> None:
        """Builds the model from data that may be of any library."""
        given = list(x) if isinstance(x, (list, tuple)) and len(x) and hasattr(x[0], "shape") else [x]
        arrays = [table(value, "the first data").range(0, 1) for value in given]
        arrays = [array[..., None] if array.ndim == 1 else array for array in arrays]
        self.build_from_data(arrays if len(arrays) > 1 else arrays[0])  # type: ignore[attr-defined]

    # -- data -----------------------------------------------------------------------------------

    def _data(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Data:
        """The data of training or testing, checked."""
        compiled = self._ready(x)
        inputs = data_module.columns(x, compiled.input_places, "input")
        targets = data_module.columns(y, compiled.target_places, "target")
        weights = data_module.weights(sample_weight, class_weight, targets, compiled.target_places, compiled.temporal)
        return Data([*inputs, *targets, *weights], data_module.size_of(inputs, targets, weights))

    def _batch_size(self, batch_size: Any, size: int) -> int:
        """The number of samples in a batch, checked against what the model fixes.

        Args:
            batch_size: What the user gave, or None.
            size: Number of samples.
        """
        fixed = K.int_shape(self.inputs[0])[0]
        if fixed is not None:
            if batch_size is not None and batch_size != fixed:
                raise ValueError(f"{self._fixed_size()}; received batch_size={batch_size}.")
            if size % fixed:
                raise ValueError(
                    f"{self._fixed_size()}, so the number of samples has to be a multiple of {fixed}; received {size}."
                )
            return fixed
        if batch_size is None:
            return 32
        if isinstance(batch_size, bool) or int(batch_size) != batch_size or batch_size < 1:
            raise ValueError(f"`batch_size` is a whole number from 1, received {batch_size!r}.")
        return int(batch_size)

    def _fixed_size(self) -> str:
        """The beginning of a message about a batch of another size."""
        size = K.int_shape(self.inputs[0])[0]
        stateful = self._stateful_layers()  # type: ignore[attr-defined]
        layers = ", ".join(repr(layer.name) for layer in stateful if layer.built)
        why = f", for which its stateful layers keep states ({layers})" if layers else ""
        return f"The model {self.name!r} was made for a batch size of {size}{why}"

    def _check_batch(self, size: int) -> None:
        """Refuses a batch of another size than the model was made for."""
        fixed = K.int_shape(self.inputs[0])[0] if self.inputs else None
        if fixed is not None and size != fixed:
            raise ValueError(f"{self._fixed_size()}; received a batch of {size}.")

    # -- training -------------------------------------------------------------------------------

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
        **kwargs: Any,
    ) -> History:
        """Trains the model.

        Args:
            x: Inputs: an array, a list of arrays, or a dictionary by name.
            y: Targets, likewise.
            batch_size: Samples in a batch; 32 if None.
            epochs: Number of the last epoch.
            verbose: 0 is silent, 1 shows a progress bar, 2 writes a line an epoch.
            callbacks: List of callbacks.
            validation_split: Share of the samples, the last ones, that is set apart for validation.
            validation_data: `(x, y)` or `(x, y, sample_weight)` for validation.
            shuffle: True draws a new order each epoch, False keeps the order, `'batch'` shuffles whole batches, for
                data in files.
            class_weight: Dictionary from class number to the weight of its samples.
            sample_weight: A weight for each sample.
            initial_epoch: Number of the first epoch.
            steps_per_epoch: Batches in an epoch; those of the data if None.
            validation_steps: Batches of a validation; those of the data if None.
            validation_freq: Epochs from one validation to the next, or a list of epochs, counted from 1.
            **kwargs: `nb_epoch`, the old name of epochs.

        Returns:
            A History whose `history` is a dictionary of lists, one value an epoch.

        Raises:
            RuntimeError: If the model is not compiled.
            ValueError: If the data do not fit the model.
        """
        epochs = kwargs.pop("nb_epoch", epochs)
        if kwargs:
            raise TypeError(f"fit does not take {', '.join(sorted(kwargs))}.")
        if shuffle not in (True, False, "batch"):
            raise ValueError(f"`shuffle` is True, False or 'batch', received {shuffle!r}.")
        compiled = self._ready(x)
        data = self._data(x, y, sample_weight, class_weight)
        validation = self._validation(data, validation_data, validation_split)
        if validation_data is None and validation is not None:
            data, validation = data_module.split(data, validation_split)
        if not data.columns and steps_per_epoch is None:
            raise ValueError("The model is fed nothing: say with steps_per_epoch how long an epoch is.")
        size = self._batch_size(batch_size, data.size)
        run = Run(self, compiled, callbacks, verbose, epochs, size, data, validation, steps_per_epoch)
        self.__dict__["stop_training"] = False
        self.__dict__["history"] = run.history
        try:
            run.callbacks.on_train_begin()
            for epoch in range(run.callbacks.first_epoch(initial_epoch), epochs):
                # A run that is resumed may have been stopped in its last epoch.
                if self.stop_training:
                    break
                self._fit_epoch(run, epoch, shuffle, validation_steps, validation_freq)
            run.callbacks.on_train_end()
        finally:
            for bar in run.bars:
                if hasattr(bar, "close"):
                    bar.close()
        return run.history

    def _validation(self, data: Data, validation_data: Any, share: float) -> Data | None:
        """The data of validation; those of training where they are still to be split."""
        if validation_data is None:
            return data if share else None
        if not isinstance(validation_data, (list, tuple)) or len(validation_data) not in (2, 3):
            raise ValueError(
                "`validation_data` is (x, y) or (x, y, sample_weight), received "
                f"{type(validation_data).__name__}"
                + (f" of {len(validation_data)} entries." if hasattr(validation_data, "__len__") else ".")
            )
        return self._data(*validation_data)

    def _fit_epoch(self, run: Run, epoch: int, shuffle: Any, validation_steps: int | None, frequency: Any) -> None:
        compiled = run.compiled
        run.callbacks.on_epoch_begin(epoch)
        compiled.reset(True)
        feeds = loop.batches(run.data, run.batch_size, shuffle, run.steps)
        numbers = run.epoch(True, feeds, lambda: self.stop_training)
        logs = dict(zip(compiled.names, numbers, strict=False))
        if run.validation is not None and _is_due(epoch, frequency):
            feeds = loop.batches(run.validation, run.batch_size, False, validation_steps)
            compiled.reset(False)
            run.callbacks.call("on_test_begin", {})
            numbers = run.epoch(False, feeds, lambda: False)
            run.callbacks.call("on_test_end", {})
            logs.update(zip([f"val_{name}" for name in compiled.names], numbers, strict=False))
        run.callbacks.on_epoch_end(epoch, logs)

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
        compiled = self._ready(x)
        data = self._data(x, y, sample_weight, class_weight)
        self._check_batch(data.size)
        if reset_metrics and compiled.metrics:
            compiled.reset_metrics()
        return _one_or_list(compiled.batch_function(training)(data.range(0, data.size)))

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int = 1,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Loss and metrics over a data set, without penalties.

        Args:
            x: Inputs.
            y: Targets.
            batch_size: Samples in a batch; 32 if None.
            verbose: 1 shows a progress bar.
            sample_weight: A weight for each sample.
            steps: Number of batches; those of the data if None.
            callbacks: List of callbacks.

        Returns:
            The loss; with metrics or several outputs a list in the order of `metrics_names`.
        """
        compiled = self._ready(x)
        data = self._data(x, y, sample_weight)
        size = self._batch_size(batch_size, data.size)
        run = Run(self, compiled, callbacks, 0, 1, size, data, None, steps)
        bar = Progbar(data.size or steps, verbose=1) if verbose == 1 else None
        run.callbacks.call("on_test_begin", {})
        compiled.reset(False)
        numbers = run.epoch(False, loop.batches(data, size, False, steps), lambda: False, bar)
        run.callbacks.call("on_test_end", {})
        if bar is not None:
            bar.show(bar.target or 0, zip(compiled.names, numbers, strict=False))
            bar.finish()
        return _one_or_list(numbers)

    # -- prediction -----------------------------------------------------------------------------

    @property
    def predict_function(self) -> Function:
        """The function from inputs to outputs in the test phase."""
        key = (tuple(self.feed_inputs), tuple(self.outputs))  # type: ignore[attr-defined]
        kept = self._predictor
        if kept is None or kept[0] != key:
            function = Function(key[0], key[1], self.state_updates, name=f"predict of {self.name}", phase=0)  # type: ignore[attr-defined]
            kept = self.__dict__["_predictor"] = (key, function)
        return kept[1]

    def _predictor_inputs(self, x: Any) -> list[Any]:
        if not self.inputs:
            self._build(x)
        feeds, names = self.feed_inputs, self.feed_input_names  # type: ignore[attr-defined]
        places = [Place(name, K.int_shape(t)) for name, t in zip(names, feeds, strict=True)]
        return data_module.columns(x, places, "input")

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch.

        Args:
            x: Inputs.

        Returns:
            An array, or a list for several outputs.
        """
        tables = self._predictor_inputs(x)
        size = data_module.size_of(tables, ())
        self._check_batch(size)
        results = self.predict_function([each.range(0, size) for each in tables])
        return results[0] if len(results) == 1 else results

    def predict(
        self,
        x: Any = None,
        batch_size: int | None = None,
        verbose: int = 0,
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for a data set, computed batch by batch.

        Args:
            x: Inputs.
            batch_size: Samples in a batch; 32 if None.
            verbose: 1 shows a progress bar.
            steps: Number of batches; those of the data if None.
            callbacks: List of callbacks.

        Returns:
            An array, or a list for several outputs.
        """
        tables = self._predictor_inputs(x)
        data = Data(tables, data_module.size_of(tables, ()))
        size = self._batch_size(batch_size, data.size)
        told = CallbackList(callbacks or ())
        if told.callbacks:
            told.set_model(self)
            told.set_params({"batch_size": size, "steps": steps, "samples": data.size, "verbose": verbose})
        watchers = CallbackList(told.of_batches("predict"))
        bar = Progbar(data.size, verbose=1) if verbose else None
        told.call("on_predict_begin", {})
        results: list[list[np.ndarray]] = []
        function, seen = self.predict_function, 0
        for step, (values, count) in enumerate(loop.batches(data, size, False, steps)):
            watchers.call("on_predict_batch_begin", step, {"batch": step, "size": count})
            results.append(function(values))
            watchers.call("on_predict_batch_end", step, {"batch": step, "size": count})
            seen += count
            if bar is not None:
                bar.show(seen, ())
        told.call("on_predict_end", {})
        if not results:
            raise ValueError("The model is fed nothing: say with `steps` how many batches to predict.")
        joined = [_joined(parts) for parts in zip(*results, strict=True)]
        return joined[0] if len(joined) == 1 else joined


def _is_due(epoch: int, frequency: Any) -> bool:
    """Whether an epoch, counted from 0, ends with a validation."""
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def _one_or_list(numbers: Sequence[Any]) -> Any:
    plain = [loop.plain(n) if isinstance(n, np.ndarray) else n for n in numbers]
    return plain[0] if len(plain) == 1 else plain


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
