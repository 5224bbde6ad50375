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


def _padding(padding: Any) -> dict[str, Any]:
    if padding == "same":
        return {"auto_pad": "SAME_UPPER"}
    if padding == "valid":
        return {}
    return {"pads": [before for before, _ in padding] + [behind for _, behind in padding]}


def _conv(
    graph: Graph, result: Tensor, x: Tensor, kernel: Tensor, strides: Any, padding: Any, dilation: Any, groups: int
) -> str:
    if (
        padding == "same"
        and all(step == 1 for step in strides)
        and (None not in kernel.shape[:-2] or max(dilation) > 1)
    ):
        # Without strides the padding does not depend on the length; onnxruntime knows 'same' without dilation only.
        reaches = [(n - 1) * step for n, step in zip(_window(graph, kernel, "a convolution"), dilation, strict=True)]
        padding = [(reach // 2, reach - reach // 2) for reach in reaches]
    made = graph.node(
        "Conv",
        [_to_first(graph, x), _kernel(graph, kernel)],
        strides=list(strides),
        dilations=list(dilation),
        group=groups,
        **_padding(padding),
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
    made = graph.node(
        "MaxPool", [_to_first(graph, x)], kernel_shape=list(window), strides=list(strides), **_padding(padding)
    )
    # The second result exists for gradients alone.
    return [_to_last(graph, made, x.ndim), ""]


def _averages(graph: Graph, x: Tensor, window: Any, strides: Any, padding: Any, whole: int) -> str:
    places = {"kernel_shape": list(window), "strides": list(strides), **_padding(padding)}
    return graph.node("AveragePool", [_to_first(graph, x)], count_include_pad=whole, **places)


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
