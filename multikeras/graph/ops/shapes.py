"""Primitives that move entries without computing on them, and the shape itself."""

from __future__ import annotations

from math import prod
from typing import Any

from multikeras.contract import Primitive, primitive
from multikeras.graph import operands
from multikeras.graph.ops.rules import (
    broadcast_shapes,
    first_dtype,
    first_shape,
    is_static,
    length_of,
    same_dtype,
    shape_of,
)
from multikeras.graph.tensor import Shape, Tensor

shape: Primitive = primitive(
    "shape",
    shape=lambda x: (x.ndim,),
    dtype=lambda x: "int64",
    gradient=None,
    host=True,
    doc="The axis lengths, known on the host when a program is specialised.",
)


# -- reshape ------------------------------------------------------------------------------------


def _reshape_shape(x: Tensor, shape: tuple[Any, ...]) -> Shape:
    entries = list(shape)
    if entries.count(-1) > 1:
        raise ValueError(f"A shape can hold one -1, received {shape}.")
    if -1 in entries and is_static(x.shape):
        rest = prod(n for n in entries if n is not None and n != -1)
        if None not in entries:
            size = prod(n for n in x.shape if n is not None)
            if rest == 0 or size % rest:
                raise ValueError(f"A tensor of shape {x.shape} ({size} entries) cannot become {tuple(shape)}.")
            entries[entries.index(-1)] = size // rest
    elif -1 in entries and x.shape.count(None) == 1 and None not in entries:
        # The unknown axis may be what -1 stands for; if the known parts agree it surely has it.
        entries[entries.index(-1)] = None
    result = tuple(None if n == -1 else n for n in entries)
    if is_static(result) and is_static(x.shape) and prod(result) != prod(x.shape):  # type: ignore[arg-type]
        raise ValueError(
            f"A tensor of shape {x.shape} ({prod(x.shape)} entries) cannot become {result} "  # type: ignore[arg-type]
            f"({prod(result)} entries)."  # type: ignore[arg-type]
        )
    return result


def _reshape_resolve(x: Tensor, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"shape": _reshape_shape(x, shape)}


reshape: Primitive = primitive(
    "reshape",
    shape=_reshape_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, shape: (reshape(g, shape=shape_of(x)),),
    resolve=_reshape_resolve,
    doc="The same entries in row-major order under another shape; one length may be -1.",
)


def _expand_shape(x: Tensor, axis: tuple[int, ...]) -> Shape:
    entries = list(x.shape)
    for a in sorted(axis):
        if not 0 <= a <= len(entries):
            raise ValueError(f"Axis {a} cannot be added to a tensor of shape {x.shape}.")
        entries.insert(a, 1)
    return tuple(entries)


expand_dims: Primitive = primitive(
    "expand_dims",
    shape=_expand_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, axis: (squeeze(g, axis=axis),),
    composition=lambda x, axis: reshape(x, shape=_expand_shape(x, axis)),
    doc="New axes of length 1, counted in the result.",
)


def _squeeze_shape(x: Tensor, axis: tuple[int, ...]) -> Shape:
    for a in axis:
        if not 0 <= a < x.ndim or x.shape[a] not in (1, None):
            raise ValueError(f"Axis {a} of a tensor of shape {x.shape} cannot be dropped: its length is not 1.")
    return tuple(n for i, n in enumerate(x.shape) if i not in axis)


squeeze: Primitive = primitive(
    "squeeze",
    shape=_squeeze_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, axis: (expand_dims(g, axis=axis),),
    composition=lambda x, axis: reshape(x, shape=_squeeze_shape(x, axis)),
    doc="Without the given axes, whose length is 1.",
)


# -- order and extent ---------------------------------------------------------------------------


def _inverse(permutation: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(permutation)), key=permutation.__getitem__))


def _transpose_shape(x: Tensor, permutation: tuple[int, ...]) -> Shape:
    if sorted(permutation) != list(range(x.ndim)):
        raise ValueError(f"{permutation} is no order of the {x.ndim} axes of a tensor of shape {x.shape}.")
    return tuple(x.shape[i] for i in permutation)


transpose: Primitive = primitive(
    "transpose",
    shape=_transpose_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, permutation: (transpose(g, permutation=_inverse(permutation)),),
    doc="Axis i of the result is axis permutation[i] of x.",
)


