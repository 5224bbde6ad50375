"""Fixtures of the tests above the graph; a folder's conftest imports those that it uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multikeras import backend as K
from multikeras import lookup, registry

#: The backends whose libraries are installed; CuPy imports without a GPU, and its own tests say what they need.
INSTALLED = [name for name in ("numpy", "jax", "torch") if registry.installed()[name].installed]


@pytest.fixture(params=INSTALLED)
def each_backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test once on every installed backend."""
    with K.use_backend(request.param):
        yield request.param


@pytest.fixture(autouse=True)
def fresh_session() -> Iterator[None]:
    """Running numbers begin at 1; settings and what was registered are put back."""
    before = K.floatx(), K.epsilon(), K.image_data_format()
    tables = [(table, dict(table)) for table in (lookup._custom, lookup._registered)]
    K.clear_session()
    yield
    K.set_floatx(before[0])
    K.set_epsilon(before[1])
    K.set_image_data_format(before[2])
    for table, content in tables:
        table.clear()
        table.update(content)
    K.clear_session()
