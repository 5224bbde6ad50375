"""What a layer asks of models: updates, losses and metrics, and where they are filed.

Inside a call they belong to its record. Outside they are filed under the tensors given as `inputs`,
or belong to every model with the layer.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from multikeras import backend as K
from multikeras.graph.context import context
from multikeras.graph.tensor import Tensor
from multikeras.graph.updates import Update, chosen
from multikeras.layers import calls, versions
from multikeras.layers.calls import CallRecord, Entries, LossTerm, MetricTerm

if TYPE_CHECKING:
    pass


def _listed(value: Any) -> list[Any]:
    # An Update unpacks as a pair, and a pair (variable, value) is one update.
    if isinstance(value, list):
        return value
    return [value]


def _in_training(update: Update, trainable: bool) -> None:
    """Lets an Update made in the present body take place in the training phase alone, or not at all."""
    assert context.body is not None
    made = context.body.updates
    made[:] = [other for other in made if other is not update]
    if trainable:
        chosen(update, K.in_train_phase)


class Filed:
    """Entries filed under tensors, which it does not keep alive."""

    def __init__(self) -> None:
        self._filed: list[tuple[list[weakref.ref[Tensor]], Entries]] = []

    def under(self, inputs: Any) -> Entries:
        """New entries filed under these tensors."""
        entries = Entries()
        self._filed.append(([weakref.ref(t) for t in calls.tensors_in(inputs)], entries))
        return entries

    def found(self, wanted: Callable[[Tensor], bool]) -> Iterable[Entries]:
        """Entries all of whose tensors are wanted; those of tensors that are gone are dropped."""
        self._filed = [item for item in self._filed if all(r() is not None for r in item[0])]
        for references, entries in self._filed:
            tensors = [r() for r in references]
            if all(t is not None and wanted(t) for t in tensors):
                yield entries


class Effects:
    """The part of `Layer` that has to do with updates, losses and metrics."""

    name: str
    trainable: bool
    stateful: bool
    _weight_losses: list[LossTerm]
    _unconditional: Entries
    _filed: Filed
    _inbound_nodes: list[CallRecord]

    def _entries(self, inputs: Any) -> Entries:
        if context.trial:
            # What a step function asks for when it is called to learn what it gives is no part of the loop.
            return Entries()
        record = calls.current(self)  # type: ignore[arg-type]
        if record is not None:
            return record
        if inputs is None or not calls.tensors_in(inputs):
            return self._unconditional
        return self._filed.under(inputs)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds updates, stored by a model at every training step.

        Args:
            updates: What `K.update` and its kin give, a (variable, new value) pair, or a list of these.
            inputs: The tensors that they depend on, where they are added outside `call`; None there
                means that they depend on none and belong to every model with the layer.
        """
        entries = self._entries(inputs)
        if context.body is None or context.trial:
            entries.updates.extend(_listed(updates))
            return
        # In a body an Update is carried out by the loop or branch that it is made in, whoever runs it.
        for update in _listed(updates):
            if not isinstance(update, Update):
                entries.updates.append(update)
            elif not self.stateful:
                _in_training(update, self.trainable)

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds tensors to the loss.

        What is added in the step of a loop is summed over the steps; what is added in a branch counts where that is
        taken.

        Args:
            losses: A tensor, or a list of tensors.
            inputs: As in `add_update`.
        """
        entries = self._entries(inputs)
        for loss in _listed(losses):
            if loss is not None:
                self._file(LossTerm(loss), entries.losses)

    def _file(self, term: Any, kept: list[Any]) -> None:
        """Puts a loss or metric where it is kept; one that is made in a body, once it is outside."""
        if context.trial:
            return
        scope = context.body
        if scope is calls.home():
            kept.append(term)
            return
        if isinstance(term, MetricTerm) and term.metric is not None:
            raise NotImplementedError(
                f"Layer {self.name!r} adds a metric object inside {scope}: add it outside, to a tensor that the step "
                "function or branch returns."
            )

        def leave(total: Any) -> None:
            term.tensor = total
            self._file(term, kept)

        assert scope is not None
        scope.added.append((K.mean(term.tensor if K.is_tensor(term.tensor) else K.constant(term.tensor)), leave))

    def add_metric(self, value: Any, name: str | None = None, aggregation: str | None = "mean") -> None:
        """Adds a number that models report; in a loop the sum of what its steps add.

        Args:
            value: A tensor, or the result of calling a metric object.
            name: The name it is reported under; that of the metric object if None.
            aggregation: `'mean'` over batches, or None where `value` is a metric object's result.

        Raises:
            ValueError: If there is no name.
        """
        metric = value.__dict__.get("_metric_obj")
        name = name or getattr(metric, "name", None)
        if name is None:
            raise ValueError(f"Layer {self.name!r}: add_metric needs a name for {value!r}, e.g. name='mean_output'.")
        if metric is None and aggregation != "mean":
            raise ValueError(
                f"Layer {self.name!r}: add_metric takes aggregation='mean', or the result of a metric object; received "
                f"aggregation={aggregation!r} for {value!r}."
            )
        term = MetricTerm(name, value, None if metric is not None else "mean", metric)
        self._file(term, self._entries(None).metrics)

    # -- reading --------------------------------------------------------------------------------

    def _all_entries(self) -> list[Entries]:
        """Everything filed anywhere, of this layer and of layers called inside its calls."""
        found: list[Entries] = [self._unconditional, *self._filed.found(lambda tensor: True)]
        records: list[CallRecord] = list(self._inbound_nodes)
        while records:
            record = records.pop(0)
            found.append(record)
            records = [child for _, child in record.children] + records
        return found

    @property
    def updates(self) -> list[Any]:
        """Updates of all calls; none where `trainable` is False, unless the layer is stateful."""
        if not self.trainable and not self.stateful:
            return []
        return [u for entries in self._all_entries() for u in entries.updates]

    @property
    def losses(self) -> list[Any]:
        """Penalties of the weights, and losses of all calls."""
        return self._penalties() + [t.tensor for entries in self._all_entries() for t in entries.losses]

    def _penalties(self) -> list[Any]:
        """Penalties of the weights of this layer and of the layers inside."""
        inside = versions.inside(self)  # type: ignore[arg-type]
        return [t.tensor for layer in inside for t in layer._weight_losses]

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """Updates of the calls on these tensors; with None those that depend on no call."""
        if not self.trainable and not self.stateful:
            return []
        return [u for entries in self._entries_for(inputs) for u in entries.updates]

    def get_losses_for(self, inputs: Any) -> list[Any]:
        """Losses of the calls on these tensors; with None those that depend on no call."""
        found = [t.tensor for entries in self._entries_for(inputs) for t in entries.losses]
        return self._penalties() + found if inputs is None else found

    def _entries_for(self, inputs: Any) -> Sequence[Entries]:
        if inputs is None:
            return [self._unconditional]
        given = set(calls.tensors_in(inputs))
        found: list[Entries] = list(self._filed.found(given.__contains__))
        for record in self._inbound_nodes:
            if given & set(record.needed):
                found.append(record)
                found.extend(child for _, child in record.children)
        return found
