"""Makes models with pip-installed Keras 3, saves them in all its formats, and reads files back: a script.

python keras3_models.py make DIRECTORY     writes models and what they predict
python keras3_models.py read DIRECTORY     loads ours.* beside them and prints how far predictions are apart
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers as L


def mlp() -> Any:
    return keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(8, activation="relu", kernel_regularizer="l2"),
            L.BatchNormalization(),
            L.Dropout(0.2),
            L.LeakyReLU(),
            L.Dense(3, activation="softmax"),
        ]
    )


def cnn() -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            L.Conv2D(4, 3, padding="same", activation="relu"),
            L.MaxPooling2D(),
            L.SeparableConv2D(3, 2),
            L.Conv2DTranspose(2, 3, strides=2),
            L.DepthwiseConv2D(2),
            L.GlobalAveragePooling2D(),
            L.Dense(2),
        ]
    )


def recurrent() -> Any:
    return keras.Sequential(
        [
            keras.Input((5,)),
            L.Embedding(10, 4, mask_zero=True),
            L.LSTM(3, return_sequences=True),
            L.Bidirectional(L.GRU(2, return_sequences=True)),
            L.TimeDistributed(L.Dense(3)),
            L.SimpleRNN(2),
        ]
    )


def nested() -> Any:
    first, second = keras.Input((4,)), keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), L.Dense(3, activation="tanh"), L.Dense(2)], name="inner")
    a, b = inner(first), inner(second)
    return keras.Model([first, second], [L.Dense(2)(L.Concatenate()([a, b])), L.Add()([a, b])])


def attention() -> Any:
    x = keras.Input((5, 4))
    h = L.LayerNormalization()(L.MultiHeadAttention(2, 3)(x, x))
    return keras.Model(x, L.Dense(2)(L.Flatten()(h)))


MODELS = {f.__name__: f for f in (mlp, cnn, recurrent, nested, attention)}


def predicted(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    return [np.asarray(each) for each in (found if isinstance(found, list) else [found])]


def make(directory: Path) -> None:
    random = np.random.RandomState(2)
    for name, build in MODELS.items():
        model = build()
        for weight in model.weights:
            weight.assign(random.rand(*weight.shape) * 0.5)
        shapes = [(6, *tensor.shape[1:]) for tensor in model.inputs]
        inputs = [random.randint(0, 10, s) if name == "recurrent" else random.rand(*s) for s in shapes]
        inputs = [each.astype("float32") for each in inputs]
        if name != "nested":
            model.compile("adam", "mse", metrics=["mae"])
        for ending in ("h5", "keras"):
            model.save(directory / f"{name}.{ending}")
        model.save_weights(directory / f"{name}.weights.h5")
        outputs = predicted(model, inputs)
        arrays = {f"input_{i}": v for i, v in enumerate(inputs)} | {f"output_{i}": v for i, v in enumerate(outputs)}
        np.savez(directory / f"{name}.npz", **arrays)


def read(directory: Path) -> None:
    apart: dict[str, float] = {}
    for name, build in MODELS.items():
        with np.load(directory / f"{name}.npz") as file:
            inputs = [file[key] for key in sorted(file.files) if key.startswith("input")]
            outputs = [file[key] for key in sorted(file.files) if key.startswith("output")]
        blank = build()
        blank.load_weights(directory / f"{name}_ours.weights.h5")
        readers = {"weights.h5": blank}
        for ending in ("h5", "keras"):
            readers[ending] = keras.models.load_model(directory / f"{name}_ours.{ending}")
        for ending, model in readers.items():
            found = predicted(model, inputs)
            apart[f"{name} {ending}"] = max(
                float(np.abs(one - other).max()) for one, other in zip(found, outputs, strict=True)
            )
    print(json.dumps(apart))


if __name__ == "__main__":
    {"make": make, "read": read}[sys.argv[1]](Path(sys.argv[2]))
