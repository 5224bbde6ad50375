"""An LSTM over an embedding in PyTorch: a loop over the steps, autograd, multi-tensor Adam.

`torch.lstm` would be faster than a loop, and is no reference for loops over any step function.
PyTorch adds Adam's epsilon elsewhere than Keras does, so that its losses come out a little different.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from benchmarks.references.common import EPSILON, Array
from benchmarks.references.lstm_numpy import BETA_1, BETA_2, LEARNING_RATE


class Trainer:
    """Embedding, LSTM, one dense unit, sigmoid crossentropy, Adam."""

    def __init__(self, weights: list[Array]) -> None:
        """Takes copies of embedding, kernel, recurrent kernel, bias, dense kernel and dense bias."""
        self.weights = [torch.tensor(weight, requires_grad=True) for weight in weights]
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]
        self.counts = [torch.zeros(()) for _ in self.weights]

    def _loss(self, x: Array, y: Array) -> torch.Tensor:
        embeddings, kernel, recurrent, bias, dense, dense_bias = self.weights
        inputs = F.embedding(torch.from_numpy(x.T.astype("int64")), embeddings)
        h = c = torch.zeros(len(x), len(recurrent), dtype=kernel.dtype)
        for ahead in (inputs @ kernel + bias).unbind():
            i, f, g, o = torch.addmm(ahead, h, recurrent).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        logits = torch.addmm(dense_bias, h, dense)[:, 0]
        return F.binary_cross_entropy_with_logits(logits, torch.from_numpy(y))

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        """Mean loss and its gradients."""
        loss = self._loss(x, y)
        return loss.item(), [gradient.numpy() for gradient in torch.autograd.grad(loss, self.weights)]

    def step(self, x: Array, y: Array) -> float:
        """One update; returns the loss before it."""
        loss = self._loss(x, y)
        gradients = list(torch.autograd.grad(loss, self.weights))
        with torch.no_grad():
            torch._foreach_add_(self.counts, 1)
            torch._fused_adam_(
                self.weights, gradients, self.means, self.squares, [], self.counts,
                lr=LEARNING_RATE, beta1=BETA_1, beta2=BETA_2, weight_decay=0, eps=EPSILON,
                amsgrad=False, maximize=False, grad_scale=None, found_inf=None,
            )  # fmt: skip
        return loss.item()
