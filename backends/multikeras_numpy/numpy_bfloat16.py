"""bfloat16 on NumPy, which has the type through the package ml_dtypes: computed in float32, and rounded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from multikeras.contract import Array, Kernel

NAME = "bfloat16"
MISSING = (
    "NumPy has bfloat16 through the package ml_dtypes, which is not installed: pip install ml_dtypes. Or choose a "
    "backend that has it: KERAS_BACKEND=torch or jax."
)

#: Kernels that move entries and change none, and those that call bodies: they take arrays as they are.
_AS_THEY_ARE = frozenset(
    {
        "reshape", "transpose", "broadcast_to", "concatenate", "split", "slice", "place", "flip", "identity", "gather",
        "expand_dims", "squeeze", "stop_gradient", "scan", "while_loop", "cond",
    }
)  # fmt: skip


@cache
def is_installed() -> bool:
    """Whether there is such a type; ml_dtypes is not imported before it is needed."""
    return find_spec("ml_dtypes") is not None


@cache
def bfloat16() -> np.dtype[Any]:
    """NumPy's type of that name."""
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16)


def widened(array: Any) -> Any:
    """An array of bfloat16 as one of float32, any other unchanged."""
    return array.astype("float32") if array.dtype.name == NAME else array


def bfloat16_kernel(name: str, kernels: Mapping[str, Kernel]) -> Kernel | None:
    """The kernel of a primitive of which an input or a result is bfloat16; None where there is none.

    Args:
        name: The primitive.
        kernels: The kernels for all other types.
    """
    if name == "cast":
        return _cast
    if name == "random_uniform":
        return _random_uniform(kernels)
    kernel = kernels.get(name)
    if kernel is None or name in _AS_THEY_ARE:
        return kernel
    return _in_float32(kernel)


def _cast(x: Array, *, dtype: str) -> Array:
    return x.astype(bfloat16() if dtype == NAME else dtype)


def _random_uniform(kernels: Mapping[str, Kernel]) -> Kernel:
    def random_uniform(key: Array, *, shape: tuple[int, ...], dtype: str) -> Array:
        # Eight bits, since more would be rounded, and the largest to 1.
        bits = kernels["random_bits"](key, shape=shape) >> np.uint32(24)
        return (bits.astype("float32") * np.float32(2.0**-8)).astype(bfloat16())

    return random_uniform


def _in_float32(kernel: Kernel) -> Kernel:
    def run(*inputs: Array, **attributes: Any) -> Any:
        if attributes.get("dtype") == NAME:
            attributes["dtype"] = "float32"
        if "outputs" in attributes:
            # Functions on the host get and give float32, as from every backend.
            attributes["outputs"] = tuple((s, "float32" if t == NAME else t) for s, t in attributes["outputs"])
        if "in_place" in attributes:
            attributes["in_place"] = False
        made = kernel(*[widened(x) if isinstance(x, np.ndarray | np.generic) else x for x in inputs], **attributes)
        return tuple(map(_narrowed, made)) if isinstance(made, tuple) else _narrowed(made)

    return run


def _narrowed(array: Any) -> Any:
    narrow = isinstance(array, np.ndarray | np.generic) and array.dtype == "float32"
    return array.astype(bfloat16()) if narrow else array
