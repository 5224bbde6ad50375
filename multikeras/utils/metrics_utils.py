"""What metrics of right and wrong decisions share: thresholds, and counts at many of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.utils.losses_utils import match_weights, squeeze_or_expand_dimensions

__all__ = [
    "NEG_INF",
    "AUCCurve",
    "AUCSummationMethod",
    "ConfusionMatrix",
    "Reduction",
    "assert_thresholds_range",
    "confusion_matrix",
    "filter_top_k",
    "parse_init_thresholds",
    "to_list",
    "update_confusion_matrix_variables",
]

#: Stands for the score of what was not predicted.
NEG_INF = -1e10

#: Up to this many thresholds, each is counted for itself.
_FEW = 4


class Reduction:
    """How values become one number."""

    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"
    WEIGHTED_MEAN = "weighted_mean"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """The words there are."""
        return (cls.SUM, cls.SUM_OVER_BATCH_SIZE, cls.WEIGHTED_MEAN)

    @classmethod
    def validate(cls, key: str) -> str:
        """The word itself.

        Raises:
            ValueError: If there is no such word.
        """
        if key not in cls.all():
            raise ValueError(f"Unknown reduction {key!r} of a metric. Known: {', '.join(cls.all())}.")
        return key


class ConfusionMatrix(Enum):
    """Kinds of decisions."""

    TRUE_POSITIVES = "tp"
    FALSE_POSITIVES = "fp"
    TRUE_NEGATIVES = "tn"
    FALSE_NEGATIVES = "fn"


class _Named(Enum):
    @classmethod
    def from_str(cls, key: Any) -> Any:
        """The member of that name, in letters of either size, or the member itself.

        Raises:
            ValueError: If there is none.
        """
        for member in cls:
            if key is member or (isinstance(key, str) and key.lower() in (member.value.lower(), member.name.lower())):
                return member
        raise ValueError(f"Unknown {cls.kind()} {key!r}. Known: {', '.join(member.value for member in cls)}.")

    @classmethod
    def kind(cls) -> str:
        """What it is called in messages."""
        return cls.__name__


class AUCCurve(_Named):
    """The curves below which an area can be asked for."""

    ROC = "ROC"
    PR = "PR"

    @classmethod
    def kind(cls) -> str:
        return "curve of AUC"


class AUCSummationMethod(_Named):
    """How the area between two points of a curve is taken."""

    INTERPOLATION = "interpolation"
    MAJORING = "majoring"
    MINORING = "minoring"

    @classmethod
    def kind(cls) -> str:
        return "summation method of AUC"


def to_list(x: Any) -> list[Any]:
    """`x` if it is a list, the entries of a tuple or an array, else `[x]`."""
    return list(x) if isinstance(x, (list, tuple, np.ndarray)) else [x]


def assert_thresholds_range(thresholds: Sequence[Any] | None) -> None:
    """Raises ValueError if there are thresholds outside 0 to 1."""
    wrong = [t for t in thresholds or () if t is None or not 0 <= t <= 1]
    if wrong:
        raise ValueError(f"Thresholds are shares from 0 to 1, received {wrong}.")


def parse_init_thresholds(thresholds: Any, default_threshold: float = 0.5) -> list[float]:
    """Thresholds as a list of numbers.

    Args:
        thresholds: A number, a list, or None.
        default_threshold: What None stands for.

    Raises:
        ValueError: If one lies outside 0 to 1.
    """
    if thresholds is not None:
        assert_thresholds_range(to_list(thresholds))
    return [float(t) for t in to_list(default_threshold if thresholds is None else thresholds)]


def filter_top_k(x: Any, k: int) -> Any:
    """The `k` largest entries along the last axis, `NEG_INF` in place of all others.

    Args:
        x: A tensor.
        k: How many; of equal entries those that come first.
    """
    _, places = K.top_k(x, k)
    chosen = K.sum(K.one_hot(places, _classes(x)), axis=-2)
    return K.switch(K.greater(chosen, 0.5), x, K.ones_like(x) * NEG_INF)


def _classes(x: Any) -> int:
    classes = K.int_shape(x)[-1]
    if classes is None:
        raise ValueError(f"The number of classes, the last axis of {x!r}, has to be known.")
    return classes


def update_confusion_matrix_variables(
    variables_to_update: Mapping[Any, Any],
    y_true: Any,
    y_pred: Any,
    thresholds: Any,
    top_k: int | None = None,
    class_id: int | None = None,
    sample_weight: Any = None,
) -> list[Any]:
    """Updates that add the decisions of a batch to their counts, at every threshold.

    A prediction above a threshold is positive. Time and memory do not grow with the number of thresholds times that of
    predictions: each prediction looks its place among the thresholds up.

    Args:
        variables_to_update: Variables of shape (thresholds,) by their kind, a member of `ConfusionMatrix` or its value.
        y_true: Targets: 0, and anything else for yes.
        y_pred: Predictions of the same shape.
        thresholds: A number or a list.
        top_k: If given, only the k largest predictions of a sample may be positive.
        class_id: If given, only this entry of the last axis counts.
        sample_weight: Weights that broadcast against the predictions, or None.

    Raises:
        ValueError: If the shapes differ, or `class_id` is no class.
    """
    kinds = {ConfusionMatrix(getattr(kind, "value", kind)): v for kind, v in variables_to_update.items()}
    if not kinds:
        return []
    dtype = K.dtype(next(iter(kinds.values())))
    y_true = y_true if K.is_tensor(y_true) else K.constant(y_true)
    y_pred = K.cast(y_pred, dtype) if K.is_tensor(y_pred) else K.constant(y_pred, dtype=dtype)
    y_pred, y_true = squeeze_or_expand_dimensions(y_pred, y_true)
    _check_shapes(y_true, y_pred)
    if top_k is not None:
        y_pred = filter_top_k(y_pred, top_k)
    if class_id is not None:
        y_true, y_pred = _one_class(y_true, class_id), _one_class(y_pred, class_id)
    weights = K.ones_like(y_pred)
    if sample_weight is not None:
        weights = match_weights(y_pred, sample_weight)[1] * weights
    yes = K.cast(K.not_equal(y_true, 0), dtype)
    positives, negatives = K.flatten(weights * yes), K.flatten(weights * (1.0 - yes))
    counted = _counts(K.flatten(y_pred), positives, negatives, np.asarray(to_list(thresholds), "float64"), dtype)
    return [K.update_add(variable, counted[kind]) for kind, variable in kinds.items()]


def _check_shapes(y_true: Any, y_pred: Any) -> None:
    given, made = K.int_shape(y_true), K.int_shape(y_pred)
    if len(given) != len(made) or any(
        a != b and a is not None and b is not None for a, b in zip(given, made, strict=True)
    ):
        raise ValueError(
            f"Targets of shape {given} and predictions of shape {made} are compared entry by entry, so they need one "
            "shape. Class numbers become rows of 0 and 1 by utils.to_categorical."
        )


def _one_class(x: Any, class_id: int) -> Any:
    classes = K.int_shape(x)[-1]
    if classes is not None and not 0 <= class_id < classes:
        raise ValueError(f"class_id={class_id} is none of the {classes} classes, which are numbered from 0.")
    return x[..., class_id]


def _counts(scores: Any, positives: Any, negatives: Any, thresholds: np.ndarray, dtype: str) -> dict[Any, Any]:
    """Sums of weights by kind, each of shape (thresholds,)."""
    order = np.argsort(thresholds, kind="stable")
    below = _places(scores, thresholds[order], dtype)
    weights = K.stack([positives, negatives], axis=-1)
    if len(thresholds) <= _FEW:
        above = [K.sum(weights * _column(below, i, dtype), axis=0) for i in range(len(thresholds))]
        under = [K.sum(weights * (1.0 - _column(below, i, dtype)), axis=0) for i in range(len(thresholds))]
        yes, no = K.stack(above), K.stack(under)
    else:
        sums = K.scatter_add(K.zeros((len(thresholds) + 1, 2), dtype=dtype), K.expand_dims(below, -1), weights)
        # Sums from both ends: a difference of large sums would not be exactly 0 where nothing was counted.
        yes = K.reverse(K.cumsum(K.reverse(sums, 0), axis=0), 0)[1:]
        no = K.cumsum(sums, axis=0)[:-1]
    if (order != np.arange(len(order))).any():
        back = K.constant(np.argsort(order, kind="stable"), dtype="int64")
        yes, no = K.gather(yes, back), K.gather(no, back)
    return {
        ConfusionMatrix.TRUE_POSITIVES: yes[:, 0],
        ConfusionMatrix.FALSE_POSITIVES: yes[:, 1],
        ConfusionMatrix.FALSE_NEGATIVES: no[:, 0],
        ConfusionMatrix.TRUE_NEGATIVES: no[:, 1],
    }


def _column(below: Any, number: int, dtype: str) -> Any:
    """1 where a score is above the threshold of this number, as a column."""
    return K.expand_dims(K.cast(K.greater(below, number), dtype), -1)


def _places(scores: Any, thresholds: np.ndarray, dtype: str) -> Any:
    """How many of the sorted thresholds lie below each score, found by halving."""
    length = 1 << len(thresholds).bit_length()
    # In the type of the scores, as they would be compared one by one.
    table = np.full(length - 1, np.inf, dtype)
    table[: len(thresholds)] = thresholds
    found = None
    step = length // 2
    while step:
        if found is None:
            found = step * K.cast(K.greater(scores, float(table[step - 1])), "int32")
        else:
            tried = K.gather(K.constant(table, dtype=dtype), found + (step - 1))
            found = found + step * K.cast(K.greater(scores, tried), "int32")
        step //= 2
    return found


def confusion_matrix(y_true: Any, y_pred: Any, num_classes: int, weights: Any = None, dtype: Any = "int32") -> Any:
    """How often each class was taken for which.

    Args:
        y_true: Class numbers; entries outside 0 to `num_classes` - 1 are not counted.
        y_pred: Class numbers of the same shape.
        num_classes: How many classes there are.
        weights: Weights of the same shape, or None.
        dtype: Type of the result.

    Returns:
        Tensor (num_classes, num_classes): rows are true classes, columns predicted ones.
    """
    true = K.cast(K.flatten(y_true if K.is_tensor(y_true) else K.constant(y_true, dtype="int64")), "int64")
    predicted = K.cast(K.flatten(y_pred if K.is_tensor(y_pred) else K.constant(y_pred, dtype="int64")), "int64")
    counted = K.ones_like(true, dtype=dtype)
    if weights is not None:
        counted = K.flatten(K.cast(weights, dtype) if K.is_tensor(weights) else K.constant(weights, dtype=dtype))
    for numbers in (true, predicted):
        counted = counted * K.cast(K.greater_equal(numbers, 0), dtype) * K.cast(K.less(numbers, num_classes), dtype)
    last = num_classes - 1
    true, predicted = (K.maximum(K.minimum(numbers, last), 0) for numbers in (true, predicted))
    return K.scatter_add(K.zeros((num_classes, num_classes), dtype=dtype), K.stack([true, predicted], axis=-1), counted)
