"""`run_eagerly=True`: layers are called anew for every batch, and their tensors have values.

A debugger can then stop in a layer's `call` and look at numbers: `x.numpy()`, `float(K.sum(x))`. Python may branch on
them, too. What the model draws at random is what it draws when it is compiled, as long as its layers draw the same
number of times; what a step function of `K.rnn` draws differs.

Loss and gradients are computed from the new graph. The optimizer, which makes its slots once, is asked for updates
once, with a loss whose gradients are fed.
"""

from __future__ import annotations

import copy
import warnings
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.graph import Tensor
from multikeras.graph.context import Eager, eagerly
from multikeras.graph.tensor import RandomKey
from multikeras.layers import calls, owned
from multikeras.layers.calls import CallRecord
from multikeras.programs.evaluate import evaluate
from multikeras.training.totals import losses_of, metrics_of


class _Called:
    """One call of a model on a batch.

    Attributes:
        outputs: Its outputs.
        record: What its layers asked for.
    """

    def __init__(self, outputs: list[Any], record: CallRecord) -> None:
        self.outputs = outputs
        self.record = record


class _Eager:
    """What training, testing and predicting share.

    Args:
        model: The model.
        phase: The learning phase.
    """

    def __init__(self, model: Any, phase: int) -> None:
        self._model = weakref.ref(model)
        self.phase = phase
        self._keys: dict[str | None, list[Any]] | None = None

    @property
    def model(self) -> Any:
        """The model."""
        return self._model()

    def _block(self, fed: dict[Any, Any], roots: Sequence[Any]) -> Eager:
        if self._keys is None:
            self._keys = _keys_beneath(roots)
        compiled = self.model._compiled
        if not compiled.said_slow:
            compiled.said_slow = True
            warnings.warn(
                f"The model {self.model.name!r} is compiled with run_eagerly=True: its layers are called anew for "
                "every batch, which is slow. It is meant for debugging.",
                UserWarning,
                stacklevel=2,
            )
        return Eager(self.phase, fed, self._keys)

    def _call(self, values: Sequence[Any], fed: dict[Any, Any]) -> _Called:
        """Calls the model on new placeholders that have values.

        Args:
            values: Arrays for the inputs that are fed.
            fed: Takes the values of the placeholders.
        """
        model = self.model
        given: dict[Any, Any] = {}
        for tensor, value in zip(model.feed_inputs, values, strict=True):
            made = K.placeholder(shape=np.shape(value), dtype=K.dtype(tensor), name=tensor.name)
            # What was added to the loss outside of layers depends on the placeholders of old.
            fed[made] = fed[tensor] = value
            given[tensor] = made
        inputs = [given.get(t, t) for t in model.inputs]
        with calls.scratch() as around:
            outputs = model._call_in_graph(inputs[0] if model._single_input else inputs, {})
        return _Called(list(outputs) if isinstance(outputs, list) else [outputs], around.children[-1][1])


