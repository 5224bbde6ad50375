"""The area under a curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.metrics.base import share
from multikeras.metrics.confusion import Counts, evenly_spaced
from multikeras.utils.metrics_utils import AUCCurve, AUCSummationMethod, assert_thresholds_range


class AUC(Counts):
    """The area under the curve that the rates of right and wrong decisions draw as a threshold moves.

    It is a sum over a fixed number of thresholds, and so an approximation; more of them, or some placed where the
    predictions are, make it better.

    Source: for precision and recall with `'interpolation'`, J. Davis and M. Goadrich (2006), The Relationship Between
    Precision-Recall and ROC Curves.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: Any = "ROC",
        summation_method: Any = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
    ) -> None:
        """Makes the state.

        Args:
            num_thresholds: How many thresholds, evenly spaced, at least 2.
            curve: `'ROC'`, true positive rate over false positive rate, or `'PR'`, precision over recall.
            summation_method: How the area between two points is taken: `'interpolation'`, `'minoring'` (the lower
                point) or `'majoring'` (the higher one).
            name: As in `Metric`.
            dtype: As in `Metric`.
            thresholds: Thresholds from 0 to 1 in place of evenly spaced ones; the ends are added to them.

        Raises:
            ValueError: If one of them is none of these.
        """
        self.curve = AUCCurve.from_str(curve)
        self.summation_method = AUCSummationMethod.from_str(summation_method)
        self.init_thresholds = None if thresholds is None else [float(t) for t in thresholds]
        if self.init_thresholds is not None:
            assert_thresholds_range(self.init_thresholds)
            placed = [-K.epsilon(), *sorted(self.init_thresholds), 1.0 + K.epsilon()]
        elif num_thresholds < 2:
            raise ValueError(f"AUC: num_thresholds is at least 2, received {num_thresholds!r}.")
        else:
            placed = evenly_spaced(num_thresholds, K.epsilon())
        self.num_thresholds = len(placed)
        super().__init__(placed, name, dtype)

    def result(self) -> Any:
        interpolated = self.summation_method is AUCSummationMethod.INTERPOLATION
        if self.curve is AUCCurve.PR and interpolated:
            return self.interpolate_pr_auc()
        recall = self.sensitivities()
        if self.curve is AUCCurve.ROC:
            x, y = share(self.false_positives, self.false_positives + self.true_negatives), recall
        else:
            x, y = recall, share(self.true_positives, self.true_positives + self.false_positives)
        # Both fall as the threshold rises.
        left, right = y[1:], y[:-1]
        if interpolated:
            heights = (left + right) / 2.0
        elif self.summation_method is AUCSummationMethod.MINORING:
            heights = K.minimum(left, right)
        else:
            heights = K.maximum(left, right)
        return K.sum((x[:-1] - x[1:]) * heights)

    def interpolate_pr_auc(self) -> Any:
        """The area under precision over recall, where true and false positives are taken as linear in between.

        Between two thresholds let true positives be a + s p, for p predictions above the threshold. Then precision is
        s + a / p, whose integral over the recall is (s / all positives) (change of true positives + a log(ratio of p)).
        """
        true = self.true_positives
        predicted = true + self.false_positives
        gained = true[:-1] - true[1:]
        slope = share(gained, predicted[:-1] - predicted[1:])
        offset = true[1:] - slope * predicted[1:]
        some = K.greater(K.minimum(predicted[:-1], predicted[1:]), 0.0)
        ratio = K.switch(some, share(predicted[:-1], predicted[1:]), K.ones_like(slope))
        parts = slope * (gained + offset * K.log(ratio))
        return K.sum(share(parts, true[1:] + self.false_negatives[1:]))

    def get_config(self) -> dict[str, Any]:
        return {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve.value,
            "summation_method": self.summation_method.value,
            **super().get_config(),
            "thresholds": self.init_thresholds,
        }
