"""RNN with cells of all kinds: who is called how often, states, constants, configurations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import layers, models
from multikeras.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNormalization,
    Dense,
    GRUCell,
    Input,
    Layer,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from multikeras.models import Model, Sequential


def data(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class Leaky(Layer):
    """A cell of one's own: state * decay + input @ kernel, and a constant added where there is one."""

    def __init__(self, units: int, decay: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.decay = units, decay
        self.state_size = units

    def build(self, input_shape: Any) -> None:
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        self.kernel = self.add_weight("kernel", (shape[-1], self.units))
        self.built = True

    def call(self, inputs: Any, states: Any, constants: Any = None) -> Any:
        output = states[0] * self.decay + K.dot(inputs, self.kernel)
        if constants:
            output = output + constants[0]
        return output, [output]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "decay": self.decay}


def leaky(x: np.ndarray, kernel: np.ndarray, decay: float = 0.5, start: Any = 0.0, constant: Any = 0.0) -> np.ndarray:
    """The outputs of `Leaky` at all steps."""
    state, outputs = start, []
    for t in range(x.shape[1]):
        state = state * decay + x[:, t] @ kernel + constant
        outputs.append(state)
    return np.stack(outputs, 1)


def test_a_cell_of_ones_own(each_backend: str) -> None:
    layer = RNN(Leaky(3), return_sequences=True, return_state=True)
    x = data(2, 5, 4)
    outputs, state = layer(x)
    expected = leaky(x, layer.get_weights()[0])
    np.testing.assert_allclose(outputs.numpy(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state.numpy(), expected[:, -1], rtol=1e-5, atol=1e-6)
    assert [w.name for w in layer.weights] == ["rnn_1/kernel"]
    assert layer.compute_output_shape((None, 5, 4)) == [(None, 5, 3), (None, 3)]


def test_a_cell_that_is_no_layer() -> None:
    class Counting:
        state_size = [1, (2, 2)]
        output_size = 2

        def __init__(self) -> None:
            self.calls = 0

        def call(self, inputs: Any, states: Any) -> Any:
            self.calls += 1
            count, square = states
            return K.concatenate([count, inputs[:, :1]]), (count + 1, square + K.expand_dims(inputs[:, :2]))

    cell = Counting()
    layer = RNN(cell, return_state=True)
    x = data(2, 3, 4)
    inputs = Input((None, 4))
    outputs = layer(inputs)
    assert [K.int_shape(t) for t in outputs] == [(None, 2), (None, 1), (None, 2, 2)]
    assert cell.calls == 2
    last, count, square = K.function([inputs], outputs)([x])
    np.testing.assert_allclose(last, np.stack([[2, 2], x[:, 2, 0]], 1))
    assert count.ravel().tolist() == [3, 3]
    np.testing.assert_allclose(square, np.repeat(x[:, :, :2].sum(1)[..., None], 2, -1), rtol=1e-5)
    with pytest.raises(NotImplementedError, match="Counting, has no get_config"):
        layer.get_config()


@pytest.mark.parametrize("cell", [3, Dense(2), object()])
def test_what_is_no_cell(cell: Any) -> None:
    with pytest.raises(ValueError, match=r"a cell has call\(inputs, states\) and state_size; received"):
        RNN(cell)
    with pytest.raises(ValueError, match="a cell has call"):
        StackedRNNCells([cell])


# -- states that are given ----------------------------------------------------------------------


def test_initial_states_in_every_form(each_backend: str) -> None:
    layer = LSTM(3)
    x, h, c = data(2, 4, 5), data(2, 3), data(2, 3, seed=2)
    expected = layer(x, initial_state=[h, c]).numpy()
    assert np.any(layer(x).numpy() != expected)
    np.testing.assert_array_equal(layer([x, h, c]).numpy(), expected)
    np.testing.assert_array_equal(layer(x, [h, c]).numpy(), expected)

    inputs, first, second = Input((4, 5)), Input((3,)), Input((3,))
    model = Model([inputs, first, second], layer(inputs, initial_state=[first, second]))
    np.testing.assert_allclose(model.predict([x, h, c]), expected, rtol=1e-6)
    assert len(layer._inbound_nodes[-1].input_tensors) == 3
    # States that are leaves with values, and a mixture, stay arguments of the call.
    variable = K.variable(h)
    held = Model([inputs, second], layer(inputs, initial_state=[variable, second]))
    np.testing.assert_allclose(held.predict([x, c]), expected, rtol=1e-6)
    K.set_value(variable, h + 1)
    np.testing.assert_allclose(held.predict([x, c]), layer(x, initial_state=[h + 1, c]).numpy(), rtol=1e-6)


def test_states_from_another_layer() -> None:
    # Encoder and decoder, and the decoder alone beside it.
    inputs, answers = Input((None, 4)), Input((None, 4))
    _, *states = LSTM(3, return_state=True)(inputs)
    decoder = LSTM(3, return_sequences=True, return_state=True)
    outputs, *_ = decoder(answers, initial_state=states)
    model = Model([inputs, answers], outputs)
    x, y = data(2, 5, 4), data(2, 3, 4, seed=2)
    expected = model.predict([x, y])

    encoder = Model(inputs, states)
    held = [Input((3,)), Input((3,))]
    alone = Model([answers, *held], decoder(answers, initial_state=held))
    now, steps = encoder.predict(x), []
    for t in range(3):
        step, *now = alone.predict([y[:, t : t + 1], *now])
        steps.append(step)
    np.testing.assert_allclose(np.concatenate(steps, 1), expected, rtol=1e-5, atol=1e-6)

    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict([x, y]), expected)
    copy = models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict([x, y]), expected)


