"""Cases of the primitives that work entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from multikeras.testing.case import (
    BOOL,
    FLOATS,
    INTEGERS,
    NUMBERS,
    SIGNED,
    Case,
    Input,
    Make,
    between,
    booleans,
    coarse,
    counts,
    fixed,
    inputs,
    normal,
    positive,
    small,
)

Reference = Callable[..., Any]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), by the half whose exponential cannot overflow."""
    e = np.exp(-np.abs(x))
    return np.where(np.isnan(x), x, np.where(x >= 0, 1 / (1 + e), e / (1 + e)))


def _same(x: np.ndarray) -> np.ndarray:
    return x


#: Name, reference, where operands are drawn, whether it has a gradient, types.
_UNARY: list[tuple[str, Reference, Make, bool, tuple[str, ...]]] = [
    ("identity", _same, normal, True, (*NUMBERS, "bool")),
    ("stop_gradient", _same, normal, False, FLOATS),
    ("negative", np.negative, normal, True, (*FLOATS, *SIGNED)),
    ("abs", np.abs, normal, True, (*FLOATS, *SIGNED)),
    ("sign", np.sign, normal, False, (*FLOATS, *SIGNED)),
    ("floor", np.floor, between, False, FLOATS),
    ("ceil", np.ceil, between, False, FLOATS),
    ("round", np.round, between, False, FLOATS),
    ("exp", np.exp, normal, True, FLOATS),
    ("expm1", np.expm1, normal, True, FLOATS),
    ("log", np.log, positive, True, FLOATS),
    ("log1p", np.log1p, positive, True, FLOATS),
    ("sqrt", np.sqrt, positive, True, FLOATS),
    ("sin", np.sin, normal, True, FLOATS),
    ("cos", np.cos, normal, True, FLOATS),
    ("tan", np.tan, small, True, FLOATS),
    ("tanh", np.tanh, normal, True, FLOATS),
    ("sigmoid", sigmoid, normal, True, FLOATS),
    ("relu", lambda x: np.maximum(x, 0), normal, True, (*FLOATS, *SIGNED)),
]

#: Likewise of two operands.
_BINARY: list[tuple[str, Reference, Make, Make, bool, tuple[str, ...]]] = [
    ("add", np.add, normal, normal, True, NUMBERS),
    ("subtract", np.subtract, normal, normal, True, NUMBERS),
    ("multiply", np.multiply, normal, normal, True, NUMBERS),
    ("divide", np.divide, normal, positive, True, FLOATS),
    ("power", np.power, positive, normal, True, FLOATS),
    ("maximum", np.maximum, normal, normal, True, NUMBERS),
    ("minimum", np.minimum, normal, normal, True, NUMBERS),
    ("relu_gradient", lambda g, y: np.where(y > 0, g, 0), normal, normal, True, FLOATS),
]

_COMPARISONS: list[tuple[str, Reference]] = [
    ("equal", np.equal),
    ("not_equal", np.not_equal),
    ("greater", np.greater),
    ("greater_equal", np.greater_equal),
    ("less", np.less),
    ("less_equal", np.less_equal),
]

_LOGIC: list[tuple[str, Reference]] = [
    ("logical_and", np.logical_and),
    ("logical_or", np.logical_or),
    ("logical_xor", np.logical_xor),
]

_BITS: list[tuple[str, Reference]] = [
    ("bitwise_and", np.bitwise_and),
    ("bitwise_or", np.bitwise_or),
    ("bitwise_xor", np.bitwise_xor),
]


def _shapes_of_two(name: str) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    shapes: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = [
        ("", (3, 4), (3, 4)),
        ("0-d", (), ()),
        ("empty", (0, 4), (0, 4)),
    ]
    if name != "relu_gradient":
        shapes += [
            ("broadcast", (3, 1), (2, 1, 4)),
            ("broadcast 0-d", (), (3, 4)),
            ("broadcast empty", (0, 4), (1, 4)),
        ]
    return shapes


def _unary() -> Iterator[Case]:
    for name, reference, make, smooth, dtypes in _UNARY:
        for label, shape in (("", (3, 4)), ("0-d", ()), ("empty", (0, 4))):
            yield Case(
                name,
                inputs(make, shape),
                reference,
                label,
                dtypes=dtypes if not label else dtypes[:1],
                differentiable=(0,) if smooth and not label else (),
                exact=name in ("identity", "stop_gradient", "negative", "abs", "sign", "floor", "ceil", "round"),
            )
    for name, logic in (("logical_not", np.logical_not),):
        yield Case(name, inputs(booleans, (3, 4)), logic, dtypes=BOOL)
    for name, question in (("isnan", np.isnan), ("isfinite", np.isfinite)):
        special = fixed([[0.0, 1.5, np.nan], [np.inf, -np.inf, -2.0]])
        yield Case(name, (special,), question, result="bool")


