"""The loop that runs as long as a condition holds."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import jax
from jax import lax

# Not public; `eager` says why it is needed.
from jax._src.core import trace_state_clean

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import array
from multikeras_jax.kernels.control import Body, _loops


def _while_loop(*arrays: Any, **attributes: Any) -> tuple[jax.Array, ...]:
    if trace_state_clean():
        return _jitted(**attributes)(*arrays)
    return _traced(*arrays, **attributes)


@lru_cache(maxsize=128)
def _jitted(**attributes: Any) -> Any:
    """A loop run op by op is still compiled whole, once a body."""
    return jax.jit(partial(_traced, **attributes))


def _traced(
    predicate: Any, *arrays: Any, body: Body, num_carries: int, maximum_iterations: int | None
) -> tuple[jax.Array, ...]:
    carries = tuple(map(array, arrays[:num_carries]))
    invariants = arrays[num_carries:]
    dtypes = [carry.dtype for carry in carries]

    def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
        # The count of iterations keeps calls of the host in the loop, as in a scan.
        _loops.iterations.append(state[1])
        try:
            again, *results = body(*state[1:], *invariants)
        finally:
            _loops.iterations.pop()
        made = [
            value if isinstance(value, jax.Array) else jax.numpy.asarray(value, dtype)
            for value, dtype in zip(results, dtypes, strict=True)
        ]
        return (array(again), *made)

    return lax.while_loop(lambda state: state[0], step, (array(predicate), *carries))[1:]


KERNELS: dict[str, Kernel] = {"while_loop": _while_loop}
