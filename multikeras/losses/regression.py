"""Losses of predicted numbers: each function gives one loss for every entry of all axes but the last."""

from __future__ import annotations

from math import log
from typing import Any

from multikeras import backend as K
from multikeras.losses.operands import computed_wide, epsilon


@computed_wide
def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of (p - t)²."""
    return K.mean(K.square(y_pred - y_true), axis=-1)


@computed_wide
def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of |p - t|."""
    return K.mean(K.abs(y_pred - y_true), axis=-1)


@computed_wide
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """100 times the mean of |p - t| / |t|; |t| is at least epsilon."""
    share = K.abs(y_true - y_pred) / K.maximum(K.abs(y_true), epsilon(y_pred))
    return 100.0 * K.mean(share, axis=-1)


@computed_wide
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of (log(p + 1) - log(t + 1))²; p and t are at least epsilon."""
    smallest = epsilon(y_pred)
    difference = K.log(K.maximum(y_pred, smallest) + 1.0) - K.log(K.maximum(y_true, smallest) + 1.0)
    return K.mean(K.square(difference), axis=-1)


@computed_wide
def logcosh(y_true: Any, y_pred: Any) -> Any:
    """Mean of log(cosh(p - t)), in a form that stays finite."""
    x = y_pred - y_true
    return K.mean(x + K.softplus(-2.0 * x) - log(2.0), axis=-1)


@computed_wide
def huber_loss(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Mean of e²/2 for errors e up to `delta`, and of `delta` |e| - `delta`²/2 beyond.

    Source: P. Huber (1964), Robust Estimation of a Location Parameter. (Keras 2.3's function leaves out the mean.)

    Args:
        y_true: Targets.
        y_pred: Predictions.
        delta: Size of the error from which the loss grows with the error and no longer with its square.
    """
    error = K.abs(y_pred - y_true)
    near = K.minimum(error, delta)
    return K.mean(0.5 * K.square(near) + delta * (error - near), axis=-1)


@computed_wide
def poisson(y_true: Any, y_pred: Any) -> Any:
    """Mean of p - t log(p + epsilon), for counts t and their expected values p."""
    return K.mean(y_pred - y_true * K.log(y_pred + epsilon(y_pred)), axis=-1)


@computed_wide
def cosine_proximity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Minus the cosine of the angle between targets and predictions; 0 where one of them is all 0.

    Args:
        y_true: Targets.
        y_pred: Predictions.
        axis: The axis along which the vectors lie.
    """
    return -K.sum(K.l2_normalize(y_true, axis=axis) * K.l2_normalize(y_pred, axis=axis), axis=axis)
