"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.graph.ops.optimizers import sgd_update
from multikeras.optimizers.base import Optimizer, learning_rate_of


class SGD(Optimizer):
    """Gradient descent with momentum: v = momentum v - lr g, p = p + v."""

    momentum: Any

    def __init__(
        self, lr: float = 0.01, momentum: float = 0.0, decay: float = 0.0, nesterov: bool = False, **keywords: Any
    ) -> None:
        """Makes the hyperparameters.

        Args:
            lr: Learning rate; also `learning_rate`.
            momentum: Share of the last step that goes into this one.
            decay: Step number t has the rate lr / (1 + decay t).
            nesterov: Whether the gradient's step is taken after the momentum's.
            **keywords: `clipnorm`, `clipvalue`.
        """
        lr = learning_rate_of(lr, keywords)
        super().__init__(**keywords)
        self.initial_decay = decay
        self.nesterov = bool(nesterov)
        self._make_hyperparameters(learning_rate=lr, momentum=momentum, decay=decay)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        gradients, rate = self._begin(loss, params)
        moments = self._slots(params, "moment")
        self._step(sgd_update, (rate, self.momentum), params, gradients, moments, nesterov=self.nesterov)
        return self._keep(*moments)

    def _older(self, weights: list[Any]) -> list[Any]:
        # tf.keras and Keras 3 have no slots without momentum.
        moments = self.weights[1 : len(self.weights) - len(self._masters)]
        return [*weights, *[np.zeros_like(K.get_value(m)) for m in moments]] if len(weights) == 1 else weights

    def get_config(self) -> dict[str, Any]:
        numbers = self._numbers("learning_rate", "momentum", "decay")
        return {**numbers, "nesterov": self.nesterov, **super().get_config()}
