"""The CNN in PyTorch: eager, autograd, channels-last memory, and an Adam of multi-tensor (`foreach`) calls in place."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from benchmarks.references.common import EPSILON, Array, batches

LEARNING_RATE = 0.001
BETA_1, BETA_2 = 0.9, 0.999
POOL_DROPOUT, DENSE_DROPOUT = 0.25, 0.5


def _to_torch(weight: Array) -> torch.Tensor:
    """Kernels of convolutions become (out, in, rows, columns), in channels-last memory."""
    if weight.ndim == 4:
        return torch.tensor(weight).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    return torch.tensor(weight)


class Trainer:
    """Two convolutions with relu, max pooling, dropout, two dense layers, crossentropy, Adam."""

    def __init__(self, weights: list[Array], seed: int = 0) -> None:
        """Takes copies of `[kernel, bias, kernel, bias, …]`."""
        torch.manual_seed(seed)
        self.weights = [_to_torch(weight).requires_grad_() for weight in weights]
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]
        self.step = 0

    def _loss(self, x: torch.Tensor, labels: torch.Tensor, training: bool) -> tuple[torch.Tensor, torch.Tensor]:
        kernel_1, bias_1, kernel_2, bias_2, kernel_3, bias_3, kernel_4, bias_4 = self.weights
        hidden = torch.relu(F.conv2d(x.permute(0, 3, 1, 2), kernel_1, bias_1))
        hidden = torch.relu(F.conv2d(hidden, kernel_2, bias_2))
        # Flattened rows, columns, channels, as Keras does: in channels-last memory that copies nothing.
        hidden = F.max_pool2d(hidden, 2).permute(0, 2, 3, 1).flatten(1)
        hidden = F.dropout(hidden, POOL_DROPOUT, training)
        hidden = torch.relu(torch.addmm(bias_3, hidden, kernel_3))
        hidden = F.dropout(hidden, DENSE_DROPOUT, training)
        logits = torch.addmm(bias_4, hidden, kernel_4)
        return F.cross_entropy(logits, labels), logits

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        """Mean loss without dropout, and its gradients, in the order of axes that NumPy and JAX use."""
        loss, _ = self._loss(torch.from_numpy(x), torch.from_numpy(y).argmax(dim=1), training=False)
        gradients = torch.autograd.grad(loss, self.weights)
        return loss.item(), [(g.permute(2, 3, 1, 0) if g.ndim == 4 else g).numpy() for g in gradients]

    def _update(self, gradients: tuple[torch.Tensor, ...]) -> None:
        self.step += 1
        rate = LEARNING_RATE * math.sqrt(1 - BETA_2**self.step) / (1 - BETA_1**self.step)
        with torch.no_grad():
            torch._foreach_lerp_(self.means, gradients, 1 - BETA_1)
            torch._foreach_mul_(self.squares, BETA_2)
            torch._foreach_addcmul_(self.squares, gradients, gradients, value=1 - BETA_2)
            scale = torch._foreach_sqrt(self.squares)
            torch._foreach_add_(scale, EPSILON)
            torch._foreach_addcdiv_(self.weights, self.means, scale, value=-rate)

    def run_epoch(self, x: Array, y: Array, order: Array, batch_size: int) -> tuple[float, float]:
        """One epoch of updates; returns mean loss and accuracy."""
        loss_sum, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for index in batches(order, batch_size):
            labels = torch.from_numpy(y[index]).argmax(dim=1)
            loss, logits = self._loss(torch.from_numpy(x[index]), labels, training=True)
            self._update(torch.autograd.grad(loss, self.weights))
            loss_sum += loss.detach() * len(index)
            correct += (logits.detach().argmax(dim=1) == labels).sum()
        return loss_sum.item() / len(order), correct.item() / len(order)
