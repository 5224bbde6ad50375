"""The inverse of the normal distribution function, by rational approximations.

Algorithm AS 241 (M. J. Wichura, The Percentage Points of the Normal Distribution, Applied
Statistics 37, 1988): PPND7, accurate to about 1 part in 10**7, for floats of 32 bits and less, and
PPND16, to about 1 part in 10**16, for float64. A draw never rejects, so that a last-bit difference
of a logarithm between two libraries stays a last-bit difference of the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

from multikeras.contract import Primitive, primitive
from multikeras.graph import operands
from multikeras.graph.ops import elementwise
from multikeras.graph.ops.rules import first_shape, float_dtype
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor


@dataclass(frozen=True)
class _Ratio:
    """A quotient of two polynomials; coefficients of both by rising power."""

    above: tuple[float, ...]
    below: tuple[float, ...]

    def __call__(self, x: Tensor) -> Tensor:
        made: Tensor = _polynomial(self.above, x) / _polynomial(self.below, x)
        return made


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    result = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        result = result * x + coefficient
    made: Tensor = result
    return made


@dataclass(frozen=True)
class _Approximation:
    """The three pieces: about the middle, and the tail up to and above 5."""

    middle: _Ratio
    near: _Ratio
    far: _Ratio


_PPND7 = _Approximation(
    middle=_Ratio(
        (3.3871327179, 50.434271938, 159.29113202, 59.109374720),
        (1.0, 17.895169469, 78.757757664, 67.187563600),
    ),
    near=_Ratio(
        (1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103),
        (1.0, 0.73700164250, 0.12021132975),
    ),
    far=_Ratio(
        (6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997),
        (1.0, 0.24197894225, 0.012258202635),
    ),
)

_PPND16 = _Approximation(
    middle=_Ratio(
        (
            3.3871328727963666080,
            1.3314166789178437745e2,
            1.9715909503065514427e3,
            1.3731693765509461125e4,
            4.5921953931549871457e4,
            6.7265770927008700853e4,
            3.3430575583588128105e4,
            2.5090809287301226727e3,
        ),
        (
            1.0,
            4.2313330701600911252e1,
            6.8718700749205790830e2,
            5.3941960214247511077e3,
            2.1213794301586595867e4,
            3.9307895800092710610e4,
            2.8729085735721942674e4,
            5.2264952788528545610e3,
        ),
    ),
    near=_Ratio(
        (
            1.42343711074968357734,
            4.63033784615654529590,
            5.76949722146069140550,
            3.64784832476320460504,
            1.27045825245236838258,
            2.41780725177450611770e-1,
            2.27238449892691845833e-2,
            7.74545014278341407640e-4,
        ),
        (
            1.0,
            2.05319162663775882187,
            1.67638483018380384940,
            6.89767334985100004550e-1,
            1.48103976427480074590e-1,
            1.51986665636164571966e-2,
            5.47593808499534494600e-4,
            1.05075007164441684324e-9,
        ),
    ),
    far=_Ratio(
        (
            6.65790464350110377720,
            5.46378491116411436990,
            1.78482653991729133580,
            2.96560571828504891230e-1,
            2.65321895265761230930e-2,
            1.24266094738807843860e-3,
            2.71155556874348757815e-5,
            2.01033439929228813265e-7,
        ),
        (
            1.0,
            5.99832206555887937690e-1,
            1.36929880922735805310e-1,
            1.48753612908506148525e-2,
            7.86869131145613259100e-4,
            1.84631831751005468180e-5,
            1.42151175831644588870e-7,
            2.04426310338993978564e-15,
        ),
    ),
)


def _quantile(q: Tensor) -> Tensor:
    pieces = _PPND16 if q.dtype == "float64" else _PPND7
    middle = q * pieces.middle(0.180625 - q * q)
    tail = elementwise.sqrt(-elementwise.log(0.5 - elementwise.abs_(q)))
    size = pieces.near(tail - 1.6)
    if q.dtype == "float64":
        # In float32 the tail ends at sqrt(25 log 2), which is 4.2.
        size = select(operands.binary("less_equal", tail, 5), size, pieces.far(tail - 5))
    outside = elementwise.sign(q) * size
    return select(operands.binary("less_equal", elementwise.abs_(q), 0.425), middle, outside)


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
