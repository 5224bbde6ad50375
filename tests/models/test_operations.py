"""Functions of K between the layers of a model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import LSTM, Dense, Dropout, Input, Lambda, Masking
from multikeras.models import Model, Sequential, clone_model


def model_with_operations() -> Model:
    x = Input((3,))
    factor = K.variable(2.0, name="factor")
    h = K.relu(Dense(4, kernel_initializer="ones")(x)) * factor
    y = Dense(2, kernel_initializer="ones")(K.concatenate([h, K.square(h)]))
    return Model(x, y + K.sum(x, axis=1, keepdims=True))


def test_values_weights_and_layers(each_backend: str) -> None:
    model = model_with_operations()
    np.testing.assert_array_equal(model.predict(np.ones((1, 3))), [[171, 171]])
    assert [type(layer).__name__ for layer in model.layers] == [
        "InputLayer", "Dense", "Operations", "Dense", "Operations",
    ] or sum(type(layer).__name__ == "Operations" for layer in model.layers) >= 2  # fmt: skip
    assert "factor" in [w.name for w in model.weights]
    assert len(model.trainable_weights) == 5
    assert model.output_shape == (None, 2)


def test_captured_variables_are_trained() -> None:
    model = model_with_operations()
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((2, 3)), np.ones((2, 2)))
    factor = next(w for w in model.weights if w.name == "factor")
    assert K.get_value(factor) != 2.0


def test_called_again_and_inside_another(each_backend: str) -> None:
    model = model_with_operations()
    np.testing.assert_array_equal(model(np.ones((1, 3))).numpy(), [[171, 171]])
    x = Input((3,))
    outer = Model(x, model(x))
    np.testing.assert_array_equal(outer.predict(np.ones((1, 3))), [[171, 171]])
    assert len(outer.weights) == 5


def test_clone_has_variables_of_its_own() -> None:
    model = model_with_operations()
    copy = clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(np.ones((1, 3))), [[171, 171]])
    assert not set(copy.weights) & set(model.weights)


def test_a_layer_between_two_operations_that_meet_again() -> None:
    x = Input((3,))
    before = x * 2
    after = before + Dense(3, kernel_initializer="ones")(before)
    model = Model(x, after)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["InputLayer", "Operations", "Dense", "Operations"]
    np.testing.assert_array_equal(model.predict(np.ones((1, 3))), [[8, 8, 8]])
    np.testing.assert_array_equal(model(np.ones((1, 3))).numpy(), [[8, 8, 8]])


def test_outputs_that_no_layer_made() -> None:
    x = Input((3,))
    model = Model(x, K.sum(x, axis=1))
    assert model.output_names == ["operations_1"]
    np.testing.assert_array_equal(model.predict(np.ones((2, 3))), [3, 3])


def test_random_operations_draw_anew_and_phases_hold() -> None:
    x = Input((1000,))
    model = Model(x, K.in_train_phase(K.dropout(Dropout(0.0)(x), 0.5), x))
    ones = np.ones((1, 1000))
    assert (model.predict(ones) == 1).all()
    function = K.function([x, K.learning_phase()], [model.output])
    first, second = function([ones, 1])[0], function([ones, 1])[0]
    assert (first != second).any()


def test_updates_between_layers_are_rebuilt() -> None:
    x = Input((2,))
    seen = K.variable(np.zeros(()), name="seen")
    y = Dense(1)(x)
    counted = y + 0 * K.update_add(seen, K.sum(x))
    inner = Model(x, counted)
    a = Input((2,))
    outer = Model(a, inner(a))
    K.function([a], [outer.output])([np.ones((1, 2))])
    assert K.get_value(seen) == 2.0


def test_operations_have_a_configuration(each_backend: str) -> None:
    model = model_with_operations()
    made = Model.from_config(json.loads(json.dumps(model.get_config())))
    made.set_weights(model.get_weights())
    x = np.random.RandomState(0).rand(4, 3)
    np.testing.assert_array_equal(made.predict(x), model.predict(x))
    assert [w.shape for w in made.weights] == [w.shape for w in model.weights]


def test_masks_shapes_and_branches_of_a_configuration() -> None:
    x = Input((5, 3))
    h = Masking()(x) * 2.0 + K.cast(K.shape(x)[0], "float32")
    y = LSTM(2)(h)
    model = Model(x, K.switch(K.greater(K.sum(y), 0.0), lambda: y * 2.0, lambda: -y))
    made = Model.from_config(json.loads(json.dumps(model.get_config())))
    made.set_weights(model.get_weights())
    data = np.random.RandomState(0).rand(4, 5, 3)
    data[:, 3:] = 0
    np.testing.assert_array_equal(made.predict(data), model.predict(data))


def test_operations_that_call_python_have_no_configuration() -> None:
    x = Input((3,))
    y = K.numpy_function(np.sort, [Dense(3)(x)], (None, 3), "float32")
    with pytest.raises(NotImplementedError, match="uses 'host_call', which a file cannot hold"):
        Model(x, y).get_config()


def test_operations_in_front_of_a_sequential() -> None:
    model = Sequential([Dense(2, input_shape=(3,), kernel_initializer="ones"), Lambda(K.square)])
    x = Input((3,))
    y = model(x * 2)
    np.testing.assert_array_equal(Model(x, y).predict(np.ones((1, 3))), [[36, 36]])
