"""Numbers that are added up in bodies, such as losses of layers called there, on their way outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from multikeras.graph import operands
from multikeras.graph.context import Body, inside
from multikeras.graph.tensor import Parameter, Tensor


class CarriedSums:
    """What the body of a loop adds up, as carries.

    Attributes:
        starts: Values before the first iteration.
        bindings: What stands for them in the body.
        results: Values after an iteration.
    """

    def __init__(self, scope: Body) -> None:
        self._leave = [leave for _, leave in scope.added]
        self.starts: list[Tensor] = [operands.scalar(0, value.dtype) for value, _ in scope.added]
        with inside(scope):
            self.bindings: list[Tensor] = [Parameter((), start.dtype) for start in self.starts]
            self.results: list[Tensor] = [
                held + value for held, (value, _) in zip(self.bindings, scope.added, strict=True)
            ]

    def leave(self, finals: Sequence[Tensor]) -> None:
        """Hands over the sums over all iterations."""
        for leave, total in zip(self._leave, finals, strict=True):
            leave(total)


class ChosenSums:
    """What two branches add up, as results of both: 0 where the other branch was taken.

    Attributes:
        then_results: Values in the first branch.
        else_results: Values in the second.
    """

    def __init__(self, then_scope: Body, else_scope: Body) -> None:
        pairs = [*then_scope.added, *else_scope.added]
        self._leave: list[Callable[[Any], None]] = [leave for _, leave in pairs]
        values: list[Tensor] = [value for value, _ in pairs]
        zeros: list[Tensor] = [operands.scalar(0, value.dtype) for value in values]
        count = len(then_scope.added)
        self.then_results = [*values[:count], *zeros[count:]]
        self.else_results = [*zeros[:count], *values[count:]]

    def leave(self, chosen: Sequence[Tensor]) -> None:
        """Hands over the values of the branch that is taken."""
        for leave, value in zip(self._leave, chosen, strict=True):
            leave(value)
