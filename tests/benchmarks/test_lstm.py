"""The LSTMs that benchmarks compare: references and K.rnn compute the same loss and gradients."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from benchmarks import lstm_step, scan_compile
from benchmarks.references import lstm_numpy
from multikeras import backend as K


def problem(dtype: str = "float32") -> tuple[list[Any], Any, Any]:
    generator = np.random.default_rng(3)
    weights = [w + generator.normal(0, 0.3, w.shape) for w in lstm_numpy.initial_weights(11, 4, 5)]
    x, y = lstm_numpy.sentences(11, 6, 7)
    return [w.astype(dtype) for w in weights], x, y.astype(dtype)


def trainer(kind: str, weights: list[Any]) -> Any:
    if kind.startswith("raw_"):
        pytest.importorskip(kind.removeprefix("raw_"))
        return importlib.import_module(f"benchmarks.references.lstm_{kind.removeprefix('raw_')}").Trainer(weights)
    return lstm_step.KerasTrainer(weights)


def test_numpy_gradients_agree_with_finite_differences() -> None:
    weights, x, y = problem("float64")
    _, gradients = lstm_numpy.Trainer(weights).loss_and_gradients(x, y)
    generator = np.random.default_rng(5)
    size = 1e-6
    for number, gradient in enumerate(gradients):
        direction = generator.standard_normal(gradient.shape)
        losses = []
        for sign in (1, -1):
            moved = list(weights)
            moved[number] = weights[number] + sign * size * direction
            losses.append(lstm_numpy.Trainer(moved).loss_and_gradients(x, y)[0])
        slope = (losses[0] - losses[1]) / (2 * size)
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("kind", ["raw_jax", "raw_torch", "multikeras_numpy", "multikeras_jax", "multikeras_torch"])
def test_loss_and_gradients_agree_with_numpy(kind: str) -> None:
    weights, x, y = problem()
    expected_loss, expected = lstm_numpy.Trainer(weights).loss_and_gradients(x, y)
    pytest.importorskip(kind.split("_")[1])
    with K.use_backend(kind.split("_")[1]):
        made = trainer(kind, weights)
        loss, gradients = made.loss_and_gradients(x, y)
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        for gradient, reference in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(gradient, reference, rtol=1e-3, atol=2e-6)
        losses = [made.step(x, y) for _ in range(4)]
    right = lstm_numpy.Trainer(weights)
    np.testing.assert_allclose(losses, [right.step(x, y) for _ in range(4)], rtol=1e-3)


@pytest.mark.parametrize("kind", scan_compile.KINDS)
def test_loops_whose_compilation_is_timed(kind: str) -> None:
    pytest.importorskip("jax")
    given = scan_compile.arrays(3)
    expected = scan_compile.by_hand(kind, 3)(*given)
    with K.use_backend("jax"):
        made = scan_compile.by_keras(kind, 3)(*given)
    for found, right in zip(made, [expected] if kind == "forward" else expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
