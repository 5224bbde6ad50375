"""`multikeras.utils.test_utils`: what Keras 2's own tests of layers use."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import layers
from multikeras.layers import Layer
from multikeras.models import Sequential
from multikeras.utils.test_utils import get_test_data, layer_test


def test_its_arguments_are_those_of_keras() -> None:
    names = list(inspect.signature(layer_test).parameters)
    assert names == [
        "layer_cls", "kwargs", "input_shape", "input_dtype", "input_data", "expected_output",
        "expected_output_dtype", "fixed_batch_size",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "kwargs", "rest"),
    [
        (layers.Dense, {"units": 3}, {"input_shape": (None, None, 2)}),
        (layers.Embedding, {"input_dim": 4, "output_dim": 2},
         {"input_data": np.array([[1, 3]]), "input_dtype": "int32", "expected_output_dtype": "float32"}),
        (layers.Conv2D, {"filters": 2, "kernel_size": 2, "padding": "same"}, {"input_shape": (2, 4, 5, 3)}),
        (layers.LSTM, {"units": 2, "stateful": True}, {"input_shape": (2, 3, 4), "fixed_batch_size": True}),
        (layers.LeakyReLU, {"alpha": 0.5},
         {"input_data": np.array([[-2.0, 2.0]], "float32"), "expected_output": [[-1.0, 2.0]]}),
        (layers.TimeDistributed, {"layer": layers.Dense(2)}, {"input_shape": (3, 2, 4)}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_layers(cls: Any, kwargs: dict[str, Any], rest: dict[str, Any]) -> None:
    output = layer_test(cls, kwargs, **rest)
    assert isinstance(output, np.ndarray)


def test_on_each_backend(each_backend: str) -> None:
    found = layer_test(layers.Dense, {"units": 2, "kernel_initializer": "ones"}, input_data=np.ones((2, 3), "float32"))
    np.testing.assert_allclose(found, np.full((2, 2), 3.0), rtol=1e-6)


class Sound(Layer):
    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class Forgetful(Sound):
    def get_config(self) -> dict[str, Any]:
        return Layer.get_config(self)


class Misshapen(Sound):
    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, 1)


class Whole(Sound):
    def call(self, inputs: Any) -> Any:
        return K.cast(inputs, "int32")


def test_a_layer_of_ones_own_needs_no_registration() -> None:
    layer_test(Sound, {"factor": 2.0}, (2, 3))


@pytest.mark.parametrize(
    ("cls", "rest", "text"),
    [
        (Forgetful, {}, r"'forgetful_1' \(Forgetful\) gives something else when its model is restored: the largest"),
        (Misshapen, {}, r"compute_output_shape says \(2, 3, 1\), and the output has shape \(2, 3\)"),
        (Whole, {}, r"gives type int32, expected float32 for an input of type float32"),
        (Sound, {"expected_output": np.zeros((2, 3))}, r"does not give what is expected: the largest difference"),
        (Sound, {"expected_output": np.zeros((2, 4))}, r"expected: shape \(2, 3\) instead of \(2, 4\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:compute_output_shape of layer")
def test_faults_are_found(cls: Any, rest: dict[str, Any], text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        layer_test(cls, {"factor": 2.0}, (2, 3), **rest)
    with pytest.raises(ValueError, match="needs input_shape=, with the batch axis, or input_data="):
        layer_test(cls)


def test_data_that_can_be_learned() -> None:
    np.random.seed(1)
    (x, y), (x_test, y_test) = get_test_data(200, 50, (4,), classification=True, num_classes=2)
    assert (x.shape, y.shape, x_test.shape, y_test.shape) == ((200, 4), (200,), (50, 4), (50,))
    model = Sequential([layers.Dense(1, activation="sigmoid", input_shape=(4,))])
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.lr = 0.05
    model.fit(x, y, epochs=5, verbose=0)
    assert model.evaluate(x_test, y_test, verbose=0)[1] > 0.75
    (x, y), _ = get_test_data(20, 5, (3, 2), (4,), classification=False)
    assert (x.shape, y.shape) == ((20, 3, 2), (20, 4))
    assert np.abs(x.mean((1, 2)) - y[:, 0]).max() < 0.3
