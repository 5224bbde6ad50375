"""The drawn examples of the conformance suite on every backend, and that they notice faults."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="the property cases draw their examples by hypothesis")

import hypothesis
import numpy as np

from multikeras.testing import properties
from multikeras.testing.plugin import pytest_generate_tests, tested_backend  # noqa: F401 - pytest looks for them here
from multikeras.testing.test_properties import *  # noqa: F403
from multikeras.testing.test_properties import PROPERTIES
from tests.programs.test_conformance_catches import broken, wrong_dtype, wrong_shape, wrong_value

BACKENDS = "all"


@pytest.mark.parametrize(
    ("name", "kernel", "fault"),
    [
        ("broadcasting", "arctan2", wrong_value),
        ("reductions", "reduce_prod", wrong_shape),
        ("along_an_axis", "sort", wrong_dtype),
        ("slicing", "slice", wrong_value),
        ("slicing", "place", wrong_value),
        ("picking", "scatter_add", wrong_value),
        ("convolution", "conv_kernel_gradient", wrong_value),
        ("pooling", "max_pool_gradient", wrong_value),
    ],
)
def test_fault_is_noticed(name, kernel, fault):
    backend = broken(kernel, fault)
    settings = hypothesis.settings(
        max_examples=60,
        derandomize=True,
        database=None,
        deadline=None,
        # A smaller example is not asked for.
        phases=[hypothesis.Phase.generate],
    )
    with pytest.raises(AssertionError):
        settings(hypothesis.given(PROPERTIES[name]())(lambda example: properties.check(example, backend)))()


def test_an_example_says_what_it_is():
    x = properties.Feed(np.ones((2, 1)), "float32", (False, True))
    example = properties.Example("sum", (x,), np.sum, "float32", {"axis": None, "keepdims": False})
    assert repr(example) == "sum(x, axis=None, keepdims=False), where x is float32 (2, None=1)"
