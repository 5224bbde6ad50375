"""Quotients, some of which are means: of axes, or of windows."""

from __future__ import annotations

from math import prod
from typing import Any

from multikeras.contract import is_float
from multikeras.graph.tensor import Tensor
from multikeras.saving.onnx import windows
from multikeras.saving.onnx.graph import Graph
from multikeras.saving.onnx.lengths import source_of
from multikeras.saving.onnx.operators import operator


@operator("divide")
def _divide(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
    added = _summed(graph, x, y)
    if added is not None:
        axis, keepdims = added.attributes["axis"], added.attributes["keepdims"]
        name = graph.name_of(added.inputs[0])
        return graph.node("ReduceMean", [name, graph.constant(axis)], keepdims=int(keepdims))
    if x.primitive is not None and x.primitive.name == "sum_pool" and _counts(graph, x, y):
        return windows.average(graph, x.inputs[0], **x.attributes)
    return graph.typed("Div", graph.names_of([x, y]), x.dtype)


def _counts(graph: Graph, x: Tensor, y: Tensor) -> bool:
    """Whether a tensor says how many entries of the input each window has."""
    if y.ndim == 0:
        return x.attributes["padding"] == "valid" and graph.fixed.is_number(y, prod(x.attributes["window"]))
    ones, counted = y.inputs[0] if y.inputs else y, x.inputs[0]
    if y.primitive is not x.primitive or y.attributes != x.attributes:
        return False
    if windows.needs_lengths(counted, **x.attributes):
        # Entries that are added by an operator of their own would be counted.
        return False
    if ones.primitive is None or ones.primitive.name != "broadcast_to" or not graph.fixed.is_number(ones.inputs[0], 1):
        return False
    for i in range(1, x.ndim - 1):
        source = source_of(ones.inputs[1], i) if ones.host else None
        same = ones.shape[i] == counted.shape[i] is not None or (source is not None and source == (counted, i))
        if not same:
            return False
    return True


def _summed(graph: Graph, x: Tensor, y: Tensor) -> Tensor | None:
    """The sum that a quotient makes a mean of: what was divided, if the divisor is how many entries were added."""
    if x.primitive is None or x.primitive.name != "reduce_sum" or y.ndim or not is_float(x.dtype):
        return None
    before, axes = x.inputs[0], x.attributes["axis"]
    if not axes:
        return None
    lengths = [before.shape[i] for i in axes]
    if None not in lengths:
        return x if graph.fixed.is_fixed(y) and float(graph.fixed.value_of(y)) == prod(lengths) else None
    factors = _factors(y)
    if factors is None:
        return None
    number, sources = factors
    open_ = [(before, i) for i, n in zip(axes, lengths, strict=True) if n is None]
    known = prod(n for n in lengths if n is not None)
    same = len(sources) == len(open_) and all(any(s == o for o in open_) for s in sources)
    return x if same and number == known else None


def _factors(tensor: Tensor) -> tuple[int, list[Any]] | None:
    """A product of lengths as a number and the tensors and axes whose lengths it multiplies."""
    number, sources, stack = 1, [], [tensor]
    while stack:
        here = stack.pop()
        source = source_of(here)
        if isinstance(here.known, int):
            number *= here.known
        elif source is not None:
            sources.append(source)
        elif here.primitive is not None and here.primitive.name in ("cast", "identity", "multiply"):
            stack.extend(here.inputs)
        else:
            return None
    return number, sources
