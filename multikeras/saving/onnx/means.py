"""Which quotients are means."""

from __future__ import annotations

from math import prod
from typing import Any

from multikeras.contract import is_float
from multikeras.graph.tensor import Tensor
from multikeras.saving.onnx.graph import Graph
from multikeras.saving.onnx.lengths import source_of


def summed(graph: Graph, x: Tensor, y: Tensor) -> Tensor | None:
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