def test_wrong_numbers_of_states_and_constants() -> None:
    x = Input((4, 5))
    with pytest.raises(ValueError, match=r"'lstm_1' has 2 states, received 1"):
        LSTM(3)(x, initial_state=[Input((3,))])
    with pytest.raises(ValueError, match=r"'gru_1' received states or constants twice"):
        GRU(3)([x, Input((3,))], initial_state=[Input((3,))])
    layer = RNN(Leaky(3))
    layer(x, constants=[Input((3,))])
    with pytest.raises(ValueError, match=r"'rnn_1' has 1 constants, received 0"):
        layer(x)
    gru = GRU(3)
    gru(x)
    with pytest.raises(ValueError, match=r"Input 1 of layer 'gru_2' does not fit: expected shape \(None, 3\)"):
        gru(x, initial_state=[Input((4,))])
    with pytest.raises(ValueError, match=r"layer 'gru_3' does not fit: expected 3 axes, received shape \(None, 5\)"):
        GRU(3)(Input((5,)))


def test_constants(each_backend: str) -> None:
    layer = RNN(Leaky(3))
    x, start, constant = data(2, 4, 5), data(2, 3), data(2, 3, seed=2)
    value = layer(x, initial_state=start, constants=constant).numpy()
    expected = leaky(x, layer.get_weights()[0], start=start, constant=constant)[:, -1]
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    tensors = [Input((4, 5)), Input((3,)), Input((3,))]
    model = Model(tensors, layer(tensors[0], initial_state=tensors[1], constants=tensors[2]))
    np.testing.assert_allclose(model.predict([x, start, constant]), expected, rtol=1e-5, atol=1e-6)
    again = Model.from_config(model.get_config(), custom_objects={"Leaky": Leaky})
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict([x, start, constant]), expected, rtol=1e-5, atol=1e-6)
    assert layer.get_config()["num_constants"] == 1


# -- stacks -------------------------------------------------------------------------------------


def test_cells_upon_each_other_are_layers_behind_each_other(each_backend: str) -> None:
    x = data(2, 5, 4)
    stack = RNN([LSTMCell(3), GRUCell(2), Leaky(2)], return_state=True)
    values = [v.numpy() for v in stack(x)]
    assert [w.name for w in stack.weights][:4] == [
        "rnn_1/kernel",
        "rnn_1/recurrent_kernel",
        "rnn_1/bias",
        "rnn_1/kernel_1",
    ]
    apart = [LSTM(3, return_sequences=True), GRU(2, return_sequences=True), RNN(Leaky(2))]
    sequential = Sequential(apart)
    sequential.build((None, 5, 4))
    sequential.set_weights(stack.get_weights())
    np.testing.assert_allclose(values[0], sequential.predict(x), rtol=1e-5, atol=1e-6)
    assert [v.shape for v in values] == [(2, 2), (2, 3), (2, 3), (2, 2), (2, 2)]
    states = [data(2, 3), data(2, 3), data(2, 2), data(2, 2)]
    assert np.any(stack(x, initial_state=states)[0].numpy() != values[0])


def test_the_order_of_states_that_older_versions_had() -> None:
    cells = StackedRNNCells([LSTMCell(3), GRUCell(2)], reverse_state_order=True)
    assert cells.state_size == [2, 3, 3]
    assert StackedRNNCells([LSTMCell(3), GRUCell(2)]).state_size == [3, 3, 2]
    again = StackedRNNCells.from_config(cells.get_config())
    assert again.get_config() == cells.get_config() and again.reverse_state_order
    x = data(2, 4, 5)
    layer = RNN(cells, return_state=True)
    values = [v.numpy() for v in layer(x)]
    other = RNN([LSTMCell(3), GRUCell(2)], return_state=True)
    other.build((None, 4, 5))
    other.set_weights(layer.get_weights())
    expected = [v.numpy() for v in other(x)]
    for value, i in zip(values, (0, 3, 1, 2), strict=True):
        np.testing.assert_array_equal(value, expected[i])


