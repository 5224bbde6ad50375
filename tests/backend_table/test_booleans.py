"""Arithmetic of booleans: what NumPy has is the same on every backend, the rest is an early error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K

X, Y = np.array([True, True, False]), np.array([True, False, False])


@pytest.mark.parametrize(
    "function",
    [lambda x, y: x + y, lambda x, y: x * y, np.maximum, np.minimum, np.logical_and],
    ids=["add", "multiply", "maximum", "minimum", "and"],
)
def test_or_and_and(each_backend: str, function: Callable[..., Any]) -> None:
    x, y = K.constant(X, dtype="bool"), K.constant(Y, dtype="bool")
    made = function(x, y)
    assert made.dtype == "bool"
    value = K.eval(made)
    assert value.dtype == bool
    np.testing.assert_array_equal(value, function(X, Y))


def test_scattered_booleans(each_backend: str) -> None:
    x, added = K.constant(Y, dtype="bool"), K.constant([True, False], dtype="bool")
    np.testing.assert_array_equal(K.eval(K.scatter_add(x, [[2], [1]], added)), [True, False, True])


def test_a_number_makes_booleans_numbers(each_backend: str) -> None:
    x = K.constant(X, dtype="bool")
    for made, expected in ((1 - x, [0, 0, 1]), (x * 2, [2, 2, 0])):
        assert made.dtype == "int32"
        np.testing.assert_array_equal(K.eval(made), expected)
    np.testing.assert_array_equal(K.eval(x * 0.5), [0.5, 0.5, 0])


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: x - y,
        lambda x, y: -x,
        lambda x, y: x // y,
        lambda x, y: x % y,
        lambda x, y: x**y,
        lambda x, y: K.abs(x),
        lambda x, y: K.sign(x),
        lambda x, y: K.relu(x),
        lambda x, y: K.dot(x, y),
    ],
)
def test_the_rest_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"received booleans.*K\.cast"):
        function(K.constant(X, dtype="bool"), K.constant(Y, dtype="bool"))
