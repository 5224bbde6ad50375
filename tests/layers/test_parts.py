"""Initializers, regularizers, constraints, activations and the look-up they share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import activations, constraints, initializers, lookup, regularizers
from multikeras import backend as K
from multikeras.layers import Dense, Input

SHAPES = {"Identity": (40, 30), "identity": (40, 30)}


def value(initializer: Any, shape: tuple[int, ...]) -> np.ndarray:
    return K.get_value(K.variable(initializer(shape, dtype="float32")))


@pytest.mark.parametrize("name", sorted(set(initializers._KNOWN) - {"Initializer"}))
def test_initializers_by_name(name: str) -> None:
    initializer = initializers.get(name)
    config = initializers.serialize(initializer)
    again = initializers.deserialize(config)
    assert again.get_config() == initializer.get_config()
    made = value(initializer, (40, 30))
    assert made.shape == (40, 30)
    assert made.dtype == "float32"
    assert initializers.get(config).get_config() == initializer.get_config()


@pytest.mark.parametrize(
    ("initializer", "mean", "deviation", "limit"),
    [
        (initializers.RandomNormal(1.0, 2.0), 1.0, 2.0, 12.0),
        (initializers.RandomUniform(-1.0, 3.0), 1.0, 4 / 12**0.5, 3.0),
        (initializers.TruncatedNormal(0.0, 2.0), 0.0, 2 * 0.8796, 4.0),
        (initializers.glorot_uniform(), 0.0, (2 / 700) ** 0.5, (6 / 700) ** 0.5),
        (initializers.glorot_normal(), 0.0, (2 / 700) ** 0.5, 1.0),
        (initializers.he_uniform(), 0.0, (2 / 400) ** 0.5, (6 / 400) ** 0.5),
        (initializers.he_normal(), 0.0, (2 / 400) ** 0.5, 1.0),
        (initializers.lecun_uniform(), 0.0, (1 / 400) ** 0.5, (3 / 400) ** 0.5),
        (initializers.lecun_normal(), 0.0, (1 / 400) ** 0.5, 1.0),
        (initializers.VarianceScaling(3.0, "fan_out", "uniform"), 0.0, (3 / 300) ** 0.5, (9 / 300) ** 0.5),
    ],
)
def test_moments(initializer: Any, mean: float, deviation: float, limit: float) -> None:
    made = value(initializer, (400, 300))
    assert abs(made.mean() - mean) < 5 * deviation / made.size**0.5
    assert abs(made.std() / deviation - 1) < 0.02
    assert np.abs(made).max() <= limit + 1e-6


def test_fans_of_a_convolution() -> None:
    made = value(initializers.VarianceScaling(1.0, "fan_in", "uniform", seed=1), (5, 5, 8, 16))
    assert abs(made.std() - (1 / 200) ** 0.5) < 0.002


def test_orthogonal() -> None:
    for shape in ((20, 30), (30, 20), (3, 3, 4, 5)):
        made = value(initializers.Orthogonal(2.0, seed=1), shape).reshape(-1, shape[-1])
        small = made @ made.T if made.shape[0] < made.shape[1] else made.T @ made
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)
    with pytest.raises(ValueError, match=r"at least 2 axes, received shape \(3,\)"):
        initializers.Orthogonal()((3,))


def test_identity_and_constant() -> None:
    np.testing.assert_array_equal(value(initializers.Identity(2.0), (3, 2)), 2 * np.eye(3, 2))
    np.testing.assert_array_equal(value(initializers.Constant([[1, 2]]), (1, 2)), [[1, 2]])
    assert initializers.Constant(np.float32(3)).get_config() == {"value": 3.0}


def test_seeds_and_global_generator() -> None:
    seeded = initializers.RandomNormal(seed=3)
    np.testing.assert_array_equal(value(seeded, (4,)), value(seeded, (4,)))
    plain = initializers.RandomNormal()
    assert (value(plain, (4,)) != value(plain, (4,))).all()
    made = []
    for _ in range(2):
        np.random.seed(7)
        made.append(value(plain, (4,)))
    np.testing.assert_array_equal(*made)


def test_first_weights_have_equal_bits_on_every_backend() -> None:
    from multikeras import registry

    found = []
    for name in ("numpy", "jax", "torch"):
        if registry.installed()[name].installed:
            with K.use_backend(name):
                np.random.seed(3)
                layer = Dense(5, kernel_initializer="he_normal")
                layer(Input((7,)))
                found.append(layer.get_weights()[0])
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_a_function_of_ones_own() -> None:
    layer = Dense(2, kernel_initializer=lambda shape: np.full(shape, 3.0), bias_initializer=initializers.Ones)
    layer(Input((3,)))
    np.testing.assert_array_equal(layer.get_weights()[0], np.full((3, 2), 3.0))
    np.testing.assert_array_equal(layer.get_weights()[1], [1, 1])


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("l1", 0.01 * 10),
        ("l2", 0.01 * 30),
        (regularizers.l1(0.5), 5.0),
        (regularizers.l2(0.5), 15.0),
        (regularizers.l1_l2(0.1, 0.2), 7.0),
        (regularizers.L1L2(), 0.0),
        ({"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}}, 7.0),
        (lambda x: K.max(x), 3.0),
    ],
)
def test_regularizers(identifier: Any, expected: float) -> None:
    penalty = regularizers.get(identifier)(K.constant([[1.0, -2.0], [3.0, -4.0]]))
    assert float(penalty) == pytest.approx(expected)
    if not callable(identifier):
        again = regularizers.deserialize(regularizers.serialize(regularizers.get(identifier)))
        assert float(again(K.constant([[1.0, -2.0], [3.0, -4.0]]))) == pytest.approx(expected)


WEIGHT = np.array([[3.0, 0.1], [-4.0, 0.0]], "float32")


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (constraints.MaxNorm(2.0), [[1.2, 0.1], [-1.6, 0.0]]),
        (constraints.NonNeg(), [[3.0, 0.1], [0.0, 0.0]]),
        (constraints.UnitNorm(), [[0.6, 1.0], [-0.8, 0.0]]),
        (constraints.MinMaxNorm(1.0, 2.0), [[1.2, 1.0], [-1.6, 0.0]]),
        (constraints.MinMaxNorm(1.0, 2.0, rate=0.5), [[2.1, 0.55], [-2.8, 0.0]]),
        ("max_norm", [[1.2, 0.1], [-1.6, 0.0]]),
        ("non_neg", [[3.0, 0.1], [0.0, 0.0]]),
    ],
)
def test_constraints(constraint: Any, expected: Any) -> None:
    found = constraints.get(constraint)
    np.testing.assert_allclose(K.eval(found(K.variable(WEIGHT))), expected, rtol=1e-4, atol=1e-6)
    assert constraints.deserialize(constraints.serialize(found)).get_config() == found.get_config()


def test_weights_carry_constraint_and_regularizer() -> None:
    layer = Dense(2, kernel_constraint="non_neg", kernel_regularizer="l2")
    layer(Input((3,)))
    assert isinstance(layer.kernel.constraint, constraints.NonNeg)
    assert layer.kernel.regularizer is layer.kernel_regularizer
    assert len(layer.losses) == 1


def test_activations_by_everything() -> None:
    assert activations.get(None) is activations.linear
    assert activations.get("relu") is activations.relu
    assert activations.get(K.tanh) is K.tanh
    assert activations.serialize(activations.relu) == "relu"
    x = K.constant([[-2.0, 0.5, 3.0]])
    np.testing.assert_allclose(K.eval(activations.relu(x, alpha=0.5, max_value=2.0)), [[-1, 0.5, 2]])
    np.testing.assert_allclose(K.eval(activations.relu(x, threshold=1.0)), [[0, 0, 3]])
    np.testing.assert_allclose(K.eval(activations.elu(x, 2.0))[0, 0], 2 * (np.exp(-2.0) - 1), rtol=1e-6)
    with pytest.raises(ValueError, match="softmax needs a tensor of at least 2 axes"):
        activations.softmax(K.constant([1.0]))


def test_custom_objects() -> None:
    def bent(x: Any) -> Any:
        return x * K.sigmoid(x)

    config = Dense(2, activation=bent).get_config()
    assert config["activation"] == "bent"
    with pytest.raises(ValueError, match="Unknown activation 'bent'. Known: .*custom_objects"):
        Dense.from_config(config)
    with lookup.custom_object_scope({"bent": bent}):
        assert Dense.from_config(config).activation is bent
    assert "bent" not in lookup.get_custom_objects()
    with pytest.raises(ValueError, match="Cannot read 3 as initializer"):
        initializers.get(3)
    with pytest.raises(ValueError, match="a dictionary with 'class_name' and 'config'"):
        regularizers.get({"l1": 3})
