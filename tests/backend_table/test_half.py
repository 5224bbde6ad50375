"""Every case of the table in float16: types stay, values are right to its precision.

On NumPy alone: types are the graph's, and the conformance suite compares 16-bit kernels.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import cases_arrays  # noqa: F401
import cases_network  # noqa: F401
import cases_windows  # noqa: F401
from k_table import CASES, FLOAT, Case

from multikeras import backend as K


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, fresh_session: None) -> None:
    K.set_floatx("float16")
    kinds = {"f": "float16", "b": "bool", "i": "int32"}
    places = [K.placeholder(a.shape, dtype=kinds[a.dtype.kind]) for a in case.feeds]
    with K.use_backend("numpy"), warnings.catch_warnings():
        # The product of 24 numbers is above 65504.
        warnings.simplefilter("ignore", RuntimeWarning)
        result = case.build(*places)
        slopes = [g for g in K.gradients(K.sum(result), places) if g is not None] if case.smooth else []
        value, *others = K.function(places, [result, *slopes])(list(case.feeds))
    assert value.dtype == K.dtype(result) == ("float16" if case.dtype == FLOAT else case.dtype)
    assert all(v.dtype == "float16" for v in others)
    expected = np.asarray(case.expect(*case.feeds), dtype="float64")
    held = np.isfinite(expected) & (np.abs(expected) < 60_000)
    np.testing.assert_allclose(value[held].astype("float64"), expected[held], rtol=1e-2, atol=1e-2)


def test_long_sums_do_not_overflow(each_backend: str) -> None:
    K.set_floatx("float16")
    x = K.constant(np.full((4000,), 100.0))
    assert K.eval(K.mean(x)) == 100
    assert K.eval(K.var(x)) == 0
    assert K.eval(K.norm(x)) == np.float16(100 * np.sqrt(4000))
    assert np.all(np.isfinite(K.eval(K.l2_normalize(x))))
    assert K.eval(K.logsumexp(x)) == np.float16(100 + np.log(4000))
