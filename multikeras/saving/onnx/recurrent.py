"""Recurrent layers as the operators that ONNX has for them, many times faster for short steps than a Scan.

A loop is one of these if a call record says that a layer of ours made it, with the cell that belongs to the operator.
Loops with a mask are none: the operators know sequences that end early, and no steps that are left out within.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multikeras import activations
from multikeras.graph.build import ITEM
from multikeras.graph.tensor import Tensor
from multikeras.layers import GRUCell, LSTMCell, SimpleRNNCell, owned
from multikeras.layers.recurrent.rnn import RNN
from multikeras.saving.onnx.graph import Graph

#: Names of activations in ONNX, whose parameters there are Keras's.
_ACTIVATIONS = {
    activations.hard_sigmoid: "HardSigmoid",
    activations.relu: "Relu",
    activations.sigmoid: "Sigmoid",
    activations.tanh: "Tanh",
}


@dataclass
class Operator:
    """How a cell is one of ONNX's operators.

    Attributes:
        kind: The operator.
        states: How many states it has.
        order: Which of our gates stands at each place of the operator's.
        gates: `(cell)` gives its activations in the operator's order.
    """

    kind: str
    states: int
    order: tuple[int, ...]
    gates: Callable[[Any], list[Any]]


_OPERATORS: dict[type, Operator] = {
    # Input, forget, candidate, output here; input, output, forget, candidate there.
    LSTMCell: Operator("LSTM", 2, (0, 3, 1, 2), lambda c: [c.recurrent_activation, c.activation, c.activation]),
    GRUCell: Operator("GRU", 1, (0, 1, 2), lambda c: [c.recurrent_activation, c.activation]),
    SimpleRNNCell: Operator("RNN", 1, (0,), lambda c: [c.activation]),
}


def loops_of(model: Any) -> dict[Tensor, Any]:
    """The cells of a model's loops that ONNX has operators for, by the loop's node."""
    found = {}
    for layer, record, _ in owned.walk(model._owned()._pairs):
        cell = getattr(layer, "cell", None)
        if isinstance(layer, RNN) and type(cell) in _OPERATORS and record.values:
            loop = _loop_of(record.values[0])
            if loop is not None and _fits(loop, cell):
                found[loop] = cell
    return found


def without_states(loops: Mapping[Tensor, Any], outputs: Sequence[Tensor]) -> dict[Tensor, Any]:
    """The loops whose states before each step nobody reads, as gradients do: the operators do not give them."""
    seen, stack, read = set(outputs), list(outputs), set()
    while stack and loops:
        tensor = stack.pop()
        if tensor.primitive is ITEM and tensor.inputs[0] in loops:
            loop = tensor.inputs[0]
            if tensor.attributes["index"] >= len(loop.attributes["body"].outputs):
                read.add(loop)
        new = [x for x in tensor.inputs if x not in seen]
        seen.update(new)
        stack.extend(new)
    return {loop: cell for loop, cell in loops.items() if loop not in read}


def _loop_of(tensor: Tensor) -> Tensor | None:
    """The loop that a recurrent layer's result comes from, past what turns its axes."""
    while tensor.primitive is not None and tensor.primitive.name != "scan":
        if tensor.primitive is not ITEM and tensor.primitive.name not in ("identity", "transpose", "flip", "cast"):
            return None
        tensor = tensor.inputs[0]
    return tensor if tensor.primitive is not None else None


def _fits(loop: Tensor, cell: Any) -> bool:
    """Whether a loop is that of a cell alone, which ONNX knows."""
    made = _OPERATORS[type(cell)]
    if loop.attributes["num_sequences"] != 1 or loop.attributes["num_carries"] != made.states:
        return False
    weights = [cell.kernel, cell.recurrent_kernel, *([cell.bias] if cell.bias is not None else [])]
    known = all(any(x is weight for x in loop.inputs) for weight in weights)
    return known and all(gate in _ACTIVATIONS for gate in made.gates(cell))


def emitted(graph: Graph, cell: Any, loop: Tensor) -> list[str]:
    """The operator of a loop: the last states, and what each step gave.

    Args:
        graph: Where.
        cell: The cell.
        loop: The loop's node.
    """
    made = _OPERATORS[type(cell)]
    sequence, carries = loop.inputs[0], loop.inputs[1 : 1 + made.states]
    one = graph.constant([0])
    # Without them states begin as zeros.
    begin = ["" if _zeros(graph, x) else graph.node("Unsqueeze", [graph.name_of(x), one]) for x in carries]
    weights = _weights(graph, cell, made)
    names = [graph.fresh(made.kind.lower()) for _ in range(1 + made.states)]
    attributes: dict[str, Any] = {
        "hidden_size": cell.units,
        "activations": [_ACTIVATIONS[gate] for gate in made.gates(cell)],
    }
    if loop.attributes["reverse"]:
        attributes["direction"] = "reverse"
    if getattr(cell, "reset_after", False):
        attributes["linear_before_reset"] = 1
    bias = [] if len(weights) > 2 else [""]
    graph.node(made.kind, [graph.name_of(sequence), *weights, *bias, "", *begin], names, **attributes)
    last = [graph.node("Squeeze", [name, one]) for name in names[1:]]
    return [*last, graph.node("Squeeze", [names[0], graph.constant([1])])]


def _zeros(graph: Graph, state: Tensor) -> bool:
    """Whether a state is 0 for all samples."""
    if state.primitive is None or state.primitive.name not in ("broadcast_to", "cast", "identity"):
        return state.ndim == 0 and graph.fixed.is_fixed(state) and not np.any(graph.fixed.value_of(state))
    return _zeros(graph, state.inputs[0])


def _weights(graph: Graph, cell: Any, made: Operator) -> list[str]:
    """Kernel, kernel of the state and bias in the operator's order; layers that are shared have them once."""
    key = ("recurrent", cell)
    found = graph.known(key)
    if found is None:
        found = [graph.weight(array, weight.dtype, weight.name) for weight, array in _arrays(graph, cell, made).items()]
        graph.outermost.keep(key, found)
    names: list[str] = found
    return names


def _arrays(graph: Graph, cell: Any, made: Operator) -> Mapping[Any, np.ndarray]:
    def turned(weight: Any) -> np.ndarray:
        gates = np.split(graph.fixed.value_of(weight), len(made.order), axis=1)
        return np.concatenate([gates[i].T for i in made.order])[None]

    found = {weight: turned(weight) for weight in (cell.kernel, cell.recurrent_kernel)}
    if cell.bias is not None:
        both = np.zeros((2, len(made.order) * cell.units), dtype="float64")
        value = np.asarray(graph.fixed.value_of(cell.bias))
        both[: value.ndim] = value
        parts = [np.split(row, len(made.order)) for row in both]
        found[cell.bias] = np.concatenate([row[i] for row in parts for i in made.order])[None]
    return found
