"""The CNN in JAX: one jitted step, whose state is donated; pooling by reshape, which XLA's CPU code likes best."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.references.common import EPSILON, Array, batches

LEARNING_RATE = 0.001
BETA_1, BETA_2 = 0.9, 0.999
POOL_DROPOUT, DENSE_DROPOUT = 0.25, 0.5


def _convolve(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.nn.relu(jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=numbers) + bias)


def _drop(x: jax.Array, rate: float, key: Any) -> jax.Array:
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)


def _losses(weights: list[jax.Array], x: jax.Array, y: jax.Array, training: bool, key: Any) -> Any:
    """Mean loss, and beside it the logits."""
    kernel_1, bias_1, kernel_2, bias_2, kernel_3, bias_3, kernel_4, bias_4 = weights
    hidden = _convolve(_convolve(x, kernel_1, bias_1), kernel_2, bias_2)
    samples, rows, columns, channels = hidden.shape
    hidden = hidden.reshape(samples, rows // 2, 2, columns // 2, 2, channels).max(axis=(2, 4)).reshape(samples, -1)
    if training:
        first, second = jax.random.split(key)
        hidden = _drop(hidden, POOL_DROPOUT, first)
    hidden = jax.nn.relu(hidden @ kernel_3 + bias_3)
    if training:
        hidden = _drop(hidden, DENSE_DROPOUT, second)
    logits = hidden @ kernel_4 + bias_4
    return -(jax.nn.log_softmax(logits) * y).sum(axis=1).mean(), logits


@partial(jax.jit, donate_argnums=0)
def _step(state: Any, x: jax.Array, y: jax.Array) -> Any:
    weights, means, squares, number, key, loss_sum, correct = state
    key, own = jax.random.split(key)
    (loss, logits), gradients = jax.value_and_grad(_losses, has_aux=True)(weights, x, y, True, own)
    number = number + 1
    rate = LEARNING_RATE * jnp.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)
    means = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(means, gradients, strict=True)]
    squares = [BETA_2 * v + (1 - BETA_2) * g * g for v, g in zip(squares, gradients, strict=True)]
    weights = [w - rate * m / (jnp.sqrt(v) + EPSILON) for w, m, v in zip(weights, means, squares, strict=True)]
    hits = (logits.argmax(axis=1) == y.argmax(axis=1)).sum()
    return weights, means, squares, number, key, loss_sum + loss * len(x), correct + hits


class Trainer:
    """Two convolutions with relu, max pooling, dropout, two dense layers, crossentropy, Adam."""

    def __init__(self, weights: list[Array], seed: int = 0) -> None:
        """Takes copies of `[kernel, bias, kernel, bias, …]`."""
        self.weights = [jnp.array(weight) for weight in weights]
        self.means = [jnp.array(np.zeros_like(weight)) for weight in weights]
        self.squares = [jnp.array(np.zeros_like(weight)) for weight in weights]
        self.number = jnp.array(np.float32(0))
        self.key = jax.random.key(seed)

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        """Mean loss without dropout, and its gradients."""
        (loss, _), gradients = jax.value_and_grad(_losses, has_aux=True)(self.weights, x, y, False, None)
        return float(loss), [np.asarray(gradient) for gradient in gradients]

    def run_epoch(self, x: Array, y: Array, order: Array, batch_size: int) -> tuple[float, float]:
        """One epoch of updates; returns mean loss and accuracy."""
        start = (self.weights, self.means, self.squares, self.number, self.key)
        state: Any = (*start, np.float32(0), np.int32(0))
        for index in batches(order, batch_size):
            state = _step(state, x[index], y[index])
        self.weights, self.means, self.squares, self.number, self.key, loss, correct = state
        return float(loss) / len(order), int(correct) / len(order)
