"""Ordering entries, and picking and adding entries by tensors of places."""

from __future__ import annotations

from math import prod
from typing import Any

from multikeras.backend import common
from multikeras.contract import is_integer
from multikeras.graph import operands
from multikeras.graph.ops import elementwise, shapes
from multikeras.graph.ops import sorting as ops
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor


def _line(x: Any, axis: int | None, function: str) -> tuple[Tensor, int]:
    """A tensor and an axis of it; all entries as one line where the axis is None."""
    number = common.tensor(x)
    if axis is None:
        return common.reshape(number, [-1]), 0
    return number, common.one_axis(number, axis, function)


def sort(x: Any, axis: int | None = -1, descending: bool = False) -> Tensor:
    """Entries along an axis from the smallest to the largest, NaN last.

    Args:
        x: Tensor.
        axis: Axis; None for all entries as one vector.
        descending: Whether the largest comes first, and NaN before it.
    """
    number, place = _line(x, axis, "sort")
    made: Tensor = ops.sort(number, axis=place)
    if descending:
        made = shapes.flip(made, axis=(place,))
    return made


def argsort(x: Any, axis: int | None = -1, descending: bool = False) -> Tensor:
    """Places of the entries along an axis from the smallest to the largest, NaN last; int64.

    Equal entries stay in their order, on every backend.

    Args:
        x: Tensor.
        axis: Axis; None for places among all entries in order.
        descending: Whether the largest comes first, and NaN before it.
    """
    number, place = _line(x, axis, "argsort")
    if descending:
        # Turned round, sorted and turned back, equal entries are in their order again.
        turned = ops.argsort(shapes.flip(number, axis=(place,)), axis=place)
        made: Tensor = shapes.flip(common.length_of(number, place) - 1 - turned, axis=(place,))
    else:
        made = ops.argsort(number, axis=place)
    return made


def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The `k` largest entries along the last axis, and their places.

    Of equal entries those that come first are taken. NaN counts as the largest.

    Args:
        x: Tensor of one axis or more.
        k: How many.
        sorted: Changes nothing: the largest always comes first.

    Returns:
        The entries, and their places in int64, both of shape `x.shape[:-1] + (k,)`.

    Raises:
        ValueError: If `x` has no axis or fewer than `k` entries along the last.
    """
    number = common.tensor(x)
    count = common.whole(k, "k")
    length = number.shape[-1] if number.ndim else None
    if not number.ndim or count < 0 or (length is not None and count > length):
        raise ValueError(f"K.top_k: k is between 0 and the length of the last axis, received k={k} for {number!r}.")
    values, places = ops.top_k(number, k=count)
    return values, places


# -- places -------------------------------------------------------------------------------------


def _integers(indices: Any, function: str) -> Tensor:
    places = common.tensor(indices)
    if not is_integer(places.dtype):
        raise ValueError(f"K.{function}: indices are integers, received {places!r}. Use K.cast(indices, 'int32').")
    return places


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Tensor:
    """Entries by their places along an axis, each line along it having places of its own.

    Args:
        x: Tensor.
        indices: Integers, of as many axes as `x`; but for `axis` lengths are equal, or 1 in one of
            the two. Negative ones count from the end.
        axis: Axis; None for places among all entries in order.

    Returns:
        Tensor of the type of `x` and the shape of `indices`.

    Raises:
        ValueError: If the shapes do not fit.
    """
    places = _integers(indices, "take_along_axis")
    if axis is None:
        places = common.reshape(places, [-1])
    number, place = _line(x, axis, "take_along_axis")
    if number.ndim != places.ndim:
        raise ValueError(
            f"K.take_along_axis: indices of shape {places.shape} need as many axes as a tensor of shape {number.shape}."
        )
    number, places = _met(number, places, place), _met(places, number, place)
    made: Tensor = ops.take_along_axis(number, places, axis=place)
    return made


def _met(x: Tensor, other: Tensor, axis: int) -> Tensor:
    """`x` with the lengths 1 widened to those of `other`, but for one axis."""
    widened = [
        common.length_of(other if i != axis and n == 1 and m != 1 else x, i)
        for i, (n, m) in enumerate(zip(x.shape, other.shape, strict=True))
    ]
    if all(i == axis or n != 1 or m == 1 for i, (n, m) in enumerate(zip(x.shape, other.shape, strict=True))):
        return x
    made: Tensor = shapes.broadcast_to(x, shape=operands.pack(widened))
    return made


def scatter_add(inputs: Any, indices: Any, updates: Any) -> Tensor:
    """A tensor with updates added at certain places; those at one place add up.

    Args:
        inputs: Tensor.
        indices: Integers of shape (…, d): each line along the last axis holds the places on the
            first d axes of `inputs`. Negative ones count from the end.
        updates: Tensor of shape `indices.shape[:-1] + inputs.shape[d:]`.

    Returns:
        Tensor of the shape and type of `inputs`.

    Raises:
        ValueError: If the shapes do not fit.
    """
    number = common.tensor(inputs)
    places = _integers(indices, "scatter_add")
    added = operands.cast(operands.convert(updates, number.dtype), number.dtype)
    depth = places.shape[-1] if places.ndim else None
    if depth is None or not 1 <= depth <= number.ndim:
        raise ValueError(
            f"K.scatter_add: the last axis of indices holds places on the first axes of {number!r}, between 1 and "
            f"{number.ndim} of them; received indices of shape {places.shape}. One place an update is K.expand_dims."
        )
    expected = (*places.shape[:-1], *number.shape[depth:])
    if added.ndim != len(expected) or any(
        n is not None and m is not None and n != m for n, m in zip(added.shape, expected, strict=True)
    ):
        raise ValueError(
            f"K.scatter_add: indices of shape {places.shape} into {number!r} need updates of shape {expected}, "
            f"received {added.shape}."
        )
    lengths = common.lengths(number)
    flat = _flat(places, lengths[:depth])
    rows = common.reshape(added, [-1, *lengths[depth:]]) if places.ndim != 2 else added
    summed = shapes.scatter_add(rows, flat, axis=0, size=_product(lengths[:depth]))
    made: Tensor = number + (summed if depth == 1 else common.reshape(summed, lengths))
    return made


def _product(lengths: list[Any]) -> Any:
    return prod(lengths[1:], start=lengths[0])


def _flat(places: Tensor, lengths: list[Any]) -> Tensor:
    """Places on several axes as places on these axes made one, in a vector."""
    wide = operands.cast(places, "int64")
    total: Any = None
    for i, length in enumerate(lengths):
        here = wide[..., i]
        here = select(elementwise.less(here, operands.scalar(0, "int64")), here + length, here)
        total = here if total is None else total * length + here
    made: Tensor = common.reshape(total, [-1])
    return made
