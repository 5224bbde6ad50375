"""A backend of another distribution: installed, chosen, conforming, and what the docs show."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import multikeras.graph  # noqa: F401 - declares the primitives
from multikeras.contract import PRIMITIVES
from tests.conftest import ROOT, Python

SOURCE = Path(__file__).parent / "minimal"
DOCS = ROOT / "docs" / "writing_a_backend.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the distribution is installed, and nothing else."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("third_party")
    # A copy, since building leaves files behind.
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    command += ["--no-index", "--no-build-isolation", "--target", str(folder / "site"), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


MODEL = """
import sys
import numpy as np
import multikeras as keras
from multikeras import backend as K

assert K.backend() == "minimal", K.backend()
np.random.seed(3)
x = np.random.normal(size=(64, 6, 6, 1)).astype("float32")
y = (x.mean(axis=(1, 2, 3)) > 0).astype("int32")
losses = {}
for name in ("minimal", "numpy"):
    with K.use_backend(name):
        np.random.seed(4)
        model = keras.models.Sequential([
            keras.layers.Conv2D(4, 3, activation="relu", input_shape=(6, 6, 1)),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.25),
            keras.layers.Dense(2, activation="softmax"),
        ])
        model.compile("adam", "sparse_categorical_crossentropy")
        losses[name] = model.fit(x, y, batch_size=16, epochs=2, verbose=0).history["loss"]
np.testing.assert_allclose(losses["minimal"], losses["numpy"], 1e-4)
assert "jax" not in sys.modules and "torch" not in sys.modules
print("trained alike")
"""


def test_trains_a_model_when_the_environment_chooses_it(python: Python, site: Path) -> None:
    done = python(MODEL, path=site, KERAS_BACKEND="minimal")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trained alike" in done.stdout
    assert "Using minimal backend." in done.stderr


def test_is_listed_beside_the_others(python: Python, site: Path) -> None:
    done = python("-m", "multikeras", "backends", path=site)
    assert done.returncode == 0, done.stderr
    assert "minimal" in done.stdout


def test_is_not_there_without_its_distribution(python: Python) -> None:
    done = python("import multikeras", KERAS_BACKEND="minimal")
    assert done.returncode != 0
    assert "Unknown backend 'minimal'" in done.stderr


@pytest.mark.slow
def test_passes_the_conformance_suite(python: Python, site: Path) -> None:
    known = ("--differences", "minimal_backend.known_differences")
    done = python("-m", "multikeras.testing", "minimal", "-q", "-p", "no:cacheprovider", *known, path=site)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) > 1500


def test_module_goes_by_the_word_that_names_it(python: Python) -> None:
    code = """
from multikeras import registry
from multikeras.graph.tensor import Variable
from multikeras.programs import Function, storage
import numpy as np
v = Variable((2,), "float32", np.zeros(2, "float32"))
Function([], [], [(v, v + 1)])([])
assert storage.read(v).tolist() == [1, 1]
assert v.home == registry.current_name() == "minimal_backend.backend", v.home
"""
    done = python(code, path=SOURCE, KERAS_BACKEND="minimal_backend.backend")
    assert done.returncode == 0, done.stderr


# -- the docs -------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert found
    return found


@pytest.mark.parametrize(("language", "pattern"), [("python", "*.py"), ("toml", "*.toml")])
def test_docs_show_code_of_the_backend(language: str, pattern: str) -> None:
    files = [path.read_text(encoding="utf-8") for path in SOURCE.rglob(pattern)]
    for block in blocks(language):
        assert any(block in text for text in files), f"not in the minimal backend:\n{block}"


def test_docs_name_every_primitive() -> None:
    words = set(re.findall(r"`(\w+)`", DOCS.read_text(encoding="utf-8")))
    missing = {name for name in PRIMITIVES if "." not in name} - words
    assert not missing, f"docs/writing_a_backend.md says nothing of {', '.join(sorted(missing))}"


def test_docs_tell_needed_kernels_from_others() -> None:
    text = DOCS.read_text(encoding="utf-8")
    start = text.index("### The kernels that have to be there")
    middle = text.index("### The kernels that may be there")
    stop = text.index("## Compiling")
    # The first cell of every row.
    rows = re.findall(r"^\| ((?:`\w+` ?)+)\|", text[start:middle], re.MULTILINE)
    needed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    framework = {"identity", "item", "shape", "after"}
    composed = {name for name, primitive in PRIMITIVES.items() if primitive.composition is not None}
    assert needed == {name for name in PRIMITIVES if "." not in name} - composed - framework
    named = set(re.findall(r"`(\w+)`", text[middle:stop]))
    assert {name for name in composed if "." not in name} <= named


def test_needed_kernels_are_all_that_it_has(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)
    from minimal_backend import MinimalBackend

    composed = {name for name, primitive in PRIMITIVES.items() if primitive.composition is not None}
    assert not set(MinimalBackend.kernels) & composed


def test_docs_tell_which_results_may_be_views() -> None:
    from multikeras.programs.memory import VIEWS

    text = DOCS.read_text(encoding="utf-8")
    sentence = text[text.index("The results of `reshape`") :].split(";")[0]
    named = set(re.findall(r"`(\w+)`", sentence)) - {"cond", "scan"}
    assert named == VIEWS - {"identity"}


def test_backend_is_short() -> None:
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.py"))
    assert lines < 450
