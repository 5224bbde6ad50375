"""Weights of models inside models: Keras's HDF5 files list the trained ones first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNormalization,
    Bidirectional,
    Dense,
    Input,
    LSTMCell,
    SimpleRNNCell,
    TimeDistributed,
)
from multikeras.models import Model, Sequential, load_model

RNG = np.random.RandomState(8)


def inner(name: str = "inner") -> Model:
    # Every weight has the shape of another one, so that a wrong order may go unnoticed.
    return Sequential(
        [Dense(4, input_shape=(4,)), BatchNormalization(), Dense(4), BatchNormalization(), Dense(4)], name=name
    )


def nothing(model: Model) -> None:
    pass


def first_layers(model: Model) -> None:
    for layer in model.layers[:2]:
        layer.trainable = False


def normalization(model: Model) -> None:
    for layer in model.layers:
        if isinstance(layer, BatchNormalization):
            layer.trainable = False


def the_model(model: Model) -> None:
    model.trainable = False


FREEZE: dict[str, Callable[[Model], None]] = {
    made.__name__: made for made in (nothing, first_layers, normalization, the_model)
}


def sequential(freeze: Callable[[Model], None]) -> Model:
    made = inner()
    freeze(made)
    x = Input((4,))
    return Model(x, Dense(2)(made(x)))


def functional(freeze: Callable[[Model], None]) -> Model:
    within, a = inner("within"), Input((4,))
    made = Model(a, Dense(4)(within(Dense(4)(BatchNormalization()(a)))), name="inner")
    freeze(made)
    freeze(within)
    x = Input((4,))
    return Model(x, Dense(2)(made(x)))


def deeper(freeze: Callable[[Model], None]) -> Model:
    """What is frozen is inside of what is not."""
    within, a = inner("within"), Input((4,))
    middle = Model(a, within(Dense(4)(BatchNormalization()(a))), name="middle")
    freeze(middle)
    x = Input((4,))
    return Model(x, Dense(2)(Sequential([middle, Dense(4), BatchNormalization(), Dense(4)], name="inner")(x)))


def wrapped(freeze: Callable[[Model], None]) -> Model:
    made = inner()
    freeze(made)
    return Sequential([TimeDistributed(made, input_shape=(3, 4)), Dense(2)])


MAKE: dict[str, Callable[[Callable[[Model], None]], Model]] = {
    made.__name__: made for made in (sequential, functional, deeper, wrapped)
}


def both_directions(units: int = 2) -> Model:
    layers = LSTM(3, recurrent_activation="sigmoid"), GRU(units, recurrent_activation="sigmoid", go_backwards=True)
    return Sequential([Bidirectional(layers[0], backward_layer=layers[1], input_shape=(5, 4)), Dense(2)])


def cells() -> Model:
    """A frozen layer with cells inside that are not frozen themselves."""
    frozen = RNN([LSTMCell(3, recurrent_activation="sigmoid"), SimpleRNNCell(3)], input_shape=(5, 4), trainable=False)
    return Sequential([frozen, Dense(2)])


def with_numbers(model: Model) -> Model:
    model.set_weights([RNG.rand(*w.shape) for w in model.weights])
    return model


def data_for(model: Model) -> np.ndarray:
    return RNG.rand(5, *model.input_shape[1:]).astype("float32")


def layers_of(model: Model) -> list[Any]:
    return [each for layer in model.layers for each in [layer, *(layers_of(layer) if isinstance(layer, Model) else [])]]


# -- our own files ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("after", FREEZE)
@pytest.mark.parametrize("before", FREEZE)
def test_what_is_frozen_when_does_not_matter(tmp_path: Path, kind: str, before: str, after: str) -> None:
    model = with_numbers(MAKE[kind](FREEZE[before]))
    x = data_for(model)
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"model.{ending}")
        loaded = load_model(tmp_path / f"model.{ending}")
        np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
        assert [w.shape for w in loaded.trainable_weights] == [w.shape for w in model.trainable_weights]
        # Flags of layers inside something frozen are kept for when it is not.
        for each, again in zip(layers_of(model), layers_of(loaded), strict=True):
            assert each.trainable == again.trainable, each.name
    # Layers of other names, and other ones of them frozen.
    other = MAKE[kind](FREEZE[after])
    other.load_weights(tmp_path / "model.h5")
    np.testing.assert_array_equal(other.predict(x), model.predict(x))


def test_a_damaged_order_is_refused(tmp_path: Path) -> None:
    model = sequential(nothing)
    for places in ("[0, 0]", "[]", "7", '["a"]', "[true]"):
        model.save_weights(tmp_path / "model.h5")
        with h5py.File(tmp_path / "model.h5", "a") as file:
            file["inner"].attrs["multikeras_places"] = places
        with pytest.raises(ValueError, match="multikeras_places"):
            model.load_weights(tmp_path / "model.h5")


# -- Keras 2 ------------------------------------------------------------------------------------


def as_keras_2(model: Model, path: Path, names: Callable[[Any], str]) -> None:
    """Writes the weights as Keras 2.3 does: of each layer of the model the trained ones, then the others."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"keras_version": b"2.3.1", "backend": b"tensorflow"})
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            weights = [*layer.trainable_weights, *layer.non_trainable_weights]
            group.attrs["weight_names"] = np.array([names(w).encode() for w in weights], "S80")
            for w, value in zip(weights, (np.asarray(w) for w in weights), strict=True):
                group[names(w)] = value


