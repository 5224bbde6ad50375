"""The graph of a model as data, for prediction alone: without the phase of training, its noise and its stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras.graph.bodies import SubGraph
from multikeras.graph.build import data_inputs
from multikeras.graph.tensor import Tensor, Variable
from multikeras.graph.updates import Update
from multikeras.saving.graphs.fixed import Fixed, passed_on
from multikeras.saving.graphs.graph_format import Writer


class PredictionWriter(Writer):
    """Writes what is left of a graph in the phase of testing.

    Args:
        inputs, variables, where: As of `to_data`.
        fixed: What is known of its tensors.
    """

    def __init__(
        self, inputs: Sequence[Tensor], variables: Sequence[Variable], where: str, fixed: Fixed | None = None
    ) -> None:
        super().__init__(inputs, variables, where)
        self._fixed = fixed or Fixed()
        self._used: dict[Tensor, list[int]] = {}

    def same(self, tensor: Tensor) -> Tensor:
        while True:
            name = tensor.primitive.name if tensor.primitive is not None else ""
            if name == "host_select" and self._fixed.is_fixed(tensor.inputs[0]):
                tensor = self._fixed.selected(tensor)
            elif name == "custom_gradient" or (name == "after" and self._keeps(tensor.inputs[1:])):
                # Nobody asks an export for gradients.
                tensor = tensor.inputs[0]
            elif name in ("assign", "assign_moved") and tensor.body is not None:
                # In a body it is a value, which is stored outside if at all.
                tensor = tensor.inputs[1]
            else:
                return tensor

    def _keeps(self, effects: Sequence[Tensor]) -> bool:
        return all(isinstance(effect, Update) and self._fixed.keeps(effect) for effect in effects)

    def read(self, tensor: Tensor) -> Sequence[Tensor]:
        if tensor.primitive is None or not tensor.primitive.bodies:
            return tensor.inputs
        own, data = passed_on(tensor), data_inputs(tensor)
        return [*data[:own], *[data[own + i] for i in self._read_inside(tensor)], *tensor.inputs[len(data) :]]

    def passed(self, tensor: Tensor, body: SubGraph) -> Sequence[Tensor]:
        own = len(body.bindings) - (len(data_inputs(tensor)) - passed_on(tensor))
        return [*body.bindings[:own], *[body.bindings[own + i] for i in self._read_inside(tensor)]]

    def _read_inside(self, tensor: Tensor) -> list[int]:
        """Which of the tensors outside that bodies may read they do read."""
        if tensor not in self._used:
            count = len(data_inputs(tensor)) - passed_on(tensor)
            used: set[int] = set()
            for body in all_bodies(tensor):
                found = self.inner(body.bindings, self.where).reached(body.outputs)
                used.update(i for i in range(count) if body.bindings[len(body.bindings) - count + i] in found)
            self._used[tensor] = sorted(used)
        return self._used[tensor]

    def inner(self, places: Sequence[Tensor], where: str) -> Writer:
        return PredictionWriter(places, [], where, self._fixed)


def all_bodies(tensor: Tensor) -> list[Any]:
    """The bodies of a loop or a branch."""
    assert tensor.primitive is not None
    return [tensor.attributes[name] for name in tensor.primitive.bodies]
