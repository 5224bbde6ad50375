"""The loss functions as classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikeras.losses import classification, regression
from multikeras.losses.base import LossFunctionWrapper
from multikeras.losses.operands import predictions_of, targets_of
from multikeras.utils.losses_utils import Reduction, squeeze_or_expand_dimensions


class _Elementwise(LossFunctionWrapper):
    """A loss whose targets have the shape of the predictions, up to a last axis of length 1."""

    function: Callable[..., Any]

    def __init__(self, reduction: str = Reduction.SUM_OVER_BATCH_SIZE, name: str | None = None) -> None:
        kind = type(self)
        super().__init__(kind.function, reduction, name or kind.function.__name__)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_pred = predictions_of(y_pred)
        y_pred, y_true = squeeze_or_expand_dimensions(y_pred, targets_of(y_true, y_pred))
        return super().call(y_true, y_pred)


class MeanSquaredError(_Elementwise):
    """Class of `mean_squared_error`."""

    function = staticmethod(regression.mean_squared_error)


class MeanAbsoluteError(_Elementwise):
    """Class of `mean_absolute_error`."""

    function = staticmethod(regression.mean_absolute_error)


class MeanAbsolutePercentageError(_Elementwise):
    """Class of `mean_absolute_percentage_error`."""

    function = staticmethod(regression.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_Elementwise):
    """Class of `mean_squared_logarithmic_error`."""

    function = staticmethod(regression.mean_squared_logarithmic_error)


class SquaredHinge(_Elementwise):
    """Class of `squared_hinge`."""

    function = staticmethod(classification.squared_hinge)


class Hinge(_Elementwise):
    """Class of `hinge`."""

    function = staticmethod(classification.hinge)


class CategoricalHinge(_Elementwise):
    """Class of `categorical_hinge`."""

    function = staticmethod(classification.categorical_hinge)


class Poisson(_Elementwise):
    """Class of `poisson`."""

    function = staticmethod(regression.poisson)


class LogCosh(_Elementwise):
    """Class of `logcosh`."""

    function = staticmethod(regression.logcosh)


class KLDivergence(_Elementwise):
    """Class of `kullback_leibler_divergence`."""

    function = staticmethod(classification.kullback_leibler_divergence)


class CosineSimilarity(LossFunctionWrapper):
    """Class of `cosine_proximity`."""

    def __init__(
        self, axis: int = -1, reduction: str = Reduction.SUM_OVER_BATCH_SIZE, name: str | None = "cosine_similarity"
    ) -> None:
        """Keeps the settings.

        Args:
            axis: The axis along which the vectors lie.
            reduction: As in `Loss`.
            name: As in `Loss`.
        """
        super().__init__(regression.cosine_proximity, reduction, name, axis=axis)


class Huber(LossFunctionWrapper):
    """Class of `huber_loss`."""

    def __init__(
        self, delta: float = 1.0, reduction: str = Reduction.SUM_OVER_BATCH_SIZE, name: str | None = "huber_loss"
    ) -> None:
        """Keeps the settings.

        Args:
            delta: Size of the error from which the loss grows with the error and no longer with its square.
            reduction: As in `Loss`.
            name: As in `Loss`.
        """
        super().__init__(regression.huber_loss, reduction, name, delta=delta)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_pred = predictions_of(y_pred)
        y_pred, y_true = squeeze_or_expand_dimensions(y_pred, targets_of(y_true, y_pred))
        return super().call(y_true, y_pred)


class BinaryCrossentropy(LossFunctionWrapper):
    """Class of `binary_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: Any = 0,
        reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        name: str | None = "binary_crossentropy",
        axis: int = -1,
    ) -> None:
        """Keeps the settings.

        Args:
            from_logits: Whether the predictions are scores before a sigmoid.
            label_smoothing: Share by which targets are drawn towards 0.5.
            reduction: As in `Loss`.
            name: As in `Loss`.
            axis: -1, the only axis over which the mean is taken; there for configurations of later versions.

        Raises:
            ValueError: If a setting is none of these.
        """
        if axis != -1:
            raise ValueError(f"BinaryCrossentropy takes its mean over the last axis, -1, received axis={axis!r}.")
        classification.smooths(type(self).__name__, label_smoothing)
        super().__init__(
            classification.binary_crossentropy,
            reduction,
            name,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_pred = predictions_of(y_pred)
        y_pred, y_true = squeeze_or_expand_dimensions(y_pred, targets_of(y_true, y_pred))
        return super().call(y_true, y_pred)


class CategoricalCrossentropy(LossFunctionWrapper):
    """Class of `categorical_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: Any = 0,
        reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        name: str | None = "categorical_crossentropy",
        axis: int = -1,
    ) -> None:
        """Keeps the settings.

        Args:
            from_logits: Whether the predictions are scores before a softmax.
            label_smoothing: Share of each target that is spread over all classes.
            reduction: As in `Loss`.
            name: As in `Loss`.
            axis: The axis of the classes.

        Raises:
            ValueError: If a setting is none of these.
        """
        classification.smooths(type(self).__name__, label_smoothing)
        super().__init__(
            classification.categorical_crossentropy,
            reduction,
            name,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """Class of `sparse_categorical_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        name: str | None = "sparse_categorical_crossentropy",
        axis: int = -1,
    ) -> None:
        """Keeps the settings.

        Args:
            from_logits: Whether the predictions are scores before a softmax.
            reduction: As in `Loss`.
            name: As in `Loss`.
            axis: The axis of the classes.
        """
        super().__init__(
            classification.sparse_categorical_crossentropy, reduction, name, from_logits=from_logits, axis=axis
        )
