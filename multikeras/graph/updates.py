"""Updates: tensors whose value is the new value of a variable.

A run reads all variables as they were before it, computes everything, then stores. An Update is an
entry of `updates`, a tensor (its value is what will be stored), and something that
`K.control_dependencies` waits for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from multikeras.contract import Primitive, primitive
from multikeras.graph import operands
from multikeras.graph.context import Body, context, inside
from multikeras.graph.tensor import Constant, Tensor, Variable


class Update(Tensor):
    """The new value of a variable; it also unpacks as the pair `(variable, new)`.

    Attributes:
        variable: What will be stored into.
        left: The body that it was made in and carried out of, or None.
    """

    __slots__ = ("left", "variable")

    variable: Variable
    left: Body | None

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


def _moved(x: Tensor, value: Tensor, old: Tensor, scale: Tensor) -> Tensor:
    return value if x is old else value + (x - old) * scale


ASSIGN_MOVED: Primitive = primitive(
    "assign_moved",
    shape=lambda x, value, old, scale: x.shape,
    dtype=lambda x, value, old, scale: x.dtype,
    gradient=lambda g, out, x, value, old, scale: (None, g, None, None),
    composition=_moved,
    effect=True,
    doc="What increments in a loop or a branch made of a variable, to be stored. Where another increment came before "
    "them, what that one added is added, times what the averages among them leave of it.",
)


def _update(rule: Primitive, variable: Variable, value: Any, *rest: Tensor, **attributes: Any) -> Update:
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
    made.inputs = (variable, new, *rest)
    made.attributes = attributes
    made.variable = variable
    made.left = None
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


@dataclass(frozen=True)
class Settled:
    """What a body makes of a variable.

    Attributes:
        variable: The variable.
        value: Its new value, a tensor of the body.
        increments: Whether all updates of it are increments.
        scale: How much of a change of the variable from before they leave: the product of the
            momenta; None for all of it.
    """

    variable: Variable
    value: Tensor
    increments: bool
    scale: Tensor | None


def assign_settled(settled: Settled, value: Tensor, scale: Tensor | None, scope: Body | None) -> Update:
    """The update outside of a body for those inside.

    Args:
        settled: What the body makes of the variable.
        value: The new value, outside.
        scale: The scale, outside.
        scope: The body.
    """
    variable = settled.variable
    if settled.increments:
        factor = operands.scalar(1, variable.dtype) if scale is None else scale
        made = _update(ASSIGN_MOVED, variable, value, variable, factor)
    else:
        made = assign(variable, value)
    made.left = scope
    return made


def chosen(update: Update, choose: Callable[[Tensor, Tensor], Tensor]) -> Update:
    """An update made in the present body, or in none, that only sometimes takes place.

    Args:
        update: What it is where it does.
        choose: Takes what is there where it takes place and what is there where it does not.
    """
    variable = update.variable
    assert update.primitive is not None and update.primitive.composition is not None
    new = update.primitive.composition(*update.inputs, **update.attributes)
    value = choose(new, variable)
    if not update.increments:
        return assign(variable, value)
    scale = _scale(update)
    if scale is not None:
        scale = choose(scale, operands.scalar(1, variable.dtype))
    return assign_settled(Settled(variable, value, True, scale), value, scale, update.left or context.body)


def chain(
    listed: Iterable[Update], found: Iterable[Update] = ()
) -> tuple[dict[Update, Tensor], dict[Variable, Update]]:
    """What each update starts from, and the last update of each variable.

    Increments of one variable compose in order; of several plain updates the last wins.

    Args:
        listed: Updates that are to be made, in this order.
        found: Updates that what is computed reads, which come after them.

    Raises:
        ValueError: If a loop or branch sets a variable that is incremented elsewhere, so that the
            increment would be lost.
    """
    bases: dict[Update, Tensor] = {}
    last: dict[Variable, Update] = {}
    for update in _operands_first(list(dict.fromkeys([*listed, *found]))):
        before = last.get(update.variable)
        if before is not None and not update.increments:
            if not before.increments:
                warnings.warn(
                    f"Variable {update.variable.name!r} is updated twice in one run; the last update wins.",
                    stacklevel=4,
                )
            elif update.left is not None:
                raise ValueError(
                    f"Variable {update.variable.name!r} is set in {update.left} and incremented outside of it in the "
                    "same run, so that the increment would be lost. Let both increment it (K.update_add, "
                    "K.moving_average_update), or set it outside as well."
                )
        bases[update] = before if before is not None and update.increments else update.variable
        last[update.variable] = update
    return bases, last


def _operands_first(updates: list[Update]) -> list[Update]:
    """The updates in their order, but for one whose value is made of another's of its variable: that comes first."""
    if len({update.variable for update in updates}) == len(updates):
        return updates
    order: dict[Update, None] = {}
    for update in updates:
        seen: set[Tensor] = set()
        stack = list(update.inputs[1:])
        while stack:
            tensor = stack.pop()
            if tensor not in seen:
                seen.add(tensor)
                stack.extend(tensor.inputs)
        earlier = [other for other in updates if other in seen and other.variable is update.variable]
        order.update(dict.fromkeys([*sorted(earlier, key=lambda u: u.serial), update]))
    return list(order)


def settle(updates: Iterable[Update]) -> list[Settled]:
    """What a body makes of the variables that it updates."""
    result: dict[Variable, Settled] = {}
    for update in updates:
        before = result.get(update.variable)
        value: Tensor = update
        increments, scale = update.increments, _scale(update)
        if before is not None and update.increments:
            # A second increment starts from the first one's result, not from the old value.
            assert update.primitive is not None and update.primitive.composition is not None
            with inside(update.body):
                value = update.primitive.composition(before.value, *update.inputs[1:], **update.attributes)
                if before.scale is not None:
                    scale = before.scale if scale is None else before.scale * scale
            increments = before.increments
        result[update.variable] = Settled(update.variable, value, increments, scale)
    return list(result.values())


def _scale(update: Update) -> Tensor | None:
    if update.primitive is ASSIGN_AVERAGE:
        return operands.scalar(update.attributes["momentum"], update.dtype)
    if update.primitive is ASSIGN_MOVED:
        scale = update.inputs[3]
        return None if isinstance(scale, Constant) and scale.value == 1 else scale
    return None
