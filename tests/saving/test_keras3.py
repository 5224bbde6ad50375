"""Files of pip-installed Keras 3 are read here, and ours are read there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras3_scripts import keras3

from multikeras import backend as K
from multikeras.layers import Dense
from multikeras.models import Sequential, load_model

NAMES = ("mlp", "cnn", "recurrent", "nested", "attention")
ENDINGS = ("h5", "keras")


def script(*arguments: str) -> str:
    return keras3(Path(__file__).with_name("keras3_models.py"), *arguments)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files of Keras 3."""
    directory = tmp_path_factory.mktemp("keras3")
    script("make", str(directory))
    return directory


def data_of(directory: Path, name: str) -> tuple[Any, list[np.ndarray]]:
    """Inputs, and what Keras 3 predicted from them."""
    with np.load(directory / f"{name}.npz") as file:
        inputs = [file[key] for key in sorted(file.files) if key.startswith("input")]
        outputs = [file[key] for key in sorted(file.files) if key.startswith("output")]
    return (inputs if len(inputs) > 1 else inputs[0]), outputs


def check(model: Any, directory: Path, name: str) -> None:
    inputs, outputs = data_of(directory, name)
    found = model.predict(inputs)
    for one, other in zip(found if isinstance(found, list) else [found], outputs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ending", ENDINGS)
def test_their_files_predict_the_same_here(each_backend: str, theirs: Path, name: str, ending: str) -> None:
    model = load_model(theirs / f"{name}.{ending}")
    check(model, theirs, name)
    # And their files of weights alone, into the same architecture.
    model.set_weights([0 * w for w in model.get_weights()])
    model.load_weights(theirs / f"{name}.weights.h5")
    check(model, theirs, name)


def test_what_they_compiled_trains_on_here(theirs: Path) -> None:
    model = load_model(theirs / "mlp.h5")
    assert type(model.optimizer).__name__ == "Adam"
    assert model.metrics_names == ["loss", "mae"] or model.metrics_names == ["loss", "mean_absolute_error"]
    x, _ = data_of(theirs, "mlp")
    # At the rate of the file twenty steps move the loss less than dropout does, in one of six runs.
    assert K.get_value(model.optimizer.lr) == np.float32(0.001)
    K.set_value(model.optimizer.lr, 0.05)
    np.random.seed(0)
    first, *_, last = model.fit(x, np.eye(3)[[0, 1, 2, 0, 1, 2]], epochs=20, verbose=0).history["loss"]
    assert last < first


def test_our_files_predict_the_same_there(theirs: Path) -> None:
    for i, name in enumerate(NAMES):
        # Saved on one backend after the other.
        with K.use_backend(("numpy", "jax", "torch")[i % 3]):
            model = load_model(theirs / f"{name}.keras")
            if name == "mlp":
                model.compile("adam", "mse", metrics=["mae", "acc"])
            for ending in (*ENDINGS, "weights.h5"):
                (model.save_weights if ending == "weights.h5" else model.save)(theirs / f"{name}_ours.{ending}")
            # And come back here.
            for ending in ENDINGS:
                check(load_model(theirs / f"{name}_ours.{ending}"), theirs, name)
    apart = json.loads(script("read", str(theirs)).splitlines()[-1])
    assert set(apart) == {f"{name} {ending}" for name in NAMES for ending in (*ENDINGS, "weights.h5")}
    assert max(apart.values()) < 2e-6, apart


def test_an_archive_keeps_training(tmp_path: Path) -> None:
    x, y = np.random.RandomState(0).rand(20, 3), np.random.RandomState(1).rand(20, 1)
    model = Sequential([Dense(4, input_shape=(3,)), Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    made = load_model(tmp_path / "model.keras")
    curves = [m.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"] for m in (model, made)]
    assert curves[0] == curves[1]


def test_weights_of_another_model_are_refused_and_change_nothing(theirs: Path) -> None:
    model = Sequential([Dense(8, input_shape=(4,)), Dense(3)])
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"weight 'dense_.*/kernel' has shape \(4, 8\), and there is shape \(2, 2\)"):
        model.load_weights(theirs / "cnn.weights.h5")
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
