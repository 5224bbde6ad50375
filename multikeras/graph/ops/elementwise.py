"""Primitives that work entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikeras.contract import PRIMITIVES, Primitive, is_float, primitive
from multikeras.graph import operands
from multikeras.graph.ops.rules import (
    broadcast,
    comparison_dtype,
    first_dtype,
    first_shape,
    float_dtype,
    number_dtype,
    same_dtype,
    where,
    zeros_like,
)
from multikeras.graph.tensor import Tensor

Rule = Callable[..., Any]


def _unary(name: str, doc: str, gradient: Rule | None, dtype: Rule = float_dtype) -> Primitive:
    return primitive(name, shape=first_shape, dtype=dtype, gradient=gradient, doc=doc, elementwise=True)


def _binary(name: str, doc: str, gradient: Rule | None, dtype: Rule = number_dtype) -> Primitive:
    return primitive(name, shape=broadcast, dtype=dtype, gradient=gradient, doc=doc, elementwise=True, broadcasts=True)


def _integers(*inputs: Tensor, **attributes: Any) -> str:
    dtype = same_dtype(*inputs)
    if is_float(dtype) or dtype == "bool":
        raise ValueError(f"Expected integers, received {dtype}.")
    return dtype


def _booleans(*inputs: Tensor, **attributes: Any) -> str:
    if any(x.dtype != "bool" for x in inputs):
        raise ValueError(f"Expected booleans, received {', '.join(x.dtype for x in inputs)}. Compare first.")
    return "bool"


identity: Primitive = _unary("identity", "The same value, as a new tensor.", lambda g, out, x: (g,), first_dtype)
negative: Primitive = _unary("negative", "-x.", lambda g, out, x: (-g,), number_dtype)
abs_: Primitive = _unary(
    "abs", "Absolute value; the gradient at 0 is 0.", lambda g, out, x: (g * sign(x),), number_dtype
)
sign: Primitive = _unary("sign", "-1, 0 or 1; constant almost everywhere.", None, number_dtype)
floor: Primitive = _unary("floor", "Largest integer not above; constant almost everywhere.", None)
ceil: Primitive = _unary("ceil", "Smallest integer not below; constant almost everywhere.", None)
round_: Primitive = _unary("round", "Nearest integer, halves to even; constant almost everywhere.", None)
exp: Primitive = _unary("exp", "e to the power x.", lambda g, out, x: (g * out,))
expm1: Primitive = _unary("expm1", "exp(x) - 1, accurate near 0.", lambda g, out, x: (g * (out + 1),))
log: Primitive = _unary("log", "Natural logarithm.", lambda g, out, x: (g / x,))
log1p: Primitive = _unary("log1p", "log(1 + x), accurate near 0.", lambda g, out, x: (g / (x + 1),))
sqrt: Primitive = _unary("sqrt", "Square root, NaN below 0.", lambda g, out, x: (g * 0.5 / out,))
sin: Primitive = _unary("sin", "Sine of an angle in radians.", lambda g, out, x: (g * cos(x),))
cos: Primitive = _unary("cos", "Cosine of an angle in radians.", lambda g, out, x: (-g * sin(x),))
tan: Primitive = _unary("tan", "Tangent of an angle in radians.", lambda g, out, x: (g * (out * out + 1),))
tanh: Primitive = _unary("tanh", "Hyperbolic tangent.", lambda g, out, x: (g * (1 - out * out),))
sigmoid: Primitive = _unary("sigmoid", "1 / (1 + exp(-x)), for any x.", lambda g, out, x: (g * (out * (1 - out)),))
relu: Primitive = _unary(
    "relu", "max(x, 0); the gradient at 0 is 0.", lambda g, out, x: (relu_gradient(g, out),), number_dtype
)
relu_gradient: Primitive = primitive(
    "relu_gradient",
    shape=first_shape,
    dtype=same_dtype,
    gradient=lambda g, out, y, x: (relu_gradient(g, x), None),
    composition=lambda g, out: where(greater(out, operands.scalar(0, out.dtype)), g, 0),
    doc="g where the result of relu is above 0, else 0.",
    elementwise=True,
)
logical_not: Primitive = _unary("logical_not", "Not x.", None, _booleans)


def _bool_of_float(x: Tensor) -> str:
    float_dtype(x)
    return "bool"


isnan: Primitive = _unary("isnan", "Whether an entry is not a number.", None, _bool_of_float)
isfinite: Primitive = _unary("isfinite", "Whether an entry is neither infinite nor NaN.", None, _bool_of_float)

add: Primitive = _binary("add", "x + y.", lambda g, out, x, y: (g, g))
subtract: Primitive = _binary("subtract", "x - y.", lambda g, out, x, y: (g, -g))
multiply: Primitive = _binary("multiply", "x * y.", lambda g, out, x, y: (g * y, g * x))
divide: Primitive = _binary("divide", "x / y.", lambda g, out, x, y: (g / y, -g * out / y), float_dtype)
floor_divide: Primitive = _binary("floor_divide", "Largest integer not above x / y.", None)


def _remainder_gradient(g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> Any:
    return g, -g * floor_divide(x, y)


remainder: Primitive = _binary("remainder", "x - y * floor(x / y); it has the sign of y.", _remainder_gradient)


def _power_gradient(g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> Any:
    # The logarithm of a base that is not positive counts as 0, as the derivative by the exponent
    # does not exist there.
    safe = where(greater(x, zeros_like(x)), x, 1)
    return g * y * power(x, y - 1), g * out * log(safe)


power: Primitive = _binary("power", "x to the power y.", _power_gradient)


def _extremum_gradient(larger: str) -> Rule:
    def rule(g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> Any:
        above = operands.cast(PRIMITIVES[larger](x, y), g.dtype)
        level = operands.cast(equal(x, y), g.dtype) * 0.5
        return g * (above + level), g * (1 - above - level)

    return rule


maximum: Primitive = _binary(
    "maximum", "The larger of two; equal ones share the gradient.", _extremum_gradient("greater"), same_dtype
)
minimum: Primitive = _binary(
    "minimum", "The smaller of two; equal ones share the gradient.", _extremum_gradient("less"), same_dtype
)

equal: Primitive = _binary("equal", "x == y.", None, comparison_dtype)
not_equal: Primitive = _binary("not_equal", "x != y.", None, comparison_dtype)
greater: Primitive = _binary("greater", "x > y.", None, comparison_dtype)
greater_equal: Primitive = _binary("greater_equal", "x >= y.", None, comparison_dtype)
less: Primitive = _binary("less", "x < y.", None, comparison_dtype)
less_equal: Primitive = _binary("less_equal", "x <= y.", None, comparison_dtype)
logical_and: Primitive = _binary("logical_and", "Both hold.", None, _booleans)
logical_or: Primitive = _binary("logical_or", "At least one holds.", None, _booleans)
logical_xor: Primitive = _binary("logical_xor", "Exactly one holds.", None, _booleans)
bitwise_and: Primitive = _binary("bitwise_and", "Bits set in both.", None, _integers)
bitwise_or: Primitive = _binary("bitwise_or", "Bits set in at least one.", None, _integers)
bitwise_xor: Primitive = _binary("bitwise_xor", "Bits set in exactly one.", None, _integers)
shift_left: Primitive = _binary("shift_left", "Bits moved up by y places.", None, _integers)
shift_right: Primitive = _binary("shift_right", "Bits moved down by y places.", None, _integers)


def _where_dtype(condition: Tensor, x: Tensor, y: Tensor) -> str:
    if condition.dtype != "bool":
        raise ValueError(f"The condition must be bool, received {condition.dtype}. Compare first.")
    return same_dtype(x, y)


where_: Primitive = primitive(
    "where",
    shape=broadcast,
    dtype=_where_dtype,
    # The zero is chosen, not multiplied: a NaN in the branch not taken does not reach the result.
    gradient=lambda g, out, condition, x, y: (None, where(condition, g, 0), where(condition, 0, g)),
    doc="Entries of x where the condition holds, of y elsewhere.",
    elementwise=True,
    broadcasts=True,
)


def _cast_gradient(g: Tensor, out: Tensor, x: Tensor, dtype: str) -> Any:
    return (operands.cast(g, x.dtype) if is_float(x.dtype) and is_float(dtype) else None,)


cast: Primitive = primitive(
    "cast",
    shape=first_shape,
    dtype=lambda x, dtype: dtype,
    gradient=_cast_gradient,
    doc="Another data type; float to integer cuts off, number to bool asks whether it is not 0.",
    elementwise=True,
)

#: Where gradients stop: the same value, constant for them.
stop_gradient: Primitive = primitive(
    "stop_gradient",
    shape=first_shape,
    dtype=first_dtype,
    gradient=None,
    composition=lambda x: identity(x),
    doc="The same value, which counts as constant for gradients.",
    elementwise=True,
)
