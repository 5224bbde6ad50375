"""The CuPy backend: devices, and arrays in and out. CuPy is imported when a backend is made."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import numpy as np

from multikeras.contract import DTYPES, Array, Backend, DeviceError, DeviceSettings
from multikeras_cupy.cupy_products import ProductScope


class CupyBackend(Backend):
    """Computes with CuPy, on one NVIDIA GPU."""

    name = "cupy"
    title = "CuPy"
    # CuPy has no bfloat16 arithmetic.
    dtypes = DTYPES - {"bfloat16"}
    in_place = True
    asynchronous = True

    def __init__(self, settings: DeviceSettings = DeviceSettings()) -> None:
        super().__init__(settings)
        if settings.kind == "cpu":
            raise DeviceError(
                f"{settings.source} asks for 'cpu' and CuPy computes on NVIDIA GPUs alone. Choose 'auto' or 'gpu', "
                "or a backend that computes on the CPU: KERAS_BACKEND=numpy, torch or jax."
            )
        self._cupy = _import_cupy()
        self._count = _count_gpus(self._cupy)
        if settings.index >= self._count:
            raise DeviceError(
                f"{settings.source} asks for {settings.device!r} and CuPy finds {', '.join(self.devices())}. Choose "
                "one of these, or 'auto'."
            )
        self._index = settings.index
        from multikeras_cupy.cupy_kernels import cupy_kernels, to_numpy

        self._to_numpy: Callable[[Any], np.ndarray] = to_numpy
        self.kernels = cupy_kernels()

    def feed(self, value: Any, dtype: str) -> Array:
        with self._on_device():
            return self._cupy.asarray(value, dtype)

    def own(self, value: Any, dtype: str) -> Array:
        with self._on_device():
            return self._cupy.array(value, dtype, copy=True, order="C")

    def to_numpy(self, array: Array) -> np.ndarray:
        with self._on_device():
            return self._to_numpy(array)

    def is_array(self, value: Any) -> bool:
        return isinstance(value, self._cupy.ndarray)

    def _on_device(self) -> AbstractContextManager[Any]:
        return self._cupy.cuda.Device(self._index)

    def scope(self) -> AbstractContextManager[Any]:
        return ProductScope(self._on_device(), self.matmul_precision)

    def synchronize(self) -> None:
        self._cupy.cuda.Device(self._index).synchronize()

    def devices(self) -> list[str]:
        return [f"gpu:{index}" for index in range(self._count)]

    @property
    def device(self) -> str:
        return f"gpu:{self._index}"

    @property
    def device_reason(self) -> str:
        if self.settings.kind == "gpu":
            return f"{self.settings.source} asks for {self.settings.device!r}."
        return f"CuPy computes on GPUs alone, and this is the first of {self._count}."

    def versions(self) -> dict[str, str]:
        runtime = self._cupy.cuda.runtime.runtimeGetVersion()
        return {"cupy": self._cupy.__version__, "cuda": f"{runtime // 1000}.{runtime % 1000 // 10}"}


def _import_cupy() -> ModuleType:
    """The package `cupy`.

    Raises:
        ImportError: If it is not installed, or does not load; the message says what to install.
    """
    try:
        import cupy
    except ImportError as error:
        raise ImportError(
            f"The CuPy backend needs the package cupy, which does not load: {error}. Install the one for your CUDA "
            "version, which nvidia-smi shows: pip install cupy-cuda13x, or pip install cupy-cuda12x. Or choose "
            "another backend: KERAS_BACKEND=numpy."
        ) from error
    return cupy


def _count_gpus(cupy: ModuleType) -> int:
    """The number of GPUs that CUDA shows, at least one.

    Raises:
        DeviceError: If there is none.
    """
    try:
        count = cupy.cuda.runtime.getDeviceCount()
        reason = "CUDA shows no device"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        count, reason = 0, str(error)
    if not count:
        raise DeviceError(
            f"CuPy needs an NVIDIA GPU and finds none ({reason}). Check the driver with nvidia-smi, and that "
            "CUDA_VISIBLE_DEVICES does not hide the GPU; or choose another backend: KERAS_BACKEND=numpy, torch or jax."
        )
    return int(count)
