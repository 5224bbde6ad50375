"""ONNX graphs with few transpositions.

Graphs of tensors have their channels last and ONNX's convolutions theirs first. A transposition behind a convolution
is moved on through what computes entry by entry, until it meets the one before the next convolution.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from multikeras.saving.onnx.nodes import Node
from multikeras.saving.onnx.workbench import Workbench, inverse, rename

#: Operators whose entries depend on the same entries of their operands alone.
_ENTRYWISE = frozenset(
    [
        *("Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "Cast", "Ceil", "Cos", "Cosh", "Div"),
        *("Equal", "Erf", "Exp", "Floor", "Greater", "GreaterOrEqual", "Identity", "IsInf", "IsNaN", "Less", "Pow"),
        *("LessOrEqual", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Relu", "Round", "Sigmoid", "Sign"),
        *("Sin", "Sinh", "Softplus", "Sqrt", "Sub", "Tan", "Tanh", "Where", "Xor"),
    ]
)
#: Operators that work along the axis that an attribute names.
_ALONG = frozenset({"Softmax", "LogSoftmax", "Concat"})
_REDUCING = frozenset({"ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean"})


class Transposing(Workbench):
    """The part of rewriting that moves transpositions."""

    def _moved(self, nodes: list[Node]) -> list[Node]:
        """Transpositions behind what computes entry by entry, and none where two undo each other."""
        used = self.uses(self.described.nodes)
        used.update(self.outputs)
        self.fixed = self.results()
        turned: dict[str, tuple[str, list[int]]] = {}
        names: dict[str, str] = {}
        kept: list[Node] = []
        self.there = {}
        for node in nodes:
            rename(node, names)
            if node.kind == "Transpose":
                self._turn(node, turned, names, used, kept)
                continue
            behind = self._behind(node, turned, used)
            if behind is None:
                kept.append(node)
                continue
            new, permutation = behind
            result = new.outputs[0]
            if permutation == sorted(permutation):
                kept.append(new)
                continue
            new.outputs = [self.fresh(new.kind.lower())]
            kept.append(new)
            used[new.outputs[0]] += 1
            kept.append(Node("Transpose", [new.outputs[0]], [result], {"perm": permutation}, node.layer))
            turned[result] = (new.outputs[0], permutation)
        return kept

    def _turn(
        self,
        node: Node,
        turned: dict[str, tuple[str, list[int]]],
        names: dict[str, str],
        used: Counter[str],
        kept: list[Node],
    ) -> None:
        source, permutation = node.inputs[0], list(node.attributes["perm"])
        if source in turned:
            used[source] -= 1
            before, first = turned[source]
            source, permutation = before, [first[i] for i in permutation]
            used[source] += 1
        (result,) = node.outputs
        if permutation == sorted(permutation) and result not in self.fixed:
            used[source] += used[result] - 1
            names[result] = source
            return
        twin = self.there.get((source, tuple(permutation)))
        if twin is not None and result not in self.fixed:
            used[twin] += used[result]
            names[result] = twin
            return
        kept.append(Node("Transpose", [source], [result], {"perm": permutation}, node.layer))
        turned[result] = (source, permutation)
        self.there[source, tuple(permutation)] = result

    def _behind(
        self, node: Node, turned: dict[str, tuple[str, list[int]]], used: Counter[str]
    ) -> tuple[Node, list[int]] | None:
        """The operator on values before their transposition, and how its result is to be transposed."""
        places = [i for i, name in enumerate(node.inputs) if name in turned]
        if not places or not any(used[node.inputs[i]] == node.inputs.count(node.inputs[i]) for i in places):
            return None
        orders = [turned[node.inputs[i]][1] for i in places]
        order = orders[0]
        others = [name for i, name in enumerate(node.inputs) if i not in places]
        if any(each != order for each in orders):
            return None
        if node.kind in _ENTRYWISE and all(name in self.stored or self._way_back(name, order) for name in others):
            pass
        elif any(name not in self.stored for name in others):
            return None
        inputs, attributes, after = list(node.inputs), dict(node.attributes), order
        if node.kind in _ENTRYWISE:
            if any(name in self.stored and self.stored[name].array.ndim > len(order) for name in others):
                return None
            inputs = [name if i in places else self._turned_back(name, order, used) for i, name in enumerate(inputs)]
        elif node.kind in _ALONG and not others:
            attributes["axis"] = order[attributes["axis"]]
        elif node.kind in _REDUCING and places == [0] and len(inputs) == 2:
            axes = self.stored[inputs[1]].array.tolist()
            inputs[1] = self.keep(np.array([order[i] for i in axes], "int64"), "int64")
            if not attributes["keepdims"]:
                left = [order[i] for i in range(len(order)) if i not in axes]
                after = [sorted(left).index(i) for i in left]
        elif node.kind == "Squeeze" and places == [0] and len(inputs) == 2:
            axes = self.stored[inputs[1]].array.tolist()
            inputs[1] = self.keep(np.array([order[i] for i in axes], "int64"), "int64")
            left = [order[i] for i in range(len(order)) if i not in axes]
            after = [sorted(left).index(i) for i in left]
        elif node.kind == "Unsqueeze" and places == [0] and self.stored[inputs[1]].array.size == 1:
            place, after = _unsqueezed(int(self.stored[inputs[1]].array.reshape(-1)[0]), order)
            inputs[1] = self.keep(np.array([place], "int64"), "int64")
        elif node.kind == "Pad" and places == [0] and len(inputs) in (2, 3):
            amounts = self.stored[inputs[1]].array.reshape(2, -1)
            inputs[1] = self.keep(amounts[:, inverse(order)].reshape(-1), "int64")
        else:
            return None
        for i in places:
            used[node.inputs[i]] -= 1
            inputs[i] = turned[node.inputs[i]][0]
            used[inputs[i]] += 1
        return Node(node.kind, inputs, list(node.outputs), attributes, node.layer), after

    def _way_back(self, name: str, order: list[int]) -> str | None:
        """The value that a transposition there is already makes of another, undoing an order."""
        return self.there.get((name, tuple(inverse(order))))

    def _turned_back(self, name: str, order: list[int], used: Counter[str]) -> str:
        """What stands beside a value before its transposition."""
        back = self._way_back(name, order)
        if back is not None:
            used[name] -= 1
            used[back] += 1
            return back
        entry = self.stored[name]
        if entry.array.size == 1 and entry.array.ndim == 0:
            return name
        key = (name, tuple(order))
        if key not in self.biases:
            wide = entry.array.reshape((1,) * (len(order) - entry.array.ndim) + entry.array.shape)
            self.biases[key] = self.keep(np.transpose(wide, inverse(order)), entry.dtype)
        return self.biases[key]


def _unsqueezed(axis: int, order: list[int]) -> tuple[int, list[int]]:
    """Where a new axis is added before a transposition instead of behind it, and how the result is to be turned."""
    found = []
    for place in range(len(order) + 1):
        moved = [i + (i >= place) for i in order]
        found.append((place, [*moved[:axis], place, *moved[axis:]]))
    # Best is an order that the one of channels behind all others is again.
    return next((each for each in found if each[1] == [0, *range(2, len(order) + 1), 1]), found[-1])
