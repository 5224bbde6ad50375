"""How losses and metrics are weighted and reduced."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K

__all__ = [
    "Reduction",
    "broadcast_weights",
    "compute_weighted_loss",
    "match_weights",
    "reduce_weighted_loss",
    "squeeze_or_expand_dimensions",
]


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
    def validate(cls, key: str | None) -> str:
        """The word itself; `'auto'` and `'mean'` of later versions are `'sum_over_batch_size'`.

        Raises:
            ValueError: If there is no such word.
        """
        if key in ("auto", "mean"):
            return cls.SUM_OVER_BATCH_SIZE
        if key is None:
            return cls.NONE
        if key not in cls.all():
            raise ValueError(f"Unknown reduction {key!r}. Known: {', '.join(cls.all())}.")
        return key


def squeeze_or_expand_dimensions(y_pred: Any, y_true: Any = None, sample_weight: Any = None) -> Any:
    """Predictions, targets and weights of ranks that fit, where a last axis of length 1 makes the difference.

    Args:
        y_pred: Predictions, a tensor.
        y_true: Targets, a tensor, or None.
        sample_weight: Weights, a tensor, or None.

    Returns:
        Predictions and targets, of equal rank where an axis of length 1 could be left out; and the weights, if there
        are any, of a rank that broadcasts against the predictions.
    """
    if y_true is not None:
        difference = K.ndim(y_pred) - K.ndim(y_true)
        if difference == 1 and K.int_shape(y_pred)[-1] == 1:
            y_pred = K.squeeze(y_pred, -1)
        elif difference == -1 and K.int_shape(y_true)[-1] == 1:
            y_true = K.squeeze(y_true, -1)
    if sample_weight is None:
        return y_pred, y_true
    difference = K.ndim(sample_weight) - K.ndim(y_pred)
    if difference == 1 and K.int_shape(sample_weight)[-1] == 1:
        sample_weight = K.squeeze(sample_weight, -1)
    elif difference == -1 and K.ndim(sample_weight) > 0:
        sample_weight = K.expand_dims(sample_weight, -1)
    return y_pred, y_true, sample_weight


def match_weights(values: Any, weights: Any) -> tuple[Any, Any]:
    """Values and weights that broadcast against each other.

    Weights of one number a sample count for everything of that sample; where they have fewer axes
    than the values, axes of length 1 are added at the end.

    Raises:
        ValueError: If the weights have more axes than the values, or another length along one.
    """
    if not K.is_tensor(weights):
        weights = K.constant(weights, dtype=K.dtype(values))
    weights = K.cast(weights, K.dtype(values))
    rank, wanted = K.ndim(weights), K.ndim(values)
    if rank == 0 or wanted == 0:
        return values, weights
    given = K.int_shape(weights)
    while rank > wanted and K.int_shape(weights)[-1] == 1:
        weights = K.squeeze(weights, -1)
        rank -= 1
    if rank > wanted:
        raise ValueError(
            f"Sample weights of shape {given} have more axes than the values that they weight, whose "
            f"shape is {K.int_shape(values)}. Give one weight a sample, or one a time step."
        )
    while rank < wanted:
        weights = K.expand_dims(weights, -1)
        rank += 1
    for own, other in zip(K.int_shape(weights), K.int_shape(values), strict=True):
        if own != other and own not in (None, 1) and other is not None:
            raise ValueError(
                f"Sample weights of shape {given} do not fit the values that they weight, whose shape is "
                f"{K.int_shape(values)}. Give one weight a sample, or one a time step."
            )
    return values, weights


def broadcast_weights(values: Any, sample_weight: Any) -> Any:
    """Weights of the shape of the values; see `match_weights`.

    Args:
        values: A tensor.
        sample_weight: A number, an array or a tensor.
    """
    values, sample_weight = match_weights(values, sample_weight)
    return sample_weight * K.ones_like(values)


def reduce_weighted_loss(weighted_losses: Any, reduction: str = Reduction.SUM_OVER_BATCH_SIZE) -> Any:
    """Losses that are weighted already, reduced.

    Args:
        weighted_losses: A tensor.
        reduction: A word of `Reduction`.
    """
    reduction = Reduction.validate(reduction)
    if reduction == Reduction.NONE:
        return weighted_losses
    return K.sum(weighted_losses) if reduction == Reduction.SUM else K.mean(weighted_losses)


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

    Raises:
        ValueError: If the weights do not fit the losses, or if there is no such reduction.
    """
    Reduction.validate(reduction)
    if sample_weight is not None:
        losses, sample_weight = match_weights(losses, sample_weight)
        losses = losses * sample_weight
    return reduce_weighted_loss(losses, reduction)
