"""Layers of Keras 1 that Keras 2 kept for its models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras.models import Sequential, load_model, model_from_json

RNG = np.random.RandomState(4)
X = RNG.rand(5, 4) - 0.5


def highway(x: np.ndarray, w: np.ndarray, carry: np.ndarray, b: np.ndarray, b_carry: np.ndarray) -> np.ndarray:
    gate = 1 / (1 + np.exp(-(x @ carry + b_carry)))
    return gate * np.maximum(x @ w + b, 0) + (1 - gate) * x


def maxout(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (np.einsum("bi,fio->bfo", x, w) + b).max(1)


PARTS = dict.fromkeys(["W_regularizer", "b_regularizer", "activity_regularizer", "W_constraint", "b_constraint"])

#: Arguments as files of Keras 1 have them, shapes of the weights, and what is computed.
CASES: dict[str, tuple[dict[str, Any], list[tuple[int, ...]], Callable[..., np.ndarray]]] = {
    "Highway": ({"activation": "relu", "transform_bias": -2}, [(4, 4), (4, 4), (4,), (4,)], highway),
    "MaxoutDense": ({"output_dim": 3, "nb_feature": 2}, [(2, 4, 3), (2, 3)], maxout),
    "TimeDistributedDense": ({"output_dim": 3, "input_length": None}, [(4, 3), (3,)], lambda x, w, b: x @ w + b),
}


def described(kind: str) -> str:
    given = {"name": "x", "trainable": True, "init": "glorot_uniform", "bias": True, "input_dim": 4, **PARTS}
    given |= {"batch_input_shape": [None, 4], "input_dtype": "float32", **CASES[kind][0]}
    return json.dumps({"class_name": "Sequential", "config": [{"class_name": kind, "config": given}]})


@pytest.mark.parametrize("kind", CASES)
def test_models_of_keras_1(each_backend: str, tmp_path: Path, kind: str) -> None:
    _, shapes, compute = CASES[kind]
    model = model_from_json(described(kind))
    arrays = [RNG.rand(*shape) - 0.5 for shape in shapes]
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["keras_version"], file.attrs["layer_names"] = b"1.2.2", np.array([b"x"])
        names = [f"x_{i}".encode() for i in range(len(arrays))]
        file.create_group("x").attrs["weight_names"] = np.array(names)
        for name, array in zip(names, arrays, strict=True):
            file["x"][name.decode()] = array
    model.load_weights(tmp_path / "w.h5")
    np.testing.assert_allclose(model.predict(X), compute(X, *arrays), rtol=1e-4, atol=1e-6)
    model.compile("sgd", "mse")
    before = model.evaluate(X, np.zeros((5, shapes[-1][-1])), verbose=0)
    model.fit(X, np.zeros((5, shapes[-1][-1])), verbose=0)
    assert model.evaluate(X, np.zeros((5, shapes[-1][-1])), verbose=0) < before
    model.save(tmp_path / "m.h5")
    np.testing.assert_array_equal(load_model(tmp_path / "m.h5").predict(X), model.predict(X))


@pytest.mark.parametrize("kind", ["Highway", "MaxoutDense"])
def test_they_are_layers_like_others(kind: str) -> None:
    from multikeras import layers
    from multikeras.compat import names

    given = {key: value for key, value in CASES[kind][0].items() if key != "transform_bias"}
    cls = getattr(layers, kind)
    model = Sequential([cls(**given, W_regularizer="l2", b_constraint="nonneg", bias=False, input_dim=4)])
    shapes = {"Highway": [(4, 4), (4, 4)], "MaxoutDense": [(2, 4, 3)]}
    assert [w.shape for w in model.weights] == shapes[kind]
    assert len(model.losses) == len(model.weights)
    assert model.output_shape == (None, shapes[kind][0][-1])
    assert names.ConvRecurrent2D is layers.ConvRNN2D
