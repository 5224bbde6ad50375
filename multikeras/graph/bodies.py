"""Sub-graphs: the step of a scan and the branches of a cond."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from multikeras.contract import is_float
from multikeras.graph.context import Body, body
from multikeras.graph.rebuilding import rebuild
from multikeras.graph.tensor import Constant, Setting, Tensor

#: Constants of up to so many entries belong into a body rather than among what is passed to it.
SMALL = 64


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

    What is made of shapes, settings and numbers alone is not passed in but made again inside; only
    the tensors whose shapes it asks for are. A constant of floating-point numbers is passed in,
    since somebody may ask for the gradient with respect to it.
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
        for x in tensor.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(found, key=lambda t: t.serial)


def _made_again(tensor: Tensor) -> bool:
    if isinstance(tensor, Setting):
        return True
    if isinstance(tensor, Constant) and tensor.value.size > SMALL:
        return False
    return tensor.on_host and not (is_float(tensor.dtype) and _of_constants(tensor))


def _of_constants(tensor: Tensor) -> bool:
    """Whether a gradient with respect to a constant may flow through a tensor known on the host."""
    seen = {tensor}
    stack = [tensor]
    while stack:
        node = stack.pop()
        if isinstance(node, Constant) and not node.number and is_float(node.dtype):
            return True
        for x in node.inputs:
            if x.on_host and x not in seen:
                seen.add(x)
                stack.append(x)
    return False


def inline(graph: SubGraph, values: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of a sub-graph built anew, here, with `values` in place of its bindings.

    Nothing is stored or printed by the copy.
    """
    return rebuild(graph.outputs, dict(zip(graph.bindings, values, strict=True)), graph.scope, effects=False)
