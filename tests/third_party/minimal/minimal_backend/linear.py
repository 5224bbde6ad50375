"""Kernels of linear algebra. What cannot be computed is NaN and no error."""

from __future__ import annotations

from typing import Any

import numpy as np


def or_nan(function: Any) -> Any:
    """The function on a stack of matrices, one after the other, NaN for those that it refuses."""

    def one(*matrices: Any) -> Any:
        try:
            return function(*matrices)
        except np.linalg.LinAlgError:
            return np.full(matrices[-1].shape, np.nan)

    def kernel(*stacks: Any) -> Any:
        made = np.empty(stacks[-1].shape, stacks[-1].dtype)
        for place in np.ndindex(*made.shape[:-2]):
            made[place] = one(*[stack[place] for stack in stacks])
        return made

    return kernel


solve = or_nan(np.linalg.solve)


def triangular_solve(a: Any, b: Any, *, lower: bool, transpose: bool) -> Any:
    triangle = np.tril(a) if lower else np.triu(a)
    return solve(np.swapaxes(triangle, -1, -2) if transpose else triangle, b)


KERNELS = {
    "cholesky": or_nan(np.linalg.cholesky),
    "solve": solve,
    "triangular_solve": triangular_solve,
    "inv": or_nan(np.linalg.inv),
    "det": lambda x: np.linalg.det(x).astype(x.dtype),
    "slogdet": lambda x: tuple(part.astype(x.dtype) for part in np.linalg.slogdet(x)),
}
