"""Weights of samples, classes and losses; names and values of metrics; against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import losses, metrics
from multikeras.layers import Dense, Embedding, Input, Masking
from multikeras.models import Model, Sequential
from multikeras.optimizers import SGD

_generator = np.random.default_rng(5)
X = _generator.normal(size=(12, 4)).astype("float32")
LABELS = np.arange(12) % 3
Y = X[:, :1] * 2
WEIGHTS = _generator.uniform(0, 2, 12)
CLASSES = {0: 0.5, 1: 1.0, 2: 3.0}
BY_CLASS = np.array([CLASSES[label] for label in LABELS])


def two_outputs(**compiled):
    """`number` predicts the sum of each row, `kind` gives three classes equal chances."""
    x = Input((4,), name="x")
    number = Dense(1, kernel_initializer="ones", name="number")(x)
    kind = Dense(3, kernel_initializer="zeros", activation="softmax", name="kind")(x)
    model = Model(x, [number, kind])
    given = {"loss": {"number": "mse", "kind": "sparse_categorical_crossentropy"}, **compiled}
    model.compile(SGD(lr=0.0), **given)
    return model


SQUARED = ((X.sum(1) - Y[:, 0]) ** 2).astype("float64")
LOGS = np.full(12, np.log(3.0))


@pytest.mark.parametrize(
    ("given", "number", "kind"),
    [
        ({}, 1, 1),
        ({"sample_weight": [WEIGHTS, None]}, WEIGHTS, 1),
        ({"sample_weight": [None, WEIGHTS]}, 1, WEIGHTS),
        ({"sample_weight": {"kind": WEIGHTS, "number": WEIGHTS[::-1]}}, WEIGHTS[::-1], WEIGHTS),
        ({"sample_weight": {"number": WEIGHTS.tolist()}}, WEIGHTS, 1),
        ({"sample_weight": [WEIGHTS[:, None], np.ones(12, int)]}, WEIGHTS, 1),
        ({"class_weight": {"kind": CLASSES}}, 1, BY_CLASS),
        ({"class_weight": [None, CLASSES]}, 1, BY_CLASS),
        ({"class_weight": {"kind": CLASSES}, "sample_weight": [WEIGHTS, WEIGHTS]}, WEIGHTS, WEIGHTS * BY_CLASS),
    ],
)
def test_weights_of_several_outputs(given, number, kind):
    model = two_outputs()
    total, first, second = model.train_on_batch(X, [Y, LABELS], **given)
    assert first == pytest.approx((SQUARED * number).mean(), rel=1e-5)
    assert second == pytest.approx((LOGS * kind).mean(), rel=1e-5)
    assert total == pytest.approx(first + second, rel=1e-5)
    history = model.fit(X, {"number": Y, "kind": LABELS}, batch_size=5, verbose=0, **given).history
    assert history["loss"][0] == pytest.approx(total, rel=1e-5)
    assert history["kind_loss"][0] == pytest.approx(second, rel=1e-5)


@pytest.mark.parametrize(
    ("given", "factors"),
    [
        (None, (1, 1)),
        ([0.5, 2], (0.5, 2)),
        ({"kind": 3}, (1, 3)),
        ({"number": 0.0, "kind": 1.0}, (0, 1)),
        ([lambda: K.variable(0.25), 1], (0.25, 1)),
    ],
)
def test_weights_of_losses(given, factors):
    if isinstance(given, list):
        given = [one() if callable(one) else one for one in given]
    found = two_outputs(loss_weights=given).evaluate(X, [Y, LABELS], batch_size=5, verbose=0)
    np.testing.assert_allclose(found[1:], [SQUARED.mean(), LOGS.mean()], rtol=1e-5)
    assert found[0] == pytest.approx(factors[0] * SQUARED.mean() + factors[1] * LOGS.mean(), rel=1e-5)


def level(y_true, y_pred):
    return K.mean(y_pred, axis=-1)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"metrics": ["acc"]}, ["number_acc", "kind_acc"]),
        ({"metrics": {"kind": "accuracy"}}, ["kind_accuracy"]),
        ({"metrics": {"kind": ["accuracy", "ce"], "number": "mae"}}, ["number_mae", "kind_accuracy", "kind_ce"]),
        ({"metrics": [["mae", level], ["accuracy"]]}, ["number_mae", "number_level", "kind_accuracy"]),
        ({"metrics": [[], "accuracy"]}, ["kind_accuracy"]),
        (
            {"metrics": {"number": "mae"}, "weighted_metrics": {"number": ["mae"], "kind": "acc"}},
            ["number_mae", "number_mae_1", "kind_acc"],
        ),
        ({"metrics": [metrics.MeanSquaredError(name="m")]}, ["number_m", "kind_m"]),
        ({"metrics": None}, []),
    ],
)
def test_names_of_metrics(given, names):
    """Those of Keras 2.3: the loss, the losses, then metrics output by output, weighted ones last."""
    model = two_outputs(**given)
    assert model.metrics_names == ["loss", "number_loss", "kind_loss", *names]
    assert len(model.metrics) == len(names)
    found = dict(zip(model.metrics_names, model.test_on_batch(X, [Y, LABELS]), strict=True))
    absolute = np.sqrt(SQUARED).mean()
    assert found.get("number_mae", absolute) == pytest.approx(absolute, rel=1e-5)
    assert found.get("kind_accuracy", 1 / 3) == pytest.approx(1 / 3, rel=1e-5)


def test_weighted_metrics(each_backend):
    """Sample weights count for these and not for the others; the mean is by the sum of the weights."""
    model = two_outputs(metrics={"number": "mae"}, weighted_metrics=["mae"])
    assert model.metrics_names[3:] == ["number_mae", "number_mae_1", "kind_mae"]
    absolute = np.sqrt(SQUARED)
    found = model.evaluate(X, [Y, LABELS], batch_size=5, sample_weight={"number": WEIGHTS}, verbose=0)
    assert found[3] == pytest.approx(absolute.mean(), rel=1e-5)
    assert found[4] == pytest.approx((absolute * WEIGHTS).sum() / WEIGHTS.sum(), rel=1e-5)
    history = model.fit(
        X, [Y, LABELS], batch_size=5, verbose=0, class_weight={"kind": CLASSES},
        validation_data=(X, [Y, LABELS], {"number": WEIGHTS}),
    ).history  # fmt: skip
    assert history["val_number_mae_1"][0] == pytest.approx(found[4], rel=1e-5)
    assert history["number_mae_1"][0] == pytest.approx(absolute.mean(), rel=1e-5)


def test_weights_of_time_steps(each_backend):
    x = _generator.normal(size=(6, 5, 2)).astype("float32")
    y = np.zeros((6, 5, 1))
    weights = _generator.uniform(0, 1, (6, 5))
    inputs = Input((5, 2))
    steps = Dense(1, use_bias=False, kernel_initializer="ones", name="steps")(inputs)
    last = Dense(1, use_bias=False, kernel_initializer="ones", name="last")(inputs[:, -1])
    squared = x.sum(-1) ** 2
    for mode in (["temporal", None], {"steps": "temporal"}):
        model = Model(inputs, [steps, last])
        model.compile(SGD(lr=0.0), "mse", sample_weight_mode=mode, weighted_metrics={"steps": "mse"})
        found = model.test_on_batch(x, [y, y[:, 0]], sample_weight=[weights, weights[:, 0]])
        assert found[1] == pytest.approx((weights * squared).mean(), rel=1e-5)
        assert found[2] == pytest.approx((weights[:, 0] * squared[:, -1]).mean(), rel=1e-5)
        assert found[3] == pytest.approx((weights * squared).sum() / weights.sum(), rel=1e-5)
        assert model.fit(x, [y, y[:, 0]], batch_size=4, sample_weight={"steps": weights}, verbose=0).history[
            "steps_loss"
        ] == [pytest.approx((weights * squared).mean(), rel=1e-5)]


def test_masks_weights_and_metrics(each_backend):
    """Masked steps weigh nothing in the loss, whose mean is over all, and do not count in metrics."""
    model = Sequential([Masking(input_shape=(5, 2)), Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(SGD(lr=0.0), "mse", metrics=["mae"], weighted_metrics=["mae"], sample_weight_mode="temporal")
    x = _generator.normal(size=(4, 5, 2)).astype("float32")
    x[0, 3:] = x[1, 1:] = 0
    mask = (x != 0).any(-1)
    weights = _generator.uniform(0, 1, (4, 5))
    predicted = x.sum(-1)
    loss, plain, weighted = model.test_on_batch(x, np.zeros((4, 5, 1)), sample_weight=weights)
    assert loss == pytest.approx((predicted**2 * mask * weights).mean(), rel=1e-5)
    assert plain == pytest.approx(np.abs(predicted)[mask].mean(), rel=1e-5)
    assert weighted == pytest.approx((np.abs(predicted) * mask * weights).sum() / (mask * weights).sum(), rel=1e-5)
    # Weights of samples count for all their steps.
    model.compile(SGD(lr=0.0), "mse")
    per_sample = np.array([1.0, 0.0, 2.0, 1.0])
    found = model.test_on_batch(x, np.zeros((4, 5, 1)), sample_weight=per_sample)
    assert found == pytest.approx((predicted**2 * mask * per_sample[:, None]).mean(), rel=1e-5)


def test_masks_of_embeddings_reach_the_loss():
    model = Sequential([Embedding(5, 3, mask_zero=True, input_length=4), Dense(2, activation="softmax")])
    model.compile(SGD(lr=0.0), losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    x = np.array([[1, 2, 0, 0], [3, 4, 1, 0]])
    y = np.array([[0, 1, 1, 1], [1, 0, 0, 1]])
    shares = model.predict(x)
    mask = x != 0
    logs = -np.log(np.take_along_axis(shares, y[..., None], -1)[..., 0])
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert loss == pytest.approx((logs * mask).mean(), rel=1e-5)
    assert accuracy == pytest.approx((shares.argmax(-1) == y)[mask].mean(), rel=1e-5)


def test_metrics_go_on_unless_they_are_reset(each_backend):
    model = two_outputs(metrics={"number": "mae"})
    absolute = np.sqrt(SQUARED)
    assert model.test_on_batch(X[:4], [Y[:4], LABELS[:4]])[3] == pytest.approx(absolute[:4].mean(), rel=1e-5)
    found = model.test_on_batch(X[4:], [Y[4:], LABELS[4:]], reset_metrics=False)[3]
    assert found == pytest.approx(absolute.mean(), rel=1e-5)
    assert model.train_on_batch(X[:4], [Y[:4], LABELS[:4]])[3] == pytest.approx(absolute[:4].mean(), rel=1e-5)
    model.reset_metrics()
    found = model.train_on_batch(X[4:], [Y[4:], LABELS[4:]], reset_metrics=False)[3]
    assert found == pytest.approx(absolute[4:].mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"sample_weight": WEIGHTS}, r"2 outputs with a loss: `sample_weight` takes a list"),
        ({"sample_weight": [WEIGHTS]}, r"2 outputs with a loss: `sample_weight` takes a list"),
        ({"sample_weight": {"nobody": WEIGHTS}}, r"`sample_weight` names \['nobody'\]"),
        ({"sample_weight": [WEIGHTS[:5], None]}, "inputs 12; targets 12, 12; sample weights 5"),
        ({"sample_weight": [np.ones((12, 2)), None]}, r"weights of 'number' have shape \(12, 2\).*temporal"),
        ({"sample_weight": [["a"] * 12, None]}, "sample_weight of 'number'.*numbers"),
        ({"class_weight": CLASSES}, "2 outputs with a loss: `class_weight` takes a dictionary for each"),
        ({"class_weight": [None, [1, 2, 3]]}, "`class_weight` is a dictionary from class number to weight"),
        ({"class_weight": {"kind": {0: 1.0}}}, r"missing: \[1, 2\], given: \[0\]"),
        ({"class_weight": {"kind": CLASSES}, "sample_weight": [None, WEIGHTS[:5]]}, "12 targets and 5 sample weights"),
    ],
)
def test_weights_that_do_not_fit(given, match):
    with pytest.raises((ValueError, TypeError), match=match):
        two_outputs().fit(X, [Y, LABELS], verbose=0, **given)
