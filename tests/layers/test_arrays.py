"""Layers and models called on arrays: fresh, typed, and without history."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import registry
from multikeras.graph.tensor import ValueTensor
from multikeras.layers import Add, BatchNormalization, Dense, Dropout, Embedding, Input, Lambda, Layer, RepeatVector
from multikeras.models import Model, Sequential


class Scaled(Layer):
    """Multiplies by an attribute."""

    traces = 0

    def __init__(self, factor: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        type(self).traces += 1
        return inputs * self.factor


def test_value_is_there_on_every_backend(each_backend: str) -> None:
    layer = Dense(2, kernel_initializer="ones")
    value = layer(np.ones((4, 3)))
    assert isinstance(value, ValueTensor)
    assert value.home == each_backend
    assert (value.shape, value.dtype) == ((4, 2), "float32")
    np.testing.assert_array_equal(np.asarray(value), np.full((4, 2), 3.0))
    again = Dense(1, kernel_initializer="ones")(value)
    assert float(again[0, 0]) == 6.0
    assert layer._inbound_nodes == []


def test_arrays_of_the_backend_need_not_leave_it(each_backend: str) -> None:
    backend = registry.current()
    layer = Dense(2, kernel_initializer="ones")
    np.testing.assert_array_equal(layer(backend.own(np.ones((4, 3), "float32"), "float32")).numpy(), np.full((4, 2), 3))


def test_lists_and_types() -> None:
    double = Scaled(2.0)
    assert double(np.ones((1, 2))).dtype == "float32"
    assert double(np.ones((1, 2), "float16")).dtype == "float32"
    assert Lambda(lambda x: x + 1)(np.ones((1, 2), "int32")).dtype == "int32"
    assert Embedding(5, 2)(np.array([[1, 2, 3]])).shape == (1, 3, 2)
    total = Add()([np.ones((1, 2)), np.ones((1, 2))])
    np.testing.assert_array_equal(total.numpy(), [[2, 2]])


def test_mixed_arguments_build_graph() -> None:
    x = Input((2,))
    y = Add()([x, np.full((1, 2), 3.0)])
    assert not isinstance(y, ValueTensor)
    np.testing.assert_array_equal(K.function([x], [y])([np.ones((1, 2))])[0], [[4, 4]])


def test_new_weights_are_seen_at_once(each_backend: str) -> None:
    layer = Dense(1)
    layer(np.ones((1, 2)))
    for number in (1.0, 2.0):
        layer.set_weights([np.full((2, 1), number), np.zeros(1)])
        assert float(layer(np.ones((1, 2)))[0, 0]) == 2 * number


def test_new_attributes_are_seen_at_once() -> None:
    layer = Scaled(2.0)
    model = Sequential([layer])
    outer = Sequential([model])
    for factor in (2.0, 5.0):
        layer.factor = factor
        for called in (layer, model, outer):
            assert float(called(np.ones((1, 1)))[0, 0]) == factor


def test_nothing_is_traced_twice() -> None:
    Scaled.traces = 0
    layer = Scaled(2.0)
    for size in (1, 2, 3):
        layer(np.ones((size, 4)))
    assert Scaled.traces == 1
    Dense(1, trainable=False)
    layer(np.ones((1, 4)))
    assert Scaled.traces == 1
    layer(np.ones((1, 5)))
    assert Scaled.traces == 2
    layer.factor = 3.0
    layer(np.ones((1, 4)))
    assert Scaled.traces == 3


def test_structure_and_arguments_are_told_apart() -> None:
    class Powers(Layer):
        def call(self, inputs: Any, exponent: Any = 1, offset: Any = 0) -> Any:
            return inputs**exponent + offset

    layer = Powers()
    x = np.full((1, 1), 3.0)
    assert float(layer(x)[0, 0]) == 3
    assert float(layer(x, exponent=2)[0, 0]) == 9
    assert float(layer(x, 3)[0, 0]) == 27
    assert float(layer(x, offset=np.full((1, 1), 4.0))[0, 0]) == 7
    assert float(layer(x, offset=np.full((1, 1), 5.0))[0, 0]) == 8


def test_several_outputs() -> None:
    class Parts(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs[:, :1], inputs[:, 1:]

    a, b = Parts()(np.array([[1.0, 2.0]]))
    assert (float(a[0, 0]), float(b[0, 0])) == (1, 2)


def test_gradients_through_a_value_are_refused() -> None:
    layer = Dense(1)
    value = layer(np.ones((2, 3)))
    with pytest.raises((TypeError, ValueError), match=r"K\.constant"):
        K.gradients(K.sum(value), layer.weights)


def test_phase_of_a_call_on_arrays() -> None:
    layer = Dropout(0.5)
    x = np.ones((1, 1000))
    assert (layer(x).numpy() == 1).all()
    first, second = layer(x, training=True).numpy(), layer(x, training=True).numpy()
    assert set(np.unique(first)) == {0.0, 2.0}
    assert (first != second).any()
    K.set_learning_phase(1)
    assert (layer(x).numpy() == 0).any()


def test_training_updates_are_left_to_models() -> None:
    layer = BatchNormalization()
    layer(np.random.default_rng(0).normal(size=(8, 3)), training=True)
    np.testing.assert_array_equal(K.get_value(layer.moving_mean), np.zeros(3))


def test_models_on_arrays_lists_and_dictionaries(each_backend: str) -> None:
    a, b = Input((2,), name="a"), Input((3,), name="b")
    model = Model([a, b], [Dense(1, kernel_initializer="ones")(a), Dense(1, kernel_initializer="ones")(b)])
    values = {"b": np.ones((1, 3)), "a": np.ones((1, 2))}
    for given in ([values["a"], values["b"]], values):
        first, second = model(given)
        assert (float(first[0, 0]), float(second[0, 0])) == (2, 3)
    with pytest.raises(ValueError, match="has the inputs a, b, received values for a, c"):
        model({"a": values["a"], "c": values["b"]})
    np.testing.assert_array_equal(model.predict(values)[1], [[3]])


def test_arrays_take_the_type_of_a_models_input() -> None:
    model = Sequential([RepeatVector(2, input_shape=(3,))])
    assert model(np.ones((1, 3), "uint8")).dtype == "float32"


def test_builds_on_first_arrays() -> None:
    model = Sequential([Dense(2), Dense(1)])
    assert model.weights == []
    assert model(np.ones((4, 3))).shape == (4, 1)
    assert len(model.weights) == 4
    assert model.input_shape == (None, 3)


def test_backends_can_be_switched_between_calls() -> None:
    if not registry.installed()["torch"].installed:
        pytest.skip("Needs a second backend.")
    layer = Dense(2)
    value = layer(np.ones((1, 3)))
    with K.use_backend("torch"):
        other = layer(np.ones((1, 3)))
        assert other.home == "torch"
        np.testing.assert_allclose(other.numpy(), value.numpy(), rtol=1e-6)
        np.testing.assert_allclose(Dense(1, kernel_initializer="ones")(value).numpy()[0, 0], value.numpy().sum(), 1e-5)
