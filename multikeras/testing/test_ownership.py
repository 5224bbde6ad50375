"""Who owns an array: what a run reads, stores and gives away, whatever memory a backend uses again."""
# ruff: noqa: D103 - the name of a test says what it tests

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from multikeras.contract import PRIMITIVES, Backend
from multikeras.graph import operands, updates
from multikeras.graph.ops import control, elementwise, optimizers, shapes
from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.programs import Function, storage
from multikeras.testing.cases.control import adam
from multikeras.testing.running import program

SHAPE = (3, 4)


def variable(value: float = 1.0, shape: tuple[int, ...] = SHAPE) -> Variable:
    return Variable(shape, "float32", np.full(shape, value, "float32"))


def call(function: Function, backend: Backend, inputs: Sequence[Any] = ()) -> list[np.ndarray]:
    return [np.array(backend.to_numpy(array)) for array in function.run(list(inputs), backend)]


def step(v: Variable, slope: Any = 1.0) -> list[updates.Update]:
    """Gradient descent of rate 1 without momentum, by the kernel that may work in place."""
    velocity = Variable(v.shape, v.dtype, np.zeros(v.shape, v.dtype))
    one, none = operands.scalar(1, v.dtype), operands.scalar(0, v.dtype)
    g = slope if isinstance(slope, Tensor) else shapes.broadcast_to(operands.scalar(slope, v.dtype), shape=v.shape)
    new, moved = optimizers.sgd_update(one, none, v, g, velocity, nesterov=False)
    return [updates.assign(v, new), updates.assign(velocity, moved)]


def test_steps_follow_the_formula(tested_backend: Backend) -> None:
    generator = np.random.default_rng(4)
    shapes_ = [(5, 3), (3,), ()]
    arrays = [[generator.normal(size=s).astype("float32") for s in shapes_] for _ in range(2)]
    params = [Variable(a.shape, "float32", a) for a in arrays[0]]
    slots = [[Variable(a.shape, "float32", np.zeros_like(a)) for a in arrays[0]] for _ in range(2)]
    scalars = [operands.scalar(n, "float32") for n in (0.1, 0.9, 0.99, 0.01)]
    slopes = [Placeholder(a.shape, "float32") for a in arrays[1]]
    flat = [*params, *slots[0], *slots[1]]
    made = optimizers.adam_update(*scalars, *params, *slopes, *slots[0], *slots[1])
    function = Function(slopes, [], [updates.assign(v, new) for v, new in zip(flat, made, strict=True)])
    expected: list[Any] = [*arrays[0], *[np.zeros_like(a) for _ in range(2) for a in arrays[0]]]
    for number in range(4):
        slope = [a * (number + 1) for a in arrays[1]]
        call(function, tested_backend, slope)
        expected = adam(0.1, 0.9, 0.99, 0.01, *expected[:3], *slope, *expected[3:])
        for v, value in zip(flat, expected, strict=True):
            np.testing.assert_allclose(storage.read(v), value, 2e-5, 1e-6)


def test_output_is_the_old_value(tested_backend: Backend) -> None:
    v = variable()
    function = Function([], [v, v * 2], step(v))
    for number in range(3):
        old, twice = call(function, tested_backend)
        np.testing.assert_array_equal(old, np.full(SHAPE, 1.0 - number))
        np.testing.assert_array_equal(twice, 2 * old)
    np.testing.assert_array_equal(storage.read(v), np.full(SHAPE, -2.0))


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "reshape": lambda v: shapes.reshape(v, shape=(12,)),
    "transpose": lambda v: shapes.transpose(v, permutation=(1, 0)),
    "slice": lambda v: v[1:, ::2],
    "flip": lambda v: shapes.flip(v, axis=(0,)),
    "split": lambda v: shapes.split(v, axis=0, sizes=(1, 2))[1],
    "broadcast": lambda v: shapes.broadcast_to(v, shape=(2, *SHAPE)),
    "identity": elementwise.identity,
    "squeeze": lambda v: shapes.squeeze(shapes.expand_dims(v, axis=(1,)), axis=(1,)),
    "print": lambda v: PRIMITIVES["print_value"](v, message=""),
}


