"""Loops and branches as operators of ONNX: Scan and If, whose bodies see the values around them."""

from __future__ import annotations

from typing import Any

from multikeras.graph.bodies import SubGraph
from multikeras.graph.tensor import Tensor
from multikeras.saving.libraries import onnx as _onnx
from multikeras.saving.onnx.export import Graph, element_type
from multikeras.saving.onnx.operators import OPERATORS


def _value(name: str, tensor: Tensor) -> Any:
    """A declaration without lengths, which a body may leave open."""
    return _onnx().helper.make_tensor_value_info(name, element_type(tensor.dtype), None)


def _results(inner: Graph, tensors: Any) -> tuple[list[str], list[Any]]:
    """Names and declarations of the results of a body, each a value of its own."""
    names = [inner.node("Identity", [inner.name_of(t)]) for t in tensors]
    return names, [_value(name, t) for name, t in zip(names, tensors, strict=True)]


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
    sequences, carries = inputs[:num_sequences], inputs[num_sequences : num_sequences + num_carries]
    invariants = inputs[num_sequences + num_carries :]
    iteration, *others = body.bindings
    slices, states = others[:num_sequences], others[num_sequences : num_sequences + num_carries]
    inner = Graph(graph.where, graph)
    declared = []
    # Carries come first in ONNX, and the number of the iteration is a sequence of its own.
    for tensor in (*states, iteration, *slices):
        name = graph.fresh("inside")
        inner.bind(tensor, name)
        declared.append(_value(name, tensor))
    for tensor, outer in zip(others[num_sequences + num_carries :], invariants, strict=True):
        inner.bind(tensor, graph.name_of(outer))
    names, values = _results(inner, body.outputs)
    made = _onnx().helper.make_graph(inner.nodes, graph.fresh("step"), declared, values)
    steps = OPERATORS["iota"](graph, iteration, length, "int32")
    direction = int(reverse)
    ys = len(body.outputs) - num_carries
    outputs = [graph.fresh("scan") for _ in names]
    graph.node(
        "Scan",
        [*[graph.name_of(c) for c in carries], steps, *[graph.name_of(s) for s in sequences]],
        outputs,
        body=made,
        num_scan_inputs=1 + num_sequences,
        scan_input_directions=[direction] * (1 + num_sequences),
        scan_output_directions=[direction] * ys,
    )
    # The states before each step, which only gradients read.
    return [*outputs, *[""] * num_carries]


def _cond(
    graph: Graph, result: Tensor, predicate: Tensor, *operands: Tensor, then_body: SubGraph, else_body: SubGraph
) -> list[str]:
    bodies = {}
    for key, body in (("then_branch", then_body), ("else_branch", else_body)):
        inner = Graph(graph.where, graph)
        for tensor, outer in zip(body.bindings, operands, strict=True):
            inner.bind(tensor, graph.name_of(outer))
        _, values = _results(inner, body.outputs)
        bodies[key] = _onnx().helper.make_graph(inner.nodes, graph.fresh("branch"), [], values)
    outputs = [graph.fresh("if") for _ in then_body.outputs]
    graph.node("If", [graph.name_of(predicate)], outputs, **bodies)
    return outputs


OPERATORS.update({"scan": _scan, "cond": _cond})
