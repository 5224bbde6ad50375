"""How the conformance suite is run: by its command, by pytest's options, with known differences."""

from __future__ import annotations

from pathlib import Path

from multikeras.testing import differences
from tests.conftest import Python

MODULE = """
import numpy as np
from multikeras_numpy import NumpyBackend

class Rough(NumpyBackend):
    name = "rough.rough"
    title = "Rough"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.kernels = {**self.kernels, "exp": lambda x: np.exp(x) * x.dtype.type(1.5)}
"""
DIFFERENCES = "DIFFERENCES = {'*exp': 'one and a half times too large', 'value exp/0-d': 'likewise'}\n"
CHOICE = ("-q", "-k", "(test_value or test_unknown) and (exp or sqrt)", "-p", "no:cacheprovider", "-rfx")


def rough(tmp_path: Path) -> Path:
    package = tmp_path / "packages" / "rough"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "rough.py").write_text(MODULE)
    (package / "known.py").write_text(DIFFERENCES)
    return package.parent


def test_command(python: Python) -> None:
    done = python("-m", "multikeras.testing", "numpy", *CHOICE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_command_without_a_name(python: Python) -> None:
    done = python("-m", "multikeras.testing")
    assert done.returncode == 2
    assert "Usage: python -m multikeras.testing NAME" in done.stderr


def test_pytest_with_the_plugin(python: Python) -> None:
    done = python(
        *("-m", "pytest", "-p", "multikeras.testing.plugin", "--pyargs", "multikeras.testing"),
        *("--backend", "numpy", *CHOICE),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pytest_alone_tests_the_chosen_backend(python: Python, tmp_path: Path) -> None:
    done = python(
        *("-m", "pytest", "--pyargs", "multikeras.testing", *CHOICE),
        path=rough(tmp_path),
        KERAS_BACKEND="rough.rough",
    )
    assert done.returncode == 1
    assert "test_value[rough.rough-exp]" in done.stdout
    assert "test_value[rough.rough-sqrt]" not in done.stdout


def test_known_differences(python: Python, tmp_path: Path) -> None:
    path = rough(tmp_path)
    done = python("-m", "multikeras.testing", "rough.rough", "--differences", "rough.known", *CHOICE, path=path)
    assert "XFAIL" in done.stdout
    assert "one and a half times too large" in done.stdout
    # A difference that is listed and not there is a failure: empty operands are exact.
    (path / "rough" / "known.py").write_text("DIFFERENCES = {'value exp*': 'too large'}\n")
    done = python("-m", "multikeras.testing", "rough.rough", "--differences", "rough.known", *CHOICE, path=path)
    assert done.returncode == 1
    assert "[XPASS(strict)] too large" in done.stdout


def test_backends_of_this_distribution_differ_nowhere() -> None:
    # A file appears in multikeras/testing/differences when one does, each entry with its reason.
    for name in ("numpy", "jax", "torch", "cupy"):
        assert differences.reason(name, "value exp") is None
    assert differences.reason("a.dotted.module", "value exp") is None