@pytest.mark.parametrize("view", sorted(VIEWS))
def test_output_that_views_a_variable_is_the_old_value(view: str, tested_backend: Backend) -> None:
    v = variable()
    seen = VIEWS[view](v)
    function = Function([], [seen], step(v))
    for number in range(3):
        (found,) = call(function, tested_backend)
        np.testing.assert_array_equal(found, np.full(found.shape, 1.0 - number))


def test_output_stays_as_it_was(tested_backend: Backend) -> None:
    v = variable()
    function = Function([], [v, shapes.reshape(v, shape=(12,))], step(v))
    # Kept as arrays of the backend: a later step must not write into them.
    kept = [function.run([], tested_backend) for _ in range(3)]
    for number, arrays in enumerate(kept):
        for array in arrays:
            np.testing.assert_array_equal(tested_backend.to_numpy(array), 1.0 - number)


def test_new_value_as_output_stays_as_it_was(tested_backend: Backend) -> None:
    v = variable()
    stored = step(v)
    function = Function([], [stored[0]], stored)
    kept = [function.run([], tested_backend)[0] for _ in range(3)]
    for number, array in enumerate(kept):
        np.testing.assert_array_equal(tested_backend.to_numpy(array), -float(number))


def test_reads_come_before_stores(tested_backend: Backend) -> None:
    # A reader built after the update still sees the value from before the run.
    v = variable()
    stored = step(v)
    late = elementwise.exp(v) + v
    function = Function([], [late], stored)
    for number in range(2):
        (found,) = call(function, tested_backend)
        np.testing.assert_allclose(found, np.exp(1.0 - number) + 1.0 - number, 1e-6)


def test_swap(tested_backend: Backend) -> None:
    a, b = variable(1), variable(2)
    function = Function([], [], [(a, b), (b, a)])
    call(function, tested_backend)
    assert storage.read(a)[0, 0] == 2
    assert storage.read(b)[0, 0] == 1
    call(function, tested_backend)
    assert storage.read(a)[0, 0] == 1


@pytest.mark.parametrize("way", ["variable", "view", "expression"])
def test_variables_that_got_one_value_part_again(way: str, tested_backend: Backend) -> None:
    a, b, c = variable(1), variable(2), variable(3)
    value: Any = {"variable": b, "view": shapes.reshape(b, shape=SHAPE), "expression": b + 0.5}[way]
    call(Function([], [], [(a, value), (c, value)]), tested_backend)
    first, second = Function([], [], step(a)), Function([], [], step(b, 10.0))
    start = storage.read(c).copy()
    for number in range(1, 4):
        call(first, tested_backend)
        call(second, tested_backend)
        np.testing.assert_array_equal(storage.read(a), start - number)
        np.testing.assert_array_equal(storage.read(b), np.full(SHAPE, 2.0) - 10 * number)
        np.testing.assert_array_equal(storage.read(c), start)


def test_value_that_was_read_is_the_readers_own(tested_backend: Backend) -> None:
    v = variable()
    call(Function([], [], step(v)), tested_backend)
    value = storage.read(v)
    call(Function([], [], step(v)), tested_backend)
    np.testing.assert_array_equal(value, 0)
    value[:] = 77
    np.testing.assert_array_equal(storage.read(v), -1)


def test_value_that_was_written_is_copied(tested_backend: Backend) -> None:
    v, function = variable(), None
    function = Function([], [v + 0], step(v))
    call(function, tested_backend)
    value = np.full(SHAPE, 5, "float32")
    storage.write(v, value)
    value[:] = 77
    np.testing.assert_array_equal(call(function, tested_backend)[0], 5)
    np.testing.assert_array_equal(value, 77)
    np.testing.assert_array_equal(storage.read(v), 4)


