"""TimeDistributed and Bidirectional: shapes, effects of the layer inside, states, names, configurations."""

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
    Bidirectional,
    Conv2D,
    CuDNNGRU,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Layer,
    SimpleRNNCell,
    TimeDistributed,
    Wrapper,
)
from multikeras.models import Model, Sequential


def data(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# -- TimeDistributed ----------------------------------------------------------------------------


def test_shapes_that_are_partly_known() -> None:
    dense = lambda: TimeDistributed(Dense(4))  # noqa: E731
    assert K.int_shape(dense()(Input((None, 3)))) == (None, None, 4)
    assert K.int_shape(dense()(Input((5, 3)))) == (None, 5, 4)
    assert K.int_shape(dense()(Input(batch_shape=(2, None, 3)))) == (2, None, 4)
    conv = TimeDistributed(Conv2D(2, 3, padding="same"))
    assert K.int_shape(conv(Input((None, None, None, 3)))) == (None, None, None, None, 2)
    assert conv.compute_output_shape((None, 5, 8, 8, 3)) == (None, 5, 8, 8, 2)
    assert K.int_shape(TimeDistributed(Flatten())(Input((None, 2, 3)))) == (None, None, 6)
    with pytest.raises(ValueError, match=r"'time_distributed_\d' does not fit: expected at least 3 axes"):
        dense()(Input((3,)))


def test_unknown_times(each_backend: str) -> None:
    model = Sequential([TimeDistributed(Dense(4), input_shape=(None, 3))])
    kernel, bias = model.get_weights()
    for time in (1, 5):
        x = data(2, time, 3)
        np.testing.assert_allclose(model.predict(x), x @ kernel + bias, rtol=1e-5, atol=1e-6)
    assert [w.name for w in model.weights] == ["time_distributed_1/kernel", "time_distributed_1/bias"]


def test_what_the_layer_inside_asks_for(each_backend: str) -> None:
    inner = Sequential([Dense(3, input_shape=(4,), kernel_regularizer="l2"), BatchNormalization(momentum=0.5)])
    model = Sequential(
        [TimeDistributed(inner, input_shape=(None, 4)), TimeDistributed(Dense(2, activity_regularizer="l2"))]
    )
    assert len(model.losses) == 2 and len(model.updates) == 2 and model.state_updates == []
    model.compile("sgd", "mse")
    x = data(6, 5, 4)
    hidden = x.reshape(30, 4) @ model.get_weights()[0]
    model.train_on_batch(x, np.zeros((6, 5, 2)))
    np.testing.assert_allclose(inner.get_weights()[4], 0.5 * hidden.mean(0), rtol=1e-3, atol=1e-5)
    assert len(model.trainable_weights) == 6
    model.layers[0].trainable = False
    assert inner.trainable is False and len(model.trainable_weights) == 2


def test_a_model_inside_with_several_outputs() -> None:
    inputs = Input((4,))
    inner = Model(inputs, [Dense(2)(inputs), Dense(3)(inputs)])
    layer = TimeDistributed(inner)
    x = data(2, 5, 4)
    values = layer(x)
    assert [v.shape for v in values] == [(2, 5, 2), (2, 5, 3)]
    expected = inner(x.reshape(10, 4))
    for value, each in zip(values, expected, strict=True):
        np.testing.assert_allclose(value.numpy().reshape(10, -1), each.numpy(), rtol=1e-6)


def test_the_phase_reaches_the_layer_inside() -> None:
    np.random.seed(1)
    layer = TimeDistributed(Dropout(0.5))
    x = np.ones((2, 20, 4), "float32")
    np.testing.assert_array_equal(layer(x).numpy(), x)
    assert set(np.unique(layer(x, training=True).numpy())) == {0.0, 2.0}


def test_integers_reach_an_embedding_inside() -> None:
    model = Sequential([TimeDistributed(Embedding(5, 2), input_shape=(3, 4))])
    words = np.arange(24).reshape(2, 3, 4) % 5
    np.testing.assert_array_equal(model.predict(words), model.get_weights()[0][words])


def test_wrapping_what_is_no_layer() -> None:
    with pytest.raises(TypeError, match="TimeDistributed is made around a layer, received 'dense'"):
        TimeDistributed("dense")
    with pytest.raises(ValueError, match=r"recurrent layer; <Dense 'dense_1'> has no go_backwards"):
        Bidirectional(Dense(3))
    with pytest.raises(ValueError, match="merge_mode is .* received 'max'"):
        Bidirectional(GRU(3), merge_mode="max")


def test_a_wrapper_of_ones_own() -> None:
    class Doubled(Wrapper):
        def call(self, inputs: Any) -> Any:
            return 2 * self.layer(inputs)

    layer = Doubled(Dense(3, trainable=False))
    x = data(2, 4)
    np.testing.assert_allclose(layer(x).numpy(), 2 * layer.layer(x).numpy())
    assert layer.trainable is False and layer.trainable_weights == [] and len(layer.weights) == 2
    again = layers.deserialize(layers.serialize(layer), {"Doubled": Doubled})
    assert again.get_config() == layer.get_config()


# -- Bidirectional ------------------------------------------------------------------------------

MERGES = {
    "sum": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "ave": lambda x, y: (x + y) / 2,
    "concat": lambda x, y: np.concatenate([x, y], -1),
    None: lambda x, y: [x, y],
}


@pytest.mark.parametrize("merge", list(MERGES))
@pytest.mark.parametrize("sequences", [False, True])
def test_merging(merge: str | None, sequences: bool) -> None:
    layer = Bidirectional(GRU(3, return_sequences=sequences, return_state=True), merge_mode=merge)
    x = data(2, 5, 4)
    found = [v.numpy() for v in layer(x)]
    forward, backward = (GRU(3, return_sequences=sequences, return_state=True) for _ in range(2))
    half = layer.get_weights()
    for each, weights in ((forward, half[:3]), (backward, half[3:])):
        each.build((None, 5, 4))
        each.set_weights(weights)
    a, state = (v.numpy() for v in forward(x))
    b, other = (v.numpy() for v in backward(x[:, ::-1]))
    expected = MERGES[merge](a, b[:, ::-1] if sequences else b)
    expected = [*(expected if merge is None else [expected]), state, other]
    assert len(found) == len(expected)
    for value, each in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, each, rtol=1e-5, atol=1e-6)
    stated = layer.compute_output_shape((None, 5, 4))
    assert stated == [(None, *v.shape[1:]) for v in found]
    inputs = Input((5, 4))
    assert [K.int_shape(t) for t in layer(inputs)] == stated


