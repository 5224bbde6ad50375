"""Loops and branches as operators of ONNX: Scan, Loop and If, whose bodies see the values around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras.graph.bodies import SubGraph
from multikeras.graph.tensor import Tensor
from multikeras.saving.onnx import recurrent
from multikeras.saving.onnx.graph import Graph
from multikeras.saving.onnx.nodes import Body, Node
from multikeras.saving.onnx.operators import OPERATORS

#: Name, type and number of axes.
Passed = tuple[str, str, int]


def _results(inner: Graph, tensors: Sequence[Tensor]) -> list[Passed]:
    """Names, types and numbers of axes of the results of a body, each a value of its own."""
    return [(inner.node("Identity", [inner.name_of(t)]), inner.held(t.dtype), t.ndim) for t in tensors]


def _declared(graph: Graph, inner: Graph, tensors: Sequence[Tensor]) -> list[Passed]:
    """What is passed into a body, by names of its own."""
    found = []
    for tensor in tensors:
        name = graph.fresh("inside")
        inner.bind(tensor, name)
        found.append((name, graph.held(tensor.dtype), tensor.ndim))
    return found


def _passed(inner: Graph, places: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Says which value outside each place in a body is."""
    for place, value in zip(places, values, strict=True):
        inner.pass_in(place, value)


def _reads(nodes: Sequence[Node], name: str) -> bool:
    """Whether a value is used, in the bodies inside included."""
    for node in nodes:
        inside = [value.nodes for value in node.attributes.values() if isinstance(value, Body)]
        if name in node.inputs or any(_reads(each, name) for each in inside):
            return True
    return False


def _scan(
    graph: Graph,
    result: Tensor,
    *inputs: Tensor,
    body: SubGraph,
    num_sequences: int,
    num_carries: int,
    length: Any,
    reverse: bool,
) -> list[str]:
    cell = graph.loops.get(result)
    if cell is not None:
        return recurrent.emitted(graph, cell, result)
    sequences, carries = inputs[:num_sequences], inputs[num_sequences : num_sequences + num_carries]
    iteration, *others = body.bindings
    slices, states = others[:num_sequences], others[num_sequences : num_sequences + num_carries]
    inner = graph.inner(body.scope)
    moving = _moving(graph, inner, states, carries, body.outputs)
    # Carries come first in ONNX, and the number of the iteration is a sequence of its own.
    first = _declared(graph, inner, [states[i] for i in moving])
    number = _declared(graph, inner, [iteration])
    last = _declared(graph, inner, slices)
    _passed(inner, others[num_sequences + num_carries :], inputs[num_sequences + num_carries :])
    # What is passed in belongs to the graph around, and has to be there before the loop.
    given = graph.names_of([carries[i] for i in moving]), graph.names_of(sequences)
    outputs = _results(inner, [*[body.outputs[i] for i in moving], *body.outputs[num_carries:], *states])
    steps = []
    if not sequences or _reads(inner.nodes, number[0][0]):
        steps = [OPERATORS["iota"](graph, iteration, length, "int32")]
    else:
        number = []
    count = len(steps) + num_sequences
    names = [graph.fresh("scan") for _ in outputs]
    attributes: dict[str, Any] = {"scan_input_directions": [int(reverse)] * count}
    if len(outputs) > len(moving):
        attributes["scan_output_directions"] = [int(reverse)] * (len(outputs) - len(moving))
    graph.node(
        "Scan",
        [*given[0], *steps, *given[1]],
        names,
        body=Body(graph.fresh("step"), inner.nodes, [*first, *number, *last], outputs),
        num_scan_inputs=count,
        **attributes,
    )
    # Behind what each step gives are the states before it; what nobody reads is dropped afterwards.
    return [*_all(graph, carries, moving, names), *names[len(moving) :]]


def _moving(
    graph: Graph, inner: Graph, places: Sequence[Tensor], values: Sequence[Tensor], outputs: Sequence[Tensor]
) -> list[int]:
    """Which carries a step changes; the others are read from around."""
    moving = []
    for i, (place, value) in enumerate(zip(places, values, strict=True)):
        if graph.fixed.stays(outputs[i], place):
            inner.pass_in(place, value)
        else:
            moving.append(i)
    return moving


def _all(graph: Graph, values: Sequence[Tensor], moving: Sequence[int], names: Sequence[str]) -> list[str]:
    """The last values of all carries, those that no step changes included."""
    changed = dict(zip(moving, names, strict=False))
    return [changed[i] if i in changed else graph.name_of(value) for i, value in enumerate(values)]


def _while_loop(
    graph: Graph,
    result: Tensor,
    predicate: Tensor,
    *inputs: Tensor,
    body: SubGraph,
    num_carries: int,
    maximum_iterations: int | None,
) -> list[str]:
    inner = graph.inner(body.scope)
    carries, places = inputs[:num_carries], body.bindings[:num_carries]
    moving = _moving(graph, inner, places, carries, body.outputs[1:])
    own: list[Passed] = [(graph.fresh("iteration"), "int64", 0), (graph.fresh("condition"), "bool", 0)]
    declared = _declared(graph, inner, [places[i] for i in moving])
    _passed(inner, body.bindings[num_carries:], inputs[num_carries:])
    given = graph.names_of([predicate, *[carries[i] for i in moving]])
    # The condition of the next iteration is the first result, as in ONNX.
    outputs = _results(inner, [body.outputs[0], *[body.outputs[1 + i] for i in moving]])
    names = [graph.fresh("loop") for _ in moving]
    graph.node("Loop", ["", *given], names, body=Body(graph.fresh("step"), inner.nodes, [*own, *declared], outputs))
    return _all(graph, carries, moving, names)


def _cond(
    graph: Graph, result: Tensor, predicate: Tensor, *operands: Tensor, then_body: SubGraph, else_body: SubGraph
) -> list[str]:
    bodies: dict[str, Any] = {}
    given = graph.name_of(predicate)
    for key, body in (("then_branch", then_body), ("else_branch", else_body)):
        inner = graph.inner(body.scope)
        _passed(inner, body.bindings, operands)
        bodies[key] = Body(graph.fresh("branch"), inner.nodes, [], _results(inner, body.outputs))
    names = [graph.fresh("if") for _ in then_body.outputs]
    graph.node("If", [given], names, **bodies)
    return names


def _host_select(graph: Graph, result: Tensor, predicate: Tensor, x: Tensor, y: Tensor) -> str:
    """One of two values that may differ in shape, by a condition made of lengths."""
    bodies: dict[str, Any] = {}
    for key, tensor in (("then_branch", x), ("else_branch", y)):
        name = graph.name_of(tensor)
        inner = graph.inner(graph.scope)
        copy = inner.node("Identity", [name])
        bodies[key] = Body(graph.fresh("branch"), inner.nodes, [], [(copy, graph.held(tensor.dtype), tensor.ndim)])
    return graph.node("If", [graph.name_of(predicate)], **bodies)


OPERATORS.update({"scan": _scan, "cond": _cond, "while_loop": _while_loop, "host_select": _host_select})
