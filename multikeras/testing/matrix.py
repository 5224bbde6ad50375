"""Which function and primitive runs in which type, and how exactly: what is claimed, and what came out.

A claim is read off the tables of cases, and the conformance suite verifies every one: a cell stands for
tests that pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest
from typing import Any

from multikeras.contract import is_float
from multikeras.graph.bodies import SubGraph
from multikeras.graph.tensor import Tensor
from multikeras.testing import checks
from multikeras.testing.case import PRECISION, Case
from multikeras.testing.cases import CASES as PRIMITIVE_CASES
from multikeras.testing.functions import CASES, FunctionCase
from multikeras.testing.functions.case import COLUMNS
from multikeras.testing.functions.checks import refusal
from multikeras.testing.functions.outside import WITHOUT_RESULT
from multikeras.testing.functions.tolerances import EXACT, TOLERANCES

#: A function and its data format, or a primitive and nothing.
Row = tuple[str, str]

#: Types of the primitives' columns; the other whole numbers are tested where a primitive treats them apart.
PRIMITIVE_COLUMNS = ("float64", "float32", "bfloat16", "float16", "int64", "int32", "uint8", "bool")

#: Claims that no test of the cell itself stands for.
_NO_TEST = ("by K", "unused", *WITHOUT_RESULT.values())

#: The name of the property by which tests report cells.
PROPERTY = "multikeras cell"


# -- functions of K -------------------------------------------------------------------------------


@cache
def function_cases() -> dict[Row, list[FunctionCase]]:
    """The cases of each row."""
    made: dict[Row, list[FunctionCase]] = {}
    for case in CASES:
        made.setdefault(case.row, []).append(case)
    return dict(sorted(made.items()))


def largest_case(row: Row, column: str) -> FunctionCase:
    """The case of a row that takes the most numbers in a column."""
    cases = [case for case in function_cases()[row] if column in case.run_in]
    return max(cases, key=lambda case: sum(feed.size for feed in case.feeds))


def function_rows() -> list[Row]:
    """Every function of the table, with every data format that it has."""
    return list(function_cases())


@cache
def function_cell(row: Row, column: str) -> str:
    """What is claimed of a function in a type.

    Returns:
        The types of results that are not of the column's type, and how many units they may be off;
        or the error of a call that is not defined; or why there is no such call.

    Raises:
        ValueError: If some cases are defined and others not.
    """
    cases = [case for case in function_cases()[row] if column in case.run_in]
    if not cases:
        return WITHOUT_RESULT.get(row[0], "")
    # What a call without a floating argument gives is said once, in the columns of whole numbers.
    cases = [case for case in cases if case.varies] or cases
    types = {case.result_type(column) for case in cases}
    if types == {None}:
        return type(refusal(cases[0], column)).__name__
    named = sorted(dtype for dtype in types if dtype is not None)
    if len(named) < len(types):
        refused = [case.id for case in cases if case.result_type(column) is None]
        raise ValueError(f"In the column {column} {', '.join(refused)} are not defined and other cases are.")
    tolerance = TOLERANCES.get(row[0], EXACT)
    words = [_units(tolerance.of(dtype)) if is_float(dtype) else "exact" for dtype in named]
    if named == [column]:
        return words[0]
    return ", ".join(dtype if word == "exact" else f"{dtype} {word}" for dtype, word in zip(named, words, strict=True))


def _units(number: float) -> str:
    return f"{number:g} u" if number else "exact"


def derivative_cell(row: Row) -> str:
    """Whether derivatives of a function are compared with finite differences."""
    cases = function_cases()[row]
    return "checked" if any(case.smooth and case.result_type("float64") == "float64" for case in cases) else "none"


# -- primitives -----------------------------------------------------------------------------------


@cache
def _primitive_cases() -> dict[str, list[Case]]:
    made: dict[str, list[Case]] = {}
    for case in PRIMITIVE_CASES:
        made.setdefault(case.primitive, []).append(case)
    return dict(sorted(made.items()))


def primitive_rows() -> list[Row]:
    """Every primitive of the table."""
    return [(name, "") for name in _primitive_cases()]


@cache
def primitive_cell(name: str, column: str) -> str:
    """What is claimed of a primitive in a type.

    Returns:
        How large a difference relative to the reference may be; the error of a primitive that is not
        defined for the type; `'by K'` where the tests of K's functions run it and its own do not; or
        `'unused'` where no function of K applies it to the type, and nothing is promised.
    """
    cases = _primitive_cases()[name]
    within = [case for case in cases if column in case.dtypes]
    if not within:
        error = primitive_refusal(name, column)
        return error or ("by K" if (name, column) in _applied() else "unused")
    factors = [0.0 if case.exact else case.tolerance for case in within]
    results = {dtype for case in within for dtype in case.result_dtypes(1, column)}
    if column not in PRECISION or not any(factors) or not any(map(is_float, results)):
        return "exact"
    return f"{PRECISION[column] * max(factors):.0e}"


def primitive_refusal(name: str, column: str) -> str:
    """The error of a primitive that is applied to a type it is not defined for; empty where there is none."""
    case = _primitive_cases()[name][0]
    try:
        case.apply(checks.placeholders(case, case.arrays(case.dtypes[0]), column))
    except (TypeError, ValueError) as error:
        return type(error).__name__
    return ""


@cache
def _applied() -> frozenset[tuple[str, str]]:
    """Primitives and types that the tests of K's functions run on every backend."""
    found: set[tuple[str, str]] = set()
    for row, cases in function_cases().items():
        for column in COLUMNS:
            if any(column in case.run_in for case in cases):
                case = largest_case(row, column)
                if case.result_type(column) is not None:
                    _walk([case.apply(column)[1]], found)
    return frozenset(found)


