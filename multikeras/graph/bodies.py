"""Sub-graphs: the step of a scan and the branches of a cond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from multikeras.graph.build import ITEM, all_attributes, apply, data_inputs
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
    """The outputs of a sub-graph built anew, here, with `values` in place of its bindings.

    What was made outside the sub-graph is used as it is. Nothing is stored or printed by the copy.
    """
    made: dict[Tensor, Any] = dict(zip(graph.bindings, values, strict=True))
    order: list[Tensor] = []
    stack = [t for t in graph.outputs if t not in made]
    seen = set(stack)
    while stack:
        tensor = stack.pop()
        order.append(tensor)
        for x in tensor.inputs:
            if x not in seen and x not in made:
                seen.add(x)
                stack.append(x)
    for tensor in sorted(order, key=lambda t: t.serial):
        inside = tensor.body is not None and tensor.body.within(graph.scope)
        if not inside and all(made[x] is x for x in tensor.inputs):
            made[tensor] = tensor
        else:
            made[tensor] = _rebuilt(tensor, made)
    return [made[t] for t in graph.outputs]


def _rebuilt(tensor: Tensor, made: dict[Tensor, Any]) -> Any:
    """A node applied to the rebuilt counterparts of its inputs; a list where it has several results."""
    primitive = tensor.primitive
    if primitive is None:
        raise ValueError(f"{tensor!r} belongs to {tensor.body} and cannot be rebuilt elsewhere.")
    if primitive is ITEM:
        return made[tensor.inputs[0]][tensor.attributes["index"]]
    if primitive.name == "print_value":
        return made[tensor.inputs[0]]
    attributes = {n: made[v] if isinstance(v, Tensor) else v for n, v in all_attributes(tensor).items()}
    return apply(primitive, tuple(made[x] for x in data_inputs(tensor)), attributes)
