"""Whatever happens while a model is saved, the file holds the old model or the new one."""

from __future__ import annotations

import io
import itertools
import os
import random
import signal
import stat
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras.layers import Dense, Lambda, Layer
from multikeras.losses import MeanSquaredError
from multikeras.metrics import MeanAbsoluteError
from multikeras.models import Sequential, export_savedmodel, load_model
from multikeras.optimizers import SGD
from multikeras.preprocessing.text import load_text_tokenizer
from multikeras.saving import atomic
from tests.conftest import ROOT

#: Saves one model after the other, all of whose weights are the number of the save.
SAVING = """
import sys
import numpy as np
from multikeras.callbacks import ModelCheckpoint
from multikeras.layers import Dense
from multikeras.models import Sequential, export_savedmodel
from multikeras.preprocessing.text import Tokenizer, save_text_tokenizer

path, form = sys.argv[1:]
model = Sequential([Dense(300, input_shape=(300,)), Dense(300)])
model.compile("sgd", "mse")
for number in range(1, 100_000):
    model.set_weights([np.full(w.shape, float(number)) for w in model.weights])
    if form == "directory":
        export_savedmodel(model, path)
    elif form == "checkpoint":
        checkpoint = ModelCheckpoint(path, save_weights_only="weights" in path)
        checkpoint.set_model(model)
        checkpoint.on_epoch_end(number)
    elif form == "onnx":
        model.export(path)
    elif form == "tokenizer":
        tokenizer = Tokenizer()
        tokenizer.fit_on_texts([f"{word} {number}" for word in range(5000)])
        save_text_tokenizer(tokenizer, path)
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


kills = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")


def killed(path: Path, form: str, seconds: float, processes: int = 1) -> None:
    """Saves in processes that are killed so long after their first save."""
    command = [sys.executable, "-c", SAVING, str(path), form]
    running = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
    time.sleep(seconds)
    for process in running:
        process.kill()
        process.communicate()


def values_of(path: Path) -> set[float]:
    """The different numbers of a saved model, of weights alone, or of an exported one."""
    if path.suffix == ".onnx":
        onnx = pytest.importorskip("onnx")
        graph = onnx.load(str(path)).graph
        arrays = [onnx.numpy_helper.to_array(each) for each in graph.initializer]
        return {float(v) for w in arrays if w.dtype.kind == "f" and w.size >= 300 for v in np.unique(w)}
    if "weights" in path.name:
        model: Any = model_of(0.0)
        model.load_weights(path)
    else:
        model = load_model(path)
    return {float(v) for w in model.get_weights() for v in np.unique(w)}


FORMS = {
    "model.h5": "model",
    "model.keras": "model",
    "model.weights.h5": "weights",
    "weights.h5": "weights",
    "checkpoint.h5": "checkpoint",
    "checkpoint.weights.h5": "checkpoint",
    "model.onnx": "onnx",
}


@kills
@pytest.mark.parametrize("name", FORMS)
def test_a_process_killed_at_any_moment(tmp_path: Path, name: str) -> None:
    if name.endswith("onnx"):
        pytest.importorskip("onnx")
    path = tmp_path / name
    seen = set()
    generator = random.Random(3)
    count = 5 if FORMS[name] == "model" else 2
    rounds = 0
    # Two saves may be killed at the same number, and on a slow machine before the second.
    while rounds < count or (len(seen) == 1 and rounds < 20):
        rounds += 1
        killed(path, FORMS[name], generator.random() * 0.15 * max(1, rounds - count))
        values = values_of(path)
        assert len(values) == 1, f"a mixture of the saves {sorted(values)}"
        seen |= values
    assert len(seen) > 1
    # What a killed process leaves is hidden, and named after the file.
    left = [p.name for p in tmp_path.iterdir() if p != path]
    assert len(left) <= rounds and all(p.startswith(f".{name}.") and p.endswith(".part") for p in left)


LEFT = {
    "model.h5": (
        [".model.h5.01234567.part"],
        [".model.h5.0123456.part", ".other.h5.01234567.part", "model.h5.01234567.part"],
    ),
    "model.keras": ([".model.keras.01234567.part"], [".model.h5.01234567.part"]),
    "model.onnx": (
        [".model.onnx.01234567.part", ".model.onnx.89abcdef.data.01234567.part"],
        [".xmodel.onnx.01234567.part"],
    ),
    "out": ([".out.01234567.part/graph.json", "out/.weights.h5.01234567.part"], [".in.01234567.part/graph.json"]),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_killed_processes_left_is_removed_when_it_is_old(tmp_path: Path, name: str) -> None:
    if name.endswith("onnx"):
        pytest.importorskip("onnx")
    model, path = Sequential([Dense(3, input_shape=(3,))]), tmp_path / name
    save = {"out": lambda path: export_savedmodel(model, path), "model.onnx": model.export}.get(name, model.save)
    dead, others = LEFT[name]
    if name == "out":
        save(path)
    ages: dict[Path, int] = {}
    for age, names in ((7200, dead + others), (60, [each.replace("01234567", "fedcba98") for each in dead])):
        for each in names:
            (tmp_path / each).parent.mkdir(exist_ok=True)
            (tmp_path / each).write_bytes(b"half")
            ages[tmp_path / each] = age
    now = time.time()
    for each, age in ages.items():
        for made in (each, each.parent):
            if made.name.startswith("."):
                os.utime(made, (now - age, now - age))
    atomic._tidied.clear()
    save(path)
    assert [each for each in ages if not each.exists()] == [tmp_path / each for each in dead]


@kills
def test_an_export_killed_at_any_moment(tmp_path: Path) -> None:
    generator = random.Random(4)
    for _ in range(4):
        killed(tmp_path / "out", "directory", generator.random() * 0.15)
        assert len(values_of(tmp_path / "out")) == 1


@kills
def test_a_tokenizer_killed_at_any_moment(tmp_path: Path) -> None:
    for seconds in (0.01, 0.05, 0.08):
        killed(tmp_path / "words.json", "tokenizer", seconds)
        tokenizer = load_text_tokenizer(tmp_path / "words.json")
        assert len(tokenizer.word_index) >= 5000


@kills
@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_two_processes_saving_to_one_path(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    killed(path, "model", 0.3, processes=2)
    assert len(values_of(path)) == 1


#: Saves under interrupts at random moments, and says what is there after each.
INTERRUPTED = """
import os, random, signal, sys, time
import numpy as np
from multikeras.layers import Dense
from multikeras.models import Sequential, export_savedmodel, load_model

