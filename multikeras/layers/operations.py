"""`Operations`: what a model makes of functions of K between its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multikeras import backend as K
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
        given = inputs if isinstance(inputs, list) else [inputs]
        return self.rebuilt(dict(zip(self.boundary, given, strict=True)))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        # The next layer looks through the operations for the mask itself.
        return None

    def rebuilt(self, replaced: Mapping[Tensor, Tensor]) -> list[Tensor]:
        """The results built anew with some tensors replaced."""
        return rebuild(self.results, replaced)

    def get_config(self) -> dict[str, Any]:
        """The graph of the region as data, and what its variables are.

        Raises:
            NotImplementedError: If the region stores, prints or calls Python.
        """
        from multikeras.saving.graphs.graph_format import to_data

        where = f"Layer {self.name!r}, which stands for operations of K between layers,"
        variables = self.weights
        return {
            "name": self.name,
            "graph": to_data(self.boundary, self.results, variables, where),
            "variables": [
                {"name": v.name, "shape": list(v.shape), "dtype": v.dtype, "trainable": v.trainable} for v in variables
            ],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Operations:
        """A region on placeholders of its own; its variables are 0 until they are set."""
        from multikeras.saving.graphs.graph_format import from_data

        variables = []
        for entry in config["variables"]:
            made: Any = K.zeros(tuple(entry["shape"]), dtype=entry["dtype"], name=entry["name"])
            made.trainable = bool(entry["trainable"])
            variables.append(made)
        boundary, results = from_data(config["graph"], None, variables, f"Layer {config['name']!r}")
        return cls(boundary, results, variables, name=config["name"])
