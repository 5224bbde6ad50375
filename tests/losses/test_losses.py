"""Losses beside formulas in NumPy's double precision."""

from __future__ import annotations

import json

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import losses, objectives

EPSILON = 1e-7
_generator = np.random.default_rng(5)
NUMBERS = _generator.normal(size=(6, 4)), _generator.normal(size=(6, 4))
SHARES = np.eye(4)[[0, 1, 2, 3, 1, 0]], _generator.dirichlet(np.ones(4), 6)
BINARY = _generator.integers(0, 2, (6, 4)).astype(float), _generator.uniform(0.05, 0.95, (6, 4))
CLASSES = np.array([[0], [1], [2], [3], [1], [0]]), SHARES[1]


def normalized(x):
    return x / np.sqrt((x * x).sum(-1, keepdims=True))


def signs(t):
    return 2 * t - 1


CASES = {
    "mean_squared_error": (NUMBERS, lambda t, p: ((p - t) ** 2).mean(-1)),
    "mean_absolute_error": (NUMBERS, lambda t, p: abs(p - t).mean(-1)),
    "mean_absolute_percentage_error": (NUMBERS, lambda t, p: 100 * (abs(t - p) / np.maximum(abs(t), EPSILON)).mean(-1)),
    "mean_squared_logarithmic_error": (
        NUMBERS,
        lambda t, p: ((np.log(np.maximum(p, EPSILON) + 1) - np.log(np.maximum(t, EPSILON) + 1)) ** 2).mean(-1),
    ),
    "hinge": (BINARY, lambda t, p: np.maximum(1 - signs(t) * p, 0).mean(-1)),
    "squared_hinge": (BINARY, lambda t, p: (np.maximum(1 - signs(t) * p, 0) ** 2).mean(-1)),
    "categorical_hinge": (
        SHARES,
        lambda t, p: np.maximum(0, ((1 - t) * p).max(-1) - (t * p).sum(-1) + 1),
    ),
    "logcosh": (NUMBERS, lambda t, p: np.log(np.cosh(p - t)).mean(-1)),
    "huber_loss": (
        NUMBERS,
        lambda t, p: np.where(abs(p - t) <= 1, (p - t) ** 2 / 2, abs(p - t) - 0.5).mean(-1),
    ),
    "categorical_crossentropy": (SHARES, lambda t, p: -(t * np.log(p)).sum(-1)),
    "sparse_categorical_crossentropy": (CLASSES, lambda t, p: -np.log(p[np.arange(6), t[:, 0]])),
    "binary_crossentropy": (BINARY, lambda t, p: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(-1)),
    "kullback_leibler_divergence": (
        SHARES,
        lambda t, p: (np.maximum(t, EPSILON) * np.log(np.maximum(t, EPSILON) / p)).sum(-1),
    ),
    "poisson": (BINARY, lambda t, p: (p - t * np.log(p + EPSILON)).mean(-1)),
    "cosine_proximity": (NUMBERS, lambda t, p: -(normalized(t) * normalized(p)).sum(-1)),
}

CLASS_OF = {
    "MeanSquaredError": "mean_squared_error",
    "MeanAbsoluteError": "mean_absolute_error",
    "MeanAbsolutePercentageError": "mean_absolute_percentage_error",
    "MeanSquaredLogarithmicError": "mean_squared_logarithmic_error",
    "Hinge": "hinge",
    "SquaredHinge": "squared_hinge",
    "CategoricalHinge": "categorical_hinge",
    "LogCosh": "logcosh",
    "Huber": "huber_loss",
    "CategoricalCrossentropy": "categorical_crossentropy",
    "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy",
    "BinaryCrossentropy": "binary_crossentropy",
    "KLDivergence": "kullback_leibler_divergence",
    "Poisson": "poisson",
    "CosineSimilarity": "cosine_proximity",
}


