"""A training that is interrupted between two epochs, saved and loaded, is the one that was not."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras import optimizers
from multikeras.callbacks import EarlyStopping, LearningRateScheduler, ReduceLROnPlateau
from multikeras.layers import (
    GRU,
    LSTM,
    AlphaDropout,
    BatchNormalization,
    Bidirectional,
    Dense,
    Dropout,
    GaussianNoise,
    Input,
    Layer,
    SpatialDropout1D,
)
from multikeras.losses import Huber
from multikeras.metrics import MeanSquaredError
from multikeras.models import Model, Sequential, load_model, model_from_json, serialize_model, unserialize_model
from multikeras.utils import CustomObjectScope

RNG = np.random.RandomState(0)
X, Y, CLASSES = RNG.rand(24, 4).astype("float32"), RNG.rand(24, 2).astype("float32"), np.eye(2)[RNG.randint(0, 2, 24)]
SERIES = RNG.rand(24, 3, 4).astype("float32")

WAYS: dict[str, Callable[[Any, Path], Any]] = {
    "h5": lambda model, directory: through(model, directory / "model.h5"),
    "keras": lambda model, directory: through(model, directory / "model.keras"),
    "bytes": lambda model, _: unserialize_model(serialize_model(model)),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, _: copy.deepcopy(model),
}


def through(model: Any, path: Path) -> Any:
    model.save(path)
    return load_model(path)


def layers(optimizer: Any = "adam", loss: Any = "mse", **kwargs: Any) -> Model:
    model = Sequential(
        [Dense(6, activation="relu", input_shape=(4,)), BatchNormalization(), Dropout(0.4), GaussianNoise(0.1)]
    )
    model.add(Dense(2, activation="softmax", kernel_regularizer="l2", kernel_constraint="max_norm"))
    model.compile(optimizer, loss, **kwargs)
    return model


def classes() -> Model:
    return layers("rmsprop", "categorical_crossentropy", metrics=["acc", "mae"], weighted_metrics=["accuracy"])


def objects() -> Model:
    schedule = optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    return layers(optimizers.SGD(schedule, momentum=0.9), Huber(0.1), metrics=[MeanSquaredError(name="own")])


def several() -> Model:
    x = Input((4,), name="x")
    h = AlphaDropout(0.3)(Dense(4, activation="tanh")(x))
    model = Model(x, [Dense(2, name="one")(h), Dense(2, name="two")(Dropout(0.2)(h))])
    model.compile(
        "adam", {"one": "mse", "two": "mae"}, metrics={"one": "mae", "two": ["mse", "acc"]}, loss_weights=[1.0, 0.5]
    )
    return model


def stateful() -> Model:
    first = LSTM(
        3, stateful=True, dropout=0.2, recurrent_dropout=0.2, return_sequences=True, batch_input_shape=(8, 3, 4)
    )
    model = Sequential([first, SpatialDropout1D(0.3), Bidirectional(GRU(2, stateful=True)), Dense(2)])
    model.compile("adam", "mse")
    return model


def plateau() -> list[Any]:
    return [ReduceLROnPlateau(patience=0, min_delta=10, factor=0.5), EarlyStopping(monitor="val_acc", patience=9)]


def by_epoch() -> list[Any]:
    return [LearningRateScheduler(lambda epoch: 0.01 / (epoch + 1))]


#: Model, data, what fit is told, callbacks.
CASES: dict[str, tuple[Callable[[], Model], Any, Any, dict[str, Any], Callable[[], list[Any]]]] = {
    "classes": (classes, X, CLASSES, {"class_weight": {0: 1.0, 1: 3.0}, "validation_split": 0.25}, plateau),
    "objects": (objects, X, Y, {"sample_weight": RNG.rand(24)}, list),
    "several": (several, X, [Y, CLASSES], {}, by_epoch),
    "stateful": (stateful, SERIES, Y, {"shuffle": False}, list),
}


def check(name: str, way: str, directory: Path) -> None:
    make, x, y, told, callbacks = CASES[name]
    np.random.seed(3)
    model = make()
    model.fit(x, y, epochs=2, verbose=0, batch_size=8, callbacks=callbacks(), **told)
    loaded = WAYS[way](model, directory)
    histories, numbers = [], []
    for each in (model, loaded):
        np.random.seed(11)
        fitted = each.fit(x, y, epochs=4, initial_epoch=2, verbose=0, batch_size=8, callbacks=callbacks(), **told)
        histories.append(fitted.history)
        predicted = each.predict(x, batch_size=8)
        last = predicted if isinstance(predicted, list) else [predicted]
        numbers.append([*each.get_weights(), *each.optimizer.get_weights(), *last])
    assert histories[0] == histories[1]
    for one, other in zip(*numbers, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", CASES)
def test_on_each_backend(each_backend: str, tmp_path: Path, name: str) -> None:
    check(name, "h5", tmp_path)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "h5"])
@pytest.mark.parametrize("name", CASES)
def test_every_way(tmp_path: Path, name: str, way: str) -> None:
    check(name, way, tmp_path)


def test_names_are_those_that_compile_was_given(tmp_path: Path) -> None:
    model = classes()
    loaded = through(model, tmp_path / "model.h5")
    assert loaded.metrics_names == model.metrics_names
    # Other Keras finds the long ones, and who changes them means it.
    with h5py.File(tmp_path / "model.h5", "a") as file:
        text, long = file.attrs["multikeras_training_config"], '"metrics": ["accuracy", "mean_absolute_error"]'
        assert long in text
        file.attrs["multikeras_training_config"] = text.replace(long, '"metrics": ["mean_squared_error"]', 1)
        assert load_model(file).metrics_names == ["loss", "mean_squared_error", "accuracy"]


# -- models that are code -----------------------------------------------------------------------


class Towers(Model):
    """Its architecture is code, and its configuration says how to make it."""

    def __init__(self, units: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.towers = [Dense(units, activation="tanh"), Dense(units)]
        self.dropout = Dropout(0.5)
        self.last = Dense(2)

    def call(self, x: Any) -> Any:
        first, second = x if isinstance(x, list) else [x, x]
        return self.last(self.dropout(self.towers[0](first) * self.towers[1](second)))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "units": self.units}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("x", [X, [X, X[:, :2]]], ids=["one input", "two inputs"])
def test_a_model_that_is_code(tmp_path: Path, x: Any, way: str) -> None:
    model = Towers(4)
    model.compile("adam", "mse")
    model.fit(x, Y, verbose=0)
    with CustomObjectScope({"Towers": Towers}):
        loaded = WAYS[way](model, tmp_path)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    curves = [each.fit(x, Y, verbose=0, shuffle=False, epochs=2).history for each in (model, loaded)]
    assert curves[0] == curves[1]


def test_weights_of_a_model_that_is_code(tmp_path: Path) -> None:
    model = Towers()
    model.predict(X)
    for name in ("w.h5", "w.weights.h5"):
        model.save_weights(tmp_path / name)
        fresh = Towers()
        fresh(X)
        fresh.load_weights(tmp_path / name)
        np.testing.assert_array_equal(fresh.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="is not built yet and has no weights that those of .* could go into"):
        Towers().load_weights(tmp_path / "w.h5")


@pytest.mark.parametrize("shape", [7, [], [[]], ["a"], [[None, 4], 5], [-1], [1.5], [True]])
def test_shapes_that_are_none(shape: Any) -> None:
    content = {"class_name": "Towers", "config": {}, "build_config": {"input_shape": shape}}
    with CustomObjectScope({"Towers": Towers}), pytest.raises(ValueError, match="are no shapes to build it for"):
        model_from_json(json.dumps(content))


# -- flags --------------------------------------------------------------------------------------


def adversaries() -> tuple[Model, Model]:
    discriminator = Sequential(
        [Dense(4, activation="tanh", input_shape=(4,)), BatchNormalization(), Dense(2)], name="discriminator"
    )
    discriminator.compile("adam", "mse")
    discriminator.trainable = False
    generator = Sequential([Dense(4, input_shape=(4,))], name="generator")
    x = Input((4,))
    combined = Model(x, discriminator(generator(x)))
    combined.compile("adam", "mse")
    return discriminator, combined


# Of which Keras 3 makes something else.
@pytest.mark.filterwarnings("ignore:Training and evaluate differ between Keras 3 and here")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", [0, 1])
def test_what_was_trained_stays_trained_and_what_was_frozen_frozen(tmp_path: Path, which: int, way: str) -> None:
    model = adversaries()[which]
    model.train_on_batch(X, Y)
    loaded = WAYS[way](model, tmp_path)
    curves = [[each.train_on_batch(X, Y) for _ in range(3)] for each in (model, loaded)]
    assert curves[0] == curves[1] and curves[0][0] != curves[0][-1]
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    inner = [each if which == 0 else each.get_layer("discriminator") for each in (model, loaded)]
    assert not inner[0].trainable and not inner[1].trainable
    # Compiled anew, it trains what is trainable now.
    for each in (model, loaded):
        each.compile("sgd", "mse")
    assert [w.shape for w in loaded.trainable_weights] == [w.shape for w in model.trainable_weights]
    assert model.train_on_batch(X, Y) == loaded.train_on_batch(X, Y)


def test_a_layer_frozen_after_compile(tmp_path: Path) -> None:
    model = Sequential([Dense(4, input_shape=(4,)), Dense(2)])
    model.compile("sgd", "mse")
    model.layers[0].trainable = False
    loaded = through(model, tmp_path / "model.h5")
    assert [layer.trainable for layer in loaded.layers] == [False, True]
    assert [each.train_on_batch(X, Y) for each in (model, model)] == [loaded.train_on_batch(X, Y) for _ in range(2)]
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_flags_of_another_number_are_no_flags(tmp_path: Path) -> None:
    model = Sequential([Dense(2, input_shape=(4,))])
    model.compile("sgd", "mse")
    model.layers[0].trainable = False
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "a") as file:
        text = file.attrs["multikeras_training_config"]
        for wrong in ("[true]", "7", "[1, 1]"):
            file.attrs["multikeras_training_config"] = text.replace("[true, true]", wrong)
            with pytest.warns(UserWarning, match="not known for all of its 2 layers"):
                load_model(file)


# -- states -------------------------------------------------------------------------------------


def test_states_that_do_not_fit(tmp_path: Path) -> None:
    model = Sequential([LSTM(3, stateful=True, batch_input_shape=(2, 3, 4))])
    x = SERIES[:2]
    first = model.predict(x)
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "a") as file:
        del file["multikeras_states/0/1"]
        file["multikeras_states/0/1"] = np.zeros((5, 5))
        with pytest.warns(UserWarning, match="states of stateful layers in .* begins a new sequence"):
            loaded = load_model(file)
        np.testing.assert_array_equal(loaded.predict(x), first)
        del file["multikeras_states/0/1"]
        file["multikeras_states/0/x"] = np.zeros((2, 3))
        with pytest.raises(ValueError, match="states are numbered from 0 on"):
            load_model(file)


class Counter(Layer):
    """A stateful layer of one's own, whose states are no attribute."""

    def build(self, input_shape: Any) -> None:
        self.stateful = True
        self.count = self.add_weight("count", (), initializer="zeros", trainable=False)

    def call(self, x: Any) -> Any:
        return x + self.count


def test_a_stateful_layer_of_ones_own(tmp_path: Path) -> None:
    model = Sequential([Counter(input_shape=(4,))])
    model.set_weights([np.array(3.0)])
    with CustomObjectScope({"Counter": Counter}):
        for way in WAYS:
            np.testing.assert_array_equal(WAYS[way](model, tmp_path).predict(X), X + 3)