directory, name = sys.argv[1:]
path = os.path.join(directory, name)
model = Sequential([Dense(100, input_shape=(100,)), Dense(100)])

def save(value):
    model.set_weights([np.full(w.shape, value) for w in model.weights])
    if name == "out":
        export_savedmodel(model, path)
    elif "weights" in name:
        model.save_weights(path)
    else:
        model.save(path)

def found():
    other = Sequential([Dense(100, input_shape=(100,)), Dense(100)])
    if "weights" in name:
        other.load_weights(path)
    else:
        other = load_model(path)
    (value,) = {float(v) for w in other.get_weights() for v in np.unique(w)}
    return value

def interrupt(number, frame):
    signal.raise_signal(signal.SIGINT)

save(1.0)
begin = time.perf_counter()
for _ in range(5):
    save(1.0)
# Most of the moments lie within a save, however fast the machine is.
longest = (time.perf_counter() - begin) / 5
value, interrupted = 1.0, 0
generator = random.Random(5)
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGALRM, interrupt)
for number in range(2, 102):
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4 + generator.random() * longest)
        save(float(number))
        signal.setitimer(signal.ITIMER_REAL, 0)
        value = float(number)
    except KeyboardInterrupt:
        interrupted += 1
        seen = found()
        assert seen in (value, number), (seen, value, number)
        value = seen
    left = [each for each in os.listdir(directory) if each != name]
    assert not left, left
    assert name != "out" or len(os.listdir(path)) <= 2 + interrupted, os.listdir(path)
