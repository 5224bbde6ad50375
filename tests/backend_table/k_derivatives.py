"""Second derivatives against differences of first ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K


def check_second_derivative(build: Any, arrays: tuple[np.ndarray, ...]) -> None:
    """The slope of the slope along a direction, against a central difference of slopes."""
    random = np.random.RandomState(1)
    directions = [random.randn(*a.shape) for a in arrays]
    places = [K.placeholder((None, *a.shape[1:])) for a in arrays]
    result = build(*places)
    weight = K.constant(random.randn(*K.eval(build(*map(K.constant, arrays))).shape))
    first = K.gradients(K.sum(result * weight), places)
    slope = sum(K.sum(g * K.constant(d)) for g, d in zip(first, directions, strict=True))
    second = K.gradients(slope, places)
    assert None not in second
    curve = sum(K.sum(g * K.constant(d)) for g, d in zip(second, directions, strict=True))
    slope_at = K.function(places, [slope])
    step = 1e-5
    ahead, behind = ([a + s * d for a, d in zip(arrays, directions, strict=True)] for s in (step, -step))
    expected = (slope_at(ahead)[0] - slope_at(behind)[0]) / (2 * step)
    assert K.function(places, [curve])(list(arrays))[0] == pytest.approx(expected, rel=2e-5, abs=1e-6)
