"""ConvLSTM2D beyond its values: shapes, states, masks, configurations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import layers
from multikeras.layers import ConvLSTM2D, ConvLSTM2DCell, ConvRNN2D, Input, LSTMCell, StackedRNNCells
from multikeras.models import Model, Sequential


def data(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (4, 5)),
        ({"padding": "same"}, (6, 7)),
        ({"padding": "same", "strides": 2}, (3, 4)),
        ({"strides": (2, 3)}, (2, 2)),
        ({"dilation_rate": 2}, (2, 3)),
    ],
)
def test_shapes(options: dict[str, Any], expected: tuple[int, int]) -> None:
    layer = ConvLSTM2D(2, 3, return_sequences=True, return_state=True, **options)
    values = layer(data(1, 2, 6, 7, 3))
    assert [v.shape for v in values] == [(1, 2, *expected, 2), (1, *expected, 2), (1, *expected, 2)]
    shapes = layer.compute_output_shape((None, None, 6, 7, 3))
    assert shapes == [(None, None, *expected, 2), (None, *expected, 2), (None, *expected, 2)]
    first = ConvLSTM2D(2, 3, data_format="channels_first", **options)
    assert K.int_shape(first(Input((None, 3, 6, 7)))) == (None, 2, *expected)


def test_sizes_that_are_unknown(each_backend: str) -> None:
    layer = ConvLSTM2D(2, 3, strides=2, padding="same")
    inputs = Input((None, None, None, 3))
    output = layer(inputs)
    assert K.int_shape(output) == (None, None, None, 2)
    x = data(1, 2, 5, 6, 3)
    np.testing.assert_allclose(K.function([inputs], [output])([x])[0], layer(x).numpy(), rtol=1e-5, atol=1e-6)


def test_states_given_kept_and_reset() -> None:
    x = data(2, 4, 5, 5, 2)
    layer = ConvLSTM2D(3, 2, padding="same", return_state=True)
    whole = layer(x)[0].numpy()
    first, *states = layer(x[:, :2])
    np.testing.assert_allclose(layer(x[:, 2:], initial_state=states)[0].numpy(), whole, rtol=1e-5, atol=1e-6)

    keeping = Sequential([ConvLSTM2D(3, 2, padding="same", stateful=True, batch_input_shape=(2, 2, 5, 5, 2))])
    keeping.set_weights(layer.get_weights())
    np.testing.assert_allclose(keeping.predict(x[:, :2]), first.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(keeping.predict(x[:, 2:]), whole, rtol=1e-5, atol=1e-6)
    keeping.reset_states()
    np.testing.assert_allclose(keeping.predict(x[:, :2]), first.numpy(), rtol=1e-5, atol=1e-6)
    keeping.layers[0].reset_states([s.numpy() for s in states])
    np.testing.assert_allclose(keeping.predict(x[:, 2:]), whole, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"stateful and needs to know the shape of its states"):
        ConvLSTM2D(3, 2, stateful=True)(Input(batch_shape=(2, 2, None, 5, 2)))


def test_a_mask_over_pictures() -> None:
    x = data(2, 4, 5, 5, 2)
    layer = ConvLSTM2D(3, 2)
    expected = layer(x[1:, :2]).numpy()
    inputs, mask = Input((4, 5, 5, 2)), Input((4,), dtype="bool")
    model = Model([inputs, mask], layer(inputs, mask=mask))
    found = model.predict([x, np.array([[True] * 4, [True, True, False, False]])])
    np.testing.assert_allclose(found[1:], expected, rtol=1e-5, atol=1e-6)


def test_configuration() -> None:
    layer = ConvLSTM2D(
        2,
        (3, 2),
        strides=(2, 1),
        padding="same",
        data_format="channels_first",
        activation="relu",
        dropout=0.25,
        kernel_regularizer="l2",
        return_sequences=True,
        go_backwards=True,
        unit_forget_bias=False,
    )
    config = layer.get_config()
    assert layers.deserialize(layers.serialize(layer)).get_config() == config
    assert config["filters"] == 2 and config["kernel_size"] == [3, 2] and config["dropout"] == 0.25
    assert {"units", "implementation", "cell"}.isdisjoint(config)
    assert (layer.filters, layer.strides, layer.padding) == (2, (2, 1), "same")
    cells = ConvRNN2D(ConvLSTM2DCell(2, 3))
    assert layers.deserialize(layers.serialize(cells)).get_config() == cells.get_config()


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="takes one cell"):
        ConvRNN2D([ConvLSTM2DCell(2, 3), ConvLSTM2DCell(2, 3)])
    with pytest.raises(TypeError, match="takes one cell"):
        ConvRNN2D(StackedRNNCells([LSTMCell(2)]))
    with pytest.raises(TypeError, match=r"ConvLSTM2D does not take unroll=True"):
        ConvLSTM2D(2, 3, unroll=True)
    with pytest.raises(ValueError, match="needs to know the channels of its input"):
        ConvLSTM2D(2, 3)(Input((4, 5, 5, None)))
    with pytest.raises(ValueError, match=r"'conv_lst_m2d_\d' does not fit: expected 5 axes"):
        ConvLSTM2D(2, 3)(Input((5, 5, 2)))
    assert K.int_shape(ConvLSTM2D(2, 3)(Input((4, 5, 5, 1)))) == (None, 3, 3, 2)
