"""The MLP in JAX: one jitted step, whose state is donated, fed with NumPy batches."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.references.common import EPSILON, Array, batches

LEARNING_RATE = 0.001
RHO = 0.9


def _losses(weights: list[jax.Array], x: jax.Array, y: jax.Array, dropout: float, key: Any) -> Any:
    """Mean loss, and beside it the logits."""
    hidden = x
    for layer in range(len(weights) // 2 - 1):
        hidden = jax.nn.relu(hidden @ weights[2 * layer] + weights[2 * layer + 1])
        if dropout:
            key, own = jax.random.split(key)
            keep = jax.random.bernoulli(own, 1 - dropout, hidden.shape)
            hidden = jnp.where(keep, hidden / (1 - dropout), 0)
    logits = hidden @ weights[-2] + weights[-1]
    return -(jax.nn.log_softmax(logits) * y).sum(axis=1).mean(), logits


@partial(jax.jit, donate_argnums=0, static_argnums=3)
def _step(state: Any, x: jax.Array, y: jax.Array, dropout: float) -> Any:
    weights, accumulators, key, loss_sum, correct = state
    key, own = jax.random.split(key)
    (loss, logits), gradients = jax.value_and_grad(_losses, has_aux=True)(weights, x, y, dropout, own)
    accumulators = [RHO * a + (1 - RHO) * g * g for a, g in zip(accumulators, gradients, strict=True)]
    weights = [
        w - LEARNING_RATE * g / (jnp.sqrt(a) + EPSILON)
        for w, g, a in zip(weights, gradients, accumulators, strict=True)
    ]
    hits = (logits.argmax(axis=1) == y.argmax(axis=1)).sum()
    return weights, accumulators, key, loss_sum + loss * len(x), correct + hits


class Trainer:
    """Dense layers with relu and dropout, softmax at the end, categorical crossentropy, RMSprop."""

    def __init__(self, weights: list[Array], dropout: float = 0.2, seed: int = 0) -> None:
        """Takes copies of `[kernel, bias, kernel, bias, …]`; `dropout` acts after every layer but the last."""
        self.dropout = dropout
        self.weights = [jnp.array(weight) for weight in weights]
        self.accumulators = [jnp.array(np.zeros_like(weight)) for weight in weights]
        self.key = jax.random.key(seed)

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        """Mean loss without dropout, and its gradients."""
        (loss, _), gradients = jax.value_and_grad(_losses, has_aux=True)(self.weights, x, y, 0.0, None)
        return float(loss), [np.asarray(gradient) for gradient in gradients]

    def run_epoch(self, x: Array, y: Array, order: Array, batch_size: int) -> tuple[float, float]:
        """One epoch of updates; returns mean loss and accuracy."""
        state: Any = (self.weights, self.accumulators, self.key, np.float32(0), np.int32(0))
        for index in batches(order, batch_size):
            state = _step(state, x[index], y[index], self.dropout)
        self.weights, self.accumulators, self.key, loss, correct = state
        return float(loss) / len(order), int(correct) / len(order)
