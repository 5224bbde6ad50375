"""Matrix products."""

from __future__ import annotations

from math import prod
from typing import Any

from multikeras.backend import common
from multikeras.graph import operands
from multikeras.graph.ops import algebra
from multikeras.graph.tensor import Tensor


def dot(x: Any, y: Any) -> Tensor:
    """Product over the last axis of `x` and the last but one of `y`, as `numpy.dot`.

    Args:
        x: Tensor of shape (…, n).
        y: Tensor of shape (…, n, m), or (n,).

    Returns:
        Tensor of shape `x.shape[:-1] + y.shape[:-2] + y.shape[-1:]`.

    Raises:
        ValueError: If the contracted lengths differ.

    Source: Keras 2.3 `K.dot`.
    """
    x, y = operands.match(x, y)
    if x.ndim == 0 or y.ndim == 0:
        return operands.binary("multiply", x, y)
    place = max(y.ndim - 2, 0)
    _check_equal("dot", x, x.ndim - 1, y, place)
    if x.ndim == 2 and y.ndim == 2:
        made: Tensor = algebra.matmul(x, y)
        return made
    # One matrix product, whatever the number of axes: libraries are slow on stacks of small ones.
    left, right = common.lengths(x)[:-1], common.lengths(y)
    shared = x.shape[-1] if x.shape[-1] is not None else right[place]
    rows = common.reshape(x, [-1, shared]) if x.ndim != 2 else x
    columns = y
    if y.ndim != 2:
        first = common.transpose(y, [place, *[a for a in range(y.ndim) if a != place]])
        columns = common.reshape(first, [shared, -1])
    product = algebra.matmul(rows, columns)
    return common.reshape(product, [*left, *right[:place], *right[place + 1 :]])


def matmul(x: Any, y: Any) -> Tensor:
    """Matrix product over the last two axes, the axes before them broadcast, as `numpy.matmul`.

    Args:
        x: Tensor of shape (…, i, n), or (n,).
        y: Tensor of shape (…, n, j), or (n,).
    """
    x, y = operands.match(x, y)
    left, right = x.ndim == 1, y.ndim == 1
    x = common.expand(x, 0) if left else x
    y = common.expand(y, 1) if right else y
    made: Tensor = algebra.matmul(x, y)
    if left:
        made = made[..., 0, :]
    return made[..., 0] if right else made


def batch_dot(x: Any, y: Any, axes: Any = None) -> Tensor:
    """Product for each sample.

    Args:
        x: Tensor (batch, …).
        y: Tensor (batch, …).
        axes: The axis of each that is contracted, one int for both or a pair; None for the last of
            `x` and the last but one of `y`.

    Returns:
        Tensor whose axes are those of `x` without the contracted one, then those of `y` without
        batch and contracted one; (batch, 1) where only the batch is left.

    Raises:
        ValueError: If an axis is the batch, or lengths differ.

    Source: Keras 2.3 `K.batch_dot`.
    """
    x, y = operands.match(x, y)
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError(f"K.batch_dot takes tensors of two axes or more, received {x!r} and {y!r}.")
    if axes is None:
        axes = (x.ndim - 1, y.ndim - 1 if y.ndim == 2 else y.ndim - 2)
    pair = axes if isinstance(axes, (list, tuple)) else (axes, axes)
    if len(pair) != 2 or any(isinstance(a, (list, tuple)) for a in pair):
        raise ValueError(f"K.batch_dot: axes is an int or a pair of ints, received {axes!r}.")
    a, b = common.one_axis(x, pair[0], "batch_dot"), common.one_axis(y, pair[1], "batch_dot")
    if a == 0 or b == 0:
        raise ValueError(f"K.batch_dot: axes {axes!r} contract the batch axis; use K.dot(K.transpose(x), y) for that.")
    _check_equal("batch_dot", x, a, y, b)
    _check_equal("batch_dot", x, 0, y, 0)
    if x.ndim == 2 and y.ndim == 2:
        if x.dtype == "bool":
            raise ValueError("K.batch_dot takes numbers, received booleans. K.cast(x, 'int32') makes them 0 and 1.")
        return common.total(x * y, (1,), True)
    kept_x = [i for i in range(1, x.ndim) if i != a]
    kept_y = [i for i in range(1, y.ndim) if i != b]
    lengths_x, lengths_y = common.lengths(x), common.lengths(y)
    batch = lengths_x[0] if x.shape[0] is not None else lengths_y[0]
    rows = _grouped(common.transpose(x, [0, *kept_x, a]), [lengths_x[0], _size(x, kept_x), lengths_x[a]])
    columns = _grouped(common.transpose(y, [0, b, *kept_y]), [lengths_y[0], lengths_y[b], _size(y, kept_y)])
    product: Tensor = algebra.matmul(rows, columns)
    result = [batch, *[lengths_x[i] for i in kept_x], *[lengths_y[i] for i in kept_y]]
    return product if len(kept_x) == len(kept_y) == 1 else common.reshape(product, result)


def _grouped(x: Tensor, shape: list[Any]) -> Tensor:
    return x if x.ndim == 3 else common.reshape(x, shape)


def _size(x: Tensor, axes: list[int]) -> Any:
    """Number of entries over some axes: an int, -1 where it is unknown and can be inferred."""
    known = [x.shape[i] for i in axes]
    return -1 if None in known else prod(n for n in known if n is not None)


def _check_equal(function: str, x: Tensor, a: int, y: Tensor, b: int) -> None:
    n, m = x.shape[a], y.shape[b]
    if n is not None and m is not None and n != m:
        raise ValueError(
            f"K.{function}: axis {a} of a tensor of shape {x.shape} and axis {b} of one of shape {y.shape} must have "
            f"equal lengths, received {n} and {m}."
        )
