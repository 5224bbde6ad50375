"""Constraints beside formulas, along every axis, in every type; names and configurations."""

from __future__ import annotations

import json

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import constraints
from multikeras.layers import Dense
from multikeras.models import Sequential

W = np.random.default_rng(5).normal(size=(3, 2, 4)) * np.array([0.1, 1, 3, 10])


def norms(w, axis):
    return np.sqrt((w * w).sum(axis, keepdims=True))


def max_norm(w, largest, axis=0):
    return w * np.minimum(norms(w, axis), largest) / (1e-7 + norms(w, axis))


def min_max_norm(w, low, high, rate, axis=0):
    n = norms(w, axis)
    return w * (rate * np.clip(n, low, high) + (1 - rate) * n) / (1e-7 + n)


CASES = {
    "max_norm": (constraints.MaxNorm(), lambda w: max_norm(w, 2)),
    "max_norm_axes": (constraints.MaxNorm(1.5, axis=[0, 1]), lambda w: max_norm(w, 1.5, (0, 1))),
    "max_norm_axis": (constraints.max_norm(max_value=0.5, axis=-1), lambda w: max_norm(w, 0.5, -1)),
    "non_neg": (constraints.NonNeg(), lambda w: np.maximum(w, 0)),
    "unit_norm": (constraints.UnitNorm(), lambda w: w / (1e-7 + norms(w, 0))),
    "unit_norm_axes": (constraints.unit_norm(axis=(1, 2)), lambda w: w / (1e-7 + norms(w, (1, 2)))),
    "min_max_norm": (constraints.MinMaxNorm(), lambda w: min_max_norm(w, 0, 1, 1)),
    "min_max_norm_rate": (
        constraints.MinMaxNorm(min_value=1.0, max_value=2.0, rate=0.3, axis=[0, 1]),
        lambda w: min_max_norm(w, 1, 2, 0.3, (0, 1)),
    ),
    "by name": (constraints.get("UnitNorm"), lambda w: w / (1e-7 + norms(w, 0))),
    "function": (constraints.get(lambda w: K.clip(w, -1, 1)), lambda w: np.clip(w, -1, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_values(each_backend, name):
    constraint, formula = CASES[name]
    K.set_floatx("float64")
    np.testing.assert_allclose(K.eval(constraint(K.constant(W))), formula(W), rtol=1e-10)
    narrow = W.astype("float16")
    made = constraint(K.constant(narrow, dtype="float16"))
    assert K.dtype(made) == "float16"
    np.testing.assert_allclose(K.eval(made), formula(narrow.astype("float64")), rtol=2e-3)


@pytest.mark.parametrize("name", [name for name in CASES if name != "function"])
def test_configuration(name):
    constraint = CASES[name][0]
    again = constraints.deserialize(json.loads(json.dumps(constraints.serialize(constraint))))
    assert type(again) is type(constraint)
    assert json.dumps(again.get_config()) == json.dumps(constraint.get_config())


def test_nothing_to_scale(each_backend):
    """Zeros stay zeros and do not become NaN."""
    for constraint in (constraints.MaxNorm(), constraints.UnitNorm(), constraints.MinMaxNorm(1.0, 2.0)):
        np.testing.assert_array_equal(K.eval(constraint(K.zeros((3, 2)))), np.zeros((3, 2)))


def test_norms_above_the_largest_number_of_sixteen_bits():
    w = K.constant(np.full((4, 1), 1000.0), dtype="float16")
    np.testing.assert_allclose(K.eval(constraints.MaxNorm(2.0)(w)), np.ones((4, 1)), rtol=1e-3)


def test_epsilon_counts_when_a_program_runs():
    made = constraints.UnitNorm()(K.constant([[3.0], [4.0]]))
    K.set_epsilon(5.0)
    np.testing.assert_allclose(K.eval(made), [[0.3], [0.4]], rtol=1e-6)


def test_weights_stay_within_bounds_in_training(each_backend):
    np.random.seed(4)
    x = np.random.normal(size=(16, 3))
    model = Sequential(
        [
            Dense(4, kernel_constraint=constraints.MaxNorm(0.5), bias_constraint="non_neg", input_shape=(3,)),
            Dense(1, kernel_constraint=constraints.MinMaxNorm(0.25, 0.75)),
        ]
    )
    model.compile("sgd", "mse")
    model.optimizer.lr = 0.5
    model.fit(x, 10 * x[:, :1] - 3, epochs=2, batch_size=8, verbose=0)
    first, bias, second, _ = model.get_weights()
    assert (norms(first, 0) <= 0.5 + 1e-5).all() and (bias >= 0).all()
    assert 0.25 - 1e-5 <= norms(second, 0)[0, 0] <= 0.75 + 1e-5


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: constraints.MaxNorm(-1), "MaxNorm: max_value is at least 0, received -1"),
        (lambda: constraints.MinMaxNorm(2.0, 1.0), "norms go from min_value to max_value, received 2.0 and 1.0"),
        (lambda: constraints.MinMaxNorm(rate=1.5), "MinMaxNorm: rate is a share from 0 to 1, received 1.5"),
        (lambda: constraints.get("unitnrm"), "Unknown constraint 'unitnrm'. Did you mean 'unitnorm'"),
        (lambda: constraints.get(2), "Cannot read 2 as constraint"),
    ],
)
def test_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()
    assert constraints.get(None) is None
