"""Adagrad and Adadelta, whose steps adapt to all gradients so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.optimizers.base import Optimizer, learning_rate_of, without_counter


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients.

    Source: J. Duchi, E. Hazan and Y. Singer (2011), Adaptive Subgradient Methods, JMLR 12. The last two
    arguments make it the rule of Keras 3.
    """

    def __init__(
        self,
        lr: float = 0.01,
        epsilon: float | None = None,
        decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        epsilon_under_root: bool = False,
        **keywords: Any,
    ) -> None:
        """Makes the hyperparameters.

        Args:
            lr: Learning rate; also `learning_rate`.
            epsilon: Added to the root; `K.epsilon()` if None.
            decay: Step number t has the rate lr / (1 + decay t).
            initial_accumulator_value: The sum before the first step.
            epsilon_under_root: Whether `epsilon` is added to the sum, and not to its root.
            **keywords: `clipnorm`, `clipvalue`.

        Raises:
            ValueError: If `initial_accumulator_value` is negative.
        """
        if initial_accumulator_value < 0:
            raise ValueError(
                f"Adagrad: initial_accumulator_value is at least 0, received {initial_accumulator_value!r}."
            )
        lr = learning_rate_of(lr, keywords)
        super().__init__(**keywords)
        self.initial_decay = decay
        self.epsilon = K.epsilon() if epsilon is None else epsilon
        self.initial_accumulator_value = float(initial_accumulator_value)
        self.epsilon_under_root = bool(epsilon_under_root)
        self._make_hyperparameters(learning_rate=lr, decay=decay)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        gradients, rate = self._begin(loss, params)
        accumulators = self._slots(params, "accumulator", self.initial_accumulator_value)
        for p, w, g, a in zip(params, self._wide(params), gradients, accumulators, strict=True):
            g = K.cast(g, K.dtype(a))
            total = a + K.square(g)
            self.updates.append(K.update(a, total))
            inside = self.epsilon_under_root
            root = K.sqrt(total + self.epsilon) if inside else K.sqrt(total) + self.epsilon
            self._update_parameter(p, w - rate * g / root)
        return self._keep(*accumulators)

    def _older(self, weights: list[Any]) -> list[Any]:
        return without_counter(weights)

    def get_config(self) -> dict[str, Any]:
        config = {**self._numbers("learning_rate", "decay"), "epsilon": self.epsilon, **super().get_config()}
        # Keras 2 knows none of these.
        more = {name: getattr(self, name) for name in ("initial_accumulator_value", "epsilon_under_root")}
        return {**config, **{name: value for name, value in more.items() if value}}


class Adadelta(Optimizer):
    """Steps whose size follows the sizes of the steps before.

    Source: M. Zeiler (2012), ADADELTA: An Adaptive Learning Rate Method, https://arxiv.org/abs/1212.5701.
    """

    def __init__(
        self, lr: float = 1.0, rho: float = 0.95, epsilon: float | None = None, decay: float = 0.0, **keywords: Any
    ) -> None:
        """Makes the hyperparameters.

        Args:
            lr: Learning rate; also `learning_rate`.
            rho: Share of the old means in the new ones.
            epsilon: Added below both roots; `K.epsilon()` if None.
            decay: Step number t has the rate lr / (1 + decay t).
            **keywords: `clipnorm`, `clipvalue`.
        """
        lr = learning_rate_of(lr, keywords)
        super().__init__(**keywords)
        self.initial_decay = decay
        self.epsilon = K.epsilon() if epsilon is None else epsilon
        self.rho = rho
        self._make_hyperparameters(learning_rate=lr, decay=decay)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        gradients, rate = self._begin(loss, params)
        accumulators, deltas = self._slots(params, "accumulator"), self._slots(params, "delta_accumulator")
        for p, w, g, a, d in zip(params, self._wide(params), gradients, accumulators, deltas, strict=True):
            g = K.cast(g, K.dtype(a))
            square = self.rho * a + (1.0 - self.rho) * K.square(g)
            step = g * K.sqrt(d + self.epsilon) / K.sqrt(square + self.epsilon)
            self.updates += [
                K.update(a, square),
                K.update(d, self.rho * d + (1.0 - self.rho) * K.square(step)),
            ]
            self._update_parameter(p, w - rate * step)
        return self._keep(*accumulators, *deltas)

    def _older(self, weights: list[Any]) -> list[Any]:
        return without_counter(weights)

    def get_config(self) -> dict[str, Any]:
        numbers = self._numbers("learning_rate", "decay")
        return {**numbers, "rho": self.rho, "epsilon": self.epsilon, **super().get_config()}
