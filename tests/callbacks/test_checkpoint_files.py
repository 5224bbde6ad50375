"""The files that `ModelCheckpoint` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras.callbacks import ModelCheckpoint
from multikeras.layers import Dense
from multikeras.models import Sequential, load_model

RNG = np.random.RandomState(2)
X, Y = RNG.rand(16, 4).astype("float32"), RNG.rand(16, 2).astype("float32")


def model_of() -> Sequential:
    model = Sequential([Dense(3, activation="tanh", input_shape=(4,)), Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_every_epoch_has_a_file_from_which_training_goes_on(tmp_path: Path, ending: str) -> None:
    model = model_of()
    checkpoint = ModelCheckpoint(tmp_path / ("m-{epoch:02d}-{val_loss:.3f}." + ending))
    history = model.fit(X, Y, epochs=3, verbose=0, validation_split=0.25, shuffle=False, callbacks=[checkpoint])
    expected = [f"m-{i + 1:02d}-{value:.3f}.{ending}" for i, value in enumerate(history.history["val_loss"])]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected
    # From the second epoch on, the third comes out as it did.
    again = load_model(tmp_path / expected[1])
    went_on = again.fit(X, Y, epochs=1, verbose=0, validation_split=0.25, shuffle=False)
    assert went_on.history["loss"][0] == history.history["loss"][2]


def test_a_fixed_name_holds_the_last_epoch(tmp_path: Path) -> None:
    model = model_of()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[ModelCheckpoint(str(tmp_path / "m.h5"))])
    assert [path.name for path in tmp_path.iterdir()] == ["m.h5"]
    np.testing.assert_array_equal(load_model(tmp_path / "m.h5").predict(X), model.predict(X))


@pytest.mark.parametrize("name", ["w.h5", "m.weights.h5"])
def test_weights_alone(tmp_path: Path, name: str) -> None:
    model = model_of()
    checkpoint = ModelCheckpoint(tmp_path / name, save_weights_only=True)
    model.fit(X, Y, verbose=0, callbacks=[checkpoint])
    with pytest.raises(ValueError, match="no model|only weights"):
        load_model(tmp_path / name)
    other = model_of()
    other.load_weights(tmp_path / name)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


@pytest.mark.parametrize(("mode", "best"), [("min", 1), ("max", 3)])
def test_only_the_best_stays(tmp_path: Path, mode: str, best: int) -> None:
    model = model_of()
    checkpoint = ModelCheckpoint(tmp_path / "best.h5", monitor="score", save_best_only=True, mode=mode)
    checkpoint.set_model(model)
    checkpoint.on_train_begin()
    for epoch, score in enumerate([2.0, 1.0, 1.5, 3.0, 2.5]):
        model.set_weights([np.full(w.shape, float(epoch)) for w in model.get_weights()])
        checkpoint.on_epoch_end(epoch, {"score": score})
    assert {float(v) for w in load_model(tmp_path / "best.h5").get_weights() for v in w.ravel()} == {float(best)}


def test_a_save_that_fails_leaves_the_file_of_the_epoch_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of()
    path = tmp_path / "m.h5"
    model.save(path)
    before = path.read_bytes()

    def broken(*arguments: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="the disk is full"):
        model.fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(path)])
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["m.h5"]
