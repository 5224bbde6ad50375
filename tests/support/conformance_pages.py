"""Writes the tables of docs/ that are made from the code: `python tests/support/conformance_pages.py`.

What can be said of CuPy needs its backend's own modules, which the conformance suite knows nothing of.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "backends")]

from multikeras.contract import Backend, DeviceSettings, Kernel  # noqa: E402 - the paths come first
from multikeras.graph.bodies import SubGraph  # noqa: E402
from multikeras.graph.tensor import Tensor  # noqa: E402
from multikeras.testing import matrix, pages, running  # noqa: E402
from multikeras.testing.functions import FunctionCase  # noqa: E402
from multikeras.testing.functions.case import COLUMNS  # noqa: E402

#: Whose a kernel is, by the module that defines it; what is in neither is a function of CuPy.
_OURS = {"multikeras_arrays": "shared", "multikeras_cupy": "own"}
_ORDER = ("shared", "CuPy's", "own")


class Unrun(Backend):
    """The kernels of the CuPy backend, of which programs are made that nobody runs."""

    name = "cupy"
    title = "CuPy"

    def __init__(self, settings: DeviceSettings = DeviceSettings()) -> None:
        super().__init__(settings)
        from multikeras_cupy import CupyBackend
        from multikeras_cupy.cupy_kernels import cupy_kernels

        self.kernels = cupy_kernels()
        self.dtypes = CupyBackend.dtypes

    def feed(self, value: Any, dtype: str) -> np.ndarray:
        return np.asarray(value, dtype)

    def own(self, value: Any, dtype: str) -> np.ndarray:
        return np.array(value, dtype)


@cache
def _unrun() -> Unrun:
    return Unrun()


def owner(kernel: Kernel) -> str:
    """Whose a kernel is, inside what casts around it."""
    kernel = getattr(kernel, "__wrapped__", kernel)
    module = getattr(kernel, "__module__", None) or "cupy"
    return _OURS.get(module.partition(".")[0], "CuPy's")


def kernels_of(case: FunctionCase, column: str) -> set[str]:
    """The primitives that a case comes down to on CuPy."""
    backend = _unrun()
    places, result = case.apply(column)
    feeds = {place: np.zeros(array.shape) for place, array in zip(places, case.arrays(column), strict=True)}
    made, _ = running.program([result], feeds, backend=backend)
    return set(_named([line.tensor for line in made.straight.lines]))


def _named(tensors: Iterable[Tensor]) -> Iterable[str]:
    seen = set(tensors)
    stack = list(seen)
    while stack:
        tensor = stack.pop()
        if tensor.primitive is None:
            continue
        if tensor.primitive.name in _unrun().kernels:
            yield tensor.primitive.name
        for name in tensor.primitive.bodies:
            body = tensor.attributes[name]
            new = [t for t in (body.outputs if isinstance(body, SubGraph) else ()) if t not in seen]
            seen.update(new)
            stack.extend(new)
        new = [x for x in tensor.inputs if x is not None and x not in seen]
        seen.update(new)
        stack.extend(new)


@cache
def cupy_cell(row: matrix.Row, column: str) -> str:
    """Whose the kernels are that a function runs in a type."""
    if column not in _unrun().dtypes:
        return f"no {column}"
    claim = matrix.function_cell(row, column)
    cases = [case for case in matrix.function_cases()[row] if column in case.run_in]
    if not cases or any(case.result_type(column) is None for case in cases):
        return claim
    names = {name for case in cases for name in kernels_of(case, column)}
    owners = {owner(_unrun().kernels[name]) for name in names}
    return " + ".join(word for word in _ORDER if word in owners) or "no kernel"


def cupy() -> str:
    """Whose the kernels are, for all functions and types."""
    rows = [
        [f"`{row[0]}`", row[1] or "any", *[cupy_cell(row, column) for column in COLUMNS]]
        for row in matrix.function_rows()
    ]
    return pages.table(["function", "format", *COLUMNS], rows)


def cupy_primitives() -> str:
    """Whose the kernel of each primitive is."""
    kernels = _unrun().kernels
    words: dict[str, list[str]] = {word: [] for word in (*_ORDER, "composed of others")}
    for name, _ in matrix.primitive_rows():
        words[owner(kernels[name]) if name in kernels else "composed of others"].append(f"`{name}`")
    return pages.table(["kernel", "primitives"], [[word, " ".join(names)] for word, names in words.items()])


#: The tables that need CuPy to be importable.
TABLES: dict[str, Callable[[], str]] = {"cupy": cupy, "cupy primitives": cupy_primitives}

if __name__ == "__main__":
    pages.PAGES["conformance.md"].update(TABLES)
    sys.exit(pages.main([str(ROOT / "docs")]))
