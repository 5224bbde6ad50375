"""Models as estimators of scikit-learn, for its pipelines, grid searches and cross-validation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from multikeras.models import Sequential
from multikeras.utils.np_utils import to_categorical

__all__ = ["BaseWrapper", "KerasClassifier", "KerasRegressor"]


class BaseWrapper:
    """What classifier and regressor share.

    Args:
        build_fn: A function that returns a compiled model, or an object with such a `__call__`; None for a
            subclass that has one itself.
        **sk_params: Arguments of `build_fn`, and of `fit`, `predict`, `predict_classes` and `evaluate` of the model.

    Raises:
        ValueError: If none of them takes one of the arguments.
    """

    _estimator_type: str = ""

    def __init__(self, build_fn: Callable[..., Any] | None = None, **sk_params: Any) -> None:
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.model: Any = None
        self.check_params(sk_params)

    def _builder(self) -> Callable[..., Any]:
        """The function that makes the model."""
        if self.build_fn is not None:
            return self.build_fn
        call = getattr(self, "__call__", None)  # noqa: B004
        if call is None:
            raise TypeError(f"{type(self).__name__} needs a build_fn that returns a compiled model.")
        return call

    def check_params(self, params: Mapping[str, Any]) -> None:
        """Raises ValueError if nothing that is called takes one of the arguments."""
        functions: list[Any] = [Sequential.fit, Sequential.predict, Sequential.predict_classes, Sequential.evaluate]
        builder = self._builder()
        if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(builder).parameters.values()):
            return
        for name in params:
            if name != "nb_epoch" and not any(_takes(function, name) for function in [*functions, builder]):
                raise ValueError(
                    f"{type(self).__name__}: neither build_fn nor fit, predict or evaluate takes an argument {name!r}."
                )

    def get_params(self, **params: Any) -> dict[str, Any]:
        """The arguments of the constructor; `deep` and the like are ignored."""
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> BaseWrapper:
        """Sets arguments of the constructor, and returns the estimator."""
        self.check_params({name: value for name, value in params.items() if name != "build_fn"})
        if "build_fn" in params:
            self.build_fn = params.pop("build_fn")
        self.sk_params.update(params)
        return self

    def filter_sk_params(self, fn: Callable[..., Any], override: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Those of the arguments that a function takes, with others put over them."""
        chosen = {name: value for name, value in self.sk_params.items() if _takes(fn, name)}
        return {**chosen, **(override or {})}

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Makes a new model and trains it.

        Args:
            x: Samples.
            y: Targets.
            **kwargs: More arguments of `Sequential.fit`.

        Returns:
            The History.
        """
        builder = self._builder()
        self.model = builder(**self.filter_sk_params(builder))
        loss = self.model.loss
        name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
        y = np.asarray(y)
        if name in ("categorical_crossentropy", "CategoricalCrossentropy") and y.ndim != 2:
            y = to_categorical(y)
        return self.model.fit(x, y, **self.filter_sk_params(Sequential.fit, kwargs))

    def _fitted(self) -> Any:
        if self.model is None:
            raise RuntimeError(f"{type(self).__name__} has no model yet: call fit first.")
        return self.model

    def __sklearn_is_fitted__(self) -> bool:
        return self.model is not None

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        classifies = self._estimator_type == "classifier"
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=True),
            transformer_tags=None,
            classifier_tags=ClassifierTags() if classifies else None,
            regressor_tags=None if classifies else RegressorTags(),
            input_tags=InputTags(),
        )


class KerasClassifier(BaseWrapper):
    """A model that classifies, as an estimator of scikit-learn.

    Attributes:
        classes_: The classes, in the order of the model's outputs.
        n_classes_: Their number.
    """

    _estimator_type = "classifier"

    def fit(self, x: Any, y: Any, sample_weight: Any = None, **kwargs: Any) -> Any:
        """Makes a new model and trains it.

        Args:
            x: Samples.
            y: Classes of any kind, shape `(n,)` or `(n, 1)`, or rows of 0 and 1.
            sample_weight: A weight for each sample.
            **kwargs: More arguments of `Sequential.fit`.

        Returns:
            The History.

        Raises:
            ValueError: If `y` has another shape.
        """
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
            self.classes_, y = np.unique(y.reshape(-1), return_inverse=True)
        else:
            raise ValueError(f"KerasClassifier: y is (n,), (n, 1) or (n, classes), received shape {y.shape}.")
        self.n_classes_ = len(self.classes_)
        if sample_weight is not None:
            kwargs["sample_weight"] = np.asarray(sample_weight)
        return super().fit(x, y, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The class of each sample, shape `(n,)`; keywords are those of `predict_classes`."""
        numbers = self._fitted().predict_classes(x, **self.filter_sk_params(Sequential.predict_classes, kwargs))
        return self.classes_[np.asarray(numbers).reshape(-1)]

    def predict_proba(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Probabilities of shape `(n, classes)`; of two classes also where the model has one output."""
        found = self._fitted().predict_proba(x, **self.filter_sk_params(Sequential.predict_proba, kwargs))
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """Accuracy: the share of samples whose class is found; keywords are those of `predict_classes`."""
        y = np.asarray(y)
        y = self.classes_[y.argmax(axis=1)] if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
        weights = kwargs.pop("sample_weight", None)
        return float(np.average(self.predict(x, **kwargs) == y, weights=weights))


class KerasRegressor(BaseWrapper):
    """A model that predicts numbers, as an estimator of scikit-learn."""

    _estimator_type = "regressor"

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Predictions, shape `(n,)` for a model with one output; keywords are those of `Sequential.predict`."""
        found: np.ndarray = self._fitted().predict(x, **self.filter_sk_params(Sequential.predict, kwargs))
        return found[..., 0] if found.shape[-1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The negative loss, so that greater is better; keywords are those of `Sequential.evaluate`."""
        chosen = {"verbose": 0, **self.filter_sk_params(Sequential.evaluate, kwargs)}
        loss = self._fitted().evaluate(x, y, **chosen)
        return -float(loss[0] if isinstance(loss, list) else loss)


def _takes(function: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters and name != "self"