def _binary() -> Iterator[Case]:
    for name, reference, make_x, make_y, smooth, dtypes in _BINARY:
        for label, shape_x, shape_y in _shapes_of_two(name):
            yield Case(
                name,
                (Input(make_x, shape_x), Input(make_y, shape_y)),
                reference,
                label,
                dtypes=dtypes if not label else dtypes[:1],
                differentiable=((0,) if name == "relu_gradient" else (0, 1)) if smooth and "empty" not in label else (),
                tolerance=4 if name == "power" else 1,
            )
    for name, reference in _COMPARISONS:
        for label, shape_x, shape_y in _shapes_of_two(name):
            dtypes = NUMBERS if not label else ("float32",)
            yield Case(
                name, inputs(coarse, shape_x, shape_y), reference, label, dtypes=dtypes, result="bool", exact=True
            )
    for name, reference in _LOGIC:
        for label, shape_x, shape_y in _shapes_of_two(name):
            yield Case(name, inputs(booleans, shape_x, shape_y), reference, label, dtypes=BOOL)
    # The larger of two truths is "or", the smaller "and".
    yield Case("maximum", inputs(booleans, (3, 4), (3, 4)), np.logical_or, "bool", dtypes=BOOL)
    yield Case("minimum", inputs(booleans, (3, 4), (3, 4)), np.logical_and, "bool", dtypes=BOOL)
    for name in ("equal", "not_equal"):
        yield Case(name, inputs(booleans, (3, 4), (3, 4)), getattr(np, name), "bool", dtypes=BOOL)


def _whole_numbers() -> Iterator[Case]:
    """Powers, quotients and remainders of whole numbers, and the sign that they have."""
    nonzero = fixed([[3, -3, 2, -2], [1, -1, 7, -7], [5, -5, 4, -4]])
    numerator = fixed([[7, 7, -7, -7], [5, -5, 0, 6], [-11, 11, 8, -8]])
    for name, operate in (("floor_divide", np.floor_divide), ("remainder", np.remainder)):
        yield Case(name, (numerator, nonzero), operate, "signs", dtypes=(*FLOATS, *SIGNED, "int8"), exact=True)
        yield Case(name, inputs(counts(1, 200), (3, 4), (3, 4)), operate, "unsigned", dtypes=("uint8", "uint16"))
    # The quotient is never near an integer, where rounding would decide.
    yield Case(
        "remainder",
        (fixed([[5.3, -5.3, 2.6], [-0.7, 9.1, -9.1]]), fixed([[2.0, 2.0, -0.8], [0.4, -4.0, -4.0]])),
        np.remainder,
        dtypes=("float64", "float32"),
        differentiable=(0, 1),
        tolerance=4,
    )
    yield Case("floor_divide", inputs(normal, (3, 4), (3, 4)), np.floor_divide, dtypes=("float64",))
    base, exponent = fixed([[2, -3, 1, 0], [-1, 5, 2, 3]]), fixed([[3, 2, 9, 4], [7, 0, 6, 1]])
    yield Case("power", (base, exponent), np.power, "whole", dtypes=(*FLOATS, "int32", "int64"))
    yield Case(
        "power",
        (fixed([-1.5, 0.0, 2.0]), fixed([2.0, 2.0, 2.0])),
        np.power,
        "square",
        dtypes=("float64",),
        differentiable=(0,),
    )


