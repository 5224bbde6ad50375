"""Stateful layers: what moves their states, what resets them, and batches that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import GRU, LSTM, RNN, Bidirectional, Dense, Input, LSTMCell, TimeDistributed
from multikeras.models import Model, Sequential


def data(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def stateful(units: int = 3, batch: int = 2, **kwargs: Any) -> Sequential:
    return Sequential([LSTM(units, stateful=True, batch_input_shape=(batch, None, 4), **kwargs)])


def whole(model: Sequential, x: np.ndarray) -> np.ndarray:
    """What the layer gives for the whole sequence at once."""
    layer = LSTM(3)
    layer.build((None, None, 4))
    layer.set_weights(model.get_weights())
    return layer(x).numpy()


def test_predict_goes_on_where_the_last_batch_ended(each_backend: str) -> None:
    model = stateful()
    x = data(2, 9, 4)
    parts = [model.predict(x[:, i : i + 3], batch_size=2) for i in (0, 3, 6)]
    np.testing.assert_allclose(parts[2], whole(model, x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(parts[0], whole(model, x[:, :3]), rtol=1e-5, atol=1e-6)
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x[:, :3]), parts[0])


def test_several_batches_follow_one_another_sample_by_sample() -> None:
    model = stateful()
    x = data(6, 3, 4)
    together = model.predict(x)
    model.reset_states()
    apart = np.concatenate([model.predict_on_batch(x[i : i + 2]) for i in (0, 2, 4)])
    np.testing.assert_array_equal(together, apart)


def moved(model: Model, run: Any) -> bool:
    model.reset_states()
    run()
    return all(np.any(K.get_value(state)) for layer in model._stateful_layers() for state in layer.states)


def test_everything_that_runs_the_model_moves_the_states(each_backend: str) -> None:
    model = Sequential([GRU(3, stateful=True, batch_input_shape=(2, 3, 4)), Dense(2, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    x, y = data(2, 3, 4), np.eye(2)
    assert not any(np.any(K.get_value(state)) for state in model.layers[0].states)
    for run in (
        lambda: model.predict(x),
        lambda: model.predict_on_batch(x),
        lambda: model.predict_classes(x),
        lambda: model.evaluate(x, y, verbose=0),
        lambda: model.test_on_batch(x, y),
        lambda: model.fit(x, y, epochs=1, verbose=0),
        lambda: model.train_on_batch(x, y),
        lambda: model(x),
        lambda: model.layers[0](x),
    ):
        assert moved(model, run)


def test_validation_moves_states_and_training_goes_on_from_there() -> None:
    model = stateful()
    model.compile("sgd", "mse")
    x, y = data(2, 3, 4), data(2, 3)
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    # Frozen: the states move in the same way, whoever runs the model.
    model.fit(x, y, validation_data=(x, y), epochs=2, shuffle=False, verbose=0)
    after = [K.get_value(state) for state in model.layers[0].states]
    model.reset_states()
    for _ in range(4):
        model.predict(x)
    for state, expected in zip(model.layers[0].states, after, strict=True):
        np.testing.assert_allclose(K.get_value(state), expected, rtol=1e-6)


def test_state_updates_belong_to_every_function_and_are_no_training_updates() -> None:
    model = stateful()
    assert len(model.state_updates) == 2
    assert model.updates == []
    assert [u.variable for u in model.state_updates] == model.layers[0].states
    assert model.stateful
    assert len(model.weights) == 3


def test_reset_states_to_values() -> None:
    model = stateful()
    layer = model.layers[0]
    variables = layer.states
    h, c = data(2, 3), data(2, 3, seed=2)
    layer.reset_states([h, c])
    x = data(2, 5, 4)
    found = model.predict(x)
    free = LSTM(3)
    free.build((None, None, 4))
    free.set_weights(layer.get_weights())
    np.testing.assert_allclose(found, free(x, initial_state=[h, c]).numpy(), rtol=1e-5, atol=1e-6)
    assert layer.states == variables
    layer.reset_states()
    assert not np.any(K.get_value(variables[0]))


def test_wrong_values_for_states() -> None:
    layer = stateful().layers[0]
    with pytest.raises(ValueError, match=r"'lstm_1' has 2 states, received 1"):
        layer.reset_states(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"state 1 has shape \(2, 3\), reset_states received .* \(2, 4\)"):
        layer.reset_states([np.ones((2, 3)), np.ones((2, 4))])
    assert not np.any(K.get_value(layer.states[0]))
    with pytest.raises(AttributeError, match="'lstm_2' keeps no states: make it with stateful=True"):
        LSTM(3).reset_states()
    unbuilt = LSTM(3, stateful=True)
    unbuilt.reset_states()
    with pytest.raises(ValueError, match="not built yet"):
        unbuilt.reset_states([np.ones((2, 3))] * 2)


def test_the_batch_size_has_to_be_known() -> None:
    with pytest.raises(ValueError, match=r"'lstm_1' is stateful and has to know the batch size.*batch_input_shape"):
        Sequential([LSTM(3, stateful=True, input_shape=(5, 4))])
    with pytest.raises(ValueError, match="has to know the batch size"):
        Bidirectional(LSTM(3, stateful=True))(Input((5, 4)))
    Sequential([LSTM(3, stateful=True, input_shape=(5, 4), batch_size=2)])


def test_a_batch_of_another_size() -> None:
    model = stateful()
    model.compile("sgd", "mse")
    x, y = data(3, 5, 4), data(3, 3)
    message = r"batch size of 2, for which its stateful layers keep states \('lstm_1'\)"
    for run in (
        lambda: model.predict(x),
        lambda: model.predict(data(4, 5, 4), batch_size=4),
        lambda: model.fit(x, y, verbose=0),
        lambda: model.evaluate(x, y, verbose=0),
        lambda: model.train_on_batch(x, y),
        lambda: model.test_on_batch(x, y),
        lambda: model.predict_on_batch(x[:1]),
    ):
        with pytest.raises(ValueError, match=message):
            run()
    layer = model.layers[0]
    for array in (x, x[:1]):
        with pytest.raises(ValueError, match=r"'lstm_1' is stateful and keeps states for a batch size of 2"):
            layer(array)
    with pytest.raises(ValueError, match=r"'lstm_1' .* batch size of 2; received a batch of 1"):
        layer(Input(batch_shape=(1, 5, 4)))


def test_one_layer_in_two_models() -> None:
    layer = LSTM(3, stateful=True)
    a, b = Input(batch_shape=(2, 3, 4)), Input(batch_shape=(2, 6, 4))
    first, second = Model(a, layer(a)), Model(b, layer(b))
    x = data(2, 9, 4)
    first.predict(x[:, :3])
    found = second.predict(x[:, 3:])
    np.testing.assert_allclose(found, whole(Sequential([Input(batch_shape=(2, 3, 4)), layer]), x), rtol=1e-5, atol=1e-6)
    assert len(first.state_updates) == len(second.state_updates) == 2


def test_a_state_given_goes_before_the_one_kept() -> None:
    layer = GRU(3, stateful=True)
    x, state = data(2, 3, 4), data(2, 3)
    first = layer(x, initial_state=state).numpy()
    assert np.any(layer(x).numpy() != first)
    np.testing.assert_array_equal(layer(x, initial_state=state).numpy(), first)


def test_states_of_layers_inside(each_backend: str) -> None:
    x = data(2, 6, 4)
    model = Sequential([Bidirectional(LSTM(3, stateful=True), batch_input_shape=(2, 3, 4))])
    first = model.predict(x[:, :3])
    assert len(model.state_updates) == 4
    assert np.any(model.predict(x[:, :3]) != first)
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x[:, :3]), first)

    cells = RNN([LSTMCell(3), LSTMCell(2)], stateful=True)
    outer = Sequential([Sequential([cells], name="inner")])
    outer.layers[0].build((2, 3, 4))
    first = np.asarray(outer(x[:, :3]))
    assert len(cells.states) == 4 and outer.stateful
    assert np.any(np.asarray(outer(x[:, :3])) != first)
    outer.reset_states()
    np.testing.assert_array_equal(np.asarray(outer(x[:, :3])), first)


def test_a_model_with_a_call_of_its_own() -> None:
    class Remembering(Model):
        def __init__(self) -> None:
            super().__init__()
            self.parts = {"memory": LSTM(3, stateful=True)}

        def call(self, inputs: Any) -> Any:
            return self.parts["memory"](inputs)

    model = Remembering()
    x = data(2, 6, 4)
    first = np.asarray(model(x[:, :3]))
    second = np.asarray(model(x[:, 3:]))
    layer = LSTM(3)
    layer.build((None, None, 4))
    layer.set_weights(model.get_weights())
    np.testing.assert_allclose(second, layer(x).numpy(), rtol=1e-5, atol=1e-6)
    assert np.any(np.asarray(model(x[:, :3])) != first)
    model.reset_states()
    np.testing.assert_array_equal(np.asarray(model(x[:, :3])), first)


def test_a_stateful_layer_runs_on_from_step_to_step_of_time_distributed(each_backend: str) -> None:
    inner = LSTM(3, stateful=True, return_sequences=True)
    inputs = Input(batch_shape=(2, 4, 3, 5))
    model = Model(inputs, TimeDistributed(inner)(inputs))
    x = data(2, 4, 3, 5)
    free = LSTM(3, return_sequences=True)
    free.build((None, None, 5))
    free.set_weights(inner.get_weights())
    twice = free(np.concatenate([x, x], 1).reshape(2, 24, 5)).numpy().reshape(2, 8, 3, 3)
    np.testing.assert_allclose(model.predict(x), twice[:, :4], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(x), twice[:, 4:], rtol=1e-5, atol=1e-6)
    model.reset_states()
    np.testing.assert_allclose(model.predict(x), twice[:, :4], rtol=1e-5, atol=1e-6)
