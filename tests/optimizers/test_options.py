"""Optimizers: schedules, weight decay, states of other versions, copies, look-up tables, and what is refused."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import optimizers
from multikeras.layers import Dense
from multikeras.models import Sequential
from multikeras.optimizers import schedules

NAMES = ["SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "AdamW", "Adamax", "Nadam"]


def step_of(optimizer, variables, loss):
    return K.function([], [loss], optimizer.get_updates(loss, variables))


# -- learning rates ------------------------------------------------------------------------------


def test_schedule_as_the_rate(each_backend):
    schedule = schedules.PiecewiseConstantDecay([1], [0.5, 0.25])
    optimizer = optimizers.SGD(learning_rate=schedule)
    w = K.variable([0.0])
    step = step_of(optimizer, [w], K.sum(w))
    seen = []
    for _ in range(4):
        rate = float(K.get_value(optimizer.lr))
        step([])
        seen.append((rate, float(K.get_value(w)[0])))
    assert seen == [(0.5, -0.5), (0.5, -1.0), (0.25, -1.25), (0.25, -1.5)]


@pytest.mark.parametrize("name", NAMES)
def test_schedule_in_the_configuration(name):
    made = getattr(optimizers, name)(learning_rate=schedules.CosineDecay(0.5, 4, alpha=0.25))
    config = json.loads(json.dumps(optimizers.serialize(made)))
    assert config["config"]["learning_rate"]["class_name"] == "CosineDecay"
    again = optimizers.deserialize(config)
    assert again.get_config() == made.get_config()
    K.set_value(again.iterations, 2)
    assert float(K.get_value(again.lr)) == pytest.approx(0.5 * (0.75 * 0.5 + 0.25))


def test_own_schedule():
    class Halved(schedules.LearningRateSchedule):
        def __call__(self, step):
            return K.pow(0.5, K.cast(step, "float32"))

    w = K.variable([0.0])
    optimizer = optimizers.SGD(Halved())
    step = step_of(optimizer, [w], K.sum(w))
    for _ in range(3):
        step([])
    assert float(K.get_value(w)[0]) == -1.75
    with pytest.raises(NotImplementedError, match="Halved does not define get_config"):
        optimizer.get_config()


def test_a_tensor_as_the_rate():
    """A variable shared by two optimizers, or anything made of one."""
    rate, w = K.variable(0.5), K.variable([0.0])
    first, second = optimizers.SGD(lr=rate), optimizers.SGD(lr=rate * 2.0)
    assert first.lr is rate
    step_of(first, [w], K.sum(w))([])
    step_of(second, [w], K.sum(w))([])
    assert float(K.get_value(w)[0]) == -1.5
    assert second.get_config()["learning_rate"] == 1


def test_a_schedule_in_fit():
    model = Sequential([Dense(1, use_bias=False, kernel_initializer="zeros", input_shape=(1,))])
    model.compile(optimizers.SGD(schedules.ExponentialDecay(0.25, 1, 0.5)), lambda t, p: -p)
    model.fit(np.ones((3, 1)), np.ones((3, 1)), batch_size=1, verbose=0)
    assert float(model.get_weights()[0][0, 0]) == 0.25 + 0.125 + 0.0625


# -- weight decay --------------------------------------------------------------------------------


def test_weights_without_decay():
    kernel, bias, other = K.variable([1.0], name="kernel"), K.variable([1.0], name="bias"), K.variable([1.0])
    optimizer = optimizers.AdamW(lr=0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[other], var_names=["bias"])
    step_of(optimizer, [kernel, bias, other], K.sum(kernel + bias + other) * 0.0)([])
    assert [float(v[0]) for v in K.batch_get_value([kernel, bias, other])] == [0.75, 1, 1]
    with pytest.raises(RuntimeError, match="call it before training"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])
    assert optimizers.get("adamw").get_config().get("exclude") is None
    assert optimizers.AdamW.from_config(optimizer.get_config())._excluded_names == ["bias"]


# -- state ---------------------------------------------------------------------------------------


def slots_of(count):
    return [np.full((2,), float(i), "float32") for i in range(1, count + 1)]


#: Optimizer, what an older version kept beside its slots, the number of slots, and the state as it is here.
OLDER = {
    "rmsprop_2.2": ("RMSprop", lambda s: s, 1, lambda s: [0, *s]),
    "adagrad_2.2": ("Adagrad", lambda s: s, 1, lambda s: [0, *s]),
    "adadelta_2.2": ("Adadelta", lambda s: s, 2, lambda s: [0, *s]),
    "adam_1": ("Adam", lambda s: [7.0, *s], 2, lambda s: [7, *s, np.zeros(1)]),
    "adam_2.3": ("Adam", lambda s: [7, *s, np.zeros(1)], 2, lambda s: [7, *s, np.zeros(1)]),
    "nadam_2.2": ("Nadam", lambda s: [7, *s], 2, lambda s: [7, 1.0, *s]),
    "nadam_2.3": ("Nadam", lambda s: [7, 0.5, *s], 2, lambda s: [7, 0.5, *s]),
}


@pytest.mark.parametrize("name", OLDER)
def test_states_of_other_versions(name):
    kind, written, count, expected = OLDER[name]
    optimizer = getattr(optimizers, kind)()
    w = K.variable([1.0, 2.0])
    step_of(optimizer, [w], K.sum(w))
    slots = slots_of(count)
    optimizer.set_weights(written(slots))
    for one, other in zip(optimizer.get_weights(), expected(slots), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("SGD", [(), (2,), (3,)]),
        ("RMSprop", [(), (2,), (3,)]),
        ("Adagrad", [(), (2,), (3,)]),
        ("Adadelta", [(), (2,), (3,), (2,), (3,)]),
        ("Adam", [(), (2,), (3,), (2,), (3,), (1,), (1,)]),
        ("Adamax", [(), (2,), (3,), (2,), (3,)]),
        ("Nadam", [(), (), (2,), (3,), (2,), (3,)]),
    ],
)
def test_order_of_the_state(name, shapes):
    """As files of Keras 2.3 have it: the counter, then all slots of one kind, then those of the next."""
    optimizer = optimizers.get(name)
    a, b = K.variable(np.ones(2)), K.variable(np.ones(3))
    step_of(optimizer, [a, b], K.sum(a) + K.sum(b))
    assert [w.shape for w in optimizer.get_weights()] == shapes
    assert optimizer.weights[0] is optimizer.iterations


@pytest.mark.parametrize("rate", [0.1, schedules.InverseTimeDecay(0.1, 2, 1.0)])
@pytest.mark.parametrize("name", ["SGD", "Nadam", "AdamW"])
def test_copies_have_a_state_of_their_own(name, rate):
    made = getattr(optimizers, name)(rate)
    w = K.variable([1.0, 2.0])
    step_of(made, [w], K.sum(K.square(w)))([])
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert copied.get_config() == made.get_config()
        for one, other in zip(copied.get_weights(), made.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        assert not {id(v) for v in copied.weights} & {id(v) for v in made.weights}
        state = copied.get_weights()
        again = K.variable(K.get_value(w))
        step = step_of(copied, [again], K.sum(K.square(again)))
        copied.set_weights(state)
        step([])
        assert [int(K.get_value(o.iterations)) for o in (copied, made)] == [2, 1]
        if not isinstance(rate, float):
            assert float(K.get_value(copied.lr)) == pytest.approx(0.05)
            assert float(K.get_value(made.lr)) == pytest.approx(0.1 / 1.5)


# -- rows that no batch looks up, and speed ------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_look_up_tables(each_backend, name):
    """Gradients of a look-up are dense: rows that are not looked up move with their slots, as others do."""
    start = np.random.default_rng(4).normal(size=(5, 2)).astype("float32")
    table, dense = K.variable(start), K.variable(start)
    rows, hot = K.constant([1, 3, 3], dtype="int32"), K.constant(np.eye(5)[[1, 3, 3]])
    trained = []
    for variable, picked in ((table, K.gather(table, rows)), (dense, K.dot(hot, dense))):
        optimizer = optimizers.get(name)
        optimizer.lr = 0.125
        step = step_of(optimizer, [variable], K.sum(K.square(picked - 1.0)))
        for _ in range(3):
            step([])
        trained.append(K.get_value(variable))
    np.testing.assert_allclose(*trained, rtol=1e-5, atol=1e-6)
    assert (trained[0][3] != start[3]).any()


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam"])
def test_steps_write_in_place(name):
    """One call of the kernel for all parameters, into their memory; a constraint costs its own parameter alone."""
    with K.use_backend("numpy"):
        a, b, bound = K.variable(np.ones(2)), K.variable(np.ones(3)), K.variable(np.ones(4))
        bound.constraint = lambda w: K.maximum(w, 0.0)
        step = step_of(optimizers.get(name), [a, b, bound], K.sum(a) + K.sum(b) + K.sum(bound))
        step([])
        text = str(step.explain())
    kernel = f"{name.lower()}_update"
    calls = [line for line in text.splitlines() if kernel in line]
    assert sum("in_place=True" in line for line in calls) == 1, text
    assert sum("in_place=False" in line for line in calls) == 1, text


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: optimizers.SGD(clipnorm=-1.0), ValueError, "SGD: clipnorm is at least 0, received -1.0"),
        (lambda: optimizers.Adam(learning_rate="fast"), TypeError, "learning_rate is a number, a schedule or a tensor"),
        (lambda: optimizers.Adam(beta_1=None), TypeError, "Adam: beta_1 is a number or a tensor, received None"),
        (
            lambda: optimizers.SGD(schedules.CosineDecay(0.1, 3), decay=0.1),
            ValueError,
            "SGD takes a schedule or a decay, not both",
        ),
        (
            lambda: setattr(optimizers.SGD(schedules.CosineDecay(0.1, 3)), "lr", 0.1),
            ValueError,
            "SGD: learning_rate follows a schedule, so that a number cannot be set",
        ),
        (lambda: optimizers.AdamW(weight_decay=-1), ValueError, "AdamW: weight_decay is at least 0, received -1"),
        (lambda: optimizers.Optimizer().get_updates(0, []), NotImplementedError, "Optimizer does not define"),
        (lambda: schedules.CosineDecay(0.1, 0), ValueError, "CosineDecay: decay_steps is above 0, received 0"),
        (lambda: schedules.CosineDecay(0.1, 2, warmup_steps=-1), ValueError, "warmup_steps is at least 0"),
        (lambda: schedules.CosineDecayRestarts(0.1, 0), ValueError, "first_decay_steps is above 0"),
        (lambda: schedules.CosineDecayRestarts(0.1, 2, t_mul=0.5), ValueError, "t_mul is at least 1, received 0.5"),
        (lambda: schedules.PiecewiseConstantDecay([1], [1.0]), ValueError, "one rate more than boundaries"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [1.0, 1, 1]), ValueError, "boundaries rise"),
        (lambda: schedules.LearningRateSchedule()(1), NotImplementedError, "does not define __call__"),
        (
            lambda: schedules.deserialize({"class_name": "CosinDecay", "config": {}}),
            ValueError,
            "Unknown learning-rate schedule 'CosinDecay'. Did you mean 'CosineDecay'",
        ),
    ],
)
def test_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
