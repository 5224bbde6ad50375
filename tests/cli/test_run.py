"""`multikeras run`, and the finder behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from multikeras import registry
from tests.conftest import Python

RUN = ("-m", "multikeras", "run")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "neighbour.py").write_text("WORD = 'found'")
    path = tmp_path / "scripts" / "script.py"
    path.write_text("""
import os
import sys
import keras
import keras.datasets.digits
from keras import config
from keras.datasets import digits
from neighbour import WORD
import multikeras.datasets.digits
from multikeras import registry

assert keras.Model is multikeras.Model and keras.__version__.startswith("2.")
assert digits is multikeras.datasets.digits is sys.modules["keras.datasets.digits"]
assert digits.__spec__.name == "multikeras.datasets.digits"
try:
    import keras.nonsense
except ModuleNotFoundError as error:
    assert "keras.nonsense" in str(error), error
print(__name__, sys.argv, WORD, registry.current_name(), os.environ.get("KERAS_BACKEND"))
""")
    return path


def test_script_sees_what_a_plain_run_shows_it(python: Python, script: Path) -> None:
    process = python(*RUN, str(script), "one", "--two", "--help", "--backend=three")
    assert process.returncode == 0, process.stderr
    arguments = [str(script), "one", "--two", "--help", "--backend=three"]
    assert process.stdout == f"__main__ {arguments} found numpy None\n"
    assert process.stderr == "Using NumPy backend.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--backend", "NAME", "SCRIPT", "x"],
        ["SCRIPT", "--backend", "NAME", "x"],
        ["SCRIPT", "--backend=NAME", "x"],
        ["SCRIPT", "--backend=NAME", "--", "x"],
    ],
)
def test_backend_before_and_behind_the_script(python: Python, script: Path, arguments: list[str]) -> None:
    there = [name for name in ("jax", "torch", "cupy") if registry.BUILT_IN[name].installed]
    name = there[0] if there else "numpy"
    filled = [each.replace("NAME", name).replace("SCRIPT", str(script)) for each in arguments]
    process = python(*RUN, *filled, KERAS_BACKEND="jaxx")
    assert process.stdout == f"__main__ {[str(script), 'x']} found {name} {name}\n", process.stderr
    assert process.stderr == f"Using {registry.BUILT_IN[name].title} backend.\n"


def test_double_dash_gives_the_rest_to_the_script(python: Python, script: Path) -> None:
    process = python(*RUN, str(script), "--", "--backend", "x")
    assert process.stdout == f"__main__ {[str(script), '--backend', 'x']} found numpy None\n", process.stderr


def test_wrong_uses(python: Python, script: Path) -> None:
    for arguments, word in (
        ([str(script), "--backend"], "needs a name"),
        (["--backend", "numpy", str(script), "--backend", "numpy"], "given twice"),
        ([str(script), "--backend", "jaxx"], "Unknown backend 'jaxx'"),
        (["nowhere.py"], "nowhere.py"),
    ):
        process = python(*RUN, *arguments)
        assert process.returncode in (1, 2)
        assert word in process.stderr
        assert "Traceback" not in process.stderr


def test_status_and_errors_are_the_scripts_own(python: Python, tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text("import sys; sys.exit(7)")
    assert python(*RUN, str(file)).returncode == 7
    file.write_text("raise KeyboardInterrupt")
    process = python(*RUN, str(file))
    assert "KeyboardInterrupt" in process.stderr
    assert "Aborted" not in process.stderr
    file.write_text("1 / 0")
    process = python(*RUN, str(file))
    assert process.returncode == 1
    assert process.stderr.strip().endswith("ZeroDivisionError: division by zero")


def test_install_after_another_keras(python: Python, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "keras.py").write_text("")
    process = python("import keras; from multikeras import compat; compat.install()", path=tmp_path / "other")
    assert "comes too late" in process.stderr
    assert "keras.py" in process.stderr


def test_uninstall(python: Python, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "keras.py").write_text("")
    code = """
from multikeras import compat
compat.install()
compat.install()
import keras
print(keras.__version__)
compat.uninstall()
import keras
print(keras.__file__)
"""
    lines = python(code, path=tmp_path / "other").stdout.splitlines()
    assert lines[0] == "2.3.1"
    assert lines[1].endswith("keras.py")


def test_the_script_can_be_told_another_backend(python: Python, tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text("from keras import backend as K\nprint(K.backend())")
    process = python(*RUN, "--answer", "tensorflow", str(tmp_path / "asks.py"))
    assert process.stdout == "tensorflow\n", process.stderr
