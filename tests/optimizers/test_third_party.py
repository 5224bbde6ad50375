"""Optimizers written by others for Keras 1 and 2: numbers beside NumPy, training, callbacks, saving."""

from __future__ import annotations

import json

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import callbacks, lookup, optimizers
from multikeras.layers import Dense
from multikeras.models import Sequential
from tests.optimizers import third_party

START = np.array([[1.0, -2.0], [0.5, 3.0]], "float32")


def stepped(optimizer, steps, rates=(2.0, 6.0)):
    """Where the rows of START are after some steps down rate / 2 times x², each row a variable of its own."""
    variables = [K.variable(row, name=f"row_{i}") for i, row in enumerate(START)]
    loss = sum(K.sum(K.square(v)) * (rate / 2) for v, rate in zip(variables, rates, strict=True))
    updates = [u for u in optimizer.get_updates(loss, variables) if u is not None]
    step = K.function([], [loss], updates)
    for _ in range(steps):
        step([])
    return np.array(K.batch_get_value(variables))


def plain(steps, lr=0.1, rates=(2.0, 6.0), momentum=0.0, multipliers=(1.0, 1.0), decay=0.0):
    x, v = START.astype("float64"), np.zeros_like(START, "float64")
    slope, factor = np.array(rates)[:, None], np.array(multipliers)[:, None]
    for t in range(steps):
        v = momentum * v - lr / (1 + decay * t) * factor * slope * x
        x = x + v
    return x


def test_multiplied(each_backend):
    made = third_party.MultipliedSGD(lr=0.1, momentum=0.5, decay=0.2, multipliers={"row_1": 0.25})
    expected = plain(5, momentum=0.5, decay=0.2, multipliers=(1.0, 0.25))
    np.testing.assert_allclose(stepped(made, 5), expected, rtol=1e-5)
    assert int(K.get_value(made.iterations)) == 5
    made.lr = 0.5
    assert float(K.get_value(made.learning_rate)) == 0.5
    assert made.get_config() == {
        "lr": 0.5,
        "momentum": 0.5,
        "decay": pytest.approx(0.2),
        "multipliers": {"row_1": 0.25},
    }


