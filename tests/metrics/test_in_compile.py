"""Metrics given to compile: by name, class, object and output, beside what scikit-learn says of the predictions."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import metrics
from multikeras.layers import Dense, Input
from multikeras.models import Model

scikit = pytest.importorskip("sklearn.metrics")


def data():
    np.random.seed(7)
    generator = np.random.default_rng(7)
    x = generator.normal(size=(40, 5)).astype("float32")
    yes = (x[:, :1] + generator.normal(size=(40, 1)) > 0).astype("float32")
    kinds = generator.integers(0, 3, (40, 1))
    return x, yes, kinds, generator.uniform(0.5, 2, 40).astype("float32")


def test_by_output(each_backend):
    x, yes, kinds, weights = data()
    given = Input((5,))
    model = Model(
        given, [Dense(1, activation="sigmoid", name="yes")(given), Dense(3, activation="softmax", name="kind")(given)]
    )
    model.compile(
        "sgd",
        {"yes": "binary_crossentropy", "kind": "sparse_categorical_crossentropy"},
        metrics={
            "yes": ["acc", metrics.AUC(num_thresholds=1001, name="area"), "Precision", metrics.Recall, metrics.mae],
            "kind": ["accuracy", metrics.SparseTopKCategoricalAccuracy(k=2)],
        },
        weighted_metrics={"yes": [metrics.Recall(0.25, name="weighted")]},
    )
    assert model.metrics_names == [
        "loss",
        "yes_loss",
        "kind_loss",
        "yes_acc",
        "yes_area",
        "yes_precision_1",
        "yes_recall_1",
        "yes_mean_absolute_error",
        "yes_weighted",
        "kind_accuracy",
        "kind_sparse_top_k_categorical_accuracy",
    ]
    # Batches of 16, 16 and 8.
    found = dict(
        zip(
            model.metrics_names,
            model.evaluate(x, [yes, kinds], batch_size=16, verbose=0, sample_weight=[weights, np.ones(40)]),
            strict=True,
        )
    )
    chance, shares = model.predict(x)
    chosen = chance > 0.5
    expected = {
        "yes_acc": scikit.accuracy_score(yes, chosen),
        "yes_area": scikit.roc_auc_score(yes, chance),
        "yes_precision_1": scikit.precision_score(yes, chosen),
        "yes_recall_1": scikit.recall_score(yes, chosen),
        "yes_mean_absolute_error": abs(yes - chance).mean(),
        "yes_weighted": scikit.recall_score(yes, chance > 0.25, sample_weight=weights),
        "kind_accuracy": scikit.accuracy_score(kinds, shares.argmax(-1)),
        "kind_sparse_top_k_categorical_accuracy": scikit.top_k_accuracy_score(kinds[:, 0], shares, k=2),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-2 if name == "yes_area" else 1e-5), name
    again = model.evaluate(x, [yes, kinds], batch_size=16, verbose=0, sample_weight=[weights, np.ones(40)])
    np.testing.assert_allclose(again, list(found.values()), rtol=1e-6)


def test_values_at_several_thresholds_in_logs():
    x, yes, _, _ = data()
    given = Input((5,))
    model = Model(given, Dense(1, activation="sigmoid")(given))
    model.compile("sgd", "binary_crossentropy", metrics=[metrics.Recall([0.25, 0.75], name="at")])
    history = model.fit(x, yes, epochs=2, verbose=0, validation_data=(x, yes)).history
    last = model.predict(x)
    expected = [scikit.recall_score(yes, last > t) for t in (0.25, 0.75)]
    np.testing.assert_allclose(history["val_at"][-1], expected, rtol=1e-6)
    assert len(history["at"]) == 2


def test_a_metric_that_loses_its_updates():
    class Lost(metrics.Metric):
        def __init__(self):
            super().__init__(name="lost")
            self.seen = self.add_weight("seen")

        def update_state(self, y_true, y_pred, sample_weight=None):
            K.update_add(self.seen, 1.0)

        def result(self):
            return self.seen

    given = Input((5,))
    model = Model(given, Dense(1)(given))
    with pytest.raises(ValueError, match="Lost 'lost': update_state returned no updates"):
        model.compile("sgd", "mse", metrics=[Lost()])
