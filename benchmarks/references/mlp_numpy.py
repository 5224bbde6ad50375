"""The MLP in NumPy, with gradients derived by hand and every large result written into a buffer that is reused."""

from __future__ import annotations

import numpy as np

from benchmarks.references.common import EPSILON, Array, batches

LEARNING_RATE = 0.001
RHO = 0.9


class Trainer:
    """Dense layers with relu and dropout, softmax at the end, categorical crossentropy, RMSprop."""

    def __init__(self, weights: list[Array], dropout: float = 0.2, seed: int = 0) -> None:
        """Takes copies of `[kernel, bias, kernel, bias, …]`; `dropout` acts after every layer but the last."""
        self.weights = [weight.copy() for weight in weights]
        self.gradients = [np.empty_like(weight) for weight in weights]
        self.accumulators = [np.zeros_like(weight) for weight in weights]
        self.scratch = [np.empty_like(weight) for weight in weights]
        self.dropout = dropout
        self.generator = np.random.default_rng(seed)

    def _mask(self, shape: tuple[int, ...]) -> Array:
        keep = self.generator.random(shape, dtype=np.float32) >= self.dropout
        return np.multiply(keep, np.float32(1 / (1 - self.dropout)), dtype=np.float32)

    def _forward_backward(self, x: Array, y: Array, training: bool) -> tuple[Array, Array]:
        """Fills `self.gradients`; returns the loss of each sample and the probabilities."""
        weights, gradients = self.weights, self.gradients
        layers = len(weights) // 2
        activations, masks = [x], []
        for layer in range(layers - 1):
            hidden = activations[-1] @ weights[2 * layer]
            hidden += weights[2 * layer + 1]
            np.maximum(hidden, 0, out=hidden)
            if training:
                masks.append(self._mask(hidden.shape))
                hidden *= masks[-1]
            activations.append(hidden)
        logits = activations[-1] @ weights[-2]
        logits += weights[-1]
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits)
        total = probabilities.sum(axis=1, keepdims=True)
        losses = np.log(total[:, 0]) - (logits * y).sum(axis=1)
        probabilities /= total

        delta = probabilities - y
        delta *= np.float32(1 / len(x))
        for layer in reversed(range(layers)):
            np.matmul(activations[layer].T, delta, out=gradients[2 * layer])
            np.sum(delta, axis=0, out=gradients[2 * layer + 1])
            if layer:
                delta = delta @ weights[2 * layer].T
                if training:
                    delta *= masks[layer - 1]
                # A unit that dropout silenced is zero here too, and its mask has already made its gradient zero.
                delta *= activations[layer] > 0
        return losses, probabilities

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        """Mean loss without dropout, and its gradients."""
        losses, _ = self._forward_backward(x, y, training=False)
        return float(losses.mean()), [gradient.copy() for gradient in self.gradients]

    def _update(self) -> None:
        learning_rate, rho = np.float32(LEARNING_RATE), np.float32(RHO)
        one_less_rho, epsilon = np.float32(1 - RHO), np.float32(EPSILON)
        for weight, gradient, accumulator, scratch in zip(
            self.weights, self.gradients, self.accumulators, self.scratch, strict=True
        ):
            accumulator *= rho
            np.multiply(gradient, gradient, out=scratch)
            scratch *= one_less_rho
            accumulator += scratch
            np.sqrt(accumulator, out=scratch)
            scratch += epsilon
            np.divide(gradient, scratch, out=scratch)
            scratch *= learning_rate
            weight -= scratch

    def run_epoch(self, x: Array, y: Array, order: Array, batch_size: int) -> tuple[float, float]:
        """One epoch of updates; returns mean loss and accuracy."""
        loss = correct = 0.0
        for index in batches(order, batch_size):
            targets = y[index]
            losses, probabilities = self._forward_backward(x[index], targets, training=True)
            self._update()
            loss += float(losses.sum())
            correct += int((probabilities.argmax(axis=1) == targets.argmax(axis=1)).sum())
        return loss / len(order), correct / len(order)
