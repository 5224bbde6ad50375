"""What is asked of a backend for every row of the table of primitive cases."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras.contract import Backend, is_float
from multikeras.graph.gradients import gradients
from multikeras.graph.ops.reductions import reduce_sum
from multikeras.graph.tensor import Placeholder, Tensor
from multikeras.testing.asking import Question
from multikeras.testing.case import PRECISION, Case, held_by
from multikeras.testing.running import Observed

#: Directions along which gradients are compared.
_DIRECTIONS = 2
_FIRST_STEP = 1e-6
_SECOND_STEP = 1e-4


def assert_close(actual: np.ndarray, expected: np.ndarray, dtype: str, tolerance: float, what: str) -> None:
    """Raises where two arrays differ by more than the precision of `dtype` allows.

    Args:
        actual: What came out.
        expected: What should have, in float64 or a type that is no float.
        dtype: The type in which it was computed.
        tolerance: Factor on the precision; 0 asks for equal bits.
        what: Says what is compared, for the message.

    Raises:
        AssertionError: With both arrays.
    """
    if not is_float(dtype) or not tolerance:
        wanted = held_by(expected, dtype)
        np.testing.assert_array_equal(np.asarray(actual, wanted.dtype), wanted, what)
        return
    precision = PRECISION[dtype] * tolerance
    wanted = held_by(expected, dtype)
    finite = np.abs(wanted[np.isfinite(wanted)])
    scale = float(finite.max(initial=0.0))
    # A sum of large numbers that nearly cancel is as exact as they were.
    np.testing.assert_allclose(
        np.asarray(actual, "float64"), wanted, precision, precision * min(scale, 1.0) + 1e-30, err_msg=what
    )


def placeholders(case: Case, arrays: Sequence[np.ndarray], dtype: str, unknown: bool = False) -> list[Tensor]:
    """One placeholder for each operand, with all lengths unknown if asked."""
    return [
        Placeholder((None,) * array.ndim if unknown else array.shape, case.dtype_of(i, dtype))
        for i, array in enumerate(arrays)
    ]


#: The name of questions whose operands have no known length.
UNKNOWN = "unknown lengths"


def value_questions(case: Case, dtype: str, unknown: bool = False) -> list[Question]:
    """Value, type and shape of the results, and that no operand was written.

    Args:
        case: The case.
        dtype: The type that it is run in.
        unknown: Whether to ask as well, by a question named so, that operands of unknown lengths give a
            shape that fits the real one, and the same result.
    """
    arrays = case.arrays(dtype)
    expected = case.expected(arrays)
    tensors = placeholders(case, arrays, dtype)
    outputs = case.apply(tensors)
    types = case.result_dtypes(len(expected), dtype)
    assert len(outputs) == len(expected), f"{case.id}: {len(outputs)} results, expected {len(expected)}"
    for output, wanted, name in zip(outputs, expected, types, strict=True):
        assert output.shape == wanted.shape, f"{case.id}: static shape {output.shape}, expected {wanted.shape}"
        assert output.dtype == name, f"{case.id}: static type {output.dtype}, expected {name}"
    # In their own types, so that a backend may use their memory.
    names = [case.dtype_of(i, dtype) for i in range(len(arrays))]
    fed = [
        np.array(array, "float64" if name == "bfloat16" else name) for array, name in zip(arrays, names, strict=True)
    ]

    def judge(found: list[Observed]) -> None:
        _compare(case, found, expected, types)
        for array, before in zip(fed, arrays, strict=True):
            np.testing.assert_array_equal(array, before, f"{case.id}: an operand was written")

    asked = [Question(outputs, dict(zip(tensors, fed, strict=True)), judge, dtype)]
    if unknown:
        tensors = placeholders(case, arrays, dtype, unknown=True)
        outputs = case.apply(tensors)
        for output, wanted in zip(outputs, expected, strict=True):
            fits = len(output.shape) == wanted.ndim and all(
                n is None or n == length for n, length in zip(output.shape, wanted.shape, strict=True)
            )
            assert fits, f"{case.id}: static shape {output.shape} of unknown operands, but it came out {wanted.shape}"
        asked.append(Question(outputs, dict(zip(tensors, fed, strict=True)), judge, UNKNOWN))
    return asked


def check_value(case: Case, dtype: str, backend: Backend) -> None:
    """Asks a backend about values."""
    value_questions(case, dtype)[0].ask(backend)


def _compare(case: Case, results: Sequence[Observed], expected: Sequence[np.ndarray], types: Sequence[str]) -> None:
    for found, wanted, name in zip(results, expected, types, strict=True):
        what = f"{case.id}, {name}"
        assert found.shape == wanted.shape, f"{what}: shape {found.shape}, expected {wanted.shape}"
        assert found.dtype == name, f"{what}: type {found.dtype}, expected {name}"
        assert not found.shares, f"{what}: the result lies in the memory of an operand"
        assert_close(found.value, wanted, name, 0 if case.exact else case.tolerance, what)


class _Scalar:
    """A case as a function of float64 arrays to a number: a weighted sum of all float results."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.arrays = case.arrays("float64")
        self.generator = np.random.default_rng(zlib.crc32(case.id.encode()) + 1)
        expected = case.expected(self.arrays)
        types = case.result_dtypes(len(expected), "float64")
        self.weights = [
            self.generator.normal(size=value.shape) if is_float(name) else None
            for value, name in zip(expected, types, strict=True)
        ]

    def number(self, arrays: Sequence[np.ndarray]) -> float:
        """The value by the reference."""
        results = self.case.expected(arrays)
        return sum(
            float(np.sum(value * weight))
            for value, weight in zip(results, self.weights, strict=True)
            if weight is not None
        )

    def tensor(self, tensors: Sequence[Tensor]) -> Tensor:
        """The value as graph."""
        total: Any = None
        for output, weight in zip(self.case.apply(tensors), self.weights, strict=True):
            if weight is None:
                continue
            part = reduce_sum(output * weight, axis=tuple(range(weight.ndim)), keepdims=False)
            total = part if total is None else total + part
        assert isinstance(total, Tensor), f"{self.case.id} has no result to be differentiated"
        return total

    def directions(self) -> list[np.ndarray | None]:
        """A random direction for each operand that it is differentiated by."""
        return [
            self.generator.normal(size=array.shape) if i in self.case.differentiable else None
            for i, array in enumerate(self.arrays)
        ]

    def moved(self, *steps: tuple[float, Sequence[np.ndarray | None]]) -> list[np.ndarray]:
        """The operands moved along directions."""
        made = list(self.arrays)
        for length, directions in steps:
            made = [x if v is None else x + length * v for x, v in zip(made, directions, strict=True)]
        return made


