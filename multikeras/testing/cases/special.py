"""Cases of entry-by-entry functions beyond the elementary ones, and of running products."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from math import erf
from statistics import NormalDist
from typing import Any

import numpy as np

from multikeras.testing.case import FLOATS, Case, Input, Make, fixed, inputs, normal, positive, small

_erf = np.vectorize(erf, otypes=["float64"])


def _one_quantile(q: float) -> float:
    return NormalDist().inv_cdf(q + 0.5) if abs(q) < 0.5 else math.nan


_quantile = np.vectorize(_one_quantile, otypes=["float64"])


def _share(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.uniform(-0.45, 0.45, size=shape)


def _above_one(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.uniform(1.2, 3.0, size=shape)


_UNARY: list[tuple[str, Callable[..., Any], Make]] = [
    ("erf", lambda x: _erf(x) if x.size else x, normal),
    ("arcsin", np.arcsin, small),
    ("arccos", np.arccos, small),
    ("arctan", np.arctan, normal),
    ("sinh", np.sinh, normal),
    ("cosh", np.cosh, normal),
    ("arcsinh", np.arcsinh, normal),
    ("arccosh", np.arccosh, _above_one),
    ("arctanh", np.arctanh, small),
    ("softplus", lambda x: np.logaddexp(x, 0), normal),
    ("inverse_normal", _quantile, _share),
]


def _entries() -> Iterator[Case]:
    for name, reference, make in _UNARY:
        for label, shape in (("", (3, 4)), ("0-d", ()), ("empty", (0, 4))):
            yield Case(
                name,
                inputs(make, shape),
                reference,
                label,
                dtypes=FLOATS if not label else ("float32",),
                differentiable=(0,) if not label else (),
                tolerance=4,
            )
    shapes: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = [
        ("", (3, 4), (3, 4)),
        ("0-d", (), ()),
        ("broadcast", (3, 1), (2, 1, 4)),
        ("empty", (0, 4), (1, 4)),
    ]
    for label, shape_y, shape_x in shapes:
        yield Case(
            "arctan2",
            inputs(normal, shape_y, shape_x),
            np.arctan2,
            label,
            dtypes=FLOATS if not label else ("float32",),
            differentiable=(0, 1) if label != "empty" else (),
            tolerance=4,
        )


def _running() -> Iterator[Case]:
    def reference(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
        turned = np.flip(x, axis) if reverse else x
        product = np.cumprod(turned, axis=axis, dtype=x.dtype)
        return np.flip(product, axis) if reverse else product

    rows: list[tuple[str, Input, int, bool]] = [
        ("", Input(positive, (3, 4)), 1, False),
        ("reverse", Input(positive, (2, 3, 4)), 1, True),
        ("first axis", Input(positive, (3, 4)), 0, False),
        ("zeros", fixed([[2.0, 0.0, 3.0, 4.0], [0.0, 5.0, 0.0, 1.5], [1.0, 2.0, 3.0, 0.0]]), 1, False),
        ("empty", Input(positive, (0, 4)), 0, False),
    ]
    for label, x, axis, reverse in rows:
        yield Case(
            "cumprod",
            (x,),
            reference,
            label,
            {"axis": axis, "reverse": reverse},
            (*FLOATS, "int32", "int64") if not label else ("float32",),
            differentiable=(0,) if label != "empty" else (),
            tolerance=4,
        )


#: At the ends of what a float holds, and outside of where a function is defined.
SPECIAL_EDGES: dict[str, tuple[Callable[..., Any], list[float]]] = {
    name: (reference, [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 300.0, -300.0, np.inf, -np.inf, np.nan])
    for name, reference, _ in _UNARY
}

CASES = [*_entries(), *_running()]