def test_fed_arrays_are_neither_written_nor_kept(tested_backend: Backend) -> None:
    v = variable(shape=(1000,))
    x = Placeholder((1000,), "float32")
    stores = Function([x], [x, shapes.reshape(x, shape=(10, 100))], [(v, x)])
    descends = Function([], [], step(v))
    fed = np.arange(1000, dtype="float32")
    outputs = stores.run([fed], tested_backend)
    call(descends, tested_backend)
    np.testing.assert_array_equal(fed, np.arange(1000))
    fed[:] = -5
    np.testing.assert_array_equal(storage.read(v), np.arange(1000) - 1)
    for output in outputs:
        np.testing.assert_array_equal(np.ravel(tested_backend.to_numpy(output)), np.arange(1000))


def test_fed_slope_is_not_written(tested_backend: Backend) -> None:
    v, g = variable(), Placeholder(SHAPE, "float32")
    function = Function([g], [], step(v, g))
    fed = np.full(SHAPE, 2, "float32")
    for _ in range(2):
        call(function, tested_backend, [fed])
    np.testing.assert_array_equal(fed, 2)
    np.testing.assert_array_equal(storage.read(v), -3)


def test_frozen_variable_survives(tested_backend: Backend) -> None:
    frozen, v = variable(3), variable(1)
    function = Function([], [frozen * v], step(v, frozen * 1.0))
    for _ in range(3):
        call(function, tested_backend)
    np.testing.assert_array_equal(storage.read(frozen), 3)
    np.testing.assert_array_equal(storage.read(v), 1 - 9)


def test_one_variable_as_parameter_and_slope(tested_backend: Backend) -> None:
    v = variable(2)
    function = Function([], [], step(v, v))
    call(function, tested_backend)
    np.testing.assert_array_equal(storage.read(v), 0)


def test_constants_are_never_written(tested_backend: Backend) -> None:
    v, c = variable(), operands.constant(np.full(SHAPE, 2.0))
    big = operands.constant(np.full((50, 50), 2.0))
    w = Variable((50, 50), "float32", np.zeros((50, 50), "float32"))
    call(Function([], [], [(v, c), (w, big)]), tested_backend)
    descend = Function([], [], [*step(v), *step(w)])
    for _ in range(2):
        call(descend, tested_backend)
    np.testing.assert_array_equal(storage.read(v), 0)
    np.testing.assert_array_equal(call(Function([], [c + 0, big + 0]), tested_backend)[0], 2)
    np.testing.assert_array_equal(call(Function([], [c + 0, big + 0]), tested_backend)[1], 2)


def test_outputs_share_no_memory(tested_backend: Backend) -> None:
    x = Placeholder((200,), "float32")
    y = elementwise.exp(x)
    parts = shapes.split(y, axis=0, sizes=(100, 100))
    function = Function([x], [y, shapes.reshape(y, shape=(20, 10)), *parts, y[10:20], y])
    outputs = [tested_backend.to_numpy(a) for a in function.run([np.zeros(200)], tested_backend)]
    for i, a in enumerate(outputs):
        for b in outputs[i + 1 :]:
            assert not np.shares_memory(a, b)


def test_step_works_in_place_where_nobody_looks(tested_backend: Backend) -> None:
    if not tested_backend.in_place or "sgd_update" not in tested_backend.kernels:
        pytest.skip(f"{tested_backend.name} has no step that works in place")
    v = variable()
    made, _ = program([v * 2], updates=step(v), backend=tested_backend)
    (line,) = [line for line in made.straight.lines if "in_place" in line.attributes]
    assert line.attributes["in_place"] is True
    watched, _ = program([v], updates=step(v), backend=tested_backend)
    (line,) = [line for line in watched.straight.lines if "in_place" in line.attributes]
    assert line.attributes["in_place"] is False


def test_fed_variable_keeps_the_callers_array(tested_backend: Backend) -> None:
    v = variable()
    with tested_backend.scope():
        fed = tested_backend.own(np.full(SHAPE, 5), "float32")
    function = Function([v], [v * 2], step(v))
    for _ in range(2):
        np.testing.assert_array_equal(tested_backend.to_numpy(function.run([fed], tested_backend)[0]), 10)
        np.testing.assert_array_equal(tested_backend.to_numpy(fed), 5)
        np.testing.assert_array_equal(storage.read(v), 4)


