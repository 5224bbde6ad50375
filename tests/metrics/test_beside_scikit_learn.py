"""Metrics of decisions beside scikit-learn, over several batches and with weights."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import metrics

scikit = pytest.importorskip("sklearn.metrics")

_generator = np.random.default_rng(12)
LABELS = _generator.integers(0, 2, 60)
SCORES = np.clip(_generator.normal(0.35 + 0.3 * LABELS, 0.2), 0.01, 0.99).round(3)
WEIGHTS = _generator.uniform(0, 2, 60)
PARTS = np.split(np.arange(60), 2)


def after_all(metric, target=LABELS, output=SCORES, weights=WEIGHTS):
    for part in PARTS:
        result = K.eval(metric(K.constant(target[part]), K.constant(output[part]), sample_weight=weights[part]))
    return result


def test_precision_and_recall(each_backend):
    for threshold in (0.5, 0.25):
        chosen = threshold < SCORES
        expected = scikit.precision_score(LABELS, chosen, sample_weight=WEIGHTS)
        assert after_all(metrics.Precision(threshold)) == pytest.approx(expected, rel=1e-5)
        expected = scikit.recall_score(LABELS, chosen, sample_weight=WEIGHTS)
        assert after_all(metrics.Recall(threshold)) == pytest.approx(expected, rel=1e-5)
    (tn, fp), (fn, tp) = scikit.confusion_matrix(LABELS, SCORES > 0.5, sample_weight=WEIGHTS)
    expected = {"TrueNegatives": tn, "FalsePositives": fp, "FalseNegatives": fn, "TruePositives": tp}
    for name, value in expected.items():
        assert after_all(getattr(metrics, name)()) == pytest.approx(value, rel=1e-5)


def test_area_with_a_threshold_at_every_score(each_backend):
    """Then nothing is approximate."""
    placed = np.unique(SCORES)
    exact = scikit.roc_auc_score(LABELS, SCORES, sample_weight=WEIGHTS)
    assert after_all(metrics.AUC(thresholds=placed)) == pytest.approx(exact, rel=1e-5)
    assert after_all(metrics.AUC(num_thresholds=1001)) == pytest.approx(exact, rel=1e-3)
    # The sum of precision times the steps of the recall is the lower sum where precision does not fall.
    average = scikit.average_precision_score(LABELS, SCORES, sample_weight=WEIGHTS)
    lower = after_all(metrics.AUC(curve="PR", summation_method="minoring", thresholds=placed))
    upper = after_all(metrics.AUC(curve="PR", summation_method="majoring", thresholds=placed))
    assert lower <= average * (1 + 1e-5) and average <= upper * (1 + 1e-5)
    assert lower <= after_all(metrics.AUC(curve="PR", thresholds=placed)) <= upper


def test_sensitivity_and_specificity(each_backend):
    false, true, _ = scikit.roc_curve(LABELS, SCORES, sample_weight=WEIGHTS, drop_intermediate=False)
    for wanted in (0.55, 0.9):
        metric = metrics.SensitivityAtSpecificity(wanted, num_thresholds=1001)
        assert after_all(metric) == pytest.approx(true[1 - false >= wanted].max(), rel=1e-5)
        metric = metrics.SpecificityAtSensitivity(wanted, num_thresholds=1001)
        assert after_all(metric) == pytest.approx((1 - false)[true >= wanted].max(), rel=1e-5)


def test_mean_intersection_over_union(each_backend):
    true, predicted = _generator.integers(0, 4, 60), _generator.integers(0, 4, 60)
    expected = scikit.jaccard_score(true, predicted, average="macro", sample_weight=WEIGHTS)
    assert after_all(metrics.MeanIoU(4), true, predicted) == pytest.approx(expected, rel=1e-5)
    # Classes that nothing has seen change nothing, and places marked 255 are left out.
    marked = np.where(np.arange(60) % 5 == 0, 255, true)
    kept = marked < 255
    expected = scikit.jaccard_score(true[kept], predicted[kept], average="macro", sample_weight=WEIGHTS[kept])
    assert after_all(metrics.MeanIoU(9), marked, predicted) == pytest.approx(expected, rel=1e-5)
    counts = metrics.MeanIoU(4)
    after_all(counts, true, predicted, np.ones(60))
    np.testing.assert_array_equal(K.get_value(counts.total_cm), scikit.confusion_matrix(true, predicted))
