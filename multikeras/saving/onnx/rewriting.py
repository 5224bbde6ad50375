"""Simpler ONNX graphs of the same meaning: nothing twice, nothing unread, few transpositions, biases where they belong.

Graphs of tensors have their channels last and ONNX's convolutions theirs first. A transposition behind a convolution
is moved on through what computes entry by entry, until it meets the one before the next convolution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from multikeras.saving.onnx.nodes import Body, Node, Stored
from multikeras.saving.onnx.protos import Described

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


def rewrite(described: Described) -> None:
    """Simplifies a graph in place."""
    _Rewriter(described).run()


def bodies_of(node: Node) -> list[Body]:
    """The bodies that an operator has."""
    return [value for value in node.attributes.values() if isinstance(value, Body)]


def rename(node: Node, names: dict[str, str]) -> None:
    """Gives the operands of an operator, and what its bodies read, other names."""
    stack = [node]
    while stack:
        here = stack.pop()
        here.inputs = [names.get(name, name) for name in here.inputs]
        for body in bodies_of(here):
            stack.extend(body.nodes)


class _Rewriter:
    def __init__(self, described: Described) -> None:
        self.described = described
        self.stored = described.stored
        self.outputs = [value.name for value in described.outputs]
        self.fixed: set[str] = set()
        # Results of transpositions, by what they turn and how.
        self.there: dict[tuple[str, tuple[int, ...]], str] = {}
        self.count = 0
        self.biases: dict[Any, str] = {}

    def run(self) -> None:
        described = self.described
        described.nodes = self._without_copies(described.nodes, self.outputs)
        self._once(described.nodes, self.outputs, {})
        self._unread()
        self._each_list(self._moved)
        self._unread()
        self._each_list(self._into_convolutions)
        self._each_list(self._into_normalizations)
        self._each_list(self._into_products)
        self._unread()

    def fresh(self, hint: str) -> str:
        self.count += 1
        return f"/{hint}/r{self.count}"

    def keep(self, array: np.ndarray, dtype: str, hint: str = "constant") -> str:
        name = self.fresh(hint)
        self.stored[name] = Stored(np.ascontiguousarray(array), dtype)
        return name

    def _each_list(self, change: Callable[[list[Node]], list[Node]]) -> None:
        """Changes the operators of the model and of every body."""
        stack: list[Described | Body] = [self.described]
        while stack:
            here = stack.pop()
            here.nodes = change(here.nodes)
            stack.extend(body for node in here.nodes for body in bodies_of(node))

    # -- copies, repetitions, what nobody reads -----------------------------------------------------

    def _without_copies(self, nodes: list[Node], outputs: Sequence[str]) -> list[Node]:
        """Without Identity, but where a result is no value of an operator here."""
        names: dict[str, str] = {}
        kept: list[Node] = []
        made: dict[str, Node] = {}
        fixed = set(outputs)
        for node in nodes:
            rename(node, names)
            for body in bodies_of(node):
                body.nodes = self._without_copies(body.nodes, [name for name, *_ in body.outputs])
            if node.kind == "Identity":
                (source,), (result,) = node.inputs, node.outputs
                if result not in fixed:
                    names[result] = source
                    continue
                maker = made.get(source)
                if maker is not None and source not in fixed:
                    maker.outputs = [result if name == source else name for name in maker.outputs]
                    for each in kept:
                        rename(each, {source: result})
                    names[source] = result
                    made[result] = maker
                    # What was renamed before this one leads here, too.
                    names.update({name: result for name, other in names.items() if other == source})
                    continue
            kept.append(node)
            made.update(dict.fromkeys(node.outputs, node))
        return kept

    def _once(self, nodes: list[Node], outputs: Sequence[str], known: dict[Any, list[str]]) -> None:
        """What is computed twice from the same values is computed once; bodies read what is around them."""
        names: dict[str, str] = {}
        kept = []
        fixed = set(outputs)
        for node in nodes:
            rename(node, names)
            inner = bodies_of(node)
            for body in inner:
                self._once(body.nodes, [name for name, *_ in body.outputs], dict(known))
            key = (node.kind, tuple(node.inputs), repr(sorted(node.attributes.items())))
            found = known.get(key) if not inner else None
            if found is not None and len(found) == len(node.outputs) and fixed.isdisjoint(node.outputs):
                names.update(zip(node.outputs, found, strict=True))
                continue
            if not inner:
                known[key] = node.outputs
            kept.append(node)
        nodes[:] = kept

    def _unread(self) -> None:
        """Without operators, results of loops and constants that nobody reads."""
        self.described.nodes = self._read(self.described.nodes, Counter(self.outputs))
        used = self._uses(self.described.nodes)
        used.update(self.outputs)
        for name in [name for name in self.stored if not used[name]]:
            del self.stored[name]

    def _read(self, nodes: list[Node], used: Counter[str]) -> list[Node]:
        kept: list[Node] = []
        for node in reversed(nodes):
            if not any(used[name] for name in node.outputs if name):
                continue
            if node.kind == "Scan":
                self._without_stacks(node, used)
            for body in bodies_of(node):
                inside = Counter([name for name, *_ in body.outputs])
                body.nodes = self._read(body.nodes, inside)
                used.update(inside)
            used.update(node.inputs)
            kept.append(node)
        return kept[::-1]

    def _without_stacks(self, node: Node, used: Counter[str]) -> None:
        """Drops what each step gives where nobody reads it."""
        body = node.attributes["body"]
        carries = len(node.inputs) - node.attributes["num_scan_inputs"]
        places = [i for i, name in enumerate(node.outputs) if i < carries or used[name]]
        if len(places) == len(node.outputs):
            return
        node.outputs = [node.outputs[i] for i in places]
        body.outputs = [body.outputs[i] for i in places]
        directions = node.attributes.pop("scan_output_directions")
        if len(places) > carries:
            node.attributes["scan_output_directions"] = directions[: len(places) - carries]

    def _uses(self, nodes: Sequence[Node]) -> Counter[str]:
        """How often each value is read, in bodies too."""
        found: Counter[str] = Counter()
        stack = list(nodes)
        while stack:
            node = stack.pop()
            found.update(node.inputs)
            for body in bodies_of(node):
                found.update(name for name, *_ in body.outputs)
                stack.extend(body.nodes)
        return found

    def _results(self) -> set[str]:
        """Names of the results of the model and of all bodies, which stay."""
        found, stack = set(self.outputs), list(self.described.nodes)
        while stack:
            for body in bodies_of(stack.pop()):
                found.update(name for name, *_ in body.outputs)
                stack.extend(body.nodes)
        return found

    # -- transpositions -----------------------------------------------------------------------------

    def _moved(self, nodes: list[Node]) -> list[Node]:
        """Transpositions behind what computes entry by entry, and none where two undo each other."""
        used = self._uses(self.described.nodes)
        used.update(self.outputs)
        self.fixed = self._results()
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
        elif node.kind == "Pad" and places == [0] and len(inputs) in (2, 3):
            amounts = self.stored[inputs[1]].array.reshape(2, -1)
            inputs[1] = self.keep(amounts[:, _inverse(order)].reshape(-1), "int64")
        else:
            return None
        for i in places:
            used[node.inputs[i]] -= 1
            inputs[i] = turned[node.inputs[i]][0]
            used[inputs[i]] += 1
        return Node(node.kind, inputs, list(node.outputs), attributes, node.layer), after

    def _way_back(self, name: str, order: list[int]) -> str | None:
        """The value that a transposition there is already makes of another, undoing an order."""
        return self.there.get((name, tuple(_inverse(order))))

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
            self.biases[key] = self.keep(np.transpose(wide, _inverse(order)), entry.dtype)
        return self.biases[key]

    # -- convolutions and products ------------------------------------------------------------------

    def _into_convolutions(self, nodes: list[Node]) -> list[Node]:
        """What is added to the channels of a convolution, or multiplied with them, becomes part of it."""
        used = self._uses(self.described.nodes)
        used.update(self.outputs)
        made: dict[str, Node] = {}
        kept = []
        for node in nodes:
            if node.kind in ("Add", "Sub", "Mul") and self._in_convolution(node, made, used):
                made[node.outputs[0]] = made.pop(next(name for name in node.inputs if name in made))
                continue
            kept.append(node)
            made.update(dict.fromkeys(node.outputs, node))
        return kept

    def _in_convolution(self, node: Node, made: dict[str, Node], used: Counter[str]) -> bool:
        for i in (0, 1) if node.kind != "Sub" else (0,):
            name, other = node.inputs[i], node.inputs[1 - i]
            conv = made.get(name)
            if conv is None or conv.kind not in ("Conv", "ConvTranspose") or used[name] != 1:
                continue
            kernel, entry = self.stored.get(conv.inputs[1]), self.stored.get(other)
            if kernel is None or entry is None or kernel.dtype == "bfloat16":
                return False
            group = conv.attributes["group"]
            channels = kernel.array.shape[0] if conv.kind == "Conv" else kernel.array.shape[1] * group
            shape = (1,) * (kernel.array.ndim - entry.array.ndim) + entry.array.shape
            if entry.array.size not in (1, channels) or (entry.array.size > 1 and shape[1] != channels):
                return False
            return self._taken_in(node, conv, kernel, entry, other, channels, used)
        return False

    def _taken_in(
        self, node: Node, conv: Node, kernel: Stored, entry: Stored, other: str, channels: int, used: Counter[str]
    ) -> bool:
        values = np.broadcast_to(entry.array.reshape(-1), (channels,))
        bias = self.stored[conv.inputs[2]].array if len(conv.inputs) > 2 else None
        if node.kind == "Mul":
            # A kernel that others use stays as it is.
            if used[conv.inputs[1]] != 1 or conv.attributes["group"] != 1 and conv.kind == "ConvTranspose":
                return False
            place = 0 if conv.kind == "Conv" else 1
            spread = values.reshape([-1 if i == place else 1 for i in range(kernel.array.ndim)])
            kernel.array = np.ascontiguousarray(kernel.array * spread)
            if bias is not None:
                conv.inputs[2] = self.keep(bias * values, entry.dtype, "bias")
        else:
            added = values if node.kind == "Add" else -values
            key = (other, node.kind, channels, *conv.inputs[2:])
            if key not in self.biases:
                self.biases[key] = self.keep(added if bias is None else bias + added, entry.dtype, "bias")
            conv.inputs[2:] = [self.biases[key]]
        conv.outputs = list(node.outputs)
        used[conv.outputs[0]] = used[node.outputs[0]]
        return True

    def _into_normalizations(self, nodes: list[Node]) -> list[Node]:
        """A mean taken off the channels, a factor and a shift, as one operator."""
        used = self._uses(self.described.nodes)
        used.update(self.outputs)
        made: dict[str, Node] = {}
        dropped: set[int] = set()
        kept = []
        for node in nodes:
            chain = self._normalization(node, made, used)
            if chain is not None:
                (first, second), values = chain
                dropped.update((id(first), id(second)))
                names = [self.keep(value, "float32") for value in values]
                inputs = [second.inputs[0], *names, self.keep(np.ones_like(values[0]), "float32")]
                node = Node("BatchNormalization", inputs, node.outputs, {"epsilon": 0.0}, node.layer)
            kept.append(node)
            made.update(dict.fromkeys(node.outputs, node))
        return [node for node in kept if id(node) not in dropped]

    def _normalization(
        self, node: Node, made: dict[str, Node], used: Counter[str]
    ) -> tuple[tuple[Node, Node], list[np.ndarray]] | None:
        """The operators before, and factors, shifts and means by channel, where an Add ends such a chain."""
        chain = [node]
        for kind in ("Add", "Mul", "Sub"):
            if chain[-1].kind != kind or chain[-1].inputs[1] not in self.stored:
                return None
            before = made.get(chain[-1].inputs[0])
            if kind != "Sub":
                if before is None or used[before.outputs[0]] != 1:
                    return None
                chain.append(before)
        entries = [self.stored[each.inputs[1]] for each in (chain[1], chain[0], chain[2])]
        shapes = {entry.array.shape for entry in entries}
        shape = next(iter(shapes))
        rank = self.described.ranks.get(chain[2].inputs[0], len(shape))
        wide = (1,) * (rank - len(shape)) + shape
        if len(shapes) > 1 or any(entry.dtype != "float32" for entry in entries) or len(wide) != rank or rank < 2:
            return None
        if any(n != 1 for i, n in enumerate(wide) if i != 1):
            return None
        return (chain[1], chain[2]), [entry.array.reshape(-1) for entry in entries]

    def _into_products(self, nodes: list[Node]) -> list[Node]:
        """A product of matrices and a bias as one operator."""
        used = self._uses(self.described.nodes)
        used.update(self.outputs)
        made: dict[str, Node] = {}
        dropped: set[int] = set()
        kept = []
        for node in nodes:
            if node.kind == "Add":
                for name, other in (node.inputs, node.inputs[::-1]):
                    product, bias = made.get(name), self.stored.get(other)
                    if product is None or bias is None or used[name] != 1 or product.kind != "MatMul":
                        continue
                    weight = self.stored.get(product.inputs[1])
                    flat = self.described.ranks.get(product.inputs[0]) == 2
                    if weight is None or weight.array.ndim != 2 or not flat or weight.dtype[:5] != "float":
                        continue
                    if bias.array.shape not in ((weight.array.shape[1],), (1, weight.array.shape[1])):
                        continue
                    dropped.add(id(product))
                    node = Node("Gemm", [*product.inputs, other], node.outputs, {}, node.layer)
                    break
            kept.append(node)
            made.update(dict.fromkeys(node.outputs, node))
        return [node for node in kept if id(node) not in dropped]


def _inverse(order: Sequence[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)
