"""Parameters of 16 bits: slots and master copies of 32, and loss scaling."""

from __future__ import annotations

import json

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import optimizers
from multikeras.layers import Dense
from multikeras.models import Sequential

NAMES = ["SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "AdamW", "Adamax", "Nadam"]


def step_of(optimizer, variables, loss):
    return K.function([], [loss], optimizer.get_updates(loss, variables))


@pytest.mark.parametrize("name", NAMES)
def test_small_steps_add_up(each_backend, name):
    """Single steps are below half the distance of two numbers near 1; float16 alone would stand still."""
    half, single = K.variable(np.ones(3), dtype="float16"), K.variable(np.ones(3))
    slopes = K.constant([1.0, -1.0, 0.5])
    rate = 1e-4 if name != "Adadelta" else 0.05
    trained = []
    for variable in (half, single):
        optimizer = optimizers.get(name)
        optimizer.lr = rate
        step = step_of(optimizer, [variable], K.sum(K.cast(variable, "float32") * slopes))
        for _ in range(20):
            step([])
        trained.append(K.get_value(variable).astype("float64"))
        assert {K.dtype(w) for w in optimizer.weights[1:]} == {"float32"}
    assert (trained[0] != 1).all()
    np.testing.assert_allclose(trained[0], trained[1], atol=6e-4)
    # The copy itself is as good as training in 32 bits.
    np.testing.assert_allclose(K.get_value(single), trained[1])


def test_master_copy_follows_the_parameter(each_backend):
    """Whoever sets a weight between steps, from a file or by K.update, is not overruled."""
    half = K.variable([1.0, 2.0], dtype="float16")
    optimizer = optimizers.SGD(lr=2.0**-13)
    step = step_of(optimizer, [half], K.sum(K.cast(half, "float32")))
    step([])
    (master,) = optimizer._masters.values()
    np.testing.assert_array_equal(K.get_value(master), [1 - 2.0**-13, 2 - 2.0**-13])
    np.testing.assert_array_equal(K.get_value(half), [1, 2])
    K.set_value(half, [1.0, 5.0])
    for _ in range(7):
        step([])
    np.testing.assert_array_equal(K.get_value(master), [1 - 2.0**-10, 5 - 7 * 2.0**-13])
    np.testing.assert_array_equal(K.get_value(half), np.array([1 - 2.0**-10, 5], "float16"))


def test_constraints_act_on_the_master_copy():
    half = K.variable([0.5, -1.0], dtype="float16")
    half.constraint = lambda w: K.maximum(w, 0.0)
    optimizer = optimizers.SGD(lr=0.25)
    step = step_of(optimizer, [half], K.sum(K.cast(half, "float32")))
    for _ in range(3):
        step([])
    (master,) = optimizer._masters.values()
    np.testing.assert_array_equal(K.get_value(master), [0, 0])
    np.testing.assert_array_equal(K.get_value(half), [0, 0])


def test_state_with_and_without_master_copies():
    half = K.variable([1.0, 2.0], dtype="float16")
    optimizer = optimizers.Adam(lr=2.0**-12)
    step = step_of(optimizer, [half], K.sum(K.square(K.cast(half, "float32"))))
    for _ in range(3):
        step([])
    state, kept = optimizer.get_weights(), K.get_value(half)
    assert [w.shape for w in state] == [(), (2,), (2,), (1,), (2,)]
    step([])
    again = K.variable(kept, dtype="float16")
    other = optimizers.Adam(lr=2.0**-12)
    go_on = step_of(other, [again], K.sum(K.square(K.cast(again, "float32"))))
    other.set_weights(state)
    go_on([])
    for one, two in zip(other.get_weights(), optimizer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    K.set_value(again, kept)
    other.set_weights(state[:-1])
    go_on([])
    np.testing.assert_allclose(K.get_value(again).astype("float32"), kept, rtol=2e-3)


# -- loss scaling --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SGD", "Adam", "Nadam"])
def test_scaling_changes_nothing_but_what_is_too_small(each_backend, name):
    trained = []
    for scaled in (False, True):
        w = K.variable([1.0, 2.0])
        optimizer = optimizers.get(name)
        optimizer = optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer
        optimizer.lr = 0.125
        step = step_of(optimizer, [w], K.sum(K.square(w)))
        for _ in range(3):
            step([])
        assert float(K.get_value(optimizer.lr)) == 0.125 and int(K.get_value(optimizer.iterations)) == 3
        trained.append(K.get_value(w))
    np.testing.assert_allclose(*trained, rtol=1e-6)


def test_gradients_below_the_smallest_number(each_backend):
    """The product of two small factors is 0 in float16, and 2**-26 with scaling."""
    for scaled in (False, True):
        w = K.variable([0.0], dtype="float16")
        optimizer = optimizers.SGD(lr=2.0**20)
        optimizer = optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**10) if scaled else optimizer
        # Fed, since XLA multiplies constants with each other first.
        factors = [K.placeholder((1,), dtype="float16") for _ in range(2)]
        loss = K.sum(w * factors[0] * factors[1])
        K.function(factors, [loss], optimizer.get_updates(loss, [w]))([np.array([2.0**-13])] * 2)
        assert float(K.get_value(w)[0]) == (-(2.0**-6) if scaled else 0)


def test_factor_and_steps_left_out(each_backend):
    w = K.variable([1.0, 2.0], dtype="float16")
    slope = K.placeholder((2,), dtype="float16")
    inner = optimizers.SGD(lr=0.25, momentum=0.5)
    optimizer = optimizers.LossScaleOptimizer(inner, initial_scale=256.0, dynamic_growth_steps=2)
    loss = K.sum(w * slope)
    step = K.function([slope], [loss], optimizer.get_updates(loss, [w]))
    seen = []
    for value in ([1.0, 1.0], [np.inf, 1.0], [np.nan, 0.0], [1.0, 1.0], [1.0, 0.0]):
        step([np.array(value)])
        factor, steps = float(K.get_value(optimizer.scale)), int(K.get_value(optimizer.good_steps))
        seen.append((factor, steps, int(K.get_value(optimizer.iterations)), *K.get_value(w).tolist()))
    assert seen == [
        (256, 1, 1, 0.75, 1.75),
        (128, 0, 1, 0.75, 1.75),
        (64, 0, 1, 0.75, 1.75),
        (64, 1, 2, 0.375, 1.375),
        (128, 0, 3, -0.0625, 1.1875),
    ]
    assert len(optimizer.get_weights()) == len(inner.get_weights()) + 2


def test_limits_are_of_the_gradients_themselves():
    w = K.variable([0.0, 0.0])
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(lr=1.0, clipnorm=1.0))
    step_of(optimizer, [w], K.sum(w * K.constant([3.0, 4.0])))([])
    np.testing.assert_allclose(K.get_value(w), [-0.6, -0.8], rtol=1e-6)
    assert "get_gradients" not in optimizer.inner_optimizer.__dict__


def test_scaled_configuration():
    made = optimizers.LossScaleOptimizer("adam", initial_scale=8.0, dynamic_growth_steps=3)
    made.lr = 0.5
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(made))))
    assert again.get_config() == made.get_config()
    assert type(again.inner_optimizer) is optimizers.Adam and float(K.get_value(again.lr)) == 0.5
    with pytest.raises(ValueError, match="initial_scale is above 0, received 0"):
        optimizers.LossScaleOptimizer("sgd", initial_scale=0)
    with pytest.raises(ValueError, match="dynamic_growth_steps is at least 1"):
        optimizers.LossScaleOptimizer("sgd", dynamic_growth_steps=0)


def test_a_model_of_sixteen_bits(each_backend):
    np.random.seed(3)
    x = np.random.normal(size=(32, 4))
    y = x[:, :1] * 0.01
    K.set_floatx("float16")
    model = Sequential([Dense(4, activation="tanh", input_shape=(4,)), Dense(1)])
    model.compile(optimizers.LossScaleOptimizer(optimizers.Adam(lr=0.01)), "mse")
    history = model.fit(x, y, epochs=6, batch_size=8, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert {K.dtype(w) for w in model.weights} == {"float16"}
