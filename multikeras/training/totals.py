"""Loss and metrics of a batch as tensors, from the outputs of a model and what its layers added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from multikeras import backend as K
from multikeras.layers.calls import LossTerm, MetricTerm
from multikeras.metrics import Mean, Metric
from multikeras.training.outputs import Output


@dataclass(frozen=True)
class Losses:
    """The losses of a batch.

    Attributes:
        training: What training makes small, penalties of regularizers included.
        testing: The same without these.
        parts: The loss of each output that has one, before its factor.
    """

    training: Any
    testing: Any
    parts: list[Any]


def losses_of(outputs: Sequence[Output], terms: Sequence[LossTerm]) -> Losses:
    """The losses of a batch.

    Args:
        outputs: The outputs that have a loss.
        terms: What layers added.
    """
    values = [output.loss_value() for output in outputs]
    parts = [
        value if isinstance(o.loss_weight, (int, float)) and o.loss_weight == 1 else value * o.loss_weight
        for value, o in zip(values, outputs, strict=True)
    ]
    added = [_mean(term.tensor) for term in terms if not term.regularizer]
    penalties = [_mean(term.tensor) for term in terms if term.regularizer]
    testing = _total([*parts, *added]) if parts or added else K.constant(0.0)
    return Losses(_total([*parts, *added, *penalties]), testing, values)


@dataclass(frozen=True)
class Reported:
    """A metric after a batch.

    Attributes:
        metric: The metric object.
        name: The name it asks for.
        updates: What takes the batch into its state.
        result: Its value after that.
        by_layer: Whether a layer called it, so that computing the result updates it.
    """

    metric: Metric
    name: str
    updates: list[Any]
    result: Any
    by_layer: bool = False


def metrics_of(
    outputs: Sequence[Output], terms: Sequence[MetricTerm], means: Sequence[Metric | None] | None = None
) -> list[Reported]:
    """The metrics of a batch.

    Args:
        outputs: All outputs.
        terms: What layers added.
        means: For each term the object that averages it over an epoch; new ones if None.
    """
    several = len(outputs) > 1
    found = []
    for output in outputs:
        for metric, weighted in output.metrics:
            name = f"{output.name}_{metric.name}" if several else metric.name
            found.append(Reported(metric, name, *output.metric_updates(metric, weighted)))
    for i, term in enumerate(terms):
        if term.metric is not None:
            found.append(Reported(term.metric, term.name, [], term.tensor, by_layer=True))
            continue
        mean = (None if means is None else means[i]) or Mean(name=term.name)
        updates = mean.update_state(term.tensor)
        with K.control_dependencies(updates):
            found.append(Reported(mean, term.name, updates, K.identity(mean.result())))
    return found


def _mean(value: Any) -> Any:
    value = value if K.is_tensor(value) else K.constant(value)
    return K.mean(value) if K.ndim(value) else value


def _total(parts: Sequence[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return K.identity(total)
