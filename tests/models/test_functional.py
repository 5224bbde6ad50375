"""Models between inputs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import Add, Concatenate, Conv2D, Dense, Dropout, Flatten, Input, Lambda, Layer, MaxPooling2D
from multikeras.models import Model, Sequential, clone_model, get_source_inputs


def two_ends() -> tuple[Model, list[np.ndarray]]:
    a, b = Input((3,), name="a"), Input((4,), name="b")
    shared = Dense(3, name="shared", kernel_initializer="ones")
    x = Add(name="sum")([shared(a), shared(Dense(3, name="narrow", kernel_initializer="ones")(b))])
    model = Model([a, b], [Dense(1, name="first", kernel_initializer="ones")(x), x], name="ends")
    return model, [np.ones((2, 3)), np.ones((2, 4))]


def test_values_names_and_shapes(each_backend: str) -> None:
    model, arrays = two_ends()
    first, second = model.predict(arrays)
    np.testing.assert_array_equal(first, np.full((2, 1), 45.0))
    np.testing.assert_array_equal(second, np.full((2, 3), 15.0))
    assert model.input_names == model.feed_input_names == ["a", "b"]
    assert model.output_names == ["first", "sum"]
    assert model.input_shape == [(None, 3), (None, 4)]
    assert model.output_shape == [(None, 1), (None, 3)]
    assert model.input == model.inputs
    assert model.output == model.outputs


def test_layers_in_keras_order() -> None:
    model, _ = two_ends()
    assert [layer.name for layer in model.layers] == ["b", "a", "narrow", "shared", "sum", "first"]
    assert [w.name for w in model.weights] == [
        "narrow/kernel", "narrow/bias", "shared/kernel", "shared/bias", "first/kernel", "first/bias",
    ]  # fmt: skip
    assert model.count_params() == 15 + 12 + 4


def test_get_layer() -> None:
    model, _ = two_ends()
    assert model.get_layer("sum") is model.get_layer(index=4) is model.layers[4]
    with pytest.raises(ValueError, match="has no layer 'other'. It has: b, a, narrow"):
        model.get_layer("other")
    with pytest.raises(ValueError, match="has 6 layers, there is none at index 6"):
        model.get_layer(index=6)
    with pytest.raises(ValueError, match="needs the name or the index"):
        model.get_layer()


def test_keywords_of_keras_1_and_dictionaries() -> None:
    x = Input((3,))
    y = Dense(2)(x)
    assert Model(input=x, output=y).output is y
    assert Model(inputs=[x], outputs=[y]).outputs == [y]
    assert Model(inputs=x, outputs=y, name="mine").name == "mine"
    with pytest.raises(TypeError, match="needs both inputs and outputs, received only inputs"):
        Model(x)
    with pytest.raises(TypeError, match="outputs are tensors"):
        Model(x, np.ones(3))


def test_disconnected() -> None:
    a, b = Input((3,), name="here"), Input((3,), name="there")
    y = Add(name="both")([Dense(3)(a), b])
    text = (
        r"need the placeholder 'there' of layer 'there' \(shape \(None, 3\)\), used by layer 'both',.*inputs \(here\)"
    )
    with pytest.raises(ValueError, match=text):
        Model(a, y)
    with pytest.raises(ValueError, match=r"Graph disconnected: .* need the placeholder 'free'"):
        Model(a, K.placeholder((None, 3), name="free") + a)


def test_two_layers_of_one_name() -> None:
    x = Input((3,))
    with pytest.raises(ValueError, match="has 2 layers called 'same'"):
        Model(x, Dense(2, name="same")(Dense(2, name="same")(x)))
    with pytest.raises(ValueError, match="among the inputs twice"):
        Model([x, x], Dense(2)(x))


def test_inner_results() -> None:
    model = Sequential([Conv2D(4, 3, input_shape=(8, 8, 1)), MaxPooling2D(), Flatten(), Dense(2, name="top")])
    picture = np.random.default_rng(0).normal(size=(2, 8, 8, 1))
    half = Model(model.input, model.get_layer("max_pooling2d_1").output)
    (expected,) = K.function([model.layers[0].input], [model.layers[1].output])([picture])
    np.testing.assert_array_equal(half.predict(picture), expected)
    assert half.layers[1] is model.layers[0]


def test_from_the_middle() -> None:
    model = Sequential([Dense(3, input_shape=(2,)), Dense(4, activation="relu"), Dense(1)])
    tail = Model(model.layers[1].input, model.output)
    assert tail.feed_inputs == [model.layers[0].output]
    middle = np.ones((2, 3))
    (expected,) = K.function([model.layers[0].output], [model.output])([middle])
    np.testing.assert_array_equal(tail.predict(middle), expected)
    np.testing.assert_allclose(tail(middle).numpy(), expected, rtol=1e-6)
    assert len(tail.weights) == 4


def test_input_may_be_an_output() -> None:
    x = Input((3,))
    model = Model(x, [x, Dense(1)(x)])
    np.testing.assert_array_equal(model.predict(np.ones((2, 3)))[0], np.ones((2, 3)))


def test_models_inside_models(each_backend: str) -> None:
    inner, arrays = two_ends()
    a, b = Input((3,)), Input((4,))
    first, second = inner([a, b])
    outer = Model([a, b], Concatenate()([first, inner([a, b])[1], second]))
    np.testing.assert_array_equal(outer.predict(arrays), [[45] + [15] * 6] * 2)
    assert len(outer.weights) == len(inner.weights)
    assert inner.get_output_at(1)[0] is first
    assert inner.output[0] is inner.outputs[0]
    deeper = Model([a, b], Dense(1)(outer([a, b])))
    assert deeper.predict(arrays).shape == (2, 1)


def test_a_model_is_trained_where_it_is_shared() -> None:
    core = Sequential([Dense(2, input_shape=(3,))])
    x = Input((3,))
    left, right = Model(x, Dense(1)(core(x))), Model(x, core(x))
    left.compile("sgd", "mse")
    before = right.predict(np.ones((1, 3)))
    left.train_on_batch(np.ones((4, 3)), np.ones((4, 1)))
    assert not (right.predict(np.ones((1, 3))) == before).all()


def test_freezing() -> None:
    model = Sequential([Dense(2, input_shape=(3,)), Dense(1)])
    x = Input((3,))
    outer = Model(x, Dense(1)(model(x)))
    model.trainable = False
    assert model.trainable_weights == []
    assert len(model.non_trainable_weights) == 4
    assert len(outer.trainable_weights) == 2
    # The flags of the layers inside are their own.
    assert [layer.trainable for layer in model.layers] == [True, True]
    model.trainable = True
    model.layers[0].trainable = False
    assert [w.name for w in outer.trainable_weights] == [
        "dense_2/kernel",
        "dense_2/bias",
        "dense_3/kernel",
        "dense_3/bias",
    ]


def test_set_weights() -> None:
    model, arrays = two_ends()
    values = [np.full(w.shape, 2.0) for w in model.weights]
    model.set_weights(values)
    for found, value in zip(model.get_weights(), values, strict=True):
        np.testing.assert_array_equal(found, value)
    with pytest.raises(ValueError, match="has 6 weights, set_weights received 5"):
        model.set_weights(values[1:])


def test_ten_thousand_layers() -> None:
    x = y = Input((1,))
    layer = Lambda(lambda t: t + 1)
    for _ in range(10_000):
        y = layer(y)
    model = Model(x, y)
    assert len(model.layers) == 2
    assert K.function([x], [y])([[[0.0]]])[0] == 10_000
    z = model(Input((1,)))
    assert z.shape == (None, 1)


def test_two_thousand_layers_of_their_own() -> None:
    model = Sequential([Dropout(0.5, input_shape=(1,))])
    for _ in range(1_999):
        model.add(Dropout(0.5))
    again = clone_model(model)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    functional = Model(model.input, model.output)
    assert len(functional.layers) == 2_001
    assert functional.updates == []


def test_arguments_of_a_call_are_replayed() -> None:
    class Power(Layer):
        def call(self, inputs: Any, exponent: Any = 1) -> Any:
            return inputs**exponent

    x, n = Input((1,)), Input((1,))
    inner = Model([x, n], Power()(Power()(x, exponent=2), exponent=n))
    assert float(inner([np.full((1, 1), 2.0), np.full((1, 1), 3.0)])[0, 0]) == 64
    a, b = Input((1,)), Input((1,))
    outer = Model([a, b], inner([a, b]))
    assert float(outer.predict([np.full((1, 1), 2.0), np.full((1, 1), 3.0)])[0, 0]) == 64


def test_input_of_a_tensor_is_not_fed() -> None:
    value = K.variable(np.ones((2, 3)))
    x = Input(tensor=value * 2)
    model = Model(x, Dense(1, kernel_initializer="ones")(x))
    assert model.feed_inputs == []
    np.testing.assert_array_equal(K.function([], [model.output])([])[0], [[6], [6]])
    raw = K.placeholder((None, 3))
    y = Input(tensor=raw)
    fed = Model(y, Dense(1, kernel_initializer="ones")(y))
    assert fed.feed_inputs == [raw]
    np.testing.assert_array_equal(fed.predict(np.ones((2, 3))), [[3], [3]])


def test_source_inputs() -> None:
    a, b = Input((3,)), Input((3,))
    assert get_source_inputs(Add()([Dense(3)(b), K.relu(a)])) == [a, b]


def test_clone() -> None:
    model, arrays = two_ends()
    copy = clone_model(model)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    assert not set(copy.weights) & set(model.weights)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(arrays)[0], model.predict(arrays)[0])
    a, b = Input((3,)), Input((4,))
    assert clone_model(model, [a, b]).inputs == [a, b]
