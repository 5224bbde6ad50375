"""Graphs built anew with some tensors replaced: inlined bodies, replayed models, clones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multikeras.graph import updates
from multikeras.graph.build import ITEM, all_attributes, apply, data_inputs, item
from multikeras.graph.context import Body
from multikeras.graph.tensor import Tensor
from multikeras.graph.updates import Update


def rebuild(
    results: Sequence[Tensor],
    replaced: Mapping[Tensor, Tensor],
    inside: Body | None = None,
    effects: bool = True,
) -> list[Tensor]:
    """Builds tensors anew with some of those beneath them replaced.

    Args:
        results: What to build anew.
        replaced: Tensors to use instead of others.
        inside: A body whose nodes are built anew in any case, since they exist only in it; what
            depends neither on it nor on `replaced` is used as it is.
        effects: Whether the copies store and print as the originals do.
    """
    made: dict[Tensor, Any] = dict(replaced)
    order: list[Tensor] = []
    stack = [t for t in results if t not in made]
    seen = set(stack)
    while stack:
        tensor = stack.pop()
        order.append(tensor)
        for x in tensor.inputs:
            if x not in seen and x not in made:
                seen.add(x)
                stack.append(x)
    for tensor in sorted(order, key=lambda t: t.serial):
        belongs = inside is not None and tensor.body is not None and tensor.body.within(inside)
        changed = belongs or any(made[x] is not x for x in tensor.inputs)
        made[tensor] = _again(tensor, made, effects) if changed else tensor
    return [made[t] for t in results]


def _again(tensor: Tensor, made: Mapping[Tensor, Any], effects: bool) -> Any:
    """A node applied to the new counterparts of its inputs; a list where it has several results."""
    primitive = tensor.primitive
    if primitive is None:
        raise ValueError(f"{tensor!r} belongs to {tensor.body} and cannot be built elsewhere.")
    inputs = [made[x] for x in data_inputs(tensor)]
    if primitive is ITEM:
        source, index = inputs[0], tensor.attributes["index"]
        return item(source, index) if isinstance(source, Tensor) else source[index]
    if not effects and primitive.name == "print_value":
        return inputs[0]
    if effects and isinstance(tensor, Update):
        variable, value, *rest = inputs
        if primitive is updates.ASSIGN_MOVED:
            settled = updates.Settled(variable, value, True, rest[1])
            return updates.assign_settled(settled, value, rest[1], tensor.left)
        if primitive is updates.ASSIGN_AVERAGE:
            return updates.assign_average(variable, value, **tensor.attributes)
        if primitive is updates.ASSIGN_ADD:
            return updates.assign_add(variable, value)
        copy = updates.assign(variable, value)
        copy.left = tensor.left
        return copy
    attributes = {n: made[v] if isinstance(v, Tensor) else v for n, v in all_attributes(tensor).items()}
    return apply(primitive, tuple(inputs), attributes)
