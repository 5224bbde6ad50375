"""The inverse of the normal distribution function, as every backend computes it.

Algorithm AS 241 (M. J. Wichura, The Percentage Points of the Normal Distribution, Applied
Statistics 37, 1988): PPND7, accurate to about 1 part in 10**7, for floats of 32 bits and less, and
PPND16, to about 1 part in 10**16, for float64. They stand here because normal numbers shall be equal on
all backends but for the rounding of a logarithm and a root.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from multikeras.contract.backend import Array

#: Up to this distance q from the middle the first quotient is used, in `CENTRE` ** 2 - q ** 2.
CENTRE = 0.425
CENTRE_SQUARE = 0.180625
#: The tails' quotients are in r - `NEAR`, and from `FAR` on in r - `FAR`, where r is the root of minus the
#: logarithm of the share beyond. In float32 r ends at sqrt(25 log 2), which is 4.2.
NEAR = 1.6
FAR = 5.0

#: Entries worked on at a time.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Ratio:
    """A quotient of two polynomials; coefficients of both by rising power."""

    above: tuple[float, ...]
    below: tuple[float, ...]

    def beyond(self, *known: float) -> Ratio:
        """What is left of the quotient Q(x) for x times itself, once the first terms are taken out.

        With the terms a, b it is the R of Q(x) = a + x (b + R(x)), exactly. Where R is small beside what
        stands before it, so are its rounding errors, which differ from library to library.
        """
        rest = list(self.above)
        for power, term in enumerate(known):
            for i, coefficient in enumerate(self.below):
                if i + power < len(rest):
                    rest[i + power] -= term * coefficient
                else:
                    rest.append(-term * coefficient)
        return Ratio(tuple(rest[1:]), self.below)


@dataclass(frozen=True)
class Quantile:
    """The three pieces: about the middle, and the tail up to and above `FAR`.

    Attributes:
        middle: In `CENTRE_SQUARE` - q ** 2, to be multiplied by q.
        near: In r - `NEAR`.
        far: In r - `FAR`.
        slope: About the mean slope of the near piece.
    """

    middle: Ratio
    near: Ratio
    far: Ratio
    slope: float = 1.55

    @cached_property
    def middle_terms(self) -> tuple[float, Ratio]:
        """The middle piece as a + x R(x): a, and R."""
        first = self.middle.above[0]
        return first, self.middle.beyond(first)

    @cached_property
    def near_terms(self) -> tuple[float, float, Ratio]:
        """The near piece as a + x (b + R(x)): a, b, and R."""
        first = self.near.above[0]
        return first, self.slope, self.near.beyond(first, self.slope)


PPND7 = Quantile(
    middle=Ratio(
        (3.3871327179, 50.434271938, 159.29113202, 59.109374720),
        (1.0, 17.895169469, 78.757757664, 67.187563600),
    ),
    near=Ratio(
        (1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103),
        (1.0, 0.73700164250, 0.12021132975),
    ),
    far=Ratio(
        (6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997),
        (1.0, 0.24197894225, 0.012258202635),
    ),
)

PPND16 = Quantile(
    middle=Ratio(
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
    near=Ratio(
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
    far=Ratio(
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


# -- over any library with NumPy's functions ------------------------------------------------------


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    made = x * coefficients[-1]
    made += coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        made *= x
        made += coefficient
    return made


def _quotient(ratio: Ratio, x: Array) -> Array:
    made = _polynomial(ratio.above, x)
    made /= _polynomial(ratio.below, x)
    return made


def _middle(q: Array, pieces: Quantile) -> Array:
    first, rest = pieces.middle_terms
    x = CENTRE_SQUARE - q * q
    made = _quotient(rest, x)
    made *= x
    made += first
    made *= q
    return made


def _near(tail: Array, pieces: Quantile) -> Array:
    first, slope, rest = pieces.near_terms
    x = tail - NEAR
    made = _quotient(rest, x)
    made += slope
    made *= x
    made += first
    return made


def _tail(xp: Any, q: Array) -> Array:
    return xp.sqrt(-xp.log(0.5 - xp.abs(q)))


def quantile(xp: Any, q: Array, wide: bool) -> Array:
    """What lies below shares of 0.5 + q of the standard normal distribution.

    Args:
        xp: A module with NumPy's functions.
        q: Distances from the middle, float32 or float64.
        wide: Whether they are float64.
    """
    pieces = PPND16 if wide else PPND7
    tail = _tail(xp, q)
    outside = _near(tail, pieces)
    if wide:
        outside = xp.where(tail <= FAR, outside, _quotient(pieces.far, tail - FAR))
    return xp.where(xp.abs(q) <= CENTRE, _middle(q, pieces), xp.copysign(outside, q))


def quantile_by_blocks(xp: Any, q: Array, wide: bool) -> Array:
    """The same by a CPU: in blocks that stay in its cache, with the tails computed only where they are.

    Three entries of twenty lie in a tail, and one of 10**11 beyond the nearer part of it. The logarithm is
    always one of float64: rounded to float32 it is the same in every library, and so is the result.
    """
    pieces = PPND16 if wide else PPND7
    flat = q.reshape(-1)
    made = xp.empty_like(flat)
    for start in range(0, flat.shape[0], _BLOCK):
        block = flat[start : start + _BLOCK]
        result = _middle(block, pieces)
        # A NaN goes with the tails.
        beyond = xp.where(~(xp.abs(block) <= CENTRE))[0]
        far = block[beyond]
        tail = xp.asarray(_tail(xp, xp.asarray(far, dtype=xp.float64)), dtype=q.dtype)
        outside = _near(tail, pieces)
        if wide and not bool(xp.all(tail <= FAR)):
            outside = xp.where(tail <= FAR, outside, _quotient(pieces.far, tail - FAR))
        result[beyond] = xp.copysign(outside, far)
        made[start : start + _BLOCK] = result
    return made.reshape(q.shape)
