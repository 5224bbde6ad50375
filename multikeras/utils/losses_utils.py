"""How losses and metrics are weighted and reduced."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K

__all__ = ["Reduction", "compute_weighted_loss", "match_weights", "squeeze_or_expand_dimensions"]


class Reduction:
    """What becomes of the losses of the samples of a batch."""

    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """The words there are."""
        return (cls.NONE, cls.SUM, cls.SUM_OVER_BATCH_SIZE)

    @classmethod
    def validate(cls, key: str) -> str:
        """The word itself.

        Raises:
            ValueError: If there is no such word.
        """
        if key not in cls.all():
            raise ValueError(f"Unknown reduction {key!r}. Known: {', '.join(cls.all())}.")
        return key


def squeeze_or_expand_dimensions(y_pred: Any, y_true: Any) -> tuple[Any, Any]:
    """Predictions and targets of equal rank, where a last axis of length 1 makes the difference."""
    if y_true is None:
        return y_pred, y_true
    difference = K.ndim(y_pred) - K.ndim(y_true)
    if difference == 1 and K.int_shape(y_pred)[-1] == 1:
        y_pred = K.squeeze(y_pred, -1)
    elif difference == -1 and K.int_shape(y_true)[-1] == 1:
        y_true = K.squeeze(y_true, -1)
    return y_pred, y_true


def match_weights(values: Any, weights: Any) -> tuple[Any, Any]:
    """Values and weights that broadcast against each other.

    Weights of one number a sample count for everything of that sample; where they have fewer axes
    than the values, axes of length 1 are added at the end.
    """
    if not K.is_tensor(weights):
        weights = K.constant(weights, dtype=K.dtype(values))
    weights = K.cast(weights, K.dtype(values))
    rank, wanted = K.ndim(weights), K.ndim(values)
    if rank == 0 or wanted == 0:
        return values, weights
    while rank > wanted and K.int_shape(weights)[-1] == 1:
        weights = K.squeeze(weights, -1)
        rank -= 1
    if rank > wanted:
        raise ValueError(
            f"Sample weights of shape {K.int_shape(weights)} have more axes than the values that they weight, whose "
            f"shape is {K.int_shape(values)}. Give one weight a sample, or one a time step."
        )
    while rank < wanted:
        weights = K.expand_dims(weights, -1)
        rank += 1
    return values, weights


def compute_weighted_loss(
    losses: Any, sample_weight: Any = None, reduction: str = Reduction.SUM_OVER_BATCH_SIZE, name: str | None = None
) -> Any:
    """Losses times weights, reduced.

    Args:
        losses: A tensor whose first axis counts samples.
        sample_weight: Weights that broadcast against it, or None.
        reduction: A word of `Reduction`; `'sum_over_batch_size'` divides by the number of entries and not by the
            sum of the weights.
        name: Accepted, and used for nothing.
    """
    Reduction.validate(reduction)
    if sample_weight is not None:
        losses, sample_weight = match_weights(losses, sample_weight)
        losses = losses * sample_weight
    if reduction == Reduction.NONE:
        return losses
    return K.sum(losses) if reduction == Reduction.SUM else K.mean(losses)
