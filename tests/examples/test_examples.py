"""The examples, each on one backend, with what it prints held against ranges and against NumPy.

Which backend an example runs on is taken in turn. The environment says otherwise:

    EXAMPLES=all pytest tests/examples          every example on every backend
    EXAMPLES=torch pytest tests/examples        every example on one
    EXAMPLES_TURN=1 pytest tests/examples       each on the next one, for a machine that counts its runs
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import os
import re
import runpy
import sys
from pathlib import Path

import pytest

from multikeras import backend as K
from multikeras import registry
from multikeras.contract import DeviceError
from tests.conftest import Python
from tests.examples.figures import EXAMPLES, Expected, complaints, read

FOLDER = Path(__file__).resolve().parents[2] / "examples"
INSTALLED = [name for name in ("numpy", "jax", "torch", "cupy") if registry.installed()[name].installed]
ASKED = os.environ.get("EXAMPLES", "")
TURN = int(os.environ.get("EXAMPLES_TURN", "0"))


def matrix() -> list[tuple[str, str]]:
    """The examples with their backends; CuPy has no turn, since most machines have no GPU."""
    if ASKED == "all":
        return [(example, backend) for backend in INSTALLED for example in EXAMPLES]
    if ASKED:
        return [(example, ASKED) for example in EXAMPLES]
    turns = [name for name in INSTALLED if name != "cupy"]
    return [(example, turns[(place + TURN) % len(turns)]) for place, example in enumerate(EXAMPLES)]


@functools.cache
def figures(example: str, backend: str) -> tuple[dict[str, list[float]], str]:
    """Runs an example in this process, since a fresh one would load every library again; returns figures and output."""
    printed = io.StringIO()
    K.clear_session()
    with K.use_backend(backend), contextlib.redirect_stdout(printed):
        runpy.run_path(str(FOLDER / f"{example}.py"), run_name="__main__")
    return read(printed.getvalue()), printed.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(("example", "backend"), matrix())
def test_example(example: str, backend: str) -> None:
    pytest.importorskip("sklearn", reason="the digits are scikit-learn's")
    try:
        with K.use_backend(backend):
            K.backend_info()
    except DeviceError as error:
        pytest.skip(str(error))
    found, output = figures(example, backend)
    reference, _ = figures(example, "numpy")
    assert not complaints(EXAMPLES[example], found, reference), output


@pytest.mark.slow
def test_custom_layer_compares_all_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setenv("EPOCHS", "2")
    found, output = figures("custom_layer", "numpy")
    accuracies = dict(re.findall(r"^(\w+): loss .*test accuracy ([\d.]+),", output, re.MULTILINE))
    left_out = re.findall(r"^(\w+): left out\. ", output, re.MULTILINE)
    assert {*accuracies, *left_out} == {"numpy", "jax", "torch", "cupy"}, output
    assert set(INSTALLED) - {"cupy"} <= set(accuracies), output
    assert all(float(accuracy) > 0.8 for accuracy in accuracies.values()), output
    assert found["Largest relative difference between the loss curves"][0] < 1e-4, output


@pytest.mark.slow
def test_as_a_newcomer_runs_it(python: Python) -> None:
    """The command in the docstring, with the backend in the environment, and every warning an error."""
    pytest.importorskip("sklearn")
    backend = [name for name in INSTALLED if name != "cupy"][-1]
    result = python("-W", "error", str(FOLDER / "digits_mlp.py"), KERAS_BACKEND=backend, EPOCHS="5")
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("Using "), result.stderr
    assert 0.9 <= read(result.stdout)["Test accuracy"][0] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("example", ["dqn_gridworld"])
def test_as_keras_it_prints_the_same(example: str, python: Python, tmp_path: Path) -> None:
    """With `keras` in the imports, by `multikeras run`: to the last figure what it prints as it stands."""
    text = (FOLDER / f"{example}.py").read_text(encoding="utf-8")
    script, replaced = re.subn(r"^(from|import) multikeras\b", r"\1 keras", text, flags=re.MULTILINE)
    assert replaced
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    result = python("-m", "multikeras", "run", str(tmp_path / "script.py"), "--backend", "numpy")
    assert result.returncode == 0, result.stderr
    assert result.stdout == figures(example, "numpy")[1]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_it_is_small_and_says_what_it_shows(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 120
    docstring = ast.get_docstring(tree)
    assert docstring and f"    python examples/{path.name}\n" in docstring
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {module.partition(".")[0] for module in modules}
    assert roots <= {*sys.stdlib_module_names, "numpy", "multikeras"}, "an example needs NumPy and multikeras alone"
    listed = re.findall(r"^\| \[(\w+)\.py\]", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed.count(path.stem) == 1, f"examples/README.md has no line for {path.name}"
    assert path.stem in EXAMPLES or path.stem == "custom_layer"


@pytest.mark.parametrize(
    ("output", "wrong"),
    [
        ("Test accuracy: 0.99\nTwo losses: 1.00001 2.0\n", []),
        ("Test accuracy: 0.5\nTwo losses: 1.0 2.0\n", ["Test accuracy"]),
        ("Test accuracy: nan\nTwo losses: 1.0 2.0\n", ["Test accuracy"]),
        ("Test accuracy: 0.99\nTwo losses: 1.0 2.1\n", ["Two losses"]),
        ("Test accuracy: 0.99\nTwo losses: 1.0 nan\n", ["Two losses"]),
        ("Epoch 1/5\n - loss: 0.1\n", ["Test accuracy", "Two losses"]),
    ],
)
def test_figures_out_of_range_are_found(output: str, wrong: list[str]) -> None:
    expected = Expected({"Test accuracy": (0.9, 1)}, {"Two losses": 1e-3})
    found = complaints(expected, read(output), {"Two losses": [1.0, 2.0]})
    assert [complaint.partition(":")[0] for complaint in found] == wrong
