"""Inputs and outputs of a layer's calls: `layer.input`, `layer.get_output_at(1)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras.layers.calls import CallRecord, LostMask


class Nodes:
    """The part of `Layer` that answers what it was called on."""

    name: str
    _inbound_nodes: list[CallRecord]

    def _record_at(self, node_index: int, what: str) -> CallRecord:
        if not self._inbound_nodes:
            raise RuntimeError(f"Layer {self.name!r} has never been called on a tensor and so has no {what}.")
        if not -len(self._inbound_nodes) <= node_index < len(self._inbound_nodes):
            raise ValueError(
                f"Layer {self.name!r} was called {len(self._inbound_nodes)} times on tensors; there is no {what} at "
                f"call {node_index}."
            )
        return self._inbound_nodes[node_index]

    def _only_record(self, what: str) -> CallRecord:
        if not self._inbound_nodes:
            raise AttributeError(f"Layer {self.name!r} has never been called on a tensor and so has no {what}.")
        if len(self._inbound_nodes) > 1:
            raise AttributeError(
                f"Layer {self.name!r} was called {len(self._inbound_nodes)} times on tensors, so that its {what} is "
                f"ambiguous: use get_{what}_at(call)."
            )
        return self._inbound_nodes[0]

    def _only_shape(self, what: str) -> Any:
        shapes = [_shapes(record, what) for record in self._inbound_nodes]
        if not shapes:
            raise AttributeError(f"Layer {self.name!r} has never been called on a tensor and so has no {what}.")
        if any(shape != shapes[0] for shape in shapes):
            raise AttributeError(
                f"Layer {self.name!r} was called on tensors of different shapes ({', '.join(map(str, shapes))}), so "
                f"that its {what} is ambiguous: use get_{what}_at(call)."
            )
        return shapes[0]

    @property
    def input(self) -> Any:
        """The input of the only call: a tensor, or a list."""
        return _inputs(self._only_record("input"))

    @property
    def output(self) -> Any:
        """The output of the only call: a tensor, or a list."""
        return _outputs(self._only_record("output"))

    @property
    def input_mask(self) -> Any:
        """The mask of the input of the only call."""
        record = self._only_record("input_mask")
        return _one(_masks(record.input_masks), record.single_input)

    @property
    def output_mask(self) -> Any:
        """The mask of the output of the only call."""
        record = self._only_record("output_mask")
        return _one(_masks(record.output_masks), record.single_output)

    @property
    def input_shape(self) -> Any:
        """Static shape of the input, or a list; the same at every call."""
        return self._only_shape("input_shape")

    @property
    def output_shape(self) -> Any:
        """Static shape of the output, or a list; the same at every call."""
        return self._only_shape("output_shape")

    def get_input_at(self, node_index: int) -> Any:
        """The input of a call, counted from 0."""
        return _inputs(self._record_at(node_index, "input"))

    def get_output_at(self, node_index: int) -> Any:
        """The output of a call, counted from 0."""
        return _outputs(self._record_at(node_index, "output"))

    def get_input_shape_at(self, node_index: int) -> Any:
        """The input's shape at a call, counted from 0."""
        return _shapes(self._record_at(node_index, "input_shape"), "input_shape")

    def get_output_shape_at(self, node_index: int) -> Any:
        """The output's shape at a call, counted from 0."""
        return _shapes(self._record_at(node_index, "output_shape"), "output_shape")

    def get_input_mask_at(self, node_index: int) -> Any:
        """The input's mask at a call, counted from 0."""
        record = self._record_at(node_index, "input_mask")
        return _one(_masks(record.input_masks), record.single_input)

    def get_output_mask_at(self, node_index: int) -> Any:
        """The output's mask at a call, counted from 0."""
        record = self._record_at(node_index, "output_mask")
        return _one(_masks(record.output_masks), record.single_output)


def _one(items: Sequence[Any], single: bool) -> Any:
    return items[0] if single else list(items)


def _masks(masks: Sequence[Any]) -> list[Any]:
    return [None if isinstance(mask, LostMask) else mask for mask in masks]


def _inputs(record: CallRecord) -> Any:
    return _one(record.input_tensors, record.single_input)


def _outputs(record: CallRecord) -> Any:
    return _one(record.output_tensors, record.single_output)


def _shapes(record: CallRecord, what: str) -> Any:
    if what == "input_shape":
        return _one(record.input_shapes, record.single_input)
    return _one(record.output_shapes, record.single_output)
