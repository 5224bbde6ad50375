"""Models inside scikit-learn's own tools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from multikeras.layers import Dense
from multikeras.models import Sequential
from multikeras.wrappers.scikit_learn import KerasClassifier, KerasRegressor

RNG = np.random.RandomState(3)
X = RNG.randn(90, 4)
CLASSES = np.array(["ant", "bee", "cow"])[np.argmax(X[:, :3], axis=1)]


def classifier(units: int = 3, loss: str = "categorical_crossentropy") -> Sequential:
    model = Sequential([Dense(units, activation="softmax" if units > 1 else "sigmoid", input_shape=(4,))])
    model.compile("adam" if units == 1 else "sgd", loss)
    model.optimizer.lr = 0.5
    return model


def regressor() -> Sequential:
    model = Sequential([Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse", metrics=["mae"])
    model.optimizer.lr = 0.1
    return model


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_classes_of_any_kind(loss: str) -> None:
    estimator = KerasClassifier(classifier, loss=loss, epochs=20, verbose=0, batch_size=10)
    history = estimator.fit(X, CLASSES)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert set(estimator.predict(X)) <= {"ant", "bee", "cow"}
    assert estimator.score(X, CLASSES) == np.mean(estimator.predict(X) == CLASSES) > 0.8
    assert estimator.score(X, CLASSES, sample_weight=estimator.predict(X) == CLASSES) == 1
    np.testing.assert_allclose(estimator.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    assert list(estimator.classes_) == ["ant", "bee", "cow"]


def test_rows_of_zeros_and_ones_and_two_classes() -> None:
    rows = np.eye(3)[np.argmax(X[:, :3], axis=1)]
    estimator = KerasClassifier(classifier, epochs=20, verbose=0)
    estimator.fit(X, rows, sample_weight=np.ones(90))
    assert estimator.score(X, rows) > 0.8
    two = KerasClassifier(classifier, units=1, loss="binary_crossentropy", epochs=20, verbose=0)
    two.fit(X, X[:, 0] > 0)
    assert two.predict_proba(X).shape == (90, 2)
    assert two.predict(X).dtype == bool
    assert two.score(X, X[:, 0] > 0) > 0.8
    with pytest.raises(ValueError, match=r"received shape \(2, 2, 2\)"):
        two.fit(X, np.zeros((2, 2, 2)))


def test_regression() -> None:
    y = X @ [1.0, -2.0, 0.5, 0.0] + 1 + 0.1 * RNG.randn(90)
    estimator = KerasRegressor(build_fn=regressor, epochs=30, verbose=0)
    estimator.fit(X, y)
    assert estimator.predict(X).shape == (90,)
    np.testing.assert_allclose(estimator.score(X, y), -np.mean((estimator.predict(X) - y) ** 2), rtol=1e-4)
    assert estimator.score(X, y) > -0.02


def test_tools_of_scikit_learn() -> None:
    estimator = KerasClassifier(classifier, epochs=15, verbose=0, batch_size=10)
    assert is_classifier(estimator)
    assert is_regressor(KerasRegressor(regressor))
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    assert cross_val_score(estimator, X, CLASSES, cv=3).mean() > 0.7
    search = GridSearchCV(estimator, {"epochs": [1, 15]}, cv=2)
    assert search.fit(X, CLASSES).best_params_ == {"epochs": 15}
    pipeline = make_pipeline(StandardScaler(), estimator)
    assert pipeline.fit(X * 50 + 7, CLASSES).score(X * 50 + 7, CLASSES) > 0.7


def test_builders_of_other_kinds() -> None:
    class Builder:
        def __call__(self, units: int) -> Any:
            return classifier(units)

    class Own(KerasClassifier):
        def __call__(self, units: int = 3) -> Any:
            return classifier(units)

    for estimator in (KerasClassifier(Builder(), units=3), Own(units=3)):
        estimator.fit(X, CLASSES, epochs=1, verbose=0)
        assert estimator.predict(X, batch_size=7).shape == (90,)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="argument 'unit'"):
        KerasClassifier(classifier, unit=3)
    with pytest.raises(ValueError, match="argument 'unit'"):
        KerasClassifier(classifier).set_params(unit=3)
    with pytest.raises(TypeError, match="needs a build_fn"):
        KerasRegressor()
    with pytest.raises(RuntimeError, match="call fit first"):
        KerasRegressor(regressor).predict(X)
