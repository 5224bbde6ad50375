"""`export`: a model as an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.graph.tensor import Tensor, Variable
from multikeras.saving.libraries import onnx as _onnx
from multikeras.saving.onnx import files, protos, recurrent, rewriting
from multikeras.saving.onnx.graph import Graph

#: The version of ONNX's operators that files ask for unless told otherwise, and the first that may be asked for:
#: onnxruntime knows it since 1.14.
OPSET = 18


def export(model: Any, path: Any, opset: int = OPSET, float64: bool = False) -> None:
    """Writes a model as an ONNX file, for prediction by other programs.

    The batch size and other unknown lengths stay open. The learning phase is that of testing. Inputs and outputs have
    the names of the layers, and the types that `predict` takes and gives. The states of stateful layers become inputs
    of the variables' names, which may be left out and then are what they are now, and outputs of these names with
    `_next` behind them.

    Args:
        model: A built model.
        path: The file, which is replaced as a whole. Weights of more than 2 GB together, which no such file can hold,
            are written into a second one beside it.
        opset: The version of ONNX's operators that the file asks for, from 18, which onnxruntime knows since 1.14.
        float64: Whether what is of type float64 is computed in it; many operators have no such kernel in onnxruntime.
            Else the file computes in float32. What is of type bfloat16 is computed in float32 always, and its weights
            are stored as bfloat16.

    Raises:
        ImportError: If the package onnx is not installed.
        NotImplementedError: If the model uses a primitive that ONNX has no operators for, draws random numbers, prints,
            calls Python or stores into variables when it predicts; the message names it.
        ValueError: If the model is not built yet, or the opset is none.
    """
    onnx = _onnx()
    newest = int(onnx.defs.onnx_opset_version())
    if isinstance(opset, bool) or not isinstance(opset, int) or not OPSET <= opset <= newest:
        raise ValueError(
            f"Model {model.name!r} can be exported with an opset from {OPSET} to {newest}, received {opset!r}."
        )
    if not model.inputs:
        raise ValueError(f"Model {model.name!r} is not built yet: it is exported once it has met data.")
    states = {}
    for update in model.state_updates:
        if update.variable in states:
            raise NotImplementedError(
                f"Model {model.name!r} stores into {update.variable.name!r} twice when it predicts, and an ONNX file "
                "passes each state on once."
            )
        states[update.variable] = update
    made = described(
        Interface(
            model.name,
            dict(zip(model.input_names, model.inputs, strict=True)),
            list(zip(model.output_names, model.outputs, strict=True)),
            states,
            recurrent.loops_of(model),
        ),
        f"Model {model.name!r}",
        float64,
    )
    files.write(made, Path(os.fspath(path)), opset)


@dataclass
class Interface:
    """What is exported.

    Attributes:
        name: Name of the graph.
        inputs: Inputs by name.
        outputs: Names and outputs.
        states: The new value of every variable that is passed in and out.
        loops: The cells of loops that ONNX has operators for.
    """

    name: str
    inputs: Mapping[str, Tensor]
    outputs: Sequence[tuple[str, Tensor]]
    states: Mapping[Variable, Tensor] = field(default_factory=dict)
    loops: Mapping[Tensor, Any] = field(default_factory=dict)


def described(asked: Interface, where: str, double: bool = False) -> protos.Described:
    """The ONNX graph of tensors, and what it takes and gives.

    Args:
        asked: What is exported.
        where: What it belongs to, for messages.
        double: Whether float64 stays float64.
    """
    graph = Graph(where, double)
    graph.loops.update(recurrent.without_states(asked.loops, [tensor for _, tensor in asked.outputs]))
    inputs = [_input(graph, tensor, graph.claim(str(name))) for name, tensor in asked.inputs.items()]
    labels = [(graph.claim(name if name not in asked.inputs else f"{name}_output"), t) for name, t in asked.outputs]
    defaults = {}
    for variable in asked.states:
        name = graph.claim(variable.name)
        defaults[name] = np.asarray(K.get_value(variable), _outside(variable.dtype))
        graph.bind_state(variable, name)
        inputs.append(_input(graph, variable, name))
    labels += [(graph.claim(f"{graph.known(variable)}_next"), new) for variable, new in asked.states.items()]
    outputs = []
    for label, tensor in labels:
        name = graph.cast(graph.name_of(tensor), graph.held(tensor.dtype), _outside(tensor.dtype))
        graph.node("Identity", [name], [label])
        outputs.append(protos.Value(label, _outside(tensor.dtype), _lengths(tensor, label)))
    made = protos.Described(asked.name, graph.nodes, inputs, outputs, graph.stored, defaults, graph.shapes)
    rewriting.rewrite(made)
    return made


def _outside(dtype: str) -> str:
    """The type that `predict` takes and gives for one of ours."""
    return "float32" if dtype == "bfloat16" else dtype


def _input(graph: Graph, tensor: Tensor, name: str) -> protos.Value:
    outside, here = _outside(tensor.dtype), graph.held(tensor.dtype)
    inside = graph.cast(name, outside, here)
    graph.bind(tensor, inside)
    return protos.Value(name, outside, _lengths(tensor, name))


def _lengths(tensor: Tensor, name: str) -> list[int | str]:
    return [n if n is not None else f"{name}_{i}" if i else "batch" for i, n in enumerate(tensor.shape)]
