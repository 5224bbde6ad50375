"""Second derivatives of what Keras 2 did not have, against differences of first ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from k_derivatives import check_second_derivative

from multikeras import backend as K

_random = np.random.RandomState(7)


def normal(*shape: int) -> np.ndarray:
    return _random.randn(*shape)


def regular(*shape: int) -> np.ndarray:
    return normal(*shape) + 3 * np.eye(shape[-1])


def definite(x: Any) -> Any:
    return K.matmul(x, K.permute_dimensions(x, (0, 2, 1))) + K.constant(np.eye(3))


def attention(q: Any, k: Any, v: Any) -> Any:
    return K.scaled_dot_product_attention(q, k, v, causal=True)


CASES: dict[str, tuple[Any, tuple[np.ndarray, ...]]] = {
    "erf": (K.erf, (normal(5),)),
    "gelu": (K.gelu, (normal(5),)),
    "gelu approximate": (lambda x: K.gelu(x, approximate=True), (normal(5),)),
    "arctan2": (K.arctan2, (normal(5), normal(5))),
    "cumprod": (K.cumprod, (normal(4, 2),)),
    "cumprod of zeros": (K.cumprod, (np.array([2.0, 0.0, 3.0, 0.0, 1.0]),)),
    "sort": (lambda x: K.sort(x) ** 3, (normal(2, 4),)),
    "top_k": (lambda x: K.top_k(x, 2)[0] ** 3, (normal(2, 4),)),
    "take_along_axis": (lambda x: K.take_along_axis(x, [[0, 2, 0]]) ** 3, (normal(2, 3),)),
    "scatter_add": (lambda x, y: K.scatter_add(x, [[0], [2], [0]], y) ** 3, (normal(3, 2), normal(3, 2))),
    "cholesky": (lambda x: K.cholesky(definite(x)), (normal(2, 3, 3),)),
    "inv": (K.inv, (regular(2, 3, 3),)),
    "det": (K.det, (regular(2, 3, 3),)),
    "det of singular matrices": (K.det, (np.stack([np.outer([1.0, 2, 3], [1.0, -1, 2]), np.diag([1.0, 2, 0])]),)),
    "slogdet": (lambda x: K.slogdet(x)[1], (regular(2, 3, 3),)),
    "solve": (K.solve, (regular(2, 3, 3), normal(2, 3, 2))),
    "solve_triangular": (K.solve_triangular, (regular(2, 3, 3), normal(2, 3, 2))),
    "einsum": (lambda x, y: K.einsum("iij,jk->ik", x, y), (normal(3, 3, 2), normal(2, 2))),
    "attention": (attention, (normal(2, 3, 4), normal(2, 3, 4), normal(2, 3, 2))),
}


@pytest.mark.parametrize("name", CASES)
def test_second_derivative(name: str, each_backend: str) -> None:
    K.set_floatx("float64")
    build, arrays = CASES[name]
    check_second_derivative(build, arrays)
