"""What all tests share: settings of their own, and Python processes that know this checkout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

# Before anything imports multikeras: the tests neither read nor write the keras.json of whoever runs them.
_home = tempfile.TemporaryDirectory(prefix="multikeras-tests-")
os.environ["KERAS_HOME"] = _home.name

# A shell that starts a job in the background lets it ignore Ctrl-C, and so would every process started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Where tests run in several processes, each keeps to one core. NumPy reads this when it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

Python = Callable[..., "subprocess.CompletedProcess[str]"]


_states: dict[int, Any] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lets a test draw the same from its module's generators in whichever order tests run, and in whichever process."""
    import numpy as np

    for value in vars(getattr(item, "module", None) or object).values():
        if isinstance(value, np.random.Generator):
            value.bit_generator.state = _states.setdefault(id(value), value.bit_generator.state)
        elif isinstance(value, np.random.RandomState):
            value.set_state(_states.setdefault(id(value), value.get_state()))


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Runs code, or `-m module` arguments, in a fresh Python with an empty home and no KERAS_ variables."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*arguments: str, path: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        if len(arguments) == 1:
            arguments = ("-c", arguments[0])
        roots = [str(ROOT), str(ROOT / "backends")] + ([str(path)] if path else [])
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KERAS_")}
        environment |= {
            "HOME": str(home),
            "USERPROFILE": str(home),
            "PYTHONPATH": os.pathsep.join(roots),
            "COLUMNS": "200",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def keras_json(tmp_path: Path) -> Path:
    """Where the processes of `python` look for their keras.json; the file is not there yet."""
    return tmp_path / "home" / ".keras" / "keras.json"


@pytest.fixture
def backend_restored() -> Iterator[None]:
    """Puts the backend in use back, after a test that switches."""
    from multikeras import registry

    before = registry._current_choice()
    yield
    registry._switch(before)