@pytest.mark.parametrize("known", [True, False])
def test_files_of_keras_2(tmp_path: Path, known: bool) -> None:
    model = with_numbers(sequential(nothing))
    numbers = {id(w): i for i, w in enumerate(model.weights)}
    as_keras_2(
        model, tmp_path / "w.h5", lambda w: f"{w.__dict__['plain_name']}:0" if known else f"weight_{numbers[id(w)]}"
    )
    x = data_for(model)
    expected = model.predict(x)
    model.set_weights([0 * w for w in model.get_weights()])
    model.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(model.predict(x), expected)
    if known:
        # Their names say where they belong, whatever is frozen now.
        first_layers(model.get_layer("inner"))
        model.load_weights(tmp_path / "w.h5")
        np.testing.assert_array_equal(model.predict(x), expected)


# -- Keras 3 ------------------------------------------------------------------------------------

THERE = """
import sys, numpy as np, keras
from pathlib import Path
for path in sorted(Path(sys.argv[1]).glob("*.npz")):
    with np.load(path) as file:
        x, expected, trained = file["x"], file["y"], int(file["trained"])
    for ending in ("h5", "keras"):
        model = keras.models.load_model(path.with_suffix("." + ending), compile=False)
        found = model.predict(x, verbose=0)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6, err_msg=f"{path.stem}.{ending}")
        assert len(model.trainable_weights) == trained, f"{path.stem}.{ending}"
        # And back, from there.
        model.save(path.with_name(f"theirs_{path.stem}.{ending}"))
    model.save_weights(path.with_name(f"theirs_{path.stem}.weights.h5"))
"""


def test_keras_3_reads_them_and_writes_what_we_read(tmp_path: Path) -> None:
    made = {f"{kind}_{freeze}": MAKE[kind](FREEZE[freeze]) for kind in MAKE for freeze in FREEZE}
    # Keras 3 takes both directions to be of one size.
    made["both_directions"] = both_directions(3)
    made["cell"] = cells()
    for name, model in made.items():
        x = data_for(with_numbers(model))
        for ending in ("h5", "keras"):
            model.save(tmp_path / f"{name}.{ending}")
        trained = len(model.trainable_weights)
        np.savez(tmp_path / f"{name}.npz", x=x, y=model.predict(x), trained=trained)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", THERE, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "numpy", "KERAS_HOME": os.environ["KERAS_HOME"] + "/keras3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name, model in made.items():
        with np.load(tmp_path / f"{name}.npz") as file:
            x, expected = file["x"], file["y"]
        for ending in ("h5", "keras"):
            found = load_model(tmp_path / f"theirs_{name}.{ending}").predict(x)
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6, err_msg=f"{name}.{ending}")
        model.set_weights([0 * w for w in model.get_weights()])
        model.load_weights(tmp_path / f"theirs_{name}.weights.h5")
        np.testing.assert_allclose(model.predict(x), expected, rtol=2e-5, atol=2e-6, err_msg=name)


# -- both directions ----------------------------------------------------------------------------


def test_another_layer_backwards_goes_on(each_backend: str, tmp_path: Path) -> None:
    ending = "keras" if each_backend == "torch" else "h5"
    model = both_directions()
    x, y = data_for(model), RNG.rand(5, 2)
    model.compile("adam", "mse")
    model.train_on_batch(x, y)
    model.save(tmp_path / f"model.{ending}")
    loaded = load_model(tmp_path / f"model.{ending}")
    assert [type(layer).__name__ for layer in (loaded.layers[0].forward_layer, loaded.layers[0].backward_layer)] == [
        "LSTM",
        "GRU",
    ]
    assert loaded.layers[0].output_shape == (None, 5)
    for _ in range(2):
        assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)
    content = json.loads(model.to_json())["config"]["layers"][0]["config"]
    assert content["backward_layer"]["class_name"] == "GRU"
