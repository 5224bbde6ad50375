"""Masks: states kept, outputs repeated, and where a mask goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    Embedding,
    Flatten,
    Input,
    Lambda,
    Layer,
    LSTMCell,
    Masking,
    SimpleRNN,
    TimeDistributed,
)
from multikeras.models import Model, Sequential

LENGTHS = (3, 5, 1)


def padded(seed: int = 1, features: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of different lengths with zeros behind, and where they are."""
    x = np.random.default_rng(seed).normal(size=(len(LENGTHS), 5, features)).astype("float32")
    mask = np.arange(5) < np.array(LENGTHS)[:, None]
    return x * mask[..., None], mask


def built(layer: Any, like: Any, shape: tuple[Any, ...]) -> Any:
    layer.build(shape)
    layer.set_weights(like.get_weights())
    return layer


def test_sequences_end_where_their_masks_end(each_backend: str) -> None:
    x, _ = padded()
    first, second = LSTM(3, return_sequences=True), LSTM(2)
    model = Sequential([Masking(input_shape=(None, 4)), first, second])
    found = model.predict(x)
    alone = Sequential([built(LSTM(3, return_sequences=True), first, (None, None, 4)), LSTM(2)])
    alone.build((None, None, 4))
    alone.set_weights(model.get_weights())
    for i, length in enumerate(LENGTHS):
        np.testing.assert_allclose(found[i : i + 1], alone.predict(x[i : i + 1, :length]), rtol=1e-5, atol=1e-6)


