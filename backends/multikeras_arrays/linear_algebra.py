"""Kernels of stacks of square matrices, by the array module's `linalg`.

NumPy raises where one matrix of a stack is singular; here that one alone becomes NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from multikeras.contract import Array, Kernel
from multikeras_arrays.half import in_float32


def linear_algebra_kernels(xp: Any) -> dict[str, Kernel]:
    """Kernels over the array module `xp`."""

    def one_by_one(function: Callable[..., Array]) -> Callable[..., Array]:
        """`function` of stacks, in which a matrix that it refuses gives NaN."""

        @wraps(function)
        def patient(*stacks: Array) -> Array:
            try:
                return function(*stacks)
            except np.linalg.LinAlgError:
                pass
            made = xp.full(stacks[-1].shape, np.nan, stacks[-1].dtype)
            for place in np.ndindex(made.shape[:-2]):
                try:
                    made[place] = function(*[stack[place] for stack in stacks])
                except np.linalg.LinAlgError:
                    continue
            return made

        return patient

    solve = one_by_one(xp.linalg.solve)

    def triangular_solve(a: Array, b: Array, *, lower: bool, transpose: bool) -> Array:
        # Neither library has a triangular solver of stacks; rows are not exchanged for another sum of squares.
        kept = xp.tril(a) if lower else xp.triu(a)
        return solve(xp.swapaxes(kept, -1, -2) if transpose else kept, b)

    def cofactor(x: Array) -> Array:
        # With x = U S V, the matrix of cofactors is det(U V) U T V, where T holds the products of all other
        # singular values: nothing is divided by the determinant.
        u, s, v = xp.linalg.svd(x)
        ones = xp.ones_like(s[..., :1])
        before = xp.cumprod(xp.concatenate((ones, s[..., :-1]), -1), -1)
        after = xp.flip(xp.cumprod(xp.concatenate((ones, xp.flip(s[..., 1:], -1)), -1), -1), -1)
        sign = xp.linalg.det(xp.matmul(u, v))
        return xp.matmul(u * (before * after * sign[..., None])[..., None, :], v)

    def slogdet(x: Array) -> tuple[Array, Array]:
        wide = x.astype("float32") if x.dtype.char == "e" else x
        sign, logarithm = xp.linalg.slogdet(wide)
        return sign.astype(x.dtype, copy=False), logarithm.astype(x.dtype, copy=False)

    return {
        "cholesky": in_float32(one_by_one(xp.linalg.cholesky)),
        "triangular_solve": in_float32(triangular_solve),
        "solve": in_float32(solve),
        "inv": in_float32(one_by_one(xp.linalg.inv)),
        "det": in_float32(xp.linalg.det),
        "cofactor": in_float32(cofactor),
        "slogdet": slogdet,
    }
