"""`Operations`: what a model makes of functions of K between its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multikeras.graph.rebuilding import rebuild
from multikeras.graph.tensor import Tensor, Variable
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
        return rebuild(self.results, replaced)

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(
            f"Layer {self.name!r} stands for operations of K between layers ({', '.join(self.functions)}), which "
            "cannot be written to a configuration yet. Put them into a Lambda layer or a layer of your own."
        )
