"""Nothing keeps layers and models alive but their users, the cyclic collector being off."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import (
    LSTM,
    RNN,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GRUCell,
    Input,
    Lambda,
    Layer,
    Masking,
    TimeDistributed,
)
from multikeras.models import Model, Sequential


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Block(Layer):
    """A layer with a layer inside, and a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Dense(3, kernel_regularizer="l2")

    def call(self, inputs: object) -> object:
        outputs = self.inner(inputs)
        self.add_loss(K.sum(outputs))
        return outputs


class Own(Model):
    """A model with a call of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Dense(3)
        self.norm = BatchNormalization()

    def call(self, inputs: object) -> object:
        return self.norm(self.first(inputs))


def layer() -> object:
    made = Dense(4, activation="relu")
    made(Input((3,)))
    return made


def called_on_arrays() -> object:
    made = Dense(4)
    made(np.ones((2, 3)))
    return made


def sequential() -> object:
    model = Sequential([Conv2D(2, 3, input_shape=(5, 5, 1)), Flatten(), Dropout(0.5), Dense(2)])
    model.pop()
    model.add(Dense(3))
    return model


def functional() -> object:
    x = Input((3,))
    inner = Sequential([Dense(3, input_shape=(3,)), BatchNormalization()])
    shared = Dense(3)
    y = K.relu(shared(inner(x))) * 2 + shared(x)
    model = Model(x, Lambda(lambda t: t + 1)(Block()(y)))
    assert len(model.loss_terms) == 2
    assert len(model.updates) == 2
    model(np.ones((2, 3)))
    return model


def recurrent() -> object:
    model = Sequential(
        [
            Masking(input_shape=(None, 3)),
            Bidirectional(LSTM(2, return_sequences=True, dropout=0.5)),
            TimeDistributed(Dense(2)),
            RNN([GRUCell(2, recurrent_dropout=0.5), GRUCell(2)]),
        ]
    )
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((2, 3, 3)), np.ones((2, 2)))
    model(np.ones((2, 3, 3)))
    return model


def stateful() -> object:
    model = Sequential([LSTM(2, stateful=True, batch_input_shape=(2, 3, 3))])
    model.predict(np.ones((2, 3, 3)))
    model.reset_states()
    return model


def subclassed() -> object:
    model = Own()
    model.build((None, 3))
    model(np.ones((2, 3)))
    return model


def trained() -> object:
    model = Sequential([Dense(3, input_shape=(3,)), BatchNormalization()])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((4, 3)), np.ones((4, 3)), verbose=0)
    model.predict(np.ones((4, 3)))
    return model


BUILDS = [layer, called_on_arrays, sequential, functional, recurrent, stateful, subclassed, trained]


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_dies_with_its_last_user(build: Callable[[], object]) -> None:
    made = weakref.ref(build())
    assert made() is None


def test_a_thousand_builds_at_constant_memory() -> None:
    def build(times: int) -> int:
        for _ in range(times):
            model = Sequential([Dense(8, input_shape=(4,)), Dropout(0.5), Dense(2, kernel_regularizer="l2")])
            x = Input((4,))
            Model(x, K.relu(model(x)))
        K.clear_session()
        return tracemalloc.get_traced_memory()[0]

    # Until the interpreter holds nearly as many spare tuples as it ever keeps.
    build(600)
    tracemalloc.start()
    try:
        before = build(50)
        # One tensor a build would be twice as much.
        assert build(400) - before < 50_000
    finally:
        tracemalloc.stop()


def test_a_thousand_calls_on_arrays_at_constant_memory() -> None:
    model = Sequential([Dense(8, input_shape=(4,)), BatchNormalization()])
    x = np.ones((2, 4))

    def call(times: int) -> int:
        for _ in range(times):
            model(x)
        return tracemalloc.get_traced_memory()[0]

    call(20)
    tracemalloc.start()
    try:
        before = call(50)
        assert call(950) - before < 20_000
    finally:
        tracemalloc.stop()


def test_programs_of_a_layer_are_bounded() -> None:
    layer = Lambda(lambda x: x + 1)
    for length in range(1, 60):
        layer(np.ones((1, length)))
    assert len(layer._array_programs) <= 32
