"""The hand-written references compute the same network: a ratio over a wrong reference would say nothing."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from benchmarks.references import common

NETWORKS = {
    "mlp": ((784, 24), (24, 16), (16, 10)),
    "cnn": ((3, 3, 1, 4), (3, 3, 4, 8), (12 * 12 * 8, 16), (16, 10)),
}


def trainer(network: str, library: str, weights: list[common.Array]) -> Any:
    pytest.importorskip(library)
    return importlib.import_module(f"benchmarks.references.{network}_{library}").Trainer(weights)


def weights_of(network: str) -> list[common.Array]:
    generator = np.random.default_rng(3)
    weights = common.initial_weights(NETWORKS[network], seed=2)
    # Biases of zero would hide a bias gradient that is applied to the wrong layer.
    return [w if w.any() else generator.normal(0, 0.1, w.shape).astype(np.float32) for w in weights]


@pytest.mark.parametrize("library", ["jax", "torch"])
@pytest.mark.parametrize("network", NETWORKS)
def test_loss_and_gradients_agree_with_numpy(network: str, library: str) -> None:
    weights = weights_of(network)
    x, y = common.mnist_shaped(12, flat=network == "mlp")
    expected_loss, expected = trainer(network, "numpy", weights).loss_and_gradients(x, y)
    loss, gradients = trainer(network, library, weights).loss_and_gradients(x, y)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert len(gradients) == len(expected)
    for gradient, reference in zip(gradients, expected, strict=True):
        assert gradient.shape == reference.shape
        np.testing.assert_allclose(gradient, reference, rtol=1e-3, atol=2e-6 * max(1.0, float(np.abs(reference).max())))


@pytest.mark.parametrize("network", NETWORKS)
def test_numpy_gradients_agree_with_finite_differences(network: str) -> None:
    weights = [weight.astype(np.float64) for weight in weights_of(network)]
    x, y = common.mnist_shaped(6, flat=network == "mlp")
    x, y = x.astype(np.float64), y.astype(np.float64)
    _, gradients = trainer(network, "numpy", weights).loss_and_gradients(x, y)
    generator = np.random.default_rng(5)
    size = 1e-6
    for number, gradient in enumerate(gradients):
        direction = generator.standard_normal(gradient.shape)
        direction /= np.linalg.norm(direction)
        losses = []
        for sign in (1, -1):
            moved = list(weights)
            moved[number] = weights[number] + sign * size * direction
            losses.append(trainer(network, "numpy", moved).loss_and_gradients(x, y)[0])
        slope = (losses[0] - losses[1]) / (2 * size)
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("library", ["numpy", "jax", "torch"])
@pytest.mark.parametrize("network", NETWORKS)
def test_training_lowers_the_loss(network: str, library: str) -> None:
    x, y = common.mnist_shaped(200, flat=network == "mlp")
    reference = trainer(network, library, weights_of(network))
    run = common.train(reference, x, y, epochs=4, batch_size=48, started=0.0)
    assert len(run.epoch_s) == len(run.loss) == len(run.accuracy) == 4
    assert run.loss[-1] < run.loss[0]
    assert 0 <= run.accuracy[-1] <= 1
