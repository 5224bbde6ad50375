"""Kernels, run as a program runs them: inside the backend's scope."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from multikeras.contract import Kernel
from multikeras_arrays import array_kernels
from multikeras_numpy import NumpyBackend


@pytest.fixture(params=["the NumPy backend", "the shared kernels"])
def kernels(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Kernel]]:
    """The NumPy backend's kernels; then the shared ones over NumPy, with none of NumPy's own."""
    backend = NumpyBackend()
    with backend.scope():
        if request.param == "the NumPy backend":
            yield backend.kernels
        else:
            yield array_kernels(np, to_numpy=np.asarray, as_strided=as_strided, tile_bytes=1 << 30)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
