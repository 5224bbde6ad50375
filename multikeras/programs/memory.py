"""Where the values of a specialised graph may lie: in whose memory, and beside what."""

from __future__ import annotations

from collections.abc import Sequence

from multikeras.graph.bodies import SubGraph
from multikeras.graph.build import ITEM
from multikeras.graph.tensor import Tensor

#: Primitives whose kernels may return (a view of) their first input.
VIEWS = frozenset(
    {"reshape", "transpose", "slice", "broadcast_to", "identity", "split", "flip", "cast", "pad", "print_value"}
)


def owners(tensor: Tensor) -> set[Tensor]:
    """The tensors in whose memory the value of `tensor` may lie: arguments, constants, or what made it."""
    found: set[Tensor] = set()
    seen = {tensor}
    stack = [tensor]
    while stack:
        current = stack.pop()
        for source in _lies_in(current):
            if source is current:
                found.add(source)
            elif source not in seen:
                seen.add(source)
                stack.append(source)
    return found


def _lies_in(tensor: Tensor) -> list[Tensor]:
    """Where the value of a tensor may lie, one step back; the tensor itself where it is new memory."""
    primitive = tensor.primitive
    if primitive is None:
        return [tensor]
    if primitive is not ITEM:
        return [tensor.inputs[0]] if primitive.name in VIEWS else [tensor]
    made, index = tensor.inputs[0], tensor.attributes["index"]
    assert made.primitive is not None
    if made.primitive.name == "cond":
        bodies = (made.attributes["then_body"], made.attributes["else_body"])
        return [source for body in bodies for source in _passed_on(body, index, made.inputs[1:])]
    if made.primitive.name == "scan" and index < made.attributes["num_carries"]:
        return _carried(made, index)
    return [made.inputs[0]] if made.primitive.name in VIEWS else [tensor]


def _carried(scan: Tensor, index: int) -> list[Tensor]:
    """Where a final carry may lie: a step may pass on what another carry was."""
    body, first = scan.attributes["body"], scan.attributes["num_sequences"]
    carries = list(body.bindings[1 + first : 1 + first + scan.attributes["num_carries"]])
    found: list[Tensor] = []
    indices = [index]
    for number in indices:
        found += [scan.inputs[first + number], *_passed_on(body, number, (None, *scan.inputs))]
        passed = owners(body.outputs[number])
        indices += [i for i, carry in enumerate(carries) if carry in passed and i not in indices]
    return found


def _passed_on(body: SubGraph, index: int, given: Sequence[Tensor | None]) -> list[Tensor]:
    """Where a result of a body may lie: in what the body made, or in what it was given."""
    places = dict(zip(body.bindings, given, strict=True))
    sources = [places.get(source, source) for source in owners(body.outputs[index])]
    # The number of an iteration is new at each one.
    return [source for source in sources if source is not None]
