"""Loops, branches, and calls of the host out of a program.

A host callback may run on a thread of the runtime's own, where JAX's 64-bit mode is off and would cut
arrays down to 32 bits on the way in and out. So 64-bit arrays travel as pairs of 32-bit words.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np
from jax import lax

# Not public; `eager` says why it is needed.
from jax._src.core import trace_state_clean

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import NUMPY_DTYPES, array

Body = Callable[..., Sequence[Any]]
Outputs = tuple[tuple[tuple[int, ...], str], ...]


class _Loops(threading.local):
    """The iteration numbers of the loops whose bodies are being traced in this thread, outermost first."""

    def __init__(self) -> None:
        self.iterations: list[Any] = []


_loops = _Loops()


def _scan(*arrays: Any, **attributes: Any) -> tuple[jax.Array, ...]:
    if trace_state_clean():
        return _jitted_scan(**attributes)(*arrays)
    return _trace_scan(*arrays, **attributes)


@lru_cache(maxsize=128)
def _jitted_scan(**attributes: Any) -> Callable[..., tuple[jax.Array, ...]]:
    """A loop run op by op is still compiled whole, once a body: JAX would compile it at every call."""
    return jax.jit(partial(_trace_scan, **attributes))


def _trace_scan(
    *arrays: Any,
    body: Body,
    num_sequences: int,
    num_carries: int,
    length: int,
    reverse: bool,
    outputs: Outputs,
) -> tuple[jax.Array, ...]:
    sequences = tuple(map(array, arrays[:num_sequences]))
    carries = tuple(map(array, arrays[num_sequences : num_sequences + num_carries]))
    invariants = arrays[num_sequences + num_carries :]
    dtypes = [carry.dtype for carry in carries] + [NUMPY_DTYPES[dtype] for _, dtype in outputs]

    def step(state: tuple[Any, ...], inputs: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        iteration, *slices = inputs
        _loops.iterations.append(iteration)
        try:
            results = body(iteration, *slices, *state, *invariants)
        finally:
            _loops.iterations.pop()
        # A Python scalar among the results would get a type of JAX's choosing.
        made = tuple(
            value if isinstance(value, jax.Array) else jax.numpy.asarray(value, dtype)
            for value, dtype in zip(results, dtypes, strict=True)
        )
        return made[:num_carries], made[num_carries:]

    iterations = lax.iota(np.int32, length)
    final, stacked = lax.scan(step, carries, (iterations, *sequences), length=length, reverse=reverse)
    return (*final, *stacked)


def _cond(predicate: Any, *operands: Any, then_body: Body, else_body: Body) -> tuple[jax.Array, ...]:
    if not isinstance(predicate, jax.core.Tracer):
        body = then_body if bool(predicate) else else_body
        return tuple(map(array, body(*operands)))

    def branch(body: Body) -> Callable[..., tuple[jax.Array, ...]]:
        return lambda *operands: tuple(map(array, body(*operands)))

    return lax.cond(predicate, branch(then_body), branch(else_body), *map(array, operands))


def _is_64_bit(x: Any) -> bool:
    return x.dtype.itemsize == 8


def _to_words(x: jax.Array) -> jax.Array:
    return lax.bitcast_convert_type(x, np.uint32) if _is_64_bit(x) else x


def _from_words(words: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """What `_to_words` made of an array of type `dtype`, on the host, in memory of its own."""
    value = np.array(words)
    return value.view(dtype).reshape(value.shape[:-1]) if dtype.itemsize == 8 else value


def _checked(results: Any, function: Callable[..., Any], outputs: Outputs) -> list[np.ndarray]:
    """Copies of the host function's results, as NumPy arrays of the declared types.

    Raises:
        ValueError: If their number or their shapes are not as declared.
    """
    arrays = [np.array(value, NUMPY_DTYPES[dtype]) for value, (_, dtype) in zip(results, outputs, strict=False)]
    declared = [tuple(shape) for shape, _ in outputs]
    if len(results) != len(outputs) or [value.shape for value in arrays] != declared:
        name = getattr(function, "__name__", repr(function))
        raise ValueError(
            f"The host function {name} returned {len(results)} arrays of shapes "
            f"{[np.shape(value) for value in results]}, but {len(outputs)} of shapes {declared} were "
            "declared. Return a tuple of arrays with the declared shapes, or declare other ones."
        )
    return arrays


def _for_numpy(value: Any) -> np.ndarray:
    """An array of the caller's own; of float32 where NumPy lacks the type."""
    return np.array(value, np.float32 if value.dtype == NUMPY_DTYPES["bfloat16"] else None)


def _host_call(*xs: Any, function: Callable[..., Any], outputs: Outputs) -> tuple[jax.Array, ...]:
    if trace_state_clean():
        return tuple(array(value) for value in _checked(function(*map(_for_numpy, xs)), function, outputs))
    xs = tuple(map(array, xs))
    dtypes = [np.dtype(x.dtype) for x in xs]

    def call(*words: Any) -> tuple[np.ndarray, ...]:
        values = map(_from_words, words[: len(dtypes)], dtypes)
        made = _checked(function(*map(_for_numpy, values)), function, outputs)
        return tuple(
            np.ascontiguousarray(value).reshape(-1).view(np.uint32).reshape(*value.shape, 2)
            if _is_64_bit(value)
            else value
            for value in made
        )

    declared = [
        jax.ShapeDtypeStruct((*shape, 2), np.uint32)
        if NUMPY_DTYPES[dtype].itemsize == 8
        else jax.ShapeDtypeStruct(shape, NUMPY_DTYPES[dtype])
        for shape, dtype in outputs
    ]
    # A pure callback may be moved out of a loop whose iterations do not change its arguments; given the
    # iterations' numbers it stays. (An `io_callback` costs three times as much, and one that raises
    # leaves a token behind on which every later `effects_barrier` fails.)
    made = jax.pure_callback(call, declared, *map(_to_words, xs), *_loops.iterations)
    return tuple(
        lax.bitcast_convert_type(value, NUMPY_DTYPES[dtype]) if NUMPY_DTYPES[dtype].itemsize == 8 else value
        for value, (_, dtype) in zip(made, outputs, strict=True)
    )


def _print_value(x: Any, *, message: str) -> jax.Array:
    x = array(x)
    dtype = np.dtype(x.dtype)

    def show(words: Any) -> None:
        print(f"{message}{_for_numpy(_from_words(words, dtype))}")

    if trace_state_clean():
        print(f"{message}{_for_numpy(x)}")
    else:
        jax.debug.callback(show, _to_words(x), ordered=True)
    return x


KERNELS: dict[str, Kernel] = {
    "scan": _scan,
    "cond": _cond,
    "host_call": _host_call,
    "print_value": _print_value,
}