# -- configurations and attributes --------------------------------------------------------------


@pytest.mark.parametrize("kind", [SimpleRNN, GRU, LSTM, layers.CuDNNGRU, layers.CuDNNLSTM])
def test_configuration_with_everything(kind: Any) -> None:
    options: dict[str, Any] = {
        "kernel_initializer": "zeros",
        "recurrent_initializer": "ones",
        "bias_initializer": "ones",
        "kernel_regularizer": "l2",
        "recurrent_regularizer": "l1",
        "bias_regularizer": "l2",
        "activity_regularizer": "l2",
        "kernel_constraint": "non_neg",
        "recurrent_constraint": "max_norm",
        "bias_constraint": "unit_norm",
        "return_sequences": True,
        "return_state": True,
        "stateful": True,
        "trainable": False,
        "name": "mine",
    }
    if not kind.__name__.startswith("CuDNN"):
        options |= {"activation": "relu", "use_bias": False, "dropout": 0.25, "recurrent_dropout": 0.5}
        options |= {"go_backwards": True, "unroll": True}
    layer = kind(3, batch_input_shape=(2, 4, 5), **options)
    config = layer.get_config()
    again = layers.deserialize(layers.serialize(layer))
    assert again.get_config() == config
    assert config["name"] == "mine" and config["units"] == 3 and "cell" not in config
    for name in set(options) - {"name"}:
        assert name in config
    assert [layer.units, layer.kernel_constraint] == [layer.cell.units, layer.cell.kernel_constraint]
    layer(Input(batch_shape=(2, 4, 5)))
    outputs, has_bias = 1 + len(layer.states), options.get("use_bias", True)
    assert len(layer.losses) == 2 + has_bias + outputs
    assert layer.trainable_weights == [] and len(layer.weights) == 2 + has_bias


def test_penalties_of_a_cell_reach_the_model() -> None:
    layer = LSTM(2, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2", input_shape=(3, 4))
    model = Sequential([layer])
    assert len(model.losses) == 3
    assert len(layer.losses) == 3
    assert len(layer.get_losses_for(None)) == 2


def test_cells_by_their_configuration() -> None:
    cell = GRUCell(3, reset_after=True, dropout=0.5, kernel_regularizer="l2")
    layer = RNN([cell, Leaky(2, decay=0.25)], return_sequences=True)
    again = layers.deserialize(layers.serialize(layer), {"Leaky": Leaky})
    assert again.get_config() == layer.get_config()
    assert isinstance(again.cell.cells[1], Leaky) and again.cell.cells[1].decay == 0.25
    model = Sequential([layer])
    model.build((None, 4, 3))
    copy = models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(data(2, 4, 3)), model.predict(data(2, 4, 3)))


def test_old_ways_to_say_the_shape() -> None:
    model = Sequential([LSTM(3, input_dim=4, input_length=5, return_sequences=True), GRU(2)])
    assert model.input_shape == (None, 5, 4)
    assert Sequential([GRU(2, input_dim=4)]).input_shape == (None, None, 4)
    assert Sequential([GRU(2, input_shape=(None, 4), batch_size=3)]).input_shape == (3, None, 4)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="GRUCell: dropout is a share between 0 and 1, received 2"):
        GRU(3, dropout=2)
    with pytest.raises(ValueError, match="LSTMCell: implementation is 1 or 2, received 3"):
        LSTM(3, implementation=3)
    with pytest.raises(ValueError, match="LSTMCell: units is a whole number above 0, received 0"):
        LSTM(0)
    with pytest.raises(ValueError, match="number of features of its input"):
        LSTM(3)(Input((4, None)))
    with pytest.raises(TypeError, match="LSTM does not take 'unit'"):
        LSTM(3, unit=2)
    assert LSTM(3, implementation=0).implementation == 1


