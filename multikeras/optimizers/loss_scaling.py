"""Loss scaling, which keeps small gradients of 16-bit models above the smallest number of their type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from multikeras import backend as K
from multikeras.graph import Tensor
from multikeras.optimizers.base import Optimizer, slot_dtype


class LossScaleOptimizer(Optimizer):
    """Another optimizer, which sees the gradients of the loss times a factor, divided by that factor.

    Where a gradient is not finite, the step is left out and the factor halved; after enough steps without that it is
    doubled. Both are part of the training program: no number is waited for, except by libraries that choose a branch on
    the host.

    Source: P. Micikevicius et al. (2018), Mixed Precision Training, https://arxiv.org/abs/1710.03740; arguments as in
    Keras 3.

    Attributes:
        inner_optimizer: The other optimizer, whose learning rate and step counter these are.
        scale: The factor, a variable.
        good_steps: Number of steps since the factor changed, a variable.
    """

    def __init__(self, inner_optimizer: Any, initial_scale: float = 2.0**15, dynamic_growth_steps: int = 2000) -> None:
        """Wraps an optimizer.

        Args:
            inner_optimizer: An optimizer, or its name or configuration.
            initial_scale: The factor at the beginning.
            dynamic_growth_steps: After how many steps with finite gradients the factor is doubled.

        Raises:
            ValueError: If `initial_scale` is not above 0, or `dynamic_growth_steps` not at least 1.
        """
        from multikeras import optimizers

        super().__init__()
        if not initial_scale > 0:
            raise ValueError(f"LossScaleOptimizer: initial_scale is above 0, received {initial_scale!r}.")
        if dynamic_growth_steps < 1:
            raise ValueError(
                f"LossScaleOptimizer: dynamic_growth_steps is at least 1, received {dynamic_growth_steps!r}."
            )
        self.inner_optimizer = optimizers.get(inner_optimizer)
        self.initial_scale = float(initial_scale)
        self.dynamic_growth_steps = int(dynamic_growth_steps)
        with K.name_scope(type(self).__name__):
            self._scale: Any = K.variable(initial_scale, dtype="float32", name="scale")
            self.good_steps: Any = K.variable(0, dtype="int64", name="good_steps")
        self._scale.trainable = self.good_steps.trainable = False

    @property
    def scale(self) -> Any:
        """The factor."""
        return self._scale

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the other optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        """The step counter of the other optimizer; steps that were left out do not count."""
        return self.inner_optimizer.iterations

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        scale, params = self._scale, list(params)
        wide = K.cast(loss, slot_dtype(K.dtype(loss)))
        scaled = self.get_gradients(wide * K.cast(scale, K.dtype(wide)), params)
        # In 32 bits before the division, or what the factor saved would be lost.
        gradients = [K.cast(g, slot_dtype(K.dtype(g))) for g in scaled]
        gradients = [g / K.cast(scale, K.dtype(g)) for g in gradients]
        finite = reduce(K.logical_and, [K.all(K.isfinite(g)) for g in gradients])

        def moved() -> list[Any]:
            self._inner_updates(loss, params, gradients)
            steps = self.good_steps + 1
            enough = K.greater_equal(steps, self.dynamic_growth_steps)
            # Past the largest number of its type a factor would make every later step one that is left out.
            return [
                K.switch(K.logical_and(enough, K.isfinite(scale * 2.0)), scale * 2.0, K.identity(scale)),
                K.switch(enough, K.zeros_like(steps), steps),
            ]

        def held() -> list[Any]:
            return [K.maximum(scale / 2.0, 1.0), K.zeros_like(self.good_steps)]

        factor, steps = K.switch(finite, moved, held)
        self.weights = [*self.inner_optimizer.weights, scale, self.good_steps]
        self.updates = [K.update(scale, factor), K.update(self.good_steps, steps)]
        return self.updates

    def _inner_updates(self, loss: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:
        """Lets the other optimizer make its updates, in the branch under construction, of the given gradients."""
        inner = self.inner_optimizer
        own = inner.__dict__.get("get_gradients")
        inner.get_gradients = lambda loss, params: inner.clipped(gradients)
        try:
            updates = inner.get_updates(loss, params)
        finally:
            if own is None:
                del inner.get_gradients
            else:
                inner.get_gradients = own
        for update in updates:
            if update is not None and not isinstance(update, Tensor):
                K.update(*update)

    def _completed(self, weights: list[Any]) -> list[Any]:
        return [*self.inner_optimizer._completed(weights[:-2]), *weights[-2:]]

    def get_config(self) -> dict[str, Any]:
        from multikeras import optimizers

        return {
            "inner_optimizer": optimizers.serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }
