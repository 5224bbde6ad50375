"""Optimizer steps against the formulas in float64 NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

SHAPES = [(3, 4), (), (70,), (0, 2)]
ERRORS = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 4e-2}

Lists = list[np.ndarray]


def sgd(p: Any, g: Any, v: Any, lr: float, momentum: float, nesterov: bool = False) -> Any:
    v = momentum * v - lr * g
    return (p + momentum * v - lr * g if nesterov else p + v), v


def rmsprop(p: Any, g: Any, a: Any, lr: float, rho: float, epsilon: float) -> Any:
    a = rho * a + (1 - rho) * g * g
    return p - lr * g / (np.sqrt(a) + epsilon), a


def adam(p: Any, g: Any, m: Any, v: Any, lr: float, beta_1: float, beta_2: float, epsilon: float) -> Any:
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g * g
    return p - lr * m / (np.sqrt(v) + epsilon), m, v


# name, function, scalars, number of slots, attributes
STEPS: list[tuple[str, Any, tuple[float, ...], int, dict[str, Any]]] = [
    ("sgd_update", sgd, (0.1, 0.9), 1, {"nesterov": False}),
    ("sgd_update", sgd, (0.1, 0.9), 1, {"nesterov": True}),
    ("sgd_update", sgd, (0.1, 0.0), 1, {"nesterov": False}),
    ("rmsprop_update", rmsprop, (0.01, 0.9, 1e-3), 1, {}),
    ("rmsprop_update", rmsprop, (0.01, 1.0, 1e-3), 1, {}),
    ("adam_update", adam, (0.01, 0.9, 0.999, 1e-3), 2, {}),
    ("adam_update", adam, (0.01, 0.0, 0.9999, 1e-3), 2, {}),
    ("adam_update", adam, (0.01, 1.0, 0.9, 1e-3), 2, {}),
]


def tensors(arrays: Lists, dtype: str) -> list[Any]:
    return [torch.tensor(array, dtype=getattr(torch, dtype)) for array in arrays]


@pytest.mark.parametrize("dtype", sorted(ERRORS))
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("numbers", [False, True], ids=["arrays", "numbers"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0]}-{step[2]}")
def test_steps(backend: Any, step: Any, dtype: str, in_place: bool, numbers: bool) -> None:
    name, function, scalars, slots, attributes = step
    random = np.random.default_rng(0)
    params, grads, *averages = ([random.standard_normal(shape) for shape in SHAPES] for _ in range(2 + slots))
    averages[-1] = [np.abs(average) for average in averages[-1]]
    columns = [tensors(column, dtype) for column in (params, grads, *averages)]
    columns[1][0] = columns[1][0].t().contiguous().t()  # a gradient whose memory runs otherwise
    flat = [array for column in columns for array in column]
    before = [array.clone() for array in flat]
    given = scalars if numbers else [torch.tensor(scalar, dtype=getattr(torch, dtype)) for scalar in scalars]
    exact = [float(scalar) for scalar in given]
    with backend.scope():
        results = backend.kernels[name](*given, *flat, in_place=in_place, **attributes)
    count = len(SHAPES)
    rows = [[array.double().numpy() for array in before[number::count]] for number in range(count)]
    expected = [function(*row, *exact, **attributes) for row in rows]
    assert len(results) == count * (1 + slots)
    for number, array in enumerate(results):
        oracle = expected[number % count][number // count]
        assert array.dtype == getattr(torch, dtype)
        assert array.is_contiguous()
        np.testing.assert_allclose(array.double().numpy(), oracle, ERRORS[dtype], ERRORS[dtype])
    kept = range(count, 2 * count) if in_place else range(len(flat))
    for number in kept:
        assert torch.equal(flat[number], before[number]), "an input was written"
    if in_place:
        written = [*flat[:count], *flat[2 * count :]]
        assert all(one.data_ptr() == two.data_ptr() for one, two in zip(results, written, strict=True))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0]}-{step[2]}")
def test_steps_by_separate_functions(step: Any) -> None:
    """What a GPU runs, where scalars stay arrays, computed here."""
    from multikeras_torch.updates import update_kernels

    name, _, scalars, slots, attributes = step
    random = torch.Generator().manual_seed(0)
    flat = [torch.rand(5, 3, dtype=torch.float64, generator=random) for _ in range(2 * (2 + slots))]
    with torch.no_grad():
        arrays = [torch.tensor(scalar, dtype=torch.float64) for scalar in scalars]
        expected, results = (
            update_kernels(torch.device(device))[name](*arrays, *flat, in_place=False, **attributes)
            for device in ("cpu", "cuda")
        )
    for one, two in zip(results, expected, strict=True):
        torch.testing.assert_close(one, two)


def test_steps_of_nothing(backend: Any) -> None:
    assert backend.kernels["sgd_update"](0.1, 0.9, nesterov=False, in_place=True) == ()
    assert backend.kernels["adam_update"](0.1, 0.9, 0.9, 1e-7, in_place=True) == ()
