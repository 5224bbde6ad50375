"""An LSTM over an embedding in JAX: `jax.lax.scan`, `jax.grad`, one jitted step whose state is donated."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.references.common import EPSILON, Array
from benchmarks.references.lstm_numpy import BETA_1, BETA_2, LEARNING_RATE


def lstm(x: jax.Array, kernel: jax.Array, recurrent: jax.Array, bias: jax.Array) -> jax.Array:
    """The last output of an LSTM over `x` of shape (samples, time, features).

    The product with the inputs stays in the step and the gates are cut by one `split`, whose
    transpose is one concatenation: of several ways to write it this one trained fastest.
    """
    units = recurrent.shape[0]

    def step(state: Any, entry: jax.Array) -> Any:
        h, c = state
        i, f, g, o = jnp.split(entry @ kernel + h @ recurrent + bias, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((x.shape[0], units), x.dtype)
    (h, _), _ = jax.lax.scan(step, (zeros, zeros), x.swapaxes(0, 1))
    return h


def _loss(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
    embeddings, kernel, recurrent, bias, dense, dense_bias = weights
    h = lstm(embeddings[x], kernel, recurrent, bias)
    logits = (h @ dense + dense_bias)[:, 0]
    return (jax.nn.softplus(logits) - y * logits).mean()


@partial(jax.jit, donate_argnums=0)
def _step(state: Any, x: jax.Array, y: jax.Array) -> Any:
    weights, means, squares, count = state
    loss, gradients = jax.value_and_grad(_loss)(weights, x, y)
    count = count + 1
    rate = LEARNING_RATE * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
    means = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(means, gradients, strict=True)]
    squares = [BETA_2 * s + (1 - BETA_2) * g * g for s, g in zip(squares, gradients, strict=True)]
    weights = [w - rate * m / (jnp.sqrt(s) + EPSILON) for w, m, s in zip(weights, means, squares, strict=True)]
    return (weights, means, squares, count), loss


class Trainer:
    """Embedding, LSTM, one dense unit, sigmoid crossentropy, Adam."""

    def __init__(self, weights: list[Array]) -> None:
        """Takes copies of embedding, kernel, recurrent kernel, bias, dense kernel and dense bias."""
        made = [jnp.array(weight) for weight in weights]
        zeros = [jnp.array(np.zeros_like(weight)) for weight in weights]
        self.state: Any = (made, zeros, [z + 0 for z in zeros], jnp.float32(0))

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        """Mean loss and its gradients."""
        loss, gradients = jax.jit(jax.value_and_grad(_loss))(self.state[0], x, y)
        return float(loss), [np.asarray(gradient) for gradient in gradients]

    def step(self, x: Array, y: Array) -> float:
        """One update; returns the loss before it."""
        self.state, loss = _step(self.state, x, y)
        return float(loss)
