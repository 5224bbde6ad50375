"""A run that is killed goes on as if it had not been."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras.callbacks import BackupAndRestore, Callback, EarlyStopping, ModelCheckpoint
from multikeras.layers import Dense
from multikeras.models import Sequential

X = np.random.default_rng(1).normal(size=(30, 4)).astype("float32")
Y = X[:, :1]

SCRIPT = """
import json, os, signal, sys
import numpy as np
from multikeras import backend as K
from multikeras.callbacks import *
from multikeras.layers import BatchNormalization, Dense, Dropout
from multikeras.models import Sequential

place, killed_at = sys.argv[1], int(sys.argv[2])
# The resumed process starts from another seed: everything has to come from the backup.
np.random.seed(7 if killed_at >= 0 or place == "none" else 8)
x = np.random.RandomState(0).rand(60, 4).astype("float32")
y = x[:, :1] - x[:, 1:2]
model = Sequential([
    Dense(8, activation="tanh", input_shape=(4,)), Dropout(0.3), BatchNormalization(), Dropout(0.2, seed=5), Dense(1)
])
model.compile("adam", "mse", metrics=["mae"])

class Kill(Callback):
    def on_batch_end(self, batch, logs=None):
        if self.params["epochs"] and len(model.history.epoch) == killed_at and batch == 1:
            os.kill(os.getpid(), signal.SIGKILL)

callbacks = [ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05), EarlyStopping("loss", patience=50)]
if place != "none":
    callbacks.insert(0, BackupAndRestore(place))
if killed_at >= 0:
    callbacks.append(Kill())
history = model.fit(x, y, batch_size=7, epochs=8, verbose=0, validation_split=0.2, callbacks=callbacks)
print(json.dumps([history.epoch, history.history, [w.tolist() for w in model.get_weights()]]))
"""


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch"])
def test_a_killed_run_goes_on_bit_for_bit(python: Any, tmp_path: Path, backend: str) -> None:
    def run(place: str, killed_at: int) -> Any:
        return python("-c", SCRIPT, place, str(killed_at), KERAS_BACKEND=backend)

    whole = run("none", -1)
    assert whole.returncode == 0, whole.stderr
    place = tmp_path / "backup"
    # Killed in the first epoch, when there is nothing yet, then twice later on.
    for killed_at in (0, 3, 5):
        assert run(str(place), killed_at).returncode == -9
    resumed = run(str(place), -1)
    assert resumed.returncode == 0, resumed.stderr
    epochs, history, weights = json.loads(resumed.stdout)
    assert epochs == list(range(8))
    assert [history, weights] == json.loads(whole.stdout)[1:]
    # It ended well, and the next run begins anew.
    assert not list(place.iterdir())


def model_of(units: int = 1) -> Sequential:
    model = Sequential([Dense(units, input_shape=(4,)), Dense(1)])
    model.compile("adam", "mse")
    return model


class Failing(Callback):
    """Fails after some epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epochs:
            raise KeyboardInterrupt


