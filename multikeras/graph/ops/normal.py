"""The inverse of the normal distribution function, by the approximations of `multikeras.contract.quantile`.

A draw never rejects, so that a last-bit difference of a logarithm between two libraries stays a
last-bit difference of the result.
"""

from __future__ import annotations

from math import pi, sqrt

from multikeras.contract import Primitive, primitive
from multikeras.contract.quantile import CENTRE, CENTRE_SQUARE, FAR, NEAR, PPND7, PPND16, Ratio
from multikeras.graph import operands
from multikeras.graph.ops import elementwise
from multikeras.graph.ops.rules import first_shape, float_dtype
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor


def _quotient(ratio: Ratio, x: Tensor) -> Tensor:
    made: Tensor = _polynomial(ratio.above, x) / _polynomial(ratio.below, x)
    return made


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    result = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        result = result * x + coefficient
    made: Tensor = result
    return made


def _quantile(q: Tensor) -> Tensor:
    pieces = PPND16 if q.dtype == "float64" else PPND7
    first, rest = pieces.middle_terms
    x = CENTRE_SQUARE - q * q
    middle = (_quotient(rest, x) * x + first) * q
    tail = elementwise.sqrt(-elementwise.log(0.5 - elementwise.abs_(q)))
    first, slope, rest = pieces.near_terms
    x = tail - NEAR
    size = (_quotient(rest, x) + slope) * x + first
    if q.dtype == "float64":
        size = select(operands.binary("less_equal", tail, FAR), size, _quotient(pieces.far, tail - FAR))
    outside = elementwise.sign(q) * size
    return select(operands.binary("less_equal", elementwise.abs_(q), CENTRE), middle, outside)


#: One node until a program is specialised, since a model draws many initial values that are never
#: needed; a backend may bring a kernel. Its derivative is the inverse of the density.
inverse_normal: Primitive = primitive(
    "inverse_normal",
    shape=first_shape,
    dtype=float_dtype,
    gradient=lambda g, out, q: (g * elementwise.exp(out * out * 0.5) * sqrt(2 * pi),),
    composition=_quantile,
    elementwise=True,
    doc="The number below which a share of 0.5 + q of the standard normal distribution lies; given as the distance "
    "from the middle, -0.5 to 0.5, it keeps its digits in both tails.",
)
