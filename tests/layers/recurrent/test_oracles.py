"""Recurrent layers beside Keras 3 and PyTorch's own, trajectories on all backends, and gradients of gradients."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import torch
from keras_fixtures import INSTALLED

from multikeras import backend as K
from multikeras import layers, optimizers
from multikeras.layers import (
    GRU,
    LSTM,
    Bidirectional,
    CuDNNGRU,
    CuDNNLSTM,
    Dense,
    Dropout,
    Input,
    Masking,
    TimeDistributed,
)
from multikeras.models import Model, Sequential

# -- Keras 3 ------------------------------------------------------------------------------------

#: Layers as both understand them; `layers` is the module of either.
LAYERS = {
    "simple": "layers.SimpleRNN(3, return_sequences=True)",
    "gru": "layers.GRU(3, recurrent_activation='sigmoid', reset_after=False)",
    "gru reset after": "layers.GRU(3, recurrent_activation='sigmoid', reset_after=True, go_backwards=True)",
    "lstm": "layers.LSTM(3, recurrent_activation='sigmoid', return_sequences=True, unroll=True)",
    "cells": "layers.RNN([layers.LSTMCell(3, recurrent_activation='sigmoid'), layers.SimpleRNNCell(2)])",
    "bidirectional": (
        "layers.Bidirectional(layers.LSTM(3, recurrent_activation='sigmoid', return_sequences=True), merge_mode='mul')"
    ),
    "time distributed": "layers.TimeDistributed(layers.Dense(3, activation='tanh'))",
    "conv": "layers.ConvLSTM2D(2, (2, 3), strides=2, padding='same', recurrent_activation='sigmoid')",
}

_ORACLE = """
import sys
import numpy as np
import keras
from keras import layers
cases, path = eval(sys.argv[1]), sys.argv[2]
made = {}
for name, code in cases.items():
    keras.utils.set_random_seed(3)
    layer = eval(code)
    shape = (4, 4, 5, 5, 2) if name == "conv" else (4, 5, 3)
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    if name != "conv":
        x[1, 3:] = x[2, 1:] = 0
    inputs = keras.Input(shape[1:])
    model = keras.Model(inputs, layer(inputs))
    masked = model if name == "conv" else keras.Model(inputs, layer(layers.Masking()(inputs)))
    weights = [np.random.default_rng(i).normal(size=w.shape).astype("float32") / 2 for i, w in enumerate(layer.weights)]
    layer.set_weights(weights)
    output = np.asarray(masked(x).detach())
    target = np.random.default_rng(9).normal(size=output.shape).astype("float32")
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    losses = [float(model.train_on_batch(x, target)) for _ in range(3)]
    entries = [x, output, target, np.array(losses), *weights, *layer.get_weights()]
    made |= {f"{name}/{i}": e for i, e in enumerate(entries)}
np.savez(path, **made)
"""


@pytest.fixture(scope="module")
def keras3(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[np.ndarray]]:
    """Inputs, outputs, targets, losses of three steps, weights before and after, of all layers in Keras 3."""
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras 3 is not installed.")
    import os
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("keras3")
    path = folder / "made.npz"
    environment = {**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": str(folder), "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("PYTHONPATH", None)
    run = subprocess.run(
        [sys.executable, "-c", _ORACLE, repr(LAYERS), str(path)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    with np.load(path) as found:
        return {
            name: [found[f"{name}/{i}"] for i in range(sum(key.startswith(name + "/") for key in found.files))]
            for name in LAYERS
        }


@pytest.mark.parametrize("name", list(LAYERS))
def test_beside_keras_3(name: str, keras3: dict[str, list[np.ndarray]], each_backend: str) -> None:
    x, output, target, losses, *weights = keras3[name]
    layer: Any = eval(LAYERS[name], {"layers": layers})
    inputs = Input(x.shape[1:])
    # The masked one is compared without training: what a masked step counts in the loss is another matter.
    model = Model(inputs, layer(inputs))
    masked = model if name == "conv" else Model(inputs, layer(Masking()(inputs)))
    count = len(weights) // 2
    layer.set_weights(weights[:count])
    np.testing.assert_allclose(masked.predict(x), output, rtol=1e-4, atol=1e-5)
    if each_backend == "jax" and name not in ("gru", "bidirectional"):
        # Compiling all of them would take most of the time of these tests.
        return
    model.compile(optimizers.SGD(0.1), "mse")
    found = [model.train_on_batch(x, target) for _ in range(3)]
    np.testing.assert_allclose(found, losses, rtol=1e-4)
    for value, expected in zip(layer.get_weights(), weights[count:], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-5)


# -- PyTorch's modules --------------------------------------------------------------------------


def rows(module: Any, suffix: str, order: list[int]) -> list[np.ndarray]:
    """The weights of a layer of a module, its gates put into Keras's order."""
    found = []
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        array = getattr(module, f"{name}_{suffix}").detach().numpy()
        parts = np.split(array, len(order))
        found.append(np.concatenate([parts[i] for i in order]))
    return [found[0].T, found[1].T, np.concatenate(found[2:])]


