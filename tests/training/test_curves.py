"""One seed, one loss curve: on every backend, and from `np.random.seed` alone."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import registry
from multikeras.callbacks import LambdaCallback
from multikeras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from multikeras.models import Sequential
from multikeras.optimizers import SGD, Adam, RMSprop
from multikeras.utils import set_random_seed, to_categorical

BACKENDS = [name for name in ("numpy", "jax", "torch") if registry.installed()[name].installed]


def digits():
    pytest.importorskip("sklearn")
    from multikeras.datasets import digits

    (x, y), _ = digits.load_data()
    return x.reshape(-1, 8, 8, 1).astype("float32") / 16, to_categorical(y, 10)


def mlp():
    return [
        Flatten(input_shape=(8, 8, 1)),
        Dense(64, activation="relu"),
        Dropout(0.2),
        Dense(32, activation="relu"),
        Dropout(0.2),
        Dense(10, activation="softmax"),
    ]


def cnn():
    return [
        Conv2D(8, (3, 3), padding="same", activation="relu", input_shape=(8, 8, 1)),
        MaxPooling2D((2, 2)),
        Conv2D(16, (3, 3), activation="relu"),
        Flatten(),
        Dropout(0.25),
        Dense(10, activation="softmax"),
    ]


def curve(layers, optimizer, updates=50, seed=11):
    """Losses of the first updates of a model that is built, shuffled and trained from one seed."""
    K.clear_session()
    set_random_seed(seed)
    x, y = digits()
    model = Sequential(layers())
    model.compile(optimizer(), "categorical_crossentropy", metrics=["accuracy"])
    losses = []
    watch = LambdaCallback(on_batch_end=lambda batch, logs: losses.append(logs["loss"]))
    model.fit(x[:800], y[:800], batch_size=32, epochs=updates // 25, verbose=0, callbacks=[watch])
    assert len(losses) == updates
    return np.array(losses)


OPTIMIZERS = {"sgd": lambda: SGD(lr=0.02, momentum=0.9), "rmsprop": RMSprop, "adam": Adam}


@pytest.mark.parametrize("layers", [mlp, cnn])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_backends_agree_over_fifty_updates(layers, optimizer):
    found = {}
    for backend in BACKENDS:
        with K.use_backend(backend):
            found[backend] = curve(layers, OPTIMIZERS[optimizer])
    first = found.pop("numpy")
    assert first[-5:].mean() < 0.95 * first[:5].mean()
    for backend, losses in found.items():
        np.testing.assert_allclose(losses, first, rtol=1e-4, err_msg=backend)


def test_numpys_seed_fixes_everything():
    """Semantics' tenth test: weights, masks and shuffles; again when the cell runs again; other numbers from 8."""

    def cell(seed):
        np.random.seed(seed)
        model = Sequential([Dense(8, activation="tanh", input_shape=(4,)), Dropout(0.3), Dense(1)])
        model.compile("adam", "mse")
        x = np.linspace(-1, 1, 120).reshape(30, 4)
        return model.fit(x, x[:, :1] ** 2, epochs=4, batch_size=8, verbose=0).history["loss"]

    found = []
    for backend in BACKENDS:
        with K.use_backend(backend):
            found += [cell(7), cell(7)]
            assert not np.allclose(cell(8), found[-1])
            np.testing.assert_array_equal(found[-1], found[-2])
    for losses in found[1:]:
        np.testing.assert_allclose(losses, found[0], rtol=1e-5)


def test_a_model_may_change_the_backend_while_it_learns():
    """The variables move, the optimizer's too, and the curve goes on as if nothing had happened."""
    curves = []
    for switch in (False, True):
        set_random_seed(2)
        model = Sequential([Dense(8, activation="relu", input_shape=(4,)), Dropout(0.3), Dense(1)])
        model.compile(Adam(lr=0.01), "mse", metrics=["mae"])
        x = np.linspace(-1, 1, 120).reshape(30, 4)
        losses = []
        for backend in BACKENDS * 2:
            with K.use_backend(backend if switch else "numpy"):
                losses += model.fit(x, x[:, :1], epochs=2, batch_size=8, verbose=0).history["loss"]
        curves.append(losses)
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5)
