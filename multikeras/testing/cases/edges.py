"""Elementwise primitives at the ends of what a float holds, and gradients where a function has a kink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multikeras.contract import PRIMITIVES
from multikeras.graph import operands
from multikeras.graph.ops import elementwise as ops
from multikeras.graph.tensor import Tensor
from multikeras.testing.case import WIDE_FLOATS, Case, fixed
from multikeras.testing.cases.elementwise import sigmoid
from multikeras.testing.cases.special import SPECIAL_EDGES

_SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 1e-30, 300.0, -300.0, np.inf, -np.inf, np.nan]
#: Without a number so small that a quotient by it has no exact floor.
_COARSE = [value for value in _SPECIAL if abs(value) != 1e-30]

_UNARY: dict[str, Callable[..., Any]] = {
    "negative": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "isnan": np.isnan,
    "isfinite": np.isfinite,
}
_BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}
_QUESTIONS = frozenset({"isnan", "isfinite", *list(_BINARY)[-6:]})


def _case(name: str, reference: Callable[..., Any], *values: Sequence[float] | np.ndarray) -> Case:
    return Case(
        name,
        tuple(fixed(value) for value in values),
        reference,
        "edges",
        dtypes=WIDE_FLOATS,
        result="bool" if name in _QUESTIONS else None,
        tolerance=10,
    )


def _pairs(name: str) -> tuple[np.ndarray, np.ndarray]:
    values = np.array(_COARSE if name in ("floor_divide", "remainder") else _SPECIAL)
    return values[:, None], values[None, :]


EDGES: list[Case] = [
    *[_case(name, reference, values) for name, (reference, values) in SPECIAL_EDGES.items()],
    *[_case(name, reference, _SPECIAL) for name, reference in _UNARY.items()],
    *[_case(name, reference, *_pairs(name)) for name, reference in _BINARY.items()],
]


@dataclass(frozen=True, eq=False)
class Kink:
    """A function with the gradient that it is given where its slope jumps.

    Attributes:
        id: Its name in reports.
        build: Makes the result of the operands.
        values: The operands, all differentiated by.
        expected: The gradient of the sum of the result's entries, by each operand.
    """

    id: str
    build: Callable[..., Tensor]
    values: tuple[Any, ...]
    expected: tuple[Any, ...]


def _reduce(name: str) -> Callable[[Tensor], Tensor]:
    return lambda x: PRIMITIVES[name](x, axis=(1,), keepdims=False)


def _safe_log(x: Tensor) -> Tensor:
    """log(x) above 0, else 0, by the idiom of two choices: no NaN reaches the gradient."""
    zero = operands.scalar(0, x.dtype)
    above = ops.greater(x, zero)
    safe = ops.where_(above, x, operands.scalar(1, x.dtype))
    return ops.where_(above, ops.log(safe), zero)


_POOL = {"window": (2, 2), "strides": (2, 2), "padding": "valid"}
_PLATEAU = np.array([[1.0, 1.0, 0.0, 2.0], [1.0, 1.0, 2.0, 2.0]]).reshape(1, 2, 4, 1)

KINKS: list[Kink] = [
    Kink("relu", ops.relu, ([-1.0, 0.0, -0.0, 2.0],), ([0, 0, 0, 1],)),
    Kink("abs", ops.abs_, ([-1.0, 0.0, 2.0],), ([-1, 0, 1],)),
    Kink("maximum", ops.maximum, ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]), ([0.5, 0, 1], [0.5, 1, 0])),
    Kink("minimum", ops.minimum, ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]), ([0.5, 1, 0], [0.5, 0, 1])),
    Kink("reduce_max", _reduce("reduce_max"), ([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]],), ([[0, 0.5, 0.5], [1 / 3] * 3],)),
    Kink("reduce_min", _reduce("reduce_min"), ([[1.0, 3.0, 1.0], [2.0, 5.0, 3.0]],), ([[0.5, 0, 0.5], [1, 0, 0]],)),
    Kink(
        "max_pool",
        lambda x: PRIMITIVES["max_pool"](x, **_POOL)[0],
        (_PLATEAU,),
        (np.array([[1.0, 0, 0, 1], [0, 0, 0, 0]]).reshape(1, 2, 4, 1),),
    ),
    Kink("sqrt", ops.sqrt, ([0.0, 4.0],), ([np.inf, 0.25],)),
    Kink("power", ops.power, ([0.0, 0.0, 2.0], [2.0, 1.0, 3.0]), ([0, 1, 12], [0, 0, 8 * np.log(2)])),
    Kink("log where it is safe", _safe_log, ([-1.0, 0.0, 4.0],), ([0, 0, 0.25],)),
    Kink(
        "where",
        lambda x, y: ops.where_(ops.greater(x, y), x, y),
        ([1.0, 2.0, np.nan], [1.0, 1.0, 0.0]),
        ([0, 1, 0], [1, 0, 1]),
    ),
]
