"""Metrics of yes-or-no decisions at thresholds: counts, precision, recall, sensitivity and specificity."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.metrics.base import Metric, share
from multikeras.utils import metrics_utils
from multikeras.utils.metrics_utils import ConfusionMatrix

#: Names of the variables of a metric that counts everything.
_ALL = {
    "true_positives": ConfusionMatrix.TRUE_POSITIVES,
    "true_negatives": ConfusionMatrix.TRUE_NEGATIVES,
    "false_positives": ConfusionMatrix.FALSE_POSITIVES,
    "false_negatives": ConfusionMatrix.FALSE_NEGATIVES,
}


class _Count(Metric):
    """How many decisions are of one kind, for each threshold."""

    kind: ConfusionMatrix

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        """Makes the state.

        Args:
            thresholds: A number or a list from 0 to 1: predictions above it are positive. 0.5 if None.
            name: As in `Metric`.
            dtype: As in `Metric`.

        Raises:
            ValueError: If a threshold is outside.
        """
        super().__init__(name, dtype)
        self.init_thresholds = thresholds
        self.thresholds = metrics_utils.parse_init_thresholds(thresholds)
        self.accumulator = self.add_weight("accumulator", (len(self.thresholds),))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Counts a batch.

        Args:
            y_true: Targets 0 and 1.
            y_pred: Probabilities of the same shape.
            sample_weight: Weights that broadcast against them, or None.
        """
        return metrics_utils.update_confusion_matrix_variables(
            {self.kind: self.accumulator}, y_true, y_pred, self.thresholds, sample_weight=sample_weight
        )

    def result(self) -> Any:
        return self.accumulator[0] if len(self.thresholds) == 1 else K.identity(self.accumulator)

    def get_config(self) -> dict[str, Any]:
        return {"thresholds": _plain(self.init_thresholds), **super().get_config()}


class TruePositives(_Count):
    """How many are 1 and are taken for 1."""

    kind = ConfusionMatrix.TRUE_POSITIVES


class TrueNegatives(_Count):
    """How many are 0 and are taken for 0."""

    kind = ConfusionMatrix.TRUE_NEGATIVES


class FalsePositives(_Count):
    """How many are 0 and are taken for 1."""

    kind = ConfusionMatrix.FALSE_POSITIVES


class FalseNegatives(_Count):
    """How many are 1 and are taken for 0."""

    kind = ConfusionMatrix.FALSE_NEGATIVES


class _Rate(Metric):
    """True positives as a share of something, for each threshold."""

    others: tuple[str, ConfusionMatrix]

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        """Makes the state.

        Args:
            thresholds: A number or a list from 0 to 1: predictions above it are positive. 0.5 if None; with `top_k`
                None stands for no threshold.
            top_k: If given, only the k largest predictions of a sample may be positive.
            class_id: If given, only this class counts.
            name: As in `Metric`.
            dtype: As in `Metric`.

        Raises:
            ValueError: If a threshold is outside, or `top_k` below 1.
        """
        super().__init__(name, dtype)
        if top_k is not None and top_k < 1:
            raise ValueError(f"{type(self).__name__}: top_k is at least 1, received {top_k!r}.")
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self.thresholds = metrics_utils.parse_init_thresholds(
            thresholds, 0.5 if top_k is None else metrics_utils.NEG_INF
        )
        self.true_positives = self.add_weight("true_positives", (len(self.thresholds),))
        name, kind = self.others
        self._others = self.add_weight(name, (len(self.thresholds),))
        setattr(self, name, self._others)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Counts a batch.

        Args:
            y_true: Targets 0 and 1.
            y_pred: Probabilities of the same shape.
            sample_weight: Weights that broadcast against them, or None.
        """
        return metrics_utils.update_confusion_matrix_variables(
            {ConfusionMatrix.TRUE_POSITIVES: self.true_positives, self.others[1]: self._others},
            y_true,
            y_pred,
            self.thresholds,
            top_k=self.top_k,
            class_id=self.class_id,
            sample_weight=sample_weight,
        )

    def result(self) -> Any:
        rates = share(self.true_positives, self.true_positives + self._others)
        return rates[0] if len(self.thresholds) == 1 else rates

    def get_config(self) -> dict[str, Any]:
        own = {"thresholds": _plain(self.init_thresholds), "top_k": self.top_k, "class_id": self.class_id}
        return {**own, **super().get_config()}


class Precision(_Rate):
    """Of what is taken for 1, the share that is 1; 0 where nothing is."""

    others = ("false_positives", ConfusionMatrix.FALSE_POSITIVES)


class Recall(_Rate):
    """Of what is 1, the share that is taken for 1; 0 where nothing is."""

    others = ("false_negatives", ConfusionMatrix.FALSE_NEGATIVES)


class Counts(Metric):
    """All four counts at many thresholds; a subclass makes a number of them."""

    true_positives: Any
    true_negatives: Any
    false_positives: Any
    false_negatives: Any

    def __init__(self, thresholds: list[float], name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.thresholds = thresholds
        for count in _ALL:
            setattr(self, count, self.add_weight(count, (len(thresholds),)))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Counts a batch.

        Args:
            y_true: Targets 0 and 1.
            y_pred: Probabilities of the same shape.
            sample_weight: Weights that broadcast against them, or None.
        """
        return metrics_utils.update_confusion_matrix_variables(
            {kind: getattr(self, count) for count, kind in _ALL.items()},
            y_true,
            y_pred,
            self.thresholds,
            sample_weight=sample_weight,
        )

    def sensitivities(self) -> Any:
        """Share of what is 1 that is taken for 1."""
        return share(self.true_positives, self.true_positives + self.false_negatives)

    def specificities(self) -> Any:
        """Share of what is 0 that is taken for 0."""
        return share(self.true_negatives, self.true_negatives + self.false_positives)