def test_weights_of_gates() -> None:
    layer = LSTM(2, input_shape=(3, 4))
    Sequential([layer])
    kernel, recurrent, bias = layer.get_weights()
    assert (kernel.shape, recurrent.shape) == ((4, 8), (2, 8))
    assert bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(2), atol=1e-5)
    cudnn = layers.CuDNNLSTM(2, input_shape=(3, 4))
    Sequential([cudnn])
    assert cudnn.get_weights()[2].tolist() == [0] * 10 + [1, 1] + [0] * 4
    shapes = [
        [w.shape for w in built.weights]
        for built in (GRU(2), GRU(2, reset_after=True), layers.CuDNNGRU(2))
        if built(Input((3, 4))) is not None
    ]
    assert [s[2] for s in shapes] == [(6,), (2, 6), (12,)]
    assert LSTM(2, unit_forget_bias=False, weights=[np.ones((4, 8)), np.ones((2, 8)), np.ones(8)])(
        np.ones((1, 3, 4))
    ).shape == (1, 2)


def test_types(each_backend: str) -> None:
    layer = LSTM(2, dtype="float64", return_state=True)
    assert [v.dtype for v in layer(data(2, 3, 4))] == ["float64"] * 3
    assert layer.kernel.dtype == "float64"
    half = GRU(2, dtype="float16")
    assert half(data(2, 3, 4)).dtype == "float16"
    ones = SimpleRNN(2)(np.eye(4, dtype="int32")[None])
    assert ones.dtype == "float32"


# -- what steps ask for -------------------------------------------------------------------------


class Charging(SimpleRNNCell):
    """A cell that adds a loss and a metric at every step, and has a layer inside."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.inner = Dense(units, activity_regularizer="l2")

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        output, new = super().call(self.inner(inputs), states)
        self.add_loss(K.sum(K.abs(output)))
        self.add_metric(K.mean(output), name="level")
        return output, new

    def build(self, input_shape: Any) -> None:
        super().build((input_shape[0], self.units))


def test_losses_of_steps_are_summed(each_backend: str) -> None:
    layer = RNN(Charging(2), return_sequences=True, input_shape=(4, 3))
    model = Sequential([layer])
    x = data(2, 4, 3)
    outputs = model.predict(x)
    weights = {w.name: w for w in layer.weights}
    of_inner = x @ K.get_value(layer.cell.inner.kernel)
    expected = {0: np.abs(outputs).sum(), 1: 0.01 * np.square(of_inner).sum()}
    assert len(model.losses) == 2 and len(weights) == 5
    gradient = K.gradients(model.losses[0], layer.cell.kernel)[0]
    *found, slope = K.function(model.inputs, [*model.losses, gradient])([x])
    np.testing.assert_allclose(sorted(found), sorted(expected.values()), rtol=1e-5)
    assert np.any(slope)
    model.compile("sgd", "mse")
    loss, level = model.test_on_batch(x, outputs)
    assert model.metrics_names == ["loss", "level"]
    np.testing.assert_allclose(loss, expected[0], rtol=1e-5)
    np.testing.assert_allclose(level, outputs.mean((0, 2)).sum(), rtol=1e-4, atol=1e-6)


def test_updates_of_steps_are_those_of_training(each_backend: str) -> None:
    class Counting(SimpleRNNCell):
        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.norm = BatchNormalization(momentum=0.5)
            self.count = self.add_weight("count", (), initializer="zeros", trainable=False)

        def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
            self.add_update(K.update_add(self.count, 1.0))
            return super().call(self.norm(inputs), states)

    layer = RNN(Counting(2), input_shape=(4, 3))
    model = Sequential([layer])
    model.compile("sgd", "mse")
    x = data(6, 4, 3)
    model.predict(x)
    model.test_on_batch(x, np.zeros((6, 2)))
    assert K.get_value(layer.cell.count) == 0
    model.train_on_batch(x, np.zeros((6, 2)))
    assert K.get_value(layer.cell.count) == 4
    mean = np.zeros(3)
    for t in range(4):
        mean = 0.5 * mean + 0.5 * x[:, t].mean(0)
    np.testing.assert_allclose(K.get_value(layer.cell.norm.moving_mean), mean, rtol=1e-5)


def test_updates_of_steps_compose_with_those_outside(each_backend: str) -> None:
    """A layer that is called by the steps and once more outside keeps count of both."""
    norm = BatchNormalization(momentum=0.5)

    class Normalising(SimpleRNNCell):
        def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
            return super().call(norm(inputs), states)

    inputs = Input((4, 3))
    first = layers.Lambda(lambda x: x[:, 0])(inputs)
    outputs = layers.concatenate([RNN(Normalising(2))(inputs), norm(first)])
    model = Model(inputs, outputs)
    model.compile("sgd", "mse")
    x = data(6, 4, 3)
    model.train_on_batch(x, np.zeros((6, 5)))
    mean = 0.5 * x[:, 0].mean(0)
    for t in range(4):
        mean = 0.5 * mean + 0.5 * x[:, t].mean(0)
    np.testing.assert_allclose(K.get_value(norm.moving_mean), mean, rtol=1e-5)
