"""The class that multikeras loads: arrays in and out, and the table of kernels."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from minimal_backend import entries, linear, loops, moves, windows
from multikeras.contract import Backend


class MinimalBackend(Backend):
    name = "minimal"
    title = "Minimal"
    kernels = {**entries.KERNELS, **moves.KERNELS, **linear.KERNELS, **windows.KERNELS, **loops.KERNELS}
    dtypes = frozenset({"bool", "uint8", "uint32", "int32", "int64", "float32", "float64"})

    def feed(self, value: Any, dtype: str) -> np.ndarray:
        return np.asarray(value, dtype)

    def own(self, value: Any, dtype: str) -> np.ndarray:
        return np.array(value, dtype)

    def copy(self, array: Any) -> np.ndarray:
        return np.array(array)

    def to_numpy(self, array: Any) -> np.ndarray:
        return np.asarray(array)

    def is_array(self, value: Any) -> bool:
        return isinstance(value, np.ndarray)

    def scope(self) -> AbstractContextManager[Any]:
        # The logarithm of 0 is a value here, and nothing to warn about.
        return np.errstate(all="ignore")
