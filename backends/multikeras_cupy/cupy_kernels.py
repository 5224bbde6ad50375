"""The CuPy backend's kernels: those of `multikeras_arrays`, and some as one launch instead of ten."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from multikeras.contract import Array, Kernel
from multikeras_arrays import array_kernels
from multikeras_arrays.random import check_size, uniform_kernels
from multikeras_arrays.shapes import rows_along
from multikeras_cupy import cuda_source
from multikeras_cupy.cupy_linear_algebra import LINEAR_ALGEBRA_KERNELS
from multikeras_cupy.cupy_special import SPECIAL_KERNELS

#: Patches of a convolution that are in memory at once; larger products than this fill any GPU.
_TILE_BYTES = 1 << 28

#: What CUDA can add atomically, for the types that it cannot: int64 wraps around as uint64 does.
_ACCUMULATORS = {
    "float16": "float32",
    "bool": "int32",
    "int8": "int32",
    "int16": "int32",
    "uint8": "int32",
    "uint16": "int32",
    "int64": "uint64",
}

_RANDOM_BITS = cupy.ElementwiseKernel(
    "raw uint32 key", "uint32 bits", cuda_source.RANDOM_BITS, "multikeras_random_bits", preamble=cuda_source.MIX
)
_FOLD_IN = cupy.ElementwiseKernel(
    "raw uint32 key, raw T number", "uint32 folded", cuda_source.FOLD_IN, "multikeras_fold_in", preamble=cuda_source.MIX
)
_SGD = cupy.ElementwiseKernel("T lr, T momentum, T p, T g, T v", "T p_new, T v_new", cuda_source.SGD, "multikeras_sgd")
_NESTEROV = cupy.ElementwiseKernel(
    "T lr, T momentum, T p, T g, T v", "T p_new, T v_new", cuda_source.NESTEROV, "multikeras_nesterov"
)
_RMSPROP = cupy.ElementwiseKernel(
    "T lr, T rho, T epsilon, T p, T g, T a", "T p_new, T a_new", cuda_source.RMSPROP, "multikeras_rmsprop"
)
_ADAM = cupy.ElementwiseKernel(
    "T lr, T beta_1, T beta_2, T epsilon, T p, T g, T m, T v",
    "T p_new, T m_new, T v_new",
    cuda_source.ADAM,
    "multikeras_adam",
)


def to_numpy(array: Any) -> np.ndarray:
    """The value of a CuPy array, or of a number, as a NumPy array; waits for the device."""
    return array.get() if isinstance(array, cupy.ndarray) else np.asarray(array)


def scatter_add(updates: Array, indices: Array, *, axis: int, size: int) -> Array:
    """Zeros to which `updates` are added along `axis`, at `indices`, in no particular order."""
    rows, restore = rows_along(updates, indices, axis)
    dtype = rows.dtype
    wide = _ACCUMULATORS.get(dtype.name, dtype.name)
    total = cupy.zeros((size, *rows.shape[1:]), wide)
    if rows.size:
        cupy.add.at(total, indices.reshape(-1), rows.astype(wide, copy=False))
    return restore(total.astype(dtype, copy=False))


def random_bits(key: Array, *, shape: tuple[int, ...]) -> Array:
    """Words of 32 random bits."""
    check_size(shape)
    return _RANDOM_BITS(key, cupy.empty(shape, "uint32"))


def fold_in(key: Array, i: Array) -> Array:
    """The key that follows from `key` and a number, without waiting for the device to know it."""
    return _FOLD_IN(key, cupy.asarray(i).reshape((1,)), cupy.empty((2,), "uint32"))


def _steps(
    kernel: Any, scalars: tuple[Array, ...], groups: list[tuple[Array, ...]], in_place: bool
) -> tuple[Array, ...]:
    """One launch a parameter.

    Args:
        kernel: Takes the scalars, a parameter, its gradient and its slots; gives parameter and slots.
        scalars: Arrays without axes.
        groups: Parameters, gradients, and one group a kind of slot.
        in_place: Whether parameters and slots may be overwritten.
    """
    results = []
    for parameter, gradient, *slots in zip(*groups, strict=True):
        updated = (parameter, *slots)
        # A view that repeats entries must not be written.
        written = updated if in_place and all(array.flags.c_contiguous for array in updated) else ()
        results.append(kernel(*scalars, parameter, gradient, *slots, *written))
    return tuple(entry for group in zip(*results, strict=True) for entry in group)


def _grouped(arrays: tuple[Array, ...], kinds: int) -> list[tuple[Array, ...]]:
    count = len(arrays) // kinds
    return [arrays[kind * count : (kind + 1) * count] for kind in range(kinds)]


def sgd_update(lr: Array, momentum: Array, *arrays: Array, nesterov: bool, in_place: bool) -> tuple[Array, ...]:
    """A step of gradient descent with momentum: new parameters, new velocities."""
    return _steps(_NESTEROV if nesterov else _SGD, (lr, momentum), _grouped(arrays, 3), in_place)


def rmsprop_update(lr: Array, rho: Array, epsilon: Array, *arrays: Array, in_place: bool) -> tuple[Array, ...]:
    """A step of RMSprop: new parameters, new mean squares."""
    return _steps(_RMSPROP, (lr, rho, epsilon), _grouped(arrays, 3), in_place)


def adam_update(
    lr: Array, beta_1: Array, beta_2: Array, epsilon: Array, *arrays: Array, in_place: bool
) -> tuple[Array, ...]:
    """A step of Adam: new parameters, new means, new mean squares."""
    return _steps(_ADAM, (lr, beta_1, beta_2, epsilon), _grouped(arrays, 4), in_place)


def cupy_kernels() -> dict[str, Kernel]:
    """Kernels of every primitive, by name."""
    return {
        **array_kernels(cupy, to_numpy=to_numpy, as_strided=cupy.lib.stride_tricks.as_strided, tile_bytes=_TILE_BYTES),
        **uniform_kernels(cupy, random_bits),
        **SPECIAL_KERNELS,
        **LINEAR_ALGEBRA_KERNELS,
        "random_bits": random_bits,
        "fold_in": fold_in,
        "scatter_add": scatter_add,
        "sgd_update": sgd_update,
        "rmsprop_update": rmsprop_update,
        "adam_update": adam_update,
    }
