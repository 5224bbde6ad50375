"""The examples run as a newcomer runs them, on every backend that is installed."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from multikeras import registry

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = sorted(registry.BUILT_IN)

pytestmark = [pytest.mark.slow]


@functools.cache
def reason_to_skip(backend: str) -> str | None:
    """Why a backend cannot run here: its library is not installed, or it finds no device."""
    described = registry.installed()[backend]
    if not described.installed:
        return f"{backend} needs {described.missing}"
    code = "from multikeras import backend as K; K.backend_info()"
    environment = {**os.environ, "KERAS_BACKEND": backend}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    if "DeviceError" in result.stderr:
        return result.stderr.strip().splitlines()[-1]
    assert result.returncode == 0, result.stderr
    return None


def run(example: str, backend: str, epochs: int, home: Path) -> str:
    pytest.importorskip("sklearn")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "KERAS_HOME": str(home),
        "EPOCHS": str(epochs),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / example)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("example", "epochs", "least"), [("digits_mlp.py", 5, 0.9), ("digits_cnn.py", 4, 0.9)])
def test_digits(example: str, epochs: int, least: float, backend: str, tmp_path: Path) -> None:
    reason = reason_to_skip(backend)
    if reason:
        pytest.skip(reason)
    output = run(example, backend, epochs, tmp_path)
    found = re.search(r"^Test accuracy: ([\d.]+)$", output, re.MULTILINE)
    assert found, output
    assert least <= float(found[1]) <= 1


def test_custom_layer(tmp_path: Path) -> None:
    output = run("custom_layer.py", "numpy", 2, tmp_path)
    accuracies = dict(re.findall(r"^(\w+): loss .*test accuracy ([\d.]+),", output, re.MULTILINE))
    assert set(accuracies) == {name for name in BACKENDS if reason_to_skip(name) is None}, output
    assert all(float(accuracy) > 0.8 for accuracy in accuracies.values()), output
    furthest = re.search(r"^Largest relative difference between the loss curves: (\S+)$", output, re.MULTILINE)
    assert furthest, output
    assert float(furthest[1]) < 1e-4
