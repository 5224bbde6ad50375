"""Whole programs on a backend: compiled, with random numbers, effects, loops and branches."""
# ruff: noqa: D103 - the name of a test says what it tests

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import registry
from multikeras.contract import PRIMITIVES, Backend, is_float
from multikeras.graph import operands, updates
from multikeras.graph.gradients import gradients
from multikeras.graph.ops import control, elementwise, random, reductions, shapes
from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.programs import Function, evaluate, settings, storage
from multikeras.testing import checks, run
from multikeras.testing.asking import compiles
from multikeras.testing.case import Case
from multikeras.testing.cases import THEMES
from multikeras.testing.running import observe


def main_cases(theme: str) -> list[Case]:
    """One case of each primitive that does nothing but compute; it would take minutes to compile them all."""
    first = {case.primitive: case for case in reversed(THEMES[theme]) if case.primitive != "print_value"}
    return list(first.values())


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_compiled_cases(theme: str, tested_backend: Backend) -> None:
    """The main cases of a theme in one program, the way that the tests of primitives do not take.

    Those are compiled where the backend has a compiler, and run kernel by kernel elsewhere.
    """
    outputs: list[Tensor] = []
    expected: list[tuple[Any, np.ndarray, str]] = []
    feeds: dict[Tensor, Any] = {}
    for case in main_cases(theme):
        dtype = next((d for d in case.dtypes if case.runs_on(tested_backend.dtypes, d)), None)
        if dtype is None:
            continue
        arrays = case.arrays(dtype)
        tensors = checks.placeholders(case, arrays, dtype)
        results = case.expected(arrays)
        outputs += case.apply(tensors)
        expected += [(case, w, name) for w, name in zip(results, case.result_dtypes(len(results), dtype), strict=True)]
        feeds.update(zip(tensors, arrays, strict=True))
    for found, (case, wanted, dtype) in zip(
        observe(outputs, feeds, backend=tested_backend, compiled=not compiles(tested_backend)), expected, strict=True
    ):
        what = f"{case.id}, the other way, on {tested_backend.name}"
        assert (found.shape, found.dtype) == (wanted.shape, dtype), what
        checks.assert_close(found.value, wanted, dtype, 0 if case.exact else case.tolerance, what)


@pytest.mark.parametrize("theme", ["elementwise", "algebra", "control"])
def test_compiled_gradients(theme: str, tested_backend: Backend) -> None:
    """Gradients of a theme's cases in one compiled program against the interpreted ones."""
    outputs: list[Tensor] = []
    feeds: dict[Tensor, Any] = {}
    for case in main_cases(theme):
        # A second run of what stores starts from other values.
        if not case.differentiable or "float64" not in case.dtypes or case.primitive.startswith("assign_"):
            continue
        arrays = case.arrays("float64")
        tensors = checks.placeholders(case, arrays, "float64")
        results = [t for t in case.apply(tensors) if is_float(t.dtype)]
        made = gradients([elementwise.sin(t) for t in results], [tensors[i] for i in case.differentiable])
        outputs += [g for g in made if g is not None]
        feeds.update(zip(tensors, arrays, strict=True))
    compiled = run(outputs, feeds, backend=tested_backend, compiled=True)
    interpreted = run(outputs, feeds, backend=tested_backend)
    for x, y, output in zip(compiled, interpreted, outputs, strict=True):
        np.testing.assert_allclose(x, y, 1e-9, 1e-11, err_msg=f"{output!r} made at {output.where}")


# -- random numbers -------------------------------------------------------------------------------


def noise(seed: int | None, shape: tuple[int, ...] = (3, 5)) -> Tensor:
    made: Tensor = random.random_bits(random.new_key(seed), shape=shape)
    return made


@pytest.mark.parametrize("compiled", [False, True])
def test_seeded_numbers_are_those_of_numpy(compiled: bool, tested_backend: Backend) -> None:
    streams = {}
    for backend in (tested_backend, registry.host()):
        node = noise(3)
        streams[backend.name, backend is tested_backend] = [run(node, backend=backend, compiled=compiled) for _ in "ab"]
    first, *others = streams.values()
    assert not np.array_equal(first[0], first[1])
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_each_node_counts_its_own_runs(tested_backend: Backend) -> None:
    one, two = noise(3), noise(3)
    first, second = run(one, backend=tested_backend), run(one, backend=tested_backend)
    both = run([one, two], backend=tested_backend)
    np.testing.assert_array_equal(both[1], first)
    assert not any(np.array_equal(both[0], each) for each in (first, second))


