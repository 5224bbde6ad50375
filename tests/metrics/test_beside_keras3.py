"""Metrics over several batches, with and without weights, beside Keras 3 in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from keras3_oracle import answers, request

from multikeras import backend as K
from multikeras import metrics

_generator = np.random.default_rng(9)
SIZES = (8, 8)


def batches(target, output):
    """Batches, of one size since JAX compiles for each: targets and predictions, each from a size."""
    return [(target(n), output(n)) for n in SIZES]


LABELS = batches(lambda n: _generator.integers(0, 2, n).astype(float), lambda n: _generator.uniform(0, 1, n))
TIES = batches(lambda n: _generator.integers(0, 2, n).astype(float), lambda n: _generator.integers(0, 5, n) / 4)
SEVERAL = batches(lambda n: _generator.integers(0, 2, (n, 3)).astype(float), lambda n: _generator.uniform(0, 1, (n, 3)))
NUMBERS = batches(lambda n: _generator.normal(size=(n, 3)), lambda n: _generator.normal(size=(n, 3)))
COUNTS = batches(lambda n: _generator.poisson(3, (n, 3)).astype(float), lambda n: _generator.uniform(0.5, 4, (n, 3)))
HOT = batches(lambda n: np.eye(5)[_generator.integers(0, 5, n)], lambda n: _generator.dirichlet(np.ones(5), n))
SPARSE = batches(lambda n: _generator.integers(0, 5, n), lambda n: _generator.dirichlet(np.ones(5), n))
SCORES = batches(lambda n: np.eye(5)[_generator.integers(0, 5, n)], lambda n: _generator.normal(size=(n, 5)))
CLASSES = batches(lambda n: _generator.integers(0, 3, n), lambda n: _generator.integers(0, 4, n))
WEIGHTS = [_generator.uniform(0, 2, n) for n in SIZES]

#: Class, arguments, batches.
CASES = {
    "accuracy": ("Accuracy", {}, CLASSES),
    "binary_accuracy": ("BinaryAccuracy", {"threshold": 0.4}, SEVERAL),
    "categorical_accuracy": ("CategoricalAccuracy", {}, HOT),
    "sparse_accuracy": ("SparseCategoricalAccuracy", {}, SPARSE),
    "top_k": ("TopKCategoricalAccuracy", {"k": 2}, HOT),
    "sparse_top_k": ("SparseTopKCategoricalAccuracy", {"k": 3}, SPARSE),
    "mse": ("MeanSquaredError", {}, NUMBERS),
    "rmse": ("RootMeanSquaredError", {}, NUMBERS),
    "mae": ("MeanAbsoluteError", {}, NUMBERS),
    "mape": ("MeanAbsolutePercentageError", {}, NUMBERS),
    "msle": ("MeanSquaredLogarithmicError", {}, COUNTS),
    "cosine": ("CosineSimilarity", {}, NUMBERS),
    "logcosh": ("LogCoshError", {}, NUMBERS),
    "poisson": ("Poisson", {}, COUNTS),
    "kld": ("KLDivergence", {}, HOT),
    "hinge": ("Hinge", {}, SEVERAL),
    "squared_hinge": ("SquaredHinge", {}, SEVERAL),
    "categorical_hinge": ("CategoricalHinge", {}, SCORES),
    "binary_crossentropy": ("BinaryCrossentropy", {"label_smoothing": 0.1}, SEVERAL),
    "categorical_crossentropy": ("CategoricalCrossentropy", {}, HOT),
    "categorical_logits": ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, SCORES),
    "sparse_crossentropy": ("SparseCategoricalCrossentropy", {}, SPARSE),
    "true_positives": ("TruePositives", {}, LABELS),
    "true_negatives": ("TrueNegatives", {"thresholds": 0.3}, LABELS),
    "false_positives": ("FalsePositives", {"thresholds": [0.7, 0.25, 0.5]}, LABELS),
    "false_negatives": ("FalseNegatives", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, TIES),
    "precision": ("Precision", {}, LABELS),
    "precision_thresholds": ("Precision", {"thresholds": [0.9, 0.25, 0.5, 0.75, 0.1, 0.5]}, TIES),
    "precision_several": ("Precision", {}, SEVERAL),
    "precision_class": ("Precision", {"class_id": 2}, SEVERAL),
    "precision_top_k": ("Precision", {"top_k": 2}, HOT),
    "precision_both": ("Precision", {"top_k": 2, "class_id": 1, "thresholds": 0.2}, HOT),
    "recall": ("Recall", {}, LABELS),
    "recall_thresholds": ("Recall", {"thresholds": [0.2, 0.8]}, SEVERAL),
    "recall_top_k": ("Recall", {"top_k": 3}, HOT),
    "sensitivity": ("SensitivityAtSpecificity", {"specificity": 0.6}, LABELS),
    "sensitivity_few": ("SensitivityAtSpecificity", {"specificity": 0.6, "num_thresholds": 5}, TIES),
    "sensitivity_one": ("SensitivityAtSpecificity", {"specificity": 0.1, "num_thresholds": 1}, LABELS),
    "specificity": ("SpecificityAtSensitivity", {"sensitivity": 0.7}, LABELS),
    "auc": ("AUC", {}, LABELS),
    "auc_few": ("AUC", {"num_thresholds": 3}, LABELS),
    "auc_ties": ("AUC", {"num_thresholds": 9}, TIES),
    "auc_several": ("AUC", {"num_thresholds": 50}, SEVERAL),
    "auc_minoring": ("AUC", {"summation_method": "minoring", "num_thresholds": 20}, LABELS),
    "auc_majoring": ("AUC", {"summation_method": "majoring", "num_thresholds": 20}, LABELS),
    "auc_placed": ("AUC", {"thresholds": [0.8, 0.1, 0.5]}, LABELS),
    "auc_pr": ("AUC", {"curve": "PR", "num_thresholds": 30}, LABELS),
    "auc_pr_ties": ("AUC", {"curve": "PR"}, TIES),
    "auc_pr_minoring": ("AUC", {"curve": "PR", "summation_method": "minoring", "num_thresholds": 30}, LABELS),
    "auc_pr_majoring": ("AUC", {"curve": "PR", "summation_method": "majoring", "num_thresholds": 30}, LABELS),
    "mean_iou": ("MeanIoU", {"num_classes": 4}, CLASSES),
    "mean_iou_unseen": ("MeanIoU", {"num_classes": 6}, CLASSES),
}


#: Metrics of single decisions, whose weights count for each.
ENTRIES = (
    metrics.TruePositives,
    metrics.TrueNegatives,
    metrics.FalsePositives,
    metrics.FalseNegatives,
    metrics.Precision,
    metrics.Recall,
    metrics.SensitivityAtSpecificity,
    metrics.SpecificityAtSensitivity,
    metrics.AUC,
)


def spread(values, weights):
    """Keras 3 wants weights of the shape of what they weight."""
    return np.broadcast_to(weights.reshape(-1, *[1] * (values.ndim - 1)), values.shape).copy()


def questions():
    for name, (kind, config, parts) in CASES.items():
        config = {**config, "dtype": "float64"}
        yield name, request("metric", f"metrics.{kind}", config, parts)
        entries = kind == "RootMeanSquaredError" or issubclass(getattr(metrics, kind), ENTRIES)
        weighted = [
            (target, output, spread(output, weights) if entries and "class_id" not in config else weights)
            for (target, output), weights in zip(parts, WEIGHTS, strict=True)
        ]
        yield f"{name} weighted", request("metric", f"metrics.{kind}", config, weighted)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return answers(dict(questions()), tmp_path_factory)


@pytest.mark.parametrize("name", CASES)
def test_metric(each_backend, expected, name):
    K.set_floatx("float64")
    kind, config, parts = CASES[name]
    for key, weighted in ((name, False), (f"{name} weighted", True)):
        metric = getattr(metrics, kind)(**config)
        assert metric.dtype == "float64"
        for (target, output), weights, wanted in zip(parts, WEIGHTS, expected[key], strict=True):
            y_true, y_pred = (K.constant(x, dtype=str(x.dtype)) for x in (target, output))
            found = K.eval(metric(y_true, y_pred, sample_weight=weights if weighted else None))
            # Keras 3 sums intersections and unions in single precision.
            close = 1e-6 if kind == "MeanIoU" else 1e-9
            np.testing.assert_allclose(found, wanted, rtol=close, atol=1e-12, err_msg=key)
        np.testing.assert_array_equal(K.eval(metric.result()), found)
        metric.reset_states()
        assert not any(value.any() for value in K.batch_get_value(metric.weights))
