"""The NumPy backend: kernels of `multikeras_arrays`, and NumPy's faster forms of some of them."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from math import prod
from typing import Any

import numpy as np

from multikeras.contract import DTYPES, Array, Backend, DeviceError, DeviceSettings, Kernel
from multikeras_arrays import array_kernels
from multikeras_numpy import numpy_bfloat16
from multikeras_numpy.numpy_elementwise import ELEMENTWISE_KERNELS
from multikeras_numpy.numpy_optimizers import OPTIMIZER_KERNELS
from multikeras_numpy.numpy_random import RANDOM_KERNELS
from multikeras_numpy.numpy_reductions import REDUCTION_KERNELS
from multikeras_numpy.numpy_scatter import scatter_add
from multikeras_numpy.numpy_sorting import SORTING_KERNELS
from multikeras_numpy.numpy_special import SPECIAL_KERNELS

_DTYPES = {name: np.dtype(name) for name in DTYPES if name != "bfloat16"}

#: About the second-level cache of a core: two thirds of the time of whole arrays, and little above or below.
_TILE_BYTES = 1 << 20
_SMALL = 4096
_HEAP_BYTES = 31 << 20


def _keep_heap() -> None:
    """Lets the allocator keep memory of up to 31 MB an array for the next one.

    glibc gives freed memory above 128 kB back to the system, until a larger piece has been freed; a step that
    makes and drops arrays of a megabyte then spends a third of its time on fresh pages. Nothing is touched here.
    """
    np.empty(_HEAP_BYTES, np.uint8)


def _as_strided(x: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    # As numpy.lib.stride_tricks.as_strided, at a fifth of its cost.
    return np.ndarray(shape, x.dtype, x, 0, strides)


def _broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    if prod(shape) > _SMALL:
        return np.broadcast_to(x, shape)
    # A small copy costs a fifth of a view by numpy.broadcast_to.
    y = np.empty(shape, x.dtype)
    y[...] = x
    return y


class NumpyBackend(Backend):
    """Computes with NumPy, on the CPU, at once."""

    name = "numpy"
    title = "NumPy"
    dtypes = frozenset(_DTYPES) | ({"bfloat16"} if numpy_bfloat16.is_installed() else set())
    missing_dtypes = {"bfloat16": numpy_bfloat16.MISSING}
    in_place = True

    def __init__(self, settings: DeviceSettings = DeviceSettings()) -> None:
        super().__init__(settings)
        if settings.kind == "gpu":
            raise DeviceError(
                f"{settings.source} asks for {settings.device!r} and NumPy computes on the CPU alone. Choose "
                "'cpu' or 'auto', or a backend that has GPUs: KERAS_BACKEND=cupy, torch or jax."
            )
        _keep_heap()
        self.kernels = {
            **array_kernels(np, to_numpy=np.asarray, as_strided=_as_strided, tile_bytes=_TILE_BYTES),
            **ELEMENTWISE_KERNELS,
            **REDUCTION_KERNELS,
            **RANDOM_KERNELS,
            **SPECIAL_KERNELS,
            **SORTING_KERNELS,
            **OPTIMIZER_KERNELS,
            "scatter_add": scatter_add,
            "broadcast_to": _broadcast_to,
        }

    def feed(self, value: Any, dtype: str) -> Array:
        return np.asarray(value, _DTYPES.get(dtype) or numpy_bfloat16.bfloat16())

    def own(self, value: Any, dtype: str) -> Array:
        return np.array(value, _DTYPES.get(dtype) or numpy_bfloat16.bfloat16(), order="C")

    def adopt(self, value: np.ndarray, dtype: str) -> Array:
        if not value.flags.writeable:
            return self.own(value, dtype)
        return np.asarray(value, _DTYPES.get(dtype) or numpy_bfloat16.bfloat16(), order="C")

    def kernel(self, name: str, types: frozenset[str]) -> Kernel | None:
        return numpy_bfloat16.bfloat16_kernel(name, self.kernels) if "bfloat16" in types else self.kernels.get(name)

    def copy(self, array: Array) -> Array:
        return np.array(array, order="C")

    def to_numpy(self, array: Array) -> np.ndarray:
        return numpy_bfloat16.widened(np.asarray(array))

    def is_array(self, value: Any) -> bool:
        return isinstance(value, np.ndarray)

    def scope(self) -> AbstractContextManager[Any]:
        # Infinities and NaN are values here, as on every backend, and nothing to warn about.
        return np.errstate(all="ignore")

    def versions(self) -> dict[str, str]:
        versions = {"numpy": np.__version__}
        if "scipy" in sys.modules:
            versions["scipy"] = str(sys.modules["scipy"].__version__)
        return versions
