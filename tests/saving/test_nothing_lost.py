"""Whatever happens while a model is saved, the file holds the old model or the new one."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras.layers import Dense, Layer
from multikeras.models import Sequential, export_savedmodel, load_model, load_savedmodel
from tests.conftest import ROOT

#: Saves one model after the other, all of whose weights are the number of the save.
SAVING = """
import sys
import numpy as np
from multikeras.layers import Dense
from multikeras.models import Sequential, export_savedmodel

path, form = sys.argv[1:]
model = Sequential([Dense(300, input_shape=(300,)), Dense(300)])
model.compile("sgd", "mse")
for number in range(1, 100_000):
    model.set_weights([np.full(w.shape, float(number)) for w in model.weights])
    if form == "directory":
        export_savedmodel(model, path)
    elif form == "weights":
        model.save_weights(path)
    else:
        model.save(path)
    if number == 1:
        print("first", flush=True)
"""


def model_of(value: float = 1.0) -> Sequential:
    model = Sequential([Dense(300, input_shape=(300,)), Dense(300)])
    model.set_weights([np.full(w.shape, value) for w in model.weights])
    return model


def environment() -> dict[str, str]:
    roots = os.pathsep.join([str(ROOT), str(ROOT / "backends")])
    return {**os.environ, "PYTHONPATH": roots, "KERAS_BACKEND": "numpy"}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.parametrize("name", ["model.h5", "model.keras", "model.weights.h5"])
def test_a_process_killed_at_any_moment(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    form = "weights" if "weights" in name else "model"
    seen = set()
    generator = random.Random(3)
    for _ in range(6):
        command = [sys.executable, "-c", SAVING, str(path), form]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"first\n"
            time.sleep(generator.random() * 0.15)
            process.kill()
            process.wait()
        model = model_of() if form == "weights" else load_model(path)
        if form == "weights":
            model.load_weights(path)
        values = {float(v) for w in model.get_weights() for v in np.unique(w)}
        assert len(values) == 1, f"a mixture of the saves {sorted(values)}"
        seen |= values
    assert len(seen) > 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_an_export_killed_at_any_moment(tmp_path: Path) -> None:
    generator = random.Random(4)
    for _ in range(4):
        path = tmp_path / f"out{_}"
        command = [sys.executable, "-c", SAVING, str(path), "directory"]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"first\n"
            time.sleep(generator.random() * 0.15)
            process.kill()
            process.wait()
        # Between two renames the old export has another name for a moment, and is whole.
        place = path if path.exists() else next(tmp_path.glob(f".out{_}.*.old"))
        values = {float(v) for w in load_savedmodel(place).get_weights() for v in np.unique(w)}
        assert len(values) == 1


LIMITED = """
import resource, sys
from multikeras.layers import Dense
from multikeras.models import Sequential
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = Sequential([Dense(500, input_shape=(500,))])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    model.save(sys.argv[1])
except OSError as error:
    print("refused:", error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files have no size limit here")
@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    model_of(7.0).save(path)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("refused:"), done.stderr
    assert {float(v) for w in load_model(path).get_weights() for v in np.unique(w)} == {7.0}
    assert [p.name for p in tmp_path.iterdir()] == [name]


class Failing(Layer):
    """Its configuration cannot be had."""

    def call(self, x: Any) -> Any:
        return x

    def get_config(self) -> dict[str, Any]:
        raise RuntimeError("no configuration today")


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_an_error_in_a_custom_configuration_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    model_of(7.0).save(path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="no configuration today"):
        Sequential([Failing(input_shape=(3,))]).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_links_and_rights_stay(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    model_of(1.0).save(path)
    path.chmod(0o640)
    (tmp_path / "link.h5").symlink_to(path)
    model_of(2.0).save(tmp_path / "link.h5")
    assert (tmp_path / "link.h5").is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert load_model(path).get_weights()[0][0, 0] == 2.0


def test_no_directory_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        model_of().save(tmp_path / "nowhere" / "model.h5")


@pytest.mark.parametrize(("answers", "value"), [(["maybe", "n"], 1.0), (["Y"], 2.0)])
@pytest.mark.parametrize("name", ["model.h5", "model.keras", "model.weights.h5"])
def test_a_file_that_is_there_is_replaced_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, answers: list[str], value: float
) -> None:
    path = tmp_path / name

    def save(model: Sequential, **kwargs: Any) -> None:
        (model.save_weights if "weights" in name else model.save)(path, **kwargs)

    save(model_of(1.0))
    given = iter(answers)
    monkeypatch.setattr("builtins.input", lambda text: next(given))
    save(model_of(2.0), overwrite=False)
    model = model_of(0.0)
    model.load_weights(path)
    assert model.get_weights()[0][0, 0] == value
    assert next(given, None) is None


def test_an_export_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_savedmodel(model_of(3.0), tmp_path / "out")

    def broken(*arguments: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "rename", broken)
    with pytest.raises(OSError, match="the disk is full"):
        export_savedmodel(model_of(4.0), tmp_path / "out")
    monkeypatch.undo()
    assert load_savedmodel(tmp_path / "out").get_weights()[0][0, 0] == 3.0
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
