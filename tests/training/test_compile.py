"""What `compile` fixes, and the errors of a model that does not fit what it is given."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import losses, metrics
from multikeras.layers import BatchNormalization, Dense, Input
from multikeras.models import Model, Sequential
from multikeras.optimizers import SGD, Optimizer

X = np.random.default_rng(1).normal(size=(12, 4)).astype("float32")
Y = np.eye(3, dtype="float32")[np.arange(12) % 3]


def two_layers():
    return Sequential([Dense(3, input_shape=(4,)), Dense(3, activation="softmax")])


def test_what_is_trainable_is_fixed(each_backend):
    """A GAN's way: the discriminator, compiled first, goes on training what the other model does not."""
    inner = Sequential([Dense(3, input_shape=(4,))])
    inner.compile(SGD(lr=0.5), "mse")
    inner.trainable = False
    outer = Sequential([Dense(4, input_shape=(4,)), inner])
    outer.compile(SGD(lr=0.5), "mse")
    before = inner.get_weights()
    outer.train_on_batch(X, Y)
    for old, new in zip(before, inner.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    inner.train_on_batch(X, Y)
    assert not np.allclose(before[0], inner.get_weights()[0])


def test_flags_count_from_compile_also_before_building(each_backend):
    model = Sequential([Dense(3), Dense(3)])
    model.layers[0].trainable = False
    model.compile(SGD(lr=0.5), "mse")
    model.layers[0].trainable, model.layers[1].trainable = True, False
    model.fit(X, Y, verbose=0, shuffle=False)
    first, second = model.layers
    kept = [w.copy() for w in (first.get_weights()[0], second.get_weights()[0])]
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(first.get_weights()[0], kept[0])
    assert not np.allclose(second.get_weights()[0], kept[1])
    assert (first.trainable, second.trainable) == (True, False)


def test_compile_again_begins_with_a_new_state():
    model = two_layers()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    old = model.optimizer
    model.compile("adam", "mse")
    assert model.optimizer is not old
    assert int(K.get_value(model.optimizer.iterations)) == 0


def test_layers_added_after_compile():
    model = two_layers()
    model.compile("sgd", "mse")
    model.add(Dense(3))
    with pytest.raises(RuntimeError, match="compile again"):
        model.fit(X, Y, verbose=0)
    assert model.predict(X).shape == (12, 3)
    model.add(Dense(7))
    assert model.predict(X).shape == (12, 7)


def test_not_compiled():
    model = two_layers()
    for use in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(RuntimeError, match="not compiled.*compile first"):
            use(X, Y)
    assert model.predict(X).shape == (12, 3)
    assert model.optimizer is None and model.metrics_names == []


def test_integer_targets_with_categorical_crossentropy():
    model = two_layers()
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError) as error:
        model.fit(np.zeros((1536, 4)), np.zeros((1536, 1), int), verbose=0)
    text = str(error.value)
    for part in (
        "You are passing a target array of shape (1536, 1) while using as loss `categorical_crossentropy`",
        "binary matrices (1s and 0s) of shape (samples, classes)",
        "from multikeras.utils.np_utils import to_categorical",
        "y_binary = to_categorical(y_int)",
        "sparse_categorical_crossentropy",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("x", "y", "match"),
    [
        (X, Y[:, :2], r"target of 'dense_2'.*\(None, 3\).*`mean_squared_error`.*\(12, 2\)"),
        (X[:, :3], Y, r"input of 'dense_1_input'.*\(None, 4\).*\(12, 3\)"),
        (X, Y[:10], "inputs 12; targets 10"),
        (X, None, "expects 1 target"),
        ([X, X], Y, "one input.*list of 2"),
        ({"wrong": X}, Y, "'dense_1_input'.*'wrong'"),
        (X[:0], Y[:0], "no samples"),
        (np.array([["a"] * 4] * 12), Y, "expected.*numbers"),
        ([[1, 2], [3]], Y, "different lengths"),
        ((x for x in [X]), Y, "`y` cannot be given with a generator"),
        ({"dense_1_input": (x for x in [X])}, Y, r"generator.*only data.*fit\(generator, steps_per_epoch"),
    ],
)
def test_data_that_does_not_fit(x, y, match):
    model = two_layers()
    model.compile("sgd", "mse")
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(x, y, verbose=0)


