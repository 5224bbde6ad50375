"""`Operations`: what a model makes of functions of K between its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multikeras.graph import updates
from multikeras.graph.build import ITEM, all_attributes, apply, data_inputs
from multikeras.graph.tensor import Tensor, Variable
from multikeras.graph.updates import Update
from multikeras.layers.base import Layer


class Operations(Layer):
    """A region of primitives between layers, as a layer.

    Models make it; nobody calls its constructor.

    Args:
        boundary: The tensors that the region starts from.
        results: The tensors of the region that are used outside it.
        variables: The variables that the region reads, which are its weights.
        **kwargs: What every layer takes.
    """

    def __init__(
        self, boundary: Sequence[Tensor], results: Sequence[Tensor], variables: Sequence[Variable], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.boundary = tuple(boundary)
        self.results = tuple(results)
        for variable in variables:
            self._track(variable)
        self.supports_masking = True
        self.built = True

    @property
    def functions(self) -> list[str]:
        """Names of the primitives in the region."""
        found: dict[str, None] = {}
        seen = set(self.boundary)
        stack = [t for t in self.results if t not in seen]
        while stack:
            tensor = stack.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            if tensor.primitive is not None:
                found[tensor.primitive.name] = None
            stack.extend(tensor.inputs)
        return list(found)

    def call(self, inputs: Any) -> Any:
        return self.rebuilt(dict(zip(self.boundary, inputs, strict=True)))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        # The next layer looks through the operations for the mask itself.
        return None

    def rebuilt(self, replaced: Mapping[Tensor, Tensor]) -> list[Tensor]:
        """The results built anew with some tensors replaced."""
        return rebuilt(self.results, replaced)

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(
            f"Layer {self.name!r} stands for operations of K between layers ({', '.join(self.functions)}), which "
            "cannot be written to a configuration yet. Put them into a Lambda layer or a layer of your own."
        )


def rebuilt(results: Sequence[Tensor], replaced: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """Tensors built anew with some of those beneath them replaced; what does not depend on these is kept."""
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
        changed = any(made[x] is not x for x in tensor.inputs)
        made[tensor] = _again(tensor, made) if changed else tensor
    return [made[t] for t in results]


def _again(tensor: Tensor, made: Mapping[Tensor, Any]) -> Any:
    """A node applied to the new counterparts of its inputs; a list where it has several results."""
    primitive = tensor.primitive
    assert primitive is not None
    inputs = [made[x] for x in data_inputs(tensor)]
    if primitive is ITEM:
        source = inputs[0]
        return source[tensor.attributes["index"]] if isinstance(source, list) else tensor
    if isinstance(tensor, Update):
        variable, value, *_ = inputs
        if primitive is updates.ASSIGN_AVERAGE:
            return updates.assign_average(variable, value, **tensor.attributes)
        return (updates.assign if primitive is updates.ASSIGN else updates.assign_add)(variable, value)
    attributes = {n: made[v] if isinstance(v, Tensor) else v for n, v in all_attributes(tensor).items()}
    return apply(primitive, tuple(inputs), attributes)
