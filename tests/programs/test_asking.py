"""The suite's own parts: questions asked together, units of errors, data formats, and what a matrix says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.backend import configuration
from multikeras.contract import Array
from multikeras.testing import matrix
from multikeras.testing.asking import Answers, Question, compiles
from multikeras.testing.functions import CASES, FunctionCase
from multikeras.testing.functions import checks as function_checks
from multikeras.testing.functions.tolerances import EXACT, TOLERANCES, Tolerance, units
from multikeras_numpy import NumpyBackend


class Compiling(NumpyBackend):
    """NumPy as a backend that compiles, and counts how often; the exponential can be made to fail."""

    name = "compiling"

    def __init__(self) -> None:
        super().__init__()
        self.compiled = 0
        self.fault: Callable[[Array], Array] | None = None
        exp = self.kernels["exp"]
        self.kernels = {**self.kernels, "exp": lambda x: exp(x) if self.fault is None else self.fault(x)}

    def compile(
        self, function: Callable[..., tuple[Array, ...]], donated: Sequence[int]
    ) -> Callable[..., tuple[Array, ...]]:
        self.compiled += 1
        return function


def about(name: str, backend: Any) -> list[Question]:
    x = K.placeholder((3,))

    def judge(found: Any) -> float:
        np.testing.assert_allclose(found[0].value, getattr(np, name)(np.ones(3)), 1e-6)
        return 0.25

    return [Question([getattr(K, name)(x)], {x: np.ones(3, "float32")}, judge, name)]


NAMES = ["sin", "exp", "cos", "tanh"]


def test_many_are_answered_by_one_program() -> None:
    backend = Compiling()
    answers = Answers(backend, [(about, name) for name in NAMES])
    assert compiles(backend) and answers.compiles
    for name in NAMES:
        ((question, judge),) = answers.of(about, name)
        assert (question.name, judge()) == (name, 0.25)
    assert backend.compiled == 1
    # What was not announced is asked alone.
    answers.check(about, "sqrt")
    assert backend.compiled == 2


def test_backends_that_do_not_compile_are_asked_one_at_a_time() -> None:
    answers = Answers(NumpyBackend(), [])
    assert not answers.compiles
    answers.check(about, "exp")
    answers.check(about, "exp", "another name")


def test_a_fault_is_found_where_it_is() -> None:
    def fail(x: Array) -> Array:
        raise RuntimeError("out of order")

    for fault, error in ((fail, RuntimeError), (lambda x: x * 2, AssertionError)):
        backend = Compiling()
        backend.fault = fault
        answers = Answers(backend, [(about, name) for name in NAMES])
        for name in ("sin", "cos", "tanh"):
            answers.check(about, name)
        with pytest.raises(error):
            answers.check(about, "exp")


def test_a_question_that_cannot_be_made_harms_no_other() -> None:
    answers = Answers(Compiling(), [(about, "sin"), (about, "no such function"), (about, "cos")])
    answers.check(about, "sin")
    with pytest.raises(AttributeError):
        answers.check(about, "no such function")
    answers.check(about, "cos")


def test_units() -> None:
    one = np.array([1.0])
    for dtype, digits in (("float64", 52), ("float32", 23), ("bfloat16", 7), ("float16", 10)):
        assert units(one + 3 * 2.0**-digits, one, dtype, False) == 3
        # Below 1 numbers are twice as dense.
        assert units(one / 2 + 3 * 2.0**-digits, one / 2, dtype, False) == 6
        assert units(np.array([np.nan, np.inf, -np.inf]), np.array([np.nan, np.inf, -np.inf]), dtype, False) == 0
        assert units(np.array([1.0]), np.array([np.nan]), dtype, False) == np.inf
        assert units(np.array([2.0]), np.array([np.inf]), dtype, False) == np.inf
    # The nearest number of the type is right, and its neighbour is not.
    third = np.array([1 / 3])
    assert units(third.astype("float32"), third, "float32", False) == 0
    assert 0.5 < units(np.nextafter(third.astype("float32"), np.float32(1)), third, "float32", False) < 1.5
    # An entry near 0 beside large ones.
    assert units(np.array([4.0, 2.0**-50]), np.array([4.0, 0.0]), "float64", True) == 1
    assert units(np.array([2.0**-52]), np.array([0.0]), "float64", False, scale=1.0) == 1
    # Too small for a normal number the unit is that of the smallest one.
    assert units(np.array([2.0**-24]), np.array([0.0]), "float16", False) == 1


def test_an_error_above_the_tolerance_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Compiling()
    case = next(case for case in CASES if case.id == "exp")
    assert function_checks.value_question(case, "float32").ask(backend) <= TOLERANCES["exp"].float32
    exact = backend.kernels["exp"]
    backend.kernels = {**backend.kernels, "exp": lambda x: exact(x) * np.float32(1 + 1e-6)}
    with pytest.raises(AssertionError, match=r"exp in the column float32: off by \d.* units of float32, 4 are stated"):
        function_checks.value_question(case, "float32").ask(backend)
    monkeypatch.setitem(TOLERANCES, "exp", EXACT)
    with pytest.raises(AssertionError, match="0 are stated"):
        function_checks.value_question(case, "float32").ask(backend)
    backend.kernels = {**backend.kernels, "exp": lambda x: exact(x).astype("float64")}
    with pytest.raises(AssertionError, match="type float64, K says float32"):
        function_checks.value_question(case, "float32").ask(backend)


def test_tolerances_are_tight() -> None:
    for name, tolerance in TOLERANCES.items():
        assert max(tolerance.float64, tolerance.float32) <= 32, name
        assert max(tolerance.bfloat16, tolerance.float16) <= (16 if name == "silu" else 4), name
        assert tolerance == EXACT or tolerance.of("float16") > 0


def test_cases_run_in_the_format_that_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    normalize = configuration.normalize_data_format

    def spy(value: Any) -> str:
        seen.append(normalize(value))
        return seen[-1]

    import multikeras.backend as package

    modules = [module for module in vars(package).values() if hasattr(module, "normalize_data_format")]
    for module in modules:
        monkeypatch.setattr(module, "normalize_data_format", spy)
    for case in (case for case in CASES if case.format):
        seen.clear()
        case.apply("float32")
        # What comes after the first is asked by functions that it is composed of.
        assert case.format in seen[:1], case.id


def cell(error: float | None, case: FunctionCase) -> matrix.Matrix:
    made = matrix.Matrix("numpy")
    made.add("function", case.row, "float32", error)
    made.add("function", case.row, "float64", 0.5)
    return made


def test_a_matrix_says_what_came_out() -> None:
    case = next(case for case in CASES if case.id == "exp")
    lines = cell(1.25, case).lines()
    assert lines[0].split() == ["function", "format", *matrix.COLUMNS]
    assert lines[1].split("  ")[0] == "exp"
    assert "4 u (1.2)" in lines[1] and "not run" in lines[1]
    assert "float32 1.25 (exp)" in lines[-1] and "float64 0.50 (exp)" in lines[-1]
    assert "FAILED 1 of 1" in cell(None, case).lines()[1]


def test_reports_are_gathered() -> None:
    recorded: list[tuple[str, Any]] = []
    recorder = matrix.Recorder("jax", lambda name, value: recorded.append((name, value)))
    recorder.passed("function", ("conv2d", "channels_last"), "float32", 1.5)
    recorder.failed("primitive", ("exp", ""), "float16")
    found: dict[str, matrix.Matrix] = {}
    matrix.gathered([*recorded, ("another property", 3)], found)
    assert list(found) == ["jax"]
    assert found["jax"].cells["function", ("conv2d", "channels_last"), "float32"] == matrix.Cell(1.5, 1, 0)
    assert found["jax"].cells["primitive", ("exp", ""), "float16"] == matrix.Cell(0.0, 0, 1)


def test_a_tolerance_has_one_number_a_type() -> None:
    tolerance = Tolerance(1, 2, 3, 4)
    assert [tolerance.of(dtype) for dtype in ("float64", "float32", "bfloat16", "float16")] == [1, 2, 3, 4]
