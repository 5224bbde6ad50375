"""The table of cases: a function of K, arguments, and what NumPy makes of them in float64.

Array arguments in `feeds` become placeholders whose first length is unknown; `build` gets them and
returns the tensor. The oracle gets the same arrays. Integer arrays stay integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

FLOAT = "floatx"


@dataclass(frozen=True)
class Case:
    """One call.

    Attributes:
        function: Its name in K.
        feeds: Arrays of the placeholders.
        build: From placeholders to the result.
        expect: From arrays to the expected value.
        dtype: Type of the result; `'floatx'` for the float type in use.
        smooth: Whether derivatives by the floating-point feeds are compared with finite differences.
        known: Whether all lengths of the placeholders have to be known.
        note: What tells it from other cases of its function.
    """

    function: str
    feeds: tuple[np.ndarray, ...]
    build: Callable[..., Any]
    expect: Callable[..., Any]
    dtype: str = FLOAT
    smooth: bool = True
    known: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.function}-{self.note}" if self.note else self.function


CASES: list[Case] = []
_random = np.random.RandomState(20)


def normal(*shape: int) -> np.ndarray:
    return _random.randn(*shape)


def apart(*shape: int) -> np.ndarray:
    """Numbers no two of which are near each other or near 0, for functions with corners."""
    size = int(np.prod(shape))
    return (_random.permutation(size) - size / 2 + 0.3).reshape(shape) * 0.37


def unit(*shape: int) -> np.ndarray:
    return _random.uniform(0.05, 0.95, shape)


def bits(*shape: int) -> np.ndarray:
    return _random.rand(*shape) > 0.4


def case(function: str, *feeds: np.ndarray, **rest: Any) -> None:
    CASES.append(Case(function, feeds, **rest))
