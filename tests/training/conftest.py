"""Fixtures of these tests: every backend that is installed, and settings put back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multikeras import backend as K
from multikeras import registry


def _installed() -> list[str]:
    # CuPy imports without a GPU; its own tests say what they need.
    return [name for name in ("numpy", "jax", "torch") if registry.installed()[name].installed]


@pytest.fixture(params=_installed())
def each_backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test once on every installed backend."""
    with K.use_backend(request.param):
        yield request.param


@pytest.fixture(autouse=True)
def fresh_session() -> Iterator[None]:
    """Running numbers begin at 1, and settings are put back."""
    before = K.floatx(), K.epsilon(), K.image_data_format()
    K.clear_session()
    yield
    K.set_floatx(before[0])
    K.set_epsilon(before[1])
    K.set_image_data_format(before[2])
    K.clear_session()
