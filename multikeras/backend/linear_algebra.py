"""Factorizations, linear equations and determinants of square matrices, or stacks of them.

Where a matrix is singular, or not positive definite, results are NaN on every backend.
"""

from __future__ import annotations

from typing import Any

from multikeras import config
from multikeras.backend import common
from multikeras.contract import is_float
from multikeras.graph import operands
from multikeras.graph.ops import linear_algebra as ops
from multikeras.graph.ops import shapes
from multikeras.graph.tensor import Tensor


def _matrix(x: Any, function: str) -> Tensor:
    number = common.float_tensor(x)
    if number.ndim < 2 or (number.shape[-1] != number.shape[-2] and None not in number.shape[-2:]):
        raise ValueError(f"K.{function}: expected square matrices (…, n, n), received {number!r}.")
    return number


def cholesky(x: Any) -> Tensor:
    """The lower triangular L whose product with its transpose is `x`.

    Args:
        x: Symmetric, positive definite matrices (…, n, n), of which the lower triangle is read. The
            gradient is that of a symmetric matrix.

    Returns:
        Tensor of the shape of `x`, NaN for a matrix that is not positive definite.
    """
    made: Tensor = ops.cholesky(_matrix(x, "cholesky"))
    return made


def inv(x: Any) -> Tensor:
    """Inverse matrices; NaN for a singular one.

    Args:
        x: Matrices (…, n, n).
    """
    made: Tensor = ops.inv(_matrix(x, "inv"))
    return made


def det(x: Any) -> Tensor:
    """Determinants. Derivatives are right at singular matrices too, from the second on up to 16 by 16.

    Args:
        x: Matrices (…, n, n).

    Returns:
        Tensor of shape `x.shape[:-2]`.
    """
    made: Tensor = ops.det(_matrix(x, "det"))
    return made


def slogdet(x: Any) -> tuple[Tensor, Tensor]:
    """Signs of determinants and logarithms of their absolute values, which neither over- nor underflow.

    Args:
        x: Matrices (…, n, n).

    Returns:
        The signs (0 for a singular matrix), and the logarithms, both of shape `x.shape[:-2]`.
    """
    sign, logarithm = ops.slogdet(_matrix(x, "slogdet"))
    return sign, logarithm


def solve(a: Any, b: Any) -> Tensor:
    """The `x` with `a x = b`; NaN where `a` is singular.

    Args:
        a: Matrices (…, n, n).
        b: Right sides: columns of matrices (…, n, k), or vectors (…, n) where `b` has one axis less
            than `a`, or has only one. The axes before broadcast.

    Returns:
        Tensor of the type in which both meet and of the shape of `b`, broadcast.

    Raises:
        ValueError: If the shapes do not fit.
    """
    left, right, vectors = _equations(a, b, "solve")
    made: Tensor = ops.solve(left, right)
    return _columns(made, vectors)


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Tensor:
    """The `x` with `a x = b` for triangular `a`; NaN where there is a zero on the diagonal.

    Args:
        a: Matrices (…, n, n), of which one triangle is read.
        b: Right sides, as for `K.solve`.
        lower: Whether the lower triangle is read.

    Raises:
        ValueError: If the shapes do not fit.
    """
    left, right, vectors = _equations(a, b, "solve_triangular")
    made: Tensor = ops.triangular_solve(left, right, lower=bool(lower), transpose=False)
    return _columns(made, vectors)


def _equations(a: Any, b: Any, function: str) -> tuple[Tensor, Tensor, bool]:
    """Matrices and right sides of one type and equal leading axes, and whether these were vectors."""
    left, right = operands.match(a, b)
    if not is_float(left.dtype):
        left, right = operands.cast(left, config.floatx()), operands.cast(right, config.floatx())
    left = _matrix(left, function)
    vectors = right.ndim == 1 or right.ndim == left.ndim - 1
    columns = common.expand(right, right.ndim) if vectors else right
    n, m = left.shape[-1], columns.shape[-2] if columns.ndim > 1 else None
    if columns.ndim < 2 or (n is not None and m is not None and n != m):
        raise ValueError(
            f"K.{function}: matrices of shape {left.shape} need right sides of shape (…, {n}, k) or (…, {n}), received "
            f"{right.shape}."
        )
    outer = _outer(left, columns, function)
    return _stacked(left, outer), _stacked(columns, outer), vectors


def _outer(x: Tensor, y: Tensor, function: str) -> list[Any]:
    """The axes before the last two, broadcast: ints, or integer scalars where a length is unknown."""
    outer: list[Any] = []
    for back in range(max(x.ndim, y.ndim), 2, -1):
        held = [(t, t.ndim - back) for t in (x, y) if t.ndim >= back]
        wide = [(t, i) for t, i in held if t.shape[i] != 1] or held
        known = {t.shape[i] for t, i in wide} - {None}
        if len(known) > 1:
            raise ValueError(f"K.{function}: stacks of shapes {x.shape} and {y.shape} do not broadcast.")
        outer.append(known.pop() if known else common.length_of(*wide[0]))
    return outer


def _stacked(x: Tensor, outer: list[Any]) -> Tensor:
    held = x.shape[:-2]
    if len(held) == len(outer) and all(
        n is None or (isinstance(m, int) and n == m) for n, m in zip(held, outer, strict=True)
    ):
        return x
    made: Tensor = shapes.broadcast_to(x, shape=operands.pack([*outer, *common.lengths(x)[-2:]]))
    return made


def _columns(x: Tensor, vectors: bool) -> Tensor:
    made: Tensor = shapes.squeeze(x, axis=(x.ndim - 1,)) if vectors else x
    return made
