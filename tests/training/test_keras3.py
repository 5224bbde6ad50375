"""Beside pip's Keras 3: the same training where both mean the same."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from multikeras.layers import Dense, Input
from multikeras.models import Model
from multikeras.optimizers import SGD
from multikeras.utils import Sequence

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("keras") and importlib.util.find_spec("torch")), reason="needs keras and torch"
)

#: Both sides run this: `keras` is the one or the other, `Data` its base class of data sets.
PROGRAM = """
import numpy as np

generator = np.random.default_rng(7)
X = generator.normal(size=(30, 4)).astype("float32")
LABELS = generator.integers(0, 3, 30)
Y = (X @ generator.normal(size=(4, 2))).astype("float32")
WEIGHTS = generator.uniform(0, 2, 30).astype("float32")
KERNELS = [generator.normal(size=(4, 5)).astype("float32") / 2, np.zeros(5, "float32")]
HEADS = [[generator.normal(size=(5, n)).astype("float32") / 2, np.zeros(n, "float32")] for n in (3, 2)]


def two_heads(**compiled):
    x = Input((4,), name="x")
    hidden = Dense(5, activation="tanh", name="hidden")
    h = hidden(x)
    kind, place = Dense(3, activation="softmax", name="kind"), Dense(2, name="place")
    model = Model(x, [kind(h), place(h)])
    for layer, weights in zip((hidden, kind, place), (KERNELS, *HEADS)):
        layer.set_weights(weights)
    model.compile(SGD(0.1, momentum=0.9), ["sparse_categorical_crossentropy", "mse"], **compiled)
    return model


def one_head(**compiled):
    x = Input((4,), name="x")
    hidden, kind = Dense(5, activation="tanh", name="hidden"), Dense(3, activation="softmax", name="kind")
    model = Model(x, kind(hidden(x)))
    for layer, weights in zip((hidden, kind), (KERNELS, HEADS[0])):
        layer.set_weights(weights)
    model.compile(SGD(0.1), "sparse_categorical_crossentropy", **compiled)
    return model


class Batches(Data):
    def __init__(self):
        super().__init__()

    def __len__(self):
        return 4

    def __getitem__(self, i):
        rows = slice(i * 8, i * 8 + 8)
        return X[rows], LABELS[rows], WEIGHTS[rows]


def generate():
    while True:
        for i in range(4):
            yield Batches()[i]


HOW = {"epochs": 3, "shuffle": False, "verbose": 0}


def runs():
    model = two_heads(loss_weights=[0.5, 2.0])
    yield "loss weights", model, model.fit(X, [LABELS, Y], batch_size=8, **HOW)
    model = two_heads(loss_weights={"kind": 1.0, "place": 0.1})
    given = {"sample_weight": [WEIGHTS, WEIGHTS[::-1].copy()], "validation_data": (X[:9], [LABELS[:9], Y[:9]])}
    yield "sample weights of two", model, model.fit(X, [LABELS, Y], batch_size=8, **given, **HOW)
    model = one_head(metrics=["accuracy"])
    yield "class weights", model, model.fit(X, LABELS, batch_size=7, class_weight={0: 0.5, 1: 1.0, 2: 4.0}, **HOW)
    model = one_head(weighted_metrics=["accuracy"])
    given = {"sample_weight": WEIGHTS, "validation_split": 0.3, "initial_epoch": 1}
    yield "sample weights and split", model, model.fit(X, LABELS, batch_size=8, **given, **HOW)
    model = one_head(weighted_metrics=["accuracy"])
    yield "data set", model, model.fit(Batches(), validation_data=(X, LABELS, WEIGHTS), **HOW)
    model = one_head(weighted_metrics=["accuracy"])
    yield "generator", model, model.fit(generate(), steps_per_epoch=4, **HOW)


results = {}
for name, model, history in runs():
    for i, weight in enumerate(model.get_weights()):
        results[f"{name}: weight {i}"] = weight
    for key, values in history.history.items():
        results[f"{name}: {key}"] = np.array(values)
    predicted = model.predict(X, verbose=0)
    results[f"{name}: predicted"] = predicted[0] if len(model.outputs) > 1 else predicted
"""

THEIRS = """
import sys
import keras
from keras import Input, Model
from keras.layers import Dense
from keras.optimizers import SGD
from keras.utils import PyDataset as Data
"""


@pytest.fixture(scope="module")
def keras3(tmp_path_factory):
    """What Keras 3 gives, in a process of its own since both read KERAS_BACKEND."""
    folder = tmp_path_factory.mktemp("keras3")
    (folder / "program.py").write_text(THEIRS + PROGRAM + "np.savez(sys.argv[1], **results)\n")
    subprocess.run(
        [sys.executable, str(folder / "program.py"), str(folder / "results.npz")],
        env={**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": str(folder), "CUDA_VISIBLE_DEVICES": ""},
        cwd=folder,
        check=True,
        timeout=300,
        stdout=subprocess.DEVNULL,
    )
    with np.load(Path(folder) / "results.npz") as file:
        return {name: file[name] for name in file.files}


def test_training_is_that_of_keras_3(each_backend, keras3):
    names = {"Input": Input, "Model": Model, "Dense": Dense, "SGD": SGD, "Data": Sequence}
    exec(PROGRAM, names)
    ours = names["results"]
    assert {name for name in keras3 if not name.endswith("_loss")} <= set(ours)
    assert len(ours) > 50
    for name, value in keras3.items():
        if name in ours:
            np.testing.assert_allclose(ours[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