def test_random_numbers_in_a_scan_differ_by_step(tested_backend: Backend) -> None:
    def step(iteration: Tensor, total: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        bits = noise(8, (4,))
        return [total], [bits]

    _, (ys,) = control.scan(step, [], [operands.scalar(0.0, "float32")], length=5)
    found = [run(ys, backend=backend, compiled=True) for backend in (tested_backend, registry.host())]
    assert len({row.tobytes() for row in found[0]}) == 5
    # The host's run was the node's second: other numbers, as many.
    assert len({row.tobytes() for row in [*found[0], *found[1]]}) == 10
    _, (again,) = control.scan(step, [], [operands.scalar(0.0, "float32")], length=5)
    np.testing.assert_array_equal(run(again, backend=registry.host()), found[0])


def test_dropout_in_a_gradient_is_the_same_mask(tested_backend: Backend) -> None:
    x = Placeholder((50, 20), "float32")
    mask = random.dropout_mask(random.new_key(4), shape=(50, 20), rate=0.5, dtype="float32")
    (slope,) = gradients([x * mask], [x])
    assert slope is not None
    value, g = run([x * mask, slope], {x: np.ones((50, 20))}, backend=tested_backend, compiled=True)
    np.testing.assert_array_equal(value, g)
    assert 0.4 < np.mean(g == 0) < 0.6


# -- state ----------------------------------------------------------------------------------------


def counter(value: float = 0.0) -> Variable:
    return Variable((), "float32", np.float32(value))


def test_updates_in_a_branch_happen_when_it_is_taken(tested_backend: Backend) -> None:
    taken, untaken, p = counter(), counter(), Placeholder((), "bool")
    one = operands.scalar(1.0, "float32")

    def then() -> list[Tensor]:
        updates.assign_add(taken, 1.0)
        return [one * 2]

    def otherwise() -> list[Tensor]:
        updates.assign_add(untaken, 10.0)
        return [one * 3]

    function = Function([p], control.cond(p, then, otherwise))
    results = [float(function.run([value], tested_backend)[0]) for value in (True, False, True)]
    assert results == [2, 3, 2]
    assert (float(storage.read(taken)), float(storage.read(untaken))) == (2, 10)


def test_updates_in_a_loop_are_carried(tested_backend: Backend) -> None:
    total, xs = counter(), Placeholder((None,), "float32")

    def step(iteration: Tensor, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        new = updates.assign_add(total, x)
        return [], [new * 1.0]

    _, (ys,) = control.scan(step, [xs], [])
    function = Function([xs], [ys])
    np.testing.assert_array_equal(tested_backend.to_numpy(function.run([[1, 2, 3]], tested_backend)[0]), [1, 3, 6])
    np.testing.assert_array_equal(tested_backend.to_numpy(function.run([[1, 1]], tested_backend)[0]), [7, 8])
    assert float(storage.read(total)) == 8


def test_updates_of_whole_numbers(tested_backend: Backend) -> None:
    v = Variable((), "int64", np.int64(2**40))
    function = Function([], [v], [updates.assign_add(v, 1)])
    values = [int(function.run([], tested_backend)[0]) for _ in range(2)]
    assert values == [2**40, 2**40 + 1]
    assert int(storage.read(v)) == 2**40 + 2


def test_the_phase_chooses_before_anything_runs(tested_backend: Backend) -> None:
    x = Placeholder((None,), "float32")
    train = elementwise.equal(settings.learning_phase(), operands.scalar(1, "int32"))
    chosen = control.host_select(train, x * 2, reductions.reduce_sum(x, axis=(0,), keepdims=True) + x)
    function = Function([x, settings.learning_phase()], [chosen])
    for phase, expected in ((1, [2, 4]), (0, [4, 5]), (1, [2, 4])):
        (found,) = function.run([[1, 2], phase], tested_backend)
        np.testing.assert_array_equal(tested_backend.to_numpy(found), expected)


def test_lengths_may_change_from_call_to_call(tested_backend: Backend) -> None:
    x = Placeholder((None, 3), "float32")
    rows = operands.index(shapes.shape(x), 0)
    out = shapes.reshape(x, shape=operands.pack([3, rows, 1])) * operands.cast(rows, "float32")
    function = Function([x], [out])
    for count in (2, 5, 0, 2):
        (found,) = function.run([np.ones((count, 3))], tested_backend)
        np.testing.assert_array_equal(tested_backend.to_numpy(found), np.full((3, count, 1), count))


# -- printing, calls of Python --------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_printing_in_order(compiled: bool, tested_backend: Backend, capfd: pytest.CaptureFixture[str]) -> None:
    x = Placeholder((2,), "float32")
    first = PRIMITIVES["print_value"](x, message="first ")
    second = PRIMITIVES["print_value"](first + 1, message="second ")
    run(second * 2, {x: [1, 2]}, backend=tested_backend, compiled=compiled)
    tested_backend.synchronize()
    assert capfd.readouterr().out.splitlines() == ["first [1. 2.]", "second [2. 3.]"]


def test_printing_each_step_of_a_loop(tested_backend: Backend, capfd: pytest.CaptureFixture[str]) -> None:
    def step(iteration: Tensor, n: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [PRIMITIVES["print_value"](n, message="n = ") + 1], []

    (last,), _ = control.scan(step, [], [operands.scalar(5, "int32")], length=3)
    assert int(run(last, backend=tested_backend, compiled=True)) == 8
    tested_backend.synchronize()
    assert capfd.readouterr().out.splitlines() == ["n = 5", "n = 6", "n = 7"]


def test_python_is_called_at_every_run(tested_backend: Backend) -> None:
    calls: list[np.ndarray] = []

    def python(a: np.ndarray) -> list[np.ndarray]:
        calls.append(np.array(a))
        return [a + len(calls)]

    x = Placeholder((2,), "float32")
    (out,) = PRIMITIVES["host_call"](x, function=python, outputs=(((2,), "float32"),), gradient=None)
    function = Function([x], [out * 2])
    for number in (1, 2, 3):
        (found,) = function.run([[1, 2]], tested_backend)
        np.testing.assert_array_equal(tested_backend.to_numpy(found), [2 + 2 * number, 4 + 2 * number])
    assert len(calls) == 3
    assert all(type(each) is np.ndarray for each in calls)


def test_value_of_an_update_stores(tested_backend: Backend) -> None:
    v = counter(2.0)
    update = updates.assign(v, v * 3)
    assert float(evaluate.evaluate([update], tested_backend)[0]) == 6
    assert float(storage.read(v)) == 6
    assert float(evaluate.evaluate([updates.assign(v, operands.scalar(1.0, "float32"))], tested_backend)[0]) == 1
    assert float(storage.read(v)) == 1
