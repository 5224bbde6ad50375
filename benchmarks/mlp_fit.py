"""Training the classic Keras MNIST MLP: multikeras beside hand-written loops (`python -m benchmarks.mlp_fit`)."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks import fitting


def build(keras: Any) -> Any:
    """The model, compiled, by the API that Keras 2, Keras 3 and multikeras share."""
    layers = keras.layers
    model = keras.models.Sequential(
        [
            layers.Dense(256, activation="relu", input_shape=(784,)),
            layers.Dropout(0.2),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.RMSprop(0.001, rho=0.9, epsilon=1e-7)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    return model


WORKLOAD = fitting.Workload(
    module="benchmarks.mlp_fit",
    title="mlp_fit: 784-256-128-10, relu, dropout 0.2, RMSprop, batch 128",
    flat=True,
    kernel_shapes=((784, 256), (256, 128), (128, 10)),
    references={
        "raw_numpy": "benchmarks.references.mlp_numpy",
        "raw_jax": "benchmarks.references.mlp_jax",
        "raw_torch": "benchmarks.references.mlp_torch",
        "raw_torch_masks": "benchmarks.references.mlp_torch",
    },
    options={"raw_torch_masks": {"cheap_masks": True}},
    build=build,
    samples=20_000,
    epochs=4,
)

if __name__ == "__main__":
    sys.exit(fitting.main(WORKLOAD))