def test_arguments_that_do_not_fit():
    model = two_layers()
    a = Input((4,))
    several = Model(a, [Dense(1, name="p")(a), Dense(1, name="q")(a)])
    with pytest.raises(ValueError, match="Unknown loss"):
        model.compile("sgd", "mes")
    with pytest.raises(ValueError, match="no loss"):
        model.compile("sgd")
    with pytest.raises(ValueError, match="2.*p, q.*received 1"):
        several.compile("sgd", ["mse"])
    with pytest.raises(ValueError, match=r"\['r'\]"):
        several.compile("sgd", {"p": "mse", "q": "mse", "r": "mse"})
    with pytest.warns(UserWarning, match=r"\['q'\]"):
        several.compile("sgd", {"p": "mse"})
    with pytest.raises(ValueError, match="'q' has metrics and no loss"), pytest.warns(UserWarning, match="No loss"):
        several.compile("sgd", {"p": "mse"}, metrics={"q": "mae"})
    with pytest.raises(TypeError, match="`metrics` is a list"):
        model.compile("sgd", "mse", metrics="accuracy")
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="batch_size"):
        model.fit(X, Y, batch_size=0)
    with pytest.raises(ValueError, match="shuffle"):
        model.fit(X, Y, shuffle="yes")
    with pytest.raises(ValueError, match="leaves 0 for"):
        model.fit(X[:1], Y[:1], validation_split=0.5)
    with pytest.raises(ValueError, match="validation_data"):
        model.fit(X, Y, validation_data=X)
    with pytest.raises(TypeError, match="CallbackList|instances of"):
        model.fit(X, Y, callbacks=[metrics])


def test_batches_of_a_fixed_size():
    model = Sequential([Dense(3, batch_input_shape=(4, 4))])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert model.predict(X).shape == (12, 3)
    with pytest.raises(ValueError, match="batch size of 4, so.*multiple of 4; received 10"):
        model.fit(X[:10], Y[:10], verbose=0)
    with pytest.raises(ValueError, match="batch_size=3"):
        model.predict(X, batch_size=3)


def test_losses_and_metrics_of_ones_own(each_backend):
    def twice(y_true, y_pred):
        return 2 * K.mean(K.square(y_true - y_pred), axis=-1)

    class Scalar(losses.Loss):
        def call(self, y_true, y_pred):
            return K.mean(K.square(y_true - y_pred))

    def level(y_true, y_pred):
        return K.mean(y_pred)

    found = {}
    model = two_layers()
    for loss in ("mse", twice, Scalar(), losses.MeanSquaredError(), losses.MeanSquaredError(reduction="sum")):
        model.compile(SGD(lr=0.0), loss, metrics=[level, "mae", metrics.MeanSquaredError(name="m")])
        found[loss] = model.test_on_batch(X, Y)
    assert model.metrics_names == ["loss", "level", "mae", "m"]
    plain = ((model.predict(X) - Y) ** 2).mean()
    for value, factor in zip(found.values(), (1, 2, 1, 1, 12), strict=True):
        assert value[0] == pytest.approx(plain * factor, rel=1e-5)
        assert value[1] == pytest.approx(1 / 3, rel=1e-5)
        assert value[3] == pytest.approx(plain, rel=1e-5)


def test_an_optimizer_of_keras_1(each_backend):
    class Old(Optimizer):
        def __init__(self, lr=0.1):
            super().__init__()
            self.lr = K.variable(lr)
            self.calls = 0

        def get_updates(self, params, constraints, loss):
            self.calls += 1
            gradients = self.get_gradients(loss, params)
            self.updates = [(p, p - self.lr * g) for p, g in zip(params, gradients, strict=True)]
            assert constraints == {}
            self.updates.append(None)
            return self.updates

    old, new = Sequential([Dense(1, input_shape=(4,))]), Sequential([Dense(1, input_shape=(4,))])
    new.set_weights(old.get_weights())
    optimizer = Old()
    old.compile(optimizer, "mse")
    new.compile(SGD(lr=0.1), "mse")
    for model in (old, new):
        model.fit(X, Y[:, :1], epochs=2, shuffle=False, verbose=0)
    model.train_on_batch(X, Y[:, :1])
    old.train_on_batch(X, Y[:, :1])
    np.testing.assert_allclose(old.get_weights()[0], new.get_weights()[0], rtol=1e-5)
    assert optimizer.calls == 1


def test_models_die_with_their_last_user():
    """Without the cyclic collector, after training: a circle would keep the arrays of a GPU."""
    gc.collect()
    gc.disable()
    try:
        model = two_layers()
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        model.fit(X, Y, validation_split=0.25, verbose=0)
        model.predict(X)
        model.evaluate(X, Y, verbose=0)
        dead = weakref.ref(model)
        del model
        assert dead() is None
    finally:
        gc.enable()


def test_moving_averages_move_in_training_alone(each_backend):
    model = Sequential([BatchNormalization(momentum=0.5, input_shape=(4,)), Dense(3)])
    model.compile(SGD(lr=0.0), "mse")
    mean = model.layers[0].get_weights()[2]
    model.evaluate(X, Y, verbose=0)
    model.predict(X)
    np.testing.assert_array_equal(model.layers[0].get_weights()[2], mean)
    model.fit(X, Y, batch_size=12, verbose=0)
    np.testing.assert_allclose(model.layers[0].get_weights()[2], 0.5 * X.mean(0), rtol=1e-4, atol=1e-6)
