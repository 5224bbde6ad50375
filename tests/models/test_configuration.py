"""Models as configurations and as tables."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import Add, Concatenate, Conv2D, Dense, Dropout, Flatten, Input, Lambda, Layer, MaxPooling2D
from multikeras.models import Model, Sequential, model_from_config, model_from_json


class Scaled(Layer):
    """A layer of one's own with an argument."""

    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def functional() -> Model:
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared = Dense(3, kernel_regularizer="l2", name="shared")
    inner = Sequential([Dense(3, input_shape=(3,)), Dropout(0.5)], name="inner")
    x = Add()([shared(a), shared(inner(b))])
    return Model([a, b], [Scaled(2.0)(x), Lambda(lambda t: t + 1)(x)], name="whole")


def test_json_and_back() -> None:
    model = functional()
    text = model.to_json(indent=1)
    assert '"units": 3' in text
    again = model_from_json(text, {"Scaled": Scaled})
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    data = [np.ones((2, 3)), np.full((2, 3), 2.0)]
    for found, expected in zip(again.predict(data), model.predict(data), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert model_from_config(json.loads(text), {"Scaled": Scaled}).name == "whole"


def test_format_of_keras() -> None:
    x = Input((3,), name="x")
    config = Model(x, Dense(2, name="d")(x), name="m").get_config()
    assert config["input_layers"] == [["x", 0, 0]]
    assert config["output_layers"] == [["d", 0, 0]]
    assert config["layers"][1]["inbound_nodes"] == [[["x", 0, 0, {}]]]
    assert config["layers"][1]["class_name"] == "Dense"
    assert config["layers"][0]["config"]["batch_input_shape"] == [None, 3]


def test_calls_elsewhere_do_not_count() -> None:
    shared = Dense(3, name="shared")
    shared(Input((3,)))
    x = Input((3,), name="x")
    model = Model(x, shared(x))
    assert model.get_config()["output_layers"] == [["shared", 0, 0]]
    assert Model.from_config(model.get_config()).output_shape == (None, 3)


def test_unknown_class_and_unknown_function() -> None:
    text = functional().to_json()
    with pytest.raises(ValueError, match="Unknown layer 'Scaled'. Known: .*Dense"):
        model_from_json(text)
    config = json.loads(Sequential([Lambda(K.abs, input_shape=(2,))]).to_json())
    assert model_from_config(config).predict(-np.ones((1, 2))).min() == 1
    config["config"]["layers"][0]["config"].update(function="missing", digest="0")
    with pytest.raises(ValueError, match=r"needs the function 'missing', .*custom_objects=\{'missing': function\}"):
        model_from_config(config)


def test_a_configuration_that_cannot_be_connected() -> None:
    config = Sequential([Dense(2, input_shape=(3,))])
    x = Input((3,), name="x")
    config = Model(x, Dense(2, name="d")(x)).get_config()
    config["layers"][1]["inbound_nodes"] = [[["nowhere", 0, 0, {}]]]
    with pytest.raises(ValueError, match="cannot be connected: d wait for outputs that no layer makes"):
        Model.from_config(config)


def test_summary_of_a_chain() -> None:
    model = Sequential(
        [Conv2D(32, 3, input_shape=(28, 28, 1)), MaxPooling2D(), Flatten(), Dense(10, trainable=False)], name="digits"
    )
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    for part in (
        'Model: "digits"',
        "conv2d_1 (Conv2D)",
        "(None, 26, 26, 32)",
        "320",
        "Total params: 54,410",
        "Trainable params: 320",
        "Non-trainable params: 54,090",
    ):
        assert part in text
    assert "Connected to" not in text


def test_summary_of_a_graph(capsys: pytest.CaptureFixture[str]) -> None:
    model = functional()
    model.summary(line_length=110)
    text = capsys.readouterr().out
    assert "Connected to" in text
    assert "shared[0][0]" in text
    assert "shared[1][0]" in text
    assert "inner (Sequential)" in text
    assert max(len(line) for line in text.splitlines()) == 110
    x = Input((2,))
    Model(x, Dense(1)(K.relu(x) + K.variable(1.0))).summary()
    assert "operations_1 (" in capsys.readouterr().out


@pytest.mark.parametrize("seed", range(4))
def test_layers_stand_in_any_order(seed: int) -> None:
    generator = np.random.RandomState(seed)
    shared, tower = Dense(4, name="shared"), Sequential([Dense(4, input_shape=(4,))], name="tower")
    first, second = Input((4,), name="first"), Input((4,), name="second")
    one, other = shared(first), shared(second)
    joined = Concatenate(name="joined")([tower(one), other, first])
    model = Model([first, second], [Dense(2, name="end")(joined), tower(shared(other))])
    config = model.get_config()
    generator.shuffle(config["layers"])
    made = Model.from_config(config)
    for name in ("shared", "tower", "end"):
        made.get_layer(name).set_weights(model.get_layer(name).get_weights())
    x = [generator.rand(3, 4), generator.rand(3, 4)]
    for found, expected in zip(made.predict(x), model.predict(x), strict=True):
        np.testing.assert_array_equal(found, expected)
    config["layers"] = [layer for layer in config["layers"] if layer["name"] != "shared"]
    with pytest.raises(ValueError, match="cannot be connected: .*joined"):
        Model.from_config(config)