@pytest.mark.parametrize("taken", [True, False])
def test_branch_that_passes_a_variable_on_is_read_late(taken: bool, tested_backend: Backend) -> None:
    v, w, flag = variable(1), variable(10), Placeholder((), "bool")
    (passed,) = control.cond(flag, lambda: [v], lambda: [w])
    stored = step(v)
    late = elementwise.exp(passed * 0.0) * passed
    function = Function([flag], [late], stored)
    for number in range(3):
        (found,) = call(function, tested_backend, [taken])
        np.testing.assert_array_equal(found, 1 - number if taken else 10)


def test_loop_that_passes_a_variable_on_is_read_late(tested_backend: Backend) -> None:
    v, x = variable(1), Placeholder((None, 4), "float32")
    (first, second), _ = control.scan(lambda i, row, a, b: ([b, b], []), [x], [v * 2.0, v])
    stored = step(v)
    late = first * 1.0 + second * 1.0
    function = Function([x], [late, first], stored)
    for number in range(3):
        total, same = call(function, tested_backend, [np.zeros((2, 4))])
        np.testing.assert_array_equal(total, 2 * (1 - number))
        np.testing.assert_array_equal(same, 1 - number)


def test_loop_that_passes_a_variable_from_state_to_state(tested_backend: Backend) -> None:
    v, x, w = variable(1), Placeholder((None, 4), "float32"), variable(7)
    start = [w * 1.0, w * 2.0, w * 3.0]
    # After three steps the last state is v itself.
    finals, _ = control.scan(lambda i, row, a, b, c: ([v, a, b], []), [x], start)
    stored = step(v)
    function = Function([x], [finals[2] * 1.0, finals[2]], stored)
    kept = [function.run([np.zeros((3, 4))], tested_backend) for _ in range(3)]
    for number, arrays in enumerate(kept):
        for array in arrays:
            np.testing.assert_array_equal(tested_backend.to_numpy(array), 1 - number)


@pytest.mark.parametrize("length", [0, 1])
def test_state_of_a_loop_that_is_kept(length: int, tested_backend: Backend) -> None:
    v, x = variable(1), Placeholder((None, 4), "float32")
    (last,), _ = control.scan(lambda i, row, a: ([a + row], []), [x], [v])
    function = Function([x], [last], step(v))
    kept = [function.run([np.zeros((length, 4))], tested_backend)[0] for _ in range(3)]
    for number, array in enumerate(kept):
        np.testing.assert_array_equal(tested_backend.to_numpy(array), 1 - number)


def test_slope_that_lies_in_a_slot(tested_backend: Backend) -> None:
    scalars = [operands.scalar(n, "float32") for n in (0.1, 0.9, 0.99, 0.01)]
    values = [np.full(SHAPE, value, "float32") for value in (1.0, 0.5, 0.25)]
    p, m, s = [Variable(SHAPE, "float32", value) for value in values]
    new = optimizers.adam_update(*scalars, p, m, m, s)
    function = Function([], [], [updates.assign(a, b) for a, b in zip((p, m, s), new, strict=True)])
    expected: list[Any] = values
    for _ in range(3):
        call(function, tested_backend)
        expected = adam(0.1, 0.9, 0.99, 0.01, expected[0], expected[1], *expected[1:])
        for a, value in zip((p, m, s), expected, strict=True):
            np.testing.assert_allclose(storage.read(a), value, 1e-5)


def test_results_of_a_branch_share_no_memory(tested_backend: Backend) -> None:
    x, flag = Placeholder((100,), "float32"), Placeholder((), "bool")

    def same() -> list[Tensor]:
        y = elementwise.exp(x)
        return [y, shapes.reshape(y, shape=(100,)), x]

    function = Function([x, flag], control.cond(flag, same, lambda: [x, x, x]))
    for taken in (True, False):
        fed = np.zeros(100, "float32")
        outputs = [tested_backend.to_numpy(a) for a in function.run([fed, taken], tested_backend)]
        for i, a in enumerate(outputs):
            assert not np.shares_memory(a, fed)
            for b in outputs[i + 1 :]:
                assert not np.shares_memory(a, b)
