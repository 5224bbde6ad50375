"""Losses in double precision beside Keras 3: classes with every option, weights and reductions."""

from __future__ import annotations

import numpy as np
import pytest
from keras3_oracle import answers, request

from multikeras import backend as K
from multikeras import losses

_generator = np.random.default_rng(8)
NUMBERS = _generator.normal(size=(5, 3, 4)), _generator.normal(size=(5, 3, 4)) * 2
POSITIVE = _generator.poisson(3.0, (6, 4)).astype(float), _generator.uniform(0.5, 4, (6, 4))
BINARY = _generator.integers(0, 2, (6, 4)).astype(float), _generator.uniform(0.02, 0.98, (6, 4))
SIGNS = 2 * BINARY[0] - 1, BINARY[1] * 4 - 2
CLASSES = _generator.integers(0, 4, (5, 3))
SHARES = np.eye(4)[CLASSES], _generator.dirichlet(np.ones(4), (5, 3))
SCORES = np.eye(4)[CLASSES], _generator.normal(size=(5, 3, 4)) * 3
ONE_WEIGHT = np.array([0.0, 1, 2, 0.5, 3])
STEP_WEIGHTS = _generator.uniform(0, 2, (5, 3))
SIX_WEIGHTS = np.array([1.0, 0, 2, 0.5, 3, 0.25])

#: Class, arguments, targets, predictions, weights.
CASES = {
    "mse": ("MeanSquaredError", {}, *NUMBERS, ONE_WEIGHT),
    "mse_steps": ("MeanSquaredError", {}, *NUMBERS, STEP_WEIGHTS),
    "mae": ("MeanAbsoluteError", {}, *NUMBERS, STEP_WEIGHTS),
    "mape": ("MeanAbsolutePercentageError", {}, *NUMBERS, ONE_WEIGHT),
    "msle": ("MeanSquaredLogarithmicError", {}, *POSITIVE, SIX_WEIGHTS),
    "hinge": ("Hinge", {}, *BINARY, SIX_WEIGHTS),
    "hinge_signs": ("Hinge", {}, *SIGNS, SIX_WEIGHTS),
    "squared_hinge": ("SquaredHinge", {}, *SIGNS, SIX_WEIGHTS),
    "categorical_hinge": ("CategoricalHinge", {}, *SCORES, STEP_WEIGHTS),
    "logcosh": ("LogCosh", {}, *NUMBERS, STEP_WEIGHTS),
    "huber": ("Huber", {}, *NUMBERS, STEP_WEIGHTS),
    "huber_small": ("Huber", {"delta": 0.3}, *NUMBERS, ONE_WEIGHT),
    "huber_large": ("Huber", {"delta": 2.5}, *NUMBERS, ONE_WEIGHT),
    "kld": ("KLDivergence", {}, *SHARES, STEP_WEIGHTS),
    "poisson": ("Poisson", {}, *POSITIVE, SIX_WEIGHTS),
    "cosine": ("CosineSimilarity", {}, *NUMBERS, STEP_WEIGHTS),
    "cosine_axis": ("CosineSimilarity", {"axis": 1}, *NUMBERS, ONE_WEIGHT),
    "categorical": ("CategoricalCrossentropy", {}, *SHARES, STEP_WEIGHTS),
    "categorical_smooth": ("CategoricalCrossentropy", {"label_smoothing": 0.3}, *SHARES, ONE_WEIGHT),
    "categorical_logits": ("CategoricalCrossentropy", {"from_logits": True}, *SCORES, ONE_WEIGHT),
    "categorical_both": (
        "CategoricalCrossentropy",
        {"from_logits": True, "label_smoothing": 0.1},
        *SCORES,
        STEP_WEIGHTS,
    ),
    "categorical_axis": (
        "CategoricalCrossentropy",
        {"axis": 1},
        *[np.moveaxis(x, -1, 1) for x in SHARES],
        ONE_WEIGHT,
    ),
    "sparse": ("SparseCategoricalCrossentropy", {}, CLASSES, SHARES[1], STEP_WEIGHTS),
    "sparse_one": ("SparseCategoricalCrossentropy", {}, CLASSES[..., None], SHARES[1], ONE_WEIGHT),
    "sparse_logits": ("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES, SCORES[1], ONE_WEIGHT),
    "binary": ("BinaryCrossentropy", {}, *BINARY, SIX_WEIGHTS),
    "binary_smooth": ("BinaryCrossentropy", {"label_smoothing": 0.2}, *BINARY, SIX_WEIGHTS),
    "binary_logits": ("BinaryCrossentropy", {"from_logits": True}, BINARY[0], SIGNS[1], SIX_WEIGHTS),
    "binary_both": (
        "BinaryCrossentropy",
        {"from_logits": True, "label_smoothing": 0.2},
        BINARY[0],
        SIGNS[1],
        SIX_WEIGHTS,
    ),
}
REDUCTIONS = ("sum_over_batch_size", "sum", "none")


def questions():
    for name, (kind, config, target, output, weights) in CASES.items():
        # Keras 3 does not spread a weight for each sample over its time steps.
        spread = weights[:, None] if weights is ONE_WEIGHT else weights
        for reduction in REDUCTIONS:
            settings = {**config, "dtype": "float64", "reduction": reduction}
            yield f"{name} {reduction}", request("called", f"losses.{kind}", settings, target, output, spread)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return answers(dict(questions()), tmp_path_factory)


@pytest.mark.parametrize("name", CASES)
def test_classes(each_backend, expected, name):
    K.set_floatx("float64")
    kind, config, target, output, weights = CASES[name]
    y_true = K.constant(target, dtype=str(target.dtype))
    for reduction in REDUCTIONS:
        value = getattr(losses, kind)(reduction=reduction, **config)(y_true, K.constant(output), sample_weight=weights)
        assert K.dtype(value) == "float64"
        found = K.eval(value)
        assert found.shape == expected[f"{name} {reduction}"].shape
        np.testing.assert_allclose(found, expected[f"{name} {reduction}"], rtol=1e-9, atol=1e-12)
