"""Random graphs: whole programs against one operation at a time, over several runs with state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import registry
from multikeras.contract import Backend
from multikeras.graph.gradients import gradients
from multikeras.graph.ops import elementwise, reductions
from multikeras.programs import storage
from multikeras.testing import run
from multikeras.testing.running import program
from tests.programs.random_graphs import RandomGraph, node_by_node

SEEDS = {"numpy": 40, "torch": 25, "jax": 4}


def check(seed: int, backend: Backend, compiled: bool) -> None:
    graph = RandomGraph(seed)
    x = np.random.default_rng(seed + 1000).normal(size=(3, 4))
    made, arrays = program(graph.outputs, {graph.x: x}, updates=graph.updates, backend=backend, compiled=compiled)
    kept: list[tuple[Any, np.ndarray]] = []
    for _ in range(3):
        expected, stored = node_by_node(graph, x)
        with backend.scope():
            results = made.run(arrays)
        for found, wanted in zip(results, expected, strict=True):
            np.testing.assert_allclose(backend.to_numpy(found), wanted, 1e-7, 1e-9, err_msg=f"seed {seed}")
            kept.append((found, np.array(wanted)))
        for v, value in stored.items():
            np.testing.assert_allclose(storage.read(v), value, 1e-7, 1e-9, err_msg=f"seed {seed}, stored")
    # What was given away stays as it was, whatever was computed and stored since.
    for found, wanted in kept:
        np.testing.assert_allclose(backend.to_numpy(found), wanted, 1e-7, 1e-9, err_msg=f"seed {seed}, kept")
    np.testing.assert_array_equal(x, np.random.default_rng(seed + 1000).normal(size=(3, 4)))


@pytest.mark.parametrize("name", sorted(SEEDS))
@pytest.mark.parametrize("compiled", [True, False])
def test_random_graphs(name: str, compiled: bool) -> None:
    if not registry.installed()[name].installed:
        pytest.skip(f"{name} is not installed")
    backend = registry.load(name)
    for seed in range(SEEDS[name]):
        check(seed, backend, compiled)


def test_gradients_of_random_graphs() -> None:
    for seed in range(60):
        graph = RandomGraph(seed, 15, smooth=True)
        results = [elementwise.tanh(t) for t in graph.pool if t.dtype == "float64" and t.primitive is not None][-4:]
        loss: Any = sum(reductions.reduce_sum(t, axis=tuple(range(t.ndim)), keepdims=False) for t in results)
        targets = [graph.x, *graph.variables[:4]]
        generator = np.random.default_rng(seed)
        at = {t: generator.normal(size=(3, 4) if t is graph.x else t.shape) for t in targets}
        along = {t: generator.normal(size=value.shape) for t, value in at.items()}

        def moved(tensor: Any, step: float, at: Any = at, along: Any = along) -> float:
            return float(run(tensor, {t: at[t] + step * along[t] for t in at}, backend="numpy"))

        slopes = gradients([loss], targets)
        products = [
            reductions.reduce_sum(g * along[t], axis=tuple(range(g.ndim)), keepdims=False)
            for t, g in zip(targets, slopes, strict=True)
            if g is not None
        ]
        if not products:
            continue
        slope: Any = sum(products)
        for made, of in ((slope, loss), (None, slope)):
            if made is None:
                twice = [g for g in zip(targets, gradients([slope], targets), strict=True) if g[1] is not None]
                made = sum(
                    reductions.reduce_sum(g * along[t], axis=tuple(range(g.ndim)), keepdims=False) for t, g in twice
                )
                if not twice:
                    continue
            by_difference = (moved(of, 1e-5) - moved(of, -1e-5)) / 2e-5
            scale = 1 + abs(by_difference)
            assert abs(moved(made, 0) - by_difference) < 2e-5 * scale, f"seed {seed}"


def test_random_graphs_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = registry.load("numpy")
    for seed in range(15):
        monkeypatch.setattr(backend, "longest_program", 1 + seed % 6)
        check(seed, backend, compiled=True)
