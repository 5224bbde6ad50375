"""The conformance tables on the kernels that NumPy and CuPy share, with NumPy underneath.

The NumPy backend has kernels of its own in the place of many; CuPy's has not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from multikeras.contract import DeviceSettings
from multikeras.testing import checks
from multikeras.testing.case import Case
from multikeras.testing.cases import CASES
from multikeras.testing.functions import CASES as FUNCTION_CASES
from multikeras.testing.functions import FunctionCase
from multikeras.testing.functions.checks import derivative_question, value_question
from multikeras_arrays import array_kernels
from multikeras_numpy import NumpyBackend


class SharedKernels(NumpyBackend):
    """The shared kernels over NumPy, with none of NumPy's own."""

    name = "shared"
    title = "Shared kernels"
    dtypes = NumpyBackend.dtypes - {"bfloat16"}
    in_place = False

    def __init__(self) -> None:
        super().__init__(DeviceSettings("cpu"))
        shared = array_kernels(np, to_numpy=np.asarray, as_strided=as_strided, tile_bytes=1 << 30)
        # Of what has no composition the error function alone is missing: NumPy has none.
        self.kernels = {**shared, "erf": self.kernels["erf"]}


@pytest.fixture(scope="module")
def backend() -> SharedKernels:
    return SharedKernels()


def rows(cases: list[Any]) -> list[Any]:
    return [pytest.param(case, id=case.id) for case in cases]


@pytest.mark.parametrize("case", rows(FUNCTION_CASES))
def test_function(case: FunctionCase, backend: SharedKernels) -> None:
    for column in case.run_in:
        if column in backend.dtypes and case.result_type(column) is not None:
            value_question(case, column).ask(backend)
    if case.smooth and case.result_type("float64") == "float64":
        derivative_question(case).ask(backend)


@pytest.mark.parametrize("case", rows(CASES))
def test_primitive(case: Case, backend: SharedKernels) -> None:
    for dtype in case.dtypes:
        if case.runs_on(backend.dtypes, dtype):
            checks.check_value(case, dtype, backend)
    if case.differentiable:
        checks.check_gradient(case, backend)
