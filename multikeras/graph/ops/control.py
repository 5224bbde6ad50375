"""Control flow as primitives: scan and cond, whose gradients are a scan and a cond again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from multikeras.contract import PRIMITIVES, Primitive, is_float, primitive
from multikeras.graph import operands
from multikeras.graph.bodies import SubGraph, captured, inline, trace
from multikeras.graph.context import Body, inside
from multikeras.graph.naming import located
from multikeras.graph.ops.added import CarriedSums, ChosenSums
from multikeras.graph.ops.rules import length_of, where, zeros_like
from multikeras.graph.tensor import Constant, Parameter, Shape, Tensor
from multikeras.graph.updates import Settled, Update, assign_settled, settle

# -- scan ---------------------------------------------------------------------------------------


def _scan_shapes(*inputs: Tensor, body: SubGraph, num_carries: int, length: Any, **attributes: Any) -> list[Any]:
    carries, ys = body.outputs[:num_carries], body.outputs[num_carries:]
    lengths = [x.shape[0] for x in inputs[: attributes["num_sequences"]]]
    if len({n for n in (length, *lengths) if isinstance(n, int)}) > 1:
        raise ValueError(
            f"The {body.scope.label} takes a step for each entry along the first axis (time, for K.rnn), and the "
            f"sequences have lengths {', '.join(map(str, lengths))}: they must be equal."
        )
    return [
        *[c.shape for c in carries],
        *[(length, *y.shape) for y in ys],
        *[(length, *c.shape) for c in carries],
    ]


def _scan_dtypes(*inputs: Tensor, body: SubGraph, num_carries: int, **attributes: Any) -> list[str]:
    return [*[o.dtype for o in body.outputs], *[o.dtype for o in body.outputs[:num_carries]]]


def _scan_gradient(
    g: list[Tensor | None],
    out: list[Tensor],
    *inputs: Tensor,
    body: SubGraph,
    num_sequences: int,
    num_carries: int,
    length: Any,
    reverse: bool,
) -> list[Tensor | None]:
    from multikeras.graph.gradients import gradients

    sequences, carries = inputs[:num_sequences], inputs[num_sequences : num_sequences + num_carries]
    invariants = inputs[num_sequences + num_carries :]
    num_ys = len(body.outputs) - num_carries
    before = out[num_carries + num_ys :]
    moving = [i for i, c in enumerate(body.outputs[:num_carries]) if is_float(c.dtype)]
    arriving = [j for j in range(num_ys) if g[num_carries + j] is not None]
    # A gradient of this gradient arrives at the states before each step as well.
    resumed = [i for i in moving if g[num_carries + num_ys + i] is not None]
    summed = [k for k, x in enumerate(invariants) if is_float(x.dtype)]
    sliced = [k for k, x in enumerate(sequences) if is_float(x.dtype)]

    def step(iteration: Tensor, *values: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        given = list(values)
        take = lambda n: [given.pop(0) for _ in range(n)]  # noqa: E731
        slices, states, upstream_ys = take(num_sequences), take(num_carries), take(len(arriving))
        upstream_states = dict(zip(resumed, take(len(resumed)), strict=True))
        upstream_carries, sums = take(len(moving)), take(len(summed))
        results = inline(body, [iteration, *slices, *states, *invariants])
        losses = [results[i] for i in moving] + [results[num_carries + j] for j in arriving]
        targets = [slices[k] for k in sliced] + [states[i] for i in moving] + [invariants[k] for k in summed]
        made = gradients(losses, targets, [*upstream_carries, *upstream_ys])
        filled = [zeros_like(t) if d is None else d for d, t in zip(made, targets, strict=True)]
        to_slices, rest = filled[: len(sliced)], filled[len(sliced) :]
        to_carries, to_invariants = rest[: len(moving)], rest[len(moving) :]
        to_carries = [
            d + upstream_states[i] if i in upstream_states else d for i, d in zip(moving, to_carries, strict=True)
        ]
        return [*to_carries, *[s + d for s, d in zip(sums, to_invariants, strict=True)]], to_slices

    given_ys = [g[num_carries + j] for j in arriving]
    given_states = [g[num_carries + num_ys + i] for i in resumed]
    starts = [zeros_like(carries[i]) if g[i] is None else g[i] for i in moving]
    finals, stacked = scan(
        step,
        [*sequences, *before, *given_ys, *given_states],  # type: ignore[list-item]
        [*starts, *[zeros_like(invariants[k]) for k in summed]],  # type: ignore[list-item]
        length=length,
        reverse=not reverse,
        label="gradient of the " + body.scope.label,
    )
    result: list[Tensor | None] = [None] * len(inputs)
    for k, d in zip(sliced, stacked, strict=True):
        result[k] = d
    for i, d in zip(moving, finals, strict=False):
        result[num_sequences + i] = d
    for k, d in zip(summed, finals[len(moving) :], strict=True):
        result[num_sequences + num_carries + k] = d
    return result


scan_: Primitive = primitive(
    "scan",
    shape=_scan_shapes,
    dtype=_scan_dtypes,
    gradient=_scan_gradient,
    multiple=True,
    bodies=("body",),
    doc="Runs a body over axis 0 of sequences: final carries, then what each step gave, stacked; in the graph then the "
    "carries before each step, which specialising turns into something that steps give.",
)


def _may_be_equal(first: Shape, second: Shape) -> bool:
    """Whether two shapes are equal as far as they are known."""
    return len(first) == len(second) and all(
        n == m or n is None or m is None for n, m in zip(first, second, strict=True)
    )


def scan(
    step: Callable[..., tuple[Sequence[Tensor], Sequence[Tensor]]],
    sequences: Sequence[Tensor],
    carries: Sequence[Tensor],
    length: Any = None,
    reverse: bool = False,
    label: str = "step function",
) -> tuple[list[Tensor], list[Tensor]]:
    """Runs `step(iteration, *slices, *carries) -> (new carries, ys)` over axis 0 of the sequences.

    Args:
        step: Called once, to trace the body.
        sequences: Tensors of equal first length.
        carries: Values before the first step; shapes and types stay the same.
        length: Number of steps, an int or an integer scalar tensor; that of the sequences if None.
        reverse: Whether the last slice comes first; entry i of a result belongs to slice i always.
        label: Names the step in messages.

    Returns:
        The final carries, and the ys stacked on a new first axis.

    Raises:
        ValueError: If a carry changes its shape or type.
    """
    if length is None:
        if not sequences:
            raise ValueError(f"The {label} has no sequences: a number of steps is needed.")
        length = length_of(sequences[0], 0)
    counts: list[int] = []

    def parameters(scope: Body) -> list[Tensor]:
        scope.iteration = Parameter((), "int32", "iteration")
        slices = [Parameter(s.shape[1:], s.dtype) for s in sequences]
        return [scope.iteration, *slices, *[Parameter(c.shape, c.dtype) for c in carries]]

    def function(*values: Tensor) -> list[Tensor]:
        new, ys = step(*values)
        counts.append(len(ys))
        return [*new, *ys]

    scope, bound, outputs = trace(label, function, parameters)
    states = bound[1 + len(sequences) :]
    for before, after in zip(states, outputs, strict=False):
        if after.dtype != before.dtype or not _may_be_equal(before.shape, after.shape):
            raise ValueError(
                f"The {label} got a state of shape {before.shape} and type {before.dtype} and returned one of shape "
                f"{after.shape} and type {after.dtype}: a state keeps both. Cast or reshape what it returns."
            )
    ys = outputs[len(states) :]
    updated, added = CarriedUpdates(scope), CarriedSums(scope)
    all_carries = [*carries, *updated.starts, *added.starts]
    bindings = [*bound, *updated.bindings, *added.bindings]
    results = [*outputs[: len(states)], *updated.results, *added.results, *ys]
    outer = captured(scope, results, bindings)
    made = scan_(
        *sequences,
        *all_carries,
        *outer,
        body=SubGraph([*bindings, *outer], results, scope),
        num_sequences=len(sequences),
        num_carries=len(all_carries),
        length=length,
        reverse=reverse,
    )
    finals, stacked = made[: len(states)], made[len(all_carries) : len(all_carries) + len(ys)]
    sums_at = len(states) + len(updated.starts)
    effects = updated.leave(made[len(states) : sums_at])
    added.leave(with_effects(made[sums_at : len(all_carries)], effects))
    return with_effects(finals, effects), with_effects(stacked, effects)


class CarriedUpdates:
    """The variables that the body of a loop updates, as carries.

    Attributes:
        starts: Values before the first iteration.
        bindings: What stands for them in the body.
        results: Values after an iteration.
    """

    def __init__(self, scope: Body) -> None:
        self._scope = scope
        self._settled = settle(scope.updates)
        self._scaled = [s for s in self._settled if s.scale is not None]
        variables = [s.variable for s in self._settled]
        self.starts: list[Tensor] = [*variables, *[operands.scalar(1, s.variable.dtype) for s in self._scaled]]
        with inside(scope):
            scales = [Parameter((), s.variable.dtype) for s in self._scaled]
            products = [held * s.scale for held, s in zip(scales, self._scaled, strict=True)]
        self.bindings: list[Tensor] = [*variables, *scales]
        self.results: list[Tensor] = [*[s.value for s in self._settled], *products]

    def leave(self, finals: Sequence[Tensor]) -> list[Update]:
        """The updates outside, from the final values of the carries."""
        scales = dict(zip(self._scaled, finals[len(self._settled) :], strict=True))
        return [
            assign_settled(s, value, scales.get(s), self._scope)
            for s, value in zip(self._settled, finals, strict=False)
        ]


# -- cond ---------------------------------------------------------------------------------------


def _cond_shapes(predicate: Tensor, *operands: Tensor, then_body: SubGraph, else_body: SubGraph) -> list[Any]:
    return [
        tuple(a if a == b else None for a, b in zip(x.shape, y.shape, strict=True))
        for x, y in zip(then_body.outputs, else_body.outputs, strict=True)
    ]


def _cond_resolve(predicate: Tensor, *operands: Tensor, then_body: SubGraph, else_body: SubGraph) -> dict[str, Any]:
    """Refuses results whose lengths only the run that chooses the branch would know."""
    pairs = [(x.shape, y.shape) for x, y in zip(then_body.outputs, else_body.outputs, strict=True)]
    if not isinstance(predicate, Constant) and any(x != y for x, y in pairs):
        raise ValueError(
            f"The two branches of K.switch give shapes {[x for x, _ in pairs]} and {[y for _, y in pairs]}, and only "
            "the run knows which it will be, while a program has fixed shapes. Pad them to one shape, or choose by a "
            "number, a shape or the learning phase."
        )
    return {"then_body": then_body, "else_body": else_body}


def _cond_gradient(
    g: list[Tensor | None],
    out: list[Tensor],
    predicate: Tensor,
    *inputs: Tensor,
    then_body: SubGraph,
    else_body: SubGraph,
) -> list[Tensor | None]:
    from multikeras.graph.gradients import gradients

    arriving = [i for i, d in enumerate(g) if d is not None]
    targets = [k for k, x in enumerate(inputs) if is_float(x.dtype)]

    def branch(graph: SubGraph) -> Callable[[], list[Tensor]]:
        def build() -> list[Tensor]:
            results = inline(graph, inputs)
            wanted = [inputs[k] for k in targets]
            made = gradients([results[i] for i in arriving], wanted, [g[i] for i in arriving])
            return [zeros_like(x) if d is None else d for d, x in zip(made, wanted, strict=True)]

        return build

    made = cond(predicate, branch(then_body), branch(else_body), "gradient of " + then_body.scope.label)
    result: list[Tensor | None] = [None] * (1 + len(inputs))
    for k, d in zip(targets, made, strict=True):
        result[1 + k] = d
    return result


cond_: Primitive = primitive(
    "cond",
    shape=_cond_shapes,
    dtype=lambda predicate, *operands, then_body, else_body: [o.dtype for o in then_body.outputs],
    gradient=_cond_gradient,
    multiple=True,
    bodies=("then_body", "else_body"),
    resolve=_cond_resolve,
    doc="The results of one of two bodies; only that one runs.",
)


def cond(
    predicate: Tensor,
    then_function: Callable[[], Sequence[Tensor]],
    else_function: Callable[[], Sequence[Tensor]],
    label: str = "branch of K.switch",
) -> list[Tensor]:
    """The results of one of two functions without arguments, chosen by a bool scalar.

    Raises:
        ValueError: If the two return different numbers of tensors, or other shapes or types.
    """
    then_scope, _, then_results = trace(label, lambda: then_function(), lambda scope: [])
    else_scope, _, else_results = trace(label, lambda: else_function(), lambda scope: [])
    if [(len(t.shape), t.dtype) for t in then_results] != [(len(t.shape), t.dtype) for t in else_results]:
        received = [[(t.shape, t.dtype) for t in results] for results in (then_results, else_results)]
        raise ValueError(
            located(
                f"The two branches must return tensors of equal rank and type, received {received[0]} and "
                f"{received[1]}. Cast or reshape one of them."
            )
        )
    then_settled = {s.variable: s for s in settle(then_scope.updates)}
    else_settled = {s.variable: s for s in settle(else_scope.updates)}
    # A variable that only one branch updates keeps its value in the other.
    pairs = [
        (then_settled.get(v, Settled(v, v, True, None)), else_settled.get(v, Settled(v, v, True, None)))
        for v in dict.fromkeys([*then_settled, *else_settled])
    ]
    scaled = [(t, e) for t, e in pairs if t.increments and e.increments and not (t.scale is None and e.scale is None)]
    added = ChosenSums(then_scope, else_scope)
    then_values = [*[t.value for t, _ in pairs], *[_scale_of(t) for t, _ in scaled]]
    else_values = [*[e.value for _, e in pairs], *[_scale_of(e) for _, e in scaled]]
    then_outputs = [*then_results, *then_values, *added.then_results]
    else_outputs = [*else_results, *else_values, *added.else_results]
    outer = list(dict.fromkeys([*captured(then_scope, then_outputs, []), *captured(else_scope, else_outputs, [])]))
    made = cond_(
        predicate,
        *outer,
        then_body=SubGraph(outer, then_outputs, then_scope),
        else_body=SubGraph(outer, else_outputs, else_scope),
    )
    count = len(then_results)
    sums_at = count + len(then_values)
    scales = dict(zip([t.variable for t, _ in scaled], made[count + len(pairs) : sums_at], strict=True))
    effects = []
    for (t, e), value in zip(pairs, made[count:], strict=False):
        scale = scales.get(t.variable)
        settled = Settled(t.variable, value, t.increments and e.increments, scale)
        effects.append(assign_settled(settled, value, scale, then_scope))
    added.leave(with_effects(made[sums_at:], effects))
    return with_effects(made[:count], effects)


def _scale_of(settled: Settled) -> Tensor:
    return operands.scalar(1, settled.variable.dtype) if settled.scale is None else settled.scale


# -- effects and doors --------------------------------------------------------------------------

after: Primitive = primitive(
    "after",
    shape=lambda x, *effects: x.shape,
    dtype=lambda x, *effects: x.dtype,
    gradient=lambda g, out, x, *effects: (g, *[None] * len(effects)),
    effect=True,
    doc="The same value; a program that computes it also makes the given updates.",
)


def with_effects(tensors: Sequence[Tensor], effects: Sequence[Update]) -> list[Tensor]:
    """The tensors, each bringing the given updates into every program that computes it."""
    if not effects:
        return list(tensors)
    return [after(t, *effects) for t in tensors]


host_select: Primitive = primitive(
    "host_select",
    shape=lambda predicate, x, y: tuple(a if a == b else None for a, b in zip(x.shape, y.shape, strict=True)),
    dtype=lambda predicate, x, y: operands_dtype(x, y),
    gradient=lambda g, out, predicate, x, y: (
        None,
        host_select(predicate, g, zeros_like(g)),
        host_select(predicate, zeros_like(g), g),
    ),
    composition=lambda predicate, x, y: where(predicate, x, y),
    doc="One of two tensors by a condition known when a program is specialised; the other is not computed.",
)


def operands_dtype(x: Tensor, y: Tensor) -> str:
    """The common type of two branches."""
    if x.dtype != y.dtype:
        raise ValueError(f"The two tensors have different types: {x.dtype} and {y.dtype}. Use K.cast.")
    return x.dtype


print_value: Primitive = primitive(
    "print_value",
    shape=lambda x, message: x.shape,
    dtype=lambda x, message: x.dtype,
    gradient=lambda g, out, x, message: (g,),
    effect=True,
    doc="The same value; it is printed each time it is computed.",
)


def _host_call_gradient(g: list[Tensor | None], out: list[Tensor], *inputs: Tensor, gradient: Any, **rest: Any) -> Any:
    if gradient is None:
        raise ValueError(
            "K.numpy_function has no gradient: pass gradient=, a function (g, out, *inputs) that builds it of K "
            "functions, or stop it by K.stop_gradient."
        )
    arrived = [zeros_like(o) if d is None else d for d, o in zip(g, out, strict=True)]
    made = gradient(arrived[0], out[0], *inputs)
    return made if isinstance(made, (list, tuple)) else [made]


def _host_call_resolve(*inputs: Tensor, function: Any, outputs: Any, gradient: Any) -> dict[str, Any]:
    """An unknown length of a result is that of the first input along the same axis."""
    known = [
        (tuple(inputs[0].shape[i] if n is None else n for i, n in enumerate(shape)), dtype) for shape, dtype in outputs
    ]
    return {"function": function, "outputs": tuple(known), "gradient": gradient}


host_call: Primitive = primitive(
    "host_call",
    shape=lambda *inputs, function, outputs, gradient: [tuple(shape) for shape, dtype in outputs],
    dtype=lambda *inputs, function, outputs, gradient: [dtype for shape, dtype in outputs],
    gradient=_host_call_gradient,
    resolve=_host_call_resolve,
    multiple=True,
    keep=True,
    doc="A Python function of NumPy arrays, called on the host at every run.",
)
custom: Primitive = primitive(
    "custom_gradient",
    shape=lambda x, *arguments, rule: x.shape,
    dtype=lambda x, *arguments, rule: x.dtype,
    gradient=lambda g, out, x, *arguments, rule: (None, *rule(g)),
    composition=lambda x, *arguments, rule: PRIMITIVES["identity"](x),
    doc="The value of x, with a gradient for the arguments that the user gives.",
)

__all__ = [
    "after",
    "cond",
    "cond_",
    "custom",
    "host_call",
    "host_select",
    "operands",
    "print_value",
    "scan",
    "scan_",
    "with_effects",
]