class EagerStep(_Eager):
    """A step of training or testing, in the place of a compiled function.

    Args:
        compiled: What compile fixed.
        training: Whether weights are updated.
    """

    def __init__(self, compiled: Any, training: bool) -> None:
        super().__init__(compiled.model, int(training))
        self._compiled = weakref.ref(compiled)
        self.training = training

    def __call__(self, values: Sequence[Any]) -> list[np.ndarray]:
        """Loss and metrics of a batch.

        Args:
            values: Inputs, targets and sample weights, as the compiled function takes them.
        """
        compiled: Any = self._compiled()
        model = compiled.model
        fed: dict[Any, Any] = {}
        roots = [*model.outputs, *_tensors(model.losses), *model.updates, *[t.tensor for t in model.metric_terms]]
        with eagerly(self._block(fed, roots)):
            count = len(compiled.feeds)
            called = self._call(values[:count], fed)
            fed.update(zip(compiled.inputs[count:], values[count:], strict=True))
            return self._step(compiled, model, called, fed)

    def _step(self, compiled: Any, model: Any, called: _Called, fed: dict[Any, Any]) -> list[np.ndarray]:
        pairs = [(model, called.record)]
        before = model._owned()._pairs
        outputs = [_with_tensor(o, tensor) for o, tensor in zip(compiled.outputs, called.outputs, strict=True)]
        terms = _replaced(model.loss_terms, before, pairs, "losses")
        losses = losses_of([output for output in outputs if output.loss is not None], terms)
        metric_terms = _replaced(model.metric_terms, before, pairs, "metrics")
        if len(metric_terms) != len(model.metric_terms):
            raise ValueError(
                f"The layers of model {model.name!r} added {len(metric_terms)} metrics in this call, and "
                f"{len(model.metric_terms)} when the model was built: metrics cannot come and go."
            )
        means = compiled.metrics[len(compiled.metrics) - len(metric_terms) :]
        reported = metrics_of(outputs, metric_terms, means)
        updates = [*self._state_updates(model, pairs, before)]
        updates += [update for each in reported for update in each.updates]
        results: list[Any] = [losses.training if self.training else losses.testing]
        results += losses.parts if len(outputs) > 1 else []
        results += [each.result for each in reported]
        if not self.training:
            return evaluate(results, updates=_as_updates(updates), fed=fed)
        updates += self._training_updates(compiled, model, pairs, before)
        gradients: list[Any] = K.gradients(losses.training, compiled.trained)
        missing = [w.name for w, g in zip(compiled.trained, gradients, strict=True) if g is None]
        if missing:
            raise ValueError(f"The loss does not depend on {', '.join(missing)}: make their layers trainable=False.")
        found = evaluate([*results, *gradients], updates=_as_updates(updates), fed=fed)
        count = len(results)
        compiled.apply_gradients(found[count:])
        return found[:count]

    def _state_updates(self, model: Any, pairs: Any, before: Any) -> list[Any]:
        return _again(model.state_updates, owned.state_updates(before), owned.state_updates(pairs))

    def _training_updates(self, compiled: Any, model: Any, pairs: Any, before: Any) -> list[Any]:
        # What was trainable when the model was compiled counts.
        called = [u for _, record, _ in owned.walk(before) for u in record.updates]
        new = [u for layer, record, _ in owned.walk(pairs) if not layer.stateful for u in record.updates]
        kept = {_variable(u) for u in compiled.updates}
        return _again(compiled.updates, called, [u for u in new if _variable(u) in kept])


class EagerPrediction(_Eager):
    """A step of prediction, in the place of a compiled function."""

    def __init__(self, model: Any) -> None:
        super().__init__(model, 0)

    def __call__(self, values: Sequence[Any]) -> list[np.ndarray]:
        """The outputs for a batch."""
        fed: dict[Any, Any] = {}
        model = self.model
        with eagerly(self._block(fed, model.outputs)):
            called = self._call(values, fed)
            before = model._owned()._pairs
            made = owned.state_updates([(model, called.record)])
            updates = _again(model.state_updates, owned.state_updates(before), made)
            return evaluate(called.outputs, updates=_as_updates(updates), fed=fed)


def _with_tensor(output: Any, tensor: Any) -> Any:
    made = copy.copy(output)
    made.tensor = tensor
    return made


def _replaced(terms: Sequence[Any], before: Any, pairs: Any, kind: str) -> list[Any]:
    """What layers added, with that of a new call in the place of that of an old one."""
    old = {id(term) for _, record, _ in owned.walk(before) for term in getattr(record, kind)}
    new = [term for _, record, _ in owned.walk(pairs) for term in getattr(record, kind)]
    first = next((i for i, term in enumerate(terms) if id(term) in old), len(terms))
    kept = [[term for term in part if id(term) not in old] for part in (terms[:first], terms[first:])]
    return [*kept[0], *new, *kept[1]]


def _again(updates: Sequence[Any], old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    """Updates, with those of a new call in the place of those of an old one."""
    gone = {id(update) for update in old}
    return [*[update for update in updates if id(update) not in gone], *new]


def _variable(update: Any) -> Any:
    return update.variable if hasattr(update, "variable") else update[0]


def _as_updates(updates: Sequence[Any]) -> list[Any]:
    # A pair (variable, new value) is an update, too.
    return [u if isinstance(u, Tensor) else K.update(u[0], u[1]) for u in updates]


def _tensors(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, Tensor)]


def _keys_beneath(roots: Sequence[Any]) -> dict[str | None, list[Any]]:
    """Random keys in a graph, by the layer that drew them, in the order in which they were made."""
    found: list[RandomKey] = []
    stack = [t for t in roots if isinstance(t, Tensor)]
    stack += [t for root in roots if isinstance(root, (tuple, list)) for t in root if isinstance(t, Tensor)]
    seen = set(stack)
    while stack:
        tensor = stack.pop()
        if isinstance(tensor, RandomKey):
            found.append(tensor)
        for x in tensor.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    keys: dict[str | None, list[Any]] = {}
    for key in sorted(found, key=lambda key: key.serial):
        keys.setdefault(None if key.origin is None else key.origin[2], []).append(key)
    return keys