@pytest.mark.parametrize("name", CASES)
def test_values(each_backend, name):
    (target, output), formula = CASES[name]
    loss = losses.get(name)
    expected = formula(target, output)
    np.testing.assert_allclose(K.eval(loss(K.constant(target), K.constant(output))), expected, rtol=2e-5, atol=1e-6)
    K.set_floatx("float64")
    x = K.placeholder((None, target.shape[1]), dtype="int64" if target.dtype.kind == "i" else None)
    y = K.placeholder((None, 4))
    value = loss(x, y)
    assert K.ndim(value) == 1
    np.testing.assert_allclose(K.function([x, y], [value])([target, output])[0], expected, rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_gradients(each_backend, name):
    """Against central differences in double precision."""
    (target, output), formula = CASES[name]
    K.set_floatx("float64")
    y = K.variable(output)
    value = K.sum(losses.get(name)(K.constant(target, dtype="int64" if target.dtype.kind == "i" else None), y))
    (gradient,) = K.batch_get_value([K.variable(K.eval(K.gradients(value, [y])[0]))])
    direction = _generator.normal(size=output.shape)
    if name in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        # The outputs are scaled to sum 1 first, which a direction of sum 0 does not notice.
        direction -= direction.mean(-1, keepdims=True)
    h = 1e-6
    slope = (formula(target, output + h * direction) - formula(target, output - h * direction)).sum() / (2 * h)
    np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", CLASS_OF)
def test_classes(each_backend, name):
    (target, output), formula = CASES[CLASS_OF[name]]
    weights = np.array([0, 1, 2, 0.5, 0, 3])
    expected = formula(target, output)
    kind = getattr(losses, name)
    t, p = K.constant(target), K.constant(output)
    close = {"rtol": 2e-5, "atol": 1e-6}
    np.testing.assert_allclose(K.eval(kind()(t, p)), expected.mean(), **close)
    np.testing.assert_allclose(K.eval(kind()(t, p, sample_weight=weights)), (expected * weights).mean(), **close)
    np.testing.assert_allclose(K.eval(kind(reduction="sum")(t, p, weights)), (expected * weights).sum(), **close)
    np.testing.assert_allclose(K.eval(kind(reduction="none")(t, p)), expected, **close)
    config = json.loads(json.dumps(losses.serialize(kind(reduction="sum"))))
    again = losses.deserialize(config)
    assert again.reduction == "sum" and type(again) is kind
    np.testing.assert_allclose(K.eval(again(t, p)), expected.sum(), **close)


def test_logits(each_backend):
    scores = _generator.normal(size=(5, 3)) * 3
    shares = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    classes = np.array([0, 2, 1, 1, 0])
    expected = -np.log(shares[np.arange(5), classes])
    sparse = losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    np.testing.assert_allclose(K.eval(sparse(K.constant(classes, "int32"), K.constant(scores))), expected, 1e-5, 1e-6)
    dense = losses.CategoricalCrossentropy(from_logits=True, reduction="none")
    np.testing.assert_allclose(K.eval(dense(K.constant(np.eye(3)[classes]), K.constant(scores))), expected, 1e-5, 1e-6)
    t = np.array([[1.0, 0, 1]] * 5)
    p = 1 / (1 + np.exp(-scores))
    binary = losses.BinaryCrossentropy(from_logits=True, reduction="none")
    expected = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(-1)
    np.testing.assert_allclose(K.eval(binary(K.constant(t), K.constant(scores))), expected, 1e-5, 1e-6)


def test_label_smoothing(each_backend):
    t, p = SHARES
    smooth = t * 0.8 + 0.2 / 4
    expected = -(smooth * np.log(p)).sum(-1).mean()
    loss = losses.CategoricalCrossentropy(label_smoothing=0.2)
    np.testing.assert_allclose(K.eval(loss(K.constant(t), K.constant(p))), expected, 1e-5, 1e-6)
    t, p = BINARY
    smooth = t * 0.8 + 0.1
    expected = -(smooth * np.log(p) + (1 - smooth) * np.log(1 - p)).mean()
    loss = losses.BinaryCrossentropy(label_smoothing=0.2)
    np.testing.assert_allclose(K.eval(loss(K.constant(t), K.constant(p))), expected, 1e-5, 1e-6)


def test_log_loss_of_scikit_learn(each_backend):
    metrics = pytest.importorskip("sklearn.metrics")
    (t, p), _ = CASES["sparse_categorical_crossentropy"]
    ours = K.eval(losses.SparseCategoricalCrossentropy()(K.constant(t, "int32"), K.constant(p)))
    np.testing.assert_allclose(ours, metrics.log_loss(t[:, 0], p), rtol=1e-5)


def test_hinge_takes_minus_one_too():
    t = np.array([[-1.0, 1, -1], [1, 1, -1]])
    p = np.array([[0.5, 0.5, -2], [0.1, 2, 0.3]])
    expected = np.maximum(1 - t * p, 0).mean(-1)
    np.testing.assert_allclose(K.eval(losses.hinge(K.constant(t), K.constant(p))), expected, rtol=1e-6)


def test_epsilon_counts_when_a_program_runs():
    t, p = K.constant([[0.0, 4.0]]), K.constant([[1.0, 4.0]])
    value = losses.mean_absolute_percentage_error(t, p)
    K.set_epsilon(0.5)
    np.testing.assert_allclose(K.eval(value), [100 * (1 / 0.5) / 2], rtol=1e-6)


def test_targets_without_the_last_axis():
    loss = losses.MeanSquaredError()
    t, p = K.constant([1.0, 2.0, 3.0]), K.constant([[1.0], [2.0], [5.0]])
    np.testing.assert_allclose(K.eval(loss(t, p)), 4 / 3, rtol=1e-6)


def test_weights_of_time_steps():
    t, p = K.zeros((2, 3, 4)), K.ones((2, 3, 4))
    loss = losses.MeanSquaredError(reduction="none")
    np.testing.assert_allclose(K.eval(loss(t, p, np.array([1.0, 2.0]))), [[1, 1, 1], [2, 2, 2]])
    steps = np.array([[1.0, 0, 0], [1, 2, 3]])
    np.testing.assert_allclose(K.eval(loss(t, p, steps)), steps)
    with pytest.raises(ValueError, match="more axes"):
        loss(t, p, np.ones((2, 3, 4, 2)))


def test_names():
    assert losses.get("mse") is losses.get("MSE") is losses.mean_squared_error
    assert losses.get("kld") is losses.kullback_leibler_divergence
    assert losses.get(None) is None
    assert objectives.mean_absolute_error is losses.mae
    assert objectives.get("mape") is losses.mean_absolute_percentage_error
    assert isinstance(losses.get("Hinge"), losses.Hinge)
    with pytest.raises(ValueError, match="Unknown loss 'mze'.*mse"):
        losses.get("mze")
    with pytest.raises(ValueError, match="reduction 'avg'"):
        losses.Hinge(reduction="avg")


def test_own_loss_class(each_backend):
    class Cubed(losses.Loss):
        def call(self, y_true, y_pred):
            return K.pow(K.abs(y_true - y_pred), 3)

    value = Cubed(reduction="sum")(K.constant([1.0, 2.0]), K.constant([3.0, 2.0]))
    np.testing.assert_allclose(K.eval(value), 8, rtol=1e-6)
