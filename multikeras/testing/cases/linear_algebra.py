"""Cases of factorizations, linear equations and determinants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from multikeras.contract import PRIMITIVES
from multikeras.graph import operands
from multikeras.graph.ops import algebra
from multikeras.graph.tensor import Tensor
from multikeras.testing.case import FLOATS, WIDE_FLOATS, Case, Input, fixed, inputs, normal, small

_STACKS: list[tuple[str, tuple[int, ...]]] = [
    ("", (3, 3)),
    ("stack", (2, 3, 3)),
    ("one entry", (1, 1)),
    ("empty stack", (0, 2, 2)),
]


def _regular(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Matrices far from singular."""
    return generator.uniform(-0.6, 0.6, size=shape) + 2 * np.eye(shape[-1])


def _turned(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _or_nan(operate: Any, *arrays: np.ndarray, like: np.ndarray) -> np.ndarray:
    """NumPy's result, NaN where it finds the matrix singular."""
    try:
        return np.asarray(operate(*arrays))
    except np.linalg.LinAlgError:
        return np.full(like.shape, np.nan)


def _positive_definite(x: Tensor) -> Tensor:
    made: Tensor = operands.matmul(x, algebra.swap_last(x)) + operands.constant(np.eye(int(x.shape[-1] or 0)))
    return made


def _factors() -> Iterator[Case]:
    for label, shape in _STACKS:
        # Of an arbitrary x, so that whatever direction it moves in, the matrix stays symmetric.
        yield Case(
            "cholesky",
            inputs(small, shape),
            lambda x: np.linalg.cholesky(x @ _turned(x) + np.eye(x.shape[-1])),
            label,
            dtypes=WIDE_FLOATS,
            build=lambda x: PRIMITIVES["cholesky"](_positive_definite(x)),
            differentiable=(0,) if shape[0] else (),
            unknown=False,
            tolerance=8,
        )
    one_side = fixed([[4.0, 99.0], [2.0, 3.0]])
    yield Case("cholesky", (one_side,), lambda x: np.array([[2.0, 0.0], [1.0, np.sqrt(2)]]), "lower triangle")
    negative = fixed([[1.0, 0.0], [0.0, -1.0]])
    yield Case("cholesky", (negative,), lambda x: np.full((2, 2), np.nan), "not positive definite", dtypes=WIDE_FLOATS)


def _equations() -> Iterator[Case]:
    for label, shape in _STACKS:
        sides = (Input(_regular, shape), Input(normal, (*shape[:-1], 4)))
        smooth = (0, 1) if shape[0] else ()
        yield Case(
            "solve",
            sides,
            np.linalg.solve,
            label,
            dtypes=FLOATS if not label else WIDE_FLOATS[:1],
            differentiable=smooth,
            tolerance=16,
        )
        yield Case(
            "inv",
            sides[:1],
            np.linalg.inv,
            label,
            dtypes=FLOATS if not label else WIDE_FLOATS[:1],
            differentiable=smooth[:1],
            tolerance=16,
        )
        for lower in (True, False):
            for transpose in (False, True):
                yield Case(
                    "triangular_solve",
                    sides,
                    _triangular,
                    f"{label} {'lower' if lower else 'upper'}{' transposed' if transpose else ''}".strip(),
                    {"lower": lower, "transpose": transpose},
                    FLOATS if not label and lower and not transpose else WIDE_FLOATS[:1],
                    differentiable=smooth,
                    tolerance=16,
                )
    singular, right = fixed(np.zeros((2, 2))), fixed(np.ones((2, 1)))
    yield Case(
        "solve", (singular, right), lambda a, b: _or_nan(np.linalg.solve, a, b, like=b), "singular", dtypes=WIDE_FLOATS
    )
    yield Case("inv", (singular,), lambda x: _or_nan(np.linalg.inv, x, like=x), "singular", dtypes=WIDE_FLOATS)


def _triangular(a: np.ndarray, b: np.ndarray, lower: bool, transpose: bool) -> np.ndarray:
    triangle = np.tril(a) if lower else np.triu(a)
    return np.linalg.solve(_turned(triangle) if transpose else triangle, b)


def _cofactor(x: np.ndarray) -> np.ndarray:
    """Signed determinants of what is left without a row and a column."""
    made = np.zeros(x.shape)
    for i in range(x.shape[-1]):
        for j in range(x.shape[-1]):
            left = np.delete(np.delete(x, i, axis=-2), j, axis=-1)
            made[..., i, j] = (-1) ** (i + j) * np.linalg.det(left)
    return made


def _cofactor_gradient(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The cofactor of i, j has as its derivative by entry k, l the cofactor of that in what is left."""
    made = np.zeros(x.shape)
    side = x.shape[-1]
    for i in range(side):
        for j in range(side):
            left = np.delete(np.delete(x, i, axis=-2), j, axis=-1)
            rest = _cofactor(left) * (-1) ** (i + j) * g[..., i, j, None, None]
            rows, columns = np.delete(np.arange(side), i), np.delete(np.arange(side), j)
            made[..., rows[:, None], columns] += rest
    return made


def _without_a_column(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Matrices one column of which is 0."""
    made = _regular(generator, shape) / 2
    made[..., shape[-1] // 2] = 0
    return made


def _determinants() -> Iterator[Case]:
    for label, shape in _STACKS:
        x = (Input(_regular, shape),)
        smooth = (0,) if shape[0] else ()
        dtypes = FLOATS if not label else WIDE_FLOATS[:1]
        yield Case("det", x, np.linalg.det, label, dtypes=dtypes, differentiable=smooth, tolerance=16)
        yield Case("cofactor", x, _cofactor, label, dtypes=dtypes, differentiable=smooth, tolerance=16)
        yield Case(
            "cofactor_gradient",
            (Input(normal, shape), *x),
            _cofactor_gradient,
            label,
            dtypes=dtypes,
            differentiable=(0, 1) if shape[0] and shape[-1] > 1 else (),
            tolerance=16,
        )
        yield Case(
            "slogdet",
            x,
            lambda x: tuple(np.linalg.slogdet(x)),
            label,
            dtypes=dtypes,
            differentiable=smooth,
            tolerance=16,
        )
    singular = fixed([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.5, 1.0, 3.0]])
    yield Case("det", (singular,), np.linalg.det, "singular", dtypes=WIDE_FLOATS, differentiable=(0,))
    yield Case("cofactor", (singular,), _cofactor, "singular", dtypes=WIDE_FLOATS, differentiable=(0,), tolerance=16)
    twice = fixed([[1.0, 2.0, -1.0], [2.0, 4.0, -2.0], [-1.0, -2.0, 1.0]])
    yield Case("det", (twice,), np.linalg.det, "of rank 1", dtypes=WIDE_FLOATS, differentiable=(0,))
    large = (Input(_without_a_column, (2, 20, 20)),)
    yield Case("cofactor", large, _cofactor, "large and singular", dtypes=("float64",), tolerance=64)
    for side in (1, 2):
        one = (Input(_regular, (2, side, side)),)
        yield Case("cofactor", one, _cofactor, f"side {side}", differentiable=(0,), dtypes=WIDE_FLOATS, tolerance=16)
    swapped = fixed([[0.0, 2.0], [3.0, 0.0]])
    yield Case("slogdet", (swapped,), lambda x: (-1.0, np.log(6.0)), "negative", dtypes=WIDE_FLOATS)


CASES = [*_factors(), *_equations(), *_determinants()]
