"""Lowering: order, deaths, registers, pieces, memory; compiled against interpreted."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from multikeras import registry
from multikeras.contract import PRIMITIVES, Backend
from multikeras.graph import operands, updates
from multikeras.graph.gradients import gradients
from multikeras.graph.ops import control, elementwise, reductions, shapes
from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.programs import lower
from multikeras.programs.lower import Source, Straight
from multikeras.programs.memory import VIEWS
from multikeras.programs.program import Program
from multikeras.testing import run
from multikeras.testing.running import program

BACKENDS = ["numpy", "torch", "jax"]


def installed(name: str) -> Backend:
    return registry.load(name) if registry.installed()[name].installed else pytest.skip(f"{name} is not installed")


def text_of(made: Program) -> str:
    return Source(made.straight, made.backend).text()


def chain(x: Tensor, length: int) -> Tensor:
    for _ in range(length):
        x = elementwise.sin(x)
    return x


# -- order, deaths, registers ---------------------------------------------------------------------


def test_source_is_a_straight_line() -> None:
    x, y = Placeholder((3,), "float32"), Placeholder((3,), "float32")
    made, _ = program([elementwise.exp(x) * y + 2.0], {x: np.zeros(3), y: np.zeros(3)}, backend="numpy")
    lines = text_of(made).splitlines()
    assert lines[0] == "def program(a0, a1):"
    assert [re.sub(r"k\d+_", "", line.strip()) for line in lines[1:]] == [
        "r0 = exp(a0)",
        "r0 = multiply(r0, a1)",
        "r0 = add(r0, c0)",
        "return (r0, )",
    ]


def test_registers_are_used_again() -> None:
    x = Placeholder((3,), "float32")
    made, _ = program([chain(x, 200) + x], {x: np.zeros(3)}, backend="numpy")
    text = text_of(made)
    assert len(set(re.findall(r"\br\d+\b", text))) == 1
    # A value that is read late keeps its register meanwhile.
    early = elementwise.exp(x)
    made, _ = program([chain(x, 50) + early], {x: np.zeros(3)}, backend="numpy")
    assert len(set(re.findall(r"\br\d+\b", text_of(made)))) == 2


def test_dead_values_are_deleted() -> None:
    x = Placeholder((3,), "float32")
    parts = [elementwise.exp(x * float(i)) for i in range(3)]
    out = elementwise.where_(elementwise.greater(parts[0], parts[1]), parts[1], parts[2])
    made, _ = program([chain(out, 2)], {x: np.zeros(3)}, backend="numpy")
    assert "del " in text_of(made)
    dead = [t for line in made.straight.lines for t in line.dead]
    assert len(dead) == len(set(dead)) == len(made.straight.lines) - 1


def test_order_is_that_of_creation() -> None:
    x = Placeholder((3,), "float32")
    tensors = [elementwise.exp(x), elementwise.sin(x), elementwise.cos(x)]
    made, _ = program(tensors[::-1], {x: np.zeros(3)}, backend="numpy")
    names = [line.tensor.primitive.name for line in made.straight.lines if line.tensor.primitive is not None]
    assert names == ["exp", "sin", "cos"]


# -- memory ---------------------------------------------------------------------------------------

DEPTH, BATCH, WIDTH = 20, 1024, 64
ACTIVATION = BATCH * WIDTH * 4


def deep_network(reverse: bool) -> tuple[list[Tensor], list[updates.Update], Placeholder]:
    """A step of gradient descent of 20 dense layers whose weights are small beside their activations."""
    x = Placeholder((None, WIDTH), "float32")
    generator = np.random.default_rng(0)
    weights = [
        Variable((WIDTH, WIDTH), "float32", generator.normal(size=(WIDTH, WIDTH)).astype("float32") * 0.15)
        for _ in range(DEPTH)
    ]
    h: Tensor = x
    for w in weights:
        h = elementwise.relu(operands.matmul(h, w))
    loss = reductions.reduce_sum(h * h, axis=(0, 1), keepdims=False)
    slopes = gradients([loss], weights)
    made = [updates.assign(w, w - g * 0.01) for w, g in zip(weights, slopes, strict=True) if g is not None]
    return [loss], made[::-1] if reverse else made, x


def peak_by_liveness(straight: Straight) -> int:
    """Bytes of the values that exist at once, views and arguments not counted."""

    def size(tensor: Tensor) -> int:
        primitive = tensor.primitive
        if primitive is None or primitive.name in VIEWS or primitive.name == "item":
            return 0
        return int(np.prod(tensor.shape)) * 4

    live = peak = 0
    for line in straight.lines:
        live += size(line.tensor)
        peak = max(peak, live)
        live -= sum(size(t) for t in line.dead)
    return peak


#: What a step written by hand holds: all activations for the way back, and two gradients.
BY_HAND = (DEPTH + 2) * ACTIVATION


@pytest.mark.parametrize("reverse", [False, True])
def test_peak_memory_of_a_deep_step_by_liveness(reverse: bool) -> None:
    outputs, stored, x = deep_network(reverse)
    made, _ = program(outputs, {x: np.zeros((BATCH, WIDTH))}, updates=stored, backend="numpy")
    assert peak_by_liveness(made.straight) <= 1.1 * BY_HAND


def test_peak_memory_of_a_deep_step_measured() -> None:
    outputs, stored, x = deep_network(False)
    made, arrays = program(
        outputs, {x: np.ones((BATCH, WIDTH), "float32")}, updates=stored, backend="numpy", compiled=True
    )
    made.run(arrays)
    tracemalloc.start()
    try:
        made.run(arrays)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 1.1 * BY_HAND


def test_interpreter_frees_as_well() -> None:
    x = Placeholder((BATCH, WIDTH), "float32")
    made, arrays = program([chain(x, 50)], {x: np.ones((BATCH, WIDTH), "float32")}, backend="numpy")
    tracemalloc.start()
    try:
        made.run(arrays)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 2.5 * ACTIVATION


# -- length ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("compiled", [True, False])
def test_ten_thousand_operations(name: str, compiled: bool) -> None:
    backend = installed(name)
    x = Placeholder((3,), "float64")
    y: Tensor = x
    for i in range(5_000):
        y = y * 1.0001 + (1e-6 if i % 2 else -1e-6)
    (g,) = gradients([y], [x])
    assert g is not None
    value, slope = run([y, g], {x: [1.0, 2.0, 3.0]}, backend=backend, compiled=compiled)
    np.testing.assert_allclose(slope, 1.0001**5000, 1e-9)
    np.testing.assert_allclose(value, np.array([1.0, 2.0, 3.0]) * 1.0001**5000, 1e-4)


def test_long_program_on_jax() -> None:
    backend = installed("jax")
    x = Placeholder((3,), "float64")
    (g,) = gradients([chain(x, 150)], [x])
    assert g is not None
    value = run(g, {x: [0.1, 0.2, 0.3]}, backend=backend, compiled=True)
    np.testing.assert_allclose(value, run(g, {x: [0.1, 0.2, 0.3]}, backend="numpy"), 1e-9)


def mixed(x: Tensor, w: Variable) -> list[Tensor]:
    """A graph with values that are read far from where they are made, several results and a loop."""
    early = elementwise.exp(x)
    h: Tensor = x
    for i in range(40):
        left, right = shapes.split(h * w, axis=0, sizes=(1, 2))
        h = shapes.concatenate(elementwise.sin(right), elementwise.cos(left), axis=0) + (early if i % 7 == 0 else 0.5)
    (last,), (ys,) = control.scan(lambda i, a: ([a * 0.5 + early], [a]), [], [h], length=3)
    return [h, last, ys, early + h]


# Compiling hundreds of pieces takes long on JAX.
@pytest.mark.parametrize(
    ("name", "limit"), [*[(name, limit) for name in ("numpy", "torch") for limit in (1, 2, 7, 50)], ("jax", 20)]
)
def test_pieces_compute_what_the_whole_does(name: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = installed(name)
    x = Placeholder((3,), "float64")
    w = Variable((3,), "float64", np.array([0.5, 1.5, -1.0]))
    outputs = mixed(x, w)
    feeds = {x: np.array([0.1, -0.4, 0.7])}
    expected = run(outputs, feeds, backend="numpy")
    monkeypatch.setattr(backend, "longest_program", limit)
    made, _ = program(outputs, feeds, backend=backend, compiled=True)
    assert text_of(made).count("def piece") == -(-len(made.straight.lines) // limit)
    for found, wanted in zip(run(outputs, feeds, backend=backend, compiled=True), expected, strict=True):
        np.testing.assert_allclose(found, wanted, 1e-9, 1e-12)


@pytest.mark.parametrize("limit", [1, 3, 10])
def test_training_step_in_pieces(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = []
    for pieces in (False, True):
        backend = registry.load("numpy")
        monkeypatch.setattr(backend, "longest_program", limit if pieces else None)
        v = Variable((3,), "float64", np.array([0.5, 1.5, -1.0]))
        loss = reductions.reduce_sum(chain(v * v, 5), axis=(0,), keepdims=False)
        (g,) = gradients([loss], [v])
        assert g is not None
        stored = [updates.assign(v, v - g * 0.1)]
        for _ in range(3):
            (found,) = run([loss], updates=stored, backend=backend, compiled=True)
        values.append((found, run(v * 1.0, backend=backend)))
    np.testing.assert_array_equal(values[0][0], values[1][0])
    np.testing.assert_array_equal(values[0][1], values[1][1])


def test_pieces_beyond_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lower, "CHUNK", 10)
    x = Placeholder((3,), "float64")
    made, _ = program([chain(x, 95)], {x: np.zeros(3)}, backend="numpy", compiled=True)
    assert text_of(made).count("def piece") == 10
    np.testing.assert_allclose(
        run(chain(x, 95), {x: np.ones(3)}, backend="numpy", compiled=True),
        run(chain(x, 95), {x: np.ones(3)}, backend="numpy"),
    )


# -- interpreted and compiled ---------------------------------------------------------------------


@pytest.mark.parametrize("name", BACKENDS)
def test_interpreted_and_compiled_agree(name: str) -> None:
    backend = installed(name)
    x = Placeholder((3,), "float64")
    w = Variable((3,), "float64", np.array([0.5, 1.5, -1.0]))
    outputs = mixed(x, w)
    slopes = [g for g in gradients([elementwise.sin(t) for t in outputs], [x, w]) if g is not None]
    feeds = {x: np.array([0.1, -0.4, 0.7])}
    pair = [run([*outputs, *slopes], feeds, backend=backend, compiled=compiled) for compiled in (True, False)]
    for compiled, interpreted in zip(*pair, strict=True):
        np.testing.assert_allclose(compiled, interpreted, 1e-10, 1e-12)


@pytest.mark.parametrize("compiled", [True, False])
def test_attributes_of_every_kind_reach_the_kernel(compiled: bool) -> None:
    # Infinity and NaN have no literal, a function has none either.
    x = Placeholder((2,), "float32")
    padded = shapes.pad(x, padding=((1, 1),), value=float("-inf"))
    spoiled = shapes.pad(x, padding=((0, 1),), value=float("nan"))
    (called,) = PRIMITIVES["host_call"](x, function=lambda a: [a * 3], outputs=(((2,), "float32"),), gradient=None)
    results = run([padded, spoiled, called], {x: [1, 2]}, backend="numpy", compiled=compiled)
    np.testing.assert_array_equal(results[0], [-np.inf, 1, 2, -np.inf])
    np.testing.assert_array_equal(results[1], [1, 2, np.nan])
    np.testing.assert_array_equal(results[2], [3, 6])


def test_outputs_may_be_anything() -> None:
    x = Placeholder((2,), "float32")
    v = Variable((2,), "float32", np.array([5, 6], "float32"))
    big = operands.constant(np.arange(500.0))
    outputs: Sequence[Any] = [x, v, operands.scalar(2.5, "float32"), big, x, shapes.reshape(v, shape=(2, 1))]
    for compiled in (True, False):
        found = run(outputs, {x: [1, 2]}, backend="numpy", compiled=compiled)
        for value, expected in zip(found, [[1, 2], [5, 6], 2.5, np.arange(500), [1, 2], [[5], [6]]], strict=True):
            np.testing.assert_array_equal(value, expected)
    assert run([], backend="numpy") == []


def test_donation_names_the_variables_that_are_stored() -> None:
    backend = installed("jax")
    stored, read = (Variable((2,), "float32", np.zeros(2, "float32")) for _ in range(2))
    x = Placeholder((2,), "float32")
    seen: list[tuple[int, ...]] = []
    compile_ = backend.compile

    class Recorder(type(backend)):  # type: ignore[misc]
        def compile(self, function: Any, donated: Any) -> Any:
            seen.append(tuple(donated))
            return compile_(function, donated)

    recorder = Recorder(backend.settings)
    made, arrays = program(
        [stored + read + x],
        {x: [1, 2]},
        updates=[updates.assign_add(stored, read + x)],
        backend=recorder,
        compiled=True,
    )
    names = [a.source for a in made.straight.arguments]
    assert [[names[i] for i in donated] for donated in seen] == [[stored]]
    with recorder.scope():
        made.run(arrays)
        (total,) = made.run(arrays)
    np.testing.assert_array_equal(recorder.to_numpy(total), [2, 4])
    assert not read.array.is_deleted()
