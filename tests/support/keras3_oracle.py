"""Answers of pip-installed Keras 3, in double precision, from one process for many questions."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

Request = tuple[str, tuple[Any, ...], dict[str, Any]]


def request(kind: str, *args: Any, **keywords: Any) -> Request:
    """A question for `keras3_process`: the name of one of its functions, and the arguments."""
    return kind, args, keywords


def answers(requests: dict[str, Request], factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The answers by the same keys; skips the test where Keras is not installed.

    Args:
        requests: Made by `request`.
        factory: Pytest's maker of directories: processes that share the tests share the answers.
    """
    if importlib.util.find_spec("keras") is None:
        pytest.skip("needs pip-installed Keras 3 as the oracle")
    asked = pickle.dumps(requests)
    own = factory.getbasetemp()
    place = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    kept = place / f"keras3-{hashlib.sha256(asked).hexdigest()[:16]}.pickle"
    if not kept.exists():
        folder = factory.mktemp("keras3")
        (folder / "asked").write_bytes(asked)
        _run(folder)
        os.replace(folder / "answered", kept)
    with kept.open("rb") as file:
        return pickle.load(file)


def _run(folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "PYTHONPATH"))}
    environment |= {"KERAS_BACKEND": "numpy", "KERAS_HOME": str(folder), "PYTHONWARNINGS": "ignore"}
    script = Path(__file__).with_name("keras3_process.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder / "asked"), str(folder / "answered")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
