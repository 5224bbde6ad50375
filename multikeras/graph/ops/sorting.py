"""Primitives that order entries, and that pick and put entries by a tensor of places."""

from __future__ import annotations

from typing import Any

from multikeras.contract import Primitive, is_integer, primitive
from multikeras.graph import operands
from multikeras.graph.ops.elementwise import less
from multikeras.graph.ops.rules import first_dtype, first_shape, length_of, where
from multikeras.graph.ops.shapes import flip, gather, iota, reshape, scatter_add, slice_, transpose
from multikeras.graph.tensor import Shape, Tensor


def _checked_axis(x: Tensor, axis: int) -> Shape:
    if not 0 <= axis < x.ndim:
        raise ValueError(f"Axis {axis} is outside a tensor of shape {x.shape}.")
    return x.shape


def _sort_gradient(g: Tensor, out: Tensor, x: Tensor, axis: int) -> Any:
    places = argsort(x, axis=axis)
    return (scatter_along_axis(g, places, axis=axis, size=length_of(x, axis)),)


sort: Primitive = primitive(
    "sort",
    shape=_checked_axis,
    dtype=first_dtype,
    gradient=_sort_gradient,
    doc="Entries along an axis from the smallest to the largest, NaN last.",
)
argsort: Primitive = primitive(
    "argsort",
    shape=_checked_axis,
    dtype=lambda x, axis: "int64",
    gradient=None,
    doc="Places of the entries along an axis from the smallest to the largest, equal ones in their order, NaN last.",
)


def _top_shape(x: Tensor, k: int) -> list[Shape]:
    length = x.shape[-1] if x.ndim else 0
    if not x.ndim or k < 0 or (length is not None and k > length):
        raise ValueError(f"Of a tensor of shape {x.shape} the {k} largest entries along the last axis cannot be taken.")
    return [(*x.shape[:-1], k)] * 2


def _top(x: Tensor, k: int) -> list[Tensor]:
    axis = x.ndim - 1
    # Turned round, sorted and turned back, equal entries are in their order again.
    turned = argsort(flip(x, axis=(axis,)), axis=axis)
    places = flip(length_of(x, axis) - 1 - turned, axis=(axis,))
    window = {"starts": (0,) * x.ndim, "stops": (*[None] * axis, k), "steps": (1,) * x.ndim}
    places = slice_(places, **window)
    return [take_along_axis(x, places, axis=axis), places]


def _top_gradient(g: list[Tensor | None], out: list[Tensor], x: Tensor, k: int) -> Any:
    axis = x.ndim - 1
    return (None if g[0] is None else scatter_along_axis(g[0], out[1], axis=axis, size=length_of(x, axis)),)


top_k: Primitive = primitive(
    "top_k",
    shape=_top_shape,
    dtype=lambda x, k: [x.dtype, "int64"],
    gradient=_top_gradient,
    multiple=True,
    composition=_top,
    doc="The k largest entries along the last axis, the largest first, equal ones in their order and NaN before all "
    "others; and their places.",
)


# -- by places along an axis ----------------------------------------------------------------------


def _along_shape(x: Tensor, indices: Tensor, axis: int) -> Shape:
    if not is_integer(indices.dtype):
        raise ValueError(f"Indices must be integers, received {indices.dtype}. Use K.cast(indices, 'int32').")
    _checked_axis(x, axis)
    pairs = list(zip(x.shape, indices.shape, strict=False))
    if x.ndim != indices.ndim or any(
        n != m and n is not None and m is not None and i != axis for i, (n, m) in enumerate(pairs)
    ):
        raise ValueError(
            f"Indices of shape {indices.shape} do not fit a tensor of shape {x.shape}: but for axis {axis} the lengths "
            "must be equal."
        )
    return tuple(m if i == axis or m is not None else n for i, (n, m) in enumerate(pairs))


def _rows(x: Tensor, axis: int) -> Tensor:
    """`x` with an axis moved to the end."""
    made: Tensor = transpose(x, permutation=(*[i for i in range(x.ndim) if i != axis], axis))
    return made


def _columns(x: Tensor, axis: int) -> Tensor:
    """The way back from `_rows`."""
    made: Tensor = transpose(x, permutation=(*range(axis), x.ndim - 1, *range(axis, x.ndim - 1)))
    return made


def _flat_places(indices: Tensor, axis: int, length: Any) -> Tensor:
    """Places in all rows one after the other, from places in each row of that length."""
    places = operands.cast(_rows(indices, axis), "int64")
    places = where(less(places, operands.scalar(0, "int64")), places + length, places)
    count: Any = 1
    for i in range(indices.ndim):
        count = count * (length_of(indices, i) if i != axis else 1)
    width = length_of(indices, axis)
    starts = reshape(iota(length=count, dtype="int64") * length, shape=operands.pack([count, 1]))
    made: Tensor = reshape(places, shape=operands.pack([count, width])) + starts
    return made


def _take(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    flat = reshape(_rows(x, axis), shape=(-1,))
    taken = gather(flat, _flat_places(indices, axis, length_of(x, axis)), axis=0)
    lengths = [length_of(indices, i) for i in range(indices.ndim) if i != axis]
    return _columns(reshape(taken, shape=operands.pack([*lengths, length_of(indices, axis)])), axis)


def _put(x: Tensor, indices: Tensor, axis: int, size: Any) -> Tensor:
    places = _flat_places(indices, axis, size)
    lengths = [length_of(x, i) for i in range(x.ndim) if i != axis]
    total: Any = size
    for n in lengths:
        total = total * n
    rows = reshape(_rows(x, axis), shape=operands.pack([length_of(places, 0), length_of(places, 1)]))
    summed = scatter_add(rows, places, axis=0, size=total)
    return _columns(reshape(summed, shape=operands.pack([*lengths, size])), axis)


take_along_axis: Primitive = primitive(
    "take_along_axis",
    shape=_along_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, indices, axis: (
        scatter_along_axis(g, indices, axis=axis, size=length_of(x, axis)),
        None,
    ),
    composition=_take,
    doc="Entries of x by their places along an axis, for each line along it its own places.",
)


def _scatter_shape(x: Tensor, indices: Tensor, axis: int, size: Any) -> Shape:
    shape = list(_along_shape(x, indices, axis))
    if x.shape[axis] is not None and indices.shape[axis] not in (None, x.shape[axis]):
        raise ValueError(f"Indices of shape {indices.shape} do not fit entries of shape {x.shape}.")
    shape[axis] = size
    return tuple(shape)


scatter_along_axis: Primitive = primitive(
    "scatter_along_axis",
    shape=_scatter_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, indices, axis, size: (take_along_axis(g, indices, axis=axis), None),
    composition=_put,
    doc="Zeros whose axis has a given length, with x added at its places along it: adjoint of take_along_axis.",
)

__all__ = ["argsort", "first_shape", "scatter_along_axis", "sort", "take_along_axis", "top_k"]
