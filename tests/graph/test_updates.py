"""Updates: simultaneous, composed, reachable, carried out of branches and loops."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from multikeras.graph import operands, updates
from multikeras.graph.context import replacing
from multikeras.graph.ops import control, elementwise
from multikeras.graph.ops.loops import while_loop
from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.programs import Function, evaluate, storage


@pytest.fixture(autouse=True)
def on_numpy(backend_restored: None) -> None:
    from multikeras import registry

    registry.set_backend("numpy")


def number(value: float = 0.0, name: str | None = None) -> Variable:
    return Variable((), "float64", np.float64(value), name)


def read(*variables: Variable) -> list[float]:
    return [float(storage.read(v)) for v in variables]


def flag() -> Placeholder:
    return Placeholder((), "bool")


def scalar(value: float) -> Tensor:
    return operands.scalar(value, "float64")


# -- what an update is ----------------------------------------------------------------------------


def test_update_is_a_tensor_and_a_pair() -> None:
    v = number(2)
    update = updates.assign(v, v * 3)
    variable, new = update
    assert variable is v
    assert new is update
    assert len(update) == 2
    assert (update.shape, update.dtype) == ((), "float64")
    assert float(evaluate.value(update + 1)) == 7
    assert read(v) == [6]


def test_looking_at_an_update_stores_nothing() -> None:
    v = number(2)
    update = updates.assign_add(v, 1)
    behind = update * 2
    for look in (float, int, bool, np.asarray):
        with pytest.raises(TypeError, match=r"Use K\.eval"):
            look(update)
        with pytest.raises(TypeError, match=r"would store into '.*'.*K\.eval"):
            look(behind)
    assert "update of" in repr(update)
    assert repr(behind)
    assert read(v) == [2]


def test_only_variables_are_updated() -> None:
    with pytest.raises(TypeError, match=r"Only a variable can be updated.*K\.variable"):
        updates.assign(Placeholder((), "float64"), 1)  # type: ignore[arg-type]


def test_value_that_does_not_fit() -> None:
    v = Variable((3,), "float64", np.zeros(3), "weights")
    with pytest.raises(ValueError, match=r"'weights' has shape \(3,\); a value of shape \(2,\) cannot be stored"):
        updates.assign(v, np.zeros(2))
    with pytest.raises(ValueError, match=r"\(1, 3\) cannot be stored"):
        updates.assign(v, np.zeros((1, 3)))


def test_value_is_cast_and_broadcast() -> None:
    v = Variable((3,), "float32", np.zeros(3, "float32"))
    Function([], [], [updates.assign(v, operands.constant(np.float64(2.5), "float64"))])([])
    np.testing.assert_array_equal(storage.read(v), [2.5, 2.5, 2.5])
    n = Variable((), "int32", np.int32(1))
    Function([], [], [updates.assign(n, scalar(7.9))])([])
    assert storage.read(n) == 7
    assert storage.read(n).dtype == "int32"


# -- one run --------------------------------------------------------------------------------------


def test_all_are_read_before_any_is_stored() -> None:
    a, b, c = number(1), number(2), number(3)
    Function([], [], [(a, b), (b, c), (c, a + b)])([])
    assert read(a, b, c) == [2, 3, 3]


def test_swap_twice_is_nothing() -> None:
    a, b = number(1), number(2)
    swap = Function([], [a, b], [(a, b), (b, a)])
    assert [float(x) for x in swap([])] == [1, 2]
    assert [float(x) for x in swap([])] == [2, 1]
    assert read(a, b) == [1, 2]


def test_outputs_see_the_old_values() -> None:
    v = number(1)
    function = Function([], [v, v + 10], [(v, v * 2)])
    assert [float(x) for x in function([])] == [1, 11]
    assert [float(x) for x in function([])] == [2, 12]


def test_update_runs_once_however_often_it_is_reached() -> None:
    v = number(0)
    update = updates.assign_add(v, 1)
    function = Function([], [update, update * 2, update + update], [update, update])
    assert [float(x) for x in function([])] == [1, 2, 2]
    assert read(v) == [1]


def test_updates_reached_by_outputs_are_stored() -> None:
    v, w = number(0), number(0)
    out = updates.assign_add(v, 5) * updates.assign(w, 3)
    assert float(Function([], [out])([])[0]) == 15
    assert read(v, w) == [5, 3]


def test_updates_that_nothing_reaches_are_not() -> None:
    v = number(0)
    updates.assign_add(v, 5)
    assert float(Function([], [v + 1])([])[0]) == 1
    assert read(v) == [0]


def test_increments_compose_in_order() -> None:
    v = number(1)
    Function([], [], [updates.assign_add(v, 1), updates.assign_add(v, 10), updates.assign_average(v, 0.0, 0.5)])([])
    assert read(v) == [6]
    Function([], [], [updates.assign_average(v, 0.0, 0.5), updates.assign_add(v, 1)])([])
    assert read(v) == [4]


def test_increments_start_from_a_plain_update() -> None:
    v = number(1)
    Function([], [], [updates.assign(v, 100), updates.assign_add(v, 1)])([])
    assert read(v) == [101]


def test_last_of_two_plain_updates_wins_and_says_so() -> None:
    v = number(1, "kernel")
    function = Function([], [], [updates.assign(v, 2), updates.assign(v, 3)])
    with pytest.warns(UserWarning, match=r"'kernel' is updated twice in one run; the last update wins"):
        function([])
    assert read(v) == [3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function([])


def test_values_of_composed_increments() -> None:
    # Each update's own value is what is stored up to it.
    v = number(1)
    first, second = updates.assign_add(v, 1), updates.assign_add(v, 10)
    assert [float(x) for x in Function([], [first, second], [first, second])([])] == [2, 12]


def test_moving_average() -> None:
    v = number(4)
    Function([], [], [updates.assign_average(v, 8, 0.75)])([])
    assert read(v) == [5]


def test_pairs_and_none_are_taken() -> None:
    v = number(1)
    Function([], [], [None, (v, v + 1), [v, v * 3] if False else None])([])
    assert read(v) == [2]
    with pytest.raises(TypeError, match=r"An update is what K\.update gives, or a pair"):
        Function([], [], [v])


def test_update_of_a_fed_variable() -> None:
    # A variable may be fed like any tensor; what is stored is computed from the fed value.
    v = number(1)
    assert float(Function([v], [v * 2], [updates.assign_add(v, 1)])([10.0])[0]) == 20
    assert read(v) == [11]


# -- control dependencies -------------------------------------------------------------------------


def test_replaced_variables_are_read_as_updated() -> None:
    total, count = number(0), number(0)
    x = Placeholder((), "float64")
    added = [updates.assign_add(total, x), updates.assign_add(count, 1)]
    with replacing({u.variable: u for u in added}):
        mean = total / count
    function = Function([x], [mean])
    assert [float(function([value])[0]) for value in (4.0, 8.0)] == [4, 6]
    assert read(total, count) == [12, 2]


# -- bodies ---------------------------------------------------------------------------------------


def test_branch_that_is_not_taken_stores_nothing() -> None:
    v, w, p = number(1), number(1), flag()

    def then() -> list[Tensor]:
        updates.assign(v, 10)
        updates.assign_add(w, 5)
        return [scalar(1)]

    def otherwise() -> list[Tensor]:
        updates.assign(w, 100)
        return [scalar(0)]

    function = Function([p], control.cond(p, then, otherwise))
    function([False])
    assert read(v, w) == [1, 100]
    function([True])
    assert read(v, w) == [10, 105]


def test_branch_whose_result_nobody_reads_does_not_run() -> None:
    v, p = number(1), flag()

    def then() -> list[Tensor]:
        updates.assign(v, 10)
        return [scalar(1), scalar(2)]

    made = control.cond(p, then, lambda: [scalar(3), scalar(4)])
    Function([p], [scalar(5)])([True])
    assert read(v) == [1]
    # One of two results brings the update with it.
    Function([p], [made[1]])([True])
    assert read(v) == [10]


def test_branch_in_a_loop() -> None:
    v = number(0)

    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        even = elementwise.equal(elementwise.remainder(i, operands.scalar(2, "int32")), operands.scalar(0, "int32"))

        def then() -> list[Tensor]:
            updates.assign_add(v, h)
            return [h + 1]

        (new,) = control.cond(even, then, lambda: [h * 10])
        return [new], [v * 1.0]

    (last,), (seen,) = control.scan(step, [], [scalar(1)], length=4)
    results = Function([], [last, seen])([])
    # h: 1, 2, 20, 21, 210; v grows by h at steps 0 and 2 and is read before.
    assert float(results[0]) == 210
    np.testing.assert_array_equal(results[1], [0, 1, 1, 21])
    assert read(v) == [21]


def test_loop_composes_with_an_update_outside() -> None:
    v = number(1)

    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        updates.assign_add(v, 1)
        return [h], []

    (last,), _ = control.scan(step, [], [scalar(0)], length=3)
    Function([], [last], [updates.assign_add(v, 100)])([])
    assert read(v) == [104]


def test_moving_averages_in_a_loop() -> None:
    v = number(0)

    def step(i: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        updates.assign_average(v, h, 0.5)
        return [h], []

    (last,), _ = control.scan(step, [], [scalar(8)], length=3)
    Function([], [last])([])
    assert read(v) == [7]


def test_gradient_through_an_update() -> None:
    from multikeras.graph.gradients import gradients

    v, x = number(3), Placeholder((), "float64")
    update = updates.assign(v, x * x)
    (g,) = gradients([update * 2], [x])
    assert g is not None
    assert float(Function([x], [g])([5.0])[0]) == 20


def test_failing_run_stores_nothing() -> None:
    from multikeras.contract import PRIMITIVES

    a, b = number(1), number(1)

    def fails(x: Any) -> Any:
        raise ZeroDivisionError("on purpose")

    (out,) = PRIMITIVES["host_call"](b, function=fails, outputs=(((), "float64"),), gradient=None)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        Function([], [out], [(a, a + 1), (b, b + 1)])([])
    assert read(a, b) == [1, 1]


# -- inside a body and outside of it, in one run --------------------------------------------------


def loop_of(change: Any, length: int = 3) -> Tensor:
    """Something read after a loop, each step of which makes a change."""

    def step(i: Tensor, h: Tensor) -> Any:
        change(operands.cast(i, "float64"))
        return [h + 1.0], []

    return control.scan(step, [], [scalar(0)], length=length)[0][0]


def test_increments_in_a_loop_and_outside_compose() -> None:
    v, w = number(1), number(1)
    read_after = loop_of(lambda i: (updates.assign_add(v, i), updates.assign_add(w, v)))
    seen = updates.assign_add(v, 10.0)
    assert Function([], [read_after, seen], [seen, updates.assign_add(v, 100.0)])([]) == [3, 11]
    # In the loop v is 1, 1, 2: what is read does not depend on what is added outside.
    assert read(v, w) == [1 + 10 + 100 + 0 + 1 + 2, 1 + 1 + 1 + 2]


def test_increments_of_two_loops_compose() -> None:
    v = number(1)
    first = loop_of(lambda i: updates.assign_add(v, 1.0))
    second = loop_of(lambda i: updates.assign_add(v, 10.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Function([], [first, second])([])
    assert read(v) == [34]


def test_averages_in_a_loop_and_outside_compose() -> None:
    v = number(1)
    loop = loop_of(lambda i: (updates.assign_average(v, i, 0.5), updates.assign_add(v, 1.0)))
    Function([], [loop], [updates.assign_average(v, 9.0, 0.25)])([])
    expected = 0.25 * 1 + 0.75 * 9
    for i in range(3):
        expected = 0.5 * expected + 0.5 * i + 1
    assert read(v) == pytest.approx([expected], rel=1e-15)


@pytest.mark.parametrize("taken", [True, False])
def test_increments_in_a_branch_and_outside_compose(taken: bool) -> None:
    v, w = number(1), number(1)
    chosen = flag()

    def then() -> list[Tensor]:
        updates.assign_average(v, 3.0, 0.5)
        updates.assign_add(w, 5.0)
        return [scalar(1)]

    (out,) = control.cond(chosen, then, lambda: [scalar(2)])
    Function([chosen], [out], [updates.assign_add(v, 10.0), updates.assign_add(w, 100.0)])([taken])
    assert read(v, w) == ([0.5 * 11 + 1.5, 106] if taken else [11, 101])


def test_increments_in_a_branch_in_a_loop_and_outside_compose() -> None:
    v = number(8)

    def change(i: Tensor) -> None:
        def then() -> list[Tensor]:
            updates.assign_average(v, 0.0, 0.5)
            return [scalar(1)]

        control.cond(elementwise.greater(i, scalar(0)), then, lambda: [scalar(2)])

    assert Function([], [loop_of(change)], [updates.assign_add(v, 4.0)])([]) == [3]
    assert read(v) == [12 * 0.25]


def test_increments_in_a_loop_without_end_and_outside_compose() -> None:
    v = number(8)

    def step(h: Tensor) -> list[Tensor]:
        updates.assign_average(v, h, 0.5)
        return [h + 1]

    (out,) = while_loop(lambda h: elementwise.less(h, scalar(2)), step, [scalar(0)])
    Function([], [out], [updates.assign_add(v, 4.0)])([])
    assert read(v) == [(12 * 0.5 + 0) * 0.5 + 0.5]


def test_setting_in_a_body_and_incrementing_outside_is_refused() -> None:
    v = number(1, "total")
    chosen = flag()

    def then() -> list[Tensor]:
        updates.assign(v, 7.0)
        return [scalar(1)]

    in_loop = loop_of(lambda i: updates.assign(v, v * 2.0))
    (in_branch,) = control.cond(chosen, then, lambda: [scalar(2)])
    for out, place in [(in_loop, "step function"), (in_branch, r"branch of K\.switch")]:
        call = Function([chosen], [out], [updates.assign_add(v, 1.0)])
        with pytest.raises(ValueError, match=rf"'total' is set in the {place} and incremented outside.*K\.update_add"):
            call([True])
    assert read(v) == [1]
    Function([], [in_loop])([])
    assert read(v) == [8]


def test_update_made_of_another_of_its_variable() -> None:
    # Whatever the order of the list, an update comes after those that its value is made of.
    for listed in ([0, 1], [1, 0], [1]):
        v = number(3.0)
        made: list[Any] = [updates.assign_add(v, 1.0)]
        made.append(updates.assign(v, made[0] * 10.0))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            results = Function([], [made[0] * 1.0, made[1] * 1.0], [made[i] for i in listed])([])
        assert ([float(r) for r in results], read(v)) == ([4, 40], [40])
    for listed in ([0, 1], [1, 0], [1]):
        v = number(3.0)
        made = [updates.assign_add(v, 1.0)]
        made.append(updates.assign_add(v, made[0] * 0.5))
        Function([], [], [made[i] for i in listed])([])
        assert read(v) == [6]


def test_updates_that_wait_for_each_other() -> None:
    a, b = number(1.0, "a"), number(2.0, "b")
    more_a, more_b = updates.assign_add(a, 1.0), updates.assign_add(b, 1.0)
    set_a, set_b = updates.assign(a, more_b * 2.0), updates.assign(b, more_a * 2.0)
    with pytest.raises(ValueError, match=r"updates of a, b wait for each other"):
        Function([], [], [set_a, set_b])([])
    assert read(a, b) == [1, 2]
