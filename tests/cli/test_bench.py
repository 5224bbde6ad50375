"""`multikeras bench`: its parts, and a short run on every backend that is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras.cli import bench, bench_worker
from tests.conftest import Python

OPTIONS = {"model": "mlp", "steps": 3, "batch_size": 8, "seed": 1}


def result(losses: list[float], speed: float = 100.0) -> dict[str, Any]:
    return {"losses": losses, "steps_per_second": speed}


def test_losses_are_compared_with_numpy() -> None:
    results = {"jax": result([1.0, 0.5]), "numpy": result([1.0, 0.4]), "torch": result([2.0, 0.4])}
    bench.compare(results)
    assert {each["compared_with"] for each in results.values()} == {"numpy"}
    assert results["numpy"]["difference"] == 0
    assert results["jax"]["difference"] == pytest.approx(0.25)
    assert results["torch"]["difference"] == pytest.approx(1.0)
    others = {"torch": result([1.0]), "jax": result([1.1])}
    bench.compare(others)
    assert others["jax"]["compared_with"] == "torch"
    bench.compare({})


def test_losses_that_are_no_numbers_are_no_agreement() -> None:
    results = {"numpy": result([1.0, 1.0]), "jax": result([1.0, float("nan")])}
    bench.compare(results)
    assert not results["jax"]["difference"] < 1e300


def test_lines_that_are_no_events() -> None:
    assert bench._event('{"event": "step", "step": 1}\n') == {"event": "step", "step": 1}
    for line in ("a library says hello", "[1, 2]", '{"a": 1}', ""):
        assert bench._event(line) == {}


def test_batches_are_those_of_the_seed() -> None:
    first = list(bench_worker._batches(20, 8, 5, seed=3))
    again = list(bench_worker._batches(20, 8, 5, seed=3))
    np.testing.assert_array_equal(first, again)
    assert [len(set(rows)) for rows in first] == [8] * 5
    # No sample comes twice in a round.
    assert len(set(np.concatenate(first[:2]))) == 16
    assert not np.array_equal(first, list(bench_worker._batches(20, 8, 5, seed=4)))


def test_peak_memory_is_counted_in_bytes() -> None:
    peak = bench_worker._peak_memory()
    assert peak is None or 20 * 2**20 < peak < 64 * 2**30


@pytest.mark.parametrize("count", [1, 3])
def test_picture(tmp_path: Path, count: int) -> None:
    pytest.importorskip("matplotlib")
    from multikeras.cli.plot import draw

    names = ("numpy", "jax", "somebody.else")[:count]
    results = {name: result([2.0, 1.0 + number, 0.5]) for number, name in enumerate(names)}
    bench.compare(results)
    draw(results, OPTIONS, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_uses(python: Python) -> None:
    for arguments, word in (
        (["--backends", "jaxx"], "Unknown backend 'jaxx'"),
        (["--steps", "1", "--epochs", "1"], "same thing"),
        (["--model", "gpt"], "gpt"),
        (["--steps", "0"], "--steps"),
    ):
        process = python("-m", "multikeras", "bench", *arguments)
        assert process.returncode == 2
        assert word in process.stderr
        assert "Traceback" not in process.stderr


@pytest.mark.slow
def test_backend_that_fails_is_told(python: Python, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "failing.py").write_text("raise ImportError('out of order')")
    (tmp_path / "site" / "a").mkdir()
    (tmp_path / "site" / "a" / "b.py").write_text("raise ImportError('out of order')")
    arguments = ("-m", "multikeras", "bench", "--backends", "a.b", "--steps", "2")
    process = python(*arguments, path=tmp_path / "site")
    assert process.returncode == 1
    assert "a.b failed" in process.stdout
    assert "out of order" in process.stdout


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(bench_worker.MODELS))
def test_every_backend(python: Python, tmp_path: Path, model: str) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    report, picture = tmp_path / "report.json", tmp_path / "picture.png"
    process = python(
        *("-m", "multikeras", "bench", "--model", model, "--steps", "30"),
        *("--json", str(report), "--plot", str(picture)),
    )
    assert process.returncode == 0, process.stdout + process.stderr
    content = json.loads(report.read_text())
    results = content["results"]
    assert next(iter(results)) == "numpy"
    finished = {name: each for name, each in results.items() if "losses" in each}
    for name, each in results.items():
        assert name in finished or "no GPU" in each["reason"] or "device" in each["reason"].lower(), each
    for name, each in finished.items():
        assert each["backend"] == name
        assert len(each["losses"]) == 30
        assert each["losses"][-1] < each["losses"][0]
        assert each["difference"] < 1e-4, name
        assert each["first_step_seconds"] > 0
        assert each["steps_per_second"] > 0
        assert name in process.stdout
    assert "Apart: " in process.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_worker_is_an_ordinary_program() -> None:
    # `python -m multikeras.cli.bench_worker` starts as every import does, unlike the command line.
    process = subprocess.run(
        [sys.executable, "-m", "multikeras.cli.bench_worker", "{}"], capture_output=True, text=True, check=False
    )
    assert "Using" in process.stderr
    assert "KeyError" in process.stderr
