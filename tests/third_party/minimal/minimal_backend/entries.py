"""Kernels that work entry by entry, and those that reduce axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

#: Primitives that are NumPy's function of the same name.
SAME_NAME = """
    negative abs sign floor ceil exp expm1 log log1p sqrt sin cos tan tanh sinh cosh arcsin arccos arctan arctan2
    arcsinh arccosh arctanh isnan isfinite add subtract multiply divide power floor_divide remainder maximum minimum
    equal not_equal greater greater_equal less less_equal logical_not logical_and logical_or logical_xor bitwise_and
    bitwise_or bitwise_xor where matmul
"""


def sigmoid(x: Any) -> Any:
    # The exponential of a number below 0 cannot overflow.
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)


def erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[x.dtype])(x)


def cast(x: Any, *, dtype: str) -> Any:
    return x.astype(dtype)


def reduction(function: Any) -> Any:
    def kernel(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        # In the type of x, where NumPy would widen the sum of small integers.
        return function(x, axis=axis, keepdims=keepdims, dtype=x.dtype)

    return kernel


def cumsum(x: Any, *, axis: int, reverse: bool) -> Any:
    if reverse:
        return np.flip(np.cumsum(np.flip(x, axis), axis, dtype=x.dtype), axis)
    return np.cumsum(x, axis, dtype=x.dtype)


KERNELS = {
    **{name: getattr(np, name) for name in SAME_NAME.split()},
    "round": np.round,
    "relu": lambda x: np.maximum(x, np.zeros((), x.dtype)),
    "sigmoid": sigmoid,
    "erf": erf,
    "shift_left": np.left_shift,
    "shift_right": np.right_shift,
    "cast": cast,
    "reduce_sum": reduction(np.sum),
    "reduce_prod": reduction(np.prod),
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_any": np.any,
    "reduce_all": np.all,
    "argmax": np.argmax,
    "argmin": np.argmin,
    "cumsum": cumsum,
}
