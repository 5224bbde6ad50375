"""Kernels that run other programs: loops, branches and calls of the user's Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from multikeras.contract import Array, Kernel

Spec = tuple[tuple[int, ...], str]


def control_kernels(xp: Any, to_numpy: Callable[[Array], np.ndarray]) -> dict[str, Kernel]:
    """Kernels of the control primitives over the array module `xp`.

    Args:
        xp: The array module.
        to_numpy: The value of one of its arrays as a NumPy array.
    """

    def scan(
        *arrays: Array,
        body: Callable[..., Sequence[Array]],
        num_sequences: int,
        num_carries: int,
        length: int,
        reverse: bool,
        outputs: Sequence[Spec],
    ) -> tuple[Array, ...]:
        sequences = arrays[:num_sequences]
        carries = arrays[num_sequences : num_sequences + num_carries]
        invariants = arrays[num_sequences + num_carries :]
        stacks = [xp.empty((length, *shape), dtype) for shape, dtype in outputs]
        iterations = xp.arange(length, dtype="int32")
        for step in range(length - 1, -1, -1) if reverse else range(length):
            results = body(iterations[step], *[sequence[step] for sequence in sequences], *carries, *invariants)
            carries = tuple(results[:num_carries])
            for stack, result in zip(stacks, results[num_carries:], strict=True):
                stack[step] = result
        return (*carries, *stacks)

    def cond(
        predicate: Array,
        *operands: Array,
        then_body: Callable[..., Sequence[Array]],
        else_body: Callable[..., Sequence[Array]],
    ) -> tuple[Array, ...]:
        # On a GPU this waits for the predicate.
        return tuple((then_body if bool(predicate) else else_body)(*operands))

    def host_call(
        *xs: Array, function: Callable[..., Sequence[np.ndarray]], outputs: Sequence[Spec]
    ) -> tuple[Array, ...]:
        results = function(*[_read_only(to_numpy(x)) for x in xs])
        name = getattr(function, "__name__", "function")
        if not isinstance(results, tuple | list) or len(results) != len(outputs):
            raise ValueError(
                f"The host call of {name} must return a tuple of {len(outputs)} arrays. Received: {_describe(results)}."
            )
        arrays = []
        for number, (result, (shape, dtype)) in enumerate(zip(results, outputs, strict=True)):
            value = np.array(result, dtype, order="C")
            if value.shape != tuple(shape):
                raise ValueError(
                    f"Result {number} of the host call of {name} was declared with shape {tuple(shape)} and "
                    f"came with {value.shape}. Return arrays of the shape declared, or declare theirs."
                )
            arrays.append(xp.asarray(value))
        return tuple(arrays)

    def print_value(x: Array, *, message: str) -> Array:
        print(f"{message}{to_numpy(x)}")
        return x

    return {"scan": scan, "cond": cond, "host_call": host_call, "print_value": print_value}


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view of `array` through which nobody writes: it may be a variable's own memory."""
    view = array.view()
    view.flags.writeable = False
    return view


def _describe(results: Any) -> str:
    if isinstance(results, tuple | list):
        return f"a {type(results).__name__} of {len(results)}"
    return type(results).__name__