def test_slow_weights(each_backend):
    found = stepped(third_party.SlowWeights(optimizers.SGD(lr=0.1), sync_period=3), 7)
    fast = slow = START.astype("float64")
    for step in range(1, 8):
        fast = fast - 0.1 * np.array([[2.0], [6.0]]) * fast
        if step % 3 == 0:
            fast = slow = slow + 0.5 * (fast - slow)
    np.testing.assert_allclose(found, fast, rtol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adamax", "nadam", "adagrad", "adadelta", "adamw"])
def test_slow_weights_around_every_optimizer(name):
    """With a step of 1 they change nothing."""
    np.testing.assert_allclose(
        stepped(third_party.SlowWeights(name, slow_step=1.0), 4), stepped(optimizers.get(name), 4), rtol=1e-5
    )


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_accumulated(each_backend, name):
    """Two steps of half the gradient are one of the whole; the other optimizer has counted half as many."""
    inner = optimizers.get(name)
    found = stepped(third_party.Accumulated(inner, 2), 6)
    np.testing.assert_allclose(found, stepped(optimizers.get(name), 3), rtol=1e-4)
    assert int(K.get_value(inner.iterations)) == 3


def test_signed(each_backend):
    found = stepped(third_party.Signed(lr=0.25), 2)
    np.testing.assert_allclose(found, START - 0.5 * np.sign(START), rtol=1e-6)


def test_extended(each_backend):
    made = third_party.NoisyAdam(lr=0.1)
    np.testing.assert_allclose(stepped(made, 3), stepped(optimizers.Adam(lr=0.1), 3), rtol=1e-6)
    assert float(K.get_value(made.seen)) == 3
    assert (stepped(third_party.NoisyAdam(noise=3.0, lr=0.1), 3) < stepped(optimizers.Adam(lr=0.1), 3)).any()


# -- forms of get_updates ------------------------------------------------------------------------


FORMS = {
    "loss_params": lambda o, loss, params: o.get_updates(loss, params),
    "keywords": lambda o, loss, params: o.get_updates(params=params, loss=loss),
    "keras_1": lambda o, loss, params: o.get_updates(params, [], loss),
    "keras_1_dictionary": lambda o, loss, params: o.get_updates(params, {}, loss),
    "keras_1_keywords": lambda o, loss, params: o.get_updates(params=params, constraints={}, loss=loss),
    "params_loss": lambda o, loss, params: o.get_updates(params, loss),
    "params_named_loss": lambda o, loss, params: o.get_updates(params, loss=loss),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [optimizers.SGD, third_party.Signed, third_party.MultipliedSGD])
def test_either_form_is_called_in_either(kind, form):
    w = K.variable([1.0, -1.0])
    K.function([], [], FORMS[form](kind(lr=0.5), K.sum(w * w) / 2, [w]))([])
    np.testing.assert_allclose(K.get_value(w), [0.5, -0.5])


@pytest.mark.parametrize("kind", [optimizers.SGD, third_party.Signed])
@pytest.mark.parametrize("listed", [False, True])
def test_constraints_of_the_first_form(kind, listed):
    w, b = K.variable([1.0, -1.0]), K.variable([1.0, -1.0])

    def at_least(x):
        return K.maximum(x, -0.25)

    constraints = [None, at_least] if listed else {b: at_least}
    K.function([], [], kind(lr=0.5).get_updates([w, b], constraints, K.sum(w * w + b * b) / 2))([])
    np.testing.assert_allclose(K.batch_get_value([w, b]), [[0.5, -0.5], [0.5, -0.25]])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda o, w: o.get_updates([w]), TypeError, r"SGD.get_updates takes \(loss, params\).*missing: loss"),
        (lambda o, w: o.get_updates(K.sum(w)), TypeError, "missing: params"),
        (lambda o, w: o.get_updates(K.sum(w), w), TypeError, "received .* as well as loss"),
        (lambda o, w: o.get_updates(params=w, loss=K.sum(w)), TypeError, "params is a list of variables"),
        (lambda o, w: o.get_updates([w], [None, None], K.sum(w)), ValueError, "one for each of the 1 parameters"),
    ],
)
def test_calls_that_mean_nothing(call, error, text):
    with pytest.raises(error, match=text):
        call(optimizers.SGD(), K.variable([1.0]))


# -- in models -----------------------------------------------------------------------------------

MAKERS = {
    "multiplied": lambda: third_party.MultipliedSGD(lr=0.05, momentum=0.5, multipliers={"bias": 2.0}),
    "slow": lambda: third_party.SlowWeights("adam"),
    "accumulated": lambda: third_party.Accumulated(optimizers.Adam(lr=0.02), 2),
    "signed": lambda: third_party.Signed(lr=0.02),
    "extended": lambda: third_party.NoisyAdam(lr=0.02, clipnorm=1.0),
}


@pytest.mark.parametrize("name", MAKERS)
def test_training(name):
    np.random.seed(2)
    x = np.random.normal(size=(32, 4)).astype("float32")
    y = x @ np.array([[1.0], [-2.0], [0.5], [0.0]], "float32")
    model = Sequential([Dense(8, activation="tanh", input_shape=(4,), kernel_constraint="max_norm"), Dense(1)])
    model.compile(MAKERS[name](), "mse")
    rates = callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.9)
    history = model.fit(x, y, epochs=12, batch_size=8, verbose=0, callbacks=[rates]).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["lr"][1] == pytest.approx(history["lr"][0] * 0.9, rel=1e-5)


@pytest.mark.parametrize("name", ["multiplied", "slow", "extended"])
def test_configuration_and_state(name):
    made = MAKERS[name]()
    kinds = {kind.__name__: kind for kind in vars(third_party).values() if isinstance(kind, type)}
    with lookup.custom_object_scope(kinds):
        again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(made))))
    assert type(again) is type(made) and again.get_config() == made.get_config()
    stepped(made, 3)
    expected = made.get_weights()
    stepped(again, 1)
    again.set_weights(expected)
    for one, other in zip(again.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
