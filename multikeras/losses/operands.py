"""What all loss functions do with their arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from multikeras import backend as K
from multikeras.programs import settings

SIXTEEN_BITS = ("float16", "bfloat16")


def predictions_of(y_pred: Any) -> Any:
    """Predictions as a tensor of floats."""
    y_pred = y_pred if K.is_tensor(y_pred) else K.constant(y_pred)
    return y_pred if K.dtype(y_pred).startswith(("float", "bfloat")) else K.cast(y_pred, K.floatx())


def targets_of(y_true: Any, y_pred: Any) -> Any:
    """Targets as a tensor of the predictions' type."""
    if not K.is_tensor(y_true):
        return K.constant(y_true, dtype=K.dtype(y_pred))
    return y_true if K.dtype(y_true) == K.dtype(y_pred) else K.cast(y_true, K.dtype(y_pred))


def computed_wide(function: Callable[..., Any]) -> Callable[..., Any]:
    """A loss function whose arguments may be arrays, and whose 16-bit arguments are computed with in 32 bits.

    A square above 65504 is infinite in float16, also where its logarithm or its mean is not. The result has the type
    of the predictions.
    """

    @wraps(function)
    def wrapped(y_true: Any, y_pred: Any, *args: Any, **keywords: Any) -> Any:
        y_pred = predictions_of(y_pred)
        dtype = K.dtype(y_pred)
        if dtype not in SIXTEEN_BITS:
            return function(targets_of(y_true, y_pred), y_pred, *args, **keywords)
        y_pred = K.cast(y_pred, "float32")
        return K.cast(function(targets_of(y_true, y_pred), y_pred, *args, **keywords), dtype)

    return wrapped


def epsilon(x: Any) -> Any:
    """Epsilon as it is when a program is specialised, in the type of `x`."""
    return K.cast(settings.epsilon(), K.dtype(x))
