"""Training the classic Keras MNIST CNN: multikeras beside hand-written loops (`python -m benchmarks.cnn_fit`)."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks import fitting


def build(keras: Any) -> Any:
    """The model, compiled, by the API that Keras 2, Keras 3 and multikeras share."""
    layers = keras.layers
    model = keras.models.Sequential(
        [
            layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.001, epsilon=1e-7)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    return model


WORKLOAD = fitting.Workload(
    module="benchmarks.cnn_fit",
    title="cnn_fit: two 3x3 convolutions (32, 64), pooling, 128, 10, dropout, Adam, batch 128",
    flat=False,
    kernel_shapes=((3, 3, 1, 32), (3, 3, 32, 64), (9216, 128), (128, 10)),
    references={
        "raw_numpy": "benchmarks.references.cnn_numpy",
        "raw_jax": "benchmarks.references.cnn_jax",
        "raw_torch": "benchmarks.references.cnn_torch",
    },
    build=build,
    samples=20 * 128,
    epochs=3,
)

if __name__ == "__main__":
    sys.exit(fitting.main(WORKLOAD))
