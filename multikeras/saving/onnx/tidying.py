"""ONNX graphs without copies, without anything twice, and without what nobody reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from multikeras.saving.onnx.nodes import Node
from multikeras.saving.onnx.workbench import Workbench, bodies_of, rename


class Tidying(Workbench):
    """The part of rewriting that drops."""

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

    def _reshaped_once(self, nodes: list[Node]) -> list[Node]:
        """What is reshaped twice is reshaped to the last shape."""
        before: dict[str, str] = {}
        for node in nodes:
            if node.kind == "Reshape":
                node.inputs[0] = before.get(node.inputs[0], node.inputs[0])
                before[node.outputs[0]] = node.inputs[0]
        return nodes

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
        used = self.uses(self.described.nodes)
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
