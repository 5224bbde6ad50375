"""Where optimizers go: beside PyTorch's, in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import optimizers

STEPS = 12
TINY = 1e-12

#: Optimizer, its arguments, and the class of torch.optim with its arguments. Where the two add epsilon at different
#: places it is too small to matter.
CASES = {
    "sgd": ("SGD", {"lr": 0.1}, "SGD", {"lr": 0.1}),
    "sgd_momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}, "SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd_nesterov": (
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ),
    "rmsprop": (
        "RMSprop",
        {"lr": 0.01, "rho": 0.8, "epsilon": 1e-3},
        "RMSprop",
        {"lr": 0.01, "alpha": 0.8, "eps": 1e-3},
    ),
    "adam": (
        "Adam",
        {"lr": 0.02, "beta_1": 0.8, "beta_2": 0.95, "epsilon": TINY},
        "Adam",
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": TINY},
    ),
    "adamax": ("Adamax", {"lr": 0.02, "epsilon": TINY}, "Adamax", {"lr": 0.02, "eps": TINY}),
    "nadam": ("Nadam", {"lr": 0.02, "epsilon": 1e-3}, "NAdam", {"lr": 0.02, "eps": 1e-3, "momentum_decay": 0.004}),
    "adagrad": ("Adagrad", {"lr": 0.1, "epsilon": 1e-3}, "Adagrad", {"lr": 0.1, "eps": 1e-3}),
    "adagrad_decay": (
        "Adagrad",
        {"lr": 0.1, "epsilon": 1e-3, "decay": 0.1},
        "Adagrad",
        {"lr": 0.1, "eps": 1e-3, "lr_decay": 0.1},
    ),
    "adadelta": (
        "Adadelta",
        {"lr": 0.5, "rho": 0.9, "epsilon": 1e-3},
        "Adadelta",
        {"lr": 0.5, "rho": 0.9, "eps": 1e-3},
    ),
}

SHAPES = ((3, 4), (4,))


def start() -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    return [generator.normal(size=shape) for shape in SHAPES]


def loss_of(params, square):
    """Something with a different curvature in every direction."""
    return sum((square(p) * (i + 1) + p * square(p) * 0.1).sum() for i, p in enumerate(params))


def ours(optimizer, steps=STEPS, dtype=None):
    variables = [K.variable(value, dtype=dtype) for value in start()]
    loss = 0.0
    for i, p in enumerate(variables):
        loss = loss + K.sum(K.square(p) * (i + 1) + p * K.square(p) * 0.1)
    step = K.function([], [loss], optimizer.get_updates(loss, variables))
    losses = [float(step([])[0]) for _ in range(steps)]
    return losses, K.batch_get_value(variables), variables


@pytest.mark.parametrize("case", CASES)
def test_beside_torch(each_backend, case):
    torch = pytest.importorskip("torch")
    name, arguments, other, other_arguments = CASES[case]
    K.set_floatx("float64")
    losses, values, _ = ours(getattr(optimizers, name)(**arguments))

    params = [torch.tensor(value, requires_grad=True) for value in start()]
    reference = getattr(torch.optim, other)(params, **other_arguments)
    expected = []
    for _ in range(STEPS):
        reference.zero_grad()
        loss = loss_of(params, torch.square)
        loss.backward()
        reference.step()
        expected.append(loss.item())
    # torch.optim keeps its counters and the momenta of NAdam in single precision.
    np.testing.assert_allclose(losses, expected, rtol=1e-7)
    for value, param in zip(values, params, strict=True):
        np.testing.assert_allclose(value, param.detach().numpy(), rtol=1e-7)


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_rates_that_fall(each_backend, decay):
    K.set_floatx("float64")
    _, values, _ = ours(optimizers.SGD(lr=0.1, decay=decay), 3)
    params = start()
    for t in range(3):
        rate = 0.1 / (1 + decay * t)
        params = [p - rate * (2 * (i + 1) * p + 0.3 * p * p) for i, p in enumerate(params)]
    for value, param in zip(values, params, strict=True):
        np.testing.assert_allclose(value, param, rtol=1e-12)


def test_amsgrad(each_backend):
    K.set_floatx("float64")
    lr, b1, b2, eps = 0.05, 0.9, 0.9, 1e-4
    optimizer = optimizers.Adam(lr=lr, beta_1=b1, beta_2=b2, epsilon=eps, amsgrad=True)
    _, values, _ = ours(optimizer)
    assert len(optimizer.weights) == 1 + 3 * len(SHAPES)
    for i, p in enumerate(start()):
        m = v = top = np.zeros_like(p)
        for t in range(1, STEPS + 1):
            g = 2 * (i + 1) * p + 0.3 * p * p
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
            top = np.maximum(top, v)
            p = p - lr * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(top) + eps)
        np.testing.assert_allclose(values[i], p, rtol=1e-10)


def test_all_backends_go_the_same_way():
    """Single precision, every optimizer: the same numbers to rounding."""
    found = {}
    for backend in ("numpy", "jax", "torch"):
        if not __import__("multikeras").registry.installed()[backend].installed:
            continue
        with K.use_backend(backend):
            found[backend] = [ours(optimizers.get(name))[0] for name in ("SGD", "RMSprop", "Adam", "Adamax", "Nadam")]
    first = found.pop("numpy")
    for other in found.values():
        np.testing.assert_allclose(other, first, rtol=2e-5)
