"""`compile`, what it fixed as attributes, and the checks of data that all methods share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import optimizers
from multikeras.graph import Constant, Placeholder, Tensor, ValueTensor
from multikeras.graph.context import Eager, eagerly
from multikeras.layers import calls
from multikeras.programs import Function
from multikeras.training import data as data_module
from multikeras.training.compiled import Compiled
from multikeras.training.data import Data
from multikeras.training.sources import ArraySource, Source, StreamSource, TensorSource, unpacked
from multikeras.training.tables import is_stream, table
from multikeras.training.weights import weights
from multikeras.utils.data_utils import is_sequence

#: Number of workers, whether they are processes, and how many batches may wait.
Workers = tuple[int, bool, int]

#: Held while a model is built by the data that it meets first, which several threads may do at once.
_BUILDING = threading.RLock()


class Compiling:
    """The part of a model that is told how it is trained.

    The model itself supplies `inputs`, `outputs`, `input_names`, `output_names`, `feed_inputs`, `feed_input_names`,
    `trainable_weights`, `updates`, `state_updates`, `loss_terms`, `metric_terms`, `layers`, `build_from_data`,
    `_forget_graph` and `_stateful_layers`.
    """

    inputs: list[Any]
    outputs: list[Any]
    name: str
    _compiled: Compiled | None = None

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
            target_tensors: Tensors to use as targets, which are then not fed: one, a list, or a dictionary.
            run_eagerly: Whether layers are called anew for every batch, with tensors that have values, so that a
                debugger can stop in `call` and look at numbers. It is slow.
            **kwargs: Nothing else is taken.

        Raises:
            ValueError: If losses or metrics do not fit the outputs.
        """
        if kwargs:
            raise TypeError(f"compile does not take {', '.join(sorted(kwargs))}.")
        if self.__dict__.get("_built_eagerly") and not run_eagerly:
            # Its layers may have branched on the numbers of one batch.
            self.__dict__["_built_eagerly"] = False
            self._forget_graph()  # type: ignore[attr-defined]
        given = (loss, metrics, loss_weights, sample_weight_mode, weighted_metrics, target_tensors, bool(run_eagerly))
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
    def sample_weight_mode(self) -> Any:
        """What compile got; None before."""
        return None if self._compiled is None else self._compiled.arguments[3]

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
        """The targets: placeholders, or the tensors that compile got."""
        return [output.target for output in self._ready().trained_outputs]

    @property
    def sample_weights(self) -> list[Any]:
        """The placeholders of the sample weights."""
        return [output.weight for output in self._ready().trained_outputs]

    @property
    def train_function(self) -> Any:
        """The function of `train_on_batch`, from inputs, targets and sample weights to loss and metrics."""
        return self._ready().batch_function(True)

    @property
    def test_function(self) -> Any:
        """The function of `test_on_batch`, from inputs, targets and sample weights to loss and metrics."""
        return self._ready().batch_function(False)

    def _make_train_function(self) -> None:
        """For programs that call it: makes the function of `train_on_batch`."""
        self._ready().batch_function(True)

    def _make_test_function(self) -> None:
        """For programs that call it: makes the function of `test_on_batch`."""
        self._ready().batch_function(False)

    def reset_metrics(self) -> None:
        """Lets all metrics forget what they have seen."""
        if self._compiled is not None and self._compiled.built:
            self._compiled.reset_metrics()

    def _check_compiled(self) -> Compiled:
        """What compile fixed."""
        if self._compiled is None:
            raise RuntimeError(
                f"The model {self.name!r} is not compiled. Call compile first, e.g. "
                "model.compile(optimizer='rmsprop', loss='mse'); it says how the model is trained and judged."
            )
        return self._compiled

    def _ready(self, x: Any = None) -> Compiled:
        """What compile fixed, with the model built."""
        compiled = self._check_compiled()
        if self.inputs and compiled.built:
            compiled.check_unchanged()
            return compiled
        with _BUILDING:
            if not self.inputs:
                if x is None:
                    raise RuntimeError(
                        f"The model {self.name!r} is not built yet: it is when it first meets data, or when its first "
                        "layer has an input_shape."
                    )
                self._build(x)
            compiled.build()
            compiled.check_unchanged()
        return compiled

    def _build(self, x: Any) -> None:
        """Builds the model from data that may be of any library."""
        with _BUILDING:
            if self.inputs:
                return
            first: Any
            if isinstance(x, Mapping):
                first = {name: _first_sample(value) for name, value in x.items()}
            else:
                given = list(x) if isinstance(x, (list, tuple)) and len(x) and hasattr(x[0], "shape") else [x]
                arrays = [_first_sample(value) for value in given]
                first = arrays if len(arrays) > 1 else arrays[0]
            if self._compiled is not None and self._compiled.run_eagerly:
                self.__dict__["_built_eagerly"] = True
                with eagerly(Eager(0, {}, {})):
                    self.build_from_data(first)  # type: ignore[attr-defined]
            else:
                self.build_from_data(first)  # type: ignore[attr-defined]

    # -- data -----------------------------------------------------------------------------------

    def _data(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Data:
        """The data of training or testing, checked."""
        compiled = self._ready(x)
        inputs = data_module.columns(x, compiled.input_places, "input")
        targets = data_module.columns(y, compiled.target_places, "target")
        by_output: list[Any] = targets
        if len(targets) < len(compiled.places):
            fed = iter(targets)
            by_output = [next(fed) if output.is_fed else None for output in compiled.trained_outputs]
        weighted = weights(sample_weight, class_weight, by_output, compiled.places, compiled.temporal)
        return Data([*inputs, *targets, *weighted], data_module.size_of(inputs, targets, weighted))

    def _batch_size(self, batch_size: Any, size: int, steps: Any = None) -> int:
        """The number of samples in a batch, checked against what the model fixes.

        Args:
            batch_size: What the user gave, or None.
            size: Number of samples.
            steps: Number of batches, or None.
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
            # Beside a tensor with batches of its own, everything fed is one batch.
            return max(1, size) if steps is not None and self._has_rows() else 32
        if isinstance(batch_size, bool) or int(batch_size) != batch_size or batch_size < 1:
            raise ValueError(f"`batch_size` is a whole number from 1, received {batch_size!r}.")
        return int(batch_size)

    def _has_rows(self) -> bool:
        """Whether a tensor has rows of its own, in an order that what is fed has to keep."""
        if len(self.feed_inputs) < len(self.inputs):  # type: ignore[attr-defined]
            return True
        outputs = [] if self._compiled is None or not self._compiled.built else self._compiled.trained_outputs
        return any(not output.is_fed and not _needs_placeholder(output.target) for output in outputs)

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
        if fixed is not None and size and size != fixed:
            raise ValueError(f"{self._fixed_size()}; received a batch of {size}.")

    def _source(
        self,
        given: Data | Evaluator,
        read: Callable[..., Data],
        batch_size: Any,
        shuffle: Any,
        steps: Any,
        what: str,
    ) -> Source:
        """Batches of arrays, or of tensors.

        Args:
            given: The data.
            read: From the data to what is fed.
            batch_size: What the user gave, or None.
            shuffle: How arrays are shuffled.
            steps: Batches in an epoch, or None.
            what: Name of the argument that `steps` is, for messages.
        """
        if isinstance(given, Evaluator):
            if steps is None:
                raise ValueError(
                    f"Tensors as data give a whole batch whenever they are evaluated: say with `{what}` how many. "
                    "Arrays, K.constant(...) and the values of layers called on arrays are cut into batches."
                )
            evaluate = given
            return TensorSource(lambda: read(*evaluate()), steps, what)
        if not given.size and steps is None:
            raise ValueError(f"The model is fed nothing: say with `{what}` how many batches there are.")
        size = self._batch_size(batch_size, given.size, steps)
        return ArraySource(given, size, False if self._has_rows() else shuffle, steps, what)

    def _stream(
        self, given: Any, read: Callable[..., Data], judged: bool, steps: Any, what: str, shuffle: Any, workers: Workers
    ) -> StreamSource:
        """Batches of a generator or Sequence, which builds the model if need be.

        Args:
            given: The generator or Sequence.
            read: From inputs, targets and sample weights to what is fed.
            judged: Whether a batch brings targets, if the model has any.
            steps: Batches in an epoch, or None.
            what: Name of the argument that `steps` is, for messages.
            shuffle: Whether the batches of a Sequence are shuffled.
            workers: Who makes the batches.
        """
        name = type(given).__name__
        if not self.inputs:
            given = self._build_from_stream(given, name)
        targets = judged and bool(self._ready().target_places)

        def read_batch(batch: Any) -> Data:
            data = read(*unpacked(batch, name, targets))
            self._check_batch(data.size)
            return data

        return StreamSource(given, read_batch, steps, what, name, *workers, bool(shuffle))

    def _build_from_stream(self, given: Any, name: str) -> Any:
        """Builds the model from a first batch; gives the stream with that batch still in it."""
        if is_sequence(given):
            if len(given):
                self._build(unpacked(given[0], name, False)[0])
            return given
        try:
            first = next(given)
        except StopIteration:
            raise ValueError(f"The {name} gave no batch.") from None
        self._build(unpacked(first, name, False)[0])
        return _Pushed(first, given)


class _Pushed:
    """An iterator with one more value before those it has."""

    def __init__(self, first: Any, rest: Any) -> None:
        self._first = [first]
        self._rest = rest

    def __iter__(self) -> _Pushed:
        return self

    def __next__(self) -> Any:
        return self._first.pop() if self._first else next(self._rest)


def refuse_beside_stream(name: str, **given: Any) -> None:
    """Refuses arguments that a generator or Sequence answers itself.

    Args:
        name: What the data is.
        **given: Arguments that have to be None or 0.
    """
    for argument, value in given.items():
        if value is not None and not (isinstance(value, float) and value == 0):
            raise ValueError(
                f"`{argument}` cannot be given with a {name}, which gives batches (x, y) or (x, y, sample_weight)."
            )


def need_stream(method: str, given: Any) -> None:
    """Refuses data that is neither a generator nor a Sequence."""
    if not is_stream(given):
        raise TypeError(
            f"{method} takes a generator or a multikeras.utils.Sequence, received {type(given).__name__}. Arrays go to "
            f"{method.removesuffix('_generator')}."
        )


class Evaluator:
    """Data with tensors among it, evaluated as often as it is asked for, all tensors at once.

    Attributes:
        tensors: The tensors that are no fixed values.
    """

    def __init__(self, data: Sequence[Any]) -> None:
        self.data = list(data)
        self.tensors = [t for value in data for t in _tensors_of(value) if not isinstance(t, (Constant, ValueTensor))]
        self._function = Function([], self.tensors, name="tensors as data", phase=0) if self.tensors else None

    def __call__(self) -> list[Any]:
        """The same data with arrays in place of these tensors."""
        if self._function is None:
            return self.data
        values: list[Any] = self._function([])
        return calls.replace_in(self.data, dict(zip(self.tensors, values, strict=True)))


def _tensors_of(value: Any) -> list[Tensor]:
    """The tensors in what stands for inputs, targets or weights; nested lists of numbers are not searched."""
    listed = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else [value]
    return [entry for entry in listed if isinstance(entry, Tensor)]


def _needs_placeholder(tensor: Tensor) -> bool:
    """Whether there is a placeholder beneath a tensor."""
    seen = {tensor}
    stack = [tensor]
    while stack:
        node = stack.pop()
        if isinstance(node, Placeholder):
            return True
        for x in node.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return False


def _first_sample(value: Any) -> Any:
    array = table(value, "the first data").range(0, 1)
    return array[..., None] if array.ndim == 1 else array


def evaluated_later(data: Sequence[Any]) -> Evaluator | None:
    """Data with tensors among it, to be evaluated for every batch; None where all of it is fixed."""
    evaluator = Evaluator(data)
    return evaluator if evaluator.tensors else None


def with_values(data: Sequence[Any]) -> list[Any]:
    """Data of one batch, with arrays in place of tensors."""
    if all(value is None or type(value) is np.ndarray for value in data):
        return list(data)
    return Evaluator(data)()


def one_or_list(numbers: Sequence[Any]) -> Any:
    """The only number, or the list of them; arrays without axes become numbers."""
    plain = [n.item() if isinstance(n, np.ndarray) and n.ndim == 0 else n for n in numbers]
    return plain[0] if len(plain) == 1 else plain
