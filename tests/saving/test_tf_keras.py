"""Files of tf.keras 1 and 2, built here after their documented layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import Dense
from multikeras.models import Sequential, load_model, model_from_json

RNG = np.random.RandomState(2)


def test_what_tf_keras_writes_besides() -> None:
    def layer(kind: str, **config: Any) -> dict[str, Any]:
        return {"class_name": kind, "config": {"name": kind.lower(), "trainable": True, "dtype": "float32", **config}}

    begin = {"batch_input_shape": [None, 6, 6, 1], "dtype": "float32", "sparse": False, "ragged": False, "name": "i"}
    layers = [
        {"class_name": "InputLayer", "config": begin},
        layer("Conv2D", filters=2, kernel_size=[3, 3], groups=1, data_format="channels_last"),
        layer("BatchNormalization", axis=[3]),
        layer("GlobalAveragePooling2D", data_format="channels_last", keepdims=False),
        layer("Reshape", target_shape=[1, 2]),
        layer("GRU", units=3, time_major=False, reset_after=True),
    ]
    content = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}, "keras_version": "2.9.0"}
    model = model_from_json(json.dumps(content))
    assert model.predict(np.ones((2, 6, 6, 1))).shape == (2, 3)
    layers[1]["config"]["groups"] = 2
    with pytest.raises(ValueError, match="Conv2D does not take 'groups'"):
        model_from_json(json.dumps(content))


@pytest.mark.parametrize("kind", ["SGD", "Adam", "RMSprop"])
def test_training_goes_on_from_a_file_of_tf_keras(tmp_path: Path, kind: str) -> None:
    model = Sequential([Dense(3, activation="softmax", input_dim=4, name="d")])
    model.save(tmp_path / "m.h5")
    settings: dict[str, Any] = {
        "SGD": {"momentum": 0.9, "nesterov": False},
        "Adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False},
        "RMSprop": {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False},
    }
    slots = {"SGD": ["momentum"], "Adam": ["m", "v"], "RMSprop": ["rms"]}[kind]
    state = {f"{kind}/d/{w}/{s}:0": RNG.rand(*shape) for s in slots for w, shape in (("k", (4, 3)), ("b", (3,)))}
    training = {
        "loss": {"class_name": "CategoricalCrossentropy", "config": {"reduction": "auto", "name": "loss"}},
        "metrics": [[{"class_name": "MeanMetricWrapper", "config": {"name": "acc", "fn": "categorical_accuracy"}}]],
        **dict.fromkeys(["weighted_metrics", "sample_weight_mode", "loss_weights"]),
        "optimizer_config": {
            "class_name": kind,
            "config": {"name": kind, "learning_rate": 0.25, "decay": 0.0, **settings[kind]},
        },
    }
    with h5py.File(tmp_path / "m.h5", "a") as file:
        file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("optimizer_weights")
        group.attrs["weight_names"] = np.array([f"{kind}/iter:0".encode(), *(name.encode() for name in state)])
        group[f"{kind}/iter:0"] = np.int64(7)
        for name, array in state.items():
            group[name] = array
    made = load_model(tmp_path / "m.h5")
    assert K.get_value(made.optimizer.lr) == 0.25
    found = made.optimizer.get_weights()
    assert found[0] == 7
    for one, other in zip(found[1:], state.values(), strict=False):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    made.fit(RNG.rand(6, 4), np.eye(3)[[0, 1, 2] * 2], verbose=0)
