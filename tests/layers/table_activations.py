"""Activations with arguments, noise in test, and the products of two inputs."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from multikeras import layers
from tests.layers.layer_case import Case


def prelu(x: Any, alpha: Any) -> Any:
    return torch.where(x > 0, x, alpha * x)


def unit(x: Any, axis: int) -> Any:
    return x / x.norm(dim=axis, keepdim=True)


ROWS = [(3, 5)]

ACTIVATION_CASES: list[Case] = [
    Case("leaky relu", layers.LeakyReLU, ROWS, lambda x: F.leaky_relu(x, 0.3)),
    Case("leaky relu, alpha", lambda: layers.LeakyReLU(alpha=0.1), ROWS, lambda x: F.leaky_relu(x, 0.1)),
    Case("prelu", layers.PReLU, ROWS, prelu),
    Case("prelu, shared", lambda: layers.PReLU(shared_axes=[1, 2]), [(2, 4, 3, 5)], prelu),
    Case("prelu, one shared axis", lambda: layers.PReLU("ones", shared_axes=1), [(2, 4, 3)], prelu),
    Case("elu layer", lambda: layers.ELU(0.7), ROWS, lambda x: F.elu(x, 0.7)),
    Case("thresholded relu", lambda: layers.ThresholdedReLU(0.4), ROWS, lambda x: F.threshold(x, 0.4, 0.0)),
    Case("softmax layer", layers.Softmax, ROWS, lambda x: x.softmax(-1)),
    Case("softmax layer, axis", lambda: layers.Softmax(axis=1), [(2, 4, 3)], lambda x: x.softmax(1)),
    Case("relu layer", layers.ReLU, ROWS, F.relu),
    Case(
        "relu layer, all arguments",
        lambda: layers.ReLU(max_value=0.8, negative_slope=0.2, threshold=0.1),
        ROWS,
        lambda x: torch.where(x < 0.1, 0.2 * (x - 0.1), x.clamp(max=0.8)),
    ),
    Case("gaussian noise in test", lambda: layers.GaussianNoise(0.5), ROWS, lambda x: x),
    Case("gaussian dropout in test", lambda: layers.GaussianDropout(0.5), ROWS, lambda x: x),
    Case("alpha dropout in test", lambda: layers.AlphaDropout(0.5), ROWS, lambda x: x),
    Case("dot", lambda: layers.Dot(1), [(2, 4), (2, 4)], lambda x, y: (x * y).sum(1, keepdim=True)),
    Case("dot of sequences", lambda: layers.Dot(axes=(2, 1)), [(2, 3, 4), (2, 4, 5)], lambda x, y: x @ y),
    Case("dot, negative axes", lambda: layers.Dot(-1), [(2, 3, 4), (2, 5, 4)], lambda x, y: x @ y.mT),
    Case(
        "dot, normalized",
        lambda: layers.Dot(axes=[2, 1], normalize=True),
        [(2, 3, 4), (2, 4, 5)],
        lambda x, y: unit(x, 2) @ unit(y, 1),
    ),
    Case(
        "dot of a matrix and a vector",
        lambda: layers.Dot((1, 1)),
        [(2, 3, 4), (2, 3)],
        lambda x, y: torch.einsum("bij,bi->bj", x, y),
    ),
]
