"""The loop that runs as long as a condition holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from multikeras.contract import Array, Kernel


def while_loop(
    predicate: Array,
    *arrays: Array,
    body: Callable[..., Sequence[Array]],
    num_carries: int,
    maximum_iterations: int | None,
) -> tuple[Array, ...]:
    """Carries after the last iteration. On a GPU every iteration waits for its predicate."""
    carries: Sequence[Array] = arrays[:num_carries]
    invariants = arrays[num_carries:]
    while bool(predicate):
        predicate, *carries = body(*carries, *invariants)
    # Copies, since a carry may still be an input, or lie in the memory of one.
    return tuple([carry.clone(memory_format=torch.contiguous_format) for carry in carries])


LOOPS: dict[str, Kernel] = {"while_loop": while_loop}
