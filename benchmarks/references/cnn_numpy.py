"""The CNN in NumPy: convolution as one product over patches, gradients derived by hand, large buffers kept."""

from __future__ import annotations

import numpy as np

from benchmarks.references.common import EPSILON, Array, batches

LEARNING_RATE = 0.001
BETA_1, BETA_2 = 0.9, 0.999
POOL_DROPOUT, DENSE_DROPOUT = 0.25, 0.5


class Trainer:
    """Two convolutions with relu, max pooling, dropout, two dense layers, crossentropy, Adam."""

    def __init__(self, weights: list[Array], seed: int = 0) -> None:
        """Takes copies of `[kernel, bias, kernel, bias, …]`."""
        self.weights = [weight.copy() for weight in weights]
        self.means = [np.zeros_like(weight) for weight in weights]
        self.squares = [np.zeros_like(weight) for weight in weights]
        self.scratch = [np.empty_like(weight) for weight in weights]
        self.step = 0
        self.generator = np.random.default_rng(seed)
        # Memory of this size comes from the system anew at every allocation, and each page of it costs a fault.
        self.buffers: dict[tuple[str, tuple[int, ...]], Array] = {}

    def _buffer(self, name: str, shape: tuple[int, ...]) -> Array:
        key = (name, shape)
        if key not in self.buffers:
            self.buffers[key] = np.empty(shape, self.weights[0].dtype)
        return self.buffers[key]

    def _mask(self, shape: tuple[int, ...], rate: float) -> Array:
        keep = self.generator.random(shape, dtype=np.float32) >= rate
        return np.multiply(keep, np.float32(1 / (1 - rate)), dtype=np.float32)

    def _convolve(self, name: str, x: Array, kernel: Array, bias: Array) -> tuple[Array, Array]:
        """Convolution and relu; returns the result and the patches, `(places, window * in)`."""
        samples, rows, columns, channels = x.shape
        height, width, _, filters = kernel.shape
        rows, columns = rows - height + 1, columns - width + 1
        windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(1, 2))
        patches = self._buffer(name + " patches", (samples, rows, columns, height, width, channels))
        np.copyto(patches, windows.transpose(0, 1, 2, 4, 5, 3))
        flat = patches.reshape(samples * rows * columns, height * width * channels)
        result = self._buffer(name + " result", (len(flat), filters))
        np.matmul(flat, kernel.reshape(-1, filters), out=result)
        result += bias
        np.maximum(result, 0, out=result)
        return result.reshape(samples, rows, columns, filters), flat

    def _input_gradient(self, g: Array, kernel: Array, shape: tuple[int, ...]) -> Array:
        """Gradient of a convolution for its input: products for all places of the window, added where they belong."""
        samples, rows, columns, filters = g.shape
        height, width, channels, _ = kernel.shape
        spread = self._buffer("spread", (samples, rows, columns, height, width, channels))
        np.matmul(
            g.reshape(-1, filters), kernel.reshape(-1, filters).T, out=spread.reshape(-1, height * width * channels)
        )
        result = self._buffer("input gradient", shape)
        result.fill(0)
        for row in range(height):
            for column in range(width):
                result[:, row : row + rows, column : column + columns] += spread[:, :, :, row, column]
        return result

    def _forward_backward(self, x: Array, y: Array, training: bool) -> tuple[Array, Array, list[Array]]:
        """Loss of each sample, probabilities, gradients."""
        kernel_1, bias_1, kernel_2, bias_2, kernel_3, bias_3, kernel_4, bias_4 = self.weights
        first, patches_1 = self._convolve("first", x, kernel_1, bias_1)
        second, patches_2 = self._convolve("second", first, kernel_2, bias_2)
        corners = [second[:, row::2, column::2] for row in range(2) for column in range(2)]
        pooled = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
        flat = pooled.reshape(len(x), -1)
        mask_1 = self._mask(flat.shape, POOL_DROPOUT) if training else None
        dropped = flat if mask_1 is None else flat * mask_1
        hidden = dropped @ kernel_3
        hidden += bias_3
        np.maximum(hidden, 0, out=hidden)
        mask_2 = self._mask(hidden.shape, DENSE_DROPOUT) if training else None
        if mask_2 is not None:
            hidden *= mask_2
        logits = hidden @ kernel_4
        logits += bias_4
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits)
        total = probabilities.sum(axis=1, keepdims=True)
        losses = np.log(total[:, 0]) - (logits * y).sum(axis=1)
        probabilities /= total

        delta = probabilities - y
        delta *= np.float32(1 / len(x))
        gradients_4 = [hidden.T @ delta, delta.sum(axis=0)]
        delta = delta @ kernel_4.T
        if mask_2 is not None:
            delta *= mask_2
        delta *= hidden > 0
        gradients_3 = [dropped.T @ delta, delta.sum(axis=0)]
        delta = delta @ kernel_3.T
        if mask_1 is not None:
            delta *= mask_1
        # A pooled zero is a relu that was silent in all four places: its gradient stops here, once for all of them.
        delta *= flat > 0
        g_pooled = delta.reshape(pooled.shape)
        g_second = self._buffer("second gradient", second.shape)
        free = np.ones(pooled.shape, bool)
        for number, corner in enumerate(corners):
            largest = corner == pooled
            largest &= free
            free ^= largest
            np.multiply(g_pooled, largest, out=g_second[:, number // 2 :: 2, number % 2 :: 2])
        flat_g = g_second.reshape(-1, g_second.shape[-1])
        gradients_2 = [(patches_2.T @ flat_g).reshape(kernel_2.shape), flat_g.sum(axis=0)]
        g_first = self._input_gradient(g_second, kernel_2, first.shape)
        g_first *= first > 0
        flat_g = g_first.reshape(-1, g_first.shape[-1])
        gradients_1 = [(patches_1.T @ flat_g).reshape(kernel_1.shape), flat_g.sum(axis=0)]
        return losses, probabilities, gradients_1 + gradients_2 + gradients_3 + gradients_4

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        """Mean loss without dropout, and its gradients."""
        losses, _, gradients = self._forward_backward(x, y, training=False)
        return float(losses.mean()), gradients

    def _update(self, gradients: list[Array]) -> None:
        self.step += 1
        correction = np.sqrt(1 - BETA_2**self.step) / (1 - BETA_1**self.step)
        rate, epsilon = np.float32(LEARNING_RATE * correction), np.float32(EPSILON)
        for weight, g, mean, square, scratch in zip(
            self.weights, gradients, self.means, self.squares, self.scratch, strict=True
        ):
            mean *= np.float32(BETA_1)
            mean += np.multiply(g, np.float32(1 - BETA_1), out=scratch)
            square *= np.float32(BETA_2)
            np.multiply(g, g, out=scratch)
            scratch *= np.float32(1 - BETA_2)
            square += scratch
            np.sqrt(square, out=scratch)
            scratch += epsilon
            np.divide(mean, scratch, out=scratch)
            scratch *= rate
            weight -= scratch

    def run_epoch(self, x: Array, y: Array, order: Array, batch_size: int) -> tuple[float, float]:
        """One epoch of updates; returns mean loss and accuracy."""
        loss = correct = 0.0
        for index in batches(order, batch_size):
            targets = y[index]
            losses, probabilities, gradients = self._forward_backward(x[index], targets, training=True)
            self._update(gradients)
            loss += float(losses.sum())
            correct += int((probabilities.argmax(axis=1) == targets.argmax(axis=1)).sum())
        return loss / len(order), correct / len(order)
