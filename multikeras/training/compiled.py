"""What one `compile` fixed, and the functions that are made of it at first use."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import registry
from multikeras.graph import Variable
from multikeras.metrics import Metric
from multikeras.programs import Function
from multikeras.training import outputs as spread
from multikeras.training.eager import EagerStep
from multikeras.training.outputs import Output
from multikeras.training.places import Place
from multikeras.training.tally import Tally, Turns
from multikeras.training.totals import losses_of, metrics_of


class Compiled:
    """Optimizer, losses and metrics of a model, with a snapshot of what may be trained.

    A model that is not built yet has no outputs to spread losses over; that is done by `build`, from what `compile`
    was told, and from the flags `trainable` as they were then.

    Attributes:
        optimizer: The optimizer.
        outputs: The outputs with their losses and metrics.
        names: Names of all numbers that are reported, loss first.
        metrics: The metric objects, in the order of `names` after the losses.
        total_loss: Loss of a training batch, penalties included.
        turns: Which run has the sums and metric states for itself.
        run_eagerly: Whether layers are called anew for every batch.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        run_eagerly: bool = False,
    ) -> None:
        # A strong reference would make a circle, and only the cyclic collector would free the model's arrays.
        self._model = weakref.ref(model)
        self.optimizer = optimizer
        self.arguments = (loss, metrics, loss_weights, sample_weight_mode, weighted_metrics, target_tensors)
        self.run_eagerly = run_eagerly
        #: Whether somebody was told that this is slow.
        self.said_slow = False
        self.turns = Turns()
        self.built = False
        self.outputs: list[Output] = []
        self.names: list[str] = ["loss"]
        self.metrics: list[Metric] = []
        self._functions: dict[str, Any] = {}
        self._trained: list[Any] | None = None
        self._flags = [(weakref.ref(layer), layer.trainable) for layer in _all_layers(model)]
        if model.inputs:
            self._take_snapshot()
            self.build()

    @property
    def model(self) -> Any:
        """The model."""
        return self._model()

    # -- building -------------------------------------------------------------------------------

    def _take_snapshot(self) -> None:
        """Keeps the weights to train and the updates, as the flags are now, or were at compile time."""
        then = [(layer, flag) for reference, flag in self._flags if (layer := reference()) is not None]
        changed = [(layer, flag, layer.trainable) for layer, flag in then if layer.trainable != flag]
        for layer, flag, _ in changed:
            layer.trainable = flag
        try:
            self._trained = list(self.model.trainable_weights)
            self.updates = list(self.model.updates)
        finally:
            for layer, _, flag in changed:
                layer.trainable = flag

    def flags_at_compile(self) -> dict[int, bool]:
        """Whether each layer was trainable when the model was compiled, by the layer's identity."""
        return {id(layer): flag for reference, flag in self._flags if (layer := reference()) is not None}

    def build(self) -> None:
        """Makes targets, losses and metrics for the outputs of the model, which has to be built."""
        if self.built:
            return
        if self._trained is None:
            self._take_snapshot()
        model = self.model
        loss, metrics, loss_weights, mode, weighted_metrics, target_tensors = self.arguments
        names = list(model.output_names)
        self.tensors = list(model.outputs)
        self.feeds = list(model.feed_inputs)
        self.input_places = [
            Place(name, K.int_shape(t)) for name, t in zip(model.feed_input_names, self.feeds, strict=True)
        ]
        with K.name_scope("training"):
            losses = spread.losses_of(loss, names)
            factors = spread.loss_weights_of(loss_weights, names)
            temporal = spread.temporal_of(mode, names)
            given = spread.target_tensors_of(target_tensors, names)
            each = zip(names, model.outputs, losses, factors, temporal, given, strict=True)
            self.outputs = [Output(*output) for output in each]
            self._add_metrics(spread.metrics_of(metrics, names), False)
            self._add_metrics(spread.metrics_of(weighted_metrics, names, "weighted_metrics"), True)
            self.trained_outputs = [output for output in self.outputs if output.loss is not None]
            #: What the outputs with a loss expect as targets, and those of them whose targets are fed.
            self.places = [output.place for output in self.trained_outputs]
            self.target_places = [output.place for output in self.trained_outputs if output.is_fed]
            self.temporal = [output.temporal for output in self.trained_outputs]
            self._make_losses()
            self._make_metrics()
        #: Metric states that belong to no run of fit or evaluate, but to train_on_batch and test_on_batch.
        self.by_hand = Tally(self._metric_variables(), active=True)
        self.turns.holder = self.by_hand
        self.built = True

    def _add_metrics(self, per_output: Sequence[Sequence[Any]], weighted: bool) -> None:
        for output, metrics in zip(self.outputs, per_output, strict=True):
            if metrics and output.loss is None:
                raise ValueError(
                    f"The output {output.name!r} has metrics and no loss, so it gets no targets. Give it a loss, with "
                    "a loss weight of 0 if it shall not count."
                )
            output.add_metrics(metrics, weighted)

    def _make_losses(self) -> None:
        """Builds the loss of training and of testing, and of each output where there are several."""
        terms = self.model.loss_terms
        if not self.trained_outputs and not terms:
            raise ValueError(
                f"The model {self.model.name!r} has no loss: pass `loss` to compile, or add one with add_loss."
            )
        losses = losses_of(self.trained_outputs, terms)
        self.total_loss, self.test_loss = losses.training, losses.testing
        several = len(self.outputs) > 1
        self.output_losses = losses.parts if several else []
        self.names += [f"{output.name}_loss" for output in self.trained_outputs] if several else []

    def _make_metrics(self) -> None:
        """Builds the updates of all metrics."""
        self.metric_updates: list[Any] = []
        #: Result of each metric after the batch, for functions that report every batch.
        self.metric_results: list[Any] = []
        #: Tensors whose evaluation updates a metric that a layer called itself.
        self.metric_tensors: list[Any] = []
        taken = dict.fromkeys(self.names, 0)
        for reported in metrics_of(self.outputs, self.model.metric_terms):
            self.metrics.append(reported.metric)
            self.metric_updates += reported.updates
            self.metric_results.append(reported.result)
            if reported.by_layer:
                self.metric_tensors.append(reported.result)
            self.names.append(_free_name(reported.name, taken))

    # -- what is fed ----------------------------------------------------------------------------

    @property
    def inputs(self) -> list[Any]:
        """What is fed: inputs, targets, sample weights."""
        return [*self._fed_rows, *[output.weight for output in self.trained_outputs]]

    @property
    def _fed_rows(self) -> list[Any]:
        """What is fed with one row for each sample, whatever else there is."""
        return [*self.feeds, *[output.target for output in self.trained_outputs if output.is_fed]]

    @property
    def trained(self) -> list[Any]:
        """The weights that are trained."""
        assert self._trained is not None
        return self._trained

    def check_unchanged(self) -> None:
        """Raises RuntimeError if layers were added or taken away since compile."""
        if self.tensors != list(self.model.outputs):
            raise RuntimeError(
                f"The model {self.model.name!r} has other outputs than when it was compiled, since layers were added "
                "or taken away. Call compile again."
            )

    # -- functions ------------------------------------------------------------------------------

    def _function(self, key: str, make: Callable[[], Any]) -> Any:
        found = self._functions.get(key)
        if found is None:
            found = self._functions[key] = make()
        return found

    def batch_function(self, training: bool) -> Any:
        """A function that gives loss and metrics of every batch."""

        def make() -> Any:
            if self.run_eagerly:
                return EagerStep(self, training)
            loss = self.total_loss if training else self.test_loss
            results = [loss, *self.output_losses, *self.metric_results]
            return self._make(training, results, [], "on_batch")

        return self._function(f"batch {training}", make)

    def epoch_function(self, training: bool) -> Function:
        """A function that gives the loss alone and sums losses and metrics up on the device."""

        def make() -> Function:
            loss = self.total_loss if training else self.test_loss
            rows = self._fed_rows
            size = K.cast(K.shape(rows[0])[0] if rows else 1, "float64")
            sums = [
                K.update_add(total, K.cast(value, "float64") * size)
                for total, value in zip(self.sums(training), [loss, *self.output_losses], strict=True)
            ]
            return self._make(training, [loss, *self.metric_tensors], [*sums, *self.metric_updates], "epoch")

        return self._function(f"epoch {training}", make)

    def _make(self, training: bool, results: Sequence[Any], extra: Sequence[Any], kind: str) -> Function:
        updates = [*self.model.state_updates, *extra]
        if training:
            updates = [*self.optimizer_updates(), *self.updates, *updates]
        name = f"{'train' if training else 'test'}_{kind} of {self.model.name}"
        return Function(self.inputs, results, updates, name=name, phase=int(training))

    def optimizer_updates(self) -> list[Any]:
        """The updates that the optimizer makes, asked for once."""

        def make() -> list[Any]:
            loss = self.total_loss
            if self.run_eagerly:
                # The gradient of this loss is what is fed, and the optimizer knows no better.
                self.gradients = [K.placeholder(shape=K.int_shape(w), dtype=K.dtype(w)) for w in self.trained]
                loss = sum(K.sum(g * w) for g, w in zip(self.gradients, self.trained, strict=True))
            with K.name_scope("training"):
                updates = _ask_optimizer(self.optimizer, self.trained, loss)
            return [update for update in updates if update is not None]

        return self._function("optimizer", make)

    def apply_gradients(self, gradients: Sequence[Any]) -> None:
        """Lets the optimizer update the weights, where the gradients are computed elsewhere.

        Args:
            gradients: One for each weight that is trained.
        """

        def make() -> Function:
            updates = self.optimizer_updates()
            return Function(self.gradients, [], updates, name=f"optimizer of {self.model.name}", phase=1)

        self._function("apply gradients", make)(list(gradients))

    def sums(self, training: bool) -> list[Variable]:
        """Sums over an epoch: of the loss, and of the loss of each output where there are several."""

        def make() -> list[Variable]:
            count = 1 + len(self.output_losses)
            # In single precision a sum over a long epoch would stop growing.
            made: list[Any] = [K.variable(0.0, dtype="float64", name=f"epoch_loss_{i}") for i in range(count)]
            for variable in made:
                variable.trainable = False
            return made

        return self._function(f"sums {training}", make)

    # -- results --------------------------------------------------------------------------------

    def _metric_variables(self) -> list[Variable]:
        return [variable for metric in self.metrics for variable in metric.weights]

    def tally(self, training: bool) -> Tally:
        """What one run adds up."""
        return Tally([*self.sums(training), *self._metric_variables()])

    def begin(self, tally: Tally, training: bool) -> None:
        """Begins a new epoch of a run."""
        zero = np.zeros(())
        with self.turns.lock:
            tally.forget()
            self.turns.give(tally)
            tally.active = True
            K.batch_set_value([(total, zero) for total in self.sums(training)])
            self._reset_metrics()

    def end(self, tally: Tally) -> None:
        """Ends an epoch: its numbers have been read, or nobody wants them."""
        tally.active = False
        tally.forget()

    def reset_metrics(self) -> None:
        """Forgets what the metrics have seen, outside of runs or in the run whose turn it is."""
        with self.turns.lock:
            if self.turns.holder is not self.by_hand:
                self.by_hand.forget()
            self._reset_metrics()

    def _reset_metrics(self) -> None:
        for metric in self.metrics:
            metric.reset_states()

    def results(self, tally: Tally, training: bool, seen: int) -> list[float]:
        """Mean losses of the epoch so far, and metrics; waits for the device.

        Args:
            tally: The run.
            training: Whether of training or of testing.
            seen: Number of samples so far.
        """
        return self.numbers(self.ask(tally, training), seen)

    def ask(self, tally: Tally, training: bool) -> list[Any]:
        """What `numbers` makes the results of, as arrays of the backend; does not wait for the device."""

        def make() -> Function:
            metrics = [K.identity(metric.result()) for metric in self.metrics]
            return Function([], [*self.sums(training), *metrics], name=f"results of {self.model.name}", phase=0)

        with self.turns.lock:
            self.turns.give(tally)
            arrays: list[Any] = self._function(f"results {training}", make).run([])
        return arrays

    def numbers(self, arrays: Sequence[Any], seen: int) -> list[float]:
        """Mean losses and metrics from what `ask` gave, when so many samples had been seen."""
        backend = registry.current()
        values = [backend.to_numpy(array) for array in arrays]
        count = len(values) - len(self.metrics)
        return [*[float(v) / max(1, seen) for v in values[:count]], *[_number(v) for v in values[count:]]]


def _number(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def _free_name(name: str, taken: dict[str, int]) -> str:
    """The name itself, or with a number behind it; it is then among those taken, with the last number given to each."""
    free = name
    while free in taken:
        taken[name] += 1
        free = f"{name}_{taken[name]}"
    taken[free] = 0
    return free


def _all_layers(model: Any) -> list[Any]:
    """A model and all layers inside it."""
    found: dict[int, Any] = {}
    stack = [model]
    while stack:
        layer = stack.pop()
        if id(layer) not in found:
            found[id(layer)] = layer
            stack.extend([*getattr(layer, "layers", []), *layer._sublayers()])
    return list(found.values())


def _ask_optimizer(optimizer: Any, params: Sequence[Any], loss: Any) -> list[Any]:
    """`get_updates` in either of its two forms: (loss, params), or (params, constraints, loss) of Keras 1."""
    names = list(inspect.signature(optimizer.get_updates).parameters)
    if "constraints" in names:
        constraints = {p: p.constraint for p in params if getattr(p, "constraint", None) is not None}
        return list(optimizer.get_updates(params, constraints, loss))
    if "loss" in names and "params" in names:
        return list(optimizer.get_updates(loss=loss, params=params))
    return list(optimizer.get_updates(loss, params))
