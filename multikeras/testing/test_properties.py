"""K functions on operands of drawn shapes, axes, keys and types, against NumPy.

The examples come in the same order at every run. `--examples N` draws N of each property, however long it takes.
"""
# ruff: noqa: D103 - the name of a test says what it tests

from __future__ import annotations

import time
from typing import Any

import pytest

from multikeras.contract import Backend

hypothesis = pytest.importorskip(
    "hypothesis", reason="the property cases draw their examples by hypothesis: pip install hypothesis"
)

from multikeras.testing import properties, properties_arrays, properties_windows  # noqa: E402

PROPERTIES: dict[str, Any] = {
    "broadcasting": properties_arrays.broadcasting,
    "reductions": properties_arrays.reductions,
    "along_an_axis": properties_arrays.along_an_axis,
    "slicing": properties_arrays.slicing,
    "reshaping": properties_arrays.reshaping,
    "joining": properties_arrays.joining,
    "picking": properties_arrays.picking,
    "promotion": properties_arrays.promotion,
    "padding": properties_windows.padding,
    "convolution": properties_windows.convolution,
    "pooling": properties_windows.pooling,
    "products": properties_windows.products,
}
MOST = 30
#: A backend that takes long to compile gets the first examples only: as many as fit in these seconds, and some.
LEAST = 5
SECONDS = 0.5


@pytest.mark.parametrize("name", sorted(PROPERTIES))
def test_property(name: str, tested_backend: Backend, pytestconfig: pytest.Config) -> None:
    asked = pytestconfig.getoption("--examples", None)
    checked = 0
    failed = False
    end = time.monotonic() + SECONDS

    def holds(example: properties.Example) -> None:
        nonlocal checked, failed
        if asked is None and not failed and checked >= LEAST and time.monotonic() > end:
            return
        hypothesis.assume(example.runs_on(tested_backend))
        checked += 1
        try:
            properties.check(example, tested_backend)
        except Exception:
            # Hypothesis now looks for a smaller example, which takes its time.
            failed = True
            raise

    settings = hypothesis.settings(
        max_examples=asked or MOST,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    settings(hypothesis.given(PROPERTIES[name]())(holds))()
