"""Every case of the table on every backend: value, dtype, static shape, derivative."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import cases_arrays  # noqa: F401
import cases_linear_algebra  # noqa: F401
import cases_network  # noqa: F401
import cases_products  # noqa: F401
import cases_special  # noqa: F401
import cases_windows  # noqa: F401
from k_table import CASES, FLOAT, Case

from multikeras import backend as K

#: Functions whose meaning is not a formula of arrays; the other files of this folder test them.
ELSEWHERE = {
    "backend", "backend_info", "set_backend", "use_backend", "set_device", "epsilon", "set_epsilon", "floatx",
    "set_floatx", "cast_to_floatx", "image_data_format", "set_image_data_format", "image_dim_ordering",
    "set_image_dim_ordering", "normalize_data_format", "learning_phase", "set_learning_phase",
    "manual_variable_initialization", "get_uid", "reset_uids", "clear_session", "name_scope", "get_session",
    "set_session", "symbolic", "eager", "variable", "placeholder", "constant", "zeros", "ones", "eye", "int_shape",
    "ndim", "dtype", "eval", "count_params", "is_tensor", "is_variable", "is_placeholder", "is_keras_tensor",
    "is_sparse", "get_value", "get_variable_shape", "set_value", "batch_get_value", "batch_set_value", "print_tensor",
    "function", "gradients", "stop_gradient", "update", "update_add", "update_sub", "moving_average_update",
    "control_dependencies", "in_train_phase", "in_test_phase", "switch", "dropout", "random_uniform", "random_normal",
    "random_binomial", "truncated_normal", "random_uniform_variable", "random_normal_variable", "numpy_function",
    "custom_gradient", "primitive", "while_loop", "ctc_batch_cost", "ctc_decode",
    "ctc_label_dense_to_sparse", "lesser", "lesser_equal", "normalize_batch",
}  # fmt: skip

#: Relative and absolute tolerance against the float64 oracle.
TOLERANCE = {"float32": (2e-5, 2e-5), "float64": (1e-10, 1e-10)}


def test_every_function_has_a_case() -> None:
    tested = {case.function for case in CASES}
    assert set(K.__all__) - tested - ELSEWHERE == set()
    assert not tested & ELSEWHERE
    assert (tested | ELSEWHERE) - set(K.__all__) == set()


def _places(case: Case, known: bool = False) -> list[Any]:
    kinds = {"f": K.floatx(), "b": "bool", "i": "int32"}
    shapes = [a.shape if known or case.known else (None, *a.shape[1:]) for a in case.feeds]
    return [K.placeholder(s, dtype=kinds[a.dtype.kind]) for s, a in zip(shapes, case.feeds, strict=True)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, each_backend: str) -> None:
    for floatx in ("float32", "float64"):
        K.set_floatx(floatx)
        places = _places(case)
        result = case.build(*places)
        smooth = floatx == "float64" and case.dtype == FLOAT and case.smooth
        weight = np.random.RandomState(4).randn(*np.shape(case.expect(*case.feeds)))
        slopes = K.gradients(K.sum(result * K.constant(weight)), places) if smooth else []
        kept = [(i, g) for i, g in enumerate(slopes) if g is not None]
        value, *values = K.function(places, [result, *[g for _, g in kept]])(list(case.feeds))
        _check_value(case, floatx, result, value)
        if smooth:
            _check_derivative(case, weight, {i: v for (i, _), v in zip(kept, values, strict=True)})


def _check_value(case: Case, floatx: str, result: Any, value: np.ndarray) -> None:
    dtype = floatx if case.dtype == FLOAT else case.dtype
    assert K.dtype(result) == value.dtype == dtype
    static = K.int_shape(result)
    assert len(static) == value.ndim
    assert all(n is None or n == m for n, m in zip(static, value.shape, strict=True)), (static, value.shape)
    assert K.int_shape(case.build(*_places(case, known=True))) == value.shape
    expected = np.asarray(case.expect(*case.feeds))
    assert value.shape == expected.shape
    relative, absolute = TOLERANCE[floatx]
    np.testing.assert_allclose(value, expected, rtol=relative, atol=absolute)


def _check_derivative(case: Case, weight: np.ndarray, slopes: dict[int, np.ndarray]) -> None:
    """Gradients along a random direction against a central difference of the oracle."""
    random = np.random.RandomState(3)
    directions = {i: random.randn(*case.feeds[i].shape) for i in slopes}
    step = 1e-5

    def along(distance: float) -> float:
        moved = [a + distance * directions[i] if i in directions else a for i, a in enumerate(case.feeds)]
        return float(np.sum(case.expect(*moved) * weight))

    expected = (along(step) - along(-step)) / (2 * step)
    for i, slope in slopes.items():
        assert slope.shape == case.feeds[i].shape
    total = sum(float(np.sum(slope * directions[i])) for i, slope in slopes.items())
    assert total == pytest.approx(expected, rel=1e-5, abs=1e-6)
