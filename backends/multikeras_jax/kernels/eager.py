"""How a kernel runs op by op: compiled by itself, once for its shapes and attributes.

A kernel of several JAX operations would otherwise compile each of them, some 15 ms apiece, at its first
call, and dispatch each at every later one.
"""

from __future__ import annotations

import inspect
from typing import Any

import jax

# Not public, but the public signs fail: constants are no tracers, although what is done to them is traced.
from jax._src.core import trace_state_clean

from multikeras.contract import Kernel

_PYTHON_SCALARS = frozenset({bool, int, float})


def eager(kernel: Kernel) -> Kernel:
    """`kernel`, which compiles itself when it is called outside a trace."""
    parameters = inspect.signature(kernel).parameters.values()
    attributes = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    jitted = jax.jit(kernel, static_argnames=attributes)

    def run(*arrays: Any, **attributes: Any) -> Any:
        # Jitted, a Python scalar would get a type of JAX's choosing before the kernel sees it.
        if trace_state_clean() and _PYTHON_SCALARS.isdisjoint(map(type, arrays)):
            return jitted(*arrays, **attributes)
        return kernel(*arrays, **attributes)

    return run
