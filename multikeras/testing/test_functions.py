"""Every row of the table of K functions, in every type: value, type, shape, derivative; what is not defined."""
# ruff: noqa: D103 - the name of a test says what it tests

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest

from multikeras import backend as K
from multikeras.contract import Backend, is_float
from multikeras.testing import matrix
from multikeras.testing.asking import Answers, Question, asks, compiles
from multikeras.testing.functions import CASES, FunctionCase, outside
from multikeras.testing.functions.case import CHANNELS, COLUMNS, OTHERS
from multikeras.testing.functions.checks import derivative_question, refusal, value_question
from multikeras.testing.functions.tolerances import TOLERANCES


@pytest.fixture(autouse=True)
def floatx_put_back() -> Any:
    before = K.floatx()
    yield
    K.set_floatx(before)


def rows(cases: list[FunctionCase]) -> list[Any]:
    return [pytest.param(case, id=case.id) for case in cases]


def test_every_function_has_a_case() -> None:
    tested = {case.function for case in CASES}
    assert tested | set(outside.FUNCTIONS) == set(K.__all__)
    assert not tested & set(outside.FUNCTIONS)


def test_each_case_is_named_once() -> None:
    names = [case.id for case in CASES]
    assert len(set(names)) == len(names), sorted({name for name in names if names.count(name) > 1})


def test_functions_with_a_data_format_have_cases_for_both() -> None:
    asking = {
        name for name in {case.function for case in CASES} if "data_format" in signature(getattr(K, name)).parameters
    }
    rows = {case.row for case in CASES}
    assert rows >= {(name, word) for name in asking for word in CHANNELS}
    assert not any((name, "") in rows for name in asking)


def test_no_cell_is_empty() -> None:
    for row in matrix.function_rows():
        for column in COLUMNS:
            assert matrix.function_cell(row, column), (row, column)


def test_every_function_that_gives_floats_has_a_tolerance() -> None:
    asked = {case.function for case in CASES if any(is_float(case.result_type(column) or "") for column in case.run_in)}
    assert asked == set(TOLERANCES)


@pytest.mark.parametrize("dtype", OTHERS)
def test_whole_numbers_have_no_gradient(dtype: str) -> None:
    x = K.placeholder((3,), dtype=dtype)
    assert K.gradients(K.exp(x), [x]) == [None]


#: Computed as float32 is, and rounded or cast: where each program is compiled, one case of a row stands for all.
THIN = ("bfloat16", "float16", *OTHERS)


def columns_of(case: FunctionCase, backend: Backend) -> list[str]:
    """The columns in which a case is run on a backend."""
    columns = [column for column in case.run_in if column in backend.dtypes]
    if compiles(backend):
        columns = [c for c in columns if c not in THIN or case is matrix.largest_case(case.row, c)]
        columns = [c for c in columns if not as_int32(case, c)]
    return columns


def as_int32(case: FunctionCase, column: str) -> bool:
    """Whether a case becomes a float as it does in the column int32: the same program behind another cast."""
    return column in ("uint8", "bool") and case.result_type(column) == case.result_type("int32") == "float32"


DERIVATIVE = "derivative"


def has_derivative(case: FunctionCase) -> bool:
    return case.smooth and case.result_type("float64") == "float64"


def about(case: FunctionCase, backend: Backend) -> list[Question]:
    """Values in every column and the derivative, which a compiler then makes of one program."""
    columns = [column for column in columns_of(case, backend) if case.result_type(column) is not None]
    asked = [value_question(case, column) for column in columns]
    return [*asked, derivative_question(case, DERIVATIVE)] if has_derivative(case) else asked


@pytest.mark.parametrize("case", rows(CASES))
@asks(about)
def test_function(case: FunctionCase, answers: Answers, cells: matrix.Recorder) -> None:
    failures = []
    for question, judge in answers.of(about, case):
        if question.name == DERIVATIVE:
            continue
        try:
            cells.passed("function", case.row, question.name, judge())
        except AssertionError as failure:
            cells.failed("function", case.row, question.name)
            failures.append(failure)
    for column in columns_of(case, answers.backend):
        if case.result_type(column) is None:
            refusal(case, column)
            cells.passed("function", case.row, column)
    if failures:
        raise failures[0]


@pytest.mark.parametrize("case", rows([case for case in CASES if has_derivative(case)]))
@asks(about)
def test_derivative(case: FunctionCase, answers: Answers) -> None:
    answers.check(about, case, DERIVATIVE)
