"""Metrics that keep a state over the batches of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import initializers
from multikeras.contract import check_dtype
from multikeras.utils.losses_utils import match_weights, squeeze_or_expand_dimensions


class Metric:
    """Base class: a subclass defines `update_state`, which returns updates of its weights, and `result`.

    Calling a metric gives its result after an update: a tensor that stores when it is evaluated.

    Attributes:
        name: Its name in logs.
        dtype: Type of its state and result.
        weights: The variables of its state.
        stateful: True: its value is one of all batches since `reset_states`.
    """

    stateful = True

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        """Makes a metric without state; `dtype` is at least float32 if None."""
        self.name = name or type(self).__name__.lower()
        if dtype is None:
            dtype = K.floatx() if K.floatx() == "float64" else "float32"
        self.dtype = check_dtype(dtype)
        self.weights: list[Any] = []

    def add_weight(self, name: str, shape: Sequence[int] = (), initializer: Any = "zeros", dtype: Any = None) -> Any:
        """Makes a variable of the state.

        Args:
            name: Its name.
            shape: Its shape.
            initializer: Its first value.
            dtype: Its type; that of the metric if None.
        """
        dtype = check_dtype(dtype or self.dtype)
        value = initializers.get(initializer)(tuple(shape), dtype=dtype)
        with K.name_scope(self.name):
            variable = K.variable(value, dtype=dtype, name=name)
        variable.trainable = False
        self.weights.append(variable)
        return variable

    @property
    def variables(self) -> list[Any]:
        """The same as `weights`."""
        return self.weights

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """An update, or a list of them, that takes a batch into the state."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_state.")

    def result(self) -> Any:
        """The value of the state as a tensor."""
        raise NotImplementedError(f"{type(self).__name__} does not define result.")

    def reset_states(self) -> None:
        """Forgets all batches: sets every variable of the state to 0."""
        K.batch_set_value([(v, np.zeros(K.int_shape(v), K.dtype(v))) for v in self.weights])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        updates = self.update_state(*args, **kwargs)
        with K.control_dependencies(_as_list(updates)):
            # A variable is replaced where it is an operand, and a result may be the bare variable.
            result: Any = K.identity(self.result())
        result._metric_obj = self
        return result

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Metric:
        """A metric from what `get_config` gave."""
        return cls(**config)


def _as_list(updates: Any) -> list[Any]:
    if updates is None:
        return []
    # An Update unpacks as a pair, and so is no list.
    return list(updates) if isinstance(updates, (list, tuple)) else [updates]


class Sum(Metric):
    """The sum of all values, times their weights."""

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_weight("total")

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        """Adds the values of a batch.

        Args:
            values: A tensor of any shape.
            sample_weight: Weights for it, or None.
        """
        values = _as_values(values, self.dtype)
        if sample_weight is not None:
            values, sample_weight = match_weights(values, sample_weight)
            values = values * sample_weight
        return [K.update_add(self.total, K.sum(values))]

    def result(self) -> Any:
        return K.identity(self.total)


class Mean(Metric):
    """The mean of all values, by their weights; 0 before the first one."""

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_weight("total")
        self.count = self.add_weight("count")

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        """Takes the values of a batch into the mean.

        Args:
            values: A tensor of any shape.
            sample_weight: Weights for it, or None.
        """
        values = _as_values(values, self.dtype)
        if sample_weight is None:
            count = K.cast(K.size(values), self.dtype)
        else:
            values, sample_weight = match_weights(values, sample_weight)
            count = K.sum(sample_weight * K.ones_like(values))
            values = values * sample_weight
        return [K.update_add(self.total, K.sum(values)), K.update_add(self.count, count)]

    def result(self) -> Any:
        # 0 / 1 where nothing has been counted; weights may be fractions, so the count may be below 1.
        return self.total / (self.count + K.cast(K.equal(self.count, 0.0), self.dtype))


class MeanMetricWrapper(Mean):
    """The mean of a function of targets and predictions.

    Attributes:
        fn: The function.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **keywords: Any) -> None:
        """Keeps the function; `keywords` are passed to it at every call."""
        super().__init__(name or getattr(fn, "__name__", None) or type(fn).__name__.lower(), dtype)
        self.fn = fn
        self.keywords = keywords

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:  # type: ignore[override]
        """Takes a batch into the mean.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: A weight for each sample, or None.
        """
        y_true, y_pred = _as_values(y_true, None), _as_values(y_pred, None)
        y_pred, y_true = squeeze_or_expand_dimensions(y_pred, y_true)
        return super().update_state(self.fn(y_true, y_pred, **self.keywords), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.keywords}


def _as_values(values: Any, dtype: str | None) -> Any:
    if not K.is_tensor(values):
        return K.constant(values, dtype=dtype)
    return values if dtype is None or K.dtype(values) == dtype else K.cast(values, dtype)
