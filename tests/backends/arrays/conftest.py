"""The NumPy backend's kernels, run as a program runs them: inside the backend's scope."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from multikeras.contract import Kernel
from multikeras_numpy import NumpyBackend


@pytest.fixture
def kernels() -> Iterator[Mapping[str, Kernel]]:
    backend = NumpyBackend()
    with backend.scope():
        yield backend.kernels


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
