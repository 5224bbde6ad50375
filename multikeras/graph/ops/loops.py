"""A loop that runs as long as a condition holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from multikeras.contract import Primitive, is_float, primitive
from multikeras.graph import operands
from multikeras.graph.bodies import SubGraph, captured, inline, trace
from multikeras.graph.context import Body
from multikeras.graph.ops.added import CarriedSums
from multikeras.graph.ops.control import CarriedUpdates, cond, scan, with_effects
from multikeras.graph.ops.elementwise import less, logical_and
from multikeras.graph.tensor import Parameter, Shape, Tensor


def _merged(before: Tensor, after: Tensor, body: SubGraph) -> Shape:
    if len(before.shape) != len(after.shape) or any(
        n != m and n is not None and m is not None for n, m in zip(before.shape, after.shape, strict=True)
    ):
        raise ValueError(
            f"{body.scope} got a loop variable of shape {before.shape} and returned one of shape {after.shape}: it "
            "keeps its shape from iteration to iteration."
        )
    return tuple(n if n is not None else m for n, m in zip(before.shape, after.shape, strict=True))


def _while_shapes(predicate: Tensor, *inputs: Tensor, body: SubGraph, num_carries: int, **attributes: Any) -> list[Any]:
    return [_merged(x, y, body) for x, y in zip(inputs[:num_carries], body.outputs[1:], strict=True)]


def _while_dtypes(predicate: Tensor, *inputs: Tensor, num_carries: int, **attributes: Any) -> list[str]:
    return [x.dtype for x in inputs[:num_carries]]


def _as_scan(
    predicate: Tensor, inputs: Sequence[Tensor], body: SubGraph, num_carries: int, maximum_iterations: int
) -> list[Tensor]:
    """The same loop as a scan of the greatest length, in which the iterations after the end do nothing."""
    carries, invariants = inputs[:num_carries], inputs[num_carries:]

    def step(iteration: Tensor, active: Tensor, *held: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        # A branch and not a selection: what the body would make of the last values may be infinite, and
        # the gradient of a selection multiplies that by 0.
        new = cond(
            active,
            lambda: inline(body, [*held, *invariants]),
            lambda: [active, *held],
            label="iteration of " + body.scope.label,
        )
        return new, []

    finals, _ = scan(step, [], [predicate, *carries], length=maximum_iterations, label=body.scope.label)
    return finals[1:]


def _while_gradient(
    g: list[Tensor | None],
    out: list[Tensor],
    predicate: Tensor,
    *inputs: Tensor,
    body: SubGraph,
    num_carries: int,
    maximum_iterations: int | None,
) -> list[Tensor | None]:
    from multikeras.graph.gradients import apart, gradients

    if maximum_iterations is None:
        raise ValueError(
            f"The gradient of a loop needs the values of all its iterations, of which {body.scope} may have any "
            "number: pass K.while_loop a maximum_iterations, or stop the gradient by K.stop_gradient."
        )
    # A loop variable may begin as something that the body uses besides.
    places = apart(inputs)
    results = _as_scan(predicate, places, body, num_carries, maximum_iterations)
    arriving = [i for i, d in enumerate(g) if d is not None]
    targets = [k for k, x in enumerate(inputs) if is_float(x.dtype)]
    made = gradients([results[i] for i in arriving], [places[k] for k in targets], [g[i] for i in arriving])
    result: list[Tensor | None] = [None] * (1 + len(inputs))
    for k, d in zip(targets, made, strict=True):
        result[1 + k] = d
    return result


while_: Primitive = primitive(
    "while_loop",
    shape=_while_shapes,
    dtype=_while_dtypes,
    gradient=_while_gradient,
    multiple=True,
    bodies=("body",),
    doc="Runs a body on carries as long as a condition holds, which is given for the first iteration and returned by "
    "the body for the next. The first carry counts iterations. The kernel need not look at maximum_iterations.",
)


def while_loop(
    condition: Callable[..., Tensor],
    step: Callable[..., Sequence[Tensor]],
    carries: Sequence[Tensor],
    maximum_iterations: int | None = None,
    label: str = "body of K.while_loop",
) -> list[Tensor]:
    """Runs `step(*carries) -> new carries` as long as `condition(*carries)` holds.

    Args:
        condition: Gives a bool scalar. Called twice, outside and in the body.
        step: Called once, to trace the body.
        carries: Values before the first iteration; shapes and types stay the same.
        maximum_iterations: Where the loop ends at the latest; None for nowhere.
        label: Names the body in messages.

    Returns:
        The final carries.

    Raises:
        ValueError: If a carry changes its shape or type.
    """
    limit = None if maximum_iterations is None else operands.scalar(min(maximum_iterations, 2**31 - 1), "int32")

    def again(iteration: Tensor, values: Sequence[Tensor]) -> Tensor:
        held = condition(*values)
        made: Tensor = held if limit is None else logical_and(held, less(iteration, limit))
        return made

    def parameters(scope: Body) -> list[Tensor]:
        scope.iteration = Parameter((), "int32", "iteration")
        return [scope.iteration, *[Parameter(c.shape, c.dtype) for c in carries]]

    def function(iteration: Tensor, *values: Tensor) -> list[Tensor]:
        new = step(*values)
        following = iteration + 1
        return [again(following, new), following, *new]

    start = operands.scalar(0, "int32")
    first = again(start, carries)
    scope, bound, outputs = trace(label, function, parameters)
    for before, after in zip(bound, outputs[1:], strict=True):
        if after.dtype != before.dtype:
            raise ValueError(
                f"The {label} got a loop variable of type {before.dtype} and returned one of type {after.dtype}: it "
                "keeps its type. Cast what is returned."
            )
    updated, added = CarriedUpdates(scope), CarriedSums(scope)
    results = [*outputs, *updated.results, *added.results]
    bindings = [*bound, *updated.bindings, *added.bindings]
    outer = captured(scope, results, bindings)
    made = while_(
        first,
        start,
        *carries,
        *updated.starts,
        *added.starts,
        *outer,
        body=SubGraph([*bindings, *outer], results, scope),
        num_carries=len(bindings),
        maximum_iterations=maximum_iterations,
    )
    sums_at = len(bound) + len(updated.starts)
    effects = updated.leave(made[len(bound) : sums_at])
    added.leave(with_effects(made[sums_at : len(bindings)], effects))
    return with_effects(made[1 : len(bound)], effects)


__all__ = ["while_", "while_loop"]
