"""The wheel: what is in it, that it works where nothing else is, and that it leaves nothing behind."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import multikeras
from multikeras import registry

ROOT = Path(__file__).parents[2]
BACKEND_PACKAGES = {path.parent.name for path in (ROOT / "backends").glob("*/__init__.py")}
TOP_LEVEL = {"multikeras", "multikeras_command.py", "multikeras_pytest.py", *BACKEND_PACKAGES}
SOURCES = ("multikeras", "backends", "tests", "examples", "benchmarks", "docs")
FILES = ("pyproject.toml", "README.md", "LICENSE", "multikeras_command.py", "multikeras_pytest.py")

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    # Nothing of this checkout may reach the processes: no PYTHONPATH, no settings.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "PYTHON", "VIRTUAL_ENV"))
    }
    environment |= {"HOME": str(cwd), "USERPROFILE": str(cwd), "COLUMNS": "200"}
    process = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: building leaves files behind, and takes old ones in."""
    pytest.importorskip("build")
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> dict[str, str]:
    """The files of the dist-info directory, by name."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" in name]
        return {Path(name).name: archive.read(name).decode() for name in names}


def test_top_level_names(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == TOP_LEVEL
    assert tops >= {"multikeras", "multikeras_numpy", "multikeras_arrays"}
    assert "multikeras/py.typed" in names
    in_checkout = {str(path.relative_to(ROOT)) for path in (ROOT / "multikeras").rglob("*.py")}
    assert in_checkout <= set(names)


def test_metadata(metadata: dict[str, str]) -> None:
    described = Parser().parsestr(metadata["METADATA"])
    assert described["Name"] == "multikeras"
    assert described["Version"] == multikeras.__version__
    assert described["Requires-Python"] == ">=3.11"
    assert set(described.get_all("Provides-Extra", [])) >= {"jax", "torch", "cupy-cuda12x", "cupy-cuda13x", "test"}
    needed = [each for each in described.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert {each.split(">")[0] for each in needed} == {"numpy", "click", "rich"}
    assert "LICENSE" in metadata


def test_entry_points_are_those_of_the_table(metadata: dict[str, str]) -> None:
    points = configparser.ConfigParser()
    points.read_string(metadata["entry_points.txt"])
    table = {name: described.target for name, described in registry.BUILT_IN.items()}
    assert dict(points[registry.ENTRY_POINT_GROUP]) == table
    assert points["console_scripts"]["multikeras"] == "multikeras_command:main"


PROGRAM = """
import sys
import numpy as np
from multikeras.models import Sequential
from multikeras.layers import Dense, Dropout

np.random.seed(1)
x = np.random.rand(64, 4).astype("float32")
y = (x.sum(axis=1, keepdims=True) > 2).astype("float32")
model = Sequential([Dense(8, activation="tanh", input_shape=(4,)), Dropout(0.1), Dense(1, activation="sigmoid")])
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, epochs=20, batch_size=16, verbose=0).history
assert history["loss"][-1] < history["loss"][0], history
print(model.predict(x).shape, sys.modules["multikeras"].__file__)
"""


def test_alone_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "empty", cwd=tmp_path)
    scripts = tmp_path / "empty" / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    shape, _, file = run(scripts / "python", "program.py", cwd=tmp_path).rpartition(" ")
    assert shape == "(64, 1)"
    assert Path(file).is_relative_to(tmp_path / "empty")

    assert run(scripts / "multikeras", "--version", cwd=tmp_path).split()[-1] == multikeras.__version__
    listed = run(scripts / "multikeras", "backends", cwd=tmp_path)
    assert "pip install jax" in listed
    assert "numpy" in listed
    (tmp_path / "keras_program.py").write_text(PROGRAM.replace("from multikeras.", "from keras."))
    assert run(scripts / "multikeras", "run", "keras_program.py", cwd=tmp_path).startswith("(64, 1)")

    (site,) = (tmp_path / "empty").rglob("site-packages")
    assert {path.name for path in site.iterdir()} >= TOP_LEVEL
    run(scripts / "python", "-m", "pip", "uninstall", "--quiet", "--yes", "multikeras", cwd=tmp_path)
    assert not [path.name for path in site.iterdir() if path.name.startswith("multikeras")]
    assert not (scripts / "multikeras").exists()
