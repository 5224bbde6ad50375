"""Kernels of stacks of square matrices, with NaN where CuPy, which does not raise, leaves remains."""

from __future__ import annotations

from functools import wraps
from typing import Any

import cupy

from multikeras.contract import Array, Kernel
from multikeras_arrays.half import in_float32
from multikeras_arrays.linear_algebra import linear_algebra_kernels

_SHARED = linear_algebra_kernels(cupy)


def _or_nan(made: Array, regular: Array) -> Array:
    return cupy.where(regular, made, cupy.full((), cupy.nan, made.dtype))


def _whole(kernel: Kernel) -> Kernel:
    """`kernel`, whose results are NaN throughout where one entry is not finite."""

    @wraps(kernel)
    def checked(*xs: Array, **attributes: Any) -> Array:
        made = kernel(*xs, **attributes)
        return _or_nan(made, cupy.isfinite(made).all(axis=(-2, -1), keepdims=True))

    return checked


def cholesky(x: Array) -> Array:
    """The lower triangular factor; the factorization stops at a pivot that has no root."""
    made = cupy.linalg.cholesky(x)
    pivots = cupy.diagonal(made, 0, -2, -1)
    return _or_nan(made, (pivots > 0).all(axis=-1)[..., None, None])


def inv(x: Array) -> Array:
    """The inverse, by equations: CuPy's own says nothing of a singular matrix in a stack."""
    return solve(x, cupy.broadcast_to(cupy.eye(x.shape[-1], dtype=x.dtype), x.shape))


solve = _whole(_SHARED["solve"])
LINEAR_ALGEBRA_KERNELS: dict[str, Kernel] = {
    "cholesky": in_float32(cholesky),
    "triangular_solve": _whole(_SHARED["triangular_solve"]),
    "solve": solve,
    "inv": in_float32(inv),
}
