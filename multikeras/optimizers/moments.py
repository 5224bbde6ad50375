"""Adam and its relatives Adamax and Nadam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.graph.ops.optimizers import adam_update
from multikeras.optimizers.base import Optimizer, learning_rate_of


class _Moments(Optimizer):
    """An optimizer with running means of the gradient and of its size."""

    beta_1: Any
    beta_2: Any

    def __init__(self, lr: float, beta_1: float, beta_2: float, epsilon: float | None, decay: float, **keywords: Any):
        lr = learning_rate_of(lr, keywords)
        super().__init__(**keywords)
        self.initial_decay = decay
        self.epsilon = K.epsilon() if epsilon is None else epsilon
        self._make_hyperparameters(learning_rate=lr, beta_1=beta_1, beta_2=beta_2, decay=decay)

    def get_config(self) -> dict[str, Any]:
        numbers = self._numbers("learning_rate", "beta_1", "beta_2", "decay")
        return {**numbers, "epsilon": self.epsilon, **super().get_config()}


class Adam(_Moments):
    """Steps along a running mean of the gradient, divided by a running root mean square.

    Source: D. Kingma and J. Ba (2015), Adam: A Method for Stochastic Optimization, https://arxiv.org/abs/1412.6980;
    amsgrad: S. Reddi, S. Kale and S. Kumar (2018), On the Convergence of Adam and Beyond.
    """

    def __init__(
        self,
        lr: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        amsgrad: bool = False,
        **keywords: Any,
    ) -> None:
        """Makes the hyperparameters.

        Args:
            lr: Learning rate; also `learning_rate`.
            beta_1: Share of the old mean in the new one.
            beta_2: Share of the old mean square in the new one.
            epsilon: Added to the root; `K.epsilon()` if None.
            decay: Step number t has the rate lr / (1 + decay t).
            amsgrad: Whether to divide by the largest mean square so far.
            **keywords: `clipnorm`, `clipvalue`.
        """
        super().__init__(lr, beta_1, beta_2, epsilon, decay, **keywords)
        self.amsgrad = bool(amsgrad)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        gradients, rate = self._begin(loss, params)
        return self._move(params, gradients, rate)

    def _move(
        self, params: Sequence[Any], gradients: Sequence[Any], rate: Any, values: Sequence[Any] | None = None
    ) -> list[Any]:
        """The updates of a step that starts from `values`; from the parameters if None."""
        t = self._count()
        rate = rate * (K.sqrt(1.0 - K.pow(self.beta_2, t)) / (1.0 - K.pow(self.beta_1, t)))
        means, squares = self._slots(params, "m"), self._slots(params, "v")
        if not self.amsgrad:
            scalars = (rate, self.beta_1, self.beta_2, self.epsilon)
            self._step(adam_update, scalars, params, gradients, means, squares, values=values)
            # Files of Keras 2.3 have an entry for each of these, too.
            largest = [self._slot(p, f"vhat_{number}", (1,)) for number, p in enumerate(params)]
            return self._keep(*means, *squares, *largest)
        largest = self._slots(params, "vhat")
        starts = self._wide(params) if values is None else values
        for p, w, g, m, v, top in zip(params, starts, gradients, means, squares, largest, strict=True):
            g = K.cast(g, K.dtype(m))
            mean = self.beta_1 * m + (1.0 - self.beta_1) * g
            square = self.beta_2 * v + (1.0 - self.beta_2) * K.square(g)
            peak = K.maximum(top, square)
            self.updates += [K.update(m, mean), K.update(v, square), K.update(top, peak)]
            self._update_parameter(p, w - rate * mean / (K.sqrt(peak) + self.epsilon))
        return self._keep(*means, *squares, *largest)

    def _older(self, weights: list[Any]) -> list[Any]:
        # tf.keras, and Keras 1 and 2.0, have no third slot where it holds nothing.
        count, rest = divmod(len(weights) - 1, 2)
        return weights if self.amsgrad or rest else [*weights, *[np.zeros(1, "float32") for _ in range(count)]]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "amsgrad": self.amsgrad}


class Adamax(_Moments):
    """Adam with the largest size of the gradient in place of its root mean square.

    Source: section 7 of the Adam paper.
    """

    def __init__(
        self,
        lr: float = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        **keywords: Any,
    ) -> None:
        """Makes the hyperparameters, which are those of `Adam`."""
        super().__init__(lr, beta_1, beta_2, epsilon, decay, **keywords)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        gradients, rate = self._begin(loss, params)
        rate = rate / (1.0 - K.pow(self.beta_1, self._count()))
        means, norms = self._slots(params, "m"), self._slots(params, "u")
        for p, w, g, m, u in zip(params, self._wide(params), gradients, means, norms, strict=True):
            g = K.cast(g, K.dtype(m))
            mean = self.beta_1 * m + (1.0 - self.beta_1) * g
            norm = K.maximum(self.beta_2 * u, K.abs(g))
            self.updates += [K.update(m, mean), K.update(u, norm)]
            self._update_parameter(p, w - rate * mean / (norm + self.epsilon))
        return self._keep(*means, *norms)


class Nadam(_Moments):
    """Adam with Nesterov momentum, whose strength grows with the steps.

    Source: T. Dozat (2015), Incorporating Nesterov Momentum into Adam.
    """

    def __init__(
        self,
        lr: float = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        schedule_decay: float = 0.004,
        **keywords: Any,
    ) -> None:
        """Makes the hyperparameters.

        Args:
            lr: Learning rate; also `learning_rate`.
            beta_1: Share of the old mean in the new one.
            beta_2: Share of the old mean square in the new one.
            epsilon: Added to the root; `K.epsilon()` if None.
            schedule_decay: How fast the momentum grows to `beta_1`.
            **keywords: `clipnorm`, `clipvalue`.
        """
        super().__init__(lr, beta_1, beta_2, epsilon, keywords.pop("decay", 0.0), **keywords)
        self.schedule_decay = schedule_decay
        with K.name_scope(type(self).__name__):
            self.m_schedule = K.variable(1.0, dtype=K.dtype(self.learning_rate), name="m_schedule")
        self.m_schedule.trainable = False

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        gradients, rate = self._begin(loss, params)
        t = self._count()
        momentum = self._momentum(t)
        next_momentum = self._momentum(t + 1.0)
        schedule = self.m_schedule * momentum
        self.updates.append(K.update(self.m_schedule, schedule))
        means, squares = self._slots(params, "m"), self._slots(params, "v")
        for p, w, g, m, v in zip(params, self._wide(params), gradients, means, squares, strict=True):
            g = K.cast(g, K.dtype(m))
            mean = self.beta_1 * m + (1.0 - self.beta_1) * g
            square = self.beta_2 * v + (1.0 - self.beta_2) * K.square(g)
            self.updates += [K.update(m, mean), K.update(v, square)]
            ahead = (1.0 - momentum) * g / (1.0 - schedule) + next_momentum * mean / (1.0 - schedule * next_momentum)
            root = K.sqrt(square / (1.0 - K.pow(self.beta_2, t))) + self.epsilon
            self._update_parameter(p, w - rate * ahead / root)
        return self._keep(self.m_schedule, *means, *squares)

    def _older(self, weights: list[Any]) -> list[Any]:
        # Keras 2.2 and older kept the counter and the slots alone.
        return [weights[0], np.ones(()), *weights[1:]] if weights else weights

    def _momentum(self, t: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * K.pow(0.96, t * self.schedule_decay))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if not self.initial_decay:
            del config["decay"]
        return {**config, "schedule_decay": self.schedule_decay}
