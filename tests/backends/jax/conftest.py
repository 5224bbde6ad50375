"""The JAX backend on the CPU, its kernels, and runs of single kernels against NumPy."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("jax") else ["test_*.py"]


@pytest.fixture(scope="session")
def backend() -> Any:
    from multikeras.contract import DeviceSettings
    from multikeras_jax import JaxBackend

    return JaxBackend(DeviceSettings("cpu"))


@pytest.fixture
def kernels(backend: Any) -> Any:
    """The kernels as attributes; the test runs inside the backend's scope."""
    with backend.scope():
        yield SimpleNamespace(**backend.kernels)


@pytest.fixture
def compiled(backend: Any) -> Callable[..., Any]:
    """Calls a function of arrays compiled, and returns its results as NumPy arrays."""

    def run(function: Callable[..., tuple[Any, ...]], *arrays: Any) -> list[Any]:
        with backend.scope():
            return [backend.to_numpy(array) for array in backend.compile(function, ())(*arrays)]

    return run
