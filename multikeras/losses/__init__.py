"""Loss functions, and classes that reduce them over a batch.

A function takes targets and predictions and gives one loss for each entry of all axes but the
last. A class gives one number for a batch. In float16 and bfloat16 both compute in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multikeras import lookup
from multikeras.losses.base import Loss, LossFunctionWrapper
from multikeras.losses.classes import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from multikeras.losses.classification import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    kullback_leibler_divergence,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from multikeras.losses.regression import (
    cosine_proximity,
    huber_loss,
    logcosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)
from multikeras.utils.losses_utils import Reduction

mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
bce = BCE = binary_crossentropy
kld = KLD = kl_divergence = kullback_leibler_divergence
cosine = cosine_similarity = cosine_proximity
huber = huber_loss
log_cosh = logcosh

__all__ = [
    "BCE",
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Reduction",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "bce",
    "binary_crossentropy",
    "categorical_crossentropy",
    "categorical_hinge",
    "cosine",
    "cosine_proximity",
    "cosine_similarity",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "huber_loss",
    "is_categorical_crossentropy",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

_OTHERS = frozenset({"Loss", "Reduction", "deserialize", "get", "is_categorical_crossentropy", "serialize"})
_KNOWN: dict[str, Any] = {name: globals()[name] for name in __all__ if name not in _OTHERS}


def serialize(loss: Any) -> Any:
    """What stands for a loss in a configuration."""
    return lookup.serialize(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that a name or a configuration stands for; None stays None."""
    return None if name is None else lookup.deserialize(name, _KNOWN, "loss", custom_objects)


def get(identifier: Any) -> Any:
    """A loss from its name, its configuration, its class, or itself; None stays None.

    Raises:
        ValueError: If there is no such loss; the message lists those that exist.
    """
    return lookup.get(identifier, _KNOWN, "loss")


def is_categorical_crossentropy(loss: Any) -> bool:
    """Whether a loss, its name or its object is the categorical crossentropy."""
    return getattr(loss, "fn", loss) in (categorical_crossentropy, "categorical_crossentropy")
