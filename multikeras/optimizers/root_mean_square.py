"""RMSprop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.graph.ops.optimizers import rmsprop_update
from multikeras.optimizers.base import Optimizer, learning_rate_of, without_counter


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient.

    Source: T. Tieleman and G. Hinton (2012), Lecture 6.5, Neural Networks for Machine Learning, Coursera. The last
    three arguments make it the rule of Keras 3, whose files are read with `epsilon_under_root`.
    """

    rho: Any

    def __init__(
        self,
        lr: float = 0.001,
        rho: float = 0.9,
        epsilon: float | None = None,
        decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        epsilon_under_root: bool = False,
        **keywords: Any,
    ) -> None:
        """Makes the hyperparameters.

        Args:
            lr: Learning rate; also `learning_rate`.
            rho: Share of the old mean square in the new one.
            epsilon: Added to the root; `K.epsilon()` if None.
            decay: Step number t has the rate lr / (1 + decay t).
            momentum: Share of the last step that is added to this one.
            centered: Whether the square of a running mean of the gradient is taken from the mean square.
            epsilon_under_root: Whether `epsilon` is added to the mean square, and not to its root.
            **keywords: `clipnorm`, `clipvalue`.

        Raises:
            ValueError: If `momentum` is negative.
        """
        if momentum < 0:
            raise ValueError(f"RMSprop: momentum is at least 0, received {momentum!r}.")
        lr = learning_rate_of(lr, keywords)
        super().__init__(**keywords)
        self.initial_decay = decay
        self.epsilon = K.epsilon() if epsilon is None else epsilon
        self.momentum = float(momentum)
        self.centered = bool(centered)
        self.epsilon_under_root = bool(epsilon_under_root)
        self._make_hyperparameters(learning_rate=lr, rho=rho, decay=decay)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        gradients, rate = self._begin(loss, params)
        accumulators = self._slots(params, "accumulator")
        if self.momentum or self.centered or self.epsilon_under_root:
            return self._move(params, gradients, rate, accumulators)
        self._step(rmsprop_update, (rate, self.rho, self.epsilon), params, gradients, accumulators)
        return self._keep(*accumulators)

    def _move(
        self, params: Sequence[Any], gradients: Sequence[Any], rate: Any, accumulators: Sequence[Any]
    ) -> list[Any]:
        """The updates of a step by what only Keras 3 has."""
        moments = self._slots(params, "moment") if self.momentum else []
        means = self._slots(params, "mean") if self.centered else []
        for i, (p, w, g, a) in enumerate(zip(params, self._wide(params), gradients, accumulators, strict=True)):
            g = K.cast(g, K.dtype(a))
            square = self.rho * a + (1.0 - self.rho) * K.square(g)
            self.updates.append(K.update(a, square))
            if self.centered:
                mean = self.rho * means[i] + (1.0 - self.rho) * g
                self.updates.append(K.update(means[i], mean))
                square = square - K.square(mean)
            inside = self.epsilon_under_root
            step = rate * g / (K.sqrt(square + self.epsilon) if inside else K.sqrt(square) + self.epsilon)
            if self.momentum:
                step = self.momentum * moments[i] + step
                self.updates.append(K.update(moments[i], step))
            self._update_parameter(p, w - step)
        return self._keep(*accumulators, *moments, *means)

    def _older(self, weights: list[Any]) -> list[Any]:
        return without_counter(weights)

    def get_config(self) -> dict[str, Any]:
        config = {**self._numbers("learning_rate", "rho", "decay"), "epsilon": self.epsilon, **super().get_config()}
        # Keras 2 knows none of these.
        more = {name: getattr(self, name) for name in ("momentum", "centered", "epsilon_under_root")}
        return {**config, **{name: value for name, value in more.items() if value}}
