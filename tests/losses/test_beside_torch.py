"""Losses and their gradients in double precision beside PyTorch, with weights."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import losses

torch = pytest.importorskip("torch")
F = torch.nn.functional

_generator = np.random.default_rng(6)
NUMBERS = _generator.normal(size=(6, 4)) * 2, _generator.normal(size=(6, 4)) * 2
COUNTS = _generator.poisson(3.0, (6, 4)).astype(float), _generator.uniform(0.5, 4, (6, 4))
BINARY = _generator.integers(0, 2, (6, 4)).astype(float), _generator.uniform(0.05, 0.95, (6, 4))
CLASSES = _generator.integers(0, 4, 6)
SCORES = _generator.normal(size=(6, 4)) * 3
SHARES = _generator.dirichlet(np.ones(4), 6), _generator.dirichlet(np.ones(4), 6)
PLACES = _generator.integers(0, 4, (6, 5)), _generator.normal(size=(6, 4, 5))
WEIGHTS = np.array([1.0, 0, 2, 0.5, 3, 0.25])
HOT = np.eye(4)[CLASSES]


def rows(function):
    """The mean over the last axis of something that PyTorch gives for every entry."""
    return lambda t, p: function(p, t, reduction="none").mean(-1)


#: Our class, its arguments, targets, predictions, and the same in PyTorch from tensors (targets, predictions).
CASES = {
    "mse": ("MeanSquaredError", {}, *NUMBERS, rows(F.mse_loss)),
    "mae": ("MeanAbsoluteError", {}, *NUMBERS, rows(F.l1_loss)),
    "huber": (
        "Huber",
        {"delta": 0.75},
        *NUMBERS,
        lambda t, p: F.huber_loss(p, t, reduction="none", delta=0.75).mean(-1),
    ),
    "poisson": (
        "Poisson",
        {},
        *COUNTS,
        lambda t, p: F.poisson_nll_loss(p, t, log_input=False, eps=1e-7, reduction="none").mean(-1),
    ),
    "cosine": ("CosineSimilarity", {}, *NUMBERS, lambda t, p: -F.cosine_similarity(t, p, dim=-1)),
    "kld": ("KLDivergence", {}, *SHARES, lambda t, p: F.kl_div(p.log(), t, reduction="none").sum(-1)),
    "binary": ("BinaryCrossentropy", {}, *BINARY, rows(F.binary_cross_entropy)),
    "binary_logits": (
        "BinaryCrossentropy",
        {"from_logits": True},
        BINARY[0],
        SCORES,
        rows(F.binary_cross_entropy_with_logits),
    ),
    "categorical_logits": (
        "CategoricalCrossentropy",
        {"from_logits": True},
        HOT,
        SCORES,
        lambda t, p: F.cross_entropy(p, t, reduction="none"),
    ),
    "categorical_smooth": (
        "CategoricalCrossentropy",
        {"from_logits": True, "label_smoothing": 0.2},
        HOT,
        SCORES,
        lambda t, p: F.cross_entropy(p, t, reduction="none", label_smoothing=0.2),
    ),
    "sparse_logits": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True},
        CLASSES,
        SCORES,
        lambda t, p: F.cross_entropy(p, t, reduction="none"),
    ),
    "sparse_axis": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True, "axis": 1},
        *PLACES,
        lambda t, p: F.cross_entropy(p, t, reduction="none"),
    ),
    "hinge": ("Hinge", {}, 2 * BINARY[0] - 1, SCORES, lambda t, p: torch.relu(1 - t * p).mean(-1)),
    "squared_hinge": (
        "SquaredHinge",
        {},
        2 * BINARY[0] - 1,
        SCORES,
        lambda t, p: (torch.relu(1 - t * p) ** 2).mean(-1),
    ),
    "logcosh": ("LogCosh", {}, *NUMBERS, lambda t, p: torch.log(torch.cosh(p - t)).mean(-1)),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(each_backend, name):
    K.set_floatx("float64")
    kind, arguments, target, output, formula = CASES[name]
    p = torch.tensor(output, requires_grad=True)
    each = formula(torch.tensor(target), p)
    weights = WEIGHTS.reshape(-1, *[1] * (each.ndim - 1))
    expected = (each * torch.tensor(weights)).mean()
    expected.backward()

    y_pred = K.constant(output)
    value = getattr(losses, kind)(**arguments)(K.constant(target, dtype=str(target.dtype)), y_pred, WEIGHTS)
    (gradient,) = K.gradients(value, [y_pred])
    np.testing.assert_allclose(K.eval(value), expected.item(), rtol=1e-10)
    np.testing.assert_allclose(K.eval(gradient), p.grad.numpy(), rtol=1e-8, atol=1e-12)
