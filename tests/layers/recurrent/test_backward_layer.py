"""`Bidirectional` with another layer for the other direction, beside both layers alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras.layers import GRU, LSTM, Bidirectional, Dense, Input, Masking, SimpleRNN
from multikeras.models import Model, Sequential

RNG = np.random.RandomState(6)
X = RNG.rand(4, 5, 3).astype("float32")
X[1, 3:] = X[2, 1:3] = 0


def alone(layer: Any, weights: list[np.ndarray], states: list[np.ndarray]) -> list[np.ndarray]:
    """What a layer gives by itself, from these weights and states."""
    x = Input((5, 3))
    begin = [Input(state.shape[1:]) for state in states]
    made = layer(Masking()(x), initial_state=begin) if begin else layer(Masking()(x))
    model = Model([x, *begin], made)
    model.set_weights(weights)
    found = model.predict([X, *states] if states else X)
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("with_states", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
def test_outputs_are_those_of_both_layers(each_backend: str, sequences: bool, with_states: bool) -> None:
    told: dict[str, Any] = {"return_sequences": sequences, "return_state": True}
    states = [RNG.rand(4, n).astype("float32") for n in (3, 3, 2)] if with_states else []
    layer = Bidirectional(LSTM(3, **told), backward_layer=GRU(2, go_backwards=True, **told))
    x, begin = Input((5, 3)), [Input(state.shape[1:]) for state in states]
    made = layer(Masking()(x), initial_state=begin) if begin else layer(Masking()(x))
    assert [tensor.shape for tensor in made] == [
        (None, 5, 5) if sequences else (None, 5),
        (None, 3),
        (None, 3),
        (None, 2),
    ]
    model = Model([x, *begin], made)
    weights = [RNG.rand(*w.shape).astype("float32") - 0.5 for w in model.weights]
    model.set_weights(weights)
    found = model.predict([X, *states] if states else X)
    forward, *first = alone(LSTM(3, **told), weights[:3], states[:2])
    backward, *second = alone(GRU(2, go_backwards=True, **told), weights[3:], states[2:])
    if sequences:
        backward = backward[:, ::-1]
    for one, other in zip(found, [np.concatenate([forward, backward], -1), *first, *second], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_one_size_can_be_added() -> None:
    backward = SimpleRNN(3, go_backwards=True, name="backward")
    layer = Bidirectional(GRU(3), "sum", backward_layer=backward)
    model = Sequential([Masking(input_shape=(5, 3)), layer])
    assert model.output_shape == (None, 3) and layer.backward_layer is backward
    weights = model.get_weights()
    expected = alone(GRU(3), weights[:3], [])[0] + alone(SimpleRNN(3, go_backwards=True), weights[3:], [])[0]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)


WRONG: dict[str, tuple[Any, str]] = {
    "direction": (lambda: GRU(2), r"both have go_backwards=False; make one of them with go_backwards=True"),
    "sequences": (lambda: GRU(2, go_backwards=True, return_sequences=True), "return_sequences is False .* and True"),
    "state": (lambda: GRU(2, go_backwards=True, return_state=True), "return_state is False .* and True"),
    "stateful": (lambda: GRU(2, go_backwards=True, stateful=True), "stateful is False .* and True"),
    "kind": (lambda: Dense(2), "made around a recurrent layer; .* has no go_backwards"),
    "no layer": (lambda: "GRU", "backward_layer is a recurrent layer, received 'GRU'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_layers_that_do_not_go_together(name: str) -> None:
    make, words = WRONG[name]
    with pytest.raises((TypeError, ValueError), match=words):
        Bidirectional(LSTM(2), backward_layer=make())


def test_sizes_that_do_not_go_together() -> None:
    layer = Bidirectional(LSTM(2), "mul", backward_layer=GRU(3, go_backwards=True), name="both")
    with pytest.raises(
        ValueError, match=r"'both': merge_mode 'mul' needs outputs of one shape.*\(None, 2\).*\(None, 3\)"
    ):
        layer(Input((5, 3)))
    layer = Bidirectional(LSTM(2), backward_layer=GRU(3, go_backwards=True), name="both")
    with pytest.raises(ValueError, match="'both' has 2 states forwards and 1 backwards, received 2 together"):
        layer(Input((5, 3)), initial_state=[Input((2,)), Input((2,))])