def test_names_and_order_of_weights() -> None:
    layer = Bidirectional(LSTM(2), input_shape=(3, 4))
    Sequential([layer])
    assert layer.name == "bidirectional_1"
    assert [w.name for w in layer.weights] == [
        f"bidirectional_1/{way}_lstm_1/{name}"
        for way in ("forward", "backward")
        for name in ("kernel", "recurrent_kernel", "bias")
    ]
    assert layer.forward_layer.name == "forward_lstm_1" and layer.backward_layer.go_backwards
    assert layer.count_params() == 2 * (4 + 2 + 1) * 8
    layer.trainable = False
    assert layer.trainable_weights == [] and not layer.forward_layer.trainable and len(layer.weights) == 6


def test_first_weights() -> None:
    whole = [np.full((4, 6), 0.5), np.ones((2, 6)), np.zeros(6)]
    layer = Bidirectional(GRU(2), weights=[*whole, *[w + 1 for w in whole]])
    layer(data(1, 3, 4))
    np.testing.assert_array_equal(layer.get_weights()[3], np.full((4, 6), 1.5))
    inner = Bidirectional(GRU(2, weights=[*whole, *[w + 1 for w in whole]]))
    inner(data(1, 3, 4))
    np.testing.assert_array_equal(inner.get_weights()[3], np.full((4, 6), 1.5))
    built = GRU(2)
    built(data(1, 3, 4))
    around = Bidirectional(built)
    around(data(1, 3, 4))
    np.testing.assert_array_equal(around.forward_layer.get_weights()[0], built.get_weights()[0])


