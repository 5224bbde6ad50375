"""Choosing between tensors, and loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from multikeras.backend import common
from multikeras.backend.calling import called
from multikeras.backend.elementwise import as_bool
from multikeras.graph import operands
from multikeras.graph.naming import located
from multikeras.graph.ops import control as ops
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Constant, Tensor
from multikeras.programs import settings


def _made(expression: Any) -> Any:
    """An expression, called where it is a function."""
    made = called(expression, "a branch", "no arguments") if _is_function(expression) else expression
    if made is None or isinstance(made, str):
        end = " from a function. Is a return missing?" if expression is not made else "."
        raise TypeError(
            located(f"A branch is a tensor, or a function without arguments that returns one, received {made!r}" + end)
        )
    return made


def _is_function(expression: Any) -> bool:
    return callable(expression) and not isinstance(expression, Tensor)


def _known(condition: Any) -> bool | None:
    """The truth of a condition that is a number or a constant; None where a run decides."""
    if isinstance(condition, Constant) and condition.ndim == 0:
        return bool(condition.value)
    if isinstance(condition, (bool, int, float, np.bool_, np.integer)):
        return bool(condition)
    return None


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """`x` while training, `alt` otherwise; what is not chosen is not computed.

    Args:
        x: Tensor, or a function without arguments that gives one.
        alt: Likewise.
        training: None for the learning phase; 0, 1 or a bool to choose now; or an integer tensor.
    """
    phase = settings.learning_phase() if training is None else training
    known = _known(phase)
    return switch(phase if known is None else known, x, alt)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """`x` while testing, `alt` otherwise; what is not chosen is not computed.

    Args:
        x: Tensor, or a function without arguments that gives one.
        alt: Likewise.
        training: None for the learning phase; 0, 1 or a bool to choose now; or an integer tensor.
    """
    return in_train_phase(alt, x, training=training)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """One of two tensors.

    With a scalar condition and functions, only the chosen one runs. With tensors both are computed
    and one is selected; the gradient of the other is selected away, not multiplied by 0.

    Args:
        condition: Integer or bool tensor: a scalar, or of the shape of the expressions or of their
            first axes, which picks entry by entry.
        then_expression: Tensor where the condition holds, or a function without arguments.
        else_expression: Tensor elsewhere, or a function without arguments.

    Raises:
        ValueError: If the condition has more axes than the expressions, or the expressions do not
            fit each other.
    """
    known = _known(condition)
    if known is not None:
        if isinstance(then_expression, Tensor) and isinstance(else_expression, Tensor):
            # The type must not depend on which is chosen.
            then_expression, else_expression = operands.match(then_expression, else_expression)
        chosen = _made(then_expression if known else else_expression)
        return common.fresh(chosen) if isinstance(chosen, Tensor) else chosen
    predicate = as_bool(condition)
    functions = _is_function(then_expression) or _is_function(else_expression)
    if predicate.on_host and predicate.ndim == 0:
        return _host_switch(predicate, _made(then_expression), _made(else_expression))
    if predicate.ndim == 0 and functions:
        return _cond(predicate, then_expression, else_expression)
    values = _made(then_expression), _made(else_expression)
    for value in values:
        if isinstance(value, (list, tuple)) and any(isinstance(entry, Tensor) for entry in value):
            raise TypeError(
                f"K.switch: with a condition of shape {predicate.shape} a branch is one tensor, received a list of "
                f"{len(value)}. Call K.switch for each."
            )
    then_tensor, else_tensor = operands.match(*values)
    if predicate.ndim > max(then_tensor.ndim, else_tensor.ndim):
        raise ValueError(
            f"K.switch: the condition has shape {predicate.shape}, more axes than the expressions of shapes "
            f"{then_tensor.shape} and {else_tensor.shape}."
        )
    if predicate.ndim:
        extra = max(then_tensor.ndim, else_tensor.ndim) - predicate.ndim
        predicate = common.expand(predicate, *range(predicate.ndim, predicate.ndim + extra))
    return select(predicate, then_tensor, else_tensor)


def _host_switch(predicate: Tensor, then_value: Any, else_value: Any) -> Any:
    if isinstance(then_value, (list, tuple)):
        if not isinstance(else_value, (list, tuple)) or len(else_value) != len(then_value):
            raise ValueError(
                located(f"The two branches must return equally many tensors, received {then_value!r}, {else_value!r}.")
            )
        return [_host_switch(predicate, x, y) for x, y in zip(then_value, else_value, strict=True)]
    then_tensor, else_tensor = operands.match(then_value, else_value)
    if then_tensor.ndim != else_tensor.ndim:
        raise ValueError(
            located(f"The branches must have equal rank, received shapes {then_tensor.shape} and {else_tensor.shape}.")
        )
    return ops.host_select(predicate, then_tensor, else_tensor)


def _cond(predicate: Tensor, then_expression: Any, else_expression: Any) -> Any:
    several: list[bool] = []

    def branch(expression: Any) -> Callable[[], list[Tensor]]:
        def build() -> list[Tensor]:
            made = _made(expression)
            several.append(isinstance(made, (list, tuple)))
            return [common.tensor(t) for t in (made if several[-1] else [made])]

        return build

    results = ops.cond(predicate, branch(then_expression), branch(else_expression))
    return results if several[0] else results[0]
