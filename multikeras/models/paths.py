"""From the outputs of a model back to its inputs: the calls on the way, in an order to run them.

Every walk is a loop with a stack of its own, so that depth is no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.layers import calls
from multikeras.layers.base import Layer
from multikeras.layers.calls import CallRecord
from multikeras.layers.input_layer import InputLayer
from multikeras.layers.operations import Operations


@dataclass
class Step:
    """One call on the way from inputs to outputs.

    Attributes:
        layer: What is called.
        record: Its record, None for operations of K between layers.
        needed: Tensors it depends on.
        outputs: Tensors it makes.
        level: How many layers come before it at most.
    """

    layer: Layer
    record: CallRecord | None
    needed: list[Tensor]
    outputs: list[Tensor]
    level: int


def steps_between(inputs: Sequence[Tensor], outputs: Sequence[Tensor], model: str) -> list[Step]:
    """The calls between inputs and outputs, those of input layers left out, in an order to run them.

    Raises:
        ValueError: If an output needs a placeholder that is not among the inputs; the message names it.
    """
    reached, sources = _reached(inputs, outputs, model)
    levels = _levels(reached, sources)
    steps: dict[int, Step] = {}
    raw: list[Tensor] = []
    for tensor in reached:
        source = sources[tensor]
        if source is None:
            if tensor.primitive is not None:
                raw.append(tensor)
        else:
            layer, record, _ = source
            if id(record) not in steps:
                steps[id(record)] = Step(layer, record, record.needed, record.output_tensors, levels[tensor])
    regions = _regions(raw, levels, outputs, [s for step in steps.values() for s in step.needed])
    made = [*steps.values(), *regions]
    made.sort(key=lambda step: (step.level, step.record is None, step.outputs[0].serial))
    return made


def _reached(inputs: Sequence[Tensor], outputs: Sequence[Tensor], model: str) -> tuple[list[Tensor], dict[Tensor, Any]]:
    """All tensors that the outputs depend on, in creation order, with what made each."""
    given = set(inputs)
    sources: dict[Tensor, Any] = {}
    stack = [t for t in outputs if t not in given]
    seen = set(stack)
    while stack:
        tensor = stack.pop()
        source = calls.history(tensor)
        if isinstance(tensor, Placeholder):
            raise ValueError(_disconnected(tensor, source, inputs, sources, model))
        if source is not None and isinstance(source[0], InputLayer):
            # Input(tensor=...) that is no input of this model is an ordinary operation.
            source = None
        sources[tensor] = source
        needed: Sequence[Tensor] = tensor.inputs if source is None else source[1].needed
        for x in needed:
            if x not in seen and x not in given:
                seen.add(x)
                stack.append(x)
    return sorted(sources, key=lambda t: t.serial), sources


def _disconnected(
    placeholder: Tensor,
    source: Any,
    inputs: Sequence[Tensor],
    sources: dict[Tensor, Any],
    model: str,
) -> str:
    users = [
        found[0].name
        for tensor, found in sources.items()
        if found is not None and any(x is placeholder for x in found[1].needed)
    ]
    behind = f" of layer {source[0].name!r}" if source is not None else ""
    used = f", used by layer {users[0]!r}," if users else ""
    return (
        f"Graph disconnected: the outputs of model {model!r} need the placeholder {placeholder.name!r}{behind} (shape "
        f"{placeholder.shape}){used} and it is not among the inputs ({', '.join(t.name for t in inputs) or 'none'}). "
        "Add it to inputs=, or build the outputs from the inputs alone."
    )


def _levels(reached: Sequence[Tensor], sources: dict[Tensor, Any]) -> dict[Tensor, int]:
    """How many layers lie before each tensor at most."""
    levels: dict[Tensor, int] = {}
    for tensor in reached:
        source = sources[tensor]
        if source is None:
            levels[tensor] = max((levels.get(x, 0) for x in tensor.inputs), default=0)
        else:
            levels[tensor] = 1 + max((levels.get(x, 0) for x in source[1].needed), default=0)
    return levels


def _regions(
    raw: Sequence[Tensor], levels: dict[Tensor, int], outputs: Sequence[Tensor], needed: Sequence[Tensor]
) -> list[Step]:
    """Connected primitives of one level, each as an `Operations` layer.

    Primitives of different levels may have a layer between them, and so belong apart.
    """
    parents: dict[Tensor, Tensor] = {t: t for t in raw}

    def root(tensor: Tensor) -> Tensor:
        while parents[tensor] is not tensor:
            parents[tensor] = parents[parents[tensor]]
            tensor = parents[tensor]
        return tensor

    for tensor in raw:
        for x in tensor.inputs:
            if x in parents and levels[x] == levels[tensor]:
                parents[root(tensor)] = root(x)
    members: dict[Tensor, list[Tensor]] = {}
    for tensor in raw:
        members.setdefault(root(tensor), []).append(tensor)
    used = {*outputs, *needed}
    for tensor in raw:
        used.update(x for x in tensor.inputs if x in parents and root(x) is not root(tensor))
    return [_region(group, levels, lambda t: t in used) for group in members.values()]


def _region(group: list[Tensor], levels: dict[Tensor, int], is_used: Callable[[Tensor], bool]) -> Step:
    inside = set(group)
    boundary: dict[Tensor, None] = {}
    variables: dict[Variable, None] = {}
    for tensor in group:
        for x in tensor.inputs:
            if x in inside:
                continue
            if isinstance(x, Variable):
                variables[x] = None
            elif x.primitive is not None or isinstance(x, Placeholder):
                boundary[x] = None
    results = [t for t in group if is_used(t)]
    layer = Operations(list(boundary), results, list(variables))
    return Step(layer, None, list(boundary), results, levels[group[0]])


def layers_in_order(
    inputs: Sequence[tuple[Layer, Tensor]], steps: Sequence[Step], outputs: Sequence[Tensor]
) -> list[Layer]:
    """The layers in Keras's order: farthest from the outputs first, then as met from the outputs.

    Files that Keras wrote hold weights in this order.
    """
    entries = [Step(layer, None, [], [tensor], -1) for layer, tensor in inputs]
    every = [*entries, *steps]
    made_by = {tensor: step for step in every for tensor in step.outputs}
    places, walked = _met_from_outputs(made_by, outputs)
    depths: dict[int, int] = {}
    layer_depths: dict[int, int] = {}
    # How far a layer is that is called several times depends on which call comes first, and hence on the walk.
    for step in reversed(walked):
        depth = max(depths.get(id(step), 0), layer_depths.get(id(step.layer), 0))
        depths[id(step)] = layer_depths[id(step.layer)] = depth
        for tensor in step.needed:
            source = made_by.get(tensor)
            if source is not None:
                depths[id(source)] = max(depths.get(id(source), 0), depth + 1)
    layers = {id(step.layer): step.layer for step in every}
    # An input that nothing uses comes first among the layers that nothing follows.
    return sorted(layers.values(), key=lambda layer: (-layer_depths.get(id(layer), 0), places.get(id(layer), -1)))


def _met_from_outputs(made_by: dict[Tensor, Step], outputs: Sequence[Tensor]) -> tuple[dict[int, int], list[Step]]:
    """A walk from the outputs, depth first: the place of each layer, as met, and the calls, each after its sources."""
    places: dict[int, int] = {}
    walked: list[Step] = []
    seen: set[int] = set()
    # The calls on the way, each with those of its sources that were not visited yet.
    way: list[tuple[Step | None, Iterator[Tensor]]] = [(None, iter(outputs))]
    while way:
        step, sources = way[-1]
        source = next((made_by[t] for t in sources if t in made_by and id(made_by[t]) not in seen), None)
        if source is not None:
            seen.add(id(source))
            places.setdefault(id(source.layer), len(places))
            way.append((source, iter(source.needed)))
            continue
        way.pop()
        if step is not None:
            walked.append(step)
    return places, walked


__all__ = ["Step", "layers_in_order", "steps_between"]
