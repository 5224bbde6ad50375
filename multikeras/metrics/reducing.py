"""Sums and means of values, kept over the batches of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from multikeras import backend as K
from multikeras import lookup
from multikeras.metrics.base import Metric, as_values, share
from multikeras.utils.losses_utils import match_weights, squeeze_or_expand_dimensions
from multikeras.utils.metrics_utils import Reduction


class Reduce(Metric):
    """One number of many: their sum, their mean, or their mean by weights.

    Attributes:
        reduction: A word of `metrics_utils.Reduction`.
        total: The sum so far.
        count: How many there were, or the sum of their weights; only of means.
    """

    def __init__(self, reduction: str, name: str | None = None, dtype: Any = None) -> None:
        """Makes the state.

        Args:
            reduction: `'sum'`; `'sum_over_batch_size'`, the weighted sum divided by the number of values; or
                `'weighted_mean'`, the weighted sum divided by the sum of the weights.
            name: As in `Metric`.
            dtype: As in `Metric`.

        Raises:
            ValueError: If `reduction` is another word.
        """
        self.reduction = Reduction.validate(reduction)
        super().__init__(name, dtype)
        self.total = self.add_weight("total")
        if reduction != Reduction.SUM:
            self.count = self.add_weight("count")

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        """Takes the values of a batch into the sum.

        Args:
            values: A tensor of any shape.
            sample_weight: Weights for it, or None.
        """
        values = as_values(values, self.dtype)
        count = K.cast(K.size(values), self.dtype)
        if sample_weight is not None:
            values, sample_weight = match_weights(values, sample_weight)
            if self.reduction == Reduction.WEIGHTED_MEAN:
                count = K.sum(sample_weight * K.ones_like(values))
            values = values * sample_weight
        updates = [K.update_add(self.total, K.sum(values))]
        return updates if self.reduction == Reduction.SUM else [*updates, K.update_add(self.count, count)]

    def result(self) -> Any:
        if self.reduction == Reduction.SUM:
            return K.identity(self.total)
        # Weights may be fractions, so the count may be below 1.
        return share(self.total, self.count)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {"reduction": self.reduction, **config} if type(self) is Reduce else config


class Sum(Reduce):
    """The sum of all values, times their weights."""

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(Reduction.SUM, name, dtype)


class Mean(Reduce):
    """The mean of all values, by their weights; 0 before the first one."""

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(Reduction.WEIGHTED_MEAN, name, dtype)


class MeanTensor(Metric):
    """The mean of tensors of one shape, entry by entry; its state is made when the first one is seen."""

    def __init__(self, name: str | None = "mean_tensor", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.total: Any = None
        self.count: Any = None

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        """Takes a tensor into the mean.

        Args:
            values: A tensor whose shape is known and always the same.
            sample_weight: Weights that broadcast against it, or None.

        Raises:
            ValueError: If the shape is unknown, or another than before.
        """
        values = as_values(values, self.dtype)
        shape: Any = K.int_shape(values)
        if self.total is None:
            if None in shape:
                raise ValueError(
                    f"MeanTensor {self.name!r} keeps a mean of every entry, so that values need a known shape; "
                    f"received {shape}. Take the mean over the batch first, or use metrics.Mean."
                )
            self.total, self.count = self.add_weight("total", shape), self.add_weight("count", shape)
        if shape != K.int_shape(self.total):
            raise ValueError(
                f"MeanTensor {self.name!r} has seen values of shape {K.int_shape(self.total)} first; received {shape}."
            )
        counted = K.ones_like(values)
        if sample_weight is not None:
            values, sample_weight = match_weights(values, sample_weight)
            values, counted = values * sample_weight, counted * sample_weight
        return [K.update_add(self.total, values), K.update_add(self.count, counted)]

    def result(self) -> Any:
        if self.total is None:
            raise ValueError(f"MeanTensor {self.name!r} has no result before the first values: their shape is unknown.")
        return share(self.total, self.count)


class MeanMetricWrapper(Mean):
    """The mean of a function of targets and predictions.

    Attributes:
        fn: The function.
        keywords: Arguments that it gets beside targets and predictions.
    """

    def __init__(
        self, fn: Callable[..., Any] | str, name: str | None = None, dtype: Any = None, **keywords: Any
    ) -> None:
        """Keeps the function.

        Args:
            fn: A function of targets and predictions, or the name of one.
            name: Its name in logs; that of the function if None.
            dtype: As in `Metric`.
            **keywords: Passed to `fn` at every call.
        """
        if isinstance(fn, (str, Mapping)):
            from multikeras import metrics

            fn = metrics.get(fn)
        if not callable(fn):
            raise TypeError(f"MeanMetricWrapper needs a function of y_true and y_pred, received {fn!r}.")
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
        y_true, y_pred = as_values(y_true, None), as_values(y_pred, None)
        y_pred, y_true = squeeze_or_expand_dimensions(y_pred, y_true)
        return super().update_state(self.fn(y_true, y_pred, **self.keywords), sample_weight)

    def get_config(self) -> dict[str, Any]:
        keywords = {name: K.eval(v).tolist() if K.is_tensor(v) else v for name, v in self.keywords.items()}
        config = {**super().get_config(), **keywords}
        return {"fn": lookup.serialize(self.fn), **config} if type(self) is MeanMetricWrapper else config


class RootMeanSquaredError(Mean):
    """Root of the mean squared error over all entries."""

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:  # type: ignore[override]
        """Takes a batch into the mean.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: A weight for each sample, or None.
        """
        y_true, y_pred = as_values(y_true, self.dtype), as_values(y_pred, self.dtype)
        y_pred, y_true = squeeze_or_expand_dimensions(y_pred, y_true)
        return super().update_state(K.square(y_pred - y_true), sample_weight)

    def result(self) -> Any:
        return K.sqrt(super().result())


class MeanRelativeError(Mean):
    """Mean of |p - t| divided by a normalizer; 0 where that is 0."""

    def __init__(self, normalizer: Any, name: str | None = None, dtype: Any = None) -> None:
        """Keeps the settings.

        Args:
            normalizer: Numbers that broadcast against the predictions: an array, a list or a tensor.
            name: As in `Metric`.
            dtype: As in `Metric`.
        """
        super().__init__(name, dtype)
        self.normalizer = as_values(normalizer, self.dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:  # type: ignore[override]
        """Takes a batch into the mean.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weights that broadcast against them, or None.
        """
        y_true, y_pred = as_values(y_true, self.dtype), as_values(y_pred, self.dtype)
        y_pred, y_true = squeeze_or_expand_dimensions(y_pred, y_true)
        return super().update_state(share(K.abs(y_pred - y_true), self.normalizer), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {"normalizer": K.eval(self.normalizer).tolist(), **super().get_config()}
