"""Random graphs with state, and the plainest way to compute one: node by node, on NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from multikeras.graph import operands, updates
from multikeras.graph.gradients import gradients
from multikeras.graph.ops import algebra, control, elementwise, optimizers, reductions, shapes
from multikeras.graph.tensor import Constant, Placeholder, Tensor, Variable
from multikeras.programs import storage
from multikeras.testing import run


class RandomGraph:
    """A graph grown from a seed.

    Attributes:
        x: Its placeholder, of shape (None, 4) or (3, 4).
        variables: Its variables.
        outputs: What is asked for: results, views, variables, gradients.
        updates: What is stored.
    """

    def __init__(self, seed: int, size: int = 25, smooth: bool = False) -> None:
        """Args:
        seed: What the graph follows from.
        size: How many operations are tried.
        smooth: Whether to leave out what has kinks, or hides its gradient.
        """
        self.smooth = smooth
        self.random = np.random.default_rng(seed)
        self.x = Placeholder((None, 4) if seed % 2 else (3, 4), "float64")
        self.variables = [self.variable(shape) for shape in ((4,), (3, 4), (4, 4), ())]
        self.pool: list[Tensor] = [self.x, *self.variables, self.constant(), operands.scalar(0.5, "float64")]
        for _ in range(size):
            self.grow()
        results = [self.pick() for _ in range(4)]
        smooth = [t for t in self.pool if t.dtype == "float64" and t.primitive is not None][-3:]
        targets: list[Tensor] = [self.x, *self.variables]
        slopes = [g for g in gradients([elementwise.tanh(t) for t in smooth], targets) if g is not None]
        self.outputs = [*results, *self.variables[: seed % 3], *slopes]
        self.updates = self.stores(slopes)

    def variable(self, shape: tuple[int, ...]) -> Variable:
        return Variable(shape, "float64", self.random.normal(size=shape))

    def constant(self) -> Tensor:
        return operands.constant(self.random.integers(-1, 2, size=(3, 1)).astype("float64"), "float64")

    def pick(self, rank: int | None = None) -> Tensor:
        fitting = [t for t in self.pool if rank is None or t.ndim == rank]
        return fitting[int(self.random.integers(len(fitting)))] if fitting else self.x

    def grow(self) -> None:
        """Adds one operation that the shapes at hand allow."""
        for _ in range(50):
            builders = _SMOOTH if self.smooth else _BUILDERS
            build = builders[int(self.random.integers(len(builders)))]
            try:
                made = build(self)
                made = made if isinstance(made, list) else [made]
                if None in self.x.shape:
                    # Unknown lengths may turn out not to fit.
                    run(made, {self.x: np.zeros((3, 4))}, backend="numpy")
            except (ValueError, IndexError):
                # The operands do not fit; other ones will.
                continue
            if all(t.ndim <= 3 for t in made):
                self.pool += made
                return

    def stores(self, slopes: Sequence[Tensor]) -> list[updates.Update]:
        made: list[updates.Update] = []
        vector, matrix, square, scalar = self.variables
        kind = int(self.random.integers(4))
        if kind == 0:
            made += [updates.assign(v, v * 0.5) for v in self.variables[:2]]
        elif kind == 1:
            slot = self.variable((4, 4))
            self.variables.append(slot)
            rate = operands.scalar(0.1, "float64")
            slope = elementwise.tanh(square + 0.1)
            new, moved = optimizers.sgd_update(rate, rate, square, slope, slot, nesterov=bool(self.random.integers(2)))
            made += [updates.assign(square, new), updates.assign(slot, moved)]
        elif kind == 2:
            made += [updates.assign(vector, scalar), updates.assign(scalar, vector[0]), updates.assign_add(scalar, 1.0)]
        else:
            made += [updates.assign_average(matrix, matrix[::-1], 0.25), updates.assign_add(matrix, matrix)]
        return made


def _unary(g: RandomGraph) -> Any:
    names = ("sin", "cos", "tanh", "sigmoid", "negative", "identity", "relu", "abs", "stop_gradient")
    return operands.unary(names[int(g.random.integers(6 if g.smooth else 9))], g.pick())


def _binary(g: RandomGraph) -> Any:
    names = ("add", "subtract", "multiply", "maximum", "minimum")
    return operands.binary(names[int(g.random.integers(3 if g.smooth else 5))], g.pick(), g.pick())


def _with_number(g: RandomGraph) -> Any:
    number = (0, 1, -1, 2, 0.5)[int(g.random.integers(5))]
    x = g.pick()
    return [x + number, number + x, x - number, x * number, number * x, x / 2.0, x**2][int(g.random.integers(7))]


def _reduce(g: RandomGraph) -> Any:
    x = g.pick()
    axis = tuple(i for i in range(x.ndim) if g.random.integers(2))
    name = ("reduce_sum", "reduce_max", "reduce_min")[int(g.random.integers(1 if g.smooth else 3))]
    return getattr(reductions, name)(x, axis=axis, keepdims=bool(g.random.integers(2)))


def _move(g: RandomGraph) -> Any:
    x = g.pick(2)
    choices: list[Callable[[], Any]] = [
        lambda: shapes.transpose(x, permutation=(1, 0)),
        lambda: shapes.transpose(shapes.transpose(x, permutation=(1, 0)), permutation=(1, 0)),
        lambda: shapes.reshape(x, shape=(-1, 2)),
        lambda: shapes.reshape(x, shape=operands.pack([shapes.shape(x)[1], shapes.shape(x)[0]])),
        lambda: shapes.flip(x, axis=(int(g.random.integers(2)),)),
        lambda: x[:, ::2],
        lambda: x[-1],
        lambda: x[:2, 1:],
        lambda: shapes.concatenate(x, x, axis=0),
        lambda: shapes.split(x, axis=1, sizes=(1, int(x.shape[1] or 1) - 1)),
        lambda: shapes.pad(x, padding=((0, 1), (1, 0)), value=0.0),
        lambda: shapes.expand_dims(x, axis=(0,)),
        lambda: shapes.broadcast_to(x[:1], shape=operands.pack([3, x.shape[1] or 4])),
        lambda: shapes.gather(x, operands.constant(np.array([0, 0, -1])), axis=0),
    ]
    return choices[int(g.random.integers(len(choices)))]()


def _multiply(g: RandomGraph) -> Any:
    return operands.matmul(g.pick(2), g.pick(2)) * 0.1


def _soften(g: RandomGraph) -> Any:
    return (algebra.softmax if g.random.integers(2) else algebra.log_softmax)(g.pick(2))


def _choose(g: RandomGraph) -> Any:
    x, y = g.pick(), g.pick()
    return elementwise.where_(elementwise.greater(x, y), x, y)


def _scan(g: RandomGraph) -> Any:
    xs, w = g.pick(2), g.pick(1)
    start = xs[0] * 0.1

    def step(i: Tensor, x: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        new = elementwise.tanh(x + h * w)
        return [new], [new * 2.0 if g.random.integers(2) else h]

    finals, ys = control.scan(step, [xs], [start], reverse=bool(g.random.integers(2)))
    return [*finals, *ys]


def _branch(g: RandomGraph) -> Any:
    x, y = g.pick(), g.pick()
    total = reductions.reduce_sum(y, axis=tuple(range(y.ndim)), keepdims=False)
    positive = elementwise.greater(total, operands.scalar(0.0, "float64"))
    return control.cond(positive, lambda: [elementwise.sin(x) * total], lambda: [x])


_BUILDERS: list[Callable[[RandomGraph], Any]] = [
    *[_unary, _binary, _with_number, _move] * 3,
    *[_reduce, _multiply, _soften, _choose, _scan, _branch],
]
_SMOOTH = [build for build in _BUILDERS if build is not _choose]


def node_by_node(graph: RandomGraph, x: np.ndarray) -> tuple[list[np.ndarray], dict[Variable, np.ndarray]]:
    """Outputs and what is stored, each node in a program of its own: nothing can be simplified or reused."""
    values: dict[Tensor, Any] = {graph.x: x, **{v: storage.read(v) for v in graph.variables}}
    wanted: set[Tensor] = set()
    stack: list[Tensor] = [*graph.outputs, *[u.inputs[1] for u in graph.updates]]
    while stack:
        t = stack.pop()
        if t not in wanted:
            wanted.add(t)
            stack.extend(t.inputs)
    for t in sorted(wanted, key=lambda t: t.serial):
        if t in values or t.primitive is None or t.on_host or t.dtype == "tuple":
            continue
        # Several results belong to one node, of which the item is a part.
        source = t.inputs[0] if t.primitive.name == "item" else t
        needed = [i for i in source.inputs if not i.on_host and not isinstance(i, Constant)]
        asked = [i.inputs[0] for i in source.inputs if i.on_host and i.primitive and i.primitive.name == "shape"]
        feeds = {i: values[i] for i in [*needed, *asked] if i in values}
        values[t] = run(t, {**{s: values[s] for s in _shaped(t) if s in values}, **feeds}, backend="numpy")
    outputs = [values[t] if t in values else run(t, {graph.x: x}, backend="numpy") for t in graph.outputs]
    return outputs, _stored(graph, values)


def _shaped(t: Tensor) -> list[Tensor]:
    """The tensors whose shapes a node asks for, through host arithmetic."""
    found: list[Tensor] = []
    stack = [i for i in (*t.inputs, *(t.inputs[0].inputs if t.inputs else ())) if i.on_host]
    seen = set(stack)
    while stack:
        node = stack.pop()
        for i in node.inputs:
            if not i.on_host:
                found.append(i)
            elif i not in seen:
                seen.add(i)
                stack.append(i)
    return found


def _stored(graph: RandomGraph, values: dict[Tensor, Any]) -> dict[Variable, np.ndarray]:
    new: dict[Variable, np.ndarray] = {}
    for update in graph.updates:
        v, source = update.inputs
        value = values[source] if source in values else run(source, backend="numpy")
        assert update.primitive is not None
        assert isinstance(v, Variable)
        if update.primitive.name == "assign":
            new[v] = np.broadcast_to(value, v.shape)
            continue
        before = new.get(v, values[v])
        if update.primitive.name == "assign_add":
            new[v] = before + value
        else:
            momentum = update.attributes["momentum"]
            new[v] = momentum * before + (1 - momentum) * value
    return new
