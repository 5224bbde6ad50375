"""Activations and their slopes in double precision beside PyTorch and formulas; every way to name one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from multikeras import activations, lookup
from multikeras import backend as K
from multikeras.layers import Activation, Dense, LeakyReLU, ReLU
from multikeras.models import Sequential

torch = pytest.importorskip("torch")
F = torch.nn.functional

#: No corners among them: slopes are compared too.
X = np.array([[-60.0, -3.7, -2.2, -0.9, -0.1], [1e-9, 0.3, 1.7, 4.1, 60.0]])

#: Name, arguments, and the same in PyTorch.
CASES = {
    "softmax": ("softmax", {}, lambda x: torch.softmax(x, -1)),
    "softmax_axis": ("softmax", {"axis": 0}, lambda x: torch.softmax(x, 0)),
    "elu": ("elu", {}, F.elu),
    "elu_alpha": ("elu", {"alpha": 0.3}, lambda x: F.elu(x, 0.3)),
    "selu": ("selu", {}, F.selu),
    "softplus": ("softplus", {}, lambda x: F.softplus(x, threshold=1e9)),
    "softsign": ("softsign", {}, F.softsign),
    "relu": ("relu", {}, F.relu),
    "relu_alpha": ("relu", {"alpha": 0.2}, lambda x: F.leaky_relu(x, 0.2)),
    "relu_max": ("relu", {"max_value": 3.0}, lambda x: x.clamp(0, 3)),
    "relu_threshold": ("relu", {"threshold": 1.0}, lambda x: F.threshold(x, 1.0, 0.0)),
    "relu_all": (
        "relu",
        {"alpha": 0.5, "max_value": 2.0, "threshold": -1.0},
        lambda x: torch.where(x < -1, 0.5 * (x + 1), x.clamp(max=2)),
    ),
    "tanh": ("tanh", {}, torch.tanh),
    "sigmoid": ("sigmoid", {}, torch.sigmoid),
    "hard_sigmoid": ("hard_sigmoid", {}, lambda x: (0.2 * x + 0.5).clamp(0, 1)),
    "hard_sigmoid_6": ("hard_sigmoid_6", {}, lambda x: (x / 6 + 0.5).clamp(0, 1)),
    "exponential": ("exponential", {}, torch.exp),
    "gelu": ("gelu", {}, F.gelu),
    "gelu_approximate": ("gelu", {"approximate": True}, lambda x: F.gelu(x, approximate="tanh")),
    "silu": ("silu", {}, F.silu),
    "swish": ("swish", {}, F.silu),
    "linear": ("linear", {}, lambda x: x),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_slope(each_backend, name):
    K.set_floatx("float64")
    function, arguments, other = CASES[name]
    x = torch.tensor(X, requires_grad=True)
    expected = other(x)
    factors = np.arange(1.0, 11).reshape(2, 5)
    (expected * torch.tensor(factors)).sum().backward()
    y = K.constant(X)
    made = getattr(activations, function)(y, **arguments)
    (slope,) = K.gradients(K.sum(made * K.constant(factors)), [y])
    np.testing.assert_allclose(K.eval(made), expected.detach().numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(K.eval(slope), x.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_the_table_names_all():
    assert {function for function, _, _ in CASES.values()} == set(activations._KNOWN)


@pytest.mark.parametrize("name", sorted(activations._KNOWN))
def test_by_name(name):
    found = activations.get(name)
    assert found is getattr(activations, name)
    assert activations.get(activations.serialize(found)) is found
    layer = Activation(name)
    assert Activation.from_config(json.loads(json.dumps(layer.get_config()))).activation is found


@pytest.mark.parametrize("made", [LeakyReLU(alpha=0.25), ReLU(max_value=0.5)])
def test_a_layer_as_activation(made):
    """It stands in configurations as layers do, and is found there again."""
    model = Sequential([Dense(3, activation=made, input_shape=(2,))])
    again = Sequential.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    x = np.random.default_rng(1).normal(size=(4, 2))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert (model.predict(x) <= 0.5).all() or isinstance(made, LeakyReLU)


def test_an_own_object():
    class Times:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, x):
            return self.factor * x

        def get_config(self):
            return {"factor": self.factor}

    config = json.loads(json.dumps(Dense(1, activation=Times(3.0)).get_config()))
    with lookup.custom_object_scope({"Times": Times}):
        assert Dense.from_config(config).activation.factor == 3


@pytest.mark.parametrize(
    ("identifier", "text"),
    [
        ("relu7", "Unknown activation 'relu7'. Did you mean 'relu'"),
        (5, "Cannot read 5 as activation: pass a name"),
        ({"class_name": "Unheard", "config": {}}, "Unknown activation 'Unheard'"),
        ({"alpha": 1}, "a dictionary with 'class_name' and 'config'"),
    ],
)
def test_refused(identifier, text):
    with pytest.raises(ValueError, match=text):
        activations.get(identifier)
    with pytest.raises(ValueError, match="Dense"):
        Dense(1, activation=identifier)
