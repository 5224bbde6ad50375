"""ONNX graphs in the form of the package onnx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from multikeras.saving.libraries import onnx as _onnx
from multikeras.saving.onnx import types
from multikeras.saving.onnx.nodes import Body, Node, Stored


@dataclass
class Value:
    """An input or an output.

    Attributes:
        name: Its name.
        dtype: Its type in the file.
        shape: Its lengths, names where they are unknown.
    """

    name: str
    dtype: str
    shape: Sequence[int | str]


@dataclass
class Described:
    """A graph with all that belongs to it.

    Attributes:
        name: Its name.
        nodes: Its operators.
        inputs: What it takes.
        outputs: What it gives.
        stored: Its constants and weights by name.
        defaults: What inputs are that are left out, by name.
        shapes: Shapes of values by name, as far as tensors say them.
    """

    name: str
    nodes: list[Node]
    inputs: list[Value]
    outputs: list[Value]
    stored: dict[str, Stored]
    defaults: Mapping[str, np.ndarray] = field(default_factory=dict)
    shapes: Mapping[str, Any] = field(default_factory=dict)


def model(described: Described, opset: int, external: str | None = None, outline: bool = False) -> Any:
    """The model of a file.

    Args:
        described: The graph.
        opset: The version of the operators.
        external: Name of the file that large weights are in; None where all are in the model.
        outline: Whether large weights are left out and declared as inputs, which is all that checks need.
    """
    helper = _onnx().helper
    offsets = places(described) if external is not None else {}
    held = {**described.stored, **{name: Stored(array, str(array.dtype)) for name, array in described.defaults.items()}}
    declared = [_value(value) for value in described.inputs]
    if outline:
        large = {name: described.stored[name] for name in places(described)}
        declared += [_value(Value(name, entry.dtype, entry.array.shape)) for name, entry in large.items()]
        held = {name: entry for name, entry in held.items() if name not in large}
    graph = helper.make_graph(
        [_node(node) for node in described.nodes],
        described.name,
        declared,
        [_value(value) for value in described.outputs],
        [_tensor(name, entry, offsets.get(name), external) for name, entry in held.items()],
    )
    versions = [helper.make_opsetid("", opset)]
    made = helper.make_model(graph, opset_imports=versions, ir_version=helper.find_min_ir_version_for(versions))
    from multikeras import __version__

    made.producer_name, made.producer_version = "multikeras", __version__
    made.doc_string = f"The model {described.name!r} of multikeras, for prediction."
    return made


#: Weights of so many bytes or more are written into the file beside the model, if there is one.
_LARGE = 1024

#: Where they begin there: multiples of this, so that runtimes can map them.
_PAGE = 4096


def places(described: Described) -> dict[str, int]:
    """Where large weights begin in a file of their own."""
    found, end = {}, 0
    for name, entry in described.stored.items():
        size = types.size_of(entry.array.shape, entry.dtype)
        if size >= _LARGE:
            found[name] = end
            end += -(-size // _PAGE) * _PAGE
    return found


def _tensor(name: str, entry: Stored, offset: int | None, external: str | None) -> Any:
    made = _onnx().TensorProto()
    made.name, made.data_type = name, types.number_of(entry.dtype)
    made.dims.extend(entry.array.shape)
    if offset is None or external is None:
        made.raw_data = types.stored(entry.array, entry.dtype)
        return made
    made.data_location = _onnx().TensorProto.EXTERNAL
    size = types.size_of(entry.array.shape, entry.dtype)
    for key, value in (("location", external), ("offset", offset), ("length", size)):
        made.external_data.add(key=key, value=str(value))
    return made


def _value(value: Value) -> Any:
    return _onnx().helper.make_tensor_value_info(value.name, types.number_of(value.dtype), list(value.shape))


def _node(node: Node) -> Any:
    attributes = {k: _body(v) if isinstance(v, Body) else v for k, v in node.attributes.items()}
    label = f"{node.layer}/{node.kind}" if node.layer else node.kind
    return _onnx().helper.make_node(node.kind, node.inputs, node.outputs, f"{label}{node.outputs[0]}", **attributes)


def _body(body: Body) -> Any:
    helper = _onnx().helper

    def declared(values: Sequence[tuple[str, str, int]]) -> list[Any]:
        # Without lengths, which a body may leave open.
        return [helper.make_tensor_value_info(n, types.number_of(dtype), [None] * ndim) for n, dtype, ndim in values]

    return helper.make_graph(
        [_node(node) for node in body.nodes], body.name, declared(body.inputs), declared(body.outputs)
    )
