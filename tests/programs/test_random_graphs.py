"""Random graphs: whole programs against one operation at a time, over several runs with state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import registry
from multikeras.contract import Backend
from multikeras.programs import storage
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


def test_random_graphs_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = registry.load("numpy")
    for seed in range(15):
        monkeypatch.setattr(backend, "longest_program", 1 + seed % 6)
        check(seed, backend, compiled=True)
