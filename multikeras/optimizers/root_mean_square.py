"""RMSprop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.graph.ops.optimizers import rmsprop_update
from multikeras.optimizers.base import Optimizer, learning_rate_of, without_counter


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient.

    Source: T. Tieleman and G. Hinton (2012), Lecture 6.5, Neural Networks for Machine Learning, Coursera.
    """

    rho: Any

    def __init__(
        self, lr: float = 0.001, rho: float = 0.9, epsilon: float | None = None, decay: float = 0.0, **keywords: Any
    ) -> None:
        """Makes the hyperparameters.

        Args:
            lr: Learning rate; also `learning_rate`.
            rho: Share of the old mean square in the new one.
            epsilon: Added to the root; `K.epsilon()` if None.
            decay: Step number t has the rate lr / (1 + decay t).
            **keywords: `clipnorm`, `clipvalue`.
        """
        lr = learning_rate_of(lr, keywords)
        super().__init__(**keywords)
        self.initial_decay = decay
        self.epsilon = K.epsilon() if epsilon is None else epsilon
        self._make_hyperparameters(learning_rate=lr, rho=rho, decay=decay)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        gradients, rate = self._begin(loss, params)
        accumulators = self._slots(params, "accumulator")
        self._step(rmsprop_update, (rate, self.rho, self.epsilon), params, gradients, accumulators)
        return self._keep(*accumulators)

    def _older(self, weights: list[Any]) -> list[Any]:
        return without_counter(weights)

    def get_config(self) -> dict[str, Any]:
        return {**self._numbers("learning_rate", "rho", "decay"), "epsilon": self.epsilon, **super().get_config()}
