"""Dropout of inputs and states: one mask over time, another for each batch, the same numbers everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_fixtures import INSTALLED

from multikeras import backend as K
from multikeras.layers import GRU, LSTM, RNN, ConvLSTM2D, Input, Layer, LSTMCell, SimpleRNN, SimpleRNNCell
from multikeras.models import Sequential


class Showing(Layer):
    """A cell that keeps a mask as Keras's cells do, and shows it at every step."""

    state_size = 4

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._dropout_mask = None

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        if self._dropout_mask is None:
            ones = K.ones_like(inputs)
            self._dropout_mask = K.in_train_phase(lambda: K.dropout(ones, 0.5), ones, training=training)
        return self._dropout_mask * 1.0, [states[0]]


@pytest.mark.parametrize("unroll", [False, True])
def test_a_cell_that_keeps_its_mask(unroll: bool, each_backend: str) -> None:
    np.random.seed(7)
    layer = RNN(Showing(), return_sequences=True, unroll=unroll)
    inputs = Input((3, 4))
    run = K.function([inputs, K.learning_phase()], [layer(inputs)])
    x = np.zeros((2, 3, 4))
    first, second = run([x, 1])[0], run([x, 1])[0]
    assert set(np.unique(first)) == {0.0, 2.0}
    for masks in (first, second):
        assert np.all(masks == masks[:, :1])
    assert np.any(first != second)
    assert np.all(run([x, 0])[0] == 1)
    assert layer.cell._dropout_mask is None
    # A second call of the layer has a mask of its own.
    both = K.function([inputs], [layer(inputs, training=True), layer(inputs, training=True)])([x])
    assert np.any(both[0] != both[1])


def trajectory(backend: str, make: Any, shape: tuple[int, ...]) -> list[np.ndarray]:
    with K.use_backend(backend):
        np.random.seed(5)
        model = Sequential([make()])
        model.compile("sgd", "mse")
        x = np.random.default_rng(1).normal(size=shape).astype("float32")
        y = np.zeros((shape[0], *model.predict(x[:1]).shape[1:]))
        losses = [model.train_on_batch(x, y) for _ in range(3)]
        return [np.array(losses), *model.get_weights()]


CASES = {
    "simple": (lambda: SimpleRNN(3, dropout=0.3, recurrent_dropout=0.4), (4, 5, 3)),
    "gru": (lambda: GRU(3, dropout=0.3, recurrent_dropout=0.4, implementation=1), (4, 5, 3)),
    "lstm": (lambda: LSTM(3, dropout=0.3, recurrent_dropout=0.4), (4, 5, 3)),
    "lstm 1": (lambda: LSTM(3, dropout=0.3, recurrent_dropout=0.4, implementation=1, unroll=True), (4, 5, 3)),
    "stack": (lambda: RNN([SimpleRNNCell(3, dropout=0.5), LSTMCell(2, recurrent_dropout=0.5)]), (4, 5, 3)),
    "conv": (lambda: ConvLSTM2D(2, 2, dropout=0.3, recurrent_dropout=0.4), (2, 3, 4, 4, 2)),
}


@pytest.mark.parametrize("name", [name for name in CASES if name in ("lstm", "stack")])
def test_equal_on_all_backends(name: str) -> None:
    make, shape = CASES[name]
    expected, *others = [trajectory(backend, make, shape) for backend in INSTALLED]
    for found in others:
        for value, reference in zip(found, expected, strict=True):
            np.testing.assert_allclose(value, reference, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("name", list(CASES))
def test_acts_in_training_alone(name: str) -> None:
    make, shape = CASES[name]
    np.random.seed(3)
    layer = make()
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    plain = type(layer).from_config({**_without_dropout(layer.get_config())})
    value = layer(x).numpy()
    plain(x)
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(plain(x).numpy(), value)
    dropped = layer(x, training=True).numpy()
    assert np.any(dropped != value)
    assert np.any(layer(x, training=True).numpy() != dropped)
    np.testing.assert_array_equal(layer(x, training=False).numpy(), value)


def _without_dropout(config: Any) -> Any:
    if isinstance(config, dict):
        return {k: 0.0 if k in ("dropout", "recurrent_dropout") else _without_dropout(v) for k, v in config.items()}
    return [_without_dropout(v) for v in config] if isinstance(config, list) else config


def test_what_is_dropped() -> None:
    # One unit, kernel 1 and no recurrence: the output is the input where it is kept, doubled.
    layer = SimpleRNN(8, activation=None, dropout=0.5, return_sequences=True, use_bias=False)
    layer.build((None, 6, 8))
    layer.set_weights([np.eye(8), np.zeros((8, 8))])
    np.random.seed(0)
    values = layer(np.ones((50, 6, 8)), training=True).numpy()
    assert set(np.unique(values)) == {0.0, 2.0}
    assert np.all(values == values[:, :1]) and 0.4 < (values[:, 0] == 0).mean() < 0.6
    # The state: 1 at the beginning, copied from step to step where it is not dropped.
    held = SimpleRNN(8, activation=None, recurrent_dropout=0.5, use_bias=False)
    held.build((None, 3, 8))
    held.set_weights([np.zeros((8, 8)), np.eye(8)])
    values = held(np.ones((50, 3, 8)), initial_state=np.ones((50, 8)), training=True).numpy()
    assert set(np.unique(values)) == {0.0, 8.0}


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_gates_share_masks_or_have_their_own(kind: Any) -> None:
    """With implementation 2 an input that is dropped is dropped for all gates."""
    for implementation, together in ((2, True), (1, False)):
        np.random.seed(2)
        layer = kind(1, dropout=0.5, implementation=implementation)
        inputs = Input((1, 40))
        output = layer(inputs, training=True)
        gates = layer.kernel.shape[1]
        layer.set_weights([np.ones((40, gates)) * 0.01, *layer.get_weights()[1:]])
        slope = K.function([inputs], [K.gradients(output, layer.kernel)[0]])([np.ones((1, 1, 40))])[0]
        dropped = [tuple(np.flatnonzero(column == 0)) for column in slope.T if np.any(column)]
        assert len(dropped) > 1
        assert (len(set(dropped)) == 1) is together


def test_a_state_is_carried_on_whole() -> None:
    # z = 1 keeps the state: what is dropped on the way to the gates is not lost from it.
    layer = GRU(6, recurrent_dropout=0.5)
    layer.build((None, 4, 2))
    bias = np.concatenate([np.full(6, 10.0), np.zeros(12)])
    layer.set_weights([np.zeros((2, 18)), np.zeros((6, 18)), bias])
    state = np.ones((3, 6))
    np.testing.assert_array_equal(layer(np.ones((3, 4, 2)), initial_state=state, training=True).numpy(), state)
