"""Values, functions, gradients and updates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from multikeras.backend import common
from multikeras.backend.finishing import finished, function_of
from multikeras.graph import context as graph_context
from multikeras.graph import gradients as reverse
from multikeras.graph import naming, operands
from multikeras.graph import updates as graph_updates
from multikeras.graph.ops import control, elementwise
from multikeras.graph.tensor import Tensor, ValueTensor, Variable
from multikeras.graph.updates import Update
from multikeras.programs import Function, evaluate, storage


def eval(x: Any) -> np.ndarray:
    """The value of a tensor that needs no placeholder, with the present values of all variables.

    An update stores when it is evaluated.

    Args:
        x: Tensor.

    Returns:
        A NumPy array of the caller's own.

    Raises:
        ValueError: If a placeholder is needed; the message names it.
    """
    if not isinstance(x, Tensor):
        return np.array(operands.numbers(x))
    with naming.named_errors():
        return finished(x, evaluate.value(x))


def get_value(x: Any) -> np.ndarray:
    """The value of a variable.

    Args:
        x: Variable, or any tensor that needs no placeholder.

    Returns:
        A NumPy array of the caller's own.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{naming.calling()}expected a variable, received {type(x).__name__}: {x!r}.")
    with naming.named_errors():
        return finished(x, evaluate.value(x))


def batch_get_value(ops: Iterable[Any]) -> list[np.ndarray]:
    """The values of several variables.

    Args:
        ops: Variables; may be empty.
    """
    if isinstance(ops, Tensor) or not isinstance(ops, Iterable):
        raise TypeError(f"K.batch_get_value takes a list of variables, received {type(ops).__name__}: {ops!r}.")
    tensors = list(ops)
    if not all(isinstance(x, Variable) for x in tensors):
        return [get_value(x) for x in tensors]
    with naming.named_errors():
        return [finished(x, value) for x, value in zip(tensors, storage.read_all(tensors), strict=True)]


def set_value(x: Any, value: Any) -> None:
    """Gives a variable a new value, which is copied and cast.

    Args:
        x: Variable.
        value: Array or number of the variable's shape.

    Raises:
        ValueError: If the shape differs; the message names both.
    """
    with naming.named_errors():
        storage.write_all([_checked_pair(x, value)])


def batch_set_value(tuples: Iterable[tuple[Any, Any]]) -> None:
    """Gives several variables new values: all of them, or none where one does not fit.

    Args:
        tuples: Pairs (variable, array); may be empty.

    Raises:
        ValueError: If a shape differs; the message names both.
    """
    pairs = list(tuples)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"K.batch_set_value takes pairs (variable, array), received {pair!r} among them.")
    with naming.named_errors():
        storage.write_all([_checked_pair(*pair) for pair in pairs])


def _checked_pair(x: Any, value: Any) -> tuple[Variable, Any]:
    if not isinstance(x, Variable):
        raise TypeError(f"{naming.calling()}expected a variable, received {type(x).__name__}: {x!r}.")
    if isinstance(value, Tensor):
        return x, evaluate.value(value)
    if value is None or isinstance(value, (str, bytes, list, tuple, dict)):
        return x, operands.numbers(value)
    return x, value


def print_tensor(x: Any, message: str = "") -> Tensor:
    """The same tensor; each time it is evaluated its value is printed to stdout.

    Args:
        x: Tensor.
        message: Printed before the value.
    """
    made: Tensor = control.print_value(common.tensor(x), message=str(message))
    return made


# -- functions and gradients --------------------------------------------------------------------


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) and not isinstance(value, Tensor) else [value]


def function(inputs: Any, outputs: Any, updates: Any = None, **kwargs: Any) -> Function:
    """A callable from a list of arrays to a list of NumPy arrays.

    All updates are computed from the values before the call and stored after it.

    Args:
        inputs: Tensors to feed: placeholders, or any tensor, where the graph is then cut.
        outputs: Tensors to compute.
        updates: Updates, or pairs (variable, new value).
        **kwargs: `name`, for messages.

    Raises:
        ValueError: If another argument is given, such as those of TensorFlow's sessions.
    """
    name = kwargs.pop("name", None) or "function"
    if kwargs:
        raise ValueError(
            f"K.function takes inputs, outputs, updates and name, received {', '.join(sorted(kwargs))}: there is no "
            "TensorFlow session to pass it to."
        )
    pairs = list(updates.items()) if isinstance(updates, Mapping) else updates
    if isinstance(pairs, Update):
        pairs = [pairs]
    wanted = _as_list(outputs)
    with naming.named_errors():
        return function_of(wanted)(_as_list(inputs), wanted, list(pairs or []), name=name)


