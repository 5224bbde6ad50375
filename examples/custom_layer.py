"""A layer written once, against `K` alone, trains on every backend that is installed, and the numbers are compared.

    python examples/custom_layer.py

The layer has a parameter to learn, a branch, and a penalty of its own. Its gradients follow from the expressions, on
NumPy as anywhere else.
"""

import os

import numpy as np

from multikeras import backend as K
from multikeras.contract import DeviceError
from multikeras.datasets import digits
from multikeras.layers import Dense, Layer
from multikeras.models import Sequential
from multikeras.utils import set_random_seed

EPOCHS = int(os.environ.get("EPOCHS", "5"))


class Shrink(Layer):
    """Moves every input towards zero by a learned amount, and makes those zero that are nearer to it than that.

    Args:
        sparsity: Weight of the penalty, the mean size of what is left, in the loss.
    """

    def __init__(self, sparsity=0.01, **kwargs):
        super().__init__(**kwargs)
        self.sparsity = sparsity

    def build(self, input_shape):
        self.threshold = self.add_weight(name="threshold", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        threshold = 0.1 * K.abs(self.threshold)
        shrunk = inputs - K.sign(inputs) * threshold
        # A condition of the inputs' shape picks entry by entry, and each entry's gradient takes the branch it came by.
        outputs = K.switch(K.greater(K.abs(inputs), threshold), shrunk, K.zeros_like(inputs))
        self.add_loss(self.sparsity * K.mean(K.abs(outputs)), inputs=inputs)
        return outputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "sparsity": self.sparsity}


def train():
    """Trains a network with the layer; returns its loss curve, its test accuracy and the thresholds it learned."""
    set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x_train = x_train.reshape(-1, 64).astype("float32") / 16
    x_test = x_test.reshape(-1, 64).astype("float32") / 16
    shrink = Shrink()
    model = Sequential([Dense(64, input_shape=(64,)), shrink, Dense(10, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=32, epochs=EPOCHS, verbose=0)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    return np.array(history.history["loss"]), accuracy, shrink.get_weights()[0]


def main():
    curves = {}
    for name in ("numpy", "jax", "torch", "cupy"):
        try:
            with K.use_backend(name):
                curve, accuracy, threshold = train()
        except (ImportError, DeviceError) as error:
            print(f"{name}: left out. {error}")
            continue
        curves[name] = curve
        print(
            f"{name}: loss {' '.join(f'{loss:.5f}' for loss in curve)}, test accuracy {accuracy:.4f}, "
            f"mean threshold {np.abs(threshold).mean() / 10:.5f}"
        )
    furthest = max(np.max(np.abs(curve / curves["numpy"] - 1)) for curve in curves.values())
    print(f"Largest relative difference between the loss curves: {furthest:.1e}")


if __name__ == "__main__":
    main()
