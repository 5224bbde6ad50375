"""Reductions by NumPy's `reduce` methods: half the cost of `numpy.sum` and its like on small arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras.contract import Array, Kernel


def _keeping(ufunc: np.ufunc) -> Kernel:
    """The reduction by `ufunc` that keeps the data type, where NumPy would widen."""
    reduce: Any = ufunc.reduce

    def kernel(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
        dtype = x.dtype
        if dtype.char in "fd":
            return reduce(x, axis, None, None, keepdims)
        if dtype.char == "e":
            return reduce(x, axis, "float32", None, keepdims).astype(dtype)
        return reduce(x, axis, dtype, None, keepdims)

    return kernel


def _plain(ufunc: np.ufunc) -> Kernel:
    reduce: Any = ufunc.reduce

    def kernel(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
        return reduce(x, axis, None, None, keepdims)

    return kernel


REDUCTION_KERNELS: dict[str, Kernel] = {
    "reduce_sum": _keeping(np.add),
    "reduce_prod": _keeping(np.multiply),
    "reduce_max": _plain(np.maximum),
    "reduce_min": _plain(np.minimum),
    "reduce_any": _plain(np.logical_or),
    "reduce_all": _plain(np.logical_and),
}
