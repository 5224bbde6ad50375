"""Operands that are repeated to a shape which the others have anyway: as they are before that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from multikeras.graph.build import data_inputs
from multikeras.graph.context import inside
from multikeras.graph.tensor import Tensor
from multikeras.saving.onnx.lengths import source_of

if TYPE_CHECKING:
    from multikeras.saving.onnx.graph import Graph


def bare(graph: Graph, result: Tensor, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """The operands of a primitive that broadcasts, without repetitions that it makes itself.

    Args:
        graph: Where they are used.
        result: What the primitive makes.
        inputs: Its operands.
    """
    primitive = result.primitive
    if primitive is None or not primitive.broadcasts or primitive.name in ("broadcast_to", "matmul") or len(inputs) < 2:
        return inputs
    made = list(inputs)
    for i, x in enumerate(made):
        if graph.fixed.is_fixed(x):
            continue
        found = _source(graph, x)
        others = [o for j, o in enumerate(made) if j != i]
        if found is not None and any(_has_shape(graph, o, result, found[1]) for o in others):
            made[i] = found[0]
    return made


def _source(graph: Graph, x: Tensor) -> tuple[Tensor, Any] | None:
    """What a tensor repeats, and the shape to which it does."""
    primitive = x.primitive
    if primitive is None:
        return None
    if primitive.name == "broadcast_to":
        return x.inputs[0], x.inputs[1] if x.host else x.attributes["shape"]
    if not primitive.elementwise or primitive.effect:
        return None
    # A number times something repeated is a number repeated.
    repeated = [y for y in data_inputs(x) if y.ndim]
    found = _source(graph, repeated[0]) if len(repeated) == 1 else None
    if found is None:
        return None
    with inside(x.body):
        operands = [found[0] if y is repeated[0] else y for y in data_inputs(x)]
        return primitive(*operands, **x.attributes), found[1]


def _has_shape(graph: Graph, x: Tensor, result: Tensor, shape: Any) -> bool:
    """Whether a tensor surely has the shape that others are repeated to."""
    if x.shape != result.shape:
        return False
    for i, length in enumerate(result.shape):
        if length is None:
            source = source_of(shape, i) if isinstance(shape, Tensor) else None
            if source is None or graph.lengths.root(*source) != graph.lengths.root(x, i):
                return False
    return True
