"""Cases: factorizations, equations, determinants."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.testing.functions.case import Drawn, case

_drawn = Drawn(2)
normal = _drawn.normal


def turned(x: Any) -> Any:
    """Rows for columns."""
    return np.swapaxes(x, -1, -2) if isinstance(x, np.ndarray) else K.permute_dimensions(x, (0, 2, 1))


def symmetric(x: Any) -> Any:
    """The nearest symmetric matrices."""
    return (x + turned(x)) * 0.5


def regular(*shape: int) -> np.ndarray:
    """Matrices far from singular ones."""
    return normal(*shape) + 3 * np.eye(shape[-1])


def definite(*shape: int) -> np.ndarray:
    """Symmetric matrices with eigenvalues above 1."""
    x = normal(*shape)
    return x @ turned(x) + 2 * np.eye(shape[-1])


def diagonal(*shape: int) -> np.ndarray:
    """Matrices that are regular and symmetric in whole numbers and booleans as well."""
    return (3 + normal(shape[-1]) ** 2) * np.eye(shape[-1]) * np.ones(shape)


case("cholesky", definite(2, 4, 4), build=lambda x: K.cholesky(symmetric(x)),
     expect=lambda x: np.linalg.cholesky(symmetric(x)), whole=False)  # fmt: skip
case("cholesky", definite(4, 4), build=K.cholesky, expect=np.linalg.cholesky, note="one", smooth=False, whole=False)
case("cholesky", diagonal(2, 3, 3), build=K.cholesky, expect=np.linalg.cholesky, note="diagonal", smooth=False)
case(
    "cholesky",
    np.stack([definite(3, 3), -np.eye(3), definite(3, 3)]),
    build=K.cholesky,
    expect=lambda x: np.stack([np.linalg.cholesky(x[0]), np.full((3, 3), np.nan), np.linalg.cholesky(x[2])]),
    note="not definite",
    smooth=False,
    whole=False,
)
case("cholesky", np.array([[4, 9], [2, 5]]), build=K.cholesky, expect=np.linalg.cholesky, note="integers")
case("inv", regular(2, 4, 4), build=K.inv, expect=np.linalg.inv, whole=False)
case("inv", regular(3, 3), build=K.inv, expect=np.linalg.inv, note="one", whole=False)
case("inv", diagonal(3, 3), build=K.inv, expect=np.linalg.inv, note="diagonal")
case(
    "inv",
    np.stack([np.ones((2, 2)), 2 * np.eye(2)]),
    build=K.inv,
    expect=lambda x: np.stack([np.full((2, 2), np.nan), 0.5 * np.eye(2)]),
    note="singular",
    smooth=False,
    whole=False,
)
case("det", regular(2, 4, 4), build=K.det, expect=np.linalg.det)
case("det", regular(3, 3), build=K.det, expect=np.linalg.det, note="one")
case("det", normal(1, 3, 3), build=lambda x: K.det(x[:, :1] * x[:, 1:2] + x[:, 2:] * 0 + x * 0 + 1),
     expect=lambda x: np.linalg.det(x[:, :1] * x[:, 1:2] + x[:, 2:] * 0 + x * 0 + 1), note="equal rows",
     scale=10.0)  # fmt: skip
case("det", np.arange(6)[:, None] * np.ones((1, 3)) @ normal(3, 6) / 3, build=K.det, expect=np.linalg.det,
     note="rank 1", known=True, scale=10.0)  # fmt: skip
case("slogdet", regular(2, 4, 4), build=lambda x: K.slogdet(x)[1], expect=lambda x: np.linalg.slogdet(x)[1])
case("slogdet", -regular(2, 3, 3), build=lambda x: K.slogdet(x)[0], expect=lambda x: np.linalg.slogdet(x)[0],
     note="sign", smooth=False)  # fmt: skip
case("solve", regular(2, 4, 4), normal(2, 4, 3), build=K.solve, expect=np.linalg.solve, whole=False)
case("solve", regular(4, 4), normal(4), build=K.solve, expect=np.linalg.solve, note="vector", whole=False)
case("solve", diagonal(2, 3, 3), normal(2, 3, 2), build=K.solve, expect=np.linalg.solve, note="diagonal")
case("solve", regular(2, 4, 4), normal(2, 4), build=K.solve,
     expect=lambda a, b: np.linalg.solve(a, b[..., None])[..., 0], note="vectors", whole=False)  # fmt: skip
case(
    "solve",
    regular(1, 4, 4),
    normal(3, 4, 2),
    build=K.solve,
    expect=np.linalg.solve,
    note="broadcast",
    known=True,
    whole=False,
)
case("solve", regular(2, 4, 4), normal(4), build=K.solve, expect=lambda a, b: np.linalg.solve(a, b[:, None])[..., 0],
     note="one vector", whole=False)  # fmt: skip
case(
    "solve",
    np.stack([np.ones((2, 2)), 2 * np.eye(2)]),
    np.ones((2, 2, 1)),
    build=K.solve,
    expect=lambda a, b: np.array([[[np.nan], [np.nan]], [[0.5], [0.5]]]),
    note="singular",
    smooth=False,
    whole=False,
)
case("solve_triangular", regular(2, 4, 4), normal(2, 4, 3), build=K.solve_triangular,
     expect=lambda a, b: np.linalg.solve(np.triu(a), b), whole=False)  # fmt: skip
case("solve_triangular", regular(4, 4), normal(4), build=lambda a, b: K.solve_triangular(a, b, lower=True),
     expect=lambda a, b: np.linalg.solve(np.tril(a), b), note="lower", whole=False)  # fmt: skip
case("solve_triangular", diagonal(3, 3), normal(3, 2), build=K.solve_triangular, expect=np.linalg.solve,
     note="diagonal", smooth=False)  # fmt: skip
case(
    "solve_triangular",
    np.stack([np.diag([1.0, 0.0]), np.array([[1.0, 5.0], [0.0, 2.0]])]),
    np.ones((2, 2, 1)),
    build=K.solve_triangular,
    expect=lambda a, b: np.array([[[np.nan], [np.nan]], [[-1.5], [0.5]]]),
    note="singular",
    smooth=False,
    whole=False,
)
