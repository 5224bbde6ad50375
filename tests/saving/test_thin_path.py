"""A model goes into a file and comes back; a file that is no model is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from multikeras.layers import BatchNormalization, Dense, Dropout
from multikeras.models import Model, Sequential, load_model
from multikeras.saving import CorruptFileError

RNG = np.random.RandomState(5)
X, Y = RNG.rand(40, 4).astype("float32"), RNG.rand(40, 2).astype("float32")


def trained() -> Model:
    model = Sequential([Dense(8, activation="relu", input_shape=(4,)), BatchNormalization(), Dropout(0.3), Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, epochs=1, verbose=0)
    return model


def test_training_goes_on_after_loading_as_if_nothing_had_happened(each_backend: str, tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "model.h5")
    loaded = load_model(tmp_path / "model.h5")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    curves = [m.fit(X, Y, epochs=2, verbose=0, shuffle=False).history["loss"] for m in (model, loaded)]
    assert curves[0] == curves[1]


def test_weights_alone_by_position_and_by_name(each_backend: str, tmp_path: Path) -> None:
    model = trained()
    model.save_weights(tmp_path / "weights.h5")
    other = trained()
    other.load_weights(tmp_path / "weights.h5")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    named = Sequential([Dense(8, input_shape=(4,), name=model.layers[0].name), Dense(3)])
    before = named.layers[1].get_weights()
    named.load_weights(tmp_path / "weights.h5", by_name=True)
    np.testing.assert_array_equal(named.layers[0].get_weights()[0], model.layers[0].get_weights()[0])
    np.testing.assert_array_equal(named.layers[1].get_weights()[0], before[0])


def test_a_file_that_is_cut_off_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = trained()
    path = tmp_path / "weights.h5"
    model.save_weights(path)
    path.write_bytes(path.read_bytes()[:-2000])
    other = trained()
    before = other.predict(X)
    with pytest.raises(CorruptFileError, match=r"weights\.h5"):
        other.load_weights(path)
    np.testing.assert_array_equal(other.predict(X), before)


def test_an_unlike_architecture_is_refused(tmp_path: Path) -> None:
    model = trained()
    model.save_weights(tmp_path / "weights.h5")
    other = Sequential([Dense(8, input_shape=(4,)), Dense(2)])
    with pytest.raises(ValueError, match="has 2 layers with weights"):
        other.load_weights(tmp_path / "weights.h5")