def test_states_to_begin_with(each_backend: str) -> None:
    layer = Bidirectional(LSTM(3))
    x, states = data(2, 5, 4), [data(2, 3, seed=i) for i in range(4)]
    value = layer(x, initial_state=states).numpy()
    expected = [
        layer.forward_layer(x, initial_state=states[:2]).numpy(),
        layer.backward_layer(x, initial_state=states[2:]).numpy(),
    ]
    np.testing.assert_allclose(value, np.concatenate(expected, -1), rtol=1e-6)
    tensors = [Input((5, 4)), *[Input((3,)) for _ in states]]
    model = Model(tensors, layer(tensors[0], initial_state=tensors[1:]))
    np.testing.assert_allclose(model.predict([x, *states]), value, rtol=1e-6)
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict([x, *states]), value, rtol=1e-6)
    with pytest.raises(ValueError, match=r"'bidirectional_1' takes as many states forwards as backwards, received 3"):
        layer(x, initial_state=states[:3])
    with pytest.raises(ValueError, match="'forward_lstm_1' has 2 states, received 1"):
        layer(x, initial_state=states[:2])


class Shifted(SimpleRNNCell):
    """A cell that adds a constant to its input."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape[0])

    def call(self, inputs: Any, states: Any, training: Any = None, constants: Any = None) -> Any:
        return super().call(inputs + constants[0], states)


def test_constants_and_cells_of_ones_own() -> None:
    layer = Bidirectional(RNN(Shifted(3)))
    x, constant = data(2, 5, 4), data(2, 4, seed=2)
    tensors = [Input((5, 4)), Input((4,))]
    model = Model(tensors, layer(tensors[0], constants=tensors[1]))
    plain = Bidirectional(layers.SimpleRNN(3))
    plain.build((None, 5, 4))
    plain.set_weights(model.get_weights())
    expected = plain(x + constant[:, None]).numpy()
    np.testing.assert_allclose(model.predict([x, constant]), expected, rtol=1e-5, atol=1e-6)
    again = Model.from_config(model.get_config(), custom_objects={"Shifted": Shifted})
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict([x, constant]), expected, rtol=1e-5, atol=1e-6)
    copy = models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(copy.predict([x, constant]), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="'bidirectional_1' has 1 constants, received 0"):
        layer(x)


def test_wrappers_within_wrappers() -> None:
    sentences = Input((3, 5, 4))
    layer = TimeDistributed(Bidirectional(CuDNNGRU(2)))
    model = Model(sentences, Bidirectional(GRU(2))(layer(sentences)))
    assert layer.weights[0].name == "time_distributed_1/forward_cu_dnngru_1/kernel"
    x = data(2, 3, 5, 4)
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    inner = layer.layer(x.reshape(6, 5, 4)).numpy().reshape(2, 3, 4)
    np.testing.assert_allclose(layer(x).numpy(), inner, rtol=1e-6)


def test_configurations() -> None:
    layer = Bidirectional(
        LSTM(2, return_sequences=True, go_backwards=True, name="inner"), merge_mode="ave", name="outer"
    )
    config = layer.get_config()
    assert config["merge_mode"] == "ave" and config["layer"]["class_name"] == "LSTM"
    again = layers.deserialize(layers.serialize(layer))
    assert again.get_config() == config
    assert again.forward_layer.go_backwards and not again.backward_layer.go_backwards
    assert TimeDistributed.from_config(TimeDistributed(Dense(2, name="d"), name="t").get_config()).layer.name == "d"
    nested = TimeDistributed(Sequential([Dense(2, input_shape=(3,))]))
    assert layers.deserialize(layers.serialize(nested)).get_config() == nested.get_config()


def test_losses_of_both_directions() -> None:
    layer = Bidirectional(LSTM(2, kernel_regularizer="l2", activity_regularizer="l2"), input_shape=(3, 4))
    model = Sequential([layer])
    assert len(model.losses) == 4
    layer.trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(data(2, 3, 4), np.ones((2, 4)))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_layer_of_ones_own_inside() -> None:
    class Scaled(Layer):
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight("scale", (input_shape[-1],), initializer="ones")

        def call(self, inputs: Any) -> Any:
            return inputs * self.scale

    layer = TimeDistributed(Scaled())
    x = data(2, 3, 4)
    np.testing.assert_array_equal(layer(x).numpy(), x)
    assert [w.name for w in layer.weights] == ["time_distributed_1/scale"]
    copy = models.clone_model(Sequential([layer]))
    np.testing.assert_array_equal(copy.predict(x), x)
