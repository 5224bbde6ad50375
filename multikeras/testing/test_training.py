"""Training runs on a backend and on NumPy: the same loss, step by step."""
# ruff: noqa: D103 - the name of a test says what it tests

from __future__ import annotations

import numpy as np
import pytest

from multikeras import registry
from multikeras.contract import Backend
from multikeras.testing.networks import NETWORKS, losses


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_dense_network_trains_alike(optimizer: str, tested_backend: Backend) -> None:
    check("dense", optimizer, tested_backend, 40)


@pytest.mark.parametrize("network", sorted(set(NETWORKS) - {"dense"}))
def test_network_trains_alike(network: str, tested_backend: Backend) -> None:
    check(network, "adam", tested_backend, 25)


def check(network: str, optimizer: str, backend: Backend, steps: int) -> None:
    found = losses(network, optimizer, backend, steps)
    expected = losses(network, optimizer, registry.host(), steps)
    assert np.mean(found[-5:]) < 0.9 * np.mean(found[:5]), f"it learned nothing: {found}"
    np.testing.assert_allclose(found, expected, 1e-4)
