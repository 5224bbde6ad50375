"""Models with a call of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import BatchNormalization, Dense, Dropout, Input, Masking
from multikeras.models import Model, Sequential, clone_model


class Tower(Model):
    """Layers as attributes, in a list, one of them used twice."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first = Dense(3, activation="relu", input_shape=(99,))
        self.square = Dense(3, activation="tanh")
        self.rest = [BatchNormalization(), Dense(1)]

    def call(self, inputs: Any) -> Any:
        h = self.square(self.square(self.first(inputs)))
        self.add_loss(K.mean(K.square(h)))
        for layer in self.rest:
            h = layer(h)
        return h


def test_built_on_first_data(each_backend: str) -> None:
    model = Tower()
    assert model.weights == []
    assert [layer.name for layer in model.layers] == ["dense_1", "dense_2", "batch_normalization_1", "dense_3"]
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = np.random.default_rng(0).normal(size=(16, 4)), np.ones((16, 1))
    model.fit(x, y, epochs=2, verbose=0)
    assert [w.shape for w in model.weights][:2] == [(4, 3), (3,)]
    assert len(model.weights) == 10
    assert len(model.trainable_weights) == 8
    assert len(model.updates) == 2
    assert len(model.losses) == 1
    assert not (K.get_value(model.rest[0].moving_mean) == 0).all()
    assert len(model.evaluate(x, y, verbose=0)) == 2
    np.testing.assert_allclose(model.predict(x), model(x).numpy(), rtol=1e-5, atol=1e-6)
    assert (model.input_shape, model.output_shape) == ((None, 4), (None, 1))
    assert model.output_names == ["output_1"]


def test_called_before_training() -> None:
    model = Tower()
    value = model(np.ones((2, 4)))
    assert value.shape == (2, 1)
    assert len(model.weights) == 10
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 1)))
    assert len(model.weights) == 10


def test_inside_a_functional_model() -> None:
    tower = Tower()
    x = Input((4,))
    outer = Model(x, Dense(2)(tower(x)))
    assert outer.predict(np.ones((2, 4))).shape == (2, 2)
    assert len(outer.updates) == 2
    assert len(outer.losses) == 1
    tower.trainable = False
    assert outer.updates == []
    assert len(outer.trainable_weights) == 2


def test_several_inputs_and_outputs() -> None:
    class Pair(Model):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = Dense(1), Dense(2)

        def call(self, inputs: Any) -> Any:
            a, b = inputs
            return self.left(a), self.right(b)

    model = Pair()
    model.compile("sgd", "mse")
    x = [np.ones((4, 2)), np.ones((4, 3))]
    model.train_on_batch(x, [np.ones((4, 1)), np.ones((4, 2))])
    first, second = model.predict(x)
    assert (first.shape, second.shape) == ((4, 1), (4, 2))
    assert model.output_names == ["output_1", "output_2"]


