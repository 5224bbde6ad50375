"""Cases of the primitives that reduce axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from multikeras.testing.case import (
    BOOL,
    FLOATS,
    NUMBERS,
    WIDE_FLOATS,
    Case,
    Make,
    booleans,
    coarse,
    counts,
    distinct,
    fixed,
    inputs,
    normal,
    positive,
)


def _over(operate: Callable[..., Any]) -> Callable[..., Any]:
    """The NumPy function with our keywords; sums and products of integers keep their type."""
    return lambda x, axis, keepdims: operate(x, axis=axis, keepdims=keepdims).astype(x.dtype)


_PLACES: list[tuple[str, tuple[int, ...], tuple[int, ...], bool]] = [
    ("", (3, 4), (1,), False),
    ("kept", (3, 4), (0,), True),
    ("two axes", (2, 3, 4), (0, 2), False),
    ("two axes kept", (2, 3, 4), (1, 2), True),
    ("all", (3, 4), (0, 1), False),
    ("none", (3, 4), (), False),
    ("0-d", (), (), False),
    ("length 1", (1, 4), (0,), False),
    ("empty rest", (0, 4), (1,), False),
]


def _numbers() -> Iterator[Case]:
    table: list[tuple[str, Any, Make, tuple[str, ...]]] = [
        ("reduce_sum", np.sum, normal, NUMBERS),
        ("reduce_prod", np.prod, positive, FLOATS),
        ("reduce_max", np.max, distinct, NUMBERS),
        ("reduce_min", np.min, distinct, NUMBERS),
    ]
    for name, operate, make, dtypes in table:
        for label, shape, axis, keepdims in _PLACES:
            yield Case(
                name,
                inputs(make, shape),
                _over(operate),
                label,
                {"axis": axis, "keepdims": keepdims},
                dtypes=dtypes if not label else WIDE_FLOATS[:1],
                differentiable=(0,) if "empty" not in label else (),
            )
    for name, operate in (("reduce_sum", np.sum), ("reduce_prod", np.prod)):
        attributes = {"axis": (0,), "keepdims": False}
        yield Case(name, inputs(normal, (0, 4)), _over(operate), "empty axis", attributes, differentiable=(0,))
    yield Case(
        "reduce_prod",
        inputs(counts(1, 5), (3, 4)),
        _over(np.prod),
        "whole",
        {"axis": (1,), "keepdims": False},
        ("int32", "int64"),
    )
    yield Case(
        "reduce_prod",
        (fixed([[1.5, 0.0, 2.0], [0.0, 3.0, 0.0], [2.0, 0.5, -1.0]]),),
        _over(np.prod),
        "zeros",
        {"axis": (1,), "keepdims": False},
        differentiable=(0,),
        order=1,
    )
    # Sums of integers stay in their type, where NumPy and others would widen.
    yield Case(
        "reduce_sum",
        (fixed([[2**31 - 1, 5], [100, -3]], "int32"),),
        _over(np.sum),
        "goes round",
        {"axis": (1,), "keepdims": False},
        ("int32",),
    )
    # 16-bit sums are made in float32: one by one they would stop growing at 2048 and 256.
    yield Case(
        "reduce_sum",
        (fixed(np.ones((2, 5000))),),
        _over(np.sum),
        "many of 16 bits",
        {"axis": (1,), "keepdims": False},
        ("float16", "bfloat16"),
    )
    yield Case(
        "reduce_sum",
        inputs(normal, (3, 1000)),
        _over(np.sum),
        "many",
        {"axis": (1,), "keepdims": False},
        ("float32", "float64"),
        tolerance=20,
    )
    for name, operate in (("reduce_max", np.max), ("reduce_min", np.min), ("reduce_sum", np.sum)):
        special = fixed([[1.0, np.nan, 2.0], [np.inf, -np.inf, 0.0], [np.inf, 1.0, 2.0], [-np.inf, -1.0, -2.0]])
        attributes = {"axis": (1,), "keepdims": False}
        yield Case(name, (special,), _over(operate), "infinities and NaN", attributes, WIDE_FLOATS)


def _truths() -> Iterator[Case]:
    for name, operate in (("reduce_any", np.any), ("reduce_all", np.all)):
        for label, shape, axis, keepdims in [*_PLACES, ("empty axis", (0, 4), (0,), False)]:
            attributes = {"axis": axis, "keepdims": keepdims}
            yield Case(name, inputs(booleans, shape), _over(operate), label, attributes, BOOL)


def _positions() -> Iterator[Case]:
    for name, operate in (("argmax", np.argmax), ("argmin", np.argmin)):
        for label, shape, axis in (
            ("", (3, 4), 1),
            ("first axis", (2, 3, 4), 0),
            ("one", (4,), 0),
            ("bare", (0, 4), 1),
        ):
            yield Case(
                name,
                inputs(distinct, shape),
                operate,
                label,
                {"axis": axis},
                NUMBERS if not label else ("float32",),
                "int64",
            )
        yield Case(name, inputs(coarse, (5, 9)), operate, "ties", {"axis": 1}, ("float32", "int32"), "int64")
        nan = fixed([[1.0, np.nan, 7.0], [np.inf, 3.0, np.inf], [-np.inf, -np.inf, 2.0]])
        yield Case(name, (nan,), operate, "infinities and NaN", {"axis": 1}, WIDE_FLOATS, "int64")


def _running() -> Iterator[Case]:
    def reference(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
        turned = np.flip(x, axis) if reverse else x
        summed = np.cumsum(turned, axis=axis, dtype=x.dtype)
        return np.flip(summed, axis) if reverse else summed

    for label, shape, axis, reverse in (
        ("", (3, 4), 1, False),
        ("reverse", (2, 3, 4), 1, True),
        ("first axis", (3, 4), 0, False),
        ("empty", (0, 4), 0, False),
    ):
        yield Case(
            "cumsum",
            inputs(normal, shape),
            reference,
            label,
            {"axis": axis, "reverse": reverse},
            (*FLOATS, "int32", "int64") if not label else ("float32",),
            differentiable=(0,) if label != "empty" else (),
            tolerance=4,
        )


def _back() -> Iterator[Case]:
    def reference(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        extra = x.ndim - len(shape)
        axis = tuple(i for i, n in enumerate(x.shape) if i < extra or (shape[i - extra] == 1 and n != 1))
        return np.sum(x, axis=axis, keepdims=True).reshape(shape)

    for label, source, target in (
        ("", (3, 4), (1, 4)),
        ("fewer axes", (2, 3, 4), (3, 1)),
        ("same", (3, 4), (3, 4)),
        ("0-d", (3, 4), ()),
        ("empty", (0, 4), (1, 4)),
    ):
        yield Case(
            "sum_to",
            inputs(normal, source),
            reference,
            label,
            {"shape": target},
            FLOATS if not label else ("float32",),
            differentiable=(0,),
            tolerance=4,
        )


CASES = [*_numbers(), *_truths(), *_positions(), *_running(), *_back()]