@pytest.mark.parametrize(
    ("kind", "module", "order"),
    [(CuDNNLSTM, torch.nn.LSTM, [0, 1, 2, 3]), (CuDNNGRU, torch.nn.GRU, [1, 0, 2])],
)
def test_two_bidirectional_layers_beside_pytorch(kind: Any, module: Any, order: list[int], each_backend: str) -> None:
    torch.manual_seed(1)
    expected = module(4, 3, num_layers=2, bidirectional=True, batch_first=True)
    model = Sequential(
        [
            Bidirectional(kind(3, return_sequences=True), input_shape=(None, 4)),
            Bidirectional(kind(3, return_sequences=True)),
        ]
    )
    weights = [w for name in ("l0", "l0_reverse", "l1", "l1_reverse") for w in rows(expected, name, order)]
    model.set_weights(weights)
    x = np.random.default_rng(2).normal(size=(3, 6, 4)).astype("float32")
    inputs = torch.tensor(x, requires_grad=True)
    outputs, _ = expected(inputs)
    (outputs**2).sum().backward()
    slopes = K.gradients(K.sum(K.square(model.output)), [model.input, model.weights[1], model.weights[-1]])
    value, *found = K.function([model.input], [model.output, *slopes])([x])
    np.testing.assert_allclose(value, outputs.detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[0], inputs.grad.numpy(), rtol=1e-4, atol=1e-5)
    gates = np.split(expected.weight_hh_l0.grad.numpy(), len(order))
    np.testing.assert_allclose(found[1], np.concatenate([gates[i] for i in order]).T, rtol=1e-4, atol=1e-5)
    biases = [np.split(getattr(expected, f"bias_{n}_l1_reverse").grad.numpy(), len(order)) for n in ("ih", "hh")]
    np.testing.assert_allclose(
        found[2], np.concatenate([parts[i] for parts in biases for i in order]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("reset_after", [False, True])
def test_implementations_are_equal(reset_after: bool) -> None:
    x = np.random.default_rng(2).normal(size=(3, 6, 4)).astype("float32")
    for kind, options in ((LSTM, {}), (GRU, {"reset_after": reset_after})):
        made = [
            kind(3, implementation=i, unroll=unroll, **options) for i, unroll in ((1, False), (2, False), (2, True))
        ]
        for layer in made:
            layer.build((None, None, 4))
            layer.set_weights(made[0].get_weights())
        values = [layer(x).numpy() for layer in made]
        np.testing.assert_array_equal(values[1], values[0])
        np.testing.assert_array_equal(values[2], values[0])


def test_cudnn_layers_are_the_others_with_sigmoid_gates() -> None:
    x = np.random.default_rng(2).normal(size=(3, 6, 4)).astype("float32")
    fast, slow = CuDNNGRU(3), GRU(3, reset_after=True, recurrent_activation="sigmoid")
    expected = fast(x).numpy()
    slow.build((None, None, 4))
    kernel, recurrent, bias = fast.get_weights()
    slow.set_weights([kernel, recurrent, bias.reshape(2, 9)])
    np.testing.assert_allclose(slow(x).numpy(), expected, rtol=1e-6)


# -- training on all backends -------------------------------------------------------------------


def train(backend: str) -> tuple[list[float], list[np.ndarray]]:
    with K.use_backend(backend):
        np.random.seed(11)
        model = Sequential(
            [
                Masking(input_shape=(None, 3)),
                Bidirectional(LSTM(4, return_sequences=True, recurrent_dropout=0.2), merge_mode="concat"),
                TimeDistributed(Dense(4, activation="relu")),
                Dropout(0.2),
                GRU(3, dropout=0.2, reset_after=True),
                Dense(2, activation="softmax"),
            ]
        )
        model.compile(optimizers.Adam(0.02), "categorical_crossentropy")
        generator = np.random.default_rng(1)
        x = generator.normal(size=(8, 6, 3)).astype("float32")
        x[:3, 4:] = 0
        y = np.eye(2)[generator.integers(0, 2, 8)]
        history = model.fit(x, y, batch_size=8, epochs=5, verbose=0)
        return history.history["loss"], model.get_weights()


def test_a_recurrent_network_trains_alike_on_all_backends() -> None:
    (losses, weights), *others = [train(backend) for backend in INSTALLED]
    assert losses[-1] < losses[0]
    for found, values in others:
        np.testing.assert_allclose(found, losses, rtol=1e-4)
        for value, expected in zip(values, weights, strict=True):
            np.testing.assert_allclose(value, expected, rtol=5e-3, atol=2e-4)


# -- gradients of gradients ---------------------------------------------------------------------


def test_the_gradient_penalty_of_a_critic_with_a_gru(each_backend: str) -> None:
    """The penalty on the length of the critic's gradient, as WGAN-GP has it, against finite differences."""
    K.set_floatx("float64")
    np.random.seed(4)
    inputs = Input((4, 3))
    critic = Model(inputs, Dense(1)(GRU(3, recurrent_activation="sigmoid")(inputs)))
    slope = K.gradients(critic.output, critic.input)[0]
    penalty = K.mean(K.square(K.sqrt(K.sum(K.square(slope), axis=[1, 2])) - 1.0))
    weights = critic.trainable_weights[:3]
    function = K.function([critic.input], [penalty, *K.gradients(penalty, weights)])
    x = np.random.default_rng(3).normal(size=(2, 4, 3))
    _, *found = function([x])
    generator = np.random.default_rng(5)
    for weight, gradient in zip(weights, found, strict=True):
        direction = generator.normal(size=weight.shape)
        before = K.get_value(weight)
        ends = []
        for step in (1e-5, -1e-5):
            K.set_value(weight, before + step * direction)
            ends.append(function([x])[0])
        K.set_value(weight, before)
        numeric = (ends[0] - ends[1]) / 2e-5
        assert np.sum(gradient * direction) == pytest.approx(numeric, rel=1e-6, abs=1e-9)
        assert abs(numeric) > 1e-6
