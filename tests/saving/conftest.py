"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from keras_fixtures import each_backend, fresh_session

#: The file that code of an attack makes where it runs.
MARK = "multikeras-was-attacked"


@pytest.fixture
def nothing_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every attack: no code of the file has run."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / MARK).exists(), "code from a file has run"


__all__ = ["MARK", "each_backend", "fresh_session", "nothing_ran"]
