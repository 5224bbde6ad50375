"""Loops of a length that only a run knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from multikeras.backend import common
from multikeras.backend.calling import called
from multikeras.backend.elementwise import as_bool
from multikeras.graph import operands
from multikeras.graph.context import building, trial
from multikeras.graph.ops import loops as ops
from multikeras.graph.tensor import Tensor


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Runs a body on loop variables as long as a condition on them holds.

    With `maximum_iterations` it is differentiable: the gradient runs as many iterations, of which
    those after the end are skipped, and keeps the loop variables of all of them. Without,
    `K.gradients` through it raises.

    Args:
        cond: Takes the loop variables, returns a scalar: bool, or a number that is not 0.
        body: Takes the loop variables, returns as many new ones of the same shapes and types. It is
            called twice: once outside the loop, once to trace it.
        loop_vars: List or tuple of tensors, arrays or numbers; or a single one.
        maximum_iterations: Number of iterations after which the loop ends in any case; None for
            no limit.

    Returns:
        The loop variables after the last iteration: a list, a tuple or a tensor, as they were given.

    Raises:
        ValueError: If a loop variable changes its shape or type, or `cond` gives no scalar.
    """
    several = isinstance(loop_vars, (list, tuple))
    start = [common.tensor(v) for v in (loop_vars if several else [loop_vars])]
    if maximum_iterations is not None and (
        not isinstance(maximum_iterations, (int, np.integer)) or isinstance(maximum_iterations, bool)
    ):
        raise TypeError(f"K.while_loop: maximum_iterations is an int or None, received {maximum_iterations!r}.")
    if maximum_iterations is not None and maximum_iterations < 0:
        raise ValueError(f"K.while_loop: maximum_iterations is not below 0, received {maximum_iterations}.")

    takes = "the loop variable" if len(start) == 1 else f"the {len(start)} loop variables"

    def condition(*values: Tensor) -> Tensor:
        made = as_bool(called(cond, "the cond of K.while_loop", takes, *values))
        if made.ndim:
            raise ValueError(
                f"K.while_loop: the condition gives a scalar, received shape {made.shape}. Use K.any or K.all."
            )
        return made

    def step(*values: Tensor) -> list[Tensor]:
        return _returned(called(body, "the body of K.while_loop", takes, *values), start)

    with trial():
        step(*start)
    with building():
        limit = None if maximum_iterations is None else int(maximum_iterations)
        finals = ops.while_loop(condition, step, start, limit)
    if not several:
        return finals[0]
    return tuple(finals) if isinstance(loop_vars, tuple) else finals


def _returned(made: Any, start: Sequence[Tensor]) -> list[Tensor]:
    """What the body returned, as tensors; numbers take the type of their loop variable."""
    results = list(made) if isinstance(made, (list, tuple)) else [made]
    if len(results) != len(start):
        raise ValueError(
            f"K.while_loop: the body got {len(start)} loop variables and returned {len(results)}: each needs its next "
            "value."
        )
    return [
        v if isinstance(v, Tensor) else operands.convert(v, operands.weak_dtype(v, s.dtype))
        for v, s in zip(results, start, strict=True)
    ]
