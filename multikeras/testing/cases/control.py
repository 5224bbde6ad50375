"""Cases of loops, branches, updates, optimizer steps and the ways out of K."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from multikeras.contract import PRIMITIVES
from multikeras.graph import operands, updates
from multikeras.graph.ops import control, elementwise, loops, reductions
from multikeras.graph.tensor import Tensor, Variable
from multikeras.programs import settings
from multikeras.testing.case import FLOATS, Case, Input, fixed, inputs, normal, positive, small

_FLOAT = ("float32",)
_WIDE = ("float32", "float64")


# -- scan -----------------------------------------------------------------------------------------


def _recurrence(reverse: bool = False) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A small recurrent network: h = tanh(x + h w), which gives 2 h at every step."""

    def build(xs: Tensor, h: Tensor, w: Tensor) -> list[Tensor]:
        def step(iteration: Tensor, x: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            new = elementwise.tanh(x + operands.matmul(h, w))
            return [new], [new * 2]

        finals, ys = control.scan(step, [xs], [h], reverse=reverse)
        return [*finals, *ys]

    def reference(xs: np.ndarray, h: np.ndarray, w: np.ndarray) -> list[np.ndarray]:
        ys = np.zeros(xs.shape)
        for t in reversed(range(len(xs))) if reverse else range(len(xs)):
            h = np.tanh(xs[t] + h @ w)
            ys[t] = 2 * h
        return [h, ys]

    return build, reference


def _two_states() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Two sequences, two states of which one is a whole number, and the iteration as an operand."""

    def build(xs: Tensor, zs: Tensor, a: Tensor, n: Tensor) -> list[Tensor]:
        def step(iteration: Tensor, x: Tensor, z: Tensor, a: Tensor, n: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            number = operands.cast(iteration, x.dtype)
            return [a * z + x, n + iteration * 2], [elementwise.sin(a) * number, n, x]

        finals, ys = control.scan(step, [xs, zs], [a, n])
        return [*finals, *ys]

    def reference(xs: np.ndarray, zs: np.ndarray, a: np.ndarray, n: np.ndarray) -> list[np.ndarray]:
        sines, numbers = [], []
        for t in range(len(xs)):
            sines.append(np.sin(a) * t)
            numbers.append(n)
            a, n = a * zs[t] + xs[t], np.asarray(n + 2 * t, "int32")
        return [a, n, np.array(sines), np.array(numbers, "int32"), xs]

    return build, reference


def _counted() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """No sequence, a number of steps."""

    def build(x: Tensor) -> list[Tensor]:
        finals, ys = control.scan(lambda i, a: ([a * x + 1], [a]), [], [x], length=4)
        return [*finals, *ys]

    def reference(x: np.ndarray) -> list[np.ndarray]:
        a, ys = x, []
        for _ in range(4):
            ys.append(a)
            a = a * x + 1
        return [a, np.array(ys)]

    return build, reference


def _nested() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A scan in a scan, and a branch in the inner one."""

    def build(xs: Tensor, a: Tensor) -> list[Tensor]:
        def inner(iteration: Tensor, x: Tensor, a: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            even = elementwise.equal(elementwise.remainder(iteration, operands.scalar(2, "int32")), _zero("int32"))
            (new,) = control.cond(even, lambda: [a + elementwise.sin(x)], lambda: [a * x])
            return [new], []

        def outer(iteration: Tensor, row: Tensor, a: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            finals, _ = control.scan(inner, [row], [a])
            return finals, finals

        finals, ys = control.scan(outer, [xs], [a])
        return [*finals, *ys]

    def reference(xs: np.ndarray, a: np.ndarray) -> list[np.ndarray]:
        ys = []
        for row in xs:
            for j, x in enumerate(row):
                a = a * x if j % 2 else a + np.sin(x)
            ys.append(a)
        return [a, np.array(ys)]

    return build, reference


def _zero(dtype: str) -> Tensor:
    return operands.scalar(0, dtype)


def _scans() -> Iterator[Case]:
    def case(label: str, pair: Any, operands: Sequence[Input], differentiable: tuple[int, ...], **rest: Any) -> Case:
        build, reference = pair
        return Case(
            "scan", tuple(operands), reference, label, build=build, differentiable=differentiable, tolerance=10, **rest
        )

    network = [Input(small, (5, 2, 3)), Input(small, (2, 3)), Input(small, (3, 3))]
    yield case("", _recurrence(), network, (0, 1, 2))
    yield case("reverse", _recurrence(reverse=True), network, (0, 1, 2), dtypes=_FLOAT)
    nothing = [Input(small, (0, 2, 3)), Input(small, (2, 3)), Input(small, (3, 3))]
    yield case("no steps", _recurrence(), nothing, (1,), dtypes=_FLOAT, unknown=False)
    single = [Input(small, (1, 2, 3)), Input(small, (2, 3)), Input(small, (3, 3))]
    yield case("one step", _recurrence(), single, (0, 1, 2), dtypes=_FLOAT)
    states = [*inputs(small, (4, 3), (4, 3), (3,)), fixed(7, "int32")]
    types = (None, "int32", None, "int32", None)
    yield case("two states", _two_states(), states, (0, 1, 2), dtypes=_WIDE, result=types)
    yield case("counted", _counted(), inputs(small, (3,)), (0,), dtypes=_WIDE)
    yield case("nested", _nested(), inputs(small, (3, 4), ()), (0, 1), dtypes=_WIDE, unknown=False)


# -- cond -----------------------------------------------------------------------------------------


def _conds() -> Iterator[Case]:
    def build(predicate: Tensor, x: Tensor, y: Tensor) -> list[Tensor]:
        return control.cond(predicate, lambda: [elementwise.exp(x) * y, x], lambda: [x * x + 3, y * 2])

    def reference(predicate: np.ndarray, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        return [np.exp(x) * y, x] if predicate else [x * x + 3, y * 2]

    for chosen in (True, False):
        operands_ = (fixed(chosen, "bool"), *inputs(small, (3, 4), (3, 4)))
        yield Case(
            "cond",
            operands_,
            reference,
            "then" if chosen else "else",
            dtypes=FLOATS if chosen else _WIDE,
            differentiable=(1, 2),
            build=build,
            tolerance=2,
        )

    def nested(p: Tensor, q: Tensor, x: Tensor) -> list[Tensor]:
        def inner() -> list[Tensor]:
            return control.cond(q, lambda: [elementwise.sin(x)], lambda: [x * 3])

        return control.cond(p, inner, lambda: [x])

    for p in (True, False):
        yield Case(
            "cond",
            (fixed(p, "bool"), fixed(False, "bool"), *inputs(normal, (3,))),
            lambda p, q, x: (np.sin(x) if q else x * 3) if p else x,
            f"nested {p}",
            dtypes=_WIDE,
            differentiable=(2,),
            build=nested,
        )
    # The branch not taken is NaN with an infinite slope; nothing of it reaches the result or the gradient.
    yield Case(
        "cond",
        (fixed(False, "bool"), fixed([0.0, 4.0])),
        lambda p, x: x * x,
        "not taken",
        dtypes=_WIDE,
        differentiable=(1,),
        build=lambda p, x: control.cond(p, lambda: [elementwise.log(x) / x], lambda: [x * x]),
    )
    yield Case(
        "host_select",
        inputs(normal, (3, 4), (3, 4)),
        lambda x, y: y,
        differentiable=(1,),
        build=lambda x, y: control.host_select(
            elementwise.equal(settings.learning_phase(), operands.scalar(1, "int32")), elementwise.log(x), y
        ),
        exact=True,
        unknown=False,
    )


def _whiles() -> Iterator[Case]:
    """Loops whose end depends on values: growth up to a bound, far from where a step more or less would be taken."""

    def build(x: Tensor, factor: Tensor, limit: int | None = 30) -> list[Tensor]:
        def step(n: Tensor, x: Tensor) -> list[Tensor]:
            return [n + 1, x * factor + elementwise.sin(x)]

        def below(n: Tensor, x: Tensor) -> Tensor:
            largest: Tensor = reductions.reduce_max(x, axis=(0,), keepdims=False)
            return elementwise.less(largest, operands.scalar(20.0, x.dtype))

        return loops.while_loop(below, step, [_zero("int32"), x], limit)

    def reference(x: np.ndarray, factor: np.ndarray) -> list[np.ndarray]:
        n = np.zeros((), "int32")
        while np.max(x) < 20 and n < 30:
            n, x = np.asarray(n + 1, "int32"), x * factor + np.sin(x)
        return [n, x]

    rows: list[tuple[str, Any, float]] = [
        ("", [0.5, 1.0, 0.2], 1.5),
        ("not once", [25.0, 1.0, 0.2], 1.5),
        ("to the limit", [0.5, 1.0, 0.2], 0.5),
    ]
    for label, x, factor in rows:
        yield Case(
            "while_loop",
            (fixed(x), fixed(factor)),
            reference,
            label,
            dtypes=_WIDE,
            result=("int32", None),
            differentiable=(0, 1),
            build=build,
            tolerance=30,
        )
    yield Case(
        "while_loop",
        (fixed([0.5, 1.0]), fixed(1.5)),
        reference,
        "without limit",
        dtypes=_WIDE,
        result=("int32", None),
        build=lambda x, factor: build(x, factor, None),
        tolerance=30,
    )


# -- updates, effects, ways out -------------------------------------------------------------------


def _variable(shape: tuple[int, ...], dtype: str, value: float = 1.5) -> Variable:
    return Variable(shape, dtype, np.full(shape, value, "float32" if dtype == "bfloat16" else dtype))


def _updates() -> Iterator[Case]:
    def assign(x: Tensor) -> Tensor:
        return updates.assign(_variable((3, 4), x.dtype), x)

    def assign_add(x: Tensor) -> Tensor:
        return updates.assign_add(_variable((3, 4), x.dtype), x)

    def assign_average(x: Tensor) -> Tensor:
        return updates.assign_average(_variable((3, 4), x.dtype), x, 0.75)

    def assign_moved(x: Tensor) -> Tensor:
        v = _variable((3, 4), x.dtype)

        def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            updates.assign_average(v, h, 0.5)
            return [h], []

        (last,), _ = control.scan(step, [], [x], length=2)
        return last.inputs[1]

    def after(x: Tensor) -> Tensor:
        return control.with_effects([x], [updates.assign(_variable((3, 4), x.dtype), x * 2)])[0]

    for name, build, reference in (
        ("assign", assign, lambda x: x),
        ("assign_add", assign_add, lambda x: 1.5 + x),
        ("assign_average", assign_average, lambda x: 0.75 * 1.5 + 0.25 * x),
        ("assign_moved", assign_moved, lambda x: 0.25 * 1.5 + 0.75 * x),
        ("after", after, lambda x: x),
    ):
        yield Case(name, inputs(normal, (3, 4)), reference, build=build, differentiable=(0,), unknown=False)


def _doors() -> Iterator[Case]:
    def call(x: Tensor, y: Tensor) -> Any:
        return PRIMITIVES["host_call"](
            x,
            y,
            function=lambda a, b: (a * b, np.sum(a)),
            outputs=((x.shape, x.dtype), ((), x.dtype)),
            gradient=lambda g, out, x, y: (g * y, g * x),
        )

    yield Case(
        "host_call",
        inputs(normal, (3, 4), (3, 4)),
        lambda x, y: (x * y, np.sum(x)),
        dtypes=_WIDE,
        build=call,
        tolerance=4,
        unknown=False,
    )
    yield Case(
        "host_call",
        inputs(normal, (3, 4), (3, 4)),
        lambda x, y: x * y,
        "one result",
        dtypes=_WIDE,
        build=lambda x, y: call(x, y)[0],
        differentiable=(0, 1),
        unknown=False,
    )
    yield Case(
        "custom_gradient",
        inputs(normal, (3, 4)),
        lambda x: x * x,
        build=lambda x: control.custom(x * x, x, rule=lambda g: [g * 2 * x]),
        differentiable=(0,),
    )
    yield Case(
        "print_value",
        inputs(normal, (3, 4)),
        lambda x: x,
        build=lambda x: control.print_value(x, message="a case: "),
        differentiable=(0,),
        dtypes=_FLOAT,
        exact=True,
    )


# -- optimizer steps ------------------------------------------------------------------------------


def sgd(lr: Any, momentum: Any, *tensors: Any, nesterov: bool) -> list[Any]:
    """Gradient descent with momentum."""
    n = len(tensors) // 3
    made, velocities = [], []
    for p, g, v in zip(tensors[:n], tensors[n : 2 * n], tensors[2 * n :], strict=True):
        v = momentum * v - lr * g
        made.append(p + (momentum * v - lr * g if nesterov else v))
        velocities.append(v)
    return [*made, *velocities]


def rmsprop(lr: Any, rho: Any, epsilon: Any, *tensors: Any) -> list[Any]:
    """RMSprop."""
    n = len(tensors) // 3
    made, squares = [], []
    for p, g, a in zip(tensors[:n], tensors[n : 2 * n], tensors[2 * n :], strict=True):
        a = rho * a + (1 - rho) * g**2
        made.append(p - lr * g / (np.sqrt(a) + epsilon))
        squares.append(a)
    return [*made, *squares]


def adam(lr: Any, beta_1: Any, beta_2: Any, epsilon: Any, *tensors: Any) -> list[Any]:
    """Adam, the bias correction already in lr."""
    n = len(tensors) // 4
    made, means, squares = [], [], []
    for p, g, m, v in zip(tensors[:n], tensors[n : 2 * n], tensors[2 * n : 3 * n], tensors[3 * n :], strict=True):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        made.append(p - lr * m / (np.sqrt(v) + epsilon))
        means.append(m)
        squares.append(v)
    return [*made, *means, *squares]


def _steps() -> Iterator[Case]:
    shapes = [(3, 4), (4,), ()]
    scalar = [fixed(0.1), fixed(0.9), fixed(0.01), fixed(0.999)]
    groups = {make: list(inputs(make, *shapes)) for make in (normal, positive)}
    epsilon = fixed(0.05)
    for nesterov in (False, True):
        yield Case(
            "sgd_update",
            (*scalar[:2], *groups[normal], *groups[normal], *groups[normal]),
            sgd,
            "nesterov" if nesterov else "",
            {"nesterov": nesterov},
            _WIDE,
            differentiable=(0, 1, 2, 5, 8),
            tolerance=4,
        )
    operands_ = (scalar[0], scalar[1], epsilon, *groups[normal], *groups[normal], *groups[positive])
    yield Case("rmsprop_update", operands_, rmsprop, dtypes=_WIDE, differentiable=(0, 1, 3, 6, 9), tolerance=4)
    operands_ = (
        *(scalar[0], scalar[1], fixed(0.99), epsilon),
        *(*groups[normal], *groups[normal], *groups[normal], *groups[positive]),
    )
    yield Case("adam_update", operands_, adam, dtypes=_WIDE, differentiable=(0, 4, 7, 10, 13), tolerance=4)


CASES = [*_scans(), *_conds(), *_whiles(), *_updates(), *_doors(), *_steps()]

__all__ = ["CASES", "adam", "rmsprop", "sgd"]
