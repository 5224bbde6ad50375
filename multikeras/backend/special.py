"""The error function and what is made of it, inverse and hyperbolic functions."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from multikeras.backend import common
from multikeras.graph import operands
from multikeras.graph.ops import elementwise
from multikeras.graph.ops import special as ops
from multikeras.graph.tensor import Tensor


def erf(x: Any) -> Tensor:
    """Error function: 2 / sqrt(pi) times the integral of exp(-t²) from 0 to `x`.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.erf(common.float_tensor(x))
    return made


def gelu(x: Any, approximate: bool = False) -> Tensor:
    """`x` times the probability that a standard normal number lies below `x`.

    Args:
        x: Tensor; integers become floatx.
        approximate: Whether that probability is approximated by a hyperbolic tangent.

    Source: D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", arXiv 1606.08415, section 2.
    """
    number = common.float_tensor(x)
    wide = common.wide(number)
    if approximate:
        below = elementwise.tanh((wide + wide * wide * wide * 0.044715) * sqrt(2 / pi))
    else:
        below = ops.erf(wide * sqrt(0.5))
    return operands.cast(wide * 0.5 * (below + 1), number.dtype)


def isinf(x: Any) -> Tensor:
    """Whether an entry is infinite, of either sign; a bool tensor.

    Args:
        x: Tensor.
    """
    number = common.float_tensor(x)
    made: Tensor = operands.binary("equal", elementwise.abs_(number), float("inf"))
    return made


def arcsin(x: Any) -> Tensor:
    """Angle in radians whose sine is `x`, NaN outside the interval from -1 to 1.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.arcsin(common.float_tensor(x))
    return made


def arccos(x: Any) -> Tensor:
    """Angle in radians whose cosine is `x`, NaN outside the interval from -1 to 1.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.arccos(common.float_tensor(x))
    return made


def arctan(x: Any) -> Tensor:
    """Angle in radians, between -pi / 2 and pi / 2, whose tangent is `x`.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.arctan(common.float_tensor(x))
    return made


def arctan2(x1: Any, x2: Any) -> Tensor:
    """Angle in radians, between -pi and pi, of the point (x2, x1) seen from the origin.

    Args:
        x1: Second coordinate (y) of the points.
        x2: First coordinate (x) of the points.
    """
    y, x = operands.match(x1, x2)
    made: Tensor = ops.arctan2(common.float_tensor(y), common.float_tensor(x))
    return made


def sinh(x: Any) -> Tensor:
    """Hyperbolic sine.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.sinh(common.float_tensor(x))
    return made


def cosh(x: Any) -> Tensor:
    """Hyperbolic cosine.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.cosh(common.float_tensor(x))
    return made


def arcsinh(x: Any) -> Tensor:
    """The number whose hyperbolic sine is `x`.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.arcsinh(common.float_tensor(x))
    return made


def arccosh(x: Any) -> Tensor:
    """The number, not below 0, whose hyperbolic cosine is `x`; NaN below 1.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.arccosh(common.float_tensor(x))
    return made


def arctanh(x: Any) -> Tensor:
    """The number whose hyperbolic tangent is `x`, NaN outside the interval from -1 to 1.

    Args:
        x: Tensor; integers become floatx.
    """
    made: Tensor = ops.arctanh(common.float_tensor(x))
    return made
