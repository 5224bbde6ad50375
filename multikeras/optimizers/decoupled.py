"""Adam with weight decay that is apart from the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.optimizers.moments import Adam


class AdamW(Adam):
    """Adam, and besides a step of the learning rate times `weight_decay` from each weight towards 0.

    Source: I. Loshchilov and F. Hutter (2019), Decoupled Weight Decay Regularization,
    https://arxiv.org/abs/1711.05101; arguments as in Keras 3.
    """

    weight_decay: Any

    def __init__(
        self,
        lr: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        amsgrad: bool = False,
        exclude: Sequence[str] = (),
        **keywords: Any,
    ) -> None:
        """Makes the hyperparameters.

        Args:
            lr: Learning rate; also `learning_rate`.
            weight_decay: Which share of a weight is taken from it in each step, for a learning rate of 1.
            beta_1: Share of the old mean in the new one.
            beta_2: Share of the old mean square in the new one.
            epsilon: Added to the root; `K.epsilon()` if None.
            decay: Step number t has the rate lr / (1 + decay t).
            amsgrad: Whether to divide by the largest mean square so far.
            exclude: Parts of names of weights without decay; see `exclude_from_weight_decay`.
            **keywords: `clipnorm`, `clipvalue`.

        Raises:
            ValueError: If `weight_decay` is negative.
        """
        super().__init__(lr, beta_1, beta_2, epsilon, decay, amsgrad, **keywords)
        if weight_decay < 0:
            raise ValueError(f"AdamW: weight_decay is at least 0, received {weight_decay!r}.")
        with K.name_scope(type(self).__name__):
            self.weight_decay = K.variable(weight_decay, dtype=K.dtype(self.beta_1), name="weight_decay")
        self.weight_decay.trainable = False
        self._excluded: list[Any] = []
        self._excluded_names = list(exclude)

    def exclude_from_weight_decay(
        self, var_list: Sequence[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Takes weights out of the decay; to be called before training.

        Args:
            var_list: Variables.
            var_names: Parts of names, such as `"bias"`: variables that have one of them in their name are left out.

        Raises:
            RuntimeError: If `get_updates` has been called, so that it would not count.
        """
        if self.weights:
            raise RuntimeError(
                "AdamW.exclude_from_weight_decay does not count once the updates are made: call it before training."
            )
        self._excluded += var_list or []
        self._excluded_names += var_names or []

    def _decays(self, parameter: Any) -> bool:
        named = any(part in parameter.name for part in self._excluded_names)
        return not named and not any(parameter is excluded for excluded in self._excluded)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        gradients, rate = self._begin(loss, params)
        rest = 1.0 - rate * self.weight_decay
        values = [
            w * K.cast(rest, K.dtype(w)) if self._decays(p) else w
            for p, w in zip(params, self._wide(params), strict=True)
        ]
        return self._move(params, gradients, rate, values)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **self._numbers("weight_decay")}
        return {**config, "exclude": list(self._excluded_names)} if self._excluded_names else config
