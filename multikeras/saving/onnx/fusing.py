"""ONNX graphs in which biases and factors are part of the operators before them."""

from __future__ import annotations

from collections import Counter
from math import prod

import numpy as np

from multikeras.saving.onnx.nodes import Node, Stored
from multikeras.saving.onnx.workbench import Workbench, inverse


class Fusing(Workbench):
    """The part of rewriting that makes one operator of several."""

    def _into_convolutions(self, nodes: list[Node]) -> list[Node]:
        """What is added to the channels of a convolution, or multiplied with them, becomes part of it."""
        used = self.uses(self.described.nodes)
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
        used = self.uses(self.described.nodes)
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
        rank = len(self.described.shapes.get(chain[2].inputs[0], shape))
        wide = (1,) * (rank - len(shape)) + shape
        if len(shapes) > 1 or any(entry.dtype != "float32" for entry in entries) or len(wide) != rank or rank < 2:
            return None
        if any(n != 1 for i, n in enumerate(wide) if i != 1):
            return None
        return (chain[1], chain[2]), [entry.array.reshape(-1) for entry in entries]

    def _into_products(self, nodes: list[Node]) -> list[Node]:
        """A product of matrices and a bias as one operator."""
        used = self.uses(self.described.nodes)
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
                    flat = len(self.described.shapes.get(product.inputs[0], ())) == 2
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

    def _into_rows(self, nodes: list[Node]) -> list[Node]:
        """Instead of turning what is flattened before a product, the rows of its matrix are put in that order."""
        used = self.uses(self.described.nodes)
        used.update(self.outputs)
        made: dict[str, Node] = {}
        for node in nodes:
            made.update(dict.fromkeys(node.outputs, node))
            if node.kind not in ("Gemm", "MatMul"):
                continue
            flat = made.get(node.inputs[0])
            turn = made.get(flat.inputs[0]) if flat is not None and flat.kind == "Reshape" else None
            weight = self.stored.get(node.inputs[1])
            if flat is None or turn is None or turn.kind != "Transpose" or weight is None or weight.array.ndim != 2:
                continue
            order, shape = turn.attributes["perm"], self.described.shapes.get(turn.outputs[0], (None,))
            target = self.stored.get(flat.inputs[1])
            fits = target is not None and target.array.tolist() == [-1, len(weight.array)]
            alone = used[node.inputs[0]] == used[flat.inputs[0]] == used[node.inputs[1]] == 1
            if not (fits and alone) or order[0] != 0 or None in shape[1:] or prod(shape[1:]) != len(weight.array):
                continue
            rows = weight.array.reshape(*shape[1:], -1)
            back = [i - 1 for i in inverse(order)[1:]]
            weight.array = np.ascontiguousarray(rows.transpose(*back, len(back)).reshape(weight.array.shape))
            used[turn.inputs[0]] += 1
            flat.inputs[0] = turn.inputs[0]
        return nodes
