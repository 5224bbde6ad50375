"""Bodies of loops and branches: what they may use from outside, and what may leave them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras.graph import operands, updates
from multikeras.graph.bodies import captured
from multikeras.graph.context import body, building, context, outside_bodies
from multikeras.graph.gradients import gradients
from multikeras.graph.ops import control, elementwise, random, reductions, shapes
from multikeras.graph.tensor import Placeholder, RandomKey, Tensor, Variable
from multikeras.testing import run


def p(*shape: int | None, dtype: str = "float64") -> Placeholder:
    return Placeholder(shape, dtype)


def value(tensor: Tensor, feeds: dict[Tensor, Any]) -> np.ndarray:
    return run(tensor, feeds, backend="numpy")


# -- what goes in ---------------------------------------------------------------------------------


def test_captured_tensors_become_inputs() -> None:
    xs, w, y = p(4, 3), Variable((3,), "float64", np.full(3, 2.0)), p(3)
    deep = elementwise.exp(y)
    (last,), _ = control.scan(lambda i, x, h: ([h * w + deep + x], []), [xs], [p(3) * 0.0 + y])
    scan = last.inputs[0]
    assert scan.primitive is not None
    assert w in scan.inputs
    assert deep in scan.inputs
    assert y not in scan.inputs[2:] or scan.inputs.index(y) < 2
    assert len(scan.inputs) == len(scan.attributes["body"].bindings) - 1


def test_numbers_and_small_integers_are_made_again_inside() -> None:
    c, w = operands.constant(np.arange(3), "int32"), operands.constant(np.arange(3.0), "float64")
    with body("test") as scope:
        out = p(3) * 2.0 * operands.cast(c, "float64") + w
    outside = captured(scope, [out], [])
    # Nobody can ask for a gradient with respect to the others.
    assert [t for t in outside if t.on_host] == [w]


def test_large_constants_are_passed_in() -> None:
    c = operands.constant(np.zeros(1000), "float64")
    (last,), _ = control.scan(lambda i, h: ([h + c], []), [], [p(1000)], length=2)
    assert c in last.inputs[0].inputs


def test_shapes_asked_for_inside_are_those_outside() -> None:
    x, n = p(None, 3), p(dtype="bool")

    def rows() -> list[Tensor]:
        return [operands.cast(operands.index(shapes.shape(x), 0), "float64")]

    (out,) = control.cond(n, rows, lambda: [operands.scalar(-1.0, "float64")])
    assert float(value(out, {n: True, x: np.zeros((5, 3))})) == 5
    assert float(value(out, {n: False, x: np.zeros((5, 3))})) == -1


def test_body_in_a_body_uses_what_is_outside_of_both() -> None:
    a, b, flag = p(2), p(2), p(dtype="bool")

    def outer(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        (new,) = control.cond(flag, lambda: [h + a * b], lambda: [h - a])
        return [new], []

    (last,), _ = control.scan(outer, [], [p(2) * 0.0 + a], length=3)
    feeds = {a: np.array([1.0, 2]), b: np.array([10.0, 20])}
    np.testing.assert_array_equal(value(last, {**feeds, flag: True, last.inputs[0].inputs[0]: [0, 0]}), [30, 120])
    np.testing.assert_array_equal(value(last, {**feeds, flag: False, last.inputs[0].inputs[0]: [0, 0]}), [-3, -6])


# -- what may not come out ------------------------------------------------------------------------


def test_a_tensor_of_a_body_is_an_error_outside() -> None:
    kept: list[Tensor] = []

    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        kept.append(h * 2)
        return [h + 1], []

    with building("my_layer"):
        control.scan(step, [], [p(3)], length=2, label="step function of K.rnn")
    message = (
        r"multiply_\d+.* was made inside the step function of K\.rnn in layer 'my_layer' and is used outside it by "
        r"'add'.*Return it from the function"
    )
    with pytest.raises(ValueError, match=message):
        kept[0] + 1


def test_a_tensor_of_one_branch_is_an_error_in_the_other() -> None:
    kept: list[Tensor] = []
    x = p(3)

    def then() -> list[Tensor]:
        kept.append(x * 2)
        return [kept[0]]

    with pytest.raises(ValueError, match=r"made inside the branch of K\.switch"):
        control.cond(p(dtype="bool"), then, lambda: [kept[0] + 1])


def test_a_leaked_parameter_has_no_value() -> None:
    kept: list[Tensor] = []

    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        kept.append(h)
        return [h], []

    control.scan(step, [], [p(3)], length=2)
    with pytest.raises(ValueError, match=r"belongs to the step function and has no value outside it"):
        run(kept[0], backend="numpy")


def test_context_is_restored_after_an_error() -> None:
    def step(i: Tensor, h: Tensor) -> Any:
        raise KeyError("no step")

    with pytest.raises(KeyError):
        control.scan(step, [], [p(3)], length=2)
    assert context.body is None
    assert not context.building
    assert float(operands.scalar(2.0, "float64") * 2) == 4


def test_weights_made_inside_belong_to_no_body() -> None:
    made: list[Any] = []

    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        with outside_bodies():
            made.append(operands.constant(np.ones(3), "float64") * 3.0)
        made.append(Variable((3,), "float64", np.full(3, 2.0)))
        return [h * made[0] + made[1]], []

    (last,), _ = control.scan(step, [], [p(3)], length=1)
    assert made[0].body is None
    assert made[1].body is None
    np.testing.assert_array_equal(value(made[0] + made[1], {}), [5, 5, 5])
    assert last.shape == (3,)


# -- shapes, types, calls -------------------------------------------------------------------------


def test_step_is_called_once() -> None:
    calls: list[int] = []

    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        calls.append(1)
        assert (i.dtype, i.shape) == ("int32", ())
        return [h], []

    control.scan(step, [], [p(3)], length=9)
    assert len(calls) == 1


def test_state_keeps_its_type_and_rank() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\) and type float64 .*shape \(3,\) and type float32.*Cast"):
        control.scan(lambda i, h: ([operands.cast(h, "float32")], []), [], [p(3)], length=2)
    with pytest.raises(ValueError, match=r"shape \(3,\) .* shape \(1, 3\)"):
        control.scan(lambda i, h: ([h[None]], []), [], [p(3)], length=2)
    with pytest.raises(ValueError, match=r"shape \(1,\) .* shape \(4,\)"):
        control.scan(lambda i, h: ([h + p(4)], []), [], [p(1)], length=2)


def test_state_keeps_its_shape_once_it_is_known() -> None:
    h = p(None)
    (last,), _ = control.scan(lambda i, h: ([shapes.concatenate(h, h, axis=0)], []), [], [h], length=2)
    with pytest.raises(ValueError, match=r"state of shape \(3,\) and returned one of shape \(6,\)"):
        value(last, {h: np.zeros(3)})


def test_loop_without_sequences_needs_a_length() -> None:
    with pytest.raises(ValueError, match="number of steps is needed"):
        control.scan(lambda i, h: ([h], []), [], [p(3)])


def test_length_may_be_computed_of_shapes() -> None:
    x = p(None)
    rows = operands.index(shapes.shape(x), 0)
    (last,), (ys,) = control.scan(lambda i, h: ([h + 1], [h]), [], [operands.scalar(0.0, "float64")], length=rows + 1)
    feeds = {x: np.zeros(4)}
    assert float(value(last, feeds)) == 5
    np.testing.assert_array_equal(value(ys, feeds), [0, 1, 2, 3, 4])


def test_branches_agree_in_rank_and_type() -> None:
    x = p(3)
    with pytest.raises(ValueError, match=r"equal rank and type.*\(3,\).*float64.*float32"):
        control.cond(p(dtype="bool"), lambda: [x], lambda: [operands.cast(x, "float32")])
    with pytest.raises(ValueError, match="equal rank and type"):
        control.cond(p(dtype="bool"), lambda: [x], lambda: [x, x])
    with pytest.raises(ValueError, match="equal rank and type"):
        control.cond(p(dtype="bool"), lambda: [x], lambda: [x[None]])


def test_branches_of_different_lengths_cannot_run() -> None:
    flag, x, y = p(dtype="bool"), p(None), p(None)
    (out,) = control.cond(flag, lambda: [x * 2], lambda: [y * 3])
    feeds = {flag: True, x: np.ones(3)}
    np.testing.assert_array_equal(value(out, {**feeds, y: np.ones(3)}), [2, 2, 2])
    np.testing.assert_array_equal(value(out, {**feeds, y: np.ones(3), flag: False}), [3, 3, 3])


def test_values_are_refused_inside() -> None:
    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        if operands.scalar(1.0, "float64") > 0:
            raise AssertionError("a branch was taken")
        return [h], []

    with pytest.raises(TypeError, match=r"while a graph is built.*K\.switch"):
        control.scan(step, [], [p(3)], length=2)


# -- random numbers -------------------------------------------------------------------------------


def test_random_node_of_a_body_draws_at_every_step() -> None:
    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [h], [random.random_bits(random.new_key(7), shape=(2,))]

    _, (ys,) = control.scan(step, [], [p(1)], length=4)
    rows = value(ys, {ys.inputs[0].inputs[0]: [0.0]})
    assert len({row.tobytes() for row in rows}) == 4


def test_random_node_in_two_loops_draws_at_every_pair_of_steps() -> None:
    one = operands.scalar(1.0, "float64")

    def inner(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [h], [random.random_bits(random.new_key(7), shape=(2,))]

    def outer(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        _, (ys,) = control.scan(inner, [], [h], length=3)
        return [h], [ys]

    _, (ys,) = control.scan(outer, [], [one], length=3)
    rows = value(ys, {}).reshape(9, 2)
    assert len({row.tobytes() for row in rows}) == 9


def test_random_node_from_outside_is_a_constant_of_the_loop() -> None:
    mask = random.dropout_mask(random.new_key(3), shape=(8,), rate=0.5, dtype="float64")
    _, (ys,) = control.scan(lambda i, h: ([h], [h * mask]), [], [p(8) * 0.0 + 1], length=3)
    scan = ys.inputs[0]
    rows = value(ys, {scan.inputs[0]: np.ones(8)})
    assert len({row.tobytes() for row in rows}) == 1
    assert not any(isinstance(t, RandomKey) for t in scan.inputs)


# -- updates --------------------------------------------------------------------------------------


def test_update_in_a_body_leaves_as_an_effect() -> None:
    v = Variable((), "float64", np.float64(1))

    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        updates.assign_add(v, h)
        return [h * 2], []

    (last,), _ = control.scan(step, [], [operands.scalar(1.0, "float64")], length=3)
    assert last.primitive is not None
    assert last.primitive.name == "after"
    assert float(value(last, {})) == 8
    assert float(value(v * 1.0, {})) == 1 + 1 + 2 + 4


def test_increments_in_a_body_compose() -> None:
    v = Variable((), "float64", np.float64(0))

    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        updates.assign_add(v, 1.0)
        updates.assign_add(v, 10.0)
        return [h], []

    (last,), _ = control.scan(step, [], [operands.scalar(1.0, "float64")], length=3)
    value(last, {})
    assert float(value(v * 1.0, {})) == 33


def test_reading_a_variable_that_the_loop_updates() -> None:
    # A step reads the value that the step before left.
    v = Variable((), "float64", np.float64(1))

    def step(i: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        updates.assign(v, v * 2)
        return [], [v * 1.0]

    _, (seen,) = control.scan(step, [], [], length=4)
    np.testing.assert_array_equal(value(seen, {}), [1, 2, 4, 8])
    assert float(value(v * 1.0, {})) == 16
    assert reductions.reduce_sum(seen, axis=(0,), keepdims=False).shape == ()


# -- gradients with respect to what is outside ----------------------------------------------------


def test_gradient_by_a_small_constant_from_outside() -> None:
    c, one = operands.constant(np.array([2.0, 3.0]), "float64"), operands.constant(2.0, "float64")
    doubled = c * 2.0
    (last,), _ = control.scan(lambda i, h: ([h * doubled * one + c], []), [], [p(2) * 0.0 + 1.0], length=2)
    (chosen,) = control.cond(p(dtype="bool"), lambda: [doubled * one], lambda: [c * 0.0])
    start, flag = last.inputs[0].inputs[0], chosen.inputs[0].inputs[0]
    slopes = gradients([last], [c, one])
    # With a = 2 c s: last = a (a h + c) + c = 4 c c s s + 2 c c s + c, at s = 2.
    assert slopes[0] is not None and slopes[1] is not None
    feeds = {start: np.ones(2)}
    np.testing.assert_allclose(value(slopes[0], feeds), [8 * c * 4 + 4 * c * 2 + 1 for c in (2, 3)])
    np.testing.assert_allclose(value(slopes[1], feeds), sum(8 * c * c * 2 + 2 * c * c for c in (2, 3)))
    slopes = gradients([chosen], [c, one])
    assert slopes[0] is not None and slopes[1] is not None
    np.testing.assert_allclose(value(slopes[0], {flag: True}), [4, 4])
    assert float(value(slopes[1], {flag: True})) == 10
    assert float(value(slopes[1], {flag: False})) == 0


def test_constants_from_outside_can_be_shapes_inside() -> None:
    rows = operands.constant(np.array([2.0]), "float64")
    length = operands.cast(rows, "int64")
    (last,), _ = control.scan(
        lambda i, h: ([h + reductions.reduce_sum(shapes.broadcast_to(h, shape=length), axis=(0,), keepdims=False)], []),
        [],
        [p()],
        length=3,
    )
    assert float(value(last, {last.inputs[0].inputs[0]: 1.0})) == 27
