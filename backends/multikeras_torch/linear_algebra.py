"""Stacks of square matrices: factorization, equations, determinants.

The functions that would raise where one matrix of a stack is singular are called in the form that
says which; these become NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch

from multikeras.contract import Array, Kernel
from multikeras_torch.dtypes import HALVES


def _wide(function: Callable[..., Array]) -> Kernel:
    """`function`, with 16-bit floats computed in float32."""

    @wraps(function)
    def kernel(*xs: Array, **attributes: bool) -> Array:
        dtype = xs[0].dtype
        if dtype not in HALVES:
            return function(*xs, **attributes)
        return function(*[x.to(torch.float32) for x in xs], **attributes).to(dtype)

    return kernel


def _or_nan(made: Array, failed: Array) -> Array:
    return made.masked_fill_(failed[..., None, None], float("nan"))


def cholesky(x: Array) -> Array:
    """The lower triangular factor."""
    made, info = torch.linalg.cholesky_ex(x)
    return _or_nan(made, info != 0)


def triangular_solve(a: Array, b: Array, *, lower: bool, transpose: bool) -> Array:
    """The solution of equations with a triangular matrix."""
    matrix = a.mT if transpose else a
    made = torch.linalg.solve_triangular(matrix, b, upper=lower == transpose)
    return _or_nan(made, (torch.diagonal(a, dim1=-2, dim2=-1) == 0).any(-1))


def solve(a: Array, b: Array) -> Array:
    """The solution of linear equations."""
    made, info = torch.linalg.solve_ex(a, b)
    return _or_nan(made, info != 0)


def inv(x: Array) -> Array:
    """The inverse."""
    made, info = torch.linalg.inv_ex(x)
    return _or_nan(made, info != 0)


def cofactor(x: Array) -> Array:
    """The matrix of cofactors.

    With x = U S V it is det(U V) U T V, where T holds the products of all other singular values:
    nothing is divided by the determinant.
    """
    u, s, v = torch.linalg.svd(x)
    ones = torch.ones_like(s[..., :1])
    before = torch.cumprod(torch.cat((ones, s[..., :-1]), -1), -1)
    after = torch.cumprod(torch.cat((ones, s[..., 1:].flip(-1)), -1), -1).flip(-1)
    sign = torch.linalg.det(u @ v)
    return (u * (before * after * sign[..., None])[..., None, :]) @ v


def slogdet(x: Array) -> tuple[Array, Array]:
    """Sign of the determinant, and logarithm of its absolute value."""
    sign, logarithm = torch.linalg.slogdet(x.to(torch.float32) if x.dtype in HALVES else x)
    return sign.to(x.dtype), logarithm.to(x.dtype)


LINEAR_ALGEBRA: dict[str, Kernel] = {
    "cholesky": _wide(cholesky),
    "triangular_solve": _wide(triangular_solve),
    "solve": _wide(solve),
    "inv": _wide(inv),
    "det": _wide(torch.linalg.det),
    "cofactor": _wide(cofactor),
    "slogdet": slogdet,
}
