"""Where optimizers go, with every option, beside Keras 3 in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from keras3_oracle import answers, request

from multikeras import backend as K
from multikeras import optimizers
from multikeras.optimizers import schedules

STEPS = 25
#: Where the two add epsilon at different places it is too small to matter.
TINY = 1e-14
_generator = np.random.default_rng(3)
START = [_generator.normal(size=shape) for shape in ((3, 4), (4,), (1, 1))]
#: Coefficients of each parameter's gradient: constant, linear, quadratic.
SLOPES = [(0.1, 2.0, 0.3), (0.0, 4.0, 0.3), (-1.0, 6.0, 0.0)]

#: Optimizer, its arguments, and those of Keras 3 where they differ; a pair of a name and arguments is a schedule.
CASES = {
    "sgd": ("SGD", {"learning_rate": 0.05}, {}),
    "sgd_momentum": ("SGD", {"learning_rate": 0.02, "momentum": 0.8}, {}),
    "sgd_nesterov": ("SGD", {"learning_rate": 0.02, "momentum": 0.8, "nesterov": True}, {}),
    "sgd_clipvalue": ("SGD", {"learning_rate": 0.05, "clipvalue": 0.5}, {}),
    "sgd_clipnorm": ("SGD", {"learning_rate": 0.05, "clipnorm": 0.7}, {"global_clipnorm": 0.7, "clipnorm": None}),
    "sgd_decay": (
        "SGD",
        {"learning_rate": 0.1, "decay": 0.05, "momentum": 0.5},
        {"decay": None, "learning_rate": ("InverseTimeDecay", (0.1, 1, 0.05))},
    ),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "epsilon": TINY}, {}),
    "rmsprop_decay": (
        "RMSprop",
        {"learning_rate": 0.02, "epsilon": TINY, "decay": 0.1},
        {"decay": None, "learning_rate": ("InverseTimeDecay", (0.02, 1, 0.1))},
    ),
    "adagrad": ("Adagrad", {"learning_rate": 0.1, "epsilon": TINY}, {"initial_accumulator_value": 0.0}),
    "rmsprop_under_root": (
        "RMSprop",
        {"learning_rate": 0.02, "epsilon": 1e-2, "epsilon_under_root": True},
        {"epsilon_under_root": None},
    ),
    "rmsprop_whole": (
        "RMSprop",
        {"learning_rate": 0.01, "epsilon": 1e-2, "momentum": 0.7, "centered": True, "epsilon_under_root": True},
        {"epsilon_under_root": None},
    ),
    "adagrad_whole": (
        "Adagrad",
        {"learning_rate": 0.1, "epsilon": 1e-2, "initial_accumulator_value": 0.1, "epsilon_under_root": True},
        {"epsilon_under_root": None},
    ),
    "adadelta": ("Adadelta", {"learning_rate": 0.7, "rho": 0.9, "epsilon": 1e-3}, {}),
    "adam": ("Adam", {"learning_rate": 0.03, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}, {}),
    "adam_amsgrad": ("Adam", {"learning_rate": 0.05, "beta_2": 0.8, "epsilon": 1e-4, "amsgrad": True}, {}),
    "adam_clipvalue": ("Adam", {"learning_rate": 0.03, "epsilon": 1e-4, "clipvalue": 0.3}, {}),
    "adam_schedule": ("Adam", {"learning_rate": ("ExponentialDecay", (0.05, 10, 0.5)), "epsilon": 1e-4}, {}),
    "adamw": ("AdamW", {"learning_rate": 0.03, "weight_decay": 0.2, "epsilon": 1e-4}, {}),
    "adamw_amsgrad": ("AdamW", {"learning_rate": 0.03, "weight_decay": 0.2, "epsilon": 1e-4, "amsgrad": True}, {}),
    "adamw_schedule": (
        "AdamW",
        {"learning_rate": ("CosineDecay", (0.05, 20)), "weight_decay": 0.2, "epsilon": 1e-4},
        {},
    ),
    "adamax": ("Adamax", {"learning_rate": 0.03, "beta_1": 0.8, "epsilon": 1e-4}, {}),
    "nadam": ("Nadam", {"learning_rate": 0.02, "epsilon": 1e-4, "schedule_decay": 1.0}, {"schedule_decay": None}),
}

SCHEDULES = {
    "exponential": ("ExponentialDecay", (0.1, 7, 0.5)),
    "exponential_stairs": ("ExponentialDecay", (0.1, 7, 0.5, True)),
    "inverse_time": ("InverseTimeDecay", (0.1, 7, 0.5)),
    "inverse_time_stairs": ("InverseTimeDecay", (0.1, 7, 0.5, True)),
    "piecewise": ("PiecewiseConstantDecay", ([3, 10], [1.0, 0.5, 0.1])),
    "piecewise_one": ("PiecewiseConstantDecay", ([5], [0.5, 0.1])),
    "polynomial": ("PolynomialDecay", (0.1, 9)),
    "polynomial_power": ("PolynomialDecay", (0.1, 9, 0.02, 0.5)),
    "polynomial_cycle": ("PolynomialDecay", (0.1, 9, 0.02, 2.0, True)),
    "cosine": ("CosineDecay", (0.1, 12)),
    "cosine_alpha": ("CosineDecay", (0.1, 12, 0.25)),
    "cosine_warm": ("CosineDecay", (0.01, 12, 0.1, "name", 0.2, 5)),
    "restarts": ("CosineDecayRestarts", (0.1, 4)),
    "restarts_all": ("CosineDecayRestarts", (0.1, 4, 1.5, 0.8, 0.1)),
    "restarts_equal": ("CosineDecayRestarts", (0.1, 4, 1.0, 0.5)),
}
TIMES = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13, 14, 17, 18, 19, 30]


def named(kind, arguments):
    """Positional arguments of a schedule as keywords."""
    made = getattr(schedules, kind)(*arguments)
    return {name: value for name, value in made.get_config().items() if name != "name"}


def questions():
    for name, (kind, config, changes) in CASES.items():
        merged = {key: value for key, value in {**config, **changes}.items() if value is not None}
        for key, value in merged.items():
            if isinstance(value, tuple):
                merged[key] = (f"optimizers.schedules.{value[0]}", named(*value))
        yield name, request("optimizer", f"optimizers.{kind}", merged, START, SLOPES, STEPS)
    for name, (kind, arguments) in SCHEDULES.items():
        yield name, request("schedule", f"optimizers.schedules.{kind}", named(kind, arguments), TIMES)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return answers(dict(questions()), tmp_path_factory)


def loss_of(variables):
    """A scalar whose gradients are the polynomials of `SLOPES`."""
    parts = [
        K.sum(a * v + b / 2 * K.square(v) + c / 3 * v * K.square(v))
        for v, (a, b, c) in zip(variables, SLOPES, strict=True)
    ]
    return parts[0] + parts[1] + parts[2]


@pytest.mark.parametrize("name", CASES)
def test_trajectories(each_backend, expected, name):
    K.set_floatx("float64")
    kind, config, _ = CASES[name]
    made = {
        key: getattr(schedules, value[0])(*value[1]) if isinstance(value, tuple) else value
        for key, value in config.items()
    }
    variables = [K.variable(value) for value in START]
    loss = loss_of(variables)
    step = K.function([], [loss], getattr(optimizers, kind)(**made).get_updates(loss, variables))
    for wanted in expected[name]:
        step([])
        for variable, value in zip(variables, wanted, strict=True):
            np.testing.assert_allclose(K.get_value(variable), value, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(each_backend, expected, name):
    K.set_floatx("float64")
    kind, arguments = SCHEDULES[name]
    schedule = getattr(schedules, kind)(*arguments)
    step = K.placeholder((), dtype="int64")
    rate = K.function([step], [schedule(step)])
    # The root of what is left of 1 - 9 / 9 where XLA multiplies by 1 / 9.
    np.testing.assert_allclose([rate([t])[0] for t in TIMES], expected[name], rtol=1e-9, atol=1e-8)
    assert float(schedule(3)) == pytest.approx(expected[name][3], rel=1e-9)
