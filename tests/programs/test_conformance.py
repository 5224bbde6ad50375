"""The conformance suite on every backend that is installed here."""

from __future__ import annotations

import pytest

from multikeras.testing.plugin import (  # noqa: F401 - pytest looks for its hooks and fixtures here
    answers,
    cells,
    pytest_generate_tests,
    tested_backend,
    usable_backends,
)
from multikeras.testing.test_contract import *  # noqa: F403
from multikeras.testing.test_functions import *  # noqa: F403
from multikeras.testing.test_ownership import *  # noqa: F403
from multikeras.testing.test_primitives import *  # noqa: F403
from multikeras.testing.test_programs import *  # noqa: F403
from multikeras.testing.test_training import *  # noqa: F403

BACKENDS = "all"


@pytest.mark.parametrize("name", sorted(usable_backends()))
def test_backend_loads(name: str) -> None:
    reason = usable_backends()[name]
    if reason:
        pytest.skip(reason)