class _At(Counts):
    """The largest of one rate among the thresholds where another is large enough."""

    def __init__(self, value: float, num_thresholds: int, name: str | None, dtype: Any, what: str) -> None:
        kind = type(self).__name__
        if not 0 <= value <= 1:
            raise ValueError(f"{kind}: {what} is a share from 0 to 1, received {value!r}.")
        if num_thresholds < 1:
            raise ValueError(f"{kind}: num_thresholds is at least 1, received {num_thresholds!r}.")
        self.value = value
        self.num_thresholds = num_thresholds
        super().__init__([0.5] if num_thresholds == 1 else evenly_spaced(num_thresholds, 0.0), name, dtype)

    def _best(self, rates: Any, needed: Any) -> Any:
        enough = K.cast(K.greater_equal(needed, self.value), self.dtype)
        return K.max(rates * enough)


class SensitivityAtSpecificity(_At):
    """The largest sensitivity among the thresholds whose specificity is at least the given one; 0 if there is none.

    (Keras 2.3 takes the threshold whose specificity is nearest, which may be below the given one.)
    """

    def __init__(self, specificity: float, num_thresholds: int = 200, name: str | None = None, dtype: Any = None):
        """Makes the state.

        Args:
            specificity: From 0 to 1.
            num_thresholds: How many thresholds are looked at.
            name: As in `Metric`.
            dtype: As in `Metric`.

        Raises:
            ValueError: If one of them is outside.
        """
        super().__init__(specificity, num_thresholds, name, dtype, "specificity")
        self.specificity = specificity

    def result(self) -> Any:
        return self._best(self.sensitivities(), self.specificities())

    def get_config(self) -> dict[str, Any]:
        own = {"specificity": self.specificity, "num_thresholds": self.num_thresholds}
        return {**own, **super().get_config()}


class SpecificityAtSensitivity(_At):
    """The largest specificity among the thresholds whose sensitivity is at least the given one; 0 if there is none.

    (Keras 2.3 takes the threshold whose sensitivity is nearest, which may be below the given one.)
    """

    def __init__(self, sensitivity: float, num_thresholds: int = 200, name: str | None = None, dtype: Any = None):
        """Makes the state.

        Args:
            sensitivity: From 0 to 1.
            num_thresholds: How many thresholds are looked at.
            name: As in `Metric`.
            dtype: As in `Metric`.

        Raises:
            ValueError: If one of them is outside.
        """
        super().__init__(sensitivity, num_thresholds, name, dtype, "sensitivity")
        self.sensitivity = sensitivity

    def result(self) -> Any:
        return self._best(self.specificities(), self.sensitivities())

    def get_config(self) -> dict[str, Any]:
        own = {"sensitivity": self.sensitivity, "num_thresholds": self.num_thresholds}
        return {**own, **super().get_config()}


def evenly_spaced(count: int, margin: float) -> list[float]:
    """Thresholds from `-margin` to `1 + margin`; with a margin the first counts all as positive, the last nothing."""
    inner = [i / (count - 1) for i in range(1, count - 1)]
    return [-margin, *inner, 1.0 + margin]


def _plain(thresholds: Any) -> Any:
    """Thresholds as a configuration can hold them."""
    return thresholds.tolist() if hasattr(thresholds, "tolist") else thresholds