class ByName(Model):
    """Takes a dictionary, and says in which order it does."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.left, self.right = Dense(1, name="left"), Dense(1, name="right")

    def call(self, inputs: Any, mask: Any = None) -> Any:
        assert mask is None or set(mask) == {"a", "b"}
        return self.left(inputs["a"]) - 2 * self.right(inputs["b"])


def named_data() -> tuple[Any, Any, Any]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(8, 2)), generator.normal(size=(8, 3)), generator.normal(size=(8, 1))


def test_dictionaries_of_inputs(each_backend: str) -> None:
    a, b, y = named_data()
    model = ByName()
    model.build({"b": (None, 3), "a": (None, 2)})
    assert (model.input_names, model.input_shape) == (["b", "a"], [(None, 3), (None, 2)])
    # The same layers over a list.
    left, right = Input((2,)), Input((3,))
    listed = Model([left, right], model.left(left) - 2 * model.right(right))
    for each in (model, listed):
        each.compile("sgd", "mse")
    before = model.get_weights()
    listed.fit([a, b], y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    wanted = model.get_weights()
    model.set_weights(before)
    valid = ({"b": b, "a": a}, y)
    history = model.fit({"a": a, "b": b}, y, 4, 2, shuffle=False, verbose=0, validation_data=valid).history
    for made, expected in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)
    (k, c), (kernel, bias) = model.left.get_weights(), model.right.get_weights()
    expected = a @ k + c - 2 * (b @ kernel + bias)
    for found in (
        model.predict({"a": a, "b": b}),
        model.predict_on_batch({"b": b, "a": a}),
        model({"b": b, "a": a}).numpy(),
        model.predict([b, a]),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    loss = np.mean((expected - y) ** 2)
    for value in (
        history["val_loss"][-1],
        model.evaluate({"a": a, "b": b}, y, verbose=0),
        model.test_on_batch({"b": b, "a": a}, y),
        model.train_on_batch({"a": a, "b": b}, y),
    ):
        np.testing.assert_allclose(value, loss, rtol=1e-5)


def test_a_dictionary_as_first_data() -> None:
    a, b, y = named_data()
    batches = (batch for batch in [({"b": b, "a": a}, y)] * 3)
    model = ByName()
    model.compile("sgd", "mse")
    model.fit(batches, steps_per_epoch=2, verbose=0)
    assert model.input_names == ["b", "a"]
    eager = ByName()
    eager.compile("sgd", "mse", run_eagerly=True)
    with pytest.warns(UserWarning, match="run_eagerly"):
        eager.train_on_batch({"a": a, "b": b}, y)
    eager.set_weights(model.get_weights())
    np.testing.assert_allclose(eager.predict({"b": b, "a": a}), model.predict({"a": a, "b": b}), rtol=1e-5, atol=1e-6)
    # Tensors, inside another model.
    x, z = Masking()(Input((2,))), Input((3,))
    tower = ByName()
    outer = Model([x, z], tower({"b": z, "a": x}))
    tower.set_weights(model.get_weights())
    np.testing.assert_allclose(outer.predict([a, b]), model.predict({"a": a, "b": b}), rtol=1e-5, atol=1e-6)


def test_mistakes_with_dictionaries() -> None:
    a, b, y = named_data()
    model = ByName(name="named")
    with pytest.raises(KeyError, match="b"):
        model({"a": a})
    # What did not work is forgotten.
    model({"a": a, "b": b})
    for wrong in ({"a": a}, {"a": a, "b": b, "c": b}):
        with pytest.raises(
            ValueError, match="'named' has the inputs 'a', 'b', received values for 'a'.*The first dict"
        ):
            model(wrong)
    model.predict({"a": a, "b": b})
    with pytest.raises(ValueError, match="No input was given for 'b': the dictionary has the names 'a', the model"):
        model.predict({"a": a})
    with pytest.raises(ValueError, match="'named' has the inputs 'a', 'b', received 1: pass a dictionary by these"):
        model(a)
    with pytest.raises(TypeError, match=r"a dictionary of inputs by name, received one of \[1\]"):
        ByName()({1: a})
    with pytest.raises(ValueError, match="has no inputs with names yet, received values for 'a'. Pass an array, or"):
        Sequential([Dense(1)]).predict({"a": a})


def test_training_argument() -> None:
    class Noisy(Model):
        def __init__(self) -> None:
            super().__init__()
            self.drop = Dropout(0.5)

        def call(self, inputs: Any, training: Any = None) -> Any:
            return K.in_train_phase(self.drop(inputs, training=training), inputs * 3, training=training)

    model = Noisy()
    x = np.ones((1, 100))
    assert (model(x).numpy() == 3).all()
    assert set(np.unique(model(x, training=True).numpy())) == {0.0, 2.0}
    assert (model.predict(x) == 3).all()


def test_summary_shows_shapes_of_inner_calls() -> None:
    model = Tower(name="tower")
    with pytest.raises(ValueError, match="'tower' is not built yet and has no shapes"):
        model.summary()
    model.build((None, 4))
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert "(None, 3)" in text
    assert "Total params: 43" in text
    assert "Non-trainable params: 6" in text


def test_layers_made_in_call_are_refused_when_they_come_again() -> None:
    class Careless(Model):
        def call(self, inputs: Any) -> Any:
            return Dense(2)(inputs)

    model = Careless()
    model(np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"'dense_2' would make new weights in every call of model 'careless_1'.*line"):
        model.predict(np.ones((1, 3)))

    class Lazy(Model):
        def call(self, inputs: Any, wide: bool = False) -> Any:
            name = "wide" if wide else "narrow"
            if not hasattr(self, name):
                setattr(self, name, Dense(5 if wide else 2))
            return getattr(self, name)(inputs)

    lazy = Lazy()
    assert lazy(np.ones((1, 3))).shape == (1, 2)
    assert lazy(np.ones((1, 3)), wide=True).shape == (1, 5)
    assert len(lazy.weights) == 4


def test_functional_and_sequential_subclasses() -> None:
    class Made(Model):
        def __init__(self) -> None:
            x = Input((3,))
            super().__init__(x, Dense(2)(x))

    class Stack(Sequential):
        def __init__(self) -> None:
            super().__init__([Dense(2, input_shape=(3,))])
            self.add(Dense(1))

    assert Made().predict(np.ones((1, 3))).shape == (1, 2)
    assert Stack().predict(np.ones((1, 3))).shape == (1, 1)


def test_what_is_missing_is_named() -> None:
    class Empty(Model):
        pass

    with pytest.raises(NotImplementedError, match=r"'empty_1' \(Empty\) has neither inputs and outputs nor a call"):
        Empty()(np.ones((1, 3)))

    class Hasty(Model):
        def __init__(self) -> None:
            self.d = Dense(2)

    with pytest.raises(RuntimeError, match=r"Hasty.__init__ did not call super"):
        Hasty()(np.ones((1, 3)))
    with pytest.raises(NotImplementedError, match="whose architecture is code"):
        Tower().get_config()
    with pytest.raises(ValueError, match="the call of a subclass is code"):
        clone_model(Tower())
