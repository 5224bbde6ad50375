"""Weights that go to layers by their names, and those that are brought into shape, from every form of file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import LSTM, BatchNormalization, Bidirectional, Conv2D, Dense, Dropout, InputLayer
from multikeras.models import Sequential
from tests.conftest import ROOT

FORMS = ["w.h5", "w.weights.h5", "m.keras", "m.h5"]


def source() -> Sequential:
    inner = Sequential([InputLayer((8,)), Dense(3, name="deep"), BatchNormalization(name="norm")], name="inner")
    return Sequential([InputLayer((4,)), Dense(8, name="first"), Dense(8, name="second"), inner, Dense(2, name="last")])


def written(model: Sequential, path: Path) -> Path:
    """The file of a model, whose weights are whole numbers from there on, no two alike."""
    start = 0
    for variable in model.weights:
        size = int(np.prod(variable.shape))
        K.set_value(variable, np.arange(start, start + size).reshape(variable.shape))
        start += size
    (model.save_weights if path.name.startswith("w") else model.save)(path)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_layers_find_their_names(each_backend: str, tmp_path: Path, form: str) -> None:
    model = source()
    path = written(model, tmp_path / form)
    # Another order, equal shapes under other names, layers that are not in the file, others inside the nested one.
    inner = Sequential([InputLayer((8,)), Dense(3, name="other"), BatchNormalization(name="another")], name="inner")
    other = Sequential([InputLayer((4,)), Dense(8, name="new"), Dense(8, name="second"), Dropout(0.1), inner])
    other.add(Dense(3, name="last_of_all"))
    before = other.layers[0].get_weights() + other.layers[-1].get_weights()
    other.load_weights(path, by_name=True)
    after = other.layers[0].get_weights() + other.layers[-1].get_weights()
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    for name in ("second", "inner"):
        for given, got in zip(model.get_layer(name).get_weights(), other.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(given, got)


@pytest.mark.parametrize("form", FORMS)
def test_a_layer_of_the_name_and_another_shape(tmp_path: Path, form: str) -> None:
    path = written(source(), tmp_path / form)
    model = Sequential([InputLayer((4,)), Dense(8, name="first"), Dense(9, name="second")])
    before = model.get_weights()
    with pytest.raises(ValueError, match="'second'"):
        model.load_weights(path, by_name=True)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.warns(UserWarning, match="'second'") as caught:
        model.load_weights(path, by_name=True, skip_mismatch=True)
    assert {Path(each.filename) for each in caught} == {Path(__file__)}
    np.testing.assert_array_equal(model.get_weights()[0], np.arange(32).reshape(4, 8))
    np.testing.assert_array_equal(model.get_weights()[2], before[2])


@pytest.mark.parametrize("form", FORMS)
def test_wrappers_find_what_is_inside(tmp_path: Path, form: str) -> None:
    def model(first: str) -> Sequential:
        return Sequential([InputLayer((5, 3)), Dense(3, name=first), Bidirectional(LSTM(2, name="cell"), name="both")])

    saved, other = model("a"), model("b")
    other.load_weights(written(saved, tmp_path / form), by_name=True)
    for given, got in zip(saved.layers[-1].get_weights(), other.layers[-1].get_weights(), strict=True):
        np.testing.assert_array_equal(given, got)


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_arrays_of_as_many_numbers_are_brought_into_shape(tmp_path: Path, form: str, by_name: bool) -> None:
    """A kernel of 1 by 4 becomes one of 2 by 2, as Keras 2.3 does it for convolutions."""
    path = written(Sequential([InputLayer((1, 4, 3)), Conv2D(5, (1, 4), name="top")]), tmp_path / form)
    model = Sequential([InputLayer((2, 2, 3)), Conv2D(5, 2, name="top")])
    with pytest.raises(ValueError, match="'top'"):
        model.load_weights(path, by_name=by_name)
    model.load_weights(path, by_name=by_name, reshape=True)
    np.testing.assert_array_equal(model.get_weights()[0], np.arange(60).reshape(2, 2, 3, 5))


def test_a_file_without_names_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = written(source(), tmp_path / "w.weights.h5")
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars"].attrs["name"]
    with pytest.raises(ValueError, match="does not say under which name 'dense' stands"):
        source().load_weights(path, by_name=True)
    source().load_weights(path)


THEIRS = """
import sys
import keras
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="first"), keras.layers.Dense(8, name="second")])
model.set_weights([w + i for i, w in enumerate(model.get_weights())])
model.save_weights(sys.argv[1] + "/w.weights.h5")
model.save(sys.argv[1] + "/m.keras")
"""


def test_files_of_keras_3(tmp_path: Path) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", THEIRS, str(tmp_path)], env=environment, check=True, capture_output=True)
    for form in ("w.weights.h5", "m.keras"):
        whole = Sequential([InputLayer((4,)), Dense(8), Dense(8)])
        whole.load_weights(tmp_path / form)
        model = Sequential([InputLayer((4,)), Dense(8, name="new"), Dense(8, name="second")])
        before = model.get_weights()
        model.load_weights(tmp_path / form, by_name=True)
        for old, new in zip([*before[:2], *whole.get_weights()[2:]], model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
