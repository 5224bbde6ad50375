"""Trains models with pip-installed Keras 3, saves them in between, and goes on training files of ours: a script.

python keras3_training.py train DIRECTORY     five steps, files, five more steps, files
python keras3_training.py go_on DIRECTORY     five steps more of every *_ours.keras, whose weights go to *_ours.npz

One training step sees all data, so that a step is an epoch.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers as L
from keras import optimizers as O

STEPS = 5


def optimizers() -> dict[str, Any]:
    fading = O.schedules.ExponentialDecay(0.1, 4, 0.5)
    return {
        "sgd": O.SGD(0.1),
        "sgd_momentum": O.SGD(0.1, momentum=0.9),
        "sgd_nesterov": O.SGD(fading, momentum=0.9, nesterov=True),
        "rmsprop": O.RMSprop(0.01, rho=0.8, epsilon=1e-3),
        "rmsprop_whole": O.RMSprop(0.01, momentum=0.8, centered=True, epsilon=1e-3),
        "adagrad": O.Adagrad(0.1, epsilon=1e-2),
        "adadelta": O.Adadelta(0.5, epsilon=1e-3),
        "adam": O.Adam(0.05, beta_1=0.8, global_clipnorm=0.1),
        "adam_amsgrad": O.Adam(fading, amsgrad=True, beta_2=0.7, clipvalue=0.05),
        "adam_decay": O.Adam(0.05, weight_decay=0.1),
        "adamw": O.AdamW(0.05, weight_decay=0.2, amsgrad=True),
        "adamax": O.Adamax(0.05),
        "nadam": O.Nadam(0.05),
        "loss_scale": O.LossScaleOptimizer(O.SGD(0.1), initial_scale=64.0, dynamic_growth_steps=4),
        "loss_scale_adam": O.LossScaleOptimizer(O.Adam(fading), initial_scale=64.0, dynamic_growth_steps=4),
    }


def data() -> tuple[Any, Any]:
    random = np.random.RandomState(4)
    return random.rand(8, 4).astype("float32"), random.rand(8, 4).astype("float32")


def model() -> Any:
    """All kernels have one shape, so that states of the wrong weight would fit as well."""
    x = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4, activation="tanh"), L.Dense(4)], name="inner")
    frozen = L.Dense(4, activation="tanh")
    frozen.trainable = False
    a, b = inner(x), L.Dense(4, activation="sigmoid")(frozen(x))
    return keras.Model(x, L.Dense(4)(L.Add()([L.BatchNormalization()(a), inner(b)])))


def many_layers() -> Any:
    """Layers whose weights lie in several others, of equal shapes where that is possible."""
    x = keras.Input((4,))
    h = L.Reshape((4, 1))(x)
    h = L.MultiHeadAttention(2, 2, use_gate=True, output_shape=4)(h, h)
    h = L.Bidirectional(L.LSTM(4, return_sequences=True))(L.LayerNormalization()(h))
    h = L.RNN([L.LSTMCell(4), L.GRUCell(4)], return_sequences=True)(h)
    h = L.TimeDistributed(L.Dense(4))(L.PReLU()(L.SeparableConv1D(4, 1)(h)))
    return keras.Model(x, L.Dense(4)(L.Flatten()(L.GroupNormalization(2)(h))))


def fit(model: Any) -> None:
    x, y = data()
    model.fit(x, y, batch_size=8, epochs=STEPS, shuffle=False, verbose=0)


def compiled() -> dict[str, Any]:
    """Losses and metrics; what is evaluated goes to compiled.json."""
    return {
        "smoothed": (keras.losses.CategoricalCrossentropy(label_smoothing=0.1), [keras.metrics.AUC(), "acc"]),
        "summed": (keras.losses.MeanSquaredError(reduction="sum"), [keras.metrics.MeanAbsoluteError(name="apart")]),
        "divergence": ("kl_divergence", [keras.metrics.Precision(thresholds=0.3), keras.metrics.CosineSimilarity()]),
        "logits": (keras.losses.BinaryCrossentropy(from_logits=True), [keras.metrics.BinaryAccuracy(threshold=0.4)]),
    }


def classes() -> Any:
    """Targets and inputs to evaluate with."""
    random = np.random.RandomState(5)
    return random.rand(12, 4).astype("float32"), np.eye(4, dtype="float32")[random.randint(0, 4, 12)]


def masked() -> Any:
    """Inputs of which Masking takes 4 of 36 steps, and targets."""
    x, y = classes()
    x = np.repeat(x[:, None], 3, axis=1)
    x[:4, 2] = 0
    return x, np.repeat(y[:, None], 3, axis=1)


def train(directory: Path) -> None:
    for name, optimizer in {**optimizers(), "many_layers": O.Adam(0.02)}.items():
        keras.utils.set_random_seed(3)
        made = model() if name != "many_layers" else many_layers()
        made.compile(optimizer, "mean_squared_error")
        made.save(directory / f"{name}_before.keras")
        fit(made)
        for ending in ("keras", "h5"):
            made.save(directory / f"{name}.{ending}")
        fit(made)
        made.save(directory / f"{name}_after.keras")
    found = {}
    for name, (loss, metrics) in compiled().items():
        made = keras.Sequential([keras.Input((4,)), L.Dense(4, activation="softmax")])
        made.compile("sgd", loss, metrics=metrics)
        found[name] = [float(value) for value in made.evaluate(*classes(), verbose=0)]
        made.save(directory / f"{name}_compiled.keras")
    (directory / "compiled.json").write_text(json.dumps(found))
    frozen = [L.TimeDistributed(L.Dense(4, trainable=False)), L.Bidirectional(L.LSTM(2, trainable=False))]
    made = keras.Sequential([keras.Input((3, 4)), *frozen, L.Dense(4)])
    assert len(made.trainable_weights) == 2
    made.save(directory / "frozen_inside.keras")
    made = keras.Sequential([keras.Input((3, 4)), L.Masking(), L.Dense(4)])
    made.compile("sgd", "mean_squared_error", metrics=["mean_absolute_error"])
    evaluated = made.evaluate(*masked(), verbose=0)
    made.save(directory / "masked.keras")
    (directory / "masked.json").write_text(json.dumps([float(value) for value in evaluated]))


def go_on(directory: Path) -> None:
    for path in sorted(directory.glob("*_ours.keras")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = keras.models.load_model(path)
        fit(made)
        made.save(path.with_name(path.stem + "_after.keras"))
    found = {}
    for path in sorted(directory.glob("*_from_us.*")):
        made = keras.models.load_model(path)
        found[path.name] = [float(value) for value in made.evaluate(*classes(), verbose=0)]
    print(json.dumps(found))


if __name__ == "__main__":
    {"train": train, "go_on": go_on}[sys.argv[1]](Path(sys.argv[2]))