def gradients(loss: Any, variables: Any) -> list[Tensor | None]:
    """Gradients of the sum of all entries of a loss.

    They are ordinary tensors: they can be used again, inside other expressions, and in
    `K.gradients` once more.

    Args:
        loss: Tensor, or a list of them, which count together.
        variables: Variables, placeholders or any tensors in between; one, or a list.

    Returns:
        A list with a tensor of its shape for each, None where the loss does not depend on it or
        where it holds integers.

    Raises:
        ValueError: If nothing depends on anything because an operand was computed from arrays.
    """
    losses, targets = _as_list(loss), _as_list(variables)
    for t in (*losses, *targets):
        if not isinstance(t, Tensor):
            raise TypeError(f"K.gradients takes tensors, received {type(t).__name__}: {t!r}.")
    made = reverse(losses, targets)
    if targets and all(g is None for g in made):
        _refuse_without_history(losses)
    # A loss that is itself a target, or one gradient for two targets, still gives new tensors.
    return [None if g is None else common.fresh(g) for g in made]


def _refuse_without_history(losses: list[Tensor]) -> None:
    seen = set(losses)
    stack = list(losses)
    while stack:
        node = stack.pop()
        if isinstance(node, ValueTensor):
            raise ValueError(
                f"K.gradients: {node!r} is a value without history, the result of a layer or model called on arrays. "
                "Call the layer on K.constant(x), or on an Input, to differentiate."
            )
        for x in node.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)


def stop_gradient(variables: Any) -> Any:
    """The same value, which counts as constant for gradients.

    Args:
        variables: Tensor, or a list of them, for which a list comes back.
    """
    if isinstance(variables, (list, tuple)):
        return [stop_gradient(v) for v in variables]
    return elementwise.stop_gradient(common.tensor(variables))


# -- updates ------------------------------------------------------------------------------------


def _operand(value: Any) -> Any:
    # A bare variable passes through a primitive, where `control_dependencies` puts its new value.
    return common.fresh(value) if isinstance(value, Variable) else value


def update(x: Any, new_x: Any) -> Update:
    """Stores a new value in a variable.

    Args:
        x: Variable.
        new_x: Tensor or number of its shape.

    Returns:
        An entry for the updates of `K.function`, which is also a tensor: the new value.
    """
    with naming.named_errors():
        return graph_updates.assign(x, _operand(new_x))


def update_add(x: Any, increment: Any) -> Update:
    """Adds to a variable. Several increments in one run add up.

    Args:
        x: Variable.
        increment: Tensor or number.
    """
    with naming.named_errors():
        return graph_updates.assign_add(x, _operand(increment))


def update_sub(x: Any, decrement: Any) -> Update:
    """Subtracts from a variable. Several in one run add up.

    Args:
        x: Variable.
        decrement: Tensor or number.
    """
    with naming.named_errors():
        return graph_updates.assign_add(x, -common.tensor(decrement))


def moving_average_update(x: Any, value: Any, momentum: Any) -> Update:
    """Stores `momentum * x + (1 - momentum) * value`. Several in one run follow each other.

    Args:
        x: Variable.
        value: Tensor of its shape.
        momentum: Share of the old value, a number or a tensor.
    """
    with naming.named_errors():
        if isinstance(momentum, Tensor):
            return graph_updates.assign(x, x * momentum + (1 - momentum) * value)
        return graph_updates.assign_average(x, _operand(value), common.number(momentum, "the momentum"))


@contextmanager
def control_dependencies(control_inputs: Any) -> Iterator[None]:
    """In a `with` block, a variable used as an operand has the value that an update will store.

    Args:
        control_inputs: Updates, one or a list; anything else has no effect.
    """
    given = [u for u in _as_list(control_inputs) if isinstance(u, Update)]
    replaced: dict[Tensor, Tensor] = {u.variable: u for u in given}
    with graph_context.replacing(replaced):
        yield
