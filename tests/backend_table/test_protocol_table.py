"""NumPy's names in the graph all lead somewhere."""

from __future__ import annotations

from multikeras.backend.numpy_protocol import TABLE
from multikeras.contract import PRIMITIVES
from multikeras.graph import operands


def test_every_name_is_known() -> None:
    assert {name for name in operands.UFUNCS.values() if name not in TABLE and name not in PRIMITIVES} == set()
    assert set(operands.FUNCTIONS.values()) - set(TABLE) == set()
