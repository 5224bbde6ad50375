"""Kernels written once over an array module `xp`, which NumPy's and CuPy's backends share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from multikeras.contract import Array, Kernel
from multikeras_arrays.algebra import algebra_kernels
from multikeras_arrays.control import control_kernels
from multikeras_arrays.elementwise import elementwise_kernels
from multikeras_arrays.random import random_kernels
from multikeras_arrays.reductions import reduction_kernels
from multikeras_arrays.shapes import shape_kernels

__all__ = ["array_kernels"]


def array_kernels(xp: Any, *, to_numpy: Callable[[Array], np.ndarray]) -> dict[str, Kernel]:
    """Kernels of every primitive over a NumPy-like module.

    Args:
        xp: The array module, such as `numpy` or `cupy`.
        to_numpy: The value of one of its arrays as a NumPy array.
    """
    return {
        **elementwise_kernels(xp),
        **reduction_kernels(xp),
        **shape_kernels(xp),
        **algebra_kernels(xp),
        **random_kernels(xp),
        **control_kernels(xp, to_numpy),
    }
