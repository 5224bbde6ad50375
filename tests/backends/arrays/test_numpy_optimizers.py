"""Optimizer steps of the NumPy backend against their formulas, to the last bit."""

import numpy as np
import pytest

from multikeras_numpy import NumpyBackend

SHAPES = [(3, 4), (), (0,), ((1 << 18) + 7,)]


def sgd(scalars, p, g, v, nesterov):
    lr, momentum = scalars
    v = momentum * v - lr * g
    return (p + momentum * v - lr * g if nesterov else p + v), v


def rmsprop(scalars, p, g, a):
    lr, rho, epsilon = scalars
    a = rho * a + (1 - rho) * (g * g)
    return p - lr * g / (np.sqrt(a) + epsilon), a


def adam(scalars, p, g, m, v):
    lr, beta_1, beta_2, epsilon = scalars
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * (g * g)
    return p - lr * m / (np.sqrt(v) + epsilon), m, v


CASES = {
    "sgd": ("sgd_update", sgd, (0.1, 0.9), {"nesterov": False}),
    "nesterov": ("sgd_update", sgd, (0.1, 0.9), {"nesterov": True}),
    "rmsprop": ("rmsprop_update", rmsprop, (0.1, 0.9, 1e-7), {}),
    "adam": ("adam_update", adam, (0.1, 0.9, 0.999, 1e-7), {}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("in_place", [True, False])
def test_step(rng, case, dtype, in_place):
    name, formula, scalars, attributes = CASES[case]
    scalars = [np.array(scalar, dtype) for scalar in scalars]
    slots = 2 if name == "adam_update" else 1
    groups = [[np.asarray(np.abs(rng.standard_normal(shape)), dtype) for shape in SHAPES] for _ in range(2 + slots)]
    copies = [[array.copy() for array in group] for group in groups]
    for array in (*scalars, *groups[1]):
        array.flags.writeable = False
    if not in_place:
        for group in groups:
            for array in group:
                array.flags.writeable = False
    backend = NumpyBackend()
    with backend.scope():
        results = backend.kernels[name](*scalars, *sum(groups, []), in_place=in_place, **attributes)
        expected = [formula(scalars, *arrays, *attributes.values()) for arrays in zip(*copies, strict=True)]
    flat = [entry for group in zip(*expected, strict=True) for entry in group]
    assert len(results) == len(flat)
    for result, value in zip(results, flat, strict=True):
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, value)
    updated = sum((groups[0], *groups[2:]), [])
    for result, before in zip(results, updated, strict=True):
        assert (result is before) == in_place


def test_what_cannot_be_written_is_copied(rng):
    backend = NumpyBackend()
    p = np.broadcast_to(np.float32(1), (3, 2))
    g, v = np.ones((3, 2), "float32"), np.zeros((2, 3), "float32").T
    new_p, new_v = backend.kernels["sgd_update"](
        np.float32(0.5), np.float32(0.9), p, g, v, nesterov=False, in_place=True
    )
    assert (new_p == 0.5).all()
    assert (p == 1).all()
    assert (new_v == -0.5).all()
    assert not v.any()