print("interrupted", interrupted)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers here")
@pytest.mark.parametrize("name", ["model.h5", "model.keras", "weights.h5", "model.weights.h5", "out"])
def test_an_interrupt_at_any_moment(tmp_path: Path, name: str) -> None:
    """Ctrl+C, a hundred times: the old file or the new one, and nothing beside it."""
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path), name]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[1]) > 10


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python's, of what is half made.
@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.weights.h5"])
def test_an_interrupt_at_every_step_is_what_the_caller_sees(tmp_path: Path, name: str) -> None:
    """Whatever a library makes of an interrupt in the middle of its work: `KeyboardInterrupt` is what arrives."""
    model = Sequential([Dense(3, input_shape=(3,))])
    save = model.save_weights if "weights" in name else model.save
    path = tmp_path / name
    save(path)
    old, interrupted, place = path.read_bytes(), 0, ""

    def every(frame: types.FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        nonlocal left, place
        if event == "line":
            left -= 1
            if not left:
                place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return every

    def watched(frame: types.FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        steps = ("zipfile", "h5py", "atomic.py", "archive.py", "saving/files.py", "contextlib.py")
        return every if any(step in frame.f_code.co_filename for step in steps) else None

    for number in itertools.count(1):
        left, place, before = number, "", sys.gettrace()
        sys.settrace(watched)
        try:
            save(path)
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            sys.settrace(before)
        assert os.listdir(tmp_path) == [name], place
        if path.read_bytes() != old:
            # The new one, whole: Keras's archives hold the time at which they were written.
            Sequential([Dense(3, input_shape=(3,))]).load_weights(path)
        if not place:
            break
    assert interrupted > 100


LIMITED = """
import resource, sys
from multikeras.layers import Dense
from multikeras.models import Sequential
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = Sequential([Dense(500, input_shape=(500,))])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
path = sys.argv[1]
try:
    if path.endswith("out"):
        from multikeras.models import export_savedmodel

        export_savedmodel(model, path)
    elif "weights" in path.rpartition("/")[2]:
        model.save_weights(path)
    else:
        model.save(path)
except OSError as error:
    print("refused:", error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files have no size limit here")
@pytest.mark.parametrize("name", ["model.h5", "model.keras", "weights.h5", "model.weights.h5", "out"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    model = model_of(7.0)
    if name == "out":
        export_savedmodel(model, path)
    elif "weights" in name:
        model.save_weights(path)
    else:
        model.save(path)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("refused:"), done.stderr
    assert values_of(path) == {7.0}
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


class FailingLoss(MeanSquaredError):
    def get_config(self) -> dict[str, Any]:
        raise RuntimeError("no configuration today")


class FailingOptimizer(SGD):
    def get_config(self) -> dict[str, Any]:
        raise RuntimeError("no configuration today")


class FailingMetric(MeanAbsoluteError):
    def get_config(self) -> dict[str, Any]:
        raise RuntimeError("no configuration today")


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
@pytest.mark.parametrize("part", ["optimizer", "metric", "loss", "no json"])
def test_an_error_in_another_configuration_leaves_the_old_file(tmp_path: Path, name: str, part: str) -> None:
    path = tmp_path / name
    model_of(7.0).save(path)
    before = path.read_bytes()
    layer = Lambda(lambda x, by: x, arguments={"by": object()}, input_shape=(3,)) if part == "no json" else Dense(2)
    model = Sequential([Dense(3, input_shape=(3,)), layer])
    model.compile(
        FailingOptimizer() if part == "optimizer" else "sgd",
        FailingLoss() if part == "loss" else "mse",
        metrics=[FailingMetric()] if part == "metric" else None,
    )
    with pytest.raises((RuntimeError, TypeError), match="no configuration today|which a file cannot"):
        model.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_streams_that_break_and_targets_that_are_none(tmp_path: Path) -> None:
    class Breaking(io.BytesIO):
        def write(self, content: Any) -> int:
            raise OSError("the line is down")

    stream = Breaking(b"what was there")
    with pytest.raises(OSError, match="the line is down"):
        model_of().save(stream)
    assert stream.getvalue() == b"what was there"
    for name in ("directory.h5", "directory.keras"):
        (tmp_path / name).mkdir()
        with pytest.raises(OSError, match="directory"):
            model_of().save(tmp_path / name)
        assert list((tmp_path / name).iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["directory.h5", "directory.keras"]
    link = tmp_path / "link.h5"
    link.symlink_to(tmp_path / "nowhere" / "model.h5")
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        model_of().save(link)
    assert link.is_symlink()


def test_a_file_inside_another_file() -> None:
    stream = io.BytesIO(b"a head of its own")
    stream.seek(0, os.SEEK_END)
    place = stream.tell()
    model_of(5.0).save(stream)
    stream.seek(place)
    assert load_model(stream).get_weights()[0][0, 0] == 5.0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything may be written")
def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    model_of(7.0).save(path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError):
            model_of(8.0).save(path)
    finally:
        tmp_path.chmod(0o700)
    assert values_of(path) == {7.0}


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
