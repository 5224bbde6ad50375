"""Losses of predicted classes and probabilities: each function gives one loss for every entry of all axes but one."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.losses.operands import computed_wide, epsilon, predictions_of, targets_of


def _signs(y_true: Any) -> Any:
    """Targets as -1 and 1: targets that are all 0 or 1 are converted, others stay."""
    binary = K.all(K.equal(y_true * (y_true - 1.0), 0.0))
    share = K.cast(binary, K.dtype(y_true))
    return share * (2.0 * y_true - 1.0) + (1.0 - share) * y_true


@computed_wide
def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of max(1 - t p, 0)², for targets -1 and 1, or 0 and 1."""
    return K.mean(K.square(K.maximum(1.0 - _signs(y_true) * y_pred, 0.0)), axis=-1)


@computed_wide
def hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of max(1 - t p, 0), for targets -1 and 1, or 0 and 1."""
    return K.mean(K.maximum(1.0 - _signs(y_true) * y_pred, 0.0), axis=-1)


@computed_wide
def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """max(0, 1 + the largest prediction of a wrong class - that of the right class)."""
    right = K.sum(y_true * y_pred, axis=-1)
    wrong = K.max((1.0 - y_true) * y_pred, axis=-1)
    return K.maximum(0.0, wrong - right + 1.0)


@computed_wide
def kullback_leibler_divergence(y_true: Any, y_pred: Any) -> Any:
    """sum(t log(t / p)); t and p are kept from epsilon to 1."""
    smallest = epsilon(y_pred)
    y_true = K.minimum(K.maximum(y_true, smallest), 1.0)
    y_pred = K.minimum(K.maximum(y_pred, smallest), 1.0)
    return K.sum(y_true * K.log(y_true / y_pred), axis=-1)


# K's crossentropies look at what made the predictions, and so get them as they are.


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: Any = 0, axis: int = -1
) -> Any:
    """-sum(t log p) over the classes, for targets of 0 and 1.

    Args:
        y_true: Targets, of the shape of the predictions.
        y_pred: Probabilities, or scores.
        from_logits: Whether the predictions are scores before a softmax.
        label_smoothing: Share of each target that is spread over all classes: a number from 0 to 1, or a tensor.
        axis: The axis of the classes.

    Raises:
        ValueError: If `label_smoothing` is outside.
    """
    y_pred = predictions_of(y_pred)
    y_true = targets_of(y_true, y_pred)
    if smooths("categorical_crossentropy", label_smoothing):
        classes = K.cast(K.shape(y_pred)[axis], K.dtype(y_pred))
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / classes
    return K.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-log p of the right class, for targets that are class numbers.

    Args:
        y_true: Class numbers: the shape of the predictions without the axis of the classes, or with length 1 there.
        y_pred: Probabilities, or scores.
        from_logits: Whether the predictions are scores before a softmax.
        axis: The axis of the classes.
    """
    y_true = y_true if K.is_tensor(y_true) else K.constant(y_true, dtype="int32")
    return K.sparse_categorical_crossentropy(y_true, predictions_of(y_pred), from_logits=from_logits, axis=axis)


def binary_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: Any = 0) -> Any:
    """Mean of -t log p - (1 - t) log(1 - p) over the last axis.

    Args:
        y_true: Targets from 0 to 1.
        y_pred: Probabilities, or scores.
        from_logits: Whether the predictions are scores before a sigmoid.
        label_smoothing: Share by which targets are drawn towards 0.5: a number from 0 to 1, or a tensor.

    Raises:
        ValueError: If `label_smoothing` is outside.
    """
    y_pred = predictions_of(y_pred)
    y_true = targets_of(y_true, y_pred)
    if smooths("binary_crossentropy", label_smoothing):
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return K.mean(K.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=-1)


def smooths(function: str, label_smoothing: Any) -> bool:
    """Whether there is anything to smooth; a tensor may be anything.

    Raises:
        ValueError: If it is a number outside 0 to 1.
    """
    if K.is_tensor(label_smoothing):
        return True
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{function}: label_smoothing is a share from 0 to 1, received {label_smoothing!r}.")
    return bool(label_smoothing)
