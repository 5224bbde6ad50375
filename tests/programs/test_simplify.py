"""Simplification: each rule by a case, the operations that are left and the value that is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from multikeras.contract import PRIMITIVES
from multikeras.graph import operands
from multikeras.graph.gradients import gradients
from multikeras.graph.ops import algebra, control, elementwise, random, reductions, shapes
from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.programs import settings
from multikeras.testing import run
from multikeras.testing.running import program

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def kinds(outputs: Sequence[Tensor], feeds: dict[Tensor, Any], phase: int = 0) -> list[str]:
    """The primitives that are computed, in order."""
    made, _ = program(outputs, feeds, backend="numpy", phase=phase)
    return [line.tensor.primitive.name for line in made.straight.lines if line.tensor.primitive is not None]


def scalar(value: float) -> Tensor:
    return operands.scalar(value, "float32")


def placed(x: Tensor, start: int, stop: int) -> Tensor:
    """Some columns of `x` where they were, in zeros."""
    made: Tensor = shapes.place(x[:, start:stop], starts=(0, start), stops=(3, stop), steps=(1, 1), shape=(3, 4))
    return made


RULES: dict[str, tuple[Callable[[Tensor], Tensor], list[str], Callable[[np.ndarray], Any]]] = {
    "identity": (elementwise.identity, [], lambda x: x),
    "stop_gradient": (elementwise.stop_gradient, [], lambda x: x),
    "custom_gradient": (lambda x: control.custom(x, x, rule=lambda g: [g]), [], lambda x: x),
    "cast to the same": (lambda x: elementwise.cast(x, dtype="float32"), [], lambda x: x),
    "reshape to the same": (lambda x: shapes.reshape(x, shape=(3, -1)), [], lambda x: x),
    "reshape of a reshape": (
        lambda x: shapes.reshape(shapes.reshape(x, shape=(2, 6)), shape=(12,)),
        ["reshape"],
        lambda x: x.reshape(12),
    ),
    "reshape and back": (
        lambda x: shapes.reshape(shapes.reshape(x, shape=(2, 6)), shape=(3, 4)),
        [],
        lambda x: x,
    ),
    "broadcast to the same": (lambda x: shapes.broadcast_to(x, shape=(3, 4)), [], lambda x: x),
    "sum_to the same": (lambda x: reductions.sum_to(x, shape=(3, 4)), [], lambda x: x),
    "transpose by nothing": (lambda x: shapes.transpose(x, permutation=(0, 1)), [], lambda x: x),
    "transpose and back": (
        lambda x: shapes.transpose(shapes.transpose(x, permutation=(1, 0)), permutation=(1, 0)),
        [],
        lambda x: x,
    ),
    "slice of everything": (lambda x: x[:, 0:4], [], lambda x: x),
    "pad by nothing": (lambda x: shapes.pad(x, padding=((0, 0), (0, 0)), value=3), [], lambda x: x),
    "neighbours in zeros": (
        lambda x: placed(x, 3, 4) + placed(x, 0, 1) + placed(x, 1, 3),
        ["slice", "slice", "slice", "place", "place", "place", "add", "add"],
        lambda x: x,
    ),
    "neighbours in zeros, one after the other": (
        lambda x: placed(x, 2, 4) + placed(x, 1, 2) + placed(x, 0, 1),
        ["slice", "slice", "slice", "concatenate"],
        lambda x: x,
    ),
    "places apart in zeros": (
        lambda x: placed(x, 2, 4) + placed(x, 0, 1),
        ["slice", "place", "slice", "place", "add"],
        lambda x: x * [1, 0, 1, 1],
    ),
    "places on each other": (
        lambda x: placed(x, 1, 4) + placed(x, 0, 2),
        ["slice", "place", "slice", "place", "add"],
        lambda x: x * [1, 2, 1, 1],
    ),
    "join of joins": (
        lambda x: shapes.concatenate(x, shapes.concatenate(x, x, axis=0), axis=0),
        ["concatenate"],
        lambda x: np.concatenate([x, x, x]),
    ),
    "join of joins along another axis": (
        lambda x: shapes.concatenate(x, shapes.concatenate(x[:, :1], x[:, 1:], axis=1), axis=0),
        ["slice", "slice", "concatenate", "concatenate"],
        lambda x: np.concatenate([x, x]),
    ),
    "plus zeros": (lambda x: x + operands.constant(np.zeros((1, 4)), "float32"), [], lambda x: x),
    "times ones of more axes": (
        lambda x: x * operands.constant(np.ones((2, 3, 4)), "float32"),
        ["broadcast_to"],
        lambda x: np.stack([x, x]),
    ),
    "join of one": (lambda x: shapes.concatenate(x, axis=1), [], lambda x: x),
    "reduction of nothing": (lambda x: reductions.reduce_max(x, axis=(), keepdims=False), [], lambda x: x),
    "minus minus": (lambda x: elementwise.negative(-x), [], lambda x: x),
    "plus 0": (lambda x: x + 0, [], lambda x: x),
    "0 plus": (lambda x: 0 + x, [], lambda x: x),
    "minus 0": (lambda x: x - 0, [], lambda x: x),
    "0 minus": (lambda x: 0 - x, ["subtract"], lambda x: -x),
    "plus minus": (lambda x: x + (-elementwise.exp(x)), ["exp", "subtract"], lambda x: x - np.exp(x)),
    "minus minus other": (lambda x: x - (-elementwise.exp(x)), ["exp", "add"], lambda x: x + np.exp(x)),
    "times 1": (lambda x: x * 1, [], lambda x: x),
    "1 times": (lambda x: 1.0 * x, [], lambda x: x),
    "times -1": (lambda x: x * -1, ["negative"], lambda x: -x),
    "-1 times": (lambda x: -1 * x, ["negative"], lambda x: -x),
    "divided by 1": (lambda x: x / 1, [], lambda x: x),
    "to the power 1": (lambda x: x**1, [], lambda x: x),
    "to the power 2": (lambda x: x**2, ["multiply"], lambda x: x * x),
    "to the power 0.5": (lambda x: abs(x) ** 0.5, ["abs", "sqrt"], lambda x: np.sqrt(np.abs(x))),
    "to the power 3": (lambda x: x**3, ["power"], lambda x: x**3),
    "broadcast before an operation": (
        lambda x: x + shapes.broadcast_to(x[:1], shape=(3, 4)),
        ["slice", "add"],
        lambda x: x + x[:1],
    ),
    "broadcast that makes the shape": (
        lambda x: shapes.broadcast_to(x, shape=(2, 3, 4)) * 2.0,
        ["broadcast_to", "multiply"],
        lambda x: np.broadcast_to(x, (2, 3, 4)) * 2,
    ),
    # An operand that gives the shape stays.
    "plus zeros that broadcast": (
        lambda x: x + shapes.broadcast_to(scalar(0.0), shape=(30, 3, 4)),
        ["broadcast_to", "add"],
        lambda x: np.broadcast_to(x, (30, 3, 4)),
    ),
    "times ones that broadcast": (
        lambda x: x * shapes.broadcast_to(scalar(1.0), shape=(30, 3, 4)),
        ["broadcast_to", "multiply"],
        lambda x: np.broadcast_to(x, (30, 3, 4)),
    ),
    "nothing to simplify": (lambda x: x + 2.0, ["add"], lambda x: x + np.float32(2)),
}


@pytest.mark.parametrize("name", sorted(RULES))
def test_rule(name: str) -> None:
    build, expected, reference = RULES[name]
    x = Placeholder((3, 4), "float32")
    out = build(x)
    assert sorted(kinds([out], {x: X})) == sorted(expected)
    found = run(out, {x: X}, backend="numpy")
    assert found.shape == np.shape(reference(X))
    np.testing.assert_allclose(found, reference(X), 1e-6)


@pytest.mark.parametrize("name", sorted(RULES))
def test_rule_keeps_gradients_of_unknown_shapes(name: str) -> None:
    build, _, _ = RULES[name]
    x = Placeholder((None, None), "float32")
    y = Placeholder((3, 4), "float32")
    unknown, known = (gradients([elementwise.sin(build(t))], [t])[0] for t in (x, y))
    if unknown is None or known is None:
        assert unknown is known
        return
    np.testing.assert_allclose(run(unknown, {x: X}, backend="numpy"), run(known, {y: X}, backend="numpy"), 1e-6)


# -- equal operations, dead code, constants -------------------------------------------------------


def test_equal_operations_are_computed_once() -> None:
    x = Placeholder((3, 4), "float32")
    same = [elementwise.exp(x) for _ in range(3)]
    assert kinds([same[0] + same[1], same[2]], {x: X}) == ["exp", "add"]


def test_equal_operations_with_numbers_are_computed_once() -> None:
    x = Placeholder((3, 4), "float32")
    assert kinds([elementwise.exp(x * 2.5), elementwise.sin(x * 2.5)], {x: X}) == ["multiply", "exp", "sin"]


def test_equal_shapes_are_asked_for_once() -> None:
    x = Placeholder((None, 4), "float32")

    def mean() -> Tensor:
        rows = operands.cast(operands.index(shapes.shape(x), 0), "float32")
        made: Tensor = reductions.reduce_sum(x, axis=(0,), keepdims=False) / rows
        return made

    assert kinds([mean() * elementwise.exp(mean())], {x: X}).count("divide") == 1


def test_attributes_tell_operations_apart() -> None:
    x = Placeholder((3, 4), "float32")
    sums = [reductions.reduce_sum(x, axis=(1,), keepdims=kept) for kept in (True, False)]
    padded = [shapes.pad(x, padding=((1, 0), (0, 0)), value=value) for value in (0, 0.5, 1, True)]
    names = kinds([*sums, *padded], {x: X})
    assert names.count("reduce_sum") == 2
    assert names.count("pad") >= 3


def test_what_nobody_reads_is_not_computed() -> None:
    x = Placeholder((3, 4), "float32")
    elementwise.exp(x)
    parts = shapes.split(elementwise.sin(x), axis=1, sizes=(2, 2))
    assert kinds([x * 2.0], {x: X}) == ["multiply"]
    assert kinds([parts[0]], {x: X}) == ["sin", "split", "item"]


def test_residual_is_asked_for_by_its_gradient_only() -> None:
    x = Placeholder((1, 4, 4, 1), "float32")
    y = algebra.max_pool(x, window=(2, 2), strides=(2, 2), padding="valid")[0]
    feeds = {x: np.zeros((1, 4, 4, 1))}

    def residuals(outputs: list[Tensor]) -> list[bool]:
        made, _ = program(outputs, feeds, backend="numpy")
        return [line.attributes["residuals"] for line in made.straight.lines if "residuals" in line.attributes]

    assert residuals([y]) == [False]
    (g,) = gradients([y], [x])
    assert g is not None
    assert residuals([y, g]) == [True]


def test_forward_runs_once_beside_its_gradient() -> None:
    x = Placeholder((3, 4), "float32")
    xs = Placeholder((5, 4), "float32")
    soft = algebra.softmax(elementwise.tanh(x))
    (g,) = gradients([soft * soft], [x])
    assert g is not None
    names = kinds([soft, g], {x: X})
    assert names.count("softmax") == names.count("tanh") == 1
    (last,), _ = control.scan(lambda i, s, h: ([elementwise.tanh(h + s)], []), [xs], [scalar(0.0) + xs[0]])
    (g,) = gradients([last], [xs])
    assert g is not None
    assert kinds([last, g], {xs: np.zeros((5, 4))}).count("scan") == 2


def test_constants_are_folded() -> None:
    x = Placeholder((3, 4), "float32")
    factor = elementwise.sqrt(scalar(16.0)) * 2.0 + 1.0
    assert kinds([x * factor], {x: X}) == ["multiply"]
    table = operands.constant(np.arange(6.0).reshape(2, 3))
    assert kinds([shapes.transpose(table * 2.0, permutation=(1, 0))], {}) == []
    np.testing.assert_array_equal(run(x * factor, {x: X}, backend="numpy"), X * 9)


def test_large_constants_are_not_made_large_ahead() -> None:
    filled = shapes.broadcast_to(scalar(2.0), shape=(1000, 1000))
    assert kinds([filled + filled], {})
    assert kinds([elementwise.exp(filled)], {})


def test_random_numbers_are_neither_merged_nor_folded() -> None:
    draws = [random.random_bits(random.new_key(seed), shape=(2,)) for seed in (1, 1, 2)]
    assert kinds(draws, {}) == ["random_bits"] * 3


def test_one_key_one_draw() -> None:
    key = random.new_key(1)
    draws = [random.random_bits(key, shape=(2,)) for _ in range(2)]
    assert kinds(draws, {}) == ["random_bits"]


def test_effects_are_neither_merged_nor_dropped() -> None:
    x = Placeholder((3, 4), "float32")
    printed = [PRIMITIVES["print_value"](x, message="") for _ in range(2)]
    assert kinds([printed[0] + printed[1]], {x: X}).count("print_value") == 2


def test_calls_of_python_are_not_merged() -> None:
    x = Placeholder((3, 4), "float32")
    call: Any = {"function": lambda a: [a], "outputs": (((3, 4), "float32"),), "gradient": None}
    (a,), (b,) = PRIMITIVES["host_call"](x, **call), PRIMITIVES["host_call"](x, **call)
    assert kinds([a, b], {x: X}).count("host_call") == 2


# -- host settings --------------------------------------------------------------------------------


def phase_is(value: int) -> Tensor:
    made: Tensor = elementwise.equal(settings.learning_phase(), operands.scalar(value, "int32"))
    return made


def test_branch_that_the_phase_excludes_is_not_visited() -> None:
    x, unfed = Placeholder((3, 4), "float32"), Placeholder((3, 4), "float32")
    chosen = control.host_select(phase_is(1), elementwise.exp(unfed), elementwise.sin(x))
    assert kinds([chosen], {x: X}, phase=0) == ["sin"]
    with pytest.raises(ValueError, match="placeholder"):
        kinds([chosen], {x: X}, phase=1)
    assert kinds([chosen], {unfed: X}, phase=1) == ["exp"]


def test_phase_is_folded_in_arithmetic_and_bodies() -> None:
    x = Placeholder((3, 4), "float32")
    phase = operands.cast(settings.learning_phase(), "float32")
    assert kinds([x * phase], {x: X}, phase=1) == []
    (out,) = control.cond(
        Placeholder((), "bool"),
        lambda: [control.host_select(phase_is(1), elementwise.exp(x), x * 2.0)],
        lambda: [x],
    )
    predicate = out.inputs[0].inputs[0]
    for phase_value, expected in ((1, np.exp(X)), (0, X * 2)):
        feeds = {x: X, predicate: True}
        np.testing.assert_allclose(run(out, feeds, backend="numpy", phase=phase_value), expected, 1e-6)


def test_choice_by_a_shape_takes_one_branch() -> None:
    x = Placeholder((None, 4), "float32")
    many = elementwise.greater(operands.index(shapes.shape(x), 0), operands.scalar(2, "int64"))
    chosen = control.host_select(many, elementwise.exp(x), elementwise.sin(x))
    assert kinds([chosen], {x: X}) == ["exp"]
    assert kinds([chosen], {x: X[:2]}) == ["sin"]


def test_epsilon_is_read_when_a_program_is_made() -> None:
    from multikeras import config

    x = Placeholder((3, 4), "float32")
    out = x + operands.cast(settings.epsilon(), "float32")
    before = config.epsilon()
    try:
        config.set_epsilon(0.5)
        np.testing.assert_allclose(run(out, {x: X}, backend="numpy"), X + 0.5, 1e-6)
        config.set_epsilon(2.0)
        np.testing.assert_allclose(run(out, {x: X}, backend="numpy"), X + 2, 1e-6)
    finally:
        config.set_epsilon(before)


def test_users_graph_is_left_alone() -> None:
    v = Variable((3, 4), "float32", X)
    out = elementwise.identity(v * 1.0) + 0.0
    before = (out.inputs, out.attributes, out.shape)
    kinds([out], {})
    assert (out.inputs, out.attributes, out.shape) == before