def interrupted(place: Path, epochs: int, *others: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        model_of().fit(X, Y, epochs=9, verbose=0, callbacks=[BackupAndRestore(place), *others, Failing(epochs)])


def test_counters_of_other_callbacks_are_restored(tmp_path: Path) -> None:
    # Nothing is a gain of a million, so that patience ends the run after five epochs, interrupted or not.
    def stopping() -> EarlyStopping:
        return EarlyStopping("loss", min_delta=1e6, patience=5)

    expected = model_of().fit(X, Y, epochs=9, verbose=0, callbacks=[stopping()]).epoch
    interrupted(tmp_path, 3, stopping())
    resumed = model_of().fit(X, Y, epochs=9, verbose=0, callbacks=[BackupAndRestore(tmp_path), stopping()])
    assert resumed.epoch == expected
    assert len(expected) < 9


def test_the_backup_can_be_kept(tmp_path: Path) -> None:
    backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
    model_of().fit(X, Y, epochs=3, verbose=0, callbacks=[backup])
    assert backup.path.exists()
    again = model_of().fit(X, Y, epochs=4, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    assert again.epoch == [0, 1, 2, 3]


def test_a_backup_of_another_model_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path, 2)
    with pytest.raises(ValueError, match="is of another model"):
        model_of(3).fit(X, Y, epochs=3, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    path = BackupAndRestore(tmp_path).path
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="cannot be read.*Delete it to begin anew"):
        model_of().fit(X, Y, epochs=3, verbose=0, callbacks=[BackupAndRestore(tmp_path)])


def _changed(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    content = json.loads(arrays.pop("content").item())
    change(content)
    np.savez(path, content=np.array(json.dumps(content)), **arrays)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["numpy"].__setitem__(0, "PCG64"),
        # Where NumPy looks for its next number.
        lambda content: content["numpy"].__setitem__(1, 10**9),
        lambda content: content["numpy"].__setitem__(1, -1),
        lambda content: content["python"][1].pop(),
        lambda content: content.pop("callbacks"),
        lambda content: content["callbacks"][0].__setitem__(1, {"a": 5}),
        lambda content: content.__setitem__("epoch", "many"),
        lambda content: content.clear(),
    ],
)
def test_a_damaged_backup_changes_nothing(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    interrupted(tmp_path, 1, EarlyStopping("loss"))
    _changed(BackupAndRestore(tmp_path).path, change)
    model = model_of()
    model.train_on_batch(X, Y)
    before = [*model.get_weights(), *model.optimizer.get_weights()]
    state: Any = np.random.get_state()
    with pytest.raises(ValueError, match=r"cannot be read.*Delete it to begin anew"):
        model.fit(X, Y, epochs=3, verbose=0, callbacks=[BackupAndRestore(tmp_path), EarlyStopping("loss")])
    for one, other in zip([*model.get_weights(), *model.optimizer.get_weights()], before, strict=True):
        np.testing.assert_array_equal(one, other)
    now: Any = np.random.get_state()
    np.testing.assert_array_equal(now[1], state[1])


def test_a_backup_holds_what_it_unfolds_to(tmp_path: Path) -> None:
    interrupted(tmp_path, 1)
    path = BackupAndRestore(tmp_path).path
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.npy", bytes(10 << 20))
    with pytest.raises(ValueError, match="unfolds to more than it holds"):
        model_of().fit(X, Y, epochs=3, verbose=0, callbacks=[BackupAndRestore(tmp_path)])


def test_a_backup_does_not_say_where_others_write(tmp_path: Path) -> None:
    """What the program says counts: a path in a file is none to write to, and a text is no method."""
    place = tmp_path / "backup"

    def checkpoint(name: str) -> ModelCheckpoint:
        return ModelCheckpoint(str(tmp_path / name), monitor="loss", save_best_only=True)

    interrupted(place, 2, checkpoint("first.h5"))

    def change(content: dict[str, Any]) -> None:
        (found,) = [attributes for name, attributes in content["callbacks"] if name == "ModelCheckpoint"]
        assert found["filepath"] == ["value", str(tmp_path / "first.h5")]
        found["filepath"] = ["value", str(tmp_path / "elsewhere.h5")]
        found["on_epoch_end"] = ["value", "nothing"]
        found["best"] = ["value", 1e9]

    _changed(BackupAndRestore(place).path, change)
    model_of().fit(X, Y, epochs=3, verbose=0, callbacks=[BackupAndRestore(place), second := checkpoint("second.h5")])
    assert second.best < 1e9
    assert sorted(p.name for p in tmp_path.iterdir()) == ["backup", "first.h5", "second.h5"]


def test_other_frequencies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="save_freq is 'epoch', received 10"):
        BackupAndRestore(tmp_path, save_freq=10)  # type: ignore[arg-type]
