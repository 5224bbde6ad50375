"""Regularizers: penalties and their slopes beside formulas, 16-bit types, names and configurations."""

from __future__ import annotations

import json

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import lookup, regularizers
from multikeras.layers import Dense
from multikeras.models import Sequential

X = np.array([[1.0, -2.0, 0.5], [3.0, -4.0, 0.25]])

CASES = {
    "l1": (regularizers.l1(0.3), 0.3, 0),
    "l2": (regularizers.l2(0.2), 0, 0.2),
    "l1_l2": (regularizers.l1_l2(l1=0.3, l2=0.2), 0.3, 0.2),
    "L1L2": (regularizers.L1L2(0.1), 0.1, 0),
    "none": (regularizers.L1L2(), 0, 0),
    "None": (regularizers.L1L2(l1=None, l2=0.5), 0, 0.5),
    "numpy": (regularizers.L1L2(l1=np.array(0.5), l2=np.float32(0.25)), 0.5, 0.25),
    "by name l1": (regularizers.get("l1"), 0.01, 0),
    "by name l2": (regularizers.get("l2"), 0, 0.01),
    "by name l1_l2": (regularizers.get("l1_l2"), 0.01, 0.01),
    "configuration": (regularizers.get({"class_name": "L1L2", "config": {"l1": 0.5, "l2": 0.0}}), 0.5, 0),
    "configuration of a later version": (regularizers.get({"class_name": "L2", "config": {"l2": 0.5}}), 0, 0.5),
    "function": (regularizers.get(lambda x: 0.5 * K.sum(K.abs(x))), 0.5, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_penalty_and_slope(each_backend, name):
    K.set_floatx("float64")
    regularizer, l1, l2 = CASES[name]
    x = K.constant(X)
    penalty = regularizer(x) + 0.0 * K.sum(x)
    np.testing.assert_allclose(K.eval(penalty), l1 * abs(X).sum() + l2 * (X**2).sum(), rtol=1e-12)
    (slope,) = K.gradients(penalty, [x])
    np.testing.assert_allclose(K.eval(slope), l1 * np.sign(X) + 2 * l2 * X, rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in CASES if name != "function"])
def test_configuration(name):
    regularizer = CASES[name][0]
    again = regularizers.deserialize(json.loads(json.dumps(regularizers.serialize(regularizer))))
    assert again.get_config() == regularizer.get_config()


def test_sixteen_bits(each_backend):
    """Squares and sums above the largest number, where the penalty itself is small."""
    x = K.constant(np.full((100,), 400.0), dtype="float16")
    penalty = regularizers.l2(1e-4)(x)
    assert K.dtype(penalty) == "float16"
    assert float(K.eval(penalty)) == 1600
    (slope,) = K.gradients(penalty, [x])
    np.testing.assert_allclose(K.eval(slope), np.full(100, 0.08, "float16"), rtol=2e-3)


def test_own_regularizer_in_a_model():
    class Farther(regularizers.Regularizer):
        def __init__(self, than):
            self.than = than

        def __call__(self, x):
            return K.sum(K.maximum(K.abs(x) - self.than, 0.0))

        def get_config(self):
            return {"than": self.than}

    layer = Dense(1, use_bias=False, kernel_initializer="ones", kernel_regularizer=Farther(0.25), input_shape=(4,))
    model = Sequential([layer])
    assert float(K.eval(model.losses[0])) == 3
    with lookup.custom_object_scope({"Farther": Farther}):
        again = Sequential.from_config(json.loads(json.dumps(model.get_config())))
    assert again.layers[0].kernel_regularizer.than == 0.25


def test_found_by():
    assert regularizers.get(None) is None
    assert isinstance(regularizers.get(regularizers.L1L2), regularizers.L1L2)
    made = regularizers.l1()
    assert regularizers.get(made) is made
    assert float(K.eval(regularizers.Regularizer()(K.ones((2,))))) == 0
    with pytest.raises(ValueError, match="Unknown regularizer 'l1_l3'. Did you mean 'l1_l2'"):
        regularizers.get("l1_l3")
    with pytest.raises(ValueError, match="Cannot read 0.01 as regularizer"):
        regularizers.get(0.01)
