"""Data types by name, and the detour for those that PyTorch can store but hardly compute with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import torch

from multikeras.contract import DTYPES, Array, Kernel

#: PyTorch's type of every name.
TORCH: dict[str, torch.dtype] = {name: getattr(torch, name) for name in DTYPES}

#: NumPy's type in which values of every name travel; NumPy has no bfloat16.
NUMPY: dict[str, np.dtype] = {name: np.dtype("float32" if name == "bfloat16" else name) for name in DTYPES}

#: Types whose sums and products are carried in float32.
HALVES = frozenset({torch.float16, torch.bfloat16})

#: Types that PyTorch stores, copies and compares for equality, but for most other functions lacks.
UNSIGNED = frozenset({torch.uint16, torch.uint32})


def by_int64(error: NotImplementedError, function: Callable[..., Any], *xs: Any) -> Any:
    """`function` of 16- and 32-bit unsigned arrays, computed in int64 and wrapped around.

    Args:
        error: What PyTorch raised without this, raised again where no such array is involved.
        function: What to call.
        *xs: Its arrays and numbers; arrays of other types stay as they are.
    """
    dtypes = [x.dtype for x in xs if isinstance(x, torch.Tensor) and x.dtype in UNSIGNED]
    if not dtypes:
        raise error
    result = function(*[x.to(torch.int64) if isinstance(x, torch.Tensor) and x.dtype in UNSIGNED else x for x in xs])
    return result if result.dtype == torch.bool else result.to(dtypes[0])


def with_unsigned(function: Callable[..., Array]) -> Kernel:
    """A kernel that takes uint16 and uint32 too.

    PyTorch is asked first, since a look at the type would cost every other call more than this does.
    """

    @wraps(function)
    def kernel(*xs: Array, **attributes: Any) -> Array:
        try:
            return function(*xs, **attributes)
        except NotImplementedError as error:
            return by_int64(error, lambda *wide: function(*wide, **attributes), *xs)

    return kernel


def binary_with_unsigned(function: Callable[[Array, Array], Array]) -> Kernel:
    """`with_unsigned` for two inputs and no attributes, where every tenth of a microsecond shows."""

    def kernel(x: Array, y: Array) -> Array:
        try:
            return function(x, y)
        except NotImplementedError as error:
            return by_int64(error, function, x, y)

    return kernel
