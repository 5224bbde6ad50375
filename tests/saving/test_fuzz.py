"""Changed files give a model or a clear error, within limits of memory and time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.skipif(sys.platform == "win32", reason="memory cannot be limited here")
def test_changed_files_are_loaded_or_refused(tmp_path: Path) -> None:
    roots = os.pathsep.join([str(ROOT), str(ROOT / "backends")])
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("fuzz_files.py")), "--inputs", "600", "--scratch", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": roots, "KERAS_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    number = (tmp_path / "last").read_text()
    assert done.stdout, f"died at input {number}: {done.stderr[-3000:]}"
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["faults"] == []
    assert found["inputs"] == 600
    # Every way in was tried, and every way was answered with a model as well as with an error.
    assert len(found["outcomes"]) == 11
    assert all(len(counts) >= 2 for counts in found["outcomes"].values()), found["outcomes"]
