"""What all rewriting of ONNX graphs needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from multikeras.saving.onnx.nodes import Body, Node, Stored
from multikeras.saving.onnx.protos import Described


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


def inverse(order: Sequence[int]) -> list[int]:
    """The order that undoes another."""
    return sorted(range(len(order)), key=order.__getitem__)


class Workbench:
    """A graph that is rewritten in place.

    Args:
        described: The graph.
    """

    def __init__(self, described: Described) -> None:
        self.described = described
        self.stored = described.stored
        self.outputs = [value.name for value in described.outputs]
        self.fixed: set[str] = set()
        # Results of transpositions, by what they turn and how.
        self.there: dict[tuple[str, tuple[int, ...]], str] = {}
        self.count = 0
        self.biases: dict[Any, str] = {}

    def fresh(self, hint: str) -> str:
        """A new name."""
        self.count += 1
        return f"/{hint}/r{self.count}"

    def keep(self, array: np.ndarray, dtype: str, hint: str = "constant") -> str:
        """Stores a constant; the name of it."""
        name = self.fresh(hint)
        self.stored[name] = Stored(np.ascontiguousarray(array), dtype)
        return name

    def each_list(self, change: Callable[[list[Node]], list[Node]]) -> None:
        """Changes the operators of the model and of every body."""
        stack: list[Described | Body] = [self.described]
        while stack:
            here = stack.pop()
            here.nodes = change(here.nodes)
            stack.extend(body for node in here.nodes for body in bodies_of(node))

    def uses(self, nodes: Sequence[Node]) -> Counter[str]:
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

    def results(self) -> set[str]:
        """Names of the results of the model and of all bodies, which stay."""
        found, stack = set(self.outputs), list(self.described.nodes)
        while stack:
            for body in bodies_of(stack.pop()):
                found.update(name for name, *_ in body.outputs)
                stack.extend(body.nodes)
        return found