def _broadcast_shape(x: Tensor, shape: tuple[Any, ...]) -> Shape:
    result = broadcast_shapes(x.shape, tuple(shape))
    if result is None or len(result) != len(shape):
        raise ValueError(f"A tensor of shape {x.shape} cannot be broadcast to {tuple(shape)}.")
    return tuple(shape)


broadcast_to: Primitive = primitive(
    "broadcast_to",
    shape=_broadcast_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, shape: (g,),
    broadcasts=True,
    doc="The same entries repeated to fill a shape, by NumPy's broadcasting.",
)


def _concatenate_shape(*tensors: Tensor, axis: int) -> Shape:
    first = tensors[0].shape
    merged = list(first)
    for t in tensors:
        fits = len(t.shape) == len(first) and 0 <= axis < len(first)
        if not fits or any(
            a != b and a is not None and b is not None and i != axis
            for i, (a, b) in enumerate(zip(merged, t.shape, strict=True))
        ):
            raise ValueError(
                f"Tensors of shapes {', '.join(str(t.shape) for t in tensors)} cannot be joined along axis {axis}: "
                "the other lengths must be equal."
            )
        merged = [a if a is not None else b for a, b in zip(merged, t.shape, strict=True)]
    lengths = [t.shape[axis] for t in tensors]
    merged[axis] = None if None in lengths else sum(n for n in lengths if n is not None)
    return tuple(merged)


def _concatenate_gradient(g: Tensor, out: Tensor, *tensors: Tensor, axis: int) -> Any:
    lengths = [t.shape[axis] for t in tensors]
    if None not in lengths:
        return split(g, axis=axis, sizes=tuple(lengths))
    parts = []
    start: Any = 0
    for t in tensors:
        stop = start + length_of(t, axis)
        window: list[Any] = [slice(None)] * g.ndim
        window[axis] = slice(start, stop)
        parts.append(operands.index(g, tuple(window)))
        start = stop
    return parts


concatenate: Primitive = primitive(
    "concatenate",
    shape=_concatenate_shape,
    dtype=same_dtype,
    gradient=_concatenate_gradient,
    doc="Tensors joined along an axis.",
)


def _split_shape(x: Tensor, axis: int, sizes: tuple[int, ...]) -> list[Shape]:
    length = x.shape[axis]
    if length is not None and sum(sizes) != length or any(n < 0 for n in sizes):
        raise ValueError(f"Parts of {sizes} do not make up axis {axis} of a tensor of shape {x.shape}.")
    return [(*x.shape[:axis], n, *x.shape[axis + 1 :]) for n in sizes]


def _split_gradient(g: list[Tensor | None], out: list[Tensor], x: Tensor, axis: int, sizes: tuple[int, ...]) -> Any:
    from multikeras.graph.ops.rules import zeros_like

    parts = [zeros_like(o) if part is None else part for part, o in zip(g, out, strict=True)]
    return (concatenate(*parts, axis=axis),)


split: Primitive = primitive(
    "split",
    shape=_split_shape,
    dtype=lambda x, axis, sizes: [x.dtype] * len(sizes),
    gradient=_split_gradient,
    multiple=True,
    doc="The parts of the given lengths along an axis.",
)


# -- windows ------------------------------------------------------------------------------------


def _window(length: int | None, start: Any, stop: Any, step: int) -> int | None:
    if length is None:
        known = start is not None and stop is not None and 0 <= start <= stop
        return None if not known or start != 0 or stop != 0 else 0
    return len(range(*slice(start, stop, step).indices(length)))


def _slice_shape(x: Tensor, starts: Any, stops: Any, steps: Any) -> Shape:
    if not len(starts) == len(stops) == len(steps) <= x.ndim:
        raise ValueError(f"A slice of {len(starts)} axes does not fit a tensor of shape {x.shape}.")
    lengths = [_window(n, a, b, s) for n, a, b, s in zip(x.shape, starts, stops, steps, strict=False)]
    for i, (n, a, b) in enumerate(zip(x.shape, starts, stops, strict=False)):
        # x[:, i] and x[:, -1:] have a length of 1 on any axis that is long enough for them.
        one = (isinstance(a, int) and isinstance(b, int) and b == a + 1 != 0) or (a == -1 and b is None)
        if n is None and steps[i] == 1 and one:
            lengths[i] = 1
    return (*lengths, *x.shape[len(lengths) :])


