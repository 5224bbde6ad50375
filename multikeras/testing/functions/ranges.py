"""Cases: functions of one number over all of their range; a few entries would not show what is lost."""

from __future__ import annotations

from math import erf

import numpy as np

from multikeras import backend as K
from multikeras.testing.functions import oracle
from multikeras.testing.functions.case import Drawn, case

_drawn = Drawn(8)
_COUNT = 300

_erf = np.vectorize(erf)


def even(low: float, high: float) -> np.ndarray:
    """Numbers drawn evenly, and the ends."""
    return np.concatenate([[low, high], low + (high - low) * _drawn.unit(_COUNT - 2)])


def scattered(low: float, high: float) -> np.ndarray:
    """Positive numbers of every size, drawn evenly by their logarithms."""
    return np.exp(even(np.log(low), np.log(high)))


def both(sizes: np.ndarray) -> np.ndarray:
    """Numbers of these sizes, of either sign."""
    return np.where(_drawn.bits(sizes.size), sizes, -sizes)


for _name, _x, _expect in [
    ("exp", even(-80, 80), np.exp),
    ("expm1", both(scattered(1e-6, 80)), np.expm1),
    ("log", scattered(1e-30, 1e30), np.log),
    ("log1p", scattered(1e-6, 1e20), np.log1p),
    ("sqrt", scattered(1e-30, 1e30), np.sqrt),
    ("sin", even(-100, 100), np.sin),
    ("cos", even(-100, 100), np.cos),
    ("tan", even(-1.5, 1.5), np.tan),
    ("tanh", both(scattered(1e-6, 20)), np.tanh),
    ("sinh", both(scattered(1e-6, 80)), np.sinh),
    ("cosh", even(-80, 80), np.cosh),
    ("arcsin", even(-1, 1), np.arcsin),
    ("arccos", even(-1, 0.99), np.arccos),
    ("arctan", both(scattered(1e-6, 1e6)), np.arctan),
    ("arcsinh", both(scattered(1e-6, 1e6)), np.arcsinh),
    ("arccosh", even(1.1, 100), np.arccosh),
    ("arctanh", both(scattered(1e-6, 0.999)), np.arctanh),
    ("erf", both(scattered(1e-6, 6)), _erf),
    ("sigmoid", even(-80, 80), oracle.sigmoid),
    ("softplus", even(-80, 80), lambda x: np.logaddexp(x, 0)),
    ("silu", even(-80, 80), lambda x: x * oracle.sigmoid(x)),
    ("softsign", both(scattered(1e-6, 1e6)), lambda x: x / (1 + np.abs(x))),
    ("elu", both(scattered(1e-6, 80)), lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    ("square", both(scattered(1e-15, 1e15)), np.square),
]:
    case(_name, _x, build=getattr(K, _name), expect=_expect, smooth=False, whole=False, note="range")
case("gelu", even(-5, 30), build=K.gelu, expect=lambda x: x * 0.5 * (1 + _erf(x / np.sqrt(2))), smooth=False,
     whole=False, note="range")  # fmt: skip
case("pow", scattered(0.01, 100), even(-6, 6), build=K.pow, expect=np.power, smooth=False, whole=False, note="range")
case("arctan2", both(scattered(1e-3, 1e3)), both(scattered(1e-3, 1e3)), build=K.arctan2, expect=np.arctan2,
     smooth=False, whole=False, note="range")  # fmt: skip