def _bits() -> Iterator[Case]:
    for name, reference in _BITS:
        yield Case(name, inputs(counts(0, 100), (3, 4), (3, 4)), reference, dtypes=("int32", "int64", "uint8"))
        yield Case(name, inputs(counts(-100, 0), (3, 1), (2, 1, 4)), reference, "broadcast", dtypes=("int32", "int8"))
    words = Input(counts(0, 2**32), (3, 4), "uint32")
    places = fixed(np.arange(12).reshape(3, 4) * 31 // 11, "uint32")
    for name, reference in _BITS:
        yield Case(name, (words, words), reference, "uint32", dtypes=("uint32",))
    yield Case("shift_left", (words, places), np.left_shift, "uint32", dtypes=("uint32",))
    yield Case("shift_right", (words, places), np.right_shift, "uint32", dtypes=("uint32",))
    few = fixed([[0, 1, 2, 3], [4, 5, 6, 7], [1, 0, 3, 2]])
    yield Case("shift_left", (Input(counts(0, 2), (3, 4)), few), np.left_shift, dtypes=("int32", "int64", "uint8"))
    yield Case("shift_right", (Input(counts(0, 127), (3, 4)), few), np.right_shift, dtypes=INTEGERS)


def _wrapping() -> Iterator[Case]:
    """Whole numbers that outgrow their type go round."""
    large = {"int32": 2**31 - 2, "uint8": 250, "int8": 126, "int16": 2**15 - 2, "uint16": 2**16 - 2, "int64": 2**63 - 2}
    for dtype, top in large.items():
        x = fixed(np.array([top, top - 1, 3], dtype), dtype)
        y = fixed(np.array([5, 7, 2], dtype), dtype)
        for name, operate in (("add", np.add), ("multiply", np.multiply)):
            yield Case(name, (x, y), operate, f"goes round in {dtype}", dtypes=(dtype,))
    # Numbers that float64 does not hold, and that a library of 32 bits would cut off.
    wide = fixed([2**53 + 1, 2**40 + 1, -(2**62) - 3], "int64")
    for name in ("add", "multiply", "maximum", "equal"):
        result = "bool" if name == "equal" else None
        yield Case(
            name, (wide, fixed([0, 1, -1], "int64")), getattr(np, name), "64 bits", dtypes=("int64",), result=result
        )
    words = Input(counts(0, 2**32), (3, 4), "uint32")
    for name in ("add", "subtract", "multiply"):
        yield Case(name, (words, words), getattr(np, name), "uint32", dtypes=("uint32",))


def _choice() -> Iterator[Case]:
    condition = Input(booleans, (3, 4), "bool")
    for label, shapes in (
        ("", ((3, 4), (3, 4), (3, 4))),
        ("broadcast", ((3, 1), (1, 4), (2, 1, 1))),
        ("broadcast 0-d", ((3, 4), (), (3, 4))),
        ("one condition", ((), (3, 4), (4,))),
        ("empty", ((0, 4), (0, 4), (1, 4))),
    ):
        yield Case(
            "where",
            (Input(booleans, shapes[0], "bool"), *inputs(normal, *shapes[1:])),
            np.where,
            label,
            dtypes=NUMBERS if not label else ("float32",),
            differentiable=(1, 2) if label != "empty" else (),
            exact=True,
        )
    yield Case("where", (condition, *inputs(booleans, (3, 4), (3, 4))), np.where, "bool", dtypes=BOOL)


def _casts() -> Iterator[Case]:
    def to(dtype: str) -> Reference:
        return lambda x, **attributes: x if dtype in FLOATS and x.dtype.kind == "f" else x.astype(_held(dtype))

    decimals = fixed([-2.7, -2.5, -0.6, -0.0, 0.3, 1.5, 2.5, 100.2])
    for source in FLOATS:
        for target in (*FLOATS, "int32", "int64", "int8", "bool"):
            yield Case(
                "cast",
                (decimals,),
                to(target),
                f"{source} to {target}",
                {"dtype": target},
                (source,),
                target,
                (0,) if source == "float64" and target == "float64" else (),
            )
    yield Case(
        "cast", (fixed([0.0, 1.5, 260.7]),), to("uint16"), "float to unsigned", {"dtype": "uint16"}, result="uint16"
    )
    for source in (*INTEGERS, "uint32", "bool"):
        for target in ("float32", "float64", "int32", "int64", "uint8", "uint32", "bool"):
            whole = Input(booleans if source == "bool" else counts(0, 100), (3, 4))
            yield Case("cast", (whole,), to(target), f"{source} to {target}", {"dtype": target}, (source,), target)
    negative = fixed([-1, -2, -100, 3])
    for target in ("uint8", "uint32", "int64"):
        label = f"negative to {target}"
        yield Case("cast", (negative,), to(target), label, {"dtype": target}, ("int32",), target)
    yield Case("cast", (fixed([300, 70000, 256]),), to("uint8"), "goes round", {"dtype": "uint8"}, ("int32",), "uint8")
    # float16 holds 0.1 less exactly than float32; halves go to even.
    yield Case(
        "cast",
        (fixed([2049.0, 2051.0, 0.1, 65519.0, 65520.0]),),
        lambda x, dtype: x.astype("float16").astype("float64"),
        "rounding",
        {"dtype": "float16"},
        ("float32", "float64"),
        "float16",
        exact=True,
    )


def _held(dtype: str) -> str:
    return "float64" if dtype in FLOATS else dtype


CASES = [*_unary(), *_binary(), *_whole_numbers(), *_bits(), *_wrapping(), *_choice(), *_casts()]
