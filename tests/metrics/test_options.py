"""Metrics: names, configurations, sums and means of values, 16-bit types, copies, and what is refused."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import lookup, metrics
from multikeras.utils import metrics_utils

ALL = sorted(
    name for name, kind in vars(metrics).items() if isinstance(kind, type) and issubclass(kind, metrics.Metric)
)
ARGUMENTS = {
    "MeanIoU": {"num_classes": 3},
    "MeanRelativeError": {"normalizer": [1.0, 2.0]},
    "SensitivityAtSpecificity": {"specificity": 0.5, "num_thresholds": 7},
    "SpecificityAtSensitivity": {"sensitivity": 0.25},
    "AUC": {"curve": "pr", "summation_method": "Majoring", "thresholds": [0.25, 0.75]},
    "Precision": {"thresholds": [0.25, 0.5], "class_id": 1},
    "Recall": {"top_k": 2},
    "TruePositives": {"thresholds": np.array([0.5])},
    "BinaryAccuracy": {"threshold": 0.25},
    "CosineSimilarity": {"axis": 0},
    "CategoricalCrossentropy": {"from_logits": True, "label_smoothing": 0.1},
    "Reduce": {"reduction": "sum_over_batch_size"},
    "MeanMetricWrapper": {"fn": "mse"},
}


@pytest.mark.parametrize("name", [name for name in ALL if name != "Metric"])
def test_configuration(name):
    """Through JSON and back, with every argument; a copy has a state of its own."""
    made = getattr(metrics, name)(**ARGUMENTS.get(name, {}), name="given", dtype="float64")
    config = json.loads(json.dumps(metrics.serialize(made)))
    assert config["class_name"] == name
    again = metrics.deserialize(config)
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    assert (again.name, again.dtype) == ("given", "float64")
    assert not {id(w) for w in again.weights} & {id(w) for w in made.weights}
    clone = metrics.clone_metric(made)
    assert clone is not made and clone.get_config() == made.get_config()


def test_names_are_numbered_like_those_of_layers():
    """As in Keras 2.3, where logs have `auc_1` and `precision_1`."""
    assert [metrics.AUC().name, metrics.AUC().name] == ["auc_1", "auc_2"]
    assert metrics.Precision().name == "precision_1"
    assert metrics.MeanIoU(2).name == "mean_io_u_1"
    assert metrics.SensitivityAtSpecificity(0.5).name == "sensitivity_at_specificity_1"
    assert metrics.MeanSquaredError().name == "mean_squared_error"
    assert metrics.get("AUC").name == "auc_3"
    assert isinstance(metrics.get(metrics.Recall), metrics.Recall)


def test_reductions_of_values(each_backend):
    values, weights = K.constant([[1.0, 3.0], [5.0, 7.0]]), K.constant([1.0, 3.0])
    for reduction, expected in (("sum", 40), ("sum_over_batch_size", 10), ("weighted_mean", 5)):
        assert K.eval(metrics.Reduce(reduction)(values, sample_weight=weights)) == expected
    assert K.eval(metrics.Mean()([1.0, 2.0, 6.0])) == 3
    assert K.eval(metrics.Mean()(4.0)) == 4
    assert K.eval(metrics.Sum()([1, 2, 3], sample_weight=[1.0, 0.5, 0.0])) == 2
    with pytest.raises(ValueError, match="Unknown reduction 'mean' of a metric. Known: sum"):
        metrics.Reduce("mean")


def test_weights_below_one(each_backend):
    """The sum of the weights divides, also where it is less than 1."""
    assert K.eval(metrics.Mean()([2.0, 4.0], sample_weight=[0.125, 0.125])) == 3
    assert K.eval(metrics.Mean()([2.0, 4.0], sample_weight=[0.0, 0.0])) == 0


def test_mean_tensor(each_backend):
    mean = metrics.MeanTensor()
    with pytest.raises(ValueError, match="has no result before the first values"):
        mean.result()
    K.eval(mean([[1.0, 2.0], [3.0, 4.0]]))
    result = K.eval(mean([[3.0, 2.0], [5.0, 4.0]], sample_weight=[3.0, 0.0]))
    np.testing.assert_array_equal(result, [[2.5, 2], [3, 4]])
    with pytest.raises(ValueError, match=r"has seen values of shape \(2, 2\) first; received \(3,\)"):
        mean([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="Take the mean over the batch first"):
        metrics.MeanTensor()(K.placeholder((None, 2)))


def test_mean_relative_error(each_backend):
    metric = metrics.MeanRelativeError(normalizer=[1.0, 2.0, 0.0])
    assert K.eval(metric([[1.0, 3.0, 2.0]], [[2.0, 4.0, 9.0]])) == 0.5


def test_top_k_of_more_axes(each_backend):
    """And equal predictions count as well, in whatever order."""
    scores = np.random.default_rng(3).integers(0, 4, (2, 3, 5)).astype("float32")
    classes = np.array([[0, 1, 2], [3, 4, 0]])
    expected = (scores > np.take_along_axis(scores, classes[..., None], -1)).sum(-1) < 2
    found = metrics.sparse_top_k_categorical_accuracy(K.constant(classes), K.constant(scores), k=2)
    np.testing.assert_array_equal(K.eval(found), expected)
    hot = K.constant(np.eye(5)[classes])
    np.testing.assert_array_equal(K.eval(metrics.top_k_categorical_accuracy(hot, K.constant(scores), 2)), expected)


def test_exactly_k_predictions_among_equal_ones(each_backend):
    precision = metrics.Precision(top_k=2)
    assert K.eval(precision([[1.0, 1, 1, 0]], [[0.5, 0.5, 0.5, 0.5]])) == 1
    assert float(K.get_value(precision.true_positives)[0]) == 2


def test_sixteen_bits_are_counted_in_thirty_two(each_backend):
    predictions = K.constant(np.full((3000, 2), 300.0), dtype="float16")
    metric = metrics.RootMeanSquaredError()
    assert K.eval(metric(K.zeros((3000, 2), dtype="float16"), predictions)) == 300
    accuracy = metrics.BinaryAccuracy()
    ones = K.ones((3000, 1), dtype="float16")
    assert [float(K.eval(accuracy(ones, ones))) for _ in range(2)] == [1, 1]
    assert K.dtype(accuracy.count) == "float32" and float(K.get_value(accuracy.count)) == 6000


def test_many_predictions_at_many_thresholds():
    """Memory does not grow with their product, which would be 4 GB here."""
    generator = np.random.default_rng(2)
    labels, scores = generator.integers(0, 2, 10**6), generator.uniform(size=10**6).astype("float32")
    metric = metrics.AUC(num_thresholds=1000)
    y_true, y_pred = K.placeholder((None,), dtype="int32"), K.placeholder((None,))
    with K.use_backend("numpy"):
        (area,) = K.function([y_true, y_pred], [metric(y_true, y_pred)])([labels, scores])
    assert area == pytest.approx(0.5, abs=0.01)
    above = scores[labels == 1] > np.float32(metric.thresholds[700])
    assert K.get_value(metric.true_positives)[700] == above.sum()


def test_copies_have_a_state_of_their_own():
    metric = metrics.Precision(thresholds=0.5)
    K.eval(metric([1.0, 0.0], [0.9, 0.8]))
    for copied in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert K.eval(copied.result()) == 0.5
        K.eval(copied([1.0, 1.0], [0.9, 0.8]))
        assert (K.eval(copied.result()), K.eval(metric.result())) == (0.75, 0.5)
        assert copied.weights[1] is copied.false_positives


def test_own_function_in_a_wrapper():
    def largest(y_true, y_pred, factor=1.0):
        return factor * K.max(K.abs(y_true - y_pred), axis=-1)

    metric = metrics.MeanMetricWrapper(largest, factor=2.0)
    assert metric.name == "largest"
    assert K.eval(metric([[1.0, 2.0]], [[4.0, 2.0]])) == 6
    config = json.loads(json.dumps(metrics.serialize(metric)))
    with lookup.custom_object_scope({"largest": largest}):
        assert K.eval(metrics.deserialize(config)([[1.0, 2.0]], [[4.0, 2.0]])) == 6


def test_confusion_matrix(each_backend):
    found = metrics_utils.confusion_matrix(
        [0, 1, 2, 2, 9], [0, 2, 2, -1, 1], 3, weights=[1.0, 2, 3, 4, 5], dtype="float32"
    )
    np.testing.assert_array_equal(K.eval(found), [[1, 0, 0], [0, 0, 2], [0, 0, 3]])
    assert K.dtype(metrics_utils.confusion_matrix([0], [0], 2)) == "int32"


def test_helpers_of_keras_2():
    assert metrics_utils.parse_init_thresholds(None) == [0.5]
    assert metrics_utils.parse_init_thresholds(0.25) == [0.25]
    assert metrics_utils.AUCCurve.from_str("roc") is metrics_utils.AUCCurve.ROC
    assert metrics_utils.update_confusion_matrix_variables({}, [1.0], [1.0], [0.5]) == []
    filtered = K.eval(metrics_utils.filter_top_k(K.constant([[3.0, 1, 2]]), 2))
    np.testing.assert_array_equal(filtered, [[3, metrics_utils.NEG_INF, 2]])
    counted = K.variable([0.0])
    (update,) = metrics_utils.update_confusion_matrix_variables({"tp": counted}, [1.0, 1.0], [0.9, 0.1], 0.5)
    assert K.eval(update) == [1]


class Lost(metrics.Metric):
    def __init__(self):
        super().__init__()
        self.seen = self.add_weight("seen")

    def update_state(self, y_true, y_pred, sample_weight=None):
        K.update_add(self.seen, 1.0)

    def result(self):
        return self.seen


class Layered:
    stateful = True

    def __call__(self, y_true, y_pred):
        return K.mean(y_pred)

    def reset_states(self):
        pass


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: metrics.Metric().update_state(), NotImplementedError, "Metric does not define update_state"),
        (lambda: metrics.Metric().result(), NotImplementedError, "Metric does not define result"),
        (lambda: Lost()([1.0], [1.0]), ValueError, "Lost 'lost_1': update_state returned no updates, so the batch"),
        (lambda: metrics.get(Layered), TypeError, "Layered keeps a state and is no metric: derive it from"),
        (lambda: metrics.get(3), ValueError, "Cannot read 3 as a metric"),
        (lambda: metrics.Precision(1.5), ValueError, r"Thresholds are shares from 0 to 1, received \[1.5\]"),
        (lambda: metrics.Recall(top_k=0), ValueError, "Recall: top_k is at least 1, received 0"),
        (lambda: metrics.Precision(class_id=3)([[1.0, 0]], [[1.0, 0]]), ValueError, "class_id=3 is none of the 2"),
        (
            lambda: metrics.Precision()(K.ones((4, 1)), K.ones((4, 10))),
            ValueError,
            r"Targets of shape \(4, 1\) and predictions of shape \(4, 10\).*utils.to_categorical",
        ),
        (lambda: metrics.AUC(curve="DET"), ValueError, "Unknown curve of AUC 'DET'. Known: ROC, PR"),
        (lambda: metrics.AUC(summation_method="x"), ValueError, "Unknown summation method of AUC 'x'"),
        (lambda: metrics.AUC(num_thresholds=1), ValueError, "AUC: num_thresholds is at least 2, received 1"),
        (lambda: metrics.AUC(thresholds=[-1]), ValueError, r"shares from 0 to 1, received \[-1.0\]"),
        (lambda: metrics.SensitivityAtSpecificity(2), ValueError, "specificity is a share from 0 to 1, received 2"),
        (lambda: metrics.SpecificityAtSensitivity(0.5, 0), ValueError, "num_thresholds is at least 1, received 0"),
        (lambda: metrics.MeanIoU(0), ValueError, "MeanIoU: num_classes is at least 1"),
        (lambda: metrics.MeanIoU(3)(K.ones((4, 1)), K.ones((4, 3))), ValueError, "take K.argmax"),
        (lambda: metrics.top_k_categorical_accuracy(K.ones((2, 3)), K.ones((2, 3)), 0), ValueError, "k is at least 1"),
        (lambda: metrics.MeanMetricWrapper(3), TypeError, "needs a function of y_true and y_pred, received 3"),
    ],
)
def test_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
