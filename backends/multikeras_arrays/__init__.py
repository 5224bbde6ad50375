"""Kernels written once over an array module `xp`, which NumPy's and CuPy's backends share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from multikeras.contract import Array, Kernel
from multikeras_arrays.algebra import algebra_kernels
from multikeras_arrays.control import control_kernels
from multikeras_arrays.convolution import Strided, convolution_kernels
from multikeras_arrays.elementwise import elementwise_kernels
from multikeras_arrays.linear_algebra import linear_algebra_kernels
from multikeras_arrays.loops import loop_kernels
from multikeras_arrays.pooling import pooling_kernels
from multikeras_arrays.random import random_kernels
from multikeras_arrays.reductions import reduction_kernels
from multikeras_arrays.shapes import shape_kernels
from multikeras_arrays.sorting import sorting_kernels
from multikeras_arrays.special import special_kernels

__all__ = ["array_kernels"]


def array_kernels(
    xp: Any, *, to_numpy: Callable[[Array], np.ndarray], as_strided: Strided, tile_bytes: int
) -> dict[str, Kernel]:
    """Kernels of every primitive over a NumPy-like module.

    Args:
        xp: The array module, such as `numpy` or `cupy`.
        to_numpy: The value of one of its arrays as a NumPy array.
        as_strided: Gives a view of a C-contiguous array with other shape and strides.
        tile_bytes: Working memory of one step of a convolution or pooling: what the cache of a CPU
            holds, much more on a GPU.
    """
    return {
        **elementwise_kernels(xp),
        **reduction_kernels(xp),
        **shape_kernels(xp),
        **algebra_kernels(xp),
        **linear_algebra_kernels(xp),
        **loop_kernels(xp),
        **special_kernels(xp),
        **sorting_kernels(xp),
        **random_kernels(xp),
        **convolution_kernels(xp, as_strided=as_strided, tile_bytes=tile_bytes),
        **pooling_kernels(xp, tile_bytes=tile_bytes // 2),
        **control_kernels(xp, to_numpy),
    }