GRADIENT, SECOND = "gradient", "second gradient"


def derivative_questions(case: Case) -> list[Question]:
    """Derivatives in float64 against those of the reference, of which differences are taken.

    Returns:
        A question about the gradient; another, named so, of operands of unknown lengths; and one about
        the gradient of the gradient along a direction, where there is one.
    """
    scalar = _Scalar(case)
    names = [GRADIENT, UNKNOWN][: 1 + case.unknown]
    asked = [_gradient_question(case, scalar, name) for name in names]
    if case.order > 1:
        asked.append(_second_gradient_question(case, scalar))
    return asked


def _gradient_question(case: Case, scalar: _Scalar, name: str) -> Question:
    tensors = placeholders(case, scalar.arrays, "float64", name == UNKNOWN)
    targets = [tensors[i] for i in case.differentiable]
    made = gradients([scalar.tensor(tensors)], targets)
    assert all(g is not None for g in made), f"{case.id}: no gradient by one of operands {case.differentiable}"

    def judge(found: list[Observed]) -> None:
        for i, g in zip(case.differentiable, found, strict=True):
            assert g.shape == scalar.arrays[i].shape, f"{case.id}: gradient by operand {i} has shape {g.shape}"
            assert g.dtype == "float64", f"{case.id}: gradient by operand {i} has type {g.dtype}"
        for _ in range(_DIRECTIONS):
            directions = scalar.directions()
            by_graph = sum(
                float(np.sum(g.value * directions[i])) for i, g in zip(case.differentiable, found, strict=True)
            )
            ahead, behind = (scalar.number(scalar.moved((h, directions))) for h in (_FIRST_STEP, -_FIRST_STEP))
            by_difference = (ahead - behind) / (2 * _FIRST_STEP)
            size = 1 + abs(by_difference) + 1e-3 * abs(ahead)
            assert abs(by_graph - by_difference) <= 1e-6 * size, (
                f"{case.id}: slope {by_graph} by the graph, {by_difference} by differences"
            )

    outputs = [g for g in made if g is not None]
    return Question(outputs, dict(zip(tensors, scalar.arrays, strict=True)), judge, name)


def check_gradient(case: Case, backend: Backend) -> None:
    """Asks a backend about a gradient."""
    derivative_questions(case)[0].ask(backend)


def _second_gradient_question(case: Case, scalar: _Scalar) -> Question:
    tensors = placeholders(case, scalar.arrays, "float64")
    targets = [tensors[i] for i in case.differentiable]
    first, second = scalar.directions(), scalar.directions()
    made = gradients([scalar.tensor(tensors)], targets)
    slope = _along(made, [first[i] for i in case.differentiable])
    twice = gradients([slope], targets)
    asked = [(i, g) for i, g in zip(case.differentiable, twice, strict=True) if g is not None]

    def judge(found: list[Observed]) -> None:
        by_graph = sum(float(np.sum(g.value * second[i])) for (i, _), g in zip(asked, found, strict=True))
        h = _SECOND_STEP
        corners = [
            sign_x * sign_y * scalar.number(scalar.moved((sign_x * h, first), (sign_y * h, second)))
            for sign_x in (1, -1)
            for sign_y in (1, -1)
        ]
        by_difference = sum(corners) / (4 * h * h)
        size = 1 + abs(by_difference) + max(map(abs, corners))
        assert abs(by_graph - by_difference) <= 2e-5 * size, (
            f"{case.id}: second slope {by_graph} by the graph, {by_difference} by differences"
        )

    return Question([g for _, g in asked], dict(zip(tensors, scalar.arrays, strict=True)), judge, SECOND)


def _along(made: Sequence[Tensor | None], directions: Sequence[np.ndarray | None]) -> Tensor:
    """The sum of gradients times fixed directions."""
    total: Any = None
    for g, v in zip(made, directions, strict=True):
        assert g is not None and v is not None
        part = reduce_sum(g * v, axis=tuple(range(v.ndim)), keepdims=False)
        total = part if total is None else total + part
    assert isinstance(total, Tensor)
    return total


def check_no_gradient(case: Case) -> None:
    """That a primitive without a gradient rule gives None and no zeros."""
    dtype = case.dtypes[0]
    arrays = case.arrays(dtype)
    tensors = placeholders(case, arrays, dtype)
    outputs = [t for t in case.apply(tensors) if is_float(t.dtype)]
    if outputs and tensors:
        assert gradients(outputs, tensors) == [None] * len(tensors), f"{case.id} has a gradient"
