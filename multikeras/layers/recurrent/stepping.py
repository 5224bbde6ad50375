"""Calling a cell, outside the loop and in its body.

`K.rnn` calls the step function once outside the loop, so that it learns shapes and a cell makes
what it keeps, and once in the body. What the call outside asks for besides its result, updates and
losses, belongs to nobody: only the body runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from multikeras import backend as K
from multikeras import lookup
from multikeras.graph.context import context, no_trial
from multikeras.layers import calls
from multikeras.layers.calls import CallRecord, LossTerm, MetricTerm

if TYPE_CHECKING:
    from multikeras.layers.base import Layer


def as_shape(size: Any) -> tuple[Any, ...]:
    """The shape of a state beside the batch axis, from an entry of a cell's `state_size`."""
    return tuple(size) if isinstance(size, (list, tuple)) else (int(size),)


def state_shapes(cell: Any) -> list[tuple[Any, ...]]:
    """The shapes of a cell's states, without the batch axis."""
    size = cell.state_size
    return [as_shape(entry) for entry in size] if isinstance(size, (list, tuple)) else [as_shape(size)]


def output_shape(cell: Any) -> tuple[Any, ...]:
    """The shape of a cell's output, without the batch axis."""
    size = getattr(cell, "output_size", None)
    return state_shapes(cell)[0] if size is None else as_shape(size)


def call_cell(cell: Any, inputs: Any, states: Any, training: Any, constants: Any) -> Any:
    """The output and the new states of a step; `training` and `constants` where the cell takes them."""
    arguments = {}
    if training is not None and lookup.accepts(cell.call, "training"):
        arguments["training"] = training
    if constants:
        arguments["constants"] = list(constants)
    return cell.call(inputs, states, **arguments)


def forget_masks(cell: Any) -> None:
    """Lets a cell and the cells inside it forget the dropout masks they keep for one call of the layer."""
    for inner in getattr(cell, "cells", ()):
        forget_masks(inner)
    for name in ("_dropout_mask", "_recurrent_dropout_mask"):
        if getattr(cell, name, None) is not None:
            setattr(cell, name, None)
    for name in ("reset_dropout_mask", "reset_recurrent_dropout_mask"):
        if hasattr(cell, name):
            getattr(cell, name)()


@contextlib.contextmanager
def fresh_masks(cell: Any) -> Iterator[None]:
    """In this block, one call of a layer, a cell draws masks of its own."""
    forget_masks(cell)
    try:
        yield
    finally:
        # The masks are graph, which the cell must not keep alive.
        forget_masks(cell)


class Loop:
    """A step function of `K.rnn` whose calls are filed with the call of a layer around it.

    Losses and metrics that a step adds are summed over the steps: they become states of the loop.
    How many there are is known after the call outside, so that such a loop is built twice.

    Args:
        layer: The layer whose `call` runs the loop.
        called: What the step calls: a cell that is a layer, or None if the step calls layers itself.
        step: `step(inputs, states) -> (output, new states)`, where constants follow the states.
    """

    def __init__(self, layer: Layer, called: Layer | None, step: Callable[[Any, list[Any]], Any]) -> None:
        self._layer = layer
        self._called = called
        self._step = step
        self._outside = context.body
        self._around = calls.current(layer)
        self._states = 0
        self._sums = 0
        self._terms: list[LossTerm | MetricTerm] = []

    def run(self, inputs: Any, states: Sequence[Any], **arguments: Any) -> tuple[Any, Any, list[Any]]:
        """What `K.rnn` gives for the step, after filing what the steps ask for."""
        self._states = len(states)
        made = K.rnn(self._file, inputs, list(states), **arguments)
        if self._terms:
            self._sums = len(self._terms)
            # A sum is the same for all samples; a step that is masked for a sample does not count for it.
            zero = K.zeros_like(inputs[:, 0], dtype=self._layer.dtype)
            while K.ndim(zero) > 1:
                zero = zero[:, 0]
            made = K.rnn(self._file, inputs, [*states, *[K.identity(zero) for _ in self._terms]], **arguments)
        last, outputs, finals = made
        for term, total in zip(self._terms, finals[self._states :], strict=True):
            term.tensor = K.mean(total)
            if self._around is not None:
                entries: list[Any] = self._around.losses if isinstance(term, LossTerm) else self._around.metrics
                entries.append(term)
        return last, outputs, finals[: self._states]

    def _file(self, inputs: Any, held: Sequence[Any]) -> Any:
        """Called by `K.rnn`: outside the loop, where nothing is kept of what it asks for, and in the body."""
        called = self._layer if self._called is None else self._called
        states, sums = list(held[: self._states]), held[self._states : self._states + self._sums]
        constants = list(held[self._states + self._sums :])
        record = CallRecord(called, [inputs], True, {})
        record.summed = True
        record.training = None if self._around is None else self._around.training
        with calls.opened(called, record), no_trial():
            output, new = self._step(inputs, [*states, *constants])
        self._terms = list(_terms_of(record))
        if context.body is not self._outside and self._around is not None:
            self._around.children.append((called, record))
        added = [total + K.mean(term.tensor) for total, term in zip(sums, self._terms, strict=False)]
        return output, [*new, *added]


def _terms_of(record: CallRecord) -> Iterator[LossTerm | MetricTerm]:
    """The losses and metrics of a call and of those inside it, taken away from their records."""
    records = [record]
    while records:
        one = records.pop()
        yield from one.losses
        for term in one.metrics:
            if term.metric is not None:
                raise NotImplementedError(
                    f"Layer {one.layer.name!r}: a metric object inside a loop over time. Add the metric outside it."
                )
            yield term
        one.losses, one.metrics = [], []
        records.extend(child for _, child in one.children)
