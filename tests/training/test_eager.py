"""`run_eagerly=True`: numbers inside `call`, and the same results."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import regularizers
from multikeras.layers import BatchNormalization, Dense, Dropout, Input, Layer, SimpleRNN
from multikeras.models import Model, Sequential
from multikeras.optimizers import SGD, Optimizer

_generator = np.random.default_rng(3)
X = _generator.normal(size=(20, 4)).astype("float32")
Y = X[:, :1] * 2


class Watching(Layer):
    """Keeps what it sees, where there is something to see."""

    seen: list = []

    def call(self, inputs, training=None):
        if self.looks():
            self.seen.append((inputs.numpy(), float(K.sum(inputs)), bool(training)))
        self.add_loss(0.1 * K.mean(K.square(inputs)))
        self.add_metric(K.mean(inputs), name="level")
        return K.identity(inputs)

    @staticmethod
    def looks():
        return False


class Noisy(Model):
    def __init__(self):
        super().__init__()
        self.first = Dense(5, activation="relu", kernel_regularizer=regularizers.l2(0.01))
        self.drop, self.norm, self.watch, self.last = Dropout(0.5), BatchNormalization(), Watching(), Dense(1)

    def call(self, inputs):
        return self.last(self.norm(self.watch(self.drop(self.first(inputs)))))


def functional():
    inputs = Input((4,))
    hidden = Dropout(0.5)(Dense(5, activation="relu")(inputs))
    noisy = hidden + 0.1 * K.random_normal(K.shape(hidden))
    model = Model(inputs, Dense(1)(Watching()(BatchNormalization()(noisy))))
    model.add_loss(0.1 * K.mean(K.abs(noisy)))
    return model


def results_of(make, eager, monkeypatch):
    np.random.seed(3)
    K.clear_session()
    monkeypatch.setattr(Watching, "seen", [])
    model = make()
    with monkeypatch.context() as patched, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        patched.setattr(Watching, "looks", lambda self: eager)
        model.compile("adam", "mse", metrics=["mae"], run_eagerly=eager)
        history = model.fit(X, Y, batch_size=8, epochs=2, verbose=0, validation_split=0.2).history
        found = [
            *history.values(),
            model.evaluate(X, Y, batch_size=20, verbose=0),
            model.predict(X),
            model.train_on_batch(X, Y),
            *model.get_weights(),
        ]
    said = [each for each in told if "run_eagerly" in str(each.message)]
    return list(history), found, list(Watching.seen), said


@pytest.mark.parametrize("make", [Noisy, functional])
def test_numbers_are_those_of_the_compiled_run(each_backend, make, monkeypatch):
    """Dropout masks, moving averages, penalties, losses and metrics of layers included."""
    names, compiled, seen, said = results_of(make, False, monkeypatch)
    assert not seen
    assert not said
    assert names == ["loss", "mae", "level", "val_loss", "val_mae", "val_level"]
    eager_names, eager, seen, said = results_of(make, True, monkeypatch)
    assert eager_names == names
    for a, b in zip(compiled, eager, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert len(said) == 1
    # A model that is built by its first data looks at one sample then; two epochs of two batches and a validation,
    # an evaluation, a prediction, and a batch.
    seen = [each for each in seen if len(each[0]) > 1]
    assert [training for _, _, training in seen] == [True, True, False] * 2 + [False, False, True]
    assert [len(values) for values, _, _ in seen] == [8, 8, 4] * 2 + [20, 20, 20]
    for values, total, _ in seen:
        assert total == pytest.approx(values.sum(), abs=1e-4)


def test_python_may_branch_on_numbers_until_it_is_compiled(each_backend):
    class Branching(Layer):
        def call(self, inputs, training=None):
            if not training and K.max(inputs) > 100:
                return 0.0 * inputs
            return 2.0 * inputs

    model = Sequential([Branching(), Dense(4, use_bias=False, kernel_initializer="ones")])
    model.compile(SGD(lr=0.0), "mse", run_eagerly=True)
    with pytest.warns(UserWarning, match="'sequential_1' is compiled with run_eagerly=True.*slow"):
        np.testing.assert_allclose(model.predict_on_batch(X), 2 * X.sum(1, keepdims=True).repeat(4, 1), rtol=1e-4)
    assert not model.predict_on_batch(X + 200).any()
    assert model.train_on_batch(X + 200, X) > 1e5
    weights = model.get_weights()
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="known only when a program runs"):
        model.train_on_batch(X, X)
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])


def test_looking_at_noise_does_not_change_it(each_backend):
    looked = []

    class Drop(Dropout):
        def call(self, inputs, training=None):
            outputs = super().call(inputs, training=training)
            looked.append((np.asarray(outputs), K.eval(outputs)))
            return outputs

    model = Sequential([Drop(0.5), Dense(1, kernel_initializer="ones")])
    model.compile(SGD(lr=0.0), lambda t, p: K.sum(p, axis=-1), run_eagerly=True)
    with pytest.warns(UserWarning, match="slow"):
        losses = [model.train_on_batch(X, Y) for _ in range(2)]
    for loss, (first, second) in zip(losses, looked[-2:], strict=True):
        np.testing.assert_array_equal(first, second)
        assert loss == pytest.approx(first.sum(1).mean(), rel=1e-4, abs=1e-5)
    assert abs(losses[0] - losses[1]) > 1e-3


def test_states_and_optimizers_of_ones_own(each_backend):
    class Plain(Optimizer):
        """In the manner of Keras 1."""

        def get_updates(self, params, constraints, loss):
            self.updates = [(p, p - 0.1 * g) for p, g in zip(params, K.gradients(loss, params), strict=True)]
            return self.updates

    def losses(eager):
        np.random.seed(4)
        model = Sequential([SimpleRNN(3, stateful=True, batch_input_shape=(5, 2, 2)), Dense(1)])
        model.compile(Plain(), "mse", run_eagerly=eager)
        x = X.reshape(10, 2, 4)[..., :2]
        return [model.train_on_batch(x[i : i + 5], Y[i : i + 5]) for i in (0, 5, 0)] + [*model.predict(x, 5)[:, 0]]

    compiled = losses(False)
    with pytest.warns(UserWarning, match="slow"):
        eager = losses(True)
    np.testing.assert_allclose(compiled, eager, rtol=1e-4)
