"""What the files of K share: operands, axes and lengths as primitives take them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from operator import index
from typing import Any

import numpy as np

from multikeras import config
from multikeras.contract import FLOATS, SIZES, check_dtype, is_float
from multikeras.graph import naming, operands
from multikeras.graph.ops import elementwise, reductions, shapes
from multikeras.graph.ops.rules import length_of, shape_of
from multikeras.graph.tensor import Tensor

#: Floats that are summed and exponentiated in float32.
SHORT_FLOATS = frozenset({"float16", "bfloat16"})


def tensor(x: Any) -> Tensor:
    """`x` as a tensor; floating numbers and arrays become floatx."""
    return operands.convert(x)


def float_tensor(x: Any) -> Tensor:
    """`x` as a floating-point tensor: integers and booleans become floatx."""
    made = operands.convert(x)
    return made if is_float(made.dtype) else operands.cast(made, config.floatx())


def wide(x: Tensor) -> Tensor:
    """A 16-bit float as float32, in which sums and logarithms of it are computed; others unchanged."""
    return operands.cast(x, "float32") if x.dtype in SHORT_FLOATS else x


def fresh(x: Tensor) -> Tensor:
    """The same value as a new tensor: no K function returns one of its arguments."""
    made: Tensor = elementwise.identity(x)
    return made


def type_named(dtype: Any) -> str:
    """A data type by name."""
    try:
        return check_dtype(dtype)
    except ValueError as error:
        raise ValueError(naming.located(str(error))) from None


def float_type(dtype: Any) -> str:
    """A data type by name, floatx where it is None."""
    return config.floatx() if dtype is None else type_named(dtype)


def whole(value: Any, what: str, lowest: int = 0) -> Any:
    """A whole number, such as 2, `np.int64(2)` or 2.0; an integer scalar of the graph is left as it is.

    Args:
        value: What was given.
        what: What it stands for, for the message.
        lowest: The smallest number allowed.

    Raises:
        TypeError: If it is no number.
        ValueError: If it is not whole, or too small.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or value % 1 or value < lowest:
        kind = ValueError if number else TypeError
        raise kind(f"{naming.calling()}{what} is a whole number from {lowest} on, received {value!r}.")
    return int(value)


def number(value: Any, what: str) -> Any:
    """A number or a tensor, as it is.

    Raises:
        TypeError: If it is neither.
    """
    if isinstance(value, Tensor) or (isinstance(value, (int, float, np.number)) and not isinstance(value, bool)):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        return value
    raise TypeError(f"{naming.calling()}{what} is a number, received {value!r}.")


def one_axis(x: Tensor, axis: Any, function: str, added: int = 0) -> int:
    """An axis counted from 0.

    Args:
        x: The tensor it belongs to.
        axis: An int, which may be negative.
        function: Who asks, for the message.
        added: How many axes the result has beside those of `x`.

    Raises:
        TypeError: If it is no int.
        ValueError: If `x` has no such axis.
    """
    ndim = x.ndim + added
    try:
        number = index(axis)
    except TypeError:
        raise TypeError(f"K.{function}: an axis is an int, received {axis!r} beside {x!r}.") from None
    if not ndim:
        raise ValueError(f"K.{function}: {x!r} has no axes, received axis {axis}.")
    if not -ndim <= number < ndim:
        raise ValueError(f"K.{function}: axis {axis} is outside {x!r}, which has axes {-ndim} to {ndim - 1}.")
    return number % ndim


def all_axes(x: Tensor, axis: Any, function: str) -> tuple[int, ...]:
    """Axes as reductions take them: sorted, counted from 0; every axis where `axis` is None."""
    if axis is None:
        return tuple(range(x.ndim))
    entries = axis if isinstance(axis, (list, tuple, set, range)) else [axis]
    numbers = sorted(one_axis(x, a, function) for a in entries)
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"K.{function}: axes {axis} name one axis of {x!r} twice.")
    return tuple(numbers)


def lengths(x: Tensor) -> list[Any]:
    """Axis lengths, each an int where it is known, else an integer scalar made of the shape."""
    return [length_of(x, axis) for axis in range(x.ndim)]


def reshape(x: Tensor, entries: Sequence[Any]) -> Tensor:
    """`x` under another shape, whose entries are ints or integer scalars; one may be -1."""
    made: Tensor = shapes.reshape(x, shape=operands.pack(list(entries)))
    return made


def transpose(x: Tensor, permutation: Sequence[int]) -> Tensor:
    """`x` with its axes in another order, itself where the order is the same."""
    if tuple(permutation) == tuple(range(x.ndim)):
        return x
    made: Tensor = shapes.transpose(x, permutation=tuple(permutation))
    return made


def expand(x: Tensor, *axis: int) -> Tensor:
    """`x` with new axes of length 1, counted in the result."""
    made: Tensor = shapes.expand_dims(x, axis=tuple(sorted(axis))) if axis else x
    return made


def count(x: Tensor, axis: tuple[int, ...], dtype: str) -> Tensor:
    """How many entries a reduction over `axis` takes in, as a scalar known on the host."""
    known = [x.shape[a] for a in axis]
    if None not in known:
        return operands.scalar(prod(n for n in known if n is not None), dtype)
    total: Any = 1
    for a in axis:
        total = total * length_of(x, a)
    return operands.cast(total, dtype)


def total(x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Tensor:
    """Sum over axes."""
    made: Tensor = reductions.reduce_sum(x, axis=axis, keepdims=keepdims)
    return made


def average(x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Tensor:
    """Mean over axes of a floating-point tensor."""
    made: Tensor = total(x, axis, keepdims) / count(x, axis, x.dtype)
    return made


def moments(x: Tensor, axis: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean and population variance over axes, which stay with length 1."""
    mean = average(x, axis, True)
    centred = x - mean
    return mean, average(centred * centred, axis, True)


def filled(shape: Sequence[Any], value: float, dtype: str) -> Tensor:
    """A tensor of one value; the shape may hold integer scalars."""
    made: Tensor = shapes.broadcast_to(operands.scalar(value, dtype), shape=operands.pack(list(shape)))
    return made


__all__ = [
    "FLOATS",
    "SHORT_FLOATS",
    "SIZES",
    "all_axes",
    "average",
    "count",
    "expand",
    "filled",
    "float_tensor",
    "float_type",
    "fresh",
    "length_of",
    "lengths",
    "moments",
    "number",
    "one_axis",
    "reshape",
    "shape_of",
    "tensor",
    "total",
    "transpose",
    "type_named",
    "whole",
    "wide",
]
