"""Updates: tensors whose value is the new value of a variable.

A run reads all variables as they were before it, computes everything, then stores. An Update is an
entry of `updates`, a tensor (its value is what will be stored), and something that
`K.control_dependencies` waits for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from multikeras.contract import Primitive, primitive
from multikeras.graph import operands
from multikeras.graph.context import context, inside
from multikeras.graph.tensor import Tensor, Variable


class Update(Tensor):
    """The new value of a variable; it also unpacks as the pair `(variable, new)`.

    Attributes:
        variable: What will be stored into.
    """

    __slots__ = ("variable",)

    variable: Variable

    @property
    def increments(self) -> bool:
        """Whether the new value is the old one moved by something, so that several compose."""
        return self.primitive is not ASSIGN

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.variable, self))

    def __len__(self) -> int:
        return 2

    def _value(self, wanted: str) -> Any:
        raise TypeError(
            f"{wanted} of an update of {self.variable.name!r} was asked for: computing it would store. Use K.eval."
        )

    def __repr__(self) -> str:
        return f"<update of {self.variable.name!r} shape={self.shape} dtype={self.dtype}>"


def _average(x: Tensor, value: Tensor, momentum: float) -> Tensor:
    made: Tensor = x * momentum + value * (1 - momentum)
    return made


ASSIGN: Primitive = primitive(
    "assign",
    shape=lambda x, value: x.shape,
    dtype=lambda x, value: x.dtype,
    gradient=lambda g, out, x, value: (None, g),
    composition=lambda x, value: value,
    effect=True,
    doc="The new value of a variable.",
)
ASSIGN_ADD: Primitive = primitive(
    "assign_add",
    shape=lambda x, value: x.shape,
    dtype=lambda x, value: x.dtype,
    gradient=lambda g, out, x, value: (g, g),
    composition=lambda x, value: x + value,
    effect=True,
    doc="A variable plus an increment, to be stored.",
)
ASSIGN_AVERAGE: Primitive = primitive(
    "assign_average",
    shape=lambda x, value, momentum: x.shape,
    dtype=lambda x, value, momentum: x.dtype,
    gradient=lambda g, out, x, value, momentum: (g * momentum, g * (1 - momentum)),
    composition=_average,
    effect=True,
    doc="A variable moved towards a value, to be stored.",
)


def _update(rule: Primitive, variable: Variable, value: Any, **attributes: Any) -> Update:
    if not isinstance(variable, Variable):
        raise TypeError(
            f"Only a variable can be updated, received {variable!r}. Make it with K.variable or add_weight."
        )
    new = operands.cast(operands.convert(value, variable.dtype), variable.dtype)
    if len(new.shape) > len(variable.shape) or any(
        a != b and a not in (1, None) and b is not None
        for a, b in zip(new.shape[::-1], variable.shape[::-1], strict=False)
    ):
        raise ValueError(
            f"Variable {variable.name!r} has shape {variable.shape}; a value of shape {new.shape} cannot be stored."
        )
    if new.shape != variable.shape and rule is ASSIGN:
        from multikeras.contract import PRIMITIVES

        new = PRIMITIVES["broadcast_to"](new, shape=variable.shape)
    made = Update(variable.shape, variable.dtype)
    made.primitive = rule
    made.inputs = (variable, new)
    made.attributes = attributes
    made.variable = variable
    if context.body is not None:
        context.body.updates.append(made)
    return made


def assign(variable: Variable, value: Any) -> Update:
    """Stores `value`."""
    return _update(ASSIGN, variable, value)


def assign_add(variable: Variable, increment: Any) -> Update:
    """Stores the variable plus `increment`."""
    return _update(ASSIGN_ADD, variable, increment)


def assign_average(variable: Variable, value: Any, momentum: float) -> Update:
    """Stores `momentum * variable + (1 - momentum) * value`."""
    return _update(ASSIGN_AVERAGE, variable, value, momentum=float(momentum))


def chain(updates: Iterable[Update]) -> tuple[dict[Update, Tensor], dict[Variable, Update]]:
    """What each update starts from, and the last update of each variable.

    Increments of one variable compose in order; of several plain updates the last wins.
    """
    bases: dict[Update, Tensor] = {}
    last: dict[Variable, Update] = {}
    for update in dict.fromkeys(updates):
        before = last.get(update.variable)
        if before is not None and not update.increments and not before.increments:
            warnings.warn(
                f"Variable {update.variable.name!r} is updated twice in one run; the last update wins.",
                stacklevel=4,
            )
        bases[update] = before if before is not None and update.increments else update.variable
        last[update.variable] = update
    return bases, last


def settle(updates: list[Any]) -> tuple[list[Variable], list[Tensor]]:
    """The variables that a body updates, and the new value of each."""
    variables: dict[Variable, Tensor] = {}
    for update in updates:
        before = variables.get(update.variable)
        if before is not None and update.increments:
            # A second increment starts from the first one's result, not from the old value.
            _, value = update.inputs
            assert update.primitive is not None and update.primitive.composition is not None
            with inside(update.body):
                variables[update.variable] = update.primitive.composition(before, value, **update.attributes)
        else:
            variables[update.variable] = update
    return list(variables), list(variables.values())
