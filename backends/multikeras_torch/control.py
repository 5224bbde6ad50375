"""Kernels that run other programs: loops, branches and calls of the user's Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from multikeras.contract import Array, Kernel
from multikeras_torch.dtypes import TORCH
from multikeras_torch.host import read_only, to_array, to_numpy

Spec = tuple[tuple[int, ...], str]
Body = Callable[..., Sequence[Array]]


def cond(predicate: Array, *operands: Array, then_body: Body, else_body: Body) -> tuple[Array, ...]:
    """One of two programs. On a GPU this waits for the predicate."""
    return tuple((then_body if bool(predicate) else else_body)(*operands))


def print_value(x: Array, *, message: str) -> Array:
    """`x`, shown."""
    print(f"{message}{to_numpy(x)}")
    return x


def _check_results(results: Any, outputs: Sequence[Spec], name: str) -> None:
    if not isinstance(results, tuple | list) or len(results) != len(outputs):
        received = type(results).__name__
        if isinstance(results, tuple | list):
            received = f"a {received} of {len(results)}"
        raise ValueError(f"The host call of {name} must return a tuple of {len(outputs)} arrays. Received: {received}.")
    for number, (result, (shape, _)) in enumerate(zip(results, outputs, strict=True)):
        if np.shape(result) != tuple(shape):
            raise ValueError(
                f"Result {number} of the host call of {name} was declared with shape {tuple(shape)} and came "
                f"with {np.shape(result)}. Return arrays of the shape declared, or declare theirs."
            )


def control_kernels(device: torch.device) -> dict[str, Kernel]:
    """Kernels of the control primitives; `device` is where they make new arrays."""

    def scan(
        *arrays: Array,
        body: Body,
        num_sequences: int,
        num_carries: int,
        length: int,
        reverse: bool,
        outputs: Sequence[Spec],
    ) -> tuple[Array, ...]:
        carries = arrays[num_sequences : num_sequences + num_carries]
        invariants = arrays[num_sequences + num_carries :]
        ys: list[list[Array]] = [[] for _ in outputs]
        # Views of all steps at once: cheaper than taking each in its turn.
        iterations = torch.arange(length, dtype=torch.int32, device=device)
        steps = list(zip(iterations.unbind(), *[sequence.unbind() for sequence in arrays[:num_sequences]], strict=True))
        for step in reversed(steps) if reverse else steps:
            results = body(*step, *carries, *invariants)
            carries = tuple(results[:num_carries])
            for column, y in zip(ys, results[num_carries:], strict=True):
                column.append(y)
        if reverse:
            for column in ys:
                column.reverse()
        if not length:
            stacks = [torch.empty((0, *shape), dtype=TORCH[dtype], device=device) for shape, dtype in outputs]
            return (*carries, *stacks)
        return (*carries, *map(torch.stack, ys))

    def host_call(*xs: Array, function: Callable[..., Any], outputs: Sequence[Spec]) -> tuple[Array, ...]:
        results = function(*[read_only(to_numpy(x)) for x in xs])
        _check_results(results, outputs, getattr(function, "__name__", "function"))
        arrays = zip(results, outputs, strict=True)
        return tuple(to_array(result, dtype, device, copy=True) for result, (_, dtype) in arrays)

    return {"scan": scan, "cond": cond, "host_call": host_call, "print_value": print_value}
