"""Pickles and deep copies of models and layers."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import LSTM, Add, BatchNormalization, Dense, Dropout, Input, Lambda, Layer
from multikeras.metrics import MeanSquaredError
from multikeras.models import Model, Sequential, clone_model, load_model, serialize_model, unserialize_model
from multikeras.utils import register_keras_serializable

RNG = np.random.RandomState(5)
X, Y = RNG.rand(40, 4).astype("float32"), RNG.rand(40, 2).astype("float32")


def doubled(x: Any) -> Any:
    return 2 * x


def own_loss(y_true: Any, y_pred: Any) -> Any:
    return K.mean(K.abs(y_true - y_pred), axis=-1)


class Scale(Layer):
    """A layer of one's own, which nobody registered."""

    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight("scale", (input_shape[-1],), initializer="ones")

    def call(self, x: Any) -> Any:
        return x * self.scale * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def pickled(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


WAYS: dict[str, Callable[[Any], Any]] = {"pickle": pickled, "deepcopy": copy.deepcopy}


def sequential() -> Model:
    model = Sequential(
        [Dense(8, activation="relu", input_shape=(4,)), BatchNormalization(), Dropout(0.3), Scale(2.0), Dense(2)]
    )
    model.compile("adam", own_loss, metrics=["mae", MeanSquaredError()])
    return model


def functional() -> Model:
    x = Input((4,))
    shared = Dense(4, activation="tanh")
    h = Add()([shared(x), shared(shared(x))])
    y = Dense(2)(Lambda(doubled)(h) + K.cast(K.shape(x)[0], "float32"))
    model = Model(x, y)
    model.layers[1].trainable = False
    model.compile("rmsprop", "mse")
    return model


@pytest.mark.parametrize("make", [sequential, functional])
@pytest.mark.parametrize("way", WAYS)
def test_a_copy_trains_on_like_the_original(each_backend: str, make: Callable[[], Model], way: str) -> None:
    model = make()
    model.fit(X, Y, epochs=1, verbose=0)
    made = WAYS[way](model)
    assert type(made) is type(model)
    np.testing.assert_array_equal(made.predict(X), model.predict(X))
    assert [layer.trainable for layer in made.layers] == [layer.trainable for layer in model.layers]
    histories = [m.fit(X, Y, epochs=2, verbose=0, shuffle=False).history for m in (model, made)]
    assert histories[0] == histories[1]
    # Nothing is shared.
    made.set_weights([0 * w for w in made.get_weights()])
    assert any(w.any() for w in model.get_weights())


@pytest.mark.parametrize("way", WAYS)
def test_models_that_are_not_built_or_compiled(way: str) -> None:
    made = WAYS[way](Sequential([Dense(2), Dropout(0.5)]))
    assert made.weights == [] and made.predict(X).shape == (40, 2)
    built = Sequential([Dense(2, input_shape=(4,))])
    np.testing.assert_array_equal(WAYS[way](built).predict(X), built.predict(X))


@pytest.mark.parametrize("way", WAYS)
def test_layers(way: str) -> None:
    built = Dense(3)
    built(Input((4,)))
    made = WAYS[way](built)
    for one, other in zip(made.get_weights(), built.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert made.weights[0] is not built.weights[0]
    unbuilt = WAYS[way](LSTM(3, name="memory"))
    assert (unbuilt.name, unbuilt.built, unbuilt.units) == ("memory", False, 3)


def test_a_deep_copy_of_an_unbuilt_layer_copies_its_attributes() -> None:
    layer = Dense(3)
    layer.notes = {"list": [1]}
    made = copy.deepcopy(layer)
    made.notes["list"].append(2)
    assert layer.notes == {"list": [1]}


def test_deep_models_are_no_problem() -> None:
    x = y = Input((2,))
    for _ in range(1500):
        y = y + 1.0
    model = Model(x, y)
    np.testing.assert_array_equal(pickled(model).predict(np.zeros((1, 2))), [[1500, 1500]])


def test_lambdas_copy_but_do_not_pickle() -> None:
    model = Sequential([Lambda(lambda x: x + 1, input_shape=(2,)), Lambda(lambda x: x * 3)])
    np.testing.assert_array_equal(copy.deepcopy(model).predict(np.zeros((1, 2))), [[3, 3]])
    with pytest.raises(TypeError, match="Two functions called '<lambda>'"):
        pickle.dumps(model)


class Subclass(Model):
    """Its architecture is code."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_a_model_whose_architecture_is_code_says_so() -> None:
    model = Subclass()
    model(X)
    for way in WAYS.values():
        with pytest.raises(TypeError, match="cannot be copied: .*architecture is code"):
            way(model)


def test_variables_pickle_as_values_and_other_tensors_refuse() -> None:
    variable = K.variable([1.0, 2.0])
    np.testing.assert_array_equal(K.get_value(pickled(variable)), [1, 2])
    with pytest.raises(TypeError):
        pickle.dumps(variable * 2)
    assert copy.deepcopy(variable * 2) is not None


@register_keras_serializable(package="tests.copies")
class Registered(Scale):
    """A layer that is known by a name of its own."""


@register_keras_serializable(package="tests.copies")
def registered_loss(y_true: Any, y_pred: Any) -> Any:
    return own_loss(y_true, y_pred)


@register_keras_serializable(package="tests.copies")
class RegisteredModel(Model):
    """A model that is known by a name of its own."""


def test_registered_classes_and_functions_need_no_custom_objects(tmp_path: Path) -> None:
    x = Input((4,))
    inner = RegisteredModel(x, Registered(3.0)(Dense(4)(x)), name="inner")
    model = RegisteredModel(x, Dense(2)(inner(x)))
    model.compile("adam", registered_loss)
    model.fit(X, Y, verbose=0)
    made = [pickled(model), copy.deepcopy(model), unserialize_model(serialize_model(model))]
    for ending in ("h5", "keras"):
        model.save(tmp_path / f"model.{ending}")
        made.append(load_model(tmp_path / f"model.{ending}"))
    for each in made:
        assert type(each) is type(each.get_layer("inner")) is RegisteredModel
        assert type(each.get_layer("inner").layers[-1]) is Registered
        np.testing.assert_array_equal(each.predict(X), model.predict(X))
    expected = model.fit(X, Y, verbose=0, shuffle=False).history
    assert all(each.fit(X, Y, verbose=0, shuffle=False).history == expected for each in made)
    assert type(clone_model(model).get_layer("inner").layers[-1]) is Registered
