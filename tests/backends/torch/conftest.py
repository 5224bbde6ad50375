"""What the tests of the PyTorch backend share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras.contract import DeviceSettings


@pytest.fixture(scope="session")
def backend() -> Any:
    from multikeras_torch import TorchBackend

    return TorchBackend(DeviceSettings("cpu", source="the tests"))


@pytest.fixture
def feed(backend: Any) -> Any:
    """An array from anything; floats are float64 unless a type is named."""

    def make(value: Any, dtype: str | None = None) -> Any:
        array = np.asarray(value)
        return backend.feed(array, dtype or array.dtype.name)

    return make


@pytest.fixture
def run(backend: Any, feed: Any) -> Any:
    """Calls a kernel on NumPy arrays (or arrays of the backend); results come back as NumPy arrays."""
    import torch

    def call(name: str, *xs: Any, **attributes: Any) -> Any:
        with backend.scope():
            arrays = [x if isinstance(x, torch.Tensor | bool | int | float) else feed(x) for x in xs]
            before = [x.clone() if isinstance(x, torch.Tensor) else x for x in arrays]
            result = backend.kernels[name](*arrays, **attributes)
        if not attributes.get("in_place"):
            for x, old in zip(arrays, before, strict=True):
                if isinstance(x, torch.Tensor):
                    np.testing.assert_array_equal(backend.to_numpy(x), backend.to_numpy(old), "an input was written")
        results = result if isinstance(result, tuple) else (result,)
        assert not any(x.requires_grad or x.is_inference() for x in results)
        values = tuple(backend.to_numpy(x) for x in results)
        return values if isinstance(result, tuple) else values[0]

    return call
