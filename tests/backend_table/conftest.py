"""Fixtures of the K tests: every backend that is installed, and settings put back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multikeras import backend as K
from multikeras import registry


def _installed() -> list[str]:
    # CuPy imports without a GPU; its own tests say what they need.
    return [name for name in ("numpy", "jax", "torch") if registry.installed()[name].installed]


@pytest.fixture(params=_installed())
def each_backend(request: pytest.FixtureRequest, settings_restored: None) -> Iterator[str]:
    """The test once on every installed backend."""
    with K.use_backend(request.param):
        yield request.param


@pytest.fixture
def settings_restored() -> Iterator[None]:
    """Puts floatx, epsilon, data format and learning phase back."""
    before = K.floatx(), K.epsilon(), K.image_data_format()
    yield
    K.set_floatx(before[0])
    K.set_epsilon(before[1])
    K.set_image_data_format(before[2])
    K.clear_session()
