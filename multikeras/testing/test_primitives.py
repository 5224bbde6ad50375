"""Every row of the table of primitive cases: value, type, shape, first and second gradient."""
# ruff: noqa: D103 - the name of a test says what it tests

from __future__ import annotations

import numpy as np
import pytest

from multikeras.contract import PRIMITIVES, Backend
from multikeras.graph.gradients import gradients
from multikeras.graph.ops.reductions import reduce_sum
from multikeras.graph.tensor import Placeholder
from multikeras.testing import checks, matrix, run
from multikeras.testing.asking import Answers, Question, asks
from multikeras.testing.case import Case
from multikeras.testing.cases import CASES
from multikeras.testing.cases.edges import EDGES, KINKS, Kink
from multikeras.testing.matrix import Recorder


def rows(cases: list[Case]) -> list[object]:
    """The cases as parameters of a test."""
    return [pytest.param(case, id=case.id) for case in cases]


def types_of(case: Case, backend: Backend) -> list[str]:
    """The types in which the backend can run a case."""
    return [dtype for dtype in case.dtypes if case.runs_on(backend.dtypes, dtype)]


def need_a_type(case: Case, backend: Backend) -> None:
    if not types_of(case, backend):
        pytest.skip(f"{backend.name} lacks a type of this case")


def about_values(case: Case, backend: Backend) -> list[Question]:
    types = types_of(case, backend)
    return [
        question
        for dtype in types
        for question in checks.value_questions(case, dtype, unknown=case.unknown and dtype == types[0])
    ]


def about_derivatives(case: Case, backend: Backend) -> list[Question]:
    return checks.derivative_questions(case)


def test_table_has_every_primitive() -> None:
    # A package that declares primitives of its own names them 'package.name' and tests them itself.
    declared = {name for name in PRIMITIVES if "." not in name}
    assert {case.primitive for case in CASES} == declared


def test_table_names_each_case_once() -> None:
    names = [case.id for case in CASES]
    assert len(set(names)) == len(names), sorted({name for name in names if names.count(name) > 1})


def test_table_differentiates_every_primitive_that_has_a_gradient() -> None:
    differentiable = {case.primitive for case in CASES if case.differentiable}
    declared = {name for name, primitive in PRIMITIVES.items() if "." not in name and primitive.gradient is not None}
    assert declared <= differentiable


@pytest.mark.parametrize("case", rows(CASES))
@asks(about_values)
def test_value(case: Case, answers: Answers, cells: Recorder) -> None:
    need_a_type(case, answers.backend)
    row = case.primitive, ""
    failures = []
    for question, judge in answers.of(about_values, case):
        if question.name == checks.UNKNOWN:
            continue
        try:
            judge()
            cells.passed("primitive", row, question.name)
        except AssertionError as failure:
            cells.failed("primitive", row, question.name)
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.mark.parametrize("name", [name for name, _ in matrix.primitive_rows()])
def test_types_that_are_not_defined(name: str, cells: Recorder) -> None:
    for column in matrix.PRIMITIVE_COLUMNS:
        defined = any(case.primitive == name and column in case.dtypes for case in CASES)
        if not defined and matrix.primitive_refusal(name, column):
            cells.passed("primitive", (name, ""), column)


@pytest.mark.parametrize("case", rows([case for case in CASES if case.unknown]))
@asks(about_values)
def test_unknown_lengths(case: Case, answers: Answers) -> None:
    need_a_type(case, answers.backend)
    answers.check(about_values, case, checks.UNKNOWN)


@pytest.mark.parametrize("case", rows([case for case in CASES if case.differentiable]))
@asks(about_derivatives)
def test_gradient(case: Case, answers: Answers) -> None:
    answers.check(about_derivatives, case, checks.GRADIENT, checks.UNKNOWN)


@pytest.mark.parametrize("case", rows([case for case in CASES if case.differentiable and case.order > 1]))
@asks(about_derivatives)
def test_second_gradient(case: Case, answers: Answers) -> None:
    answers.check(about_derivatives, case, checks.SECOND)


@pytest.mark.parametrize("case", rows([case for case in CASES if PRIMITIVES[case.primitive].gradient is None]))
def test_no_gradient(case: Case) -> None:
    if case.primitive != "item":
        checks.check_no_gradient(case)


@pytest.mark.parametrize("case", rows(EDGES))
@asks(about_values)
def test_edges(case: Case, answers: Answers) -> None:
    need_a_type(case, answers.backend)
    answers.check(about_values, case)


@pytest.mark.parametrize("case", [pytest.param(kink, id=kink.id) for kink in KINKS])
def test_gradient_at_a_kink(case: Kink, tested_backend: Backend) -> None:
    values = [np.asarray(value, "float64") for value in case.values]
    tensors = [Placeholder(value.shape, "float64") for value in values]
    out = case.build(*tensors)
    made = gradients([reduce_sum(out, axis=tuple(range(out.ndim)), keepdims=False)], tensors)
    assert all(g is not None for g in made)
    found = run([g for g in made if g is not None], dict(zip(tensors, values, strict=True)), backend=tested_backend)
    for slope, expected in zip(found, case.expected, strict=True):
        np.testing.assert_allclose(slope, expected, 1e-12)
