"""What NumPy's functions that move, join, pick and order entries mean on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras.backend import common, elementwise, reductions, shapes, sorting
from multikeras.backend.numpy_protocol import axes_of, meaning, part, refuse, typed
from multikeras.graph import operands
from multikeras.graph.indexing import places
from multikeras.graph.ops import shapes as moves
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor

# -- shapes ---------------------------------------------------------------------------------------


@meaning(np.size)
def _size(a: Any, axis: Any = None) -> Any:
    source = common.tensor(a)
    known = [source.shape[i] for i in common.all_axes(source, axis, "size")]
    if None in known:
        raise TypeError(f"np.size of {a!r} is known only when a program runs. Use K.size(x), or K.shape(x)[axis].")
    return int(np.prod([n for n in known if n is not None], dtype=int))


@meaning(np.reshape)
def _reshape(a: Any, /, shape: Any, order: str = "C") -> Any:
    refuse("np.reshape", order=(order, "C"))
    return shapes.reshape(a, shape)


@meaning(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    refuse("np.ravel", order=(order, "C"))
    return shapes.flatten(a)


@meaning(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Any:
    return shapes.transpose(a) if axes is None else shapes.permute_dimensions(a, axes)


@meaning(np.matrix_transpose, np.linalg.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    return _swapaxes(x, -1, -2)


@meaning(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    source = common.tensor(a)
    order = list(range(source.ndim))
    i, j = (common.one_axis(source, axis, "swapaxes") for axis in (axis1, axis2))
    order[i], order[j] = order[j], order[i]
    return shapes.permute_dimensions(source, order)


@meaning(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    moved = common.tensor(a)
    before, after = axes_of(moved, source, "moveaxis"), axes_of(moved, destination, "moveaxis")
    order = [i for i in range(moved.ndim) if i not in before]
    for place, axis in sorted(zip(after, before, strict=True)):
        order.insert(place, axis)
    return shapes.permute_dimensions(moved, order)


@meaning(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    source = common.tensor(a)
    added = len(axis) if isinstance(axis, (list, tuple)) else 1
    return moves.expand_dims(source, axis=tuple(sorted(axes_of(source, axis, "expand_dims", added))))


@meaning(np.squeeze)
def _squeeze(a: Any, axis: Any = None) -> Any:
    source = common.tensor(a)
    return shapes.squeeze(source, [i for i, n in enumerate(source.shape) if n == 1] if axis is None else axis)


@meaning(np.atleast_1d)
def _atleast_1d(*arys: Any) -> Any:
    return _each(arys, lambda x: common.fresh(x) if x.ndim else common.expand(x, 0))


@meaning(np.atleast_2d)
def _atleast_2d(*arys: Any) -> Any:
    return _each(arys, lambda x: common.fresh(x) if x.ndim >= 2 else common.expand(x, *range(2 - x.ndim)))


@meaning(np.atleast_3d)
def _atleast_3d(*arys: Any) -> Any:
    places = {0: (0, 1, 2), 1: (0, 2), 2: (2,)}
    return _each(arys, lambda x: common.expand(x, *places[x.ndim]) if x.ndim < 3 else common.fresh(x))


def _each(arrays: Sequence[Any], function: Any) -> Any:
    made = tuple(function(common.tensor(x)) for x in arrays)
    return made[0] if len(made) == 1 else made


@meaning(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any) -> Any:
    return moves.broadcast_to(common.tensor(array), shape=operands.pack(shape))


# -- joining and splitting ------------------------------------------------------------------------


@meaning(np.concatenate)
def _concatenate(arrays: Any, /, axis: int | None = 0, out: None = None, *, dtype: Any = None) -> Any:
    refuse("np.concatenate", out=(out, None))
    if axis is None:
        return typed(shapes.concatenate([shapes.flatten(x) for x in arrays], 0), dtype)
    return typed(shapes.concatenate(arrays, axis), dtype)


@meaning(np.stack)
def _stack(arrays: Any, axis: int = 0, out: None = None, *, dtype: Any = None) -> Any:
    refuse("np.stack", out=(out, None))
    return typed(shapes.stack(arrays, axis), dtype)


@meaning(np.vstack)
def _vstack(tup: Any, *, dtype: Any = None) -> Any:
    return _concatenate([_atleast_2d(x) for x in tup], 0, dtype=dtype)


@meaning(np.hstack)
def _hstack(tup: Any, *, dtype: Any = None) -> Any:
    parts = [_atleast_1d(x) for x in tup]
    return _concatenate(parts, 0 if parts[0].ndim == 1 else 1, dtype=dtype)


@meaning(np.dstack)
def _dstack(tup: Any) -> Any:
    return shapes.concatenate([_atleast_3d(x) for x in tup], 2)


@meaning(np.column_stack)
def _column_stack(tup: Any) -> Any:
    parts = [common.tensor(x) for x in tup]
    return shapes.concatenate([common.expand(x, *range(x.ndim, 2)) for x in parts], 1)


@meaning(np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return _sections("np.split", ary, indices_or_sections, axis, even=True)


@meaning(np.array_split)
def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return _sections("np.array_split", ary, indices_or_sections, axis, even=False)


def _sections(function: str, ary: Any, sections: Any, axis: int, even: bool) -> list[Any]:
    source = common.tensor(ary)
    place = common.one_axis(source, axis, function.removeprefix("np."))
    if isinstance(sections, (int, np.integer)):
        length = source.shape[place]
        if length is None:
            raise TypeError(f"{function}: axis {axis} of {source!r} has an unknown length. Give the indices to cut at.")
        if even and length % sections:
            raise ValueError(f"{function}: axis {axis} of {source!r} cannot be cut into {sections} equal parts.")
        bounds = np.cumsum([length // sections + (i < length % sections) for i in range(sections)])[:-1].tolist()
    else:
        bounds = [int(i) for i in sections]
    return [part(source, place, a, b) for a, b in zip([None, *bounds], [*bounds, None], strict=True)]


@meaning(np.repeat)
def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    source = common.tensor(a)
    return (
        shapes.repeat_elements(shapes.flatten(source), repeats, 0)
        if axis is None
        else shapes.repeat_elements(source, repeats, axis)
    )


@meaning(np.tile)
def _tile(A: Any, reps: Any) -> Any:
    return shapes.tile(A, reps)


@meaning(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    source = common.tensor(m)
    return shapes.reverse(source, list(range(source.ndim)) if axis is None else axis)


@meaning(np.fliplr)
def _fliplr(m: Any) -> Any:
    return shapes.reverse(m, 1)


@meaning(np.flipud)
def _flipud(m: Any) -> Any:
    return shapes.reverse(m, 0)


@meaning(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    source = common.tensor(a)
    if axis is None:
        return common.reshape(_roll(shapes.flatten(source), shift, 0), common.lengths(source))
    places = axes_of(source, axis, "roll")
    shifts = list(shift) if isinstance(shift, (list, tuple)) else [shift] * len(places)
    made = common.fresh(source)
    for place, by in zip(places, shifts, strict=True):
        length = made.shape[place]
        step = int(by) % length if length else int(by)
        if step:
            made = shapes.concatenate([part(made, place, -step, None), part(made, place, None, -step)], place)
    return made


@meaning(np.pad)
def _pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: float = 0) -> Any:
    refuse("np.pad", mode=(mode, "constant"))
    source = common.tensor(array)
    if np.ndim(constant_values):
        raise TypeError(f"np.pad on tensors takes one number as constant_values, received {constant_values!r}.")
    widths = np.broadcast_to(np.asarray(pad_width), (source.ndim, 2)).tolist()
    return moves.pad(source, padding=tuple((a, b) for a, b in widths), value=constant_values)


# -- picking and ordering -------------------------------------------------------------------------


@meaning(np.take)
def _take(a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Any:
    refuse("np.take", out=(out, None), mode=(mode, "raise"))
    source = shapes.flatten(a) if axis is None else common.tensor(a)
    place = 0 if axis is None else common.one_axis(source, axis, "take")
    return moves.gather(source, places(indices), axis=place)


@meaning(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    return sorting.take_along_axis(arr, indices, axis)


@meaning(np.sort)
def _sort(a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: Any = None) -> Any:
    refuse("np.sort", order=(order, None))
    return sorting.sort(a, axis)


@meaning(np.argsort)
def _argsort(a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: Any = None) -> Any:
    refuse("np.argsort", order=(order, None))
    return sorting.argsort(a, axis)


def _places(x: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of the rows and columns, which broadcast."""
    rows = moves.iota(length=common.length_of(x, x.ndim - 2), dtype="int32")
    columns = moves.iota(length=common.length_of(x, x.ndim - 1), dtype="int32")
    return common.expand(rows, 1), columns


