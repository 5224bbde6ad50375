"""Kernels that run bodies, which are functions from arrays to a tuple of arrays, or the user's Python."""

from __future__ import annotations

from typing import Any

import numpy as np


def scan(
    *arrays: Any,
    body: Any,
    num_sequences: int,
    num_carries: int,
    length: int,
    reverse: bool,
    outputs: Any,
) -> tuple[Any, ...]:
    sequences, rest = arrays[:num_sequences], arrays[num_sequences:]
    carries, invariants = rest[:num_carries], rest[num_carries:]
    stacks = [np.empty((length, *shape), dtype) for shape, dtype in outputs]
    for i in reversed(range(length)) if reverse else range(length):
        results = body(np.asarray(i, "int32"), *[sequence[i] for sequence in sequences], *carries, *invariants)
        carries = results[:num_carries]
        for stack, y in zip(stacks, results[num_carries:], strict=True):
            stack[i] = y
    return (*carries, *stacks)


def while_loop(predicate: Any, *arrays: Any, body: Any, num_carries: int, maximum_iterations: int | None) -> Any:
    carries, invariants = arrays[:num_carries], arrays[num_carries:]
    while predicate:
        predicate, *carries = body(*carries, *invariants)
    return tuple(map(np.array, carries))


def cond(predicate: Any, *operands: Any, then_body: Any, else_body: Any) -> tuple[Any, ...]:
    return tuple(then_body(*operands) if predicate else else_body(*operands))


def host_call(*xs: Any, function: Any, outputs: Any) -> tuple[Any, ...]:
    # Copies: the user may write into what it is given.
    results = function(*map(np.array, xs))
    return tuple(np.array(result, dtype) for result, (_, dtype) in zip(results, outputs, strict=True))


def print_value(x: Any, *, message: str) -> Any:
    print(f"{message}{x}")
    return x


KERNELS = {
    "scan": scan,
    "while_loop": while_loop,
    "cond": cond,
    "host_call": host_call,
    "print_value": print_value,
}
