"""Functions that reduce axes: sums, means, extremes, and running sums."""

from __future__ import annotations

from typing import Any

from multikeras.backend import common
from multikeras.backend.elementwise import as_bool
from multikeras.graph import operands
from multikeras.graph.ops import elementwise, special
from multikeras.graph.ops import reductions as ops
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Largest entry; equal ones share the gradient.

    Args:
        x: Tensor.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    return _extreme("max", "any", x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Smallest entry; equal ones share the gradient.

    Args:
        x: Tensor.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    return _extreme("min", "all", x, axis, keepdims)


def _extreme(name: str, of_booleans: str, x: Any, axis: Any, keepdims: bool) -> Tensor:
    number = common.tensor(x)
    word = of_booleans if number.dtype == "bool" else name
    made: Tensor = getattr(ops, f"reduce_{word}")(
        number, axis=common.all_axes(number, axis, name), keepdims=bool(keepdims)
    )
    return made


def _countable(x: Any) -> Tensor:
    number = common.tensor(x)
    return operands.cast(number, "int32") if number.dtype == "bool" else number


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Sum, in the type of `x`; of booleans in int32. 16-bit floats are summed in float32.

    Args:
        x: Tensor.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    number = _countable(x)
    return common.total(number, common.all_axes(number, axis, "sum"), bool(keepdims))


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Product, in the type of `x`; of booleans in int32.

    Args:
        x: Tensor.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    number = _countable(x)
    made: Tensor = ops.reduce_prod(number, axis=common.all_axes(number, axis, "prod"), keepdims=bool(keepdims))
    return made


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Mean; of integers and booleans in floatx.

    Args:
        x: Tensor.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    number = common.float_tensor(x)
    axes = common.all_axes(number, axis, "mean")
    # The sum of many float16 numbers can be above 65504 where their mean is not.
    return operands.cast(common.average(common.wide(number), axes, bool(keepdims)), number.dtype)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Population variance.

    Args:
        x: Tensor; integers become floatx.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    number = common.float_tensor(x)
    return operands.cast(_variance(common.wide(number), axis, keepdims, "var"), number.dtype)


def _variance(x: Tensor, axis: Any, keepdims: bool, function: str) -> Tensor:
    axes = common.all_axes(x, axis, function)
    centred = x - common.average(x, axes, True)
    return common.average(centred * centred, axes, bool(keepdims))


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Population standard deviation; the gradient of equal entries is 0.

    Args:
        x: Tensor; integers become floatx.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    number = common.float_tensor(x)
    # relu keeps the infinite slope at 0 from becoming NaN; a variance is never below 0.
    root = elementwise.sqrt(elementwise.relu(_variance(common.wide(number), axis, keepdims, "std")))
    return operands.cast(root, number.dtype)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any entry holds, a bool tensor.

    Args:
        x: Bool tensor, or numbers that hold where they are not 0.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    held = as_bool(x)
    made: Tensor = ops.reduce_any(held, axis=common.all_axes(held, axis, "any"), keepdims=bool(keepdims))
    return made


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all entries hold, a bool tensor.

    Args:
        x: Bool tensor, or numbers that hold where they are not 0.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    held = as_bool(x)
    made: Tensor = ops.reduce_all(held, axis=common.all_axes(held, axis, "all"), keepdims=bool(keepdims))
    return made


def argmax(x: Any, axis: int | None = -1) -> Tensor:
    """Index of the largest entry along one axis, the first of equal ones; int64.

    Args:
        x: Tensor.
        axis: Axis; None for the index into all entries in order.
    """
    return _index(ops.argmax, x, axis, "argmax")


def argmin(x: Any, axis: int | None = -1) -> Tensor:
    """Index of the smallest entry along one axis, the first of equal ones; int64.

    Args:
        x: Tensor.
        axis: Axis; None for the index into all entries in order.
    """
    return _index(ops.argmin, x, axis, "argmin")


def _index(primitive: Any, x: Any, axis: int | None, function: str) -> Tensor:
    number = _countable(x)
    if axis is None:
        number, axis = common.reshape(number, [-1]), 0
    made: Tensor = primitive(number, axis=common.one_axis(number, axis, function))
    return made


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Logarithm of the sum of exponentials, without overflow.

    Args:
        x: Tensor; integers become floatx.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    number = common.float_tensor(x)
    wide = common.wide(number)
    axes = common.all_axes(wide, axis, "logsumexp")
    largest = elementwise.stop_gradient(ops.reduce_max(wide, axis=axes, keepdims=True))
    # An infinite largest entry would give inf - inf.
    largest = select(elementwise.isfinite(largest), largest, 0)
    added = elementwise.log(common.total(elementwise.exp(wide - largest), axes, True)) + largest
    if not keepdims:
        added = ops.reduce_sum(added, axis=axes, keepdims=False)
    return operands.cast(added, number.dtype)


def norm(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Square root of the sum of squares; the gradient at 0 is 0.

    Args:
        x: Tensor; integers become floatx.
        axis: Int or list of ints, negative ones count from the end; None for all.
        keepdims: Whether reduced axes stay with length 1.
    """
    number = common.float_tensor(x)
    wide = common.wide(number)
    squares = common.total(wide * wide, common.all_axes(wide, axis, "norm"), bool(keepdims))
    return operands.cast(elementwise.sqrt(elementwise.relu(squares)), number.dtype)


def cumsum(x: Any, axis: int = 0) -> Tensor:
    """Running sum along an axis.

    Args:
        x: Tensor.
        axis: Axis.
    """
    number = _countable(x)
    made: Tensor = ops.cumsum(number, axis=common.one_axis(number, axis, "cumsum"), reverse=False)
    return made


def cumprod(x: Any, axis: int = 0) -> Tensor:
    """Running product along an axis.

    Args:
        x: Tensor.
        axis: Axis.
    """
    number = _countable(x)
    made: Tensor = special.cumprod(number, axis=common.one_axis(number, axis, "cumprod"), reverse=False)
    return made