def _walk(tensors: Sequence[Tensor], found: set[tuple[str, str]]) -> None:
    stack, seen = list(tensors), set(tensors)
    while stack:
        tensor = stack.pop()
        if tensor.primitive is None:
            continue
        inputs = [x for x in tensor.inputs if x is not None]
        found.add((tensor.primitive.name, inputs[0].dtype if inputs else tensor.dtype))
        bodies = [tensor.attributes[name] for name in tensor.primitive.bodies]
        inputs += [output for body in bodies if isinstance(body, SubGraph) for output in body.outputs]
        new = [x for x in inputs if x not in seen]
        seen.update(new)
        stack.extend(new)


# -- what came out --------------------------------------------------------------------------------


@dataclass
class Cell:
    """What the tests of a cell found: the worst error, how many passed, how many failed."""

    worst: float = 0.0
    passed: int = 0
    failed: int = 0


@dataclass
class Matrix:
    """What came out on one backend.

    Attributes:
        backend: Its name.
        cells: By kind (`'function'` or `'primitive'`), row and column.
    """

    backend: str
    cells: dict[tuple[str, Row, str], Cell] = field(default_factory=dict)

    def add(self, kind: str, row: Row, column: str, error: float | None) -> None:
        """Adds the outcome of one test; None is a failure."""
        cell = self.cells.setdefault((kind, row, column), Cell())
        if error is None:
            cell.failed += 1
        else:
            cell.passed += 1
            cell.worst = max(cell.worst, error)

    def lines(self) -> list[str]:
        """The matrix as text: what is claimed of each cell that was tested, and the worst error found."""
        lines = []
        for kind, columns, claim in (
            ("function", COLUMNS, function_cell),
            ("primitive", PRIMITIVE_COLUMNS, lambda row, column: primitive_cell(row[0], column)),
        ):
            rows = sorted({row for each, row, _ in self.cells if each == kind})
            if rows:
                lines += _aligned(
                    [[kind, "format", *columns]]
                    + [[row[0], row[1] or "-", *[self._text(kind, row, c, claim) for c in columns]] for row in rows]
                )
                lines.append("")
        worst = self.worst()
        if worst:
            found = ", ".join(f"{dtype} {error:.2f} ({name})" for dtype, (error, name) in worst.items())
            lines.append(f"worst error of a function, in units of its type: {found}")
        return lines

    def _text(self, kind: str, row: Row, column: str, claim: Callable[[Row, str], str]) -> str:
        cell = self.cells.get((kind, row, column))
        if cell is None:
            text = claim(row, column)
            if text.startswith("float32") and (kind, row, "int32") in self.cells:
                return "as int32"
            return text if text in _NO_TEST else "not run"
        if cell.failed:
            return f"FAILED {cell.failed} of {cell.failed + cell.passed}"
        text = claim(row, column)
        return f"{text} ({cell.worst:.1f})" if text.endswith(" u") and kind == "function" else text

    def worst(self) -> dict[str, tuple[float, str]]:
        """The largest error of a function in each type, and whose it is."""
        found: dict[str, tuple[float, str]] = {}
        for (kind, row, column), cell in self.cells.items():
            if kind == "function" and is_float(column) and cell.worst >= found.get(column, (0.0, ""))[0]:
                found[column] = cell.worst, row[0]
        return dict(sorted(found.items()))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


class Recorder:
    """How a test says what it found of a cell."""

    def __init__(self, backend: str, record: Callable[[str, Any], None]) -> None:
        """Args:
        backend: Who is tested.
        record: Takes a name and a value that pytest reports with the test.
        """
        self._backend, self._record = backend, record

    def passed(self, kind: str, row: Row, column: str, error: float = 0.0) -> None:
        """A case of a cell came out right, by so many units."""
        self._record(PROPERTY, [self._backend, kind, *row, column, error])

    def failed(self, kind: str, row: Row, column: str) -> None:
        """A case of a cell came out wrong."""
        self._record(PROPERTY, [self._backend, kind, *row, column, None])


def gathered(properties: Iterable[Sequence[Any]], into: dict[str, Matrix]) -> None:
    """Adds what tests recorded to the matrices of the backends.

    Args:
        properties: Pairs of names and values of reports.
        into: A matrix by backend.
    """
    for name, value in properties:
        if name == PROPERTY:
            backend, kind, function, data_format, column, error = value
            into.setdefault(backend, Matrix(backend)).add(kind, (function, data_format), column, error)


def claimed(dtypes: Collection[str]) -> dict[str, dict[Row, dict[str, str]]]:
    """All claims about a backend that has these types, by kind, row and column."""
    functions = {
        row: {column: function_cell(row, column) if column in dtypes else f"no {column}" for column in COLUMNS}
        for row in function_rows()
    }
    primitives = {
        row: {c: primitive_cell(row[0], c) if c in dtypes else f"no {c}" for c in PRIMITIVE_COLUMNS}
        for row in primitive_rows()
    }
    return {"function": functions, "primitive": primitives}
