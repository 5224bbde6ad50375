"""Functions that work entry by entry."""

from __future__ import annotations

from typing import Any

from multikeras.backend import common
from multikeras.contract import is_float
from multikeras.graph import operands
from multikeras.graph.ops import elementwise as ops
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor


def square(x: Any) -> Tensor:
    """`x` times `x`.

    Args:
        x: Tensor.
    """
    number = common.tensor(x)
    return operands.binary("multiply", number, number)


def abs(x: Any) -> Tensor:
    """Absolute value.

    Args:
        x: Tensor.
    """
    return operands.unary("abs", x)


def sqrt(x: Any) -> Tensor:
    """Square root; a negative entry counts as 0, and no gradient flows at or below 0.

    Args:
        x: Tensor; integers become floatx.
    """
    # relu's gradient chooses its zero, so the infinite slope of the root at 0 does not become NaN.
    made: Tensor = ops.sqrt(ops.relu(common.float_tensor(x)))
    return made


def exp(x: Any) -> Tensor:
    """E to the power `x`.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.exp(common.float_tensor(x))
    return made


def expm1(x: Any) -> Tensor:
    """exp(x) - 1, accurate near 0.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.expm1(common.float_tensor(x))
    return made


def log(x: Any) -> Tensor:
    """Natural logarithm.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.log(common.float_tensor(x))
    return made


def log1p(x: Any) -> Tensor:
    """log(1 + x), accurate near 0.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.log1p(common.float_tensor(x))
    return made


def round(x: Any) -> Tensor:
    """Nearest integer, halves to the even one.

    Args:
        x: Tensor.
    """
    return _rounded(ops.round_, x)


def floor(x: Any) -> Tensor:
    """Largest integer not above `x`, in the type of `x`.

    Args:
        x: Tensor.
    """
    return _rounded(ops.floor, x)


def ceil(x: Any) -> Tensor:
    """Smallest integer not below `x`, in the type of `x`.

    Args:
        x: Tensor.
    """
    return _rounded(ops.ceil, x)


def _rounded(primitive: Any, x: Any) -> Tensor:
    number = common.tensor(x)
    made: Tensor = primitive(number) if is_float(number.dtype) else ops.identity(number)
    return made


def sign(x: Any) -> Tensor:
    """-1, 0 or 1.

    Args:
        x: Tensor.
    """
    return operands.unary("sign", x)


def pow(x: Any, a: Any) -> Tensor:
    """`x` to the power `a`.

    Args:
        x: Tensor.
        a: Number or tensor.
    """
    return operands.binary("power", x, a)


def clip(x: Any, min_value: Any, max_value: Any) -> Tensor:
    """Every entry limited to an interval.

    Args:
        x: Tensor.
        min_value: Lower bound, a number or tensor; None for none.
        max_value: Upper bound, likewise; one below the lower bound counts as the lower bound.
    """
    if _is_number(min_value) and _is_number(max_value) and max_value < min_value:
        max_value = min_value
    result = common.tensor(x)
    if min_value is not None:
        result = operands.binary("maximum", result, min_value)
    if max_value is not None:
        result = operands.binary("minimum", result, max_value)
    return common.fresh(result) if result is x else result


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def equal(x: Any, y: Any) -> Tensor:
    """Whether entries are equal, a bool tensor.

    Args:
        x: Tensor.
        y: Tensor or number.
    """
    return operands.binary("equal", x, y)


def not_equal(x: Any, y: Any) -> Tensor:
    """Whether entries differ, a bool tensor.

    Args:
        x: Tensor.
        y: Tensor or number.
    """
    return operands.binary("not_equal", x, y)


def greater(x: Any, y: Any) -> Tensor:
    """Whether `x > y`, a bool tensor.

    Args:
        x: Tensor.
        y: Tensor or number.
    """
    return operands.binary("greater", x, y)


def greater_equal(x: Any, y: Any) -> Tensor:
    """Whether `x >= y`, a bool tensor.

    Args:
        x: Tensor.
        y: Tensor or number.
    """
    return operands.binary("greater_equal", x, y)


def less(x: Any, y: Any) -> Tensor:
    """Whether `x < y`, a bool tensor.

    Args:
        x: Tensor.
        y: Tensor or number.
    """
    return operands.binary("less", x, y)


def less_equal(x: Any, y: Any) -> Tensor:
    """Whether `x <= y`, a bool tensor.

    Args:
        x: Tensor.
        y: Tensor or number.
    """
    return operands.binary("less_equal", x, y)


def maximum(x: Any, y: Any) -> Tensor:
    """The larger of two, entry by entry; equal ones share the gradient.

    Args:
        x: Tensor.
        y: Tensor or number.
    """
    return operands.binary("maximum", x, y)


def minimum(x: Any, y: Any) -> Tensor:
    """The smaller of two, entry by entry; equal ones share the gradient.

    Args:
        x: Tensor.
        y: Tensor or number.
    """
    return operands.binary("minimum", x, y)


def sin(x: Any) -> Tensor:
    """Sine of an angle in radians.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.sin(common.float_tensor(x))
    return made


def cos(x: Any) -> Tensor:
    """Cosine of an angle in radians.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.cos(common.float_tensor(x))
    return made


def tan(x: Any) -> Tensor:
    """Tangent of an angle in radians.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.tan(common.float_tensor(x))
    return made


def where(condition: Any, x: Any, y: Any) -> Tensor:
    """Entries of `x` where the condition holds, of `y` elsewhere; the three broadcast.

    No gradient comes from the side that is not taken, as far as this function reaches: to keep a
    logarithm off 0, choose its argument by `where` as well as its result.

    Args:
        condition: Bool tensor; of numbers, whether they are not 0.
        x: Tensor or number.
        y: Tensor or number.
    """
    first, second = operands.match(x, y)
    return select(as_bool(condition), first, second)


def as_bool(x: Any) -> Tensor:
    """A condition as a bool tensor: numbers hold where they are not 0."""
    return operands.cast(common.tensor(x), "bool")


def logical_and(x: Any, y: Any) -> Tensor:
    """Whether both hold.

    Args:
        x: Bool tensor, or numbers that hold where they are not 0.
        y: Likewise.
    """
    made: Tensor = ops.logical_and(as_bool(x), as_bool(y))
    return made


def logical_or(x: Any, y: Any) -> Tensor:
    """Whether at least one holds.

    Args:
        x: Bool tensor, or numbers that hold where they are not 0.
        y: Likewise.
    """
    made: Tensor = ops.logical_or(as_bool(x), as_bool(y))
    return made


def logical_not(x: Any) -> Tensor:
    """Whether it does not hold.

    Args:
        x: Bool tensor, or numbers that hold where they are not 0.
    """
    made: Tensor = ops.logical_not(as_bool(x))
    return made


def isnan(x: Any) -> Tensor:
    """Whether an entry is not a number, a bool tensor.

    Args:
        x: Tensor.
    """
    made: Tensor = ops.isnan(common.float_tensor(x))
    return made


def isfinite(x: Any) -> Tensor:
    """Whether an entry is neither infinite nor NaN, a bool tensor.

    Args:
        x: Tensor.
    """
    made: Tensor = ops.isfinite(common.float_tensor(x))
    return made
