"""Freezing from layer to layer, copies with other layers, calls with tensors among their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import Add, BatchNormalization, Dense, Dropout, Input, Layer, MultiHeadAttention
from multikeras.models import Model, Sequential, clone_model, freeze_weights, unfreeze_weights


def chain() -> Sequential:
    return Sequential(
        [Dense(3, input_shape=(2,), name="a"), Dense(3, name="b"), Dense(3, name="c"), Dense(1, name="d")]
    )


def flags(model: Any) -> str:
    """The names of the layers that training changes."""
    return "".join(layer.name for layer in model.layers if layer.trainable_weights) if model.trainable else ""


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ({}, ""),
        ({"from_": "b"}, "a"),
        ({"to": "b"}, "cd"),
        ({"from_": "b", "to": "c"}, "ad"),
        ({"from_": 1, "to": 1}, "acd"),
        ({"from_": -1}, "abc"),
        ({"to": -2}, "d"),
    ],
)
def test_freezing_and_unfreezing(arguments: dict[str, Any], left: str) -> None:
    model = chain()
    freeze_weights(model, **arguments)
    assert flags(model) == left
    assert len(model.trainable_weights) == 2 * len(left)
    unfreeze_weights(model)
    assert flags(model) == "abcd"
    model.trainable = False
    unfreeze_weights(model, **arguments)
    assert flags(model) == "".join(name for name in "abcd" if name not in left)


def test_freezing_counts_from_the_next_compile() -> None:
    model = chain()
    model.compile("sgd", "mse")
    freeze_weights(model, to="c")
    x, y = np.ones((4, 2)), np.ones((4, 1)) * 9
    before = model.get_weights()
    model.train_on_batch(x, y)
    assert (model.get_weights()[0] != before[0]).any()
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(x, y)
    assert [(a == b).all() for a, b in zip(model.get_weights(), before, strict=True)] == [True] * 6 + [False] * 2


def test_freezing_what_is_not_there() -> None:
    x = Input((2,), name="x")
    model = Model(x, Dense(1, name="top")(Dense(2, name="base")(x)))
    freeze_weights(model, "x", "base")
    assert flags(model) == "top"
    with pytest.raises(ValueError, match="has no layer 'basis'. It has: x, base, top"):
        freeze_weights(model, "basis")
    with pytest.raises(ValueError, match=r"to='base' \(layer 1\) comes before from_='top' \(layer 2\)"):
        freeze_weights(model, "top", "base")
    with pytest.raises(ValueError, match="there is none at index 7"):
        unfreeze_weights(model, to=7)


# -- cloning ----------------------------------------------------------------------------------------


def less_dropout(layer: Layer) -> Layer:
    if isinstance(layer, Dropout):
        return Dropout(0.1, name=layer.name)
    return type(layer).from_config(layer.get_config())


def test_cloning_with_other_layers() -> None:
    x = Input((3,))
    shared = Dense(3, name="shared")
    graph = Model(x, shared(Dropout(0.5, name="drop")(shared(x))))
    for model in (graph, Sequential([Dropout(0.5, input_shape=(3,), name="drop"), Dense(3)])):
        copy = clone_model(model, clone_function=less_dropout)
        assert copy.get_layer("drop").rate == 0.1
        assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
        assert len(copy.weights) == 2
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy.predict(np.ones((2, 3))), model.predict(np.ones((2, 3))))


def test_cloning_may_share_layers_and_gets_models_whole() -> None:
    inner = Sequential([Dense(2, input_shape=(3,))], name="inner")
    x = Input((3,))
    model = Model(x, Dense(1)(inner(x)))
    seen: list[Layer] = []

    def share(layer: Layer) -> Layer:
        seen.append(layer)
        return layer

    copy = clone_model(model, clone_function=share)
    assert seen == [inner, model.layers[-1]]
    assert copy.layers[1] is inner
    assert set(copy.weights) == set(model.weights)
    with pytest.raises(
        TypeError, match=r"must return a layer for 'inner' \(Sequential\), received None. Return the layer"
    ):
        clone_model(model, clone_function=lambda layer: None)


def test_cloning_onto_tensors_that_no_layer_made() -> None:
    data = np.ones((2, 3))
    x = Input((3,))
    for model in (Model(x, Dense(2)(x)), Sequential([Dense(2, input_shape=(3,))])):
        for tensor in (K.variable(data), K.placeholder((None, 3))):
            copy = clone_model(model, input_tensors=tensor)
            copy.set_weights(model.get_weights())
            fed = copy.feed_inputs
            (value,) = K.function(fed, [copy.output])([data] * len(fed))
            np.testing.assert_array_equal(value, model.predict(data))
    with pytest.raises(ValueError, match="has 1 inputs, received 2 input_tensors"):
        clone_model(Model(x, Dense(2)(x)), [x, x])


# -- tensors among the arguments of a call -------------------------------------------------------------


class Between(Layer):
    """A share of one tensor and the rest of others, given in all ways."""

    def call(self, inputs: Any, other: Any = None, more: Any = (), share: float = 0.5) -> Any:
        made = inputs * share + other["second"] * (1 - share)
        for tensor in more:
            made = made + tensor
        return made


def test_tensors_among_arguments_are_in_the_configuration() -> None:
    a, b = Input((3,), name="a"), Input((3,), name="b")
    late = Dense(3, name="late")(b)
    y = Between()(a, other={"second": late}, more=[b, a], share=0.25)
    model = Model([a, b], y)
    again = Model.from_config(model.get_config(), {"Between": Between})
    again.set_weights(model.get_weights())
    data = [np.full((2, 3), 2.0), np.full((2, 3), 3.0)]
    np.testing.assert_array_equal(again.predict(data), model.predict(data))
    assert again.get_config() == model.get_config()


def test_a_mask_of_attention_is_in_the_configuration() -> None:
    x, mask = Input((4, 3)), Input((4, 4), dtype="bool", name="mask")
    model = Model([x, mask], MultiHeadAttention(1, 2)(x, x, attention_mask=mask))
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    data = [np.random.default_rng(0).normal(size=(2, 4, 3)), np.tril(np.ones((2, 4, 4), "bool"))]
    np.testing.assert_array_equal(again.predict(data), model.predict(data))


def test_a_tensor_that_no_layer_made_cannot_be_in_a_configuration() -> None:
    a = Input((3,))
    model = Model(a, Between()(a, other={"second": K.variable(np.ones(3), name="fixed")}))
    with pytest.raises(
        NotImplementedError, match="called with 'fixed' among its arguments .*which no layer of the model"
    ):
        model.get_config()


def test_a_clone_makes_its_calls_in_the_same_order() -> None:
    """The averages of a layer that is called twice depend on which call comes first."""
    rng = np.random.RandomState(1)
    normalize = BatchNormalization(momentum=0.5)
    x = Input((3,))
    far = Dense(3)(Dense(3)(x))
    # First on what lies behind two layers, then on the input.
    model = Model(x, Add()([normalize(far), normalize(x)]))
    copy = clone_model(model)
    assert [node["inbound_nodes"] for node in copy.get_config()["layers"]] == [
        node["inbound_nodes"] for node in model.get_config()["layers"]
    ]
    copy.set_weights(model.get_weights())
    data = rng.rand(8, 3)
    for each in (model, copy):
        each.compile("sgd", "mse")
        each.train_on_batch(data, data)
    for one, other in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
