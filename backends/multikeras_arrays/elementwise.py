"""Kernels that compute entry by entry.

Most are the array module's own functions, bound without a wrapper: a Python function around them
would cost as much as a small addition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikeras.contract import Array, Kernel
from multikeras_arrays.half import in_float32

#: Primitive to the function of the array module that is its kernel as it stands.
BOUND = {
    "negative": "negative",
    "abs": "absolute",
    "sign": "sign",
    "exp": "exp",
    "expm1": "expm1",
    "log": "log",
    "log1p": "log1p",
    "sqrt": "sqrt",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "tanh": "tanh",
    "add": "add",
    "subtract": "subtract",
    "multiply": "multiply",
    "divide": "true_divide",
    "power": "power",
    "floor_divide": "floor_divide",
    "remainder": "remainder",
    "maximum": "maximum",
    "minimum": "minimum",
    "bitwise_and": "bitwise_and",
    "bitwise_or": "bitwise_or",
    "bitwise_xor": "bitwise_xor",
    "shift_left": "left_shift",
    "shift_right": "right_shift",
    "logical_not": "logical_not",
    "logical_and": "logical_and",
    "logical_or": "logical_or",
    "logical_xor": "logical_xor",
    "isnan": "isnan",
    "isfinite": "isfinite",
    "equal": "equal",
    "not_equal": "not_equal",
    "greater": "greater",
    "greater_equal": "greater_equal",
    "less": "less",
    "less_equal": "less_equal",
    "where": "where",
}


def elementwise_kernels(xp: Any) -> dict[str, Kernel]:
    """Kernels of the elementwise primitives over the array module `xp`."""

    def floats_only(function: Callable[[Array], Array]) -> Kernel:
        # NumPy's rint turns integers into float64, and an integer is its own floor.
        def kernel(x: Array) -> Array:
            return function(x) if x.dtype.kind == "f" else x

        return kernel

    def relu(x: Array) -> Array:
        return xp.maximum(x, 0)

    def relu_gradient(g: Array, out: Array) -> Array:
        return xp.where(xp.greater(out, 0), g, xp.zeros((), g.dtype))

    def sigmoid(x: Array) -> Array:
        # 1 / (1 + exp(-x)) keeps its relative accuracy where the result is small, which half of
        # tanh(x / 2) plus a half, faster in float32, does not. Where exp overflows the result is 0.
        e = xp.exp(xp.negative(x))
        return xp.reciprocal(xp.add(e, 1))

    def cast(x: Array, *, dtype: str) -> Array:
        return x.astype(dtype, copy=False)

    def identity(x: Array) -> Array:
        return x

    return {
        **{name: getattr(xp, function) for name, function in BOUND.items()},
        "floor": floats_only(xp.floor),
        "ceil": floats_only(xp.ceil),
        "round": floats_only(xp.rint),
        "relu": relu,
        "relu_gradient": relu_gradient,
        "sigmoid": in_float32(sigmoid),
        "cast": cast,
        "identity": identity,
    }
