"""The table that `model.summary()` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from multikeras.layers import owned
from multikeras.layers.base import Layer
from multikeras.layers.calls import CallRecord
from multikeras.layers.operations import Operations

if TYPE_CHECKING:
    from multikeras.models.network import Network


def print_summary(
    model: Network,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
) -> None:
    """Prints one row a layer, then the numbers of parameters.

    Args:
        model: The model.
        line_length: Width in characters.
        positions: Where the columns end: in characters, or as shares of the width.
        print_fn: Called with each line instead of `print`.
    """
    show = print if print_fn is None else print_fn
    connected = not _is_chain(model)
    width = line_length or (98 if connected else 65)
    shares = list(positions or ([0.33, 0.55, 0.67, 1.0] if connected else [0.45, 0.85, 1.0]))
    ends = [int(width * p) if shares[-1] <= 1 else int(p) for p in shares]
    titles = ["Layer (type)", "Output Shape", "Param #", "Connected to"][: len(ends)]
    show(f'Model: "{model.name}"')
    show("_" * width)
    show(_row(titles, ends))
    show("=" * width)
    layers = model.layers
    nested = _records_of_trace(model)
    for i, layer in enumerate(layers):
        sources = _sources(model, layer) if connected else []
        records = nested.get(id(layer))
        fields = [f"{layer.name} ({_kind(layer)})", _shape(layer, records), str(_count(layer.weights))]
        show(_row([*fields, *sources[:1]], ends))
        for source in sources[1:]:
            show(_row(["", "", "", source], ends))
        show(("=" if i == len(layers) - 1 else "_") * width)
    trainable = _count(model.trainable_weights)
    total = _count(model.weights)
    show(f"Total params: {total:,}")
    show(f"Trainable params: {trainable:,}")
    show(f"Non-trainable params: {total - trainable:,}")
    show("_" * width)


def _row(fields: Sequence[str], ends: Sequence[int]) -> str:
    line = ""
    for field, end in zip(fields, ends, strict=False):
        line = (line + field)[: end - 1].ljust(end)
    return line.rstrip()


def _kind(layer: Layer) -> str:
    if isinstance(layer, Operations):
        return ", ".join(layer.functions)
    return type(layer).__name__


def _count(weights: Sequence[Any]) -> int:
    return sum(prod(w.shape) for w in weights)


def _shape(layer: Layer, records: list[CallRecord] | None) -> str:
    if isinstance(layer, Operations):
        shapes = [t.shape for t in layer.results]
        return str(shapes[0] if len(shapes) == 1 else shapes)
    try:
        return str(layer.output_shape)
    except AttributeError:
        shapes = [s for record in records or [] for s in record.output_shapes]
        if shapes and all(s == shapes[0] for s in shapes):
            return str(shapes[0])
        return "multiple"


def _records_of_trace(model: Network) -> dict[int, list[CallRecord]]:
    """The records of inner layers of a model with a call of its own."""
    found: dict[int, list[CallRecord]] = {}
    if model._trace is not None:
        for layer, record, _ in owned.walk([(model, model._trace)]):
            found.setdefault(id(layer), []).append(record)
    return found


def _is_chain(model: Network) -> bool:
    """Whether every layer follows the one before it."""
    if model._trace is not None:
        return True
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return False
    before = list(model.inputs)
    for step in model._steps:
        if step.needed != before or len(step.outputs) != 1:
            return False
        before = step.outputs
    return True


def _sources(model: Network, layer: Layer) -> list[str]:
    """What a layer is connected to, as `name[call][output]`."""
    made_by: dict[Any, tuple[Layer, int, int]] = {}
    calls: dict[int, int] = {}
    for input_layer, tensor in zip(model._input_layers, model.inputs, strict=True):
        made_by[tensor] = (input_layer, 0, 0)
    for step in model._steps:
        number = calls[id(step.layer)] = calls.get(id(step.layer), -1) + 1
        for place, tensor in enumerate(step.outputs):
            made_by[tensor] = (step.layer, number, place)
    found = []
    for step in model._steps:
        if step.layer is layer:
            for tensor in step.needed:
                if tensor in made_by:
                    maker, number, place = made_by[tensor]
                    found.append(f"{maker.name}[{number}][{place}]")
    return found
