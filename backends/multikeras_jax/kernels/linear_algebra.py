"""Stacks of square matrices: factorization, equations, determinants.

Where a matrix is singular all entries are NaN, not infinite or NaN as they happen to come.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import array, narrow, widen


def _wide(function: Callable[..., jax.Array]) -> Kernel:
    """`function`, with 16-bit floats computed in float32."""

    @wraps(function)
    def kernel(*xs: Any, **attributes: Any) -> jax.Array:
        arrays = [array(x) for x in xs]
        return narrow(function(*map(widen, arrays), **attributes), arrays[0].dtype)

    return kernel


def _diagonal(x: jax.Array) -> jax.Array:
    return jnp.diagonal(x, axis1=-2, axis2=-1)


def _or_nan(made: jax.Array, pivots: jax.Array) -> jax.Array:
    """`made` where all pivots of a matrix are numbers other than 0."""
    regular = jnp.all((pivots != 0) & (pivots == pivots), axis=-1)[..., None, None]
    return jnp.where(regular, made, jnp.full_like(made, jnp.nan))


def _cholesky(x: jax.Array) -> jax.Array:
    made = lax.linalg.cholesky(x, symmetrize_input=False)
    return _or_nan(made, _diagonal(made))


def _triangular_solve(a: jax.Array, b: jax.Array, *, lower: bool, transpose: bool) -> jax.Array:
    made = lax.linalg.triangular_solve(a, b, left_side=True, lower=lower, transpose_a=transpose)
    return _or_nan(made, _diagonal(a))


def _solve(a: jax.Array, b: jax.Array) -> jax.Array:
    factors, _, order = lax.linalg.lu(a)
    ordered = jnp.take_along_axis(b, order[..., None], -2)
    half = lax.linalg.triangular_solve(factors, ordered, left_side=True, lower=True, unit_diagonal=True)
    return _or_nan(lax.linalg.triangular_solve(factors, half, left_side=True), _diagonal(factors))


def _inv(x: jax.Array) -> jax.Array:
    return _solve(x, jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape))


def _cofactor(x: jax.Array) -> jax.Array:
    # With x = U S V, the matrix of cofactors is det(U V) U T V, where T holds the products of all other
    # singular values: nothing is divided by the determinant.
    u, s, v = jnp.linalg.svd(x)
    ones = jnp.ones_like(s[..., :1])
    before = jnp.cumprod(jnp.concatenate((ones, s[..., :-1]), -1), -1)
    after = jnp.flip(jnp.cumprod(jnp.concatenate((ones, jnp.flip(s[..., 1:], -1)), -1), -1), -1)
    sign = jnp.linalg.det(jnp.matmul(u, v, precision="highest"))
    return jnp.matmul(u * (before * after * sign[..., None])[..., None, :], v, precision="highest")


def _slogdet(x: Any) -> tuple[jax.Array, jax.Array]:
    x = array(x)
    sign, logarithm = jnp.linalg.slogdet(widen(x))
    return narrow(sign, x.dtype), narrow(logarithm, x.dtype)


KERNELS: dict[str, Kernel] = {
    "cholesky": _wide(_cholesky),
    "triangular_solve": _wide(_triangular_solve),
    "solve": _wide(_solve),
    "inv": _wide(_inv),
    "det": _wide(jnp.linalg.det),
    "cofactor": _wide(_cofactor),
    "slogdet": _slogdet,
}
