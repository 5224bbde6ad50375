"""Convolution and pooling as operators of ONNX, whose channels come first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras import registry
from multikeras.graph import known
from multikeras.graph.tensor import Tensor, Variable
from multikeras.programs.evaluate import evaluate
from multikeras.saving.onnx.graph import Graph
from multikeras.saving.onnx.operators import OPERATORS
from multikeras.saving.onnx.shapes import transposed

_LAST = np.iinfo(np.int64).max


def _to_first(graph: Graph, x: Tensor) -> str:
    return transposed(graph, graph.name_of(x), [0, x.ndim - 1, *range(1, x.ndim - 1)])


def _to_last(graph: Graph, name: str, ndim: int) -> str:
    return transposed(graph, name, [0, *range(2, ndim), 1])


def _kernel(graph: Graph, kernel: Tensor) -> str:
    """(window, in, out) as (out, in, window)."""
    order = [kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2)]
    if not graph.fixed.is_fixed(kernel):
        return transposed(graph, graph.name_of(kernel), order)
    key = ("kernel", kernel)
    name = graph.known(key)
    if name is None:
        hint = kernel.name if isinstance(kernel, Variable) else "kernel"
        name = graph.weight(np.transpose(graph.fixed.value_of(kernel), order), kernel.dtype, hint)
        graph.outermost.keep(key, name)
    return str(name)


def _window(graph: Graph, kernel: Tensor, what: str) -> list[int]:
    """The lengths of a window, which ONNX has to know."""
    window = kernel.shape[:-2]
    if None in window:
        raise NotImplementedError(f"{graph.where}: {what} with a window of unknown shape {window} cannot be exported.")
    return [n for n in window if n is not None]


def _pads(shape: Sequence[int | None], reaches: Sequence[int], strides: Any, padding: Any) -> list[Any]:
    """What is added before and behind each axis; None for an axis whose length decides it when the graph runs."""
    found: list[Any] = []
    for i, (n, reach, stride) in enumerate(zip(shape, reaches, strides, strict=True)):
        if padding != "same":
            found.append((0, 0) if padding == "valid" else padding[i])
        elif n is None and stride > 1 and reach > 1:
            found.append(None)
        else:
            total = reach - 1 if stride == 1 else max((-(-(n or 1) // stride) - 1) * stride + reach - (n or 1), 0)
            found.append((total // 2, total - total // 2) if reach > 1 else (0, 0))
    return found


def needs_lengths(x: Tensor, window: Sequence[int], strides: Any, padding: Any) -> bool:
    """Whether padding has to be computed when the graph runs."""
    return _hint(_pads(x.shape[1:-1], window, strides, padding), window, strides, window) is None


def _hint(pads: Sequence[Any], reaches: Sequence[int], strides: Any, window: Sequence[int]) -> dict[str, Any] | None:
    """Padding as attributes of an operator; None where no attribute says it."""
    if None not in pads:
        ends = [before for before, _ in pads], [behind for _, behind in pads]
        return {"pads": [*ends[0], *ends[1]]} if any(map(any, pads)) else {}
    # Runtimes take 'same' only of windows without dilation that are not smaller than the strides.
    plain = list(reaches) == list(window) and all(n >= s for n, s in zip(window, strides, strict=True))
    return {"auto_pad": "SAME_UPPER"} if plain else None


def _windowed(
    graph: Graph, x: Tensor, window: Sequence[int], reaches: Sequence[int], strides: Any, padding: Any, filling: float
) -> tuple[str, dict[str, Any]]:
    """An input with its channels first, and its padding as attributes; padded where attributes cannot say it."""
    pads = _pads(x.shape[1:-1], reaches, strides, padding)
    hint = _hint(pads, reaches, strides, window)
    name = _to_first(graph, x)
    if hint is not None:
        return name, hint
    halves: tuple[list[str], list[str]] = ([], [])
    for i, pair in enumerate(pads):
        before, behind = pair if pair is not None else _amounts(graph, x, i + 1, reaches[i], strides[i])
        for half, amount in zip(halves, (before, behind), strict=True):
            half.append(amount if isinstance(amount, str) else graph.constant([amount]))
    none = graph.constant([0, 0])
    amounts = graph.node("Concat", [none, *halves[0], none, *halves[1]], axis=0)
    return graph.node("Pad", [name, amounts, graph.constant(filling, x.dtype)]), {}


def _amounts(graph: Graph, x: Tensor, axis: int, reach: int, stride: int) -> tuple[str, str]:
    """What 'same' adds before and behind an axis of unknown length."""
    n, step = graph.length(x, axis), graph.constant([stride])
    places = graph.node("Div", [graph.node("Add", [n, graph.constant([stride - 1])]), step])
    start = graph.node("Mul", [graph.node("Sub", [places, graph.constant([1])]), step])
    needed = graph.node("Sub", [graph.node("Add", [start, graph.constant([reach])]), n])
    total = graph.node("Max", [needed, graph.constant([0])])
    before = graph.node("Div", [total, graph.constant([2])])
    return before, graph.node("Sub", [total, before])


def _conv(
    graph: Graph, result: Tensor, x: Tensor, kernel: Tensor, strides: Any, padding: Any, dilation: Any, groups: int
) -> str:
    if None in kernel.shape[:-2] and (padding != "same" or max(dilation) == 1):
        # Only with dilation the window has to be known for 'same'.
        name = _to_first(graph, x)
        places: dict[str, Any] = {"auto_pad": "SAME_UPPER"} if padding == "same" else {}
        if not isinstance(padding, str):
            places = {"pads": [before for before, _ in padding] + [behind for _, behind in padding]}
    else:
        window = _window(graph, kernel, "a convolution")
        reaches = [(n - 1) * step + 1 for n, step in zip(window, dilation, strict=True)]
        name, places = _windowed(graph, x, window, reaches, strides, padding, 0)
    made = graph.node(
        "Conv",
        [name, _kernel(graph, kernel)],
        strides=list(strides),
        dilations=list(dilation),
        group=groups,
        **places,
    )
    return _to_last(graph, made, x.ndim)


# -- transposed convolution -----------------------------------------------------------------------


def _conv_input_gradient(
    graph: Graph,
    result: Tensor,
    g: Tensor,
    kernel: Tensor,
    shape: Any,
    strides: Sequence[int],
    padding: Any,
    dilation: Sequence[int],
    groups: int,
) -> str:
    window = _window(graph, kernel, "a transposed convolution")
    reaches = [(n - 1) * step + 1 for n, step in zip(window, dilation, strict=True)]
    lengths = list(known.of(shape) if isinstance(shape, Tensor) else shape)[1:-1]
    cuts = [
        _cut(g, shape, i, lengths[i], strides[i], reaches[i], padding if isinstance(padding, str) else padding[i])
        for i in range(len(window))
    ]
    inputs = [_to_first(graph, g), _kernel(graph, kernel)]
    attributes: dict[str, Any] = {"strides": list(strides), "dilations": list(dilation), "group": groups}
    found = [cut for cut in cuts if cut is not None]
    if len(found) == len(cuts):
        begins, ends, extra = zip(*found, strict=True)
        made = graph.node("ConvTranspose", inputs, pads=[*begins, *ends], output_padding=list(extra), **attributes)
        return _to_last(graph, made, g.ndim)
    made = _to_last(graph, graph.node("ConvTranspose", inputs, **attributes), g.ndim)
    return _cut_out(graph, made, shape, g.ndim, padding)


def _cut(
    g: Tensor, shape: Any, i: int, length: int | None, stride: int, reach: int, padding: Any
) -> tuple[int, int, int] | None:
    """What is cut off before and behind along an axis, and what is missing behind; None where lengths decide that."""
    narrow = g.shape[i + 1]
    if length is not None and narrow is not None:
        return _cut_of(narrow, length, stride, reach, padding)
    if not isinstance(shape, Tensor):
        return None
    made = []
    for n in (reach + 3, reach + 8):
        sizes = [1 if m is None else m for m in g.shape]
        sizes[i + 1] = n
        try:
            values = evaluate([shape], registry.host(), fed={g: np.zeros(sizes, "float32")})[0]
        except ValueError:
            # The shape comes from elsewhere.
            return None
        made.append(_cut_of(n, int(values[i + 1]), stride, reach, padding))
    return made[0] if made[0] == made[1] else None


def _cut_of(narrow: int, length: int, stride: int, reach: int, padding: Any) -> tuple[int, int, int]:
    whole = (narrow - 1) * stride + reach
    if padding == "same":
        total = max(whole - length, 0)
        before, behind = total // 2, total - total // 2
    else:
        before, behind = (0, 0) if padding == "valid" else padding
    return before, behind, length - (whole - before - behind)


def _cut_out(graph: Graph, name: str, shape: Any, ndim: int, padding: Any) -> str:
    """The part of the given shape, whose lengths are seen when the graph runs, filled with zeros behind."""
    axes = graph.constant(range(1, ndim - 1))
    lengths = graph.node("Slice", [graph.vector(shape), graph.constant([1]), graph.constant([ndim - 1])])
    zero = graph.constant([0] * (ndim - 2))

    def whole() -> str:
        return graph.node("Shape", [name], start=1, end=ndim - 1)

    if padding == "same":
        more = graph.node("Max", [graph.node("Sub", [whole(), lengths]), zero])
        begins = graph.node("Div", [more, graph.constant(2)])
    else:
        begins = zero if padding == "valid" else graph.constant([before for before, _ in padding])
    name = graph.node("Slice", [name, begins, graph.constant([_LAST] * (ndim - 2)), axes])
    missing = graph.node("Max", [graph.node("Sub", [lengths, whole()]), zero])
    amounts = graph.node("Concat", [graph.constant([0] * (ndim + 1)), missing, graph.constant([0])], axis=0)
    padded = graph.node("Pad", [name, amounts])
    return graph.node("Slice", [padded, zero, lengths, axes])


# -- pooling --------------------------------------------------------------------------------------


def _max_pool(graph: Graph, result: Tensor, x: Tensor, window: Any, strides: Any, padding: Any) -> list[str]:
    name, places = _windowed(graph, x, window, window, strides, padding, -np.inf)
    made = graph.node("MaxPool", [name], kernel_shape=list(window), strides=list(strides), **places)
    # The second result exists for gradients alone.
    return [_to_last(graph, made, x.ndim), ""]


def _averages(graph: Graph, x: Tensor, window: Any, strides: Any, padding: Any, whole: int) -> str:
    name, places = _windowed(graph, x, window, window, strides, padding, 0)
    return graph.node(
        "AveragePool", [name], kernel_shape=list(window), strides=list(strides), count_include_pad=whole, **places
    )


def average(graph: Graph, x: Tensor, window: Any, strides: Any, padding: Any) -> str:
    """The mean of each window, of its entries inside the input."""
    return _to_last(graph, _averages(graph, x, window, strides, padding, 0), x.ndim)


def _sum_pool(graph: Graph, result: Tensor, x: Tensor, window: Any, strides: Any, padding: Any) -> str:
    made = _averages(graph, x, window, strides, padding, 1)
    return _to_last(graph, graph.node("Mul", [made, graph.constant(np.prod(window), x.dtype)]), x.ndim)


OPERATORS.update(
    {
        "conv": _conv,
        "conv_input_gradient": _conv_input_gradient,
        "max_pool": _max_pool,
        "sum_pool": _sum_pool,
    }
)
