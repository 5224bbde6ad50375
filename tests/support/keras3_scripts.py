"""Scripts that use pip-installed Keras 3, run in processes of their own: it reads the same settings as we do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def keras3(script: Path, *arguments: str, backend: str = "numpy") -> str:
    """What a script prints.

    Args:
        script: Its path.
        *arguments: Its arguments.
        backend: The backend of Keras 3; that of NumPy cannot train.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), *arguments],
        env={**os.environ, "KERAS_BACKEND": backend, "KERAS_HOME": os.environ["KERAS_HOME"] + "/keras3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
