"""Primitives that move entries, as operators of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from multikeras.graph.tensor import Tensor
from multikeras.saving.onnx.graph import Graph
from multikeras.saving.onnx.lengths import source_of
from multikeras.saving.onnx.operators import OPERATORS, operator
from multikeras.saving.onnx.types import working

_LAST = np.iinfo(np.int64).max


@operator("shape")
def _shape(graph: Graph, result: Tensor, x: Tensor) -> str:
    return graph.node("Shape", [graph.name_of(x)])


def _target(graph: Graph, lengths: Sequence[int | None], asked: Any) -> str:
    """A shape that Reshape takes: one unknown length follows from the others."""
    if lengths.count(None) <= 1 and 0 not in lengths:
        return graph.constant([-1 if n is None else n for n in lengths])
    return graph.vector(asked)


@operator("reshape")
def _reshape(graph: Graph, result: Tensor, x: Tensor, shape: Any) -> str:
    if x.shape == result.shape and x.shape.count(None) <= 1 and 0 not in x.shape:
        return graph.name_of(x)
    return graph.node("Reshape", [graph.name_of(x), _target(graph, result.shape, shape)], allowzero=1)


@operator("expand_dims")
def _expand_dims(graph: Graph, result: Tensor, x: Tensor, axis: Sequence[int]) -> str:
    return graph.node("Unsqueeze", [graph.name_of(x), graph.constant(axis)])


@operator("squeeze")
def _squeeze(graph: Graph, result: Tensor, x: Tensor, axis: Sequence[int]) -> str:
    return graph.node("Squeeze", [graph.name_of(x), graph.constant(axis)])


def transposed(graph: Graph, name: str, permutation: Sequence[int]) -> str:
    """A value with its axes in another order."""
    return graph.node("Transpose", [name], perm=list(permutation))


@operator("transpose")
def _transpose(graph: Graph, result: Tensor, x: Tensor, permutation: Sequence[int]) -> str:
    return transposed(graph, graph.name_of(x), permutation)


@operator("broadcast_to")
def _broadcast_to(graph: Graph, result: Tensor, x: Tensor, shape: Any) -> str:
    if None not in result.shape and x.shape == result.shape:
        return graph.name_of(x)
    return graph.node("Expand", [graph.name_of(x), graph.vector(shape)])


@operator("concatenate")
def _concatenate(graph: Graph, result: Tensor, *tensors: Tensor, axis: int) -> str:
    return graph.node("Concat", graph.names_of(tensors), axis=axis)


@operator("split")
def _split(graph: Graph, result: Tensor, x: Tensor, axis: int, sizes: Sequence[int]) -> list[str]:
    names = [graph.fresh("split") for _ in sizes]
    graph.node("Split", [graph.name_of(x), graph.constant(sizes)], names, axis=axis)
    return names


def _bounds(graph: Graph, entries: Any, missing: int, axes: Sequence[int]) -> str:
    if isinstance(entries, Tensor):
        return graph.vector(entries)
    return graph.vector([missing if entries[i] is None else entries[i] for i in axes])


@operator("slice")
def _slice(graph: Graph, result: Tensor, x: Tensor, starts: Any, stops: Any, steps: Any) -> str:
    bounds = (starts, stops, steps)
    if any(isinstance(each, Tensor) for each in bounds):
        count = max(each.shape[0] or 0 if isinstance(each, Tensor) else len(each) for each in bounds)
        axes = list(range(count))
    else:
        axes = [i for i in range(len(starts)) if (starts[i], stops[i], steps[i]) != (None, None, 1)]
        axes = [i for i in axes if (starts[i], stops[i], steps[i]) != (0, None, 1)]
    if not axes:
        return graph.name_of(x)
    parts = [_bounds(graph, each, missing, axes) for each, missing in zip(bounds, (0, _LAST, 1), strict=True)]
    return graph.node("Slice", [graph.name_of(x), parts[0], parts[1], graph.constant(axes), parts[2]])


@operator("flip")
def _flip(graph: Graph, result: Tensor, x: Tensor, axis: Sequence[int]) -> str:
    last = graph.constant([-1] * len(axis))
    before = graph.constant([np.iinfo(np.int64).min] * len(axis))
    return graph.node("Slice", [graph.name_of(x), last, before, graph.constant(axis), last])


@operator("pad")
def _pad(graph: Graph, result: Tensor, x: Tensor, padding: Any, value: Any) -> str:
    amounts = [before for before, _ in padding] + [behind for _, behind in padding]
    here = graph.held(x.dtype)
    inside = working("Pad", here)
    name = graph.cast(graph.name_of(x), here, inside)
    return graph.cast(graph.node("Pad", [name, graph.constant(amounts), graph.constant(value, inside)]), inside, here)


@operator("iota")
def _iota(graph: Graph, result: Tensor, length: Any, dtype: str) -> str:
    end = graph.node("Squeeze", [graph.vector(length if isinstance(length, Tensor) else [length])])
    made = graph.node("Range", [graph.constant(0), end, graph.constant(1)])
    return graph.cast(made, "int64", graph.held(dtype))


def _summed_axes(graph: Graph, result: Tensor, x: Tensor, shape: Any) -> list[int] | None:
    """The axes along which a tensor of the shape was repeated; None where that is seen when the graph runs."""
    extra = x.ndim - result.ndim
    axes = list(range(extra))
    for i, length in enumerate(result.shape):
        long = x.shape[i + extra]
        if length is None:
            source = source_of(shape, i) if isinstance(shape, Tensor) else None
            if source is None or graph.lengths.root(*source) != graph.lengths.root(x, i + extra):
                return None
        elif length == 1 and long != 1:
            axes.append(i + extra)
    return axes


@operator("sum_to")
def _sum_to(graph: Graph, result: Tensor, x: Tensor, shape: Any) -> str:
    axes = _summed_axes(graph, result, x, shape)
    if axes is None:
        return _sum_of_any(graph, result, x, shape)
    if not axes:
        return graph.name_of(x)
    summed = graph.typed("ReduceSum", [graph.name_of(x)], x.dtype, [graph.constant(axes)], keepdims=1)
    extra = [i for i in axes if i < x.ndim - result.ndim]
    return graph.node("Squeeze", [summed, graph.constant(extra)]) if extra else summed


def _sum_of_any(graph: Graph, result: Tensor, x: Tensor, shape: Any) -> str:
    """Which axes are added up is seen when the graph runs."""
    name, target = graph.name_of(x), graph.vector(shape)
    extra = x.ndim - result.ndim
    filled = graph.node("Concat", [graph.constant([1] * extra), target], axis=0) if extra else target
    one = graph.constant([1])
    longer = graph.node("Not", [graph.node("Equal", [graph.node("Shape", [name]), one])])
    added = graph.node("And", [graph.node("Equal", [filled, one]), longer])
    axes = graph.node("Reshape", [graph.node("NonZero", [added]), graph.constant([-1])])
    summed = graph.typed("ReduceSum", [name], x.dtype, [axes], keepdims=1, noop_with_empty_axes=1)
    return graph.node("Reshape", [summed, target], allowzero=1)


# -- picking and putting --------------------------------------------------------------------------


@operator("gather")
def _gather(graph: Graph, result: Tensor, x: Tensor, indices: Tensor, axis: int) -> str:
    return graph.node("Gather", graph.names_of([x, indices]), axis=axis)


@operator("take_along_axis")
def _take_along_axis(graph: Graph, result: Tensor, x: Tensor, indices: Tensor, axis: int) -> str:
    places = graph.cast(graph.name_of(indices), indices.dtype, "int64")
    # Lengths of 1 stand for any length in ONNX too, but for a longer one in x only.
    return graph.node("GatherElements", [graph.name_of(x), places], axis=axis)


def _zeros(graph: Graph, x: Tensor, lengths: str) -> str:
    """Zeros of the type in which entries are added, of a shape that is a vector."""
    return graph.node("Expand", [graph.constant(0, working("ScatterND", graph.held(x.dtype))), lengths])


def _added(graph: Graph, kind: str, x: Tensor, name: str, places: str, lengths: str, **rest: Any) -> str:
    """Zeros to which entries are added."""
    here = graph.held(x.dtype)
    inside = working(kind, here)
    names = [_zeros(graph, x, lengths), places, graph.cast(name, here, inside)]
    return graph.cast(graph.node(kind, names, reduction="add", **rest), inside, here)


@operator("scatter_add")
def _scatter_add(graph: Graph, result: Tensor, x: Tensor, indices: Tensor, axis: int, size: Any) -> str:
    # The axes that integers stand for come first, and go back afterwards to where the axis is.
    picked = list(range(axis, axis + indices.ndim))
    others = [i for i in range(x.ndim) if i not in picked]
    name = graph.name_of(x)
    if axis:
        name = transposed(graph, name, [*picked, *others])
    places = graph.cast(graph.name_of(indices), indices.dtype, "int64")
    places = graph.node("Unsqueeze", [places, graph.constant([indices.ndim])])
    parts = [graph.vector(size if isinstance(size, Tensor) else [size]), *[graph.length(x, i) for i in others]]
    lengths = graph.node("Concat", parts, axis=0) if len(parts) > 1 else parts[0]
    made = _added(graph, "ScatterND", x, name, places, lengths)
    return transposed(graph, made, [*range(1, axis + 1), 0, *range(axis + 1, result.ndim)]) if axis else made


@operator("scatter_along_axis")
def _scatter_along_axis(graph: Graph, result: Tensor, x: Tensor, indices: Tensor, axis: int, size: Any) -> str:
    places = graph.cast(graph.name_of(indices), indices.dtype, "int64")
    parts = [graph.length(x, i) for i in range(x.ndim)]
    parts[axis] = graph.vector(size if isinstance(size, Tensor) else [size])
    lengths = graph.node("Concat", parts, axis=0) if len(parts) > 1 else parts[0]
    return _added(graph, "ScatterElements", x, graph.name_of(x), places, lengths, axis=axis)


@operator("place")
def _place(graph: Graph, result: Tensor, x: Tensor, starts: Any, stops: Any, steps: Any, shape: Any) -> str:
    """Axis by axis, by the numbers of the places that a window begins with."""
    name = graph.name_of(x)
    lengths = graph.vector(shape)
    here = graph.held(x.dtype)
    for axis in range(x.ndim):
        bounds = [each[axis] for each in (starts, stops, steps)] if axis < len(starts) else [None, None, 1]
        if bounds in ([None, None, 1], [0, None, 1]):
            continue
        length = graph.node("Slice", [lengths, graph.constant([axis]), graph.constant([axis + 1])])
        every = graph.node("Range", [graph.constant(0), graph.node("Squeeze", [length]), graph.constant(1)])
        begin, end = (
            graph.constant([missing]) if b is None else graph.vector([b])
            for b, missing in zip(bounds[:2], (0, _LAST), strict=True)
        )
        places = graph.node("Slice", [every, begin, end, graph.constant([0]), graph.constant([bounds[2] or 1])])
        rest = [i for i in range(x.ndim) if i != axis]
        front = transposed(graph, name, [axis, *rest])
        tail = graph.node("Slice", [graph.node("Shape", [front]), graph.constant([1]), graph.constant([_LAST])])
        whole = graph.node("Concat", [length, tail], axis=0)
        inside = working("ScatterND", here)
        zeros = graph.node("Expand", [graph.constant(0, inside), whole])
        rows = graph.node("Unsqueeze", [places, graph.constant([1])])
        put = graph.node("ScatterND", [zeros, rows, graph.cast(front, here, inside)])
        order = sorted(range(x.ndim), key=[axis, *rest].__getitem__)
        name = transposed(graph, graph.cast(put, inside, here), order)
    return name


# -- order ----------------------------------------------------------------------------------------


def _top(graph: Graph, name: str, dtype: str, count: str, axis: int, largest: int) -> list[str]:
    here = graph.held(dtype)
    inside = working("TopK", here)
    names = [graph.fresh("top"), graph.fresh("top")]
    graph.node("TopK", [graph.cast(name, here, inside), count], names, axis=axis, largest=largest)
    return [graph.cast(names[0], inside, here), names[1]]


@operator("top_k")
def _top_k(graph: Graph, result: Tensor, x: Tensor, k: int) -> list[str]:
    return _top(graph, graph.name_of(x), x.dtype, graph.constant([k]), -1, 1)


def _sorted(which: int) -> Callable[..., str]:
    return lambda graph, result, x, axis: _top(graph, graph.name_of(x), x.dtype, graph.length(x, axis), axis, 0)[which]


OPERATORS["sort"] = _sorted(0)
OPERATORS["argsort"] = _sorted(1)
