"""`Sequential`: growing, shrinking, waiting for data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import Conv2D, Dense, Embedding, Flatten, Input, InputLayer, Layer
from multikeras.models import Model, Sequential, clone_model


def test_built_as_it_grows() -> None:
    model = Sequential()
    model.add(Dense(4, input_shape=(3,)))
    assert model.output_shape == (None, 4)
    model.add(Dense(2))
    assert (model.input_shape, model.output_shape) == ((None, 3), (None, 2))
    assert [layer.name for layer in model.layers] == ["dense_1", "dense_2"]
    assert model.input_names == ["dense_1_input"]
    assert model.built
    assert len(model.weights) == 4


def test_pop_and_go_on() -> None:
    model = Sequential([Dense(4, input_shape=(3,)), Dense(2)])
    model.pop()
    assert model.output_shape == (None, 4)
    model.add(Dense(5))
    np.testing.assert_array_equal(model.predict(np.ones((1, 3))).shape, (1, 5))
    model.pop()
    model.pop()
    assert model.layers == []
    assert not model.built
    with pytest.raises(IndexError, match="has no layers to take away"):
        model.pop()
    model.add(Dense(1, input_shape=(7,)))
    assert model.predict(np.ones((2, 7))).shape == (2, 1)


@pytest.mark.parametrize("first", ["fit", "evaluate", "predict", "train_on_batch", "call", "build"])
def test_waits_for_data(first: str) -> None:
    model = Sequential([Dense(4), Dense(1)])
    assert model.weights == []
    with pytest.raises(AttributeError, match="has no output_shape yet"):
        _ = model.output_shape
    model.compile("sgd", "mse")
    x, y = np.ones((4, 3)), np.ones((4, 1))
    calls: dict[str, Any] = {
        "fit": lambda: model.fit(x, y, verbose=0),
        "evaluate": lambda: model.evaluate(x, y, verbose=0),
        "predict": lambda: model.predict(x),
        "train_on_batch": lambda: model.train_on_batch(x, y),
        "call": lambda: model(x),
        "build": lambda: model.build((None, 3)),
    }
    calls[first]()
    assert [w.shape for w in model.weights] == [(3, 4), (4,), (4, 1), (1,)]
    assert model.input_shape == (None, 3)
    model.train_on_batch(x, y)
    assert model.built


def test_called_on_a_tensor_before_data() -> None:
    model = Sequential([Dense(4), Dense(1)])
    x = Input((3,))
    y = model(x)
    assert Model(x, y).predict(np.ones((2, 3))).shape == (2, 1)
    assert len(model.weights) == 4


def test_a_failed_build_leaves_the_model_waiting() -> None:
    model = Sequential([Conv2D(2, 3), Flatten(), Dense(1)])
    with pytest.raises(ValueError, match="'conv2d_1' does not fit: expected 4 axes"):
        model.predict(np.ones((2, 5)))
    assert model.predict(np.ones((2, 5, 5, 1))).shape == (2, 1)
    with pytest.raises(ValueError, match="has no layers: add some first"):
        Sequential().build((None, 3))


def test_begins_with_an_input_layer_or_a_model() -> None:
    for first in (InputLayer((3,)), InputLayer(batch_input_shape=(None, 3))):
        model = Sequential([first, Dense(2)])
        assert model.output_shape == (None, 2)
        assert len(model.layers) == 1
    base = Sequential([Dense(4, input_shape=(3,))])
    assert Sequential([base, Dense(2)]).input_shape == (None, 3)
    x = Input((3,))
    assert Sequential([Model(x, Dense(4)(x)), Dense(2)]).predict(np.ones((1, 3))).shape == (1, 2)
    assert Sequential([Sequential([base]), Dense(2)]).input_shape == (None, 3)


def test_embedding_comes_first() -> None:
    model = Sequential([Embedding(10, 4, input_length=5), Flatten(), Dense(1)])
    assert model.inputs[0].dtype == "int32"
    assert model.output_shape == (None, 1)
    assert model.predict(np.ones((2, 5), "int64")).shape == (2, 1)
    assert Sequential([Embedding(10, 4), Dense(1)]).output_shape == (None, None, 1)


def test_what_it_refuses() -> None:
    class Parts(Layer):
        def call(self, inputs: Any) -> Any:
            return [inputs, inputs]

    model = Sequential([Dense(2, input_shape=(3,), name="one")])
    with pytest.raises(TypeError, match="Sequential holds layers, received 3"):
        model.add(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="called 'one' already"):
        model.add(Dense(2, name="one"))
    with pytest.raises(ValueError, match="gives 2 outputs"):
        model.add(Parts())
    with pytest.raises(ValueError, match="comes first or not at all"):
        model.add(InputLayer((3,)))
    assert model.output_shape == (None, 2)


def test_configuration_and_clone() -> None:
    for model in (
        Sequential([Dense(4, input_shape=(3,)), Dense(2, activation="relu")], name="mine"),
        Sequential([InputLayer((3,)), Dense(4)]),
        Sequential([Sequential([Dense(4, input_shape=(3,))]), Dense(2)]),
    ):
        again = Sequential.from_config(model.get_config())
        assert again.get_config() == model.get_config()
        assert again.output_shape == model.output_shape
        again.set_weights(model.get_weights())
        np.testing.assert_array_equal(again.predict(np.ones((1, 3))), model.predict(np.ones((1, 3))))
        copy = clone_model(model)
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy.predict(np.ones((1, 3))), model.predict(np.ones((1, 3))))
    waiting = clone_model(Sequential([Dense(4)]))
    assert waiting.weights == []
    x = Input((3,))
    assert clone_model(Sequential([Dense(4, input_shape=(3,))]), x).inputs == [x]


def test_predicted_classes() -> None:
    model = Sequential([Dense(2, input_shape=(2,), kernel_initializer="identity")])
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(model.predict_classes(x), [0, 1])
    np.testing.assert_array_equal(model.predict_proba(x), x)
    single = Sequential([Dense(1, input_shape=(2,), kernel_initializer="ones", bias_initializer="zeros")])
    np.testing.assert_array_equal(single.predict_classes(x * [[1], [0.2]]), [[1], [0]])


def test_session_starts_anew() -> None:
    model = Sequential([Dense(2, input_shape=(3,))])
    K.clear_session()
    assert Sequential([Dense(2, input_shape=(3,))]).layers[0].name == "dense_1"
    assert model.predict(np.ones((1, 3))).shape == (1, 2)
