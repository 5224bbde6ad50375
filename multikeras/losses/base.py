"""Losses as objects, which weight and reduce the losses of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from multikeras import backend as K
from multikeras import lookup
from multikeras.utils.losses_utils import Reduction, compute_weighted_loss


class Loss:
    """Base class: a subclass defines `call(y_true, y_pred)`, the loss of every sample.

    Attributes:
        reduction: What becomes of the losses of a batch.
        name: A name for outputs and messages, or None.
    """

    def __init__(self, reduction: str = Reduction.SUM_OVER_BATCH_SIZE, name: str | None = None) -> None:
        """Keeps the settings.

        Args:
            reduction: `'sum_over_batch_size'` is the mean over the batch, `'sum'` the sum, `'none'` leaves one loss a
                sample.
            name: A name for outputs and messages.

        Raises:
            ValueError: If `reduction` is another word.
        """
        self.reduction = Reduction.validate(reduction)
        self.name = name

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of every sample."""
        raise NotImplementedError(f"{type(self).__name__} does not define call(y_true, y_pred).")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch.

        Args:
            y_true: Targets: a tensor or an array.
            y_pred: Predictions: a tensor or an array.
            sample_weight: A weight for each sample, or one that broadcasts against the losses; None for 1.

        Returns:
            A scalar tensor, or one loss a sample if the reduction is `'none'`.
        """
        return compute_weighted_loss(self.call(y_true, y_pred), sample_weight, self.reduction)

    def get_config(self) -> dict[str, Any]:
        return {"reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        """A loss from what `get_config` gave."""
        # Files of Keras 3 carry a data type here, which the predictions decide.
        return cls(**{name: value for name, value in config.items() if name != "dtype"})


class LossFunctionWrapper(Loss):
    """A loss function as an object.

    Attributes:
        fn: The function.
        keywords: Arguments that it gets beside targets and predictions.
    """

    def __init__(
        self,
        fn: Callable[..., Any] | str,
        reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        """Keeps the settings.

        Args:
            fn: A function of targets and predictions that gives the loss of every sample, or its name.
            reduction: As in `Loss`.
            name: A name for outputs and messages.
            **keywords: Passed to `fn` at every call.
        """
        super().__init__(reduction, name)
        if isinstance(fn, (str, Mapping)):
            from multikeras import losses

            fn = losses.get(fn)
        if not callable(fn):
            raise TypeError(f"LossFunctionWrapper needs a function of y_true and y_pred, received {fn!r}.")
        self.fn = fn
        self.keywords = keywords

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self.keywords)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **{name: _number(value) for name, value in self.keywords.items()}}
        if type(self) is LossFunctionWrapper:
            return {"fn": lookup.serialize(self.fn), **config}
        return config


def _number(value: Any) -> Any:
    """A setting as a configuration can hold it: the present value of a tensor."""
    return K.eval(value).tolist() if K.is_tensor(value) else value
