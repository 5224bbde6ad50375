"""Initializers: distributions beside SciPy's, equal bits on every backend, types, names and configurations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from multikeras import backend as K
from multikeras import initializers
from multikeras.layers import Dense, Input

SHAPE = (150, 100)
#: Numbers of inputs and outputs of SHAPE.
IN, OUT = SHAPE


def value(initializer, shape=SHAPE, dtype=None):
    return K.get_value(K.variable(initializer(shape, dtype=dtype) if dtype else initializer(shape), dtype=dtype))


def cut(deviation):
    """The normal distribution cut at two standard deviations that has this deviation after the cut."""
    return stats.truncnorm(-2, 2, scale=deviation / stats.truncnorm(-2, 2).std())


def even(deviation):
    limit = 3**0.5 * deviation
    return stats.uniform(-limit, 2 * limit)


#: What makes the numbers, and their distribution.
DISTRIBUTIONS = {
    "RandomNormal": (initializers.RandomNormal(1.0, 2.0, seed=1), stats.norm(1, 2)),
    "RandomUniform": (initializers.RandomUniform(-1.0, 3.0, seed=2), stats.uniform(-1, 4)),
    "TruncatedNormal": (initializers.TruncatedNormal(1.0, 2.0, seed=3), stats.truncnorm(-2, 2, 1, 2)),
    "glorot_uniform": (initializers.glorot_uniform(seed=4), even((2 / (IN + OUT)) ** 0.5)),
    "glorot_normal": (initializers.glorot_normal(seed=5), cut((2 / (IN + OUT)) ** 0.5)),
    "he_uniform": (initializers.he_uniform(seed=6), even((2 / IN) ** 0.5)),
    "he_normal": (initializers.he_normal(seed=7), cut((2 / IN) ** 0.5)),
    "lecun_uniform": (initializers.lecun_uniform(seed=8), even((1 / IN) ** 0.5)),
    "lecun_normal": (initializers.lecun_normal(seed=9), cut((1 / IN) ** 0.5)),
    "fan_out": (initializers.VarianceScaling(3.0, "fan_out", "normal", seed=10), cut((3 / OUT) ** 0.5)),
    "not cut": (
        initializers.VarianceScaling(2.0, "fan_avg", "untruncated_normal", seed=11),
        stats.norm(0, (4 / (IN + OUT)) ** 0.5),
    ),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name):
    """By Kolmogorov and Smirnov; the seeds are fixed, so that it is the same every time."""
    initializer, distribution = DISTRIBUTIONS[name]
    made = value(initializer).ravel().astype("float64")
    assert stats.kstest(made, distribution.cdf).pvalue > 0.01
    assert made.min() >= distribution.support()[0] - 1e-6 and made.max() <= distribution.support()[1] + 1e-6
    # Neighbours along both axes know nothing of each other.
    grid = (made - made.mean()).reshape(SHAPE) / made.std()
    for one, other in ((grid[1:], grid[:-1]), (grid[:, 1:], grid[:, :-1])):
        assert abs((one * other).mean()) < 4 / made.size**0.5


ALL = {
    **{name: initializer for name, (initializer, _) in DISTRIBUTIONS.items()},
    "Zeros": initializers.Zeros(),
    "Ones": initializers.Ones(),
    "Constant": initializers.Constant(0.3),
    "Orthogonal": initializers.Orthogonal(1.5, seed=12),
    "Identity": initializers.Identity(2.0),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name", ALL)
def test_equal_on_every_backend(each_backend, name, dtype):
    found = value(ALL[name], (5, 4), dtype)
    assert found.dtype == dtype and found.shape == (5, 4)
    with K.use_backend("numpy"):
        np.testing.assert_array_equal(found, value(ALL[name], (5, 4), dtype))


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"),
    [
        ((), 1, 1),
        ((9,), 3, 3),
        ((6, 8), 6, 8),
        ((5, 6, 8), 30, 40),
        ((3, 3, 6, 8), 54, 72),
        ((2, 2, 2, 6, 8), 48, 64),
    ],
)
def test_fans(shape, fan_in, fan_out):
    """The limit of uniform numbers tells the number of connections; kernels have their channels last."""
    for mode, fan in (("fan_in", fan_in), ("fan_out", fan_out), ("fan_avg", (fan_in + fan_out) / 2)):
        made = initializers.VarianceScaling(1.0, mode, "uniform", seed=1)
        drawn = np.asarray(value(made, shape))
        with K.use_backend("numpy"):
            shares = K.get_value(K.variable(K.random_uniform(shape, -1.0, 1.0, seed=1)))
        np.testing.assert_allclose(drawn, shares * (3 / fan) ** 0.5, rtol=1e-6)


def test_orthogonal_in_every_direction():
    for shape in ((30, 30), (40, 20), (20, 40), (3, 3, 4, 50)):
        made = value(initializers.Orthogonal(0.5, seed=3), shape, "float64").reshape(-1, shape[-1])
        small = made @ made.T if made.shape[0] < made.shape[1] else made.T @ made
        np.testing.assert_allclose(small, 0.25 * np.eye(len(small)), atol=1e-12)
    # The determinant has either sign: it is drawn from all of the group.
    signs = {round(float(np.linalg.det(value(initializers.Orthogonal(seed=s), (3, 3), "float64")))) for s in range(12)}
    assert signs == {-1, 1}


def test_nothing_is_drawn_before_it_is_needed(monkeypatch):
    """A layer that loads its weights from a file does not wait for orthogonal matrices."""
    monkeypatch.setattr(np.linalg, "qr", lambda matrix: pytest.fail("computed"))
    weight = K.variable(initializers.Orthogonal()((30, 30)))
    K.set_value(weight, np.zeros((30, 30)))
    np.testing.assert_array_equal(K.get_value(weight), np.zeros((30, 30)))


def test_evaluated_by_hand(each_backend):
    made = K.eval(initializers.Orthogonal(seed=1)((4, 3)))
    np.testing.assert_allclose(made.T @ made, np.eye(3), atol=1e-5)


def test_own_functions():
    """With a type or without, an array or a tensor as the result."""

    def ramp(shape, dtype=None):
        return K.reshape(K.arange(int(np.prod(shape)), dtype=dtype), shape)

    def plain(shape):
        return np.full(shape, 0.5)

    def named(shape, name=None):
        return K.ones(shape, name=name)

    for function, expected in ((ramp, [[0, 1], [2, 3]]), (plain, [[0.5] * 2] * 2), (named, np.ones((2, 2)))):
        layer = Dense(2, kernel_initializer=function)
        layer(Input((2,)))
        np.testing.assert_array_equal(K.get_value(layer.kernel), expected)
    with pytest.raises(ValueError, match=r"initializer of weight 'kernel'.*gave shape \(3,\), expected \(2, 2\)"):
        Dense(2, kernel_initializer=lambda shape: np.ones(3))(Input((2,)))


def test_own_class():
    class Checked(initializers.Initializer):
        def __init__(self, step=2):
            self.step = step

        def __call__(self, shape, dtype=None):
            return K.constant((np.indices(shape).sum(0) % self.step == 0).astype("float32"), dtype=dtype)

        def get_config(self):
            return {"step": self.step}

    config = json.loads(json.dumps(Dense(2, kernel_initializer=Checked(3)).get_config()))
    from multikeras.lookup import custom_object_scope

    with custom_object_scope({"Checked": Checked}):
        layer = Dense.from_config(config)
    layer(Input((3,)))
    np.testing.assert_array_equal(K.get_value(layer.kernel), [[1, 0], [0, 0], [0, 1]])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"class_name": "GlorotUniform", "config": {"seed": 3, "dtype": "float32"}},
            {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": 3},
        ),
        (
            {"class_name": "HeNormal", "config": {"seed": None}},
            {"scale": 2.0, "mode": "fan_in", "distribution": "normal", "seed": None},
        ),
        (
            {
                "class_name": "VarianceScaling",
                "config": {
                    "scale": 2.0,
                    "mode": "fan_out",
                    "distribution": "truncated_normal",
                    "seed": None,
                    "dtype": "float32",
                },
            },
            {"scale": 2.0, "mode": "fan_out", "distribution": "normal", "seed": None},
        ),
        ({"class_name": "Zeros", "config": {"dtype": "float32"}}, {}),
        ("lecun_normal", {"scale": 1.0, "mode": "fan_in", "distribution": "normal", "seed": None}),
        ("normal", {"mean": 0.0, "stddev": 0.05, "seed": None}),
        (initializers.Identity, {"gain": 1.0}),
    ],
)
def test_found_by(config, expected):
    """Also as files of later versions name them."""
    assert initializers.get(config).get_config() == expected


def test_configurations_are_those_of_keras_2():
    assert initializers.serialize(initializers.get("glorot_uniform")) == {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
    }
    assert initializers.serialize(initializers.get("zeros")) == {"class_name": "Zeros", "config": {}}


def test_an_array_as_the_first_value():
    kernel = np.arange(6.0).reshape(2, 3)
    made = initializers.Constant(kernel)
    np.testing.assert_array_equal(value(made, (2, 3)), kernel)
    again = initializers.deserialize(json.loads(json.dumps(initializers.serialize(made))))
    np.testing.assert_array_equal(value(again, (2, 3)), kernel)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: initializers.VarianceScaling(scale=0), "VarianceScaling: scale must be above zero, received 0"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode is 'fan_in', 'fan_out' or 'fan_avg', received 'fan'"),
        (lambda: initializers.VarianceScaling(distribution="x"), "'untruncated_normal' or 'uniform', received 'x'"),
        (
            lambda: initializers.Orthogonal()((3,)),
            r"Orthogonal makes weights of at least 2 axes, received shape \(3,\)",
        ),
        (lambda: initializers.Identity()((3, 3, 3)), r"Identity makes matrices, received shape \(3, 3, 3\)"),
        (lambda: initializers.Constant([1.0, 2.0])((3,)), "2 numbers cannot fill"),
        (lambda: initializers.get("glorot"), "Unknown initializer 'glorot'"),
        (lambda: initializers.get(0), "Cannot read 0 as initializer"),
    ],
)
def test_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()
    with pytest.raises(NotImplementedError, match=r"Initializer does not define __call__\(shape, dtype=None\)"):
        initializers.Initializer()((2,))
