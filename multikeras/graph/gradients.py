"""Reverse-mode differentiation, graph to graph.

The gradient of a graph is a graph of the same primitives, so that every backend trains and
gradients of gradients come by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras.contract import PRIMITIVES, is_float
from multikeras.graph.build import all_attributes, data_inputs, item
from multikeras.graph.ops.rules import full_like, sum_to
from multikeras.graph.tensor import Tensor


def gradients(
    losses: Sequence[Tensor], targets: Sequence[Tensor], upstream: Sequence[Tensor | None] | None = None
) -> list[Tensor | None]:
    """Gradients of the sum of all entries of all losses.

    Args:
        losses: What is differentiated.
        targets: By what; any tensors of the graph, each cut as a leaf.
        upstream: Gradients arriving at the losses, of their shapes; ones where None.

    Returns:
        A tensor of its shape for each target, None where the losses do not depend on it or where
        it is an integer.

    Raises:
        ValueError: If a primitive on the way has no gradient rule and is not constant.
    """
    cut = set(targets)
    order = _between(losses, cut)
    arrived: dict[Tensor, Any] = {}
    given = upstream if upstream is not None else [None] * len(losses)
    for loss, g in zip(losses, given, strict=True):
        if loss in order or loss in cut:
            _add(arrived, loss, full_like(loss, 1) if g is None else g)
    for node in sorted(order, key=lambda t: -t.serial):
        g = arrived.get(node)
        if g is None or node in cut:
            continue
        _reverse(node, g, order, cut, arrived)
        if node not in cut:
            del arrived[node]
    return [arrived.get(t) if is_float(t.dtype) else None for t in targets]


def _between(losses: Sequence[Tensor], cut: set[Tensor]) -> set[Tensor]:
    """The nodes between losses and targets: those through which a gradient flows."""
    reached: list[Tensor] = []
    seen = set(losses)
    stack = list(seen)
    while stack:
        node = stack.pop()
        reached.append(node)
        if node in cut:
            continue
        for x in node.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    on_path: set[Tensor] = set()
    for node in sorted(reached, key=lambda t: t.serial):
        if node in cut:
            continue
        primitive = node.primitive
        if primitive is None or (primitive.gradient is None and primitive.name != "item"):
            continue
        if any(x in cut or x in on_path for x in data_inputs(node)):
            on_path.add(node)
    return on_path


def _add(arrived: dict[Tensor, Any], tensor: Tensor, g: Tensor) -> None:
    before = arrived.get(tensor)
    arrived[tensor] = g if before is None else before + g


def _reverse(node: Tensor, g: Any, order: set[Tensor], cut: set[Tensor], arrived: dict[Tensor, Any]) -> None:
    """Passes the gradient that arrived at a node on to its inputs."""
    primitive = node.primitive
    assert primitive is not None
    inputs = data_inputs(node)
    if primitive.name == "item":
        source, index = inputs[0], node.attributes["index"]
        parts = arrived.setdefault(source, [None] * len(source.shape))
        parts[index] = g if parts[index] is None else parts[index] + g
        return
    out: Any = node
    if primitive.multiple:
        out = [item(node, i) for i in range(len(node.shape))]
        if primitive.residuals > 0:
            g = g[: len(g)]
    if primitive.gradient == "composition":
        made = _through_composition(node, g, inputs)
    else:
        assert callable(primitive.gradient)
        made = primitive.gradient(g, out, *inputs, **all_attributes(node))
    if len(made) != len(inputs):
        raise ValueError(
            f"The gradient rule of {primitive.name!r} gave {len(made)} gradients for {len(inputs)} inputs."
        )
    for x, d in zip(inputs, made, strict=True):
        if d is None or not (x in cut or x in order) or not is_float(x.dtype) and x.dtype != "tuple":
            continue
        _add(arrived, x, sum_to(d, x) if primitive.broadcasts else d)


def apart(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors, each a node of its own: of one that comes twice every place has a gradient of its own."""
    if len(set(tensors)) == len(tensors):
        return list(tensors)
    return [PRIMITIVES["identity"](t) for t in tensors]


def _through_composition(node: Tensor, g: Any, inputs: Sequence[Tensor]) -> list[Tensor | None]:
    """Gradients of a fused primitive, taken through the primitives that it is composed of."""
    primitive = node.primitive
    assert primitive is not None and primitive.composition is not None
    inputs = apart(inputs)
    composed = primitive.composition(*inputs, **all_attributes(node))
    results = composed if isinstance(composed, (list, tuple)) else [composed]
    upstream = g if isinstance(g, list) else [g]
    pairs = [(r, d) for r, d in zip(results, upstream, strict=False) if d is not None]
    return gradients([r for r, _ in pairs], list(inputs), [d for _, d in pairs])
