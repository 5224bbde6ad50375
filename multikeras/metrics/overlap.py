"""How far predicted and true regions overlap."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.metrics.base import Metric, as_values, share
from multikeras.utils.losses_utils import match_weights
from multikeras.utils.metrics_utils import confusion_matrix


class MeanIoU(Metric):
    """Mean over the classes of intersection over union, as segmentation is judged.

    Classes that neither the targets nor the predictions have seen do not count.
    """

    def __init__(self, num_classes: int, name: str | None = None, dtype: Any = None) -> None:
        """Makes the state.

        Args:
            num_classes: How many classes there are. Entries with another number, such as 255 for places that shall not
                count, are left out.
            name: As in `Metric`.
            dtype: As in `Metric`.

        Raises:
            ValueError: If there is no class.
        """
        super().__init__(name, dtype)
        if num_classes < 1:
            raise ValueError(f"MeanIoU: num_classes is at least 1, received {num_classes!r}.")
        self.num_classes = num_classes
        self.total_cm = self.add_weight("total_confusion_matrix", (num_classes, num_classes))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Counts a batch.

        Args:
            y_true: Class numbers.
            y_pred: Class numbers as well: the `K.argmax` of probabilities.
            sample_weight: Weights that broadcast against them, or None.

        Raises:
            ValueError: If the two have different numbers of entries, as far as that is known.
        """
        y_true, y_pred = as_values(y_true, None), as_values(y_pred, None)
        given, made = K.int_shape(y_true), K.int_shape(y_pred)
        if len(given) == len(made) and any(
            a != b and a is not None and b is not None for a, b in zip(given, made, strict=True)
        ):
            raise ValueError(
                f"MeanIoU {self.name!r} compares class numbers: targets have shape {given}, predictions {made}. Of "
                "probabilities take K.argmax(y_pred) first."
            )
        if sample_weight is not None:
            sample_weight = match_weights(K.cast(y_pred, self.dtype), sample_weight)[1]
            sample_weight = sample_weight * K.ones_like(y_pred, dtype=self.dtype)
        counts = confusion_matrix(y_true, y_pred, self.num_classes, sample_weight, self.dtype)
        return [K.update_add(self.total_cm, counts)]

    def result(self) -> Any:
        both = K.sum(self.total_cm * K.eye(self.num_classes, dtype=self.dtype), axis=0)
        union = K.sum(self.total_cm, axis=0) + K.sum(self.total_cm, axis=1) - both
        seen = K.cast(K.not_equal(union, 0.0), self.dtype)
        return share(K.sum(share(both, union)), K.sum(seen))

    def get_config(self) -> dict[str, Any]:
        return {"num_classes": self.num_classes, **super().get_config()}
