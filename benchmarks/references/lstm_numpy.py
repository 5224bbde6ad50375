"""An LSTM over an embedding in NumPy, with gradients derived by hand.

What does not depend on the recurrence is computed for all steps at once: the product with the
inputs, and the gradients of all weights.
"""

from __future__ import annotations

import numpy as np

from benchmarks.references.common import EPSILON, Array, glorot_uniform

LEARNING_RATE = 0.001
BETA_1 = 0.9
BETA_2 = 0.999


def initial_weights(words: int, features: int, units: int, seed: int = 0) -> list[Array]:
    """Embedding, kernel, recurrent kernel, bias (1 for the forget gate), dense kernel and bias."""
    generator = np.random.default_rng(seed)
    bias = np.zeros(4 * units, np.float32)
    bias[units : 2 * units] = 1
    return [
        generator.uniform(-0.05, 0.05, (words, features)).astype(np.float32),
        glorot_uniform((features, 4 * units), generator),
        glorot_uniform((units, 4 * units), generator),
        bias,
        glorot_uniform((units, 1), generator),
        np.zeros(1, np.float32),
    ]


def sentences(words: int, samples: int, steps: int, seed: int = 0) -> tuple[Array, Array]:
    """Draws word numbers (samples, steps), and labels that say whether the last word is of the upper half."""
    generator = np.random.default_rng(seed)
    x = generator.integers(words, size=(samples, steps)).astype(np.int32)
    return x, (x[:, -1] >= words // 2).astype(np.float32)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


class Trainer:
    """Embedding, LSTM, one dense unit, sigmoid crossentropy, Adam."""

    def __init__(self, weights: list[Array]) -> None:
        """Takes copies of embedding, kernel, recurrent kernel, bias, dense kernel and dense bias."""
        self.weights = [weight.copy() for weight in weights]
        self.means = [np.zeros_like(weight) for weight in weights]
        self.squares = [np.zeros_like(weight) for weight in weights]
        self.scratch = [np.empty_like(weight) for weight in weights]
        self.count = 0

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        """Mean loss and its gradients."""
        embeddings, kernel, recurrent, bias, dense, dense_bias = self.weights
        units, (samples, steps) = len(recurrent), x.shape
        rows = np.ascontiguousarray(x.T).ravel()
        inputs = embeddings[rows]
        ahead = (inputs @ kernel + bias).reshape(steps, samples, 4 * units)
        h, c = np.zeros((2, samples, units), kernel.dtype)
        states = np.empty((steps + 1, samples, units), kernel.dtype)
        cells = np.empty_like(states)
        states[0], cells[0] = h, c
        gates = np.empty_like(ahead)
        tanhs = np.empty_like(states[1:])
        for t in range(steps):
            z = ahead[t] + h @ recurrent
            gate = gates[t]
            gate[:] = _sigmoid(z)
            np.tanh(z[:, 2 * units : 3 * units], out=gate[:, 2 * units : 3 * units])
            i, f, g, o = np.split(gate, 4, axis=1)
            c = np.add(f * c, i * g, out=cells[t + 1])
            h = np.multiply(o, np.tanh(c, out=tanhs[t]), out=states[t + 1])
        logits = (h @ dense + dense_bias)[:, 0]
        loss = (np.logaddexp(0, logits) - y * logits).mean()

        by_logits = ((_sigmoid(logits) - y) / samples)[:, None].astype(kernel.dtype)
        by_h = by_logits @ dense.T
        by_c = np.zeros_like(by_h)
        i, f, g, o = np.split(gates, 4, axis=2)
        by_z = np.empty_like(gates)
        # Each gate's factor beside the gradient that arrives, for all steps at once.
        slopes = np.concatenate([g * i * (1 - i), cells[:-1] * f * (1 - f), i * (1 - g * g), tanhs * o * (1 - o)], 2)
        through = o * (1 - tanhs * tanhs)
        for t in reversed(range(steps)):
            by_c += by_h * through[t]
            gate = by_z[t].reshape(samples, 4, units)
            slope = slopes[t].reshape(samples, 4, units)
            np.multiply(slope[:, :3], by_c[:, None], out=gate[:, :3])
            np.multiply(slope[:, 3], by_h, out=gate[:, 3])
            by_h = by_z[t] @ recurrent.T
            by_c *= f[t]
        flat = by_z.reshape(-1, 4 * units)
        by_embeddings = np.zeros_like(embeddings)
        order = np.argsort(rows, kind="stable")
        first = np.flatnonzero(np.diff(rows[order], prepend=-1))
        by_embeddings[rows[order][first]] = np.add.reduceat((flat @ kernel.T)[order], first, axis=0)
        return float(loss), [
            by_embeddings,
            inputs.T @ flat,
            states[:-1].reshape(-1, units).T @ flat,
            flat.sum(0),
            h.T @ by_logits,
            by_logits.sum(0),
        ]

    def step(self, x: Array, y: Array) -> float:
        """One update; returns the loss before it."""
        loss, gradients = self.loss_and_gradients(x, y)
        self.count += 1
        rate = LEARNING_RATE * np.sqrt(1 - BETA_2**self.count) / (1 - BETA_1**self.count)
        for weight, mean, square, gradient, scratch in zip(
            self.weights, self.means, self.squares, gradients, self.scratch, strict=True
        ):
            mean *= BETA_1
            mean += np.multiply(gradient, 1 - BETA_1, out=scratch)
            square *= BETA_2
            np.multiply(gradient, gradient, out=scratch)
            scratch *= 1 - BETA_2
            square += scratch
            np.sqrt(square, out=scratch)
            scratch += EPSILON
            np.divide(mean, scratch, out=scratch)
            scratch *= np.float32(rate)
            weight -= scratch
        return loss
