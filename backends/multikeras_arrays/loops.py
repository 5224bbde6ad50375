"""The loop that runs as long as a condition holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from multikeras.contract import Array, Kernel


def loop_kernels(xp: Any) -> dict[str, Kernel]:
    """Kernels over the array module `xp`."""

    def while_loop(
        predicate: Array,
        *arrays: Array,
        body: Callable[..., Sequence[Array]],
        num_carries: int,
        maximum_iterations: int | None,
    ) -> tuple[Array, ...]:
        carries: Sequence[Array] = arrays[:num_carries]
        invariants = arrays[num_carries:]
        # On a GPU every iteration waits for its predicate.
        while bool(predicate):
            predicate, *carries = body(*carries, *invariants)
        # Copies, since a carry may still be an input, or lie in the memory of one.
        return tuple([xp.array(carry, order="C") for carry in carries])

    return {"while_loop": while_loop}