@meaning(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    rows, columns = _places(common.tensor(m))
    return select(elementwise.greater_equal(rows + k, columns), common.tensor(m), 0)


@meaning(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    rows, columns = _places(common.tensor(m))
    return select(elementwise.less_equal(rows + k, columns), common.tensor(m), 0)


@meaning(np.diag)
def _diag(v: Any, k: int = 0) -> Any:
    source = common.tensor(v)
    if source.ndim == 2:
        return _diagonal(source, k)
    if source.ndim != 1:
        raise ValueError(f"np.diag takes a vector or a matrix, received {source!r}.")
    # The entry of column j is v[j - k] where k is above 0, else v[j].
    wide = moves.pad(source, padding=((max(k, 0), max(-k, 0)),), value=0)
    rows, columns = _places(common.expand(wide, 0) + common.expand(wide, 1))
    return select(elementwise.equal(rows + k, columns), wide, 0)


@meaning(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    source = common.tensor(a)
    i, j = (common.one_axis(source, axis, "diagonal") for axis in (axis1, axis2))
    moved = common.transpose(source, [*[n for n in range(source.ndim) if n not in (i, j)], i, j])
    rows, columns = moved.shape[-2:]
    if rows is None or columns is None:
        raise TypeError(f"np.diagonal of {source!r} needs known lengths along axes {axis1} and {axis2}.")
    first, second = max(-offset, 0), max(offset, 0)
    count = max(min(rows - first, columns - second), 0)
    places = (np.arange(count) + first) * columns + np.arange(count) + second
    flat = common.reshape(moved, [*common.lengths(moved)[:-2], rows * columns])
    return moves.gather(flat, operands.constant(places, "int64"), axis=flat.ndim - 1)


@meaning(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Any:
    refuse("np.trace", out=(out, None))
    return reductions.sum(typed(_diagonal(a, offset, axis1, axis2), dtype), -1)
