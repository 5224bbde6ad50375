"""Factorizations, linear equations and determinants, of stacks of square matrices.

Where a matrix is singular, or not positive definite, what cannot be computed is NaN on every backend:
a program that runs on an accelerator cannot raise.
"""

from __future__ import annotations

from typing import Any

from multikeras.contract import Primitive, primitive
from multikeras.graph import operands
from multikeras.graph.ops.algebra import matmul, swap_last
from multikeras.graph.ops.elementwise import equal, greater_equal, less_equal
from multikeras.graph.ops.rules import first_dtype, float_dtype, full_like, length_of, where
from multikeras.graph.ops.shapes import expand_dims, gather, iota, transpose
from multikeras.graph.tensor import Shape, Tensor


def _square(x: Tensor, *others: Tensor, **attributes: Any) -> Shape:
    if x.ndim < 2 or (x.shape[-1] != x.shape[-2] and None not in x.shape[-2:]):
        raise ValueError(f"Expected a square matrix, or a stack of them, received shape {x.shape}.")
    side = x.shape[-1] if x.shape[-1] is not None else x.shape[-2]
    return (*x.shape[:-2], side, side)


def _equations(a: Tensor, b: Tensor, **attributes: Any) -> Shape:
    square = _square(a)
    if a.ndim != b.ndim or any(
        n != m and n is not None and m is not None for n, m in zip(square[:-1], b.shape[:-1], strict=True)
    ):
        raise ValueError(
            f"Equations with a matrix of shape {a.shape} need a right side of as many axes whose first are "
            f"{square[:-1]}, received {b.shape}."
        )
    return (*[m if m is not None else n for n, m in zip(square[:-1], b.shape[:-1], strict=True)], b.shape[-1])


def _scalars(x: Tensor) -> Shape:
    return _square(x)[:-2]


def _over_matrix(x: Tensor) -> Tensor:
    """Scalars as 1 by 1 matrices."""
    made: Tensor = expand_dims(x, axis=(x.ndim, x.ndim + 1))
    return made


def _places(x: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column numbers, to be compared."""
    rows = iota(length=length_of(x, x.ndim - 2), dtype="int32")
    columns = iota(length=length_of(x, x.ndim - 1), dtype="int32")
    return expand_dims(rows, axis=(1,)), expand_dims(columns, axis=(0,))


def triangle(x: Tensor, lower: bool) -> Tensor:
    """The entries on and below the diagonal (or on and above it), with zeros elsewhere."""
    rows, columns = _places(x)
    return where(greater_equal(rows, columns) if lower else less_equal(rows, columns), x, 0)


# -- factorization --------------------------------------------------------------------------------


def _cholesky_gradient(g: Tensor, out: Tensor, x: Tensor) -> Any:
    # I. Murray, "Differentiation of the Cholesky decomposition", arXiv 1602.07527, equation 10.
    inner = triangle(matmul(swap_last(out), g), True)
    rows, columns = _places(inner)
    inner = where(equal(rows, columns), inner * 0.5, inner)
    left = triangular_solve(out, inner, lower=True, transpose=True)
    both = swap_last(triangular_solve(out, swap_last(left), lower=True, transpose=True))
    return ((both + swap_last(both)) * 0.5,)


cholesky: Primitive = primitive(
    "cholesky",
    shape=_square,
    dtype=float_dtype,
    gradient=_cholesky_gradient,
    doc="Lower triangular L with L times its transpose equal to x, of which the lower triangle is read; the gradient "
    "is that of a symmetric matrix. NaN where x is not positive definite.",
)


# -- equations ------------------------------------------------------------------------------------


def _triangular_gradient(g: Tensor, out: Tensor, a: Tensor, b: Tensor, lower: bool, transpose: bool) -> Any:
    to_b = triangular_solve(a, g, lower=lower, transpose=not transpose)
    to_a = matmul(out, swap_last(to_b)) if transpose else matmul(to_b, swap_last(out))
    return triangle(-to_a, lower), to_b


triangular_solve: Primitive = primitive(
    "triangular_solve",
    shape=_equations,
    dtype=float_dtype,
    gradient=_triangular_gradient,
    doc="X with a X = b, or transposed a X = b, for a triangular a, of which one triangle is read. NaN where a has a "
    "zero on its diagonal.",
)


def _solve_gradient(g: Tensor, out: Tensor, a: Tensor, b: Tensor) -> Any:
    to_b = solve(swap_last(a), g)
    return -matmul(to_b, swap_last(out)), to_b


solve: Primitive = primitive(
    "solve",
    shape=_equations,
    dtype=float_dtype,
    gradient=_solve_gradient,
    doc="X with a X = b. NaN where a is singular.",
)


def _inv_gradient(g: Tensor, out: Tensor, x: Tensor) -> Any:
    turned = swap_last(out)
    return (-matmul(turned, matmul(g, turned)),)


inv: Primitive = primitive(
    "inv", shape=_square, dtype=float_dtype, gradient=_inv_gradient, doc="Inverse matrix. NaN where x is singular."
)


# -- determinants ---------------------------------------------------------------------------------


#: Up to this side, matrices of cofactors are composed of the determinants that define them.
_SMALL = 16


def _cofactor(x: Tensor) -> Tensor:
    side = _square(x)[-1]
    if side is None or side > _SMALL:
        # Side squared determinants would be too many; this is for regular matrices.
        made: Tensor = _over_matrix(det(x)) * swap_last(inv(x))
        return made
    if side < 2:
        return x * 0 + 1
    # Row i of `others` leaves out number i; without row i and column j there remains a minor each.
    others = operands.constant([[n for n in range(side) if n != i] for i in range(side)], "int32")
    last = x.ndim - 1
    cut = gather(gather(x, others, axis=last - 1), others, axis=last + 1)
    minors = transpose(cut, permutation=(*range(last - 1), last - 1, last + 1, last, last + 2))
    signs = operands.constant([[(-1) ** (i + j) for j in range(side)] for i in range(side)], x.dtype)
    return det(minors) * signs


def _cofactor_gradient(g: Tensor, x: Tensor) -> Tensor:
    from multikeras.graph.gradients import gradients

    made = gradients([_cofactor(x)], [x], [g])[0]
    return full_like(x, 0) if made is None else made


#: A primitive, so that its composition is asked for once the side is known.
cofactor_gradient: Primitive = primitive(
    "cofactor_gradient",
    shape=lambda g, x: x.shape,
    dtype=first_dtype,
    gradient="composition",
    composition=_cofactor_gradient,
    doc="Gradient of cofactor.",
)
cofactor: Primitive = primitive(
    "cofactor",
    shape=_square,
    dtype=first_dtype,
    gradient=lambda g, out, x: (cofactor_gradient(g, x),),
    composition=_cofactor,
    doc="Derivative of the determinant by each entry, also of singular matrices; its own gradient is for regular "
    "ones, and for singular ones up to 16 by 16.",
)
det: Primitive = primitive(
    "det",
    shape=_scalars,
    dtype=float_dtype,
    gradient=lambda g, out, x: (_over_matrix(g) * cofactor(x),),
    doc="Determinant.",
)


def _slogdet_gradient(g: list[Tensor | None], out: list[Tensor], x: Tensor) -> Any:
    return (None if g[1] is None else _over_matrix(g[1]) * swap_last(inv(x)),)


slogdet: Primitive = primitive(
    "slogdet",
    shape=lambda x: [_scalars(x)] * 2,
    dtype=lambda x: [float_dtype(x)] * 2,
    gradient=_slogdet_gradient,
    multiple=True,
    doc="Sign of the determinant, and logarithm of its absolute value.",
)
