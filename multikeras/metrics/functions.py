"""Metrics of a batch: functions of targets and predictions that give one number a sample."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras import losses


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where prediction and target are equal, else 0."""
    y_true, y_pred = _tensors(y_true, y_pred)
    return K.cast(K.equal(K.cast(y_true, K.dtype(y_pred)), y_pred), _float(y_pred))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """Share of entries on the same side of the threshold as their target, 0 or 1.

    Args:
        y_true: Targets 0 and 1.
        y_pred: Probabilities.
        threshold: Predictions above it count as 1.
    """
    y_true, y_pred = _tensors(y_true, y_pred)
    chosen = K.cast(K.greater(y_pred, threshold), K.dtype(y_pred))
    right = K.equal(K.cast(y_true, K.dtype(y_pred)), chosen)
    return K.mean(K.cast(right, K.dtype(y_pred)), axis=-1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction is that of the right class, else 0; targets are rows of 0 and 1."""
    y_true, y_pred = _tensors(y_true, y_pred)
    return K.cast(K.equal(K.argmax(y_true, axis=-1), K.argmax(y_pred, axis=-1)), _float(y_pred))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """The same for targets that are class numbers."""
    y_true, y_pred = _tensors(y_true, y_pred)
    return K.cast(K.equal(_classes(y_true, y_pred), K.argmax(y_pred, axis=-1)), _float(y_pred))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the right class is among the k largest predictions; targets are rows of 0 and 1.

    Args:
        y_true: Targets.
        y_pred: Predictions.
        k: How many predictions count.
    """
    y_true, y_pred = _tensors(y_true, y_pred)
    return _in_top_k(y_pred, K.argmax(y_true, axis=-1), k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """The same for targets that are class numbers.

    Args:
        y_true: Targets.
        y_pred: Predictions.
        k: How many predictions count.
    """
    y_true, y_pred = _tensors(y_true, y_pred)
    return _in_top_k(y_pred, _classes(y_true, y_pred), k)


def cosine_proximity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The cosine of the angle between targets and predictions; the loss of this name is minus that."""
    return -losses.cosine_proximity(y_true, y_pred, axis=axis)


def _tensors(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    if not K.is_tensor(y_pred):
        y_pred = K.constant(y_pred)
    if not K.is_tensor(y_true):
        y_true = K.constant(y_true)
    return y_true, y_pred


def _float(y_pred: Any) -> str:
    dtype: str = K.dtype(y_pred)
    return dtype if dtype.startswith(("float", "bfloat")) else K.floatx()


def _classes(y_true: Any, y_pred: Any) -> Any:
    """Class numbers, without a last axis of length 1."""
    if K.ndim(y_true) == K.ndim(y_pred):
        y_true = K.reshape(y_true, K.shape(y_pred)[:-1])
    return K.cast(y_true, "int64")


def _in_top_k(y_pred: Any, classes: Any, k: int) -> Any:
    """1 where fewer than k predictions are larger than that of the right class."""
    if k < 1:
        raise ValueError(f"top_k accuracy: k is at least 1, received {k!r}.")
    rows = K.reshape(y_pred, (-1, K.shape(y_pred)[-1])) if K.ndim(y_pred) != 2 else y_pred
    found = K.cast(K.in_top_k(rows, K.flatten(classes), k), _float(y_pred))
    return found if K.ndim(y_pred) == 2 else K.reshape(found, K.shape(y_pred)[:-1])
