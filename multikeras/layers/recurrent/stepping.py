"""Calling a cell, outside the loop and in its body.

`K.rnn` calls the step function once outside the loop, so that it learns shapes and a cell makes
what it keeps, and once in the body. What the call outside asks for besides its result, updates and
losses, belongs to nobody: only the body runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from multikeras import lookup
from multikeras.graph.context import context
from multikeras.layers import calls
from multikeras.layers.calls import CallRecord


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


def in_loop(layer: Any, called: Any, step: Callable[..., Any]) -> Callable[..., Any]:
    """A step function of `K.rnn` whose calls are filed with the call of a layer.

    Args:
        layer: The layer whose `call` runs the loop.
        called: What the step calls: a cell that is a layer, or None if the step calls layers itself.
        step: `step(inputs, states) -> (output, new states)`.
    """
    outside = context.body
    around = calls.current(layer)

    def wrapped(inputs: Any, states: Any) -> Any:
        if context.body is outside:
            record = CallRecord(called or layer, [inputs], True, {})
        elif called is None:
            return step(inputs, states)
        else:
            record = CallRecord(called, [inputs], True, {})
            if around is not None:
                around.children.append((called, record))
        record.training = None if around is None else around.training
        with calls.opened(called or layer, record):
            return step(inputs, states)

    return wrapped
