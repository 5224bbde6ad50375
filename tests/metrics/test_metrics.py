"""Metrics: values beside scikit-learn and NumPy, and states over batches."""

from __future__ import annotations

import json

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import metrics

_generator = np.random.default_rng(2)
SCORES = _generator.dirichlet(np.ones(5), 40)
LABELS = _generator.integers(0, 5, 40)


def test_a_metric_counts_what_it_is_called_with(each_backend):
    """Semantics' first test: the result is that after the update, and looking does not count."""
    m = metrics.Mean()
    x = K.placeholder((None,))
    f = K.function([x], [m(x)])
    assert [float(f([[v]])[0]) for v in (100.0, 50.0, 0.0)] == [100, 75, 50]
    m.reset_states()
    assert float(f([[8.0]])[0]) == 8
    repr(m(x))
    assert float(K.get_value(m.count)) == 1
    assert K.eval(m(K.constant([2.0]))) == 5
    assert K.eval(m.total) == 10


def test_mean_and_sum_with_weights(each_backend):
    mean, total = metrics.Mean(), metrics.Sum()
    values, weights = K.constant([[1.0, 3.0], [5.0, 7.0]]), K.constant([1.0, 3.0])
    assert K.eval(mean(values, sample_weight=weights)) == (4 + 36) / 8
    assert K.eval(total(values, sample_weight=weights)) == 40
    assert K.eval(total(values)) == 56
    assert float(K.eval(metrics.Mean().result())) == 0


def test_accuracies_beside_scikit_learn(each_backend):
    scikit = pytest.importorskip("sklearn.metrics")
    chosen = SCORES.argmax(1)
    expected = scikit.accuracy_score(LABELS, chosen)
    one_hot = K.constant(np.eye(5)[LABELS])
    scores = K.constant(SCORES)
    assert K.eval(metrics.CategoricalAccuracy()(one_hot, scores)) == pytest.approx(expected)
    for labels in (LABELS, LABELS[:, None], LABELS.astype("float32")):
        assert K.eval(metrics.SparseCategoricalAccuracy()(K.constant(labels), scores)) == pytest.approx(expected)
    assert K.eval(metrics.Accuracy()(K.constant(LABELS), K.constant(chosen))) == pytest.approx(expected)
    binary = K.eval(metrics.BinaryAccuracy()(K.constant((LABELS > 2).astype(float)), K.constant(SCORES[:, 0])))
    assert binary == pytest.approx(scikit.accuracy_score(LABELS > 2, SCORES[:, 0] > 0.5))
    top = scikit.top_k_accuracy_score(LABELS, SCORES, k=2)
    assert K.eval(metrics.TopKCategoricalAccuracy(k=2)(one_hot, scores)) == pytest.approx(top)
    assert K.eval(metrics.SparseTopKCategoricalAccuracy(k=2)(K.constant(LABELS), scores)) == pytest.approx(top)
    squared = scikit.mean_squared_error(np.eye(5)[LABELS], SCORES)
    assert K.eval(metrics.MeanSquaredError()(one_hot, scores)) == pytest.approx(squared, rel=1e-5)
    assert K.eval(metrics.RootMeanSquaredError()(one_hot, scores)) == pytest.approx(squared**0.5, rel=1e-5)
    logs = scikit.log_loss(LABELS, SCORES)
    assert K.eval(metrics.CategoricalCrossentropy()(one_hot, scores)) == pytest.approx(logs, rel=1e-5)


def test_batches_of_unlike_size(each_backend):
    m = metrics.CategoricalAccuracy()
    y, p = K.placeholder((None, 5)), K.placeholder((None, 5))
    f = K.function([y, p], [m(y, p)])
    for part in np.split(np.arange(40), [7, 30]):
        (result,) = f([np.eye(5)[LABELS[part]], SCORES[part]])
    assert result == pytest.approx((SCORES.argmax(1) == LABELS).mean())


def test_own_metric(each_backend):
    class Positives(metrics.Metric):
        def __init__(self, name="positives"):
            super().__init__(name)
            self.count = self.add_weight("count", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            return K.update_add(self.count, K.sum(K.cast(K.greater(y_pred, 0.0), "float32")))

        def result(self):
            return self.count

    m = Positives()
    x = K.constant([1.0, -1.0, 2.0])
    result = m(x, x)
    assert result._metric_obj is m
    assert [float(K.eval(result)) for _ in range(2)] == [2, 4]
    m.reset_states()
    assert float(K.eval(m.result())) == 0
    assert m.weights == m.variables == [m.count]


def test_names_and_configuration():
    assert metrics.get("mse") is metrics.mean_squared_error
    assert metrics.get("categorical_accuracy") is metrics.categorical_accuracy
    top = metrics.SparseTopKCategoricalAccuracy(k=3, name="top3")
    again = metrics.deserialize(json.loads(json.dumps(metrics.serialize(top))))
    assert (again.name, again.keywords) == ("top3", {"k": 3})
    assert again.total is not top.total
    clone = metrics.clone_metric(metrics.BinaryAccuracy(threshold=0.25))
    assert clone.keywords == {"threshold": 0.25}
    assert metrics.clone_metric("acc") == "acc"
    with pytest.raises(ValueError, match="Unknown metric 'acuracy'"):
        metrics.get("acuracy")


def test_cosine_is_positive_here():
    t = K.constant([[3.0, 4.0]])
    assert K.eval(metrics.cosine_proximity(t, t))[0] == pytest.approx(1)
