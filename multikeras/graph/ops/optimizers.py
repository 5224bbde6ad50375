"""Optimizer steps over many tensors at once, for libraries that have a kernel for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikeras.contract import Primitive, primitive
from multikeras.graph.ops.elementwise import sqrt
from multikeras.graph.tensor import Tensor


def _groups(tensors: tuple[Tensor, ...], scalars: int, kinds: int) -> list[tuple[Tensor, ...]]:
    count = (len(tensors) - scalars) // kinds
    return [tensors[scalars + k * count : scalars + (k + 1) * count] for k in range(kinds)]


def _step(name: str, scalars: int, kinds: int, composition: Callable[..., Any], doc: str) -> Primitive:
    def results(tensors: tuple[Tensor, ...]) -> list[Tensor]:
        params, _, *slots = _groups(tensors, scalars, kinds)
        return [*params, *[t for group in slots for t in group]]

    return primitive(
        name,
        shape=lambda *tensors, **attributes: [t.shape for t in results(tensors)],
        dtype=lambda *tensors, **attributes: [t.dtype for t in results(tensors)],
        gradient="composition",
        multiple=True,
        composition=composition,
        in_place=True,
        doc=doc,
    )


def _sgd(*tensors: Tensor, nesterov: bool) -> list[Tensor]:
    lr, momentum = tensors[:2]
    params, grads, velocities = _groups(tensors, 2, 3)
    moved = [momentum * v - lr * g for v, g in zip(velocities, grads, strict=True)]
    if nesterov:
        new = [p + momentum * v - lr * g for p, v, g in zip(params, moved, grads, strict=True)]
    else:
        new = [p + v for p, v in zip(params, moved, strict=True)]
    return [*new, *moved]


def _rmsprop(*tensors: Tensor) -> list[Tensor]:
    lr, rho, epsilon = tensors[:3]
    params, grads, squares = _groups(tensors, 3, 3)
    moved = [rho * a + (1 - rho) * (g * g) for a, g in zip(squares, grads, strict=True)]
    new = [p - lr * g / (sqrt(a) + epsilon) for p, g, a in zip(params, grads, moved, strict=True)]
    return [*new, *moved]


def _adam(*tensors: Tensor) -> list[Tensor]:
    lr, beta_1, beta_2, epsilon = tensors[:4]
    params, grads, means, squares = _groups(tensors, 4, 4)
    first = [beta_1 * m + (1 - beta_1) * g for m, g in zip(means, grads, strict=True)]
    second = [beta_2 * v + (1 - beta_2) * (g * g) for v, g in zip(squares, grads, strict=True)]
    new = [p - lr * m / (sqrt(v) + epsilon) for p, m, v in zip(params, first, second, strict=True)]
    return [*new, *first, *second]


sgd_update: Primitive = _step(
    "sgd_update", 2, 3, _sgd, "v = momentum v - lr g, p = p + v (or with nesterov p + momentum v - lr g)."
)
rmsprop_update: Primitive = _step(
    "rmsprop_update", 3, 3, _rmsprop, "a = rho a + (1 - rho) g g, p = p - lr g / (sqrt(a) + epsilon)."
)
adam_update: Primitive = _step(
    "adam_update", 4, 4, _adam, "Adam's moments and step, with the bias correction already in lr."
)
