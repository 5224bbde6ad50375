"""The MLP in PyTorch: eager, autograd, and an RMSprop of multi-tensor (`foreach`) calls in place.

`torch.optim` is not used: constructing any of its optimizers costs about 0.8 s of imports once per process.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from benchmarks.references.common import EPSILON, Array, batches

LEARNING_RATE = 0.001
RHO = 0.9


class Trainer:
    """Dense layers with relu and dropout, softmax at the end, categorical crossentropy, RMSprop."""

    def __init__(self, weights: list[Array], dropout: float = 0.2, seed: int = 0, cheap_masks: bool = False) -> None:
        """Takes copies of `[kernel, bias, kernel, bias, …]`.

        Args:
            weights: The initial weights.
            dropout: Share of units silenced after every layer but the last.
            seed: Seed of the masks.
            cheap_masks: Draws masks with `torch.rand`, which on a CPU costs a third of `F.dropout`.
        """
        torch.manual_seed(seed)
        self.dropout = dropout
        self.cheap_masks = cheap_masks
        self.weights = [torch.tensor(weight, requires_grad=True) for weight in weights]
        self.accumulators = [torch.zeros_like(weight) for weight in self.weights]

    def _drop(self, x: torch.Tensor) -> torch.Tensor:
        if self.cheap_masks:
            return x * (torch.rand(x.shape) >= self.dropout).to(x.dtype).mul_(1 / (1 - self.dropout))
        return F.dropout(x, self.dropout)

    def _loss(self, x: torch.Tensor, labels: torch.Tensor, training: bool) -> tuple[torch.Tensor, torch.Tensor]:
        hidden, weights = x, self.weights
        for layer in range(len(weights) // 2 - 1):
            hidden = torch.relu(torch.addmm(weights[2 * layer + 1], hidden, weights[2 * layer]))
            if training:
                hidden = self._drop(hidden)
        logits = torch.addmm(weights[-1], hidden, weights[-2])
        return F.cross_entropy(logits, labels), logits

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        """Mean loss without dropout, and its gradients."""
        loss, _ = self._loss(torch.from_numpy(x), torch.from_numpy(y).argmax(dim=1), training=False)
        return loss.item(), [gradient.numpy() for gradient in torch.autograd.grad(loss, self.weights)]

    def _update(self, gradients: tuple[torch.Tensor, ...]) -> None:
        with torch.no_grad():
            torch._foreach_mul_(self.accumulators, RHO)
            torch._foreach_addcmul_(self.accumulators, gradients, gradients, value=1 - RHO)
            scale = torch._foreach_sqrt(self.accumulators)
            torch._foreach_add_(scale, EPSILON)
            torch._foreach_addcdiv_(self.weights, gradients, scale, value=-LEARNING_RATE)

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
