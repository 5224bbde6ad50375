"""What the functions of `numpy.linalg` mean on tensors.

Where NumPy raises, for a singular matrix, results are NaN: a program that runs on an accelerator cannot raise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras.backend import common, elementwise, linear_algebra, making, reductions
from multikeras.backend.numpy_protocol import TABLE, meaning
from multikeras.backend.numpy_shapes import _diagonal, _matrix_transpose, _places, _trace
from multikeras.backend.products import matmul
from multikeras.graph import operands
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor


@meaning(np.linalg.inv)
def _inv(a: Any) -> Any:
    return linear_algebra.inv(a)


@meaning(np.linalg.det)
def _det(a: Any) -> Any:
    return linear_algebra.det(a)


@meaning(np.linalg.slogdet)
def _slogdet(a: Any) -> Any:
    return linear_algebra.slogdet(a)


@meaning(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    made = linear_algebra.cholesky(_matrix_transpose(a) if upper else a)
    return _matrix_transpose(made) if upper else made


@meaning(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    left, right = operands.match(a, b)
    # Only a single vector is one here; K.solve also takes a stack of them.
    if right.ndim > 1 and right.ndim == left.ndim - 1:
        right = common.expand(right, 0)
    return linear_algebra.solve(left, right)


@meaning(np.linalg.matrix_power)
def _matrix_power(a: Any, n: int) -> Any:
    base = common.float_tensor(a) if n < 0 else common.tensor(a)
    if n < 0:
        base, n = linear_algebra.inv(base), -n
    result: Tensor | None = None
    while n:
        if n & 1:
            result = base if result is None else matmul(result, base)
        n >>= 1
        if n:
            base = matmul(base, base)
    if result is not None:
        return common.fresh(result)
    rows, columns = _places(base)
    return select(elementwise.equal(rows, columns), making.ones_like(base), 0)


@meaning(np.linalg.diagonal)
def _last_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return _diagonal(x, offset, -2, -1)


@meaning(np.linalg.trace)
def _last_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return _trace(x, offset, -2, -1, dtype)


TABLE[np.linalg.matmul] = matmul


# -- norms ----------------------------------------------------------------------------------------


@meaning(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    number = common.float_tensor(x)
    if axis is None and ord is None:
        return reductions.norm(number, None, keepdims)
    if axis is None and number.ndim > 2:
        raise ValueError(f"np.linalg.norm: with ord={ord!r} a tensor of {number.ndim} axes needs an axis.")
    axes = range(number.ndim) if axis is None else axis if isinstance(axis, (list, tuple)) else [axis]
    places = [common.one_axis(number, a, "norm") for a in axes]
    return (
        _of_vectors(number, ord, places, keepdims) if len(places) == 1 else _of_matrices(number, ord, places, keepdims)
    )


def _of_vectors(x: Tensor, order: Any, axes: list[int], keepdims: bool) -> Any:
    if order is None or order == 2:
        return reductions.norm(x, axes, keepdims)
    size = elementwise.abs(x)
    if order == np.inf:
        return reductions.max(size, axes, keepdims)
    if order == -np.inf:
        return reductions.min(size, axes, keepdims)
    if order == 0:
        return reductions.sum(making.cast(elementwise.not_equal(x, 0), x.dtype), axes, keepdims)
    if isinstance(order, (int, float)):
        total = reductions.sum(size if order == 1 else size**order, axes, keepdims)
        return total if order == 1 else total ** (1 / order)
    raise ValueError(f"np.linalg.norm: ord={order!r} is no norm of vectors.")


def _of_matrices(x: Tensor, order: Any, axes: list[int], keepdims: bool) -> Any:
    if order is None or order == "fro":
        return reductions.norm(x, axes, keepdims)
    if not isinstance(order, (int, float)) or abs(order) not in (1, np.inf):
        raise TypeError(
            f"np.linalg.norm on tensors has no matrix norm ord={order!r}, which needs singular values. There are "
            "'fro', 1, -1, inf and -inf."
        )
    # The sums are those of columns for 1, of rows for infinity.
    first, second = axes if abs(order) == 1 else axes[::-1]
    sums = reductions.sum(elementwise.abs(x), first, True)
    extreme = reductions.max if order > 0 else reductions.min
    made = extreme(sums, second, True)
    return made if keepdims else reductions.sum(made, axes)
