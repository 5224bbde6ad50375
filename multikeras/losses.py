"""Loss functions, and classes that reduce them over a batch.

A function takes targets and predictions and gives one loss for each entry of all axes but the
last. A class gives one number for a batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from math import log
from typing import Any

from multikeras import backend as K
from multikeras.programs import settings
from multikeras.utils.generic_utils import deserialize_keras_object, serialize_keras_object
from multikeras.utils.losses_utils import Reduction, compute_weighted_loss, squeeze_or_expand_dimensions


def _operands(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as tensors of the type of the predictions."""
    if not K.is_tensor(y_pred):
        y_pred = K.constant(y_pred)
    if not K.is_tensor(y_true):
        y_true = K.constant(y_true, dtype=K.dtype(y_pred))
    return K.cast(y_true, K.dtype(y_pred)), y_pred


def _epsilon(x: Any) -> Any:
    """Epsilon as it is when a program is specialised, in the type of `x`."""
    return K.cast(settings.epsilon(), K.dtype(x))


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of (p - t)²."""
    y_true, y_pred = _operands(y_true, y_pred)
    return K.mean(K.square(y_pred - y_true), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of |p - t|."""
    y_true, y_pred = _operands(y_true, y_pred)
    return K.mean(K.abs(y_pred - y_true), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """100 times the mean of |p - t| / |t|; |t| is at least epsilon."""
    y_true, y_pred = _operands(y_true, y_pred)
    share = K.abs(y_true - y_pred) / K.maximum(K.abs(y_true), _epsilon(y_pred))
    return 100.0 * K.mean(share, axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of (log(p + 1) - log(t + 1))²; p and t are at least epsilon."""
    y_true, y_pred = _operands(y_true, y_pred)
    epsilon = _epsilon(y_pred)
    difference = K.log(K.maximum(y_pred, epsilon) + 1.0) - K.log(K.maximum(y_true, epsilon) + 1.0)
    return K.mean(K.square(difference), axis=-1)


def _signs(y_true: Any) -> Any:
    """Targets as -1 and 1: targets that are all 0 or 1 are converted, others stay."""
    binary = K.all(K.cast(K.equal(y_true * (y_true - 1.0), 0.0), "int32"))
    share = K.cast(binary, K.dtype(y_true))
    return share * (2.0 * y_true - 1.0) + (1.0 - share) * y_true


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of max(1 - t p, 0)², for targets -1 and 1, or 0 and 1."""
    y_true, y_pred = _operands(y_true, y_pred)
    return K.mean(K.square(K.maximum(1.0 - _signs(y_true) * y_pred, 0.0)), axis=-1)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of max(1 - t p, 0), for targets -1 and 1, or 0 and 1."""
    y_true, y_pred = _operands(y_true, y_pred)
    return K.mean(K.maximum(1.0 - _signs(y_true) * y_pred, 0.0), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """max(0, 1 + the largest prediction of a wrong class - that of the right class)."""
    y_true, y_pred = _operands(y_true, y_pred)
    right = K.sum(y_true * y_pred, axis=-1)
    wrong = K.max((1.0 - y_true) * y_pred, axis=-1)
    return K.maximum(0.0, wrong - right + 1.0)


def logcosh(y_true: Any, y_pred: Any) -> Any:
    """Mean of log(cosh(p - t)), in a form that stays finite."""
    y_true, y_pred = _operands(y_true, y_pred)
    x = y_pred - y_true
    return K.mean(x + K.softplus(-2.0 * x) - log(2.0), axis=-1)


def huber_loss(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Mean of e²/2 for errors e up to `delta`, and of `delta` |e| - `delta`²/2 beyond."""
    y_true, y_pred = _operands(y_true, y_pred)
    error = K.abs(y_pred - y_true)
    near = K.minimum(error, delta)
    return K.mean(0.5 * K.square(near) + delta * (error - near), axis=-1)


def categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0) -> Any:
    """-sum(t log p) over the classes, for targets of 0 and 1.

    Args:
        y_true: Targets `(…, classes)`.
        y_pred: Probabilities, or scores.
        from_logits: Whether the predictions are scores before a softmax.
        label_smoothing: Share of each target that is spread over all classes.
    """
    y_true, y_pred = _operands(y_true, y_pred)
    if label_smoothing:
        classes = K.cast(K.shape(y_pred)[-1], K.dtype(y_pred))
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / classes
    return K.categorical_crossentropy(y_true, y_pred, from_logits=from_logits)


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-log p of the right class, for targets that are class numbers.

    Args:
        y_true: Class numbers, with or without a last axis of length 1.
        y_pred: Probabilities, or scores.
        from_logits: Whether the predictions are scores before a softmax.
        axis: The axis of the classes.
    """
    if not K.is_tensor(y_pred):
        y_pred = K.constant(y_pred)
    if not K.is_tensor(y_true):
        y_true = K.constant(y_true, dtype="int32")
    rank = K.ndim(y_pred)
    if axis % rank != rank - 1:
        others = [a for a in range(rank) if a != axis % rank]
        y_pred = K.permute_dimensions(y_pred, (*others, axis % rank))
    if K.ndim(y_true) == rank and K.int_shape(y_true)[-1] in (1, None):
        y_true = K.squeeze(y_true, -1) if K.int_shape(y_true)[-1] == 1 else K.reshape(y_true, K.shape(y_pred)[:-1])
    return K.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits)


def binary_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0) -> Any:
    """Mean of -t log p - (1 - t) log(1 - p).

    Args:
        y_true: Targets from 0 to 1.
        y_pred: Probabilities, or scores.
        from_logits: Whether the predictions are scores before a sigmoid.
        label_smoothing: Share by which targets are drawn towards 0.5.
    """
    y_true, y_pred = _operands(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return K.mean(K.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=-1)


def kullback_leibler_divergence(y_true: Any, y_pred: Any) -> Any:
    """sum(t log(t / p)); t and p are kept from epsilon to 1."""
    y_true, y_pred = _operands(y_true, y_pred)
    epsilon = _epsilon(y_pred)
    y_true = K.minimum(K.maximum(y_true, epsilon), 1.0)
    y_pred = K.minimum(K.maximum(y_pred, epsilon), 1.0)
    return K.sum(y_true * K.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """Mean of p - t log(p + epsilon)."""
    y_true, y_pred = _operands(y_true, y_pred)
    return K.mean(y_pred - y_true * K.log(y_pred + _epsilon(y_pred)), axis=-1)


def cosine_proximity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Minus the cosine of the angle between targets and predictions."""
    y_true, y_pred = _operands(y_true, y_pred)
    return -K.sum(K.l2_normalize(y_true, axis=axis) * K.l2_normalize(y_pred, axis=axis), axis=axis)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence
cosine = cosine_similarity = cosine_proximity
huber = huber_loss


class Loss:
    """Base class: a subclass defines `call(y_true, y_pred)`, the loss of every sample."""

    def __init__(self, reduction: str = Reduction.SUM_OVER_BATCH_SIZE, name: str | None = None) -> None:
        """Keeps the settings.

        Args:
            reduction: `'sum_over_batch_size'` is the mean over the batch, `'sum'` the sum, `'none'` leaves one loss a
                sample.
            name: A name for outputs and messages.
        """
        self.reduction = Reduction.validate(reduction)
        self.name = name

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of every sample."""
        raise NotImplementedError(f"{type(self).__name__} does not define call(y_true, y_pred).")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: A weight for each sample, or None.
        """
        return compute_weighted_loss(self.call(y_true, y_pred), sample_weight, self.reduction)

    def get_config(self) -> dict[str, Any]:
        return {"reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        """A loss from what `get_config` gave."""
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A loss function as an object.

    Attributes:
        fn: The function.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        """Keeps the settings; `keywords` are passed to `fn` at every call."""
        super().__init__(reduction, name)
        self.fn = fn
        self.keywords = keywords

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self.keywords)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.keywords}


class _Elementwise(LossFunctionWrapper):
    """A loss whose targets have the shape of the predictions, up to a last axis of length 1."""

    function: Callable[..., Any]

    def __init__(self, reduction: str = Reduction.SUM_OVER_BATCH_SIZE, name: str | None = None) -> None:
        kind = type(self)
        super().__init__(kind.function, reduction, name or kind.function.__name__)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = _operands(y_true, y_pred)
        y_pred, y_true = squeeze_or_expand_dimensions(y_pred, y_true)
        return super().call(y_true, y_pred)


class MeanSquaredError(_Elementwise):
    """Class of `mean_squared_error`."""

    function = staticmethod(mean_squared_error)


class MeanAbsoluteError(_Elementwise):
    """Class of `mean_absolute_error`."""

    function = staticmethod(mean_absolute_error)


class MeanAbsolutePercentageError(_Elementwise):
    """Class of `mean_absolute_percentage_error`."""

    function = staticmethod(mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_Elementwise):
    """Class of `mean_squared_logarithmic_error`."""

    function = staticmethod(mean_squared_logarithmic_error)


class SquaredHinge(_Elementwise):
    """Class of `squared_hinge`."""

    function = staticmethod(squared_hinge)


class Hinge(_Elementwise):
    """Class of `hinge`."""

    function = staticmethod(hinge)


class CategoricalHinge(_Elementwise):
    """Class of `categorical_hinge`."""

    function = staticmethod(categorical_hinge)


class Poisson(_Elementwise):
    """Class of `poisson`."""

    function = staticmethod(poisson)


class LogCosh(_Elementwise):
    """Class of `logcosh`."""

    function = staticmethod(logcosh)


class KLDivergence(_Elementwise):
    """Class of `kullback_leibler_divergence`."""

    function = staticmethod(kullback_leibler_divergence)


class CosineSimilarity(LossFunctionWrapper):
    """Class of `cosine_proximity`."""

    def __init__(
        self, axis: int = -1, reduction: str = Reduction.SUM_OVER_BATCH_SIZE, name: str | None = "cosine_similarity"
    ) -> None:
        super().__init__(cosine_proximity, reduction, name, axis=axis)


class Huber(LossFunctionWrapper):
    """Class of `huber_loss`."""

    def __init__(
        self, delta: float = 1.0, reduction: str = Reduction.SUM_OVER_BATCH_SIZE, name: str | None = "huber_loss"
    ) -> None:
        super().__init__(huber_loss, reduction, name, delta=delta)


class BinaryCrossentropy(LossFunctionWrapper):
    """Class of `binary_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0,
        reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        name: str | None = "binary_crossentropy",
    ) -> None:
        super().__init__(binary_crossentropy, reduction, name, from_logits=from_logits, label_smoothing=label_smoothing)


class CategoricalCrossentropy(LossFunctionWrapper):
    """Class of `categorical_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0,
        reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        name: str | None = "categorical_crossentropy",
    ) -> None:
        super().__init__(
            categorical_crossentropy, reduction, name, from_logits=from_logits, label_smoothing=label_smoothing
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """Class of `sparse_categorical_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        name: str | None = "sparse_categorical_crossentropy",
    ) -> None:
        super().__init__(sparse_categorical_crossentropy, reduction, name, from_logits=from_logits)


def serialize(loss: Any) -> Any:
    """What stands for a loss in a configuration."""
    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that a name or a configuration stands for."""
    return deserialize_keras_object(name, _known(), custom_objects, "loss")


def get(identifier: Any) -> Any:
    """A loss from its name, its configuration, or itself; None stays None.

    Raises:
        ValueError: If there is no such loss; the message lists those that exist.
    """
    return deserialize(identifier)


def is_categorical_crossentropy(loss: Any) -> bool:
    """Whether a loss, its name or its object is the categorical crossentropy."""
    return getattr(loss, "fn", loss) in (categorical_crossentropy, "categorical_crossentropy")


def _known() -> dict[str, Any]:
    """Losses by name: the functions of two arguments and the classes of this module."""
    own = __name__
    return {
        name: value
        for name, value in globals().items()
        if not name.startswith("_")
        and name not in _HELPERS
        and getattr(value, "__module__", None) == own
        and (inspect.isfunction(value) or inspect.isclass(value))
    }


_HELPERS = frozenset({"serialize", "deserialize", "get", "is_categorical_crossentropy", "Loss", "LossFunctionWrapper"})