def _slice_resolve(x: Tensor, starts: Any, stops: Any, steps: Any) -> dict[str, Any]:
    bounds = []
    for axis, length in enumerate(x.shape):
        if axis >= len(starts):
            bounds.append((0, length, 1))
            continue
        start, stop, step = slice(starts[axis], stops[axis], steps[axis]).indices(length)  # type: ignore[arg-type]
        bounds.append((start, max(start, stop), step))
    columns = zip(*bounds, strict=True) if bounds else ((), (), ())
    return dict(zip(("starts", "stops", "steps"), map(tuple, columns), strict=True))


def _slice_gradient(g: Tensor, out: Tensor, x: Tensor, starts: Any, stops: Any, steps: Any) -> Any:
    return (place(g, starts=starts, stops=stops, steps=steps, shape=shape_of(x)),)


slice_: Primitive = primitive(
    "slice",
    shape=_slice_shape,
    dtype=first_dtype,
    gradient=_slice_gradient,
    resolve=_slice_resolve,
    doc="A window of the first axes, with Python's bounds and steps above 0.",
)


class _Target:
    """Stands for a tensor of the given shape where only a shape is asked for."""

    def __init__(self, shape: Any) -> None:
        self.shape = tuple(shape)
        self.ndim = len(self.shape)


def _place_resolve(x: Tensor, starts: Any, stops: Any, steps: Any, shape: Any) -> dict[str, Any]:
    return {**_slice_resolve(_Target(shape), starts, stops, steps), "shape": tuple(shape)}  # type: ignore[arg-type]


place: Primitive = primitive(
    "place",
    shape=lambda x, starts, stops, steps, shape: tuple(shape),
    dtype=first_dtype,
    gradient=lambda g, out, x, starts, stops, steps, shape: (slice_(g, starts=starts, stops=stops, steps=steps),),
    resolve=_place_resolve,
    doc="Zeros of a shape with x written at a window.",
)


def _pad_shape(x: Tensor, padding: tuple[tuple[int, int], ...], value: float) -> Shape:
    if len(padding) != x.ndim or any(n < 0 for pair in padding for n in pair):
        raise ValueError(f"Padding {padding} does not fit a tensor of shape {x.shape}: one pair >= 0 an axis.")
    return tuple(None if n is None else a + n + b for n, (a, b) in zip(x.shape, padding, strict=True))


def _pad_gradient(g: Tensor, out: Tensor, x: Tensor, padding: tuple[tuple[int, int], ...], value: float) -> Any:
    starts = tuple(before for before, after in padding)
    stops = tuple(-after if after else None for before, after in padding)
    return (slice_(g, starts=starts, stops=stops, steps=(1,) * x.ndim),)


pad: Primitive = primitive(
    "pad",
    shape=_pad_shape,
    dtype=first_dtype,
    gradient=_pad_gradient,
    doc="One value added before and after the entries of each axis.",
)
flip: Primitive = primitive(
    "flip",
    shape=first_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, axis: (flip(g, axis=axis),),
    doc="The entries of some axes in reverse order.",
)


# -- picking ------------------------------------------------------------------------------------


def _gather_shape(x: Tensor, indices: Tensor, axis: int) -> Shape:
    if indices.dtype not in ("int32", "int64"):
        raise ValueError(f"Indices must be int32 or int64, received {indices.dtype}. Use K.cast(indices, 'int32').")
    if not 0 <= axis < x.ndim:
        raise ValueError(f"Axis {axis} is outside a tensor of shape {x.shape}.")
    return (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


gather: Primitive = primitive(
    "gather",
    shape=_gather_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, indices, axis: (scatter_add(g, indices, axis=axis, size=length_of(x, axis)), None),
    doc="The entries of an axis that integers pick.",
)
scatter_add: Primitive = primitive(
    "scatter_add",
    shape=lambda x, indices, axis, size: (*x.shape[:axis], size, *x.shape[axis + indices.ndim :]),
    dtype=first_dtype,
    gradient=lambda g, out, x, indices, axis, size: (gather(g, indices, axis=axis), None),
    doc="Zeros whose axis has a given length, with x added at the places that integers pick.",
)
iota: Primitive = primitive(
    "iota",
    shape=lambda length, dtype: (length,),
    dtype=lambda length, dtype: dtype,
    gradient=None,
    doc="0, 1, … length - 1.",
)
