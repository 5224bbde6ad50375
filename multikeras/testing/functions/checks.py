"""What is asked of a backend for every row of the table of K functions."""

from __future__ import annotations

import numpy as np

from multikeras import backend as K
from multikeras.contract import is_float
from multikeras.graph.gradients import gradients
from multikeras.testing.asking import Question
from multikeras.testing.functions.case import FLOAT, REFUSALS, FunctionCase, in_floatx
from multikeras.testing.functions.tolerances import EXACT, TOLERANCES, units
from multikeras.testing.running import Observed

_STEP = 1e-5

#: Arguments by array of the table and type: cases that share them share what programs make of them.
_fed: dict[tuple[int, str], np.ndarray] = {}


def value_question(case: FunctionCase, column: str) -> Question:
    """Value, type and shape of the result in a column; the judge gives the largest error in units."""
    arrays = case.arrays(column)
    places, result = case.apply(column)
    whole = case.apply(column, known=True)[1].shape
    if is_float(column):
        wanted = column if case.dtype == FLOAT else case.dtype
        assert result.dtype == wanted, f"{case.id}: type {result.dtype} in the column {column}"
    expected = case.expected(arrays, column, result.dtype)
    tolerance = TOLERANCES.get(case.function, EXACT)

    def judge(answer: list[Observed]) -> float:
        (found,) = answer
        what = f"{case.id} in the column {column}"
        assert found.dtype == result.dtype, f"{what}: type {found.dtype}, K says {result.dtype}"
        assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
        assert whole == expected.shape, f"{what}: static shape {whole} of known lengths, expected {expected.shape}"
        fits = len(result.shape) == len(found.shape) and all(
            n is None or n == m for n, m in zip(result.shape, found.shape, strict=True)
        )
        assert fits, f"{what}: static shape {result.shape}, but it came out {found.shape}"
        if not is_float(result.dtype):
            np.testing.assert_array_equal(found.value, expected, what)
            return 0.0
        error = units(found.value, expected, result.dtype, tolerance.largest, case.scale)
        allowed = tolerance.of(result.dtype)
        assert error <= allowed, (
            f"{what}: off by {error:.2f} units of {result.dtype}, {allowed:g} are stated\n"
            f"found\n{found.value}\nexpected\n{expected}"
        )
        return error

    return Question([result], dict(zip(places, _fed_arrays(case, column), strict=True)), judge, column)


def _fed_arrays(case: FunctionCase, column: str) -> list[np.ndarray]:
    """The arguments in their own types, the same arrays wherever cases share them."""
    return [
        _fed.setdefault((id(feed), dtype), array if dtype == "bfloat16" else array.astype(dtype))
        for feed, array, dtype in zip(case.feeds, case.arrays(column), case.types(column), strict=True)
    ]


def derivative_question(case: FunctionCase, name: str = "") -> Question:
    """Gradients in float64 along a random direction, against a central difference of the oracle."""
    random = np.random.RandomState(3)
    arrays = case.arrays("float64")
    weight = random.randn(*case.expected(arrays, "float64", "float64").shape)
    places, result = case.apply("float64")
    with in_floatx("float64"):
        made = gradients([K.sum(result * K.constant(weight))], places) if places else []
    slopes = {i: g for i, g in enumerate(made) if g is not None and is_float(places[i].dtype)}
    directions = {i: random.randn(*arrays[i].shape) for i in slopes}

    def along(distance: float) -> float:
        moved = [a + distance * directions[i] if i in directions else a for i, a in enumerate(arrays)]
        return float(np.sum(case.expected(moved, "float64", "float64") * weight))

    def judge(answer: list[Observed]) -> None:
        expected = (along(_STEP) - along(-_STEP)) / (2 * _STEP)
        total = 0.0
        for (i, direction), found in zip(directions.items(), answer, strict=True):
            assert found.shape == arrays[i].shape, f"{case.id}: gradient by argument {i} has shape {found.shape}"
            assert found.dtype == "float64", f"{case.id}: gradient by argument {i} has type {found.dtype}"
            total += float(np.sum(found.value * direction))
        assert abs(total - expected) <= 1e-6 + 1e-5 * abs(expected), (
            f"{case.id}: slope {total} by the graph, {expected} by differences"
        )

    return Question(list(slopes.values()), dict(zip(places, _fed_arrays(case, "float64"), strict=True)), judge, name)


def refusal(case: FunctionCase, column: str) -> Exception:
    """The error of a call that is not defined for a column's type.

    Raises:
        AssertionError: If there is none, or it names no function to turn to.
    """
    try:
        case.apply(column)
    except REFUSALS as error:
        assert "K." in str(error), f"{case.id} in the column {column}: {error!r} names no function"
        return error
    raise AssertionError(f"{case.id} in the column {column} is not refused")
