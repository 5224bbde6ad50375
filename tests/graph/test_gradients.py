"""The contract of gradients: what is differentiated by what, and what comes out where nothing does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras.contract import PRIMITIVES, primitive
from multikeras.graph import operands
from multikeras.graph.gradients import gradients
from multikeras.graph.ops import algebra, control, elementwise, random, reductions, shapes
from multikeras.graph.tensor import Placeholder, Tensor, ValueTensor, Variable
from multikeras.testing import run


def p(*shape: int | None, dtype: str = "float64") -> Placeholder:
    return Placeholder(shape, dtype)


def total(x: Tensor) -> Tensor:
    made: Tensor = reductions.reduce_sum(x, axis=tuple(range(x.ndim)), keepdims=False)
    return made


def value(tensor: Tensor | None, feeds: dict[Tensor, Any]) -> np.ndarray:
    assert tensor is not None
    return run(tensor, feeds, backend="numpy")


def test_unconnected_targets_have_none() -> None:
    x, y = p(3), p(3)
    assert gradients([total(x * 2)], [y]) == [None]
    made = gradients([total(x * 2)], [y, x])
    assert made[0] is None
    assert value(made[1], {x: np.zeros(3)}).tolist() == [2, 2, 2]


def test_integers_have_none() -> None:
    n, x = p(3, dtype="int32"), p(3)
    made = gradients([total(operands.cast(n, "float64") * x)], [n, x])
    assert made[0] is None
    np.testing.assert_array_equal(value(made[1], {n: [1, 2, 3]}), [1, 2, 3])


def test_loss_of_integers_has_none() -> None:
    x = p(3)
    assert gradients([total(operands.cast(x, "int32"))], [x]) == [None]


def test_loss_need_not_be_a_scalar() -> None:
    x = p(2, 3)
    (g,) = gradients([x * x], [x])
    feeds = {x: np.arange(6.0).reshape(2, 3)}
    np.testing.assert_array_equal(value(g, feeds), 2 * feeds[x])


def test_several_losses_are_summed() -> None:
    x = p(3)
    (g,) = gradients([x * 2, total(x * x), x], [x])
    np.testing.assert_array_equal(value(g, {x: [1.0, 2, 3]}), [5, 7, 9])


def test_upstream_gradients() -> None:
    x = p(3)
    (g,) = gradients([x * 2, x * x], [x], [operands.constant(np.array([1.0, 10, 100]), "float64"), None])
    np.testing.assert_array_equal(value(g, {x: [1.0, 2, 3]}), [4, 24, 206])


def test_intermediate_target_is_cut() -> None:
    x = p(3)
    h = elementwise.exp(x)
    out = h * h
    made = gradients([total(out)], [h, x])
    feeds = {x: np.array([0.0, 1, 2])}
    np.testing.assert_allclose(value(made[0], feeds), 2 * np.exp(feeds[x]))
    # The path to x goes through h alone, which is a leaf here.
    assert made[1] is None


def test_loss_is_its_own_target() -> None:
    x = p(2, 3)
    y = x * 3
    (g,) = gradients([y], [y])
    np.testing.assert_array_equal(value(g, {x: np.zeros((2, 3))}), np.ones((2, 3)))


def test_target_twice() -> None:
    x = p(3)
    made = gradients([x * x], [x, x])
    np.testing.assert_array_equal(value(made[0], {x: [1.0, 2, 3]}), value(made[1], {x: [1.0, 2, 3]}))


def test_fan_out_is_summed() -> None:
    x = p(3)
    h = elementwise.sin(x)
    (g,) = gradients([h * h + h + elementwise.exp(h)], [x])
    feeds = {x: np.array([0.3, -1.0, 2.0])}
    s, c = np.sin(feeds[x]), np.cos(feeds[x])
    np.testing.assert_allclose(value(g, feeds), (2 * s + 1 + np.exp(s)) * c)


def test_gradient_by_a_variable_and_the_same_graph_twice() -> None:
    v = Variable((3,), "float64", np.array([1.0, 2, 3]))
    loss = total(v * v * v)
    first, second = gradients([loss], [v])[0], gradients([loss], [v])[0]
    assert first is not second
    both = run([first, second], backend="numpy")
    np.testing.assert_array_equal(both[0], [3, 12, 27])
    np.testing.assert_array_equal(both[0], both[1])


def test_three_times() -> None:
    x = p(3)
    made: Tensor | None = total(elementwise.sin(x) * x)
    for _ in range(3):
        assert made is not None
        (made,) = gradients([made], [x])
    at = np.array([0.5, -1.0, 2.0])
    np.testing.assert_allclose(value(made, {x: at}), -3 * np.sin(at) - at * np.cos(at))


def test_gradient_penalty() -> None:
    # The gradient of a norm of a gradient, as in WGAN-GP, against differences.
    generator = np.random.default_rng(0)
    x, w, v = p(4, 3), p(3, 5), p(5, 1)
    feeds = {t: generator.normal(size=t.shape) for t in (x, w, v)}
    out = operands.matmul(elementwise.tanh(operands.matmul(x, w)), v)
    (slope,) = gradients([total(out)], [x])
    assert slope is not None
    norm = elementwise.sqrt(reductions.reduce_sum(slope * slope, axis=(1,), keepdims=False))
    penalty = total((norm - 1) * (norm - 1))
    (g,) = gradients([penalty], [w])
    direction = generator.normal(size=(3, 5))

    def moved(step: float) -> float:
        return float(value(penalty, {**feeds, w: feeds[w] + step * direction}))

    by_difference = (moved(1e-6) - moved(-1e-6)) / 2e-6
    np.testing.assert_allclose(np.sum(value(g, feeds) * direction), by_difference, 1e-6)


# -- unknown lengths ------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [((5,), (1,)), ((1,), (5,)), ((5,), (5,)), ((1,), (1,)), ((0,), (1,))])
def test_unknown_lengths_that_broadcast(first: tuple[int], second: tuple[int]) -> None:
    x, y = p(None), p(None)
    made = gradients([x * y], [x, y])
    feeds = {x: np.arange(1.0, first[0] + 1), y: np.arange(2.0, second[0] + 2)}
    for g, own, other in zip(made, (x, y), (y, x), strict=True):
        assert g is not None
        found = value(g, feeds)
        assert found.shape == feeds[own].shape
        full = np.broadcast_to(feeds[other], np.broadcast_shapes(first, second))
        expected = full if full.shape == feeds[own].shape else full.sum(keepdims=True)
        np.testing.assert_array_equal(found, expected)


def test_unknown_rows_beside_one_row() -> None:
    x, bias = p(None, 3), p(1, 3)
    made = gradients([(x + bias) * 2], [x, bias])
    feeds = {x: np.zeros((7, 3)), bias: np.zeros((1, 3))}
    assert value(made[0], feeds).shape == (7, 3)
    np.testing.assert_array_equal(value(made[1], feeds), np.full((1, 3), 14))


def test_unknown_lengths_that_broadcast_in_a_product_of_stacks() -> None:
    x, y = p(None, 2, 3), p(None, 3, 4)
    made = gradients([operands.matmul(x, y)], [x, y])
    for rows, columns in ((5, 1), (1, 5), (5, 5)):
        feeds = {x: np.ones((rows, 2, 3)), y: np.ones((columns, 3, 4))}
        assert [value(g, feeds).shape for g in made] == [(rows, 2, 3), (columns, 3, 4)]
        assert value(made[0], feeds)[0, 0, 0] == 4 * (5 if rows == 1 else 1)


def test_unknown_lengths_through_joints_and_windows() -> None:
    x, y = p(None, 3), p(None, 3)
    joined = shapes.concatenate(x, y, axis=0)
    made = gradients([joined[1:] * joined[:-1]], [x, y])
    feeds = {x: np.array([[1.0] * 3, [2.0] * 3]), y: np.array([[5.0] * 3])}
    np.testing.assert_array_equal(value(made[0], feeds)[:, 0], [2, 6])
    np.testing.assert_array_equal(value(made[1], feeds)[:, 0], [2])


# -- where gradients stop -------------------------------------------------------------------------


def test_stop_gradient() -> None:
    x = p(3)
    (g,) = gradients([elementwise.stop_gradient(x) * x], [x])
    np.testing.assert_array_equal(value(g, {x: [1.0, 2, 3]}), [1, 2, 3])
    assert gradients([elementwise.stop_gradient(x)], [x]) == [None]


@pytest.mark.parametrize("name", ["sign", "floor", "ceil", "round"])
def test_steps_have_none(name: str) -> None:
    x = p(3)
    assert gradients([PRIMITIVES[name](x)], [x]) == [None]


def test_comparisons_and_positions_have_none() -> None:
    x, y = p(3), p(3)
    chosen = elementwise.where_(elementwise.greater(x, y), p(3), p(3))
    assert gradients([chosen], [x, y]) == [None, None]
    assert gradients([operands.cast(reductions.argmax(x, axis=0), "float64")], [x]) == [None]


def test_random_numbers_are_constant() -> None:
    x = p(3)
    mask = random.dropout_mask(random.new_key(1), shape=(3,), rate=0.5, dtype="float64")
    made = gradients([x * mask], [x, mask])
    assert all(g is not None for g in made)


def test_nothing_goes_through_a_value() -> None:
    x = ValueTensor(np.ones(3), (3,), "float64", "numpy", np.asarray)
    (g,) = gradients([x * 2], [x])
    np.testing.assert_array_equal(value(g, {}), [2, 2, 2])


def test_cast_passes_gradients_between_floats() -> None:
    x = p(3, dtype="float32")
    (g,) = gradients([operands.cast(x, "float64") * 3.0], [x])
    assert g is not None
    assert g.dtype == "float32"
    np.testing.assert_array_equal(value(g, {x: np.zeros(3)}), [3, 3, 3])


def test_missing_rule_for_a_call_of_python() -> None:
    x = p(3)
    (out,) = PRIMITIVES["host_call"](x, function=lambda a: [a], outputs=(((3,), "float64"),), gradient=None)
    with pytest.raises(ValueError, match=r"numpy_function has no gradient: pass gradient="):
        gradients([out], [x])


def test_rule_of_a_users_primitive_is_checked() -> None:
    name = "tests.two_inputs"
    if name not in PRIMITIVES:
        primitive(
            name,
            shape=lambda x, y: x.shape,
            dtype=lambda x, y: x.dtype,
            gradient=lambda g, out, x, y: (g,),
            composition=lambda x, y: x + y,
            doc="A rule that forgets an input.",
        )
    try:
        x = p(3)
        with pytest.raises(ValueError, match=r"'tests.two_inputs' gave 1 gradients for 2 inputs"):
            gradients([PRIMITIVES[name](x, x)], [x])
    finally:
        del PRIMITIVES[name]


# -- loops and branches ---------------------------------------------------------------------------


def test_gradient_of_a_scan_is_a_scan() -> None:
    xs, w = p(6, 3), p(3)
    (last,), _ = control.scan(lambda i, x, h: ([elementwise.tanh(h * w + x)], []), [xs], [p(3) * 0.0])
    made = gradients([total(last)], [w])
    assert made[0] is not None
    again = gradients([total(made[0])], [w])
    seen, stack, names = set(), [again[0]], set()
    while stack:
        t = stack.pop()
        if t is None or t in seen:
            continue
        seen.add(t)
        names.add(t.primitive.name if t.primitive else "leaf")
        stack.extend(t.inputs)
    assert "scan" in names
    # Nothing was unrolled: six steps of tanh would leave six of them outside of bodies.
    assert "tanh" not in names


def test_gradient_by_what_a_body_uses_from_outside() -> None:
    x, flag = p(3), p(dtype="bool")
    w = Variable((3,), "float64", np.array([1.0, 2, 3]))
    outer = x * w
    (out,) = control.cond(flag, lambda: [outer * outer], lambda: [outer * 5.0])
    made = gradients([out], [w, x])
    at = np.array([0.5, 1, 2])
    w0 = np.array([1.0, 2, 3])
    for taken, slope in ((True, 2 * at * w0), (False, np.full(3, 5.0))):
        feeds = {x: at, flag: taken}
        np.testing.assert_allclose(value(made[0], feeds), slope * at)
        np.testing.assert_allclose(value(made[1], feeds), slope * w0)


def test_long_scan_twice() -> None:
    a = p()
    (last,), _ = control.scan(lambda i, h: ([h * a], []), [], [operands.scalar(1.0, "float64")], length=500)
    (first,) = gradients([last], [a])
    assert first is not None
    (second,) = gradients([first], [a])
    at = 1.001
    np.testing.assert_allclose(value(first, {a: at}), 500 * at**499, 1e-10)
    np.testing.assert_allclose(value(second, {a: at}), 500 * 499 * at**498, 1e-10)


# -- depth ----------------------------------------------------------------------------------------


def test_ten_thousand_operations() -> None:
    x = p(2)
    y: Tensor = x
    for _ in range(10_000):
        y = y * 1.0001
    (g,) = gradients([y], [x])
    assert g is not None
    assert "multiply" in repr(y)
    np.testing.assert_allclose(value(g, {x: [1.0, 2.0]}), 1.0001**10_000)


def test_shared_nodes_are_walked_once() -> None:
    # Without sharing this would be 2**200 paths.
    x = p(2)
    y: Tensor = x
    for _ in range(200):
        y = (y + y) * 0.5
    (g,) = gradients([y], [x])
    np.testing.assert_allclose(value(g, {x: [1.0, 2.0]}), 1.0)


def test_softmax_has_the_gradient_of_its_composition() -> None:
    x = p(3, 4)
    at = {x: np.random.default_rng(1).normal(size=(3, 4))}
    for name in ("softmax", "log_softmax"):
        fused = PRIMITIVES[name](x)
        composed = PRIMITIVES[name].composition(x)  # type: ignore[misc]
        slopes = [gradients([t * t], [x])[0] for t in (fused, composed)]
        np.testing.assert_allclose(value(slopes[0], at), value(slopes[1], at), 1e-9, 1e-12)
    assert algebra.softmax(x).shape == (3, 4)


def test_what_a_loop_begins_with_and_its_body_uses_besides() -> None:
    from multikeras.graph.ops import loops

    x = p()

    def step(i: Tensor, a: Tensor, b: Tensor) -> list[Tensor]:
        return [i + 1, a + elementwise.sin(x), b * x]

    start = operands.scalar(0, "int32")
    two = operands.scalar(2, "int32")
    _, a, b = loops.while_loop(lambda i, *rest: elementwise.less(i, two), step, [start, x, x], 4)
    for result, slope in ((a, 1 + 2 * np.cos(0.3)), (b, 3 * 0.3**2)):
        assert value(gradients([result], [x])[0], {x: 0.3}) == pytest.approx(slope)


def test_fused_primitive_of_one_tensor_twice() -> None:
    twice = primitive(
        "tests.twice",
        shape=lambda x, y: x.shape,
        dtype=lambda x, y: x.dtype,
        gradient="composition",
        composition=lambda x, y: x * y,
        doc="A product.",
    )
    try:
        x = p()
        assert value(gradients([twice(x, x)], [x])[0], {x: 3.0}) == pytest.approx(6)
    finally:
        del PRIMITIVES["tests.twice"]
