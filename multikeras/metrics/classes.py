"""Metrics by class: means of functions, kept over the batches of an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikeras import losses
from multikeras.metrics import functions
from multikeras.metrics.reducing import MeanMetricWrapper


class _MeanOf(MeanMetricWrapper):
    """The mean of the function `function`."""

    function: Callable[..., Any]

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        kind = type(self)
        super().__init__(kind.function, name or kind.function.__name__, dtype)


class Accuracy(_MeanOf):
    """Share of predictions that equal their target."""

    function = staticmethod(functions.accuracy)


class CategoricalAccuracy(_MeanOf):
    """Mean of `categorical_accuracy`."""

    function = staticmethod(functions.categorical_accuracy)


class SparseCategoricalAccuracy(_MeanOf):
    """Mean of `sparse_categorical_accuracy`."""

    function = staticmethod(functions.sparse_categorical_accuracy)


class MeanSquaredError(_MeanOf):
    """Mean of `mean_squared_error`."""

    function = staticmethod(losses.mean_squared_error)


class MeanAbsoluteError(_MeanOf):
    """Mean of `mean_absolute_error`."""

    function = staticmethod(losses.mean_absolute_error)


class MeanAbsolutePercentageError(_MeanOf):
    """Mean of `mean_absolute_percentage_error`."""

    function = staticmethod(losses.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_MeanOf):
    """Mean of `mean_squared_logarithmic_error`."""

    function = staticmethod(losses.mean_squared_logarithmic_error)


class Hinge(_MeanOf):
    """Mean of `hinge`."""

    function = staticmethod(losses.hinge)


class SquaredHinge(_MeanOf):
    """Mean of `squared_hinge`."""

    function = staticmethod(losses.squared_hinge)


class CategoricalHinge(_MeanOf):
    """Mean of `categorical_hinge`."""

    function = staticmethod(losses.categorical_hinge)


class Poisson(_MeanOf):
    """Mean of `poisson`."""

    function = staticmethod(losses.poisson)


class LogCoshError(_MeanOf):
    """Mean of `logcosh`."""

    function = staticmethod(losses.logcosh)


class KLDivergence(_MeanOf):
    """Mean of `kullback_leibler_divergence`."""

    function = staticmethod(losses.kullback_leibler_divergence)


class BinaryAccuracy(MeanMetricWrapper):
    """Mean of `binary_accuracy`."""

    def __init__(self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(functions.binary_accuracy, name, dtype, threshold=threshold)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """Mean of `top_k_categorical_accuracy`."""

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(functions.top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """Mean of `sparse_top_k_categorical_accuracy`."""

    def __init__(self, k: int = 5, name: str | None = "sparse_top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(functions.sparse_top_k_categorical_accuracy, name, dtype, k=k)


class CosineSimilarity(MeanMetricWrapper):
    """Mean cosine of the angle between targets and predictions."""

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(functions.cosine_proximity, name, dtype, axis=axis)


class BinaryCrossentropy(MeanMetricWrapper):
    """Mean of `binary_crossentropy`."""

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            losses.binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )


class CategoricalCrossentropy(MeanMetricWrapper):
    """Mean of `categorical_crossentropy`."""

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            losses.categorical_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """Mean of `sparse_categorical_crossentropy`."""

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.sparse_categorical_crossentropy, name, dtype, from_logits=from_logits, axis=axis)
