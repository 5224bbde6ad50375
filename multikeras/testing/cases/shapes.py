"""Cases of the primitives that move entries without computing on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from multikeras.contract import PRIMITIVES
from multikeras.testing.case import ANY, FLOATS, Case, Input, counts, fixed, inputs, normal

_ONE = ("float32",)


def _plain(
    name: str, reference: Callable[..., Any], rows: list[tuple[str, tuple[int, ...], dict[str, Any]]]
) -> Iterator[Case]:
    """Cases of one operand, by label, shape and attributes; the first is run in every type."""
    for number, (label, shape, attributes) in enumerate(rows):
        yield Case(
            name,
            inputs(normal, shape),
            reference,
            label,
            attributes,
            ANY if not number else _ONE,
            differentiable=(0,) if np.prod(shape) else (),
            exact=True,
        )


def _forms() -> Iterator[Case]:
    yield from _plain(
        "reshape",
        lambda x, shape: np.reshape(x, shape),
        [
            ("", (3, 4), {"shape": (2, 6)}),
            ("one length left open", (3, 4), {"shape": (2, -1, 3)}),
            ("to 0-d", (1, 1), {"shape": ()}),
            ("from 0-d", (), {"shape": (1, 1)}),
            ("same", (3, 4), {"shape": (3, 4)}),
            ("empty", (0, 4), {"shape": (2, 0, 7)}),
        ],
    )
    yield from _plain(
        "expand_dims",
        lambda x, axis: np.expand_dims(x, axis),
        [("", (3, 4), {"axis": (1,)}), ("several", (3, 4), {"axis": (0, 3)}), ("0-d", (), {"axis": (0,)})],
    )
    yield from _plain(
        "squeeze",
        lambda x, axis: np.squeeze(x, axis),
        [("", (3, 1, 4), {"axis": (1,)}), ("several", (1, 3, 1), {"axis": (0, 2)}), ("0-d", (1,), {"axis": (0,)})],
    )
    yield from _plain(
        "transpose",
        lambda x, permutation: np.transpose(x, permutation),
        [
            ("", (3, 4), {"permutation": (1, 0)}),
            ("three axes", (2, 3, 4), {"permutation": (2, 0, 1)}),
            ("same", (3, 4), {"permutation": (0, 1)}),
            ("0-d", (), {"permutation": ()}),
            ("empty", (0, 4), {"permutation": (1, 0)}),
        ],
    )
    yield from _plain(
        "broadcast_to",
        lambda x, shape: np.broadcast_to(x, shape),
        [
            ("", (3, 1), {"shape": (3, 4)}),
            ("more axes", (4,), {"shape": (2, 3, 4)}),
            ("from 0-d", (), {"shape": (2, 3)}),
            ("same", (3, 4), {"shape": (3, 4)}),
            ("empty", (1, 4), {"shape": (0, 4)}),
            ("large", (50, 1), {"shape": (50, 200)}),
        ],
    )
    yield from _plain(
        "flip",
        lambda x, axis: np.flip(x, axis),
        [
            ("", (3, 4), {"axis": (1,)}),
            ("two axes", (2, 3, 4), {"axis": (0, 2)}),
            ("empty", (0, 4), {"axis": (0,)}),
        ],
    )


def _window(x: np.ndarray, starts: Any, stops: Any, steps: Any) -> np.ndarray:
    return x[tuple(slice(*bounds) for bounds in zip(starts, stops, steps, strict=True))]


def _placed(x: np.ndarray, starts: Any, stops: Any, steps: Any, shape: tuple[int, ...]) -> np.ndarray:
    made = np.zeros(shape, x.dtype)
    made[tuple(slice(*bounds) for bounds in zip(starts, stops, steps, strict=True))] = x
    return made


def _windows() -> Iterator[Case]:
    def bounds(*triples: tuple[Any, Any, int]) -> dict[str, Any]:
        starts, stops, steps = zip(*triples, strict=True)
        return {"starts": starts, "stops": stops, "steps": steps}

    yield from _plain(
        "slice",
        _window,
        [
            ("", (5, 6), bounds((1, 4, 1), (0, 6, 2))),
            ("from the end", (5, 6), bounds((-3, None, 1), (None, -1, 1))),
            ("first axis", (5, 6), bounds((0, 5, 3))),
            ("beyond", (5, 6), bounds((2, 100, 1), (-100, 2, 1))),
            ("nothing", (5, 6), bounds((4, 2, 1), (0, 6, 1))),
            ("everything", (5, 6), bounds((None, None, 1), (0, 6, 1))),
            ("of nothing", (0, 6), bounds((0, 0, 1), (1, 3, 1))),
        ],
    )
    yield from _plain(
        "place",
        _placed,
        [
            ("", (3, 3), {**bounds((1, 4, 1), (0, 6, 2)), "shape": (5, 6)}),
            ("from the end", (2, 6), {**bounds((-2, None, 1), (0, 6, 1)), "shape": (5, 6)}),
            ("all", (5, 6), {**bounds((0, 5, 1), (0, 6, 1)), "shape": (5, 6)}),
            ("nothing", (0, 6), {**bounds((2, 2, 1), (0, 6, 1)), "shape": (5, 6)}),
        ],
    )

    def padded(x: np.ndarray, padding: Any, value: float) -> np.ndarray:
        return np.pad(x, padding, constant_values=value) if padding else x

    yield from _plain(
        "pad",
        padded,
        [
            ("", (3, 4), {"padding": ((1, 2), (0, 3)), "value": 0}),
            ("with a value", (3, 4), {"padding": ((0, 0), (2, 0)), "value": -1.5}),
            ("not at all", (3, 4), {"padding": ((0, 0), (0, 0)), "value": 3}),
            ("0-d", (), {"padding": (), "value": 3}),
            ("of nothing", (0, 4), {"padding": ((2, 0), (1, 1)), "value": 7}),
        ],
    )
    infinite = {"padding": ((0, 1), (0, 0)), "value": float("-inf")}
    yield Case("pad", inputs(normal, (3, 4)), padded, "with infinity", infinite, exact=True)


def _joints() -> Iterator[Case]:
    rows: list[tuple[str, list[tuple[int, ...]], int]] = [
        ("", [(3, 4), (3, 2), (3, 1)], 1),
        ("first axis", [(2, 4), (3, 4)], 0),
        ("one", [(3, 4)], 1),
        ("with nothing", [(3, 4), (3, 0)], 1),
    ]
    for label, shapes, axis in rows:
        yield Case(
            "concatenate",
            inputs(normal, *shapes),
            lambda *xs, axis: np.concatenate(xs, axis),
            label,
            {"axis": axis},
            ANY if not label else _ONE,
            differentiable=tuple(i for i, shape in enumerate(shapes) if 0 not in shape),
            exact=True,
        )

    def parts(x: np.ndarray, axis: int, sizes: tuple[int, ...]) -> list[np.ndarray]:
        return np.split(x, np.cumsum(sizes)[:-1], axis)

    for label, sizes, axis in (("", (1, 3, 2), 1), ("first axis", (2, 3), 0), ("one", (5,), 0), ("empty", (0, 6), 1)):
        yield Case(
            "split",
            inputs(normal, (5, 6)),
            parts,
            label,
            {"axis": axis, "sizes": sizes},
            ANY if not label else _ONE,
            differentiable=(0,),
            exact=True,
        )
    # One part of several: an item of a primitive that has more.
    yield Case(
        "item",
        inputs(normal, (5, 6)),
        lambda x: x[:, 1:4],
        build=lambda x: PRIMITIVES["split"](x, axis=1, sizes=(1, 3, 2))[1],
        differentiable=(0,),
        exact=True,
    )


def _picks() -> Iterator[Case]:
    rows: list[tuple[str, tuple[int, ...], int, tuple[int, ...], str]] = [
        ("", (5, 3), 0, (4,), "int32"),
        ("last axis", (2, 5), 1, (4,), "int64"),
        ("middle axis", (2, 5, 3), 1, (2, 2), "int32"),
        ("one index", (5, 3), 0, (), "int32"),
        ("no indices", (5, 3), 0, (0,), "int64"),
        ("many", (50, 16), 0, (300,), "int32"),
    ]
    for label, shape, axis, picked, dtype in rows:
        indices = Input(counts(0, shape[axis]), picked, dtype)
        yield Case(
            "gather",
            (Input(normal, shape), indices),
            lambda x, i, axis: np.take(x, i, axis),
            label,
            {"axis": axis},
            ANY if not label else _ONE,
            differentiable=(0,) if label != "no indices" else (),
            exact=True,
        )

        def added(x: np.ndarray, i: np.ndarray, axis: int, size: int) -> np.ndarray:
            made = np.zeros((*x.shape[:axis], size, *x.shape[axis + i.ndim :]), x.dtype)
            flat = x.reshape(*x.shape[:axis], i.size, *x.shape[axis + i.ndim :])
            for place, target in enumerate(i.ravel()):
                made[(slice(None),) * axis + (target,)] += flat[(slice(None),) * axis + (place,)]
            return made

        yield Case(
            "scatter_add",
            (Input(normal, (*shape[:axis], *picked, *shape[axis + 1 :])), indices),
            added,
            label,
            {"axis": axis, "size": shape[axis]},
            (*FLOATS, "int32", "int64") if not label else _ONE,
            differentiable=(0,) if label != "no indices" else (),
            tolerance=8,
        )
    last = (Input(normal, (5, 3)), fixed([0, -1, 2, -5], "int32"))
    yield Case("gather", last, lambda x, i, axis: np.take(x, i, axis), "from the end", {"axis": 0}, exact=True)


def _made() -> Iterator[Case]:
    # A short one is computed on the host while a program is specialised.
    for length in (6, 1, 0, 5000):
        for dtype in ("int32", "int64", "uint32", "float32", "float64"):
            yield Case(
                "iota",
                (),
                lambda length, dtype: np.arange(length, dtype=dtype),
                f"{length} of {dtype}",
                {"length": length, "dtype": dtype},
                (dtype,),
                exact=True,
            )
    yield Case("shape", inputs(normal, (3, 4)), lambda x: np.array(x.shape), result="int64", dtypes=_ONE)


CASES = [*_forms(), *_windows(), *_joints(), *_picks(), *_made()]