def test_a_hole_in_the_middle_keeps_states_and_repeats_the_output(each_backend: str) -> None:
    x, _ = padded()
    mask = np.array([[True, False, True, True, False], [False, False, True, False, True], [True] * 5])
    layer = GRU(3, return_sequences=True, return_state=True)
    inputs, masks = Input((5, 4)), Input((5,), dtype="bool")
    outputs, state = K.function([inputs, masks], layer(inputs, mask=masks))([x, mask])
    free = built(GRU(3, return_sequences=True), layer, (None, None, 4))
    for i in range(3):
        kept = free(x[i : i + 1, mask[i]]).numpy()[0]
        rows = np.concatenate([np.zeros((1, 3)), kept])[np.cumsum(mask[i])]
        np.testing.assert_allclose(outputs[i], rows, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(state[i], kept[-1], rtol=1e-5, atol=1e-6)


def test_backwards_over_a_mask() -> None:
    x, mask = padded()
    layer = SimpleRNN(3, go_backwards=True, return_sequences=True)
    outputs = layer(x, mask=mask).numpy()
    free = built(SimpleRNN(3, go_backwards=True, return_sequences=True), layer, (None, None, 4))
    for i, length in enumerate(LENGTHS):
        assert np.all(outputs[i, : 5 - length] == 0)
        np.testing.assert_allclose(outputs[i, 5 - length :], free(x[i : i + 1, :length]).numpy()[0], rtol=1e-5)


class Asking(Layer):
    """Shows the mask that it gets."""

    supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        self.seen = mask
        return inputs


def seen(*before: Layer) -> Any:
    asking = Asking()
    tensor: Any = Masking()(Input((5, 4)))
    for layer in before:
        tensor = layer(tensor)
        tensor = tensor[0] if isinstance(tensor, list) else tensor
    asking(tensor)
    return asking.seen


@pytest.mark.parametrize(
    "kind", [GRU, LSTM, lambda u, **k: Bidirectional(LSTM(u, **k)), lambda u, **k: RNN(LSTMCell(u), **k)]
)
def test_where_the_mask_goes_on(kind: Any) -> None:
    assert seen(kind(3, return_sequences=True)) is not None
    assert seen(kind(3, return_sequences=True, return_state=True)) is not None
    assert seen(kind(3)) is None
    assert seen(kind(3, return_state=True)) is None
    outputs = kind(3, return_sequences=True, return_state=True)(Masking()(Input((5, 4))))
    assert all(t._keras_mask is None for t in outputs[1:])


def test_masks_of_embeddings(each_backend: str) -> None:
    words = np.array([[3, 1, 2, 0, 0], [1, 0, 0, 0, 0]])
    embedding = Embedding(4, 3, mask_zero=True)
    model = Sequential([embedding, LSTM(2, return_sequences=True), TimeDistributed(Dense(3)), GRU(2)])
    found = model.predict(words)
    np.testing.assert_allclose(model.predict(words[:1, :3]), found[:1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(words[1:, :1]), found[1:], rtol=1e-5, atol=1e-6)


def test_states_have_no_masks() -> None:
    """What a state was made from does not matter, even where its mask was lost."""
    inputs = Input((5, 4))
    masked = Masking()(inputs)
    state = K.mean(masked, axis=1)
    layer = GRU(4)
    model = Model(inputs, layer(masked, initial_state=state))
    x, mask = padded()
    expected = layer(x, initial_state=x.mean(1), mask=mask).numpy()
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)


def test_bidirectional_over_a_mask(each_backend: str) -> None:
    x, _ = padded()
    layer = Bidirectional(LSTM(3, return_sequences=True), merge_mode=None)
    inputs = Input((5, 4))
    forward, backward = layer(Masking()(inputs))
    assert forward._keras_mask is backward._keras_mask is not None
    found = K.function([inputs], [forward, backward])([x])
    free = built(Bidirectional(LSTM(3, return_sequences=True), merge_mode=None), layer, (None, None, 4))
    for i, length in enumerate(LENGTHS):
        expected = free(x[i : i + 1, :length])
        np.testing.assert_allclose(found[0][i, :length], expected[0].numpy()[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[0][i, length:], np.repeat(found[0][i, length - 1 : length], 5 - length, 0))
        np.testing.assert_allclose(found[1][i, :length], expected[1].numpy()[0], rtol=1e-5, atol=1e-6)
        assert np.all(found[1][i, length:] == 0)


def test_time_distributed_passes_masks_through() -> None:
    assert seen(TimeDistributed(Dense(2))) is not None
    # The mask of what is inside a step is the layer's there.
    sentences = Input((3, 6), dtype="int32")
    words = TimeDistributed(Embedding(5, 4, mask_zero=True))(sentences)
    vectors = TimeDistributed(LSTM(2))(words)
    model = Model(sentences, vectors)
    data = np.array([[[1, 2, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0], [0] * 6]])
    found = model.predict(data)
    lstm = LSTM(2)
    lstm.build((None, None, 4))
    lstm.set_weights(model.layers[-1].get_weights())
    vector = lstm(model.layers[1].get_weights()[0][data[0, :1, :2]]).numpy()
    np.testing.assert_allclose(found[0, :1], vector, rtol=1e-5, atol=1e-6)
    assert np.all(found[0, 2] == 0)
    # A sentence without words is left out by what comes after.
    mask = K.function([sentences], [vectors._keras_mask])([data])[0]
    assert mask.tolist() == [[True, True, False]]
    document = Model(sentences, GRU(2)(vectors))
    gru = document.layers[-1]
    np.testing.assert_allclose(document.predict(data), gru(found[:, :2]).numpy(), rtol=1e-5, atol=1e-6)


def test_stateful_layers_inside_time_distributed_take_no_masks_of_steps() -> None:
    words = Input(batch_shape=(2, 3, 6, 4))
    masked = TimeDistributed(Masking())(words)
    layer = TimeDistributed(LSTM(2, stateful=True))
    with pytest.raises(NotImplementedError, match=r"stateful layer 'lstm_1' inside gets no mask of its own"):
        layer(masked)


def test_a_lost_mask_is_named() -> None:
    masked = Masking()(Input((5, 4)))
    with pytest.raises(ValueError, match=r"'lstm_1' would use a mask, and flip between the layers lost it"):
        LSTM(2)(K.reverse(masked, 1))
    assert LSTM(2)(Lambda(lambda x: K.reverse(x, 1), mask=lambda x, m: K.reverse(m, 1))(masked)) is not None
    with pytest.raises(TypeError, match="does not support masking"):
        Sequential([Masking(input_shape=(5, 4)), LSTM(2, return_sequences=True), Flatten()])


def test_masks_count_in_the_loss(each_backend: str) -> None:
    x, mask = padded()
    model = Sequential([Masking(input_shape=(5, 4)), LSTM(3, return_sequences=True)])
    model.compile("sgd", "mse")
    outputs = model.predict(x)
    target = np.where(mask[..., None], outputs, 100.0).astype("float32")
    assert model.test_on_batch(x, target) < 1e-6
    slopes = K.gradients(model.total_loss, model.inputs)
    assert slopes[0] is not None
