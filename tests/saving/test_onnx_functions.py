"""Every function of K in every type as an ONNX graph, run by onnxruntime beside NumPy's kernels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from multikeras.contract import is_float
from multikeras.saving.onnx import protos
from multikeras.saving.onnx.export import Interface, described
from multikeras.testing.functions import CASES, FunctionCase
from multikeras.testing.running import run
from tests.saving.onnx_running import checked, session, type_of

_DRAWS, _STORES = r"draws random numbers when it predicts \(", r"stores into 'variable_\d+' when it predicts \("

#: Functions that ONNX has nothing for, and what the message says of them.
REFUSED = {
    "cholesky": "uses 'cholesky'",
    "dropout": _DRAWS,
    "inv": "uses 'inv'",
    "moving_average_update": _STORES,
    "numpy_function": "uses 'host_call'",
    "print_tensor": "uses 'print_value'",
    "random_binomial": _DRAWS,
    "random_normal": _DRAWS,
    "random_uniform": _DRAWS,
    "solve": "uses 'solve'",
    "solve_triangular": "uses 'triangular_solve'",
    "truncated_normal": _DRAWS,
    "update": _STORES,
    "update_add": _STORES,
    "update_sub": _STORES,
}

#: Functions some of whose cases are refused.
REFUSED_AT_TIMES = {
    "ctc_decode": "uses 'host_call'",
    "conv2d": "window of unknown shape",
    "conv2d_transpose": "window of unknown shape",
    "conv3d_transpose": "window of unknown shape",
    "deconv2d": "window of unknown shape",
}

#: float64 becomes float32 unless it is asked for.
TOLERANCES = {"float32": 2e-5, "float64": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


def content_of(places: list[Any], result: Any, double: bool = False) -> Any:
    inputs = {f"x{i}": place for i, place in enumerate(places)}
    made = described(Interface("case", inputs, [("y", result)]), "The case", double)
    for value in made.inputs + made.outputs:
        # Operands of functions are no batches of one size.
        value.shape = [n if isinstance(n, int) else f"{value.name}_{i}" for i, n in enumerate(value.shape)]
    return protos.model(made, 18)


def check(case: FunctionCase, column: str) -> None:
    places, result = case.apply(column)
    content = content_of(places, result)
    checked(content)
    running = session(content.SerializeToString())
    arrays = [
        a if p.dtype == "bfloat16" else np.asarray(a).astype(p.dtype)
        for a, p in zip(case.arrays(column), places, strict=True)
    ]
    feeds = {f"x{i}": a for i, a in enumerate(arrays)}
    (found,) = running.run(
        None, {place.name: feeds[place.name].astype(type_of(place)) for place in running.get_inputs()}
    )
    expected = run(result, dict(zip(places, arrays, strict=True)), backend="numpy")
    what = f"{case.id} in the column {column}"
    assert found.dtype == ("float32" if result.dtype == "bfloat16" else result.dtype), what
    assert found.shape == expected.shape, what
    if is_float(result.dtype):
        tolerance = TOLERANCES[min(result.dtype, column, key=lambda t: -TOLERANCES.get(t, 0.0))]
        wide = found.astype("float64"), np.asarray(expected, "float64")
        np.testing.assert_allclose(*wide, rtol=tolerance, atol=tolerance, err_msg=what)
    else:
        np.testing.assert_array_equal(found, expected, what)


def functions() -> dict[str, list[FunctionCase]]:
    found: dict[str, list[FunctionCase]] = {}
    for case in CASES:
        found.setdefault(case.function, []).append(case)
    return found


@pytest.mark.parametrize("function", functions())
def test_every_function(function: str) -> None:
    for case in functions()[function]:
        for column in case.run_in:
            if case.result_type(column) is None:
                continue
            try:
                check(case, column)
            except NotImplementedError as error:
                words = {**REFUSED, **REFUSED_AT_TIMES}.get(function)
                assert words is not None, f"{case.id}: {error}"
                assert re.search(words, str(error)), f"{case.id}: {error}"
            else:
                assert function not in REFUSED, f"{case.id} is not refused any more"
