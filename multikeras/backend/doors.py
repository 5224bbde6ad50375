"""The ways out of K: NumPy functions in a graph, gradients of one's own, primitives of one's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from multikeras.backend import common
from multikeras.backend.calling import called
from multikeras.contract import primitive
from multikeras.graph.ops import control
from multikeras.graph.tensor import Tensor


def numpy_function(
    f: Callable[..., Any], inputs: Any, shape: Any, dtype: Any, gradient: Callable[..., Any] | None = None
) -> Tensor:
    """A Python function of NumPy arrays as an operation of the graph, called on the host at every run.

    Args:
        f: Takes one NumPy array for each input, returns one array.
        inputs: Tensors; one, or a list.
        shape: Shape of the result; None where a length is that of the first input along the same axis.
        dtype: Data type of the result. bfloat16, which NumPy lacks, arrives and leaves as float32.
        gradient: Function `(g, out, *inputs)` of tensors, giving the gradient for each input (None
            where there is none), built of K functions. Without it `K.gradients` raises.

    Returns:
        Tensor of that shape and type.
    """
    if not callable(f):
        raise TypeError(f"K.numpy_function takes a function of NumPy arrays, received {type(f).__name__}: {f!r}.")
    tensors = [common.tensor(x) for x in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
    kind = common.type_named(dtype)
    lengths = tuple(shape)
    name = getattr(f, "__name__", repr(f))
    first = tensors[0].ndim if tensors else 0
    if None in lengths[first:]:
        raise ValueError(
            f"K.numpy_function: the shape {lengths} of the result of {name} has an unknown length along an axis that "
            "the first input does not have."
        )

    def call(*arrays: Any) -> list[np.ndarray]:
        # NumPy has no bfloat16: float32 holds its values.
        made = np.asarray(f(*arrays), dtype="float32" if kind == "bfloat16" else kind)
        fits = len(made.shape) == len(lengths)
        if not fits or any(n is not None and n != m for n, m in zip(lengths, made.shape, strict=True)):
            raise ValueError(
                f"K.numpy_function: {name} returned an array of shape {made.shape}, the shape given is {lengths}."
            )
        return [made]

    (made,) = control.host_call(*tensors, function=call, outputs=((lengths, kind),), gradient=gradient)
    return made


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Tensor]:
    """A function of tensors whose gradient its author gives.

    Args:
        f: Takes tensors, returns the pair (result, grad): `grad(g)` takes the gradient arriving at
            the result and returns that of each argument (one tensor, or a list in which None means
            that there is none).

    Returns:
        A function of the same arguments that returns the result alone; also usable as a decorator.
    """
    if isinstance(f, Tensor) or not callable(f):
        raise TypeError(f"K.custom_gradient takes a function of tensors, received {type(f).__name__}: {f!r}.")

    @wraps(f)
    def call(*arguments: Any) -> Tensor:
        tensors = [common.tensor(x) for x in arguments]
        pair = called(f, "what K.custom_gradient got", f"{len(tensors)} tensors", *tensors)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not callable(pair[1]):
            raise TypeError(
                f"K.custom_gradient: {getattr(f, '__name__', f)!r} returns the pair (result, grad), grad being a "
                f"function of the gradient; received {pair!r}."
            )
        result, grad = pair

        def rule(g: Tensor) -> list[Any]:
            made = grad(g)
            parts = list(made) if isinstance(made, (list, tuple)) else [made]
            if len(parts) != len(tensors):
                raise ValueError(
                    f"K.custom_gradient: the gradient of {getattr(f, '__name__', f)!r} returned {len(parts)} tensors "
                    f"for {len(tensors)} arguments."
                )
            return [None if d is None else common.tensor(d) for d in parts]

        made: Tensor = control.custom(common.tensor(result), *tensors, rule=rule)
        return made

    return call


__all__ = ["custom_gradient", "numpy_function", "primitive"]
