"""Sub-graphs: the step of a scan and the branches of a cond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from multikeras.graph.build import all_attributes, apply, data_inputs
from multikeras.graph.context import Body, body
from multikeras.graph.tensor import Constant, Setting, Tensor


class SubGraph:
    """A graph with named places to be filled.

    Attributes:
        bindings: The tensors that stand for what is passed in: parameters, and the outer tensors
            that the graph uses, in the order in which values arrive.
        outputs: The results.
        scope: The body that was traced.
    """

    __slots__ = ("bindings", "outputs", "scope")

    def __init__(self, bindings: Sequence[Tensor], outputs: Sequence[Tensor], scope: Body) -> None:
        self.bindings = tuple(bindings)
        self.outputs = tuple(outputs)
        self.scope = scope


def trace(
    label: str, function: Callable[..., Sequence[Tensor]], make_parameters: Callable[[Body], Sequence[Tensor]]
) -> tuple[Body, list[Tensor], list[Tensor]]:
    """Calls `function` on parameters; returns the body, the parameters and what it returned."""
    with body(label) as scope:
        parameters = list(make_parameters(scope))
        outputs = list(function(*parameters))
        return scope, parameters, outputs


def captured(scope: Body, outputs: Sequence[Tensor], bound: Sequence[Tensor]) -> list[Tensor]:
    """The tensors from outside that a body uses, in creation order.

    What is made of shapes, settings and constants alone is not passed in but made again inside;
    only the tensors whose shapes it asks for are.
    """
    seen = set(bound)
    found: list[Tensor] = []
    stack = [t for t in outputs if t not in seen]
    seen.update(stack)
    while stack:
        tensor = stack.pop()
        inside = tensor.body is not None and tensor.body.within(scope)
        if not inside and not _made_again(tensor):
            found.append(tensor)
            continue
        for x in _reads(tensor):
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(found, key=lambda t: t.serial)


def _made_again(tensor: Tensor) -> bool:
    if isinstance(tensor, Constant):
        return tensor.value.size <= 64
    return isinstance(tensor, Setting) or (tensor.on_host and tensor.primitive is not None)


def _reads(tensor: Tensor) -> list[Tensor]:
    """Inputs of a node, with what the bodies among its attributes use from outside."""
    return list(tensor.inputs)


def inline(graph: SubGraph, values: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of a sub-graph built anew, here, with `values` in place of its bindings."""
    return substitute(graph.outputs, dict(zip(graph.bindings, values, strict=True)))


def substitute(outputs: Sequence[Tensor], replaced: dict[Tensor, Tensor]) -> list[Tensor]:
    """`outputs` built anew with some tensors replaced; what does not depend on them is reused."""
    made = dict(replaced)
    order: list[Tensor] = []
    stack = [t for t in outputs if t not in made]
    seen = set(stack)
    while stack:
        tensor = stack.pop()
        order.append(tensor)
        for x in tensor.inputs:
            if x not in seen and x not in made:
                seen.add(x)
                stack.append(x)
    tuples: dict[Tensor, list[Tensor]] = {}
    for tensor in sorted(order, key=lambda t: t.serial):
        if not any(x in made and made[x] is not x or x in tuples for x in tensor.inputs):
            made[tensor] = tensor
            continue
        assert tensor.primitive is not None
        if tensor.primitive.name == "item" and tensor.inputs[0] in tuples:
            made[tensor] = tuples[tensor.inputs[0]][tensor.attributes["index"]]
            continue
        attributes = {n: made.get(v, v) if isinstance(v, Tensor) else v for n, v in all_attributes(tensor).items()}
        inputs = tuple(made.get(x, x) for x in data_inputs(tensor))
        result: Any = apply(tensor.primitive, inputs, attributes)
        if tensor.primitive.multiple:
            tuples[tensor] = result
        else:
            made[tensor] = result
    return [made[t] for t in outputs]
