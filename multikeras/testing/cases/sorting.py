"""Cases of the primitives that order entries, and that pick and put them by places along an axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from multikeras.testing.case import (
    ANY,
    FLOATS,
    NUMBERS,
    WIDE_FLOATS,
    Case,
    Input,
    booleans,
    coarse,
    counts,
    distinct,
    fixed,
    inputs,
    normal,
)

_ONE = ("float32",)


def _orders() -> Iterator[Case]:
    rows: list[tuple[str, tuple[int, ...], int]] = [
        ("", (3, 4), 1),
        ("first axis", (4, 3), 0),
        ("middle axis", (2, 5, 3), 1),
        ("one", (4, 1), 1),
        ("empty", (0, 4), 1),
        ("of nothing", (4, 0), 1),
    ]
    for label, shape, axis in rows:
        dtypes = NUMBERS if not label else _ONE
        yield Case(
            "sort",
            inputs(distinct, shape),
            lambda x, axis: np.sort(x, axis=axis),
            label,
            {"axis": axis},
            dtypes,
            differentiable=(0,) if np.prod(shape) else (),
            exact=True,
        )
        yield Case(
            "argsort",
            inputs(distinct, shape),
            lambda x, axis: np.argsort(x, axis=axis, kind="stable"),
            label,
            {"axis": axis},
            dtypes,
            "int64",
        )
    nan = fixed([[2.0, np.nan, -np.inf, 1.0], [np.inf, 0.0, np.nan, -1.0]])
    for name, operate in (("sort", np.sort), ("argsort", np.argsort)):
        result = "int64" if name == "argsort" else None

        def stable(x: np.ndarray, axis: int, operate: object = operate) -> np.ndarray:
            return operate(x, axis=axis, kind="stable")  # type: ignore[operator]

        yield Case(name, (nan,), stable, "infinities and NaN", {"axis": 1}, WIDE_FLOATS, result)
        yield Case(name, inputs(coarse, (4, 40)), stable, "ties", {"axis": 1}, ("float32", "int32"), result)


def _largest(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """By sorting what is turned round, in which equal entries and NaN lie the other way."""
    turned = np.argsort(x[..., ::-1], -1, kind="stable")
    places = (x.shape[-1] - 1 - turned)[..., ::-1][..., :k]
    return np.take_along_axis(x, places, -1), places


def _tops() -> Iterator[Case]:
    def row(label: str, *operands: Input, k: int, dtypes: tuple[str, ...] = _ONE, smooth: bool = False) -> Case:
        return Case(
            "top_k",
            operands,
            _largest,
            label,
            {"k": k},
            dtypes,
            (None, "int64"),
            differentiable=(0,) if smooth else (),
            exact=True,
        )

    yield row("", *inputs(distinct, (2, 3, 5)), k=2, dtypes=NUMBERS, smooth=True)
    yield row("one axis", *inputs(distinct, (6,)), k=1, smooth=True)
    yield row("all", *inputs(distinct, (2, 5)), k=5, smooth=True)
    yield row("long rows", *inputs(distinct, (3, 200)), k=7, dtypes=(*WIDE_FLOATS, "int32", "int64"), smooth=True)
    yield row("half of a long row", *inputs(distinct, (2, 150)), k=100)
    for label, length in (("", 9), (" in long rows", 200)):
        yield row(f"ties{label}", *inputs(coarse, (3, length)), k=5, dtypes=(*NUMBERS, "uint32"))
        yield row(f"booleans{label}", *inputs(booleans, (3, length)), k=5, dtypes=("bool",))
        special = np.resize([1.0, -0.0, np.nan, 0.0, np.inf, -np.inf, -np.nan, -0.0, 2.0, np.inf], (3, length))
        for k in (1, 3, 9):
            yield row(f"{k} of zeros, infinities and NaN{label}", fixed(special), k=k, dtypes=WIDE_FLOATS)
        yield row(f"6 of mostly NaN{label}", fixed(np.where(special < 2, np.nan, special)), k=6, dtypes=WIDE_FLOATS)
    yield row("none", *inputs(distinct, (2, 5)), k=0)
    yield row("no rows", *inputs(distinct, (0, 5)), k=2)
    yield row("of nothing", *inputs(distinct, (3, 0)), k=0)


def _put(x: np.ndarray, indices: np.ndarray, axis: int, size: int) -> np.ndarray:
    made = np.zeros((*x.shape[:axis], size, *x.shape[axis + 1 :]), x.dtype)
    for place in np.ndindex(*indices.shape):
        target = list(place)
        target[axis] = int(indices[place])
        made[tuple(target)] += x[place]
    return made


def _places() -> Iterator[Case]:
    rows: list[tuple[str, tuple[int, ...], int, int, str]] = [
        ("", (3, 5), 1, 4, "int64"),
        ("first axis", (5, 3), 0, 2, "int32"),
        ("middle axis", (2, 5, 3), 1, 7, "int64"),
        ("no places", (3, 5), 1, 0, "int64"),
        ("no lines", (0, 5), 1, 4, "int64"),
    ]
    for label, shape, axis, taken, dtype in rows:
        picked = (*shape[:axis], taken, *shape[axis + 1 :])
        indices = Input(counts(0, shape[axis]), picked, dtype)
        smooth = (0,) if np.prod(shape) and np.prod(picked) else ()
        yield Case(
            "take_along_axis",
            (Input(normal, shape), indices),
            lambda x, i, axis: np.take_along_axis(x, i, axis),
            label,
            {"axis": axis},
            ANY if not label else _ONE,
            differentiable=smooth,
            exact=True,
        )
        yield Case(
            "scatter_along_axis",
            (Input(normal, picked), indices),
            _put,
            label,
            {"axis": axis, "size": shape[axis]},
            (*FLOATS, "int32", "int64") if not label else _ONE,
            differentiable=smooth,
            tolerance=4,
        )
    last = (Input(normal, (2, 3)), fixed([[0, -1], [-3, 2]], "int64"))
    yield Case("take_along_axis", last, lambda x, i, axis: np.take_along_axis(x, i, axis), "from the end", {"axis": 1})


CASES = [*_orders(), *_tops(), *_places()]
