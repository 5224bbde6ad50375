"""Convolution and pooling as operators of ONNX, whose channels come first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras.graph import known
from multikeras.graph.tensor import Tensor
from multikeras.saving.onnx.export import Graph
from multikeras.saving.onnx.operators import OPERATORS, transposed


def _to_first(graph: Graph, x: Tensor) -> str:
    return transposed(graph, graph.name_of(x), [0, x.ndim - 1, *range(1, x.ndim - 1)])


def _to_last(graph: Graph, name: str, ndim: int) -> str:
    return transposed(graph, name, [0, *range(2, ndim), 1])


def _kernel(graph: Graph, kernel: Tensor) -> str:
    """(window, in, out) as (out, in, window)."""
    spatial = range(kernel.ndim - 2)
    return transposed(graph, graph.name_of(kernel), [kernel.ndim - 1, kernel.ndim - 2, *spatial])


def _padding(padding: Any) -> dict[str, Any]:
    if padding == "same":
        return {"auto_pad": "SAME_UPPER"}
    if padding == "valid":
        return {"auto_pad": "VALID"}
    return {"pads": [before for before, _ in padding] + [behind for _, behind in padding]}


def _conv(
    graph: Graph, result: Tensor, x: Tensor, kernel: Tensor, strides: Any, padding: Any, dilation: Any, groups: int
) -> str:
    if padding == "same" and any(step > 1 for step in dilation):
        # onnxruntime does not do this by itself; with dilation the strides are 1, and lengths do not matter.
        reaches = [(n - 1) * step for n, step in zip(kernel.shape, dilation, strict=False)]  # type: ignore[operator]
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
    lengths = known.of(shape) if isinstance(shape, Tensor) else shape
    begins: list[int] = []
    ends: list[int] = []
    extra: list[int] = []
    for i, (stride, step) in enumerate(zip(strides, dilation, strict=True)):
        length, narrow = lengths[i + 1], g.shape[i + 1]
        reach = (kernel.shape[i] - 1) * step + 1  # type: ignore[operator]
        if not isinstance(length, int) or narrow is None:
            if padding != "valid":
                raise NotImplementedError(
                    f"{graph.where}: a transposed convolution of unknown length is exported with padding='valid' only."
                )
            begins, ends, extra = [*begins, 0], [*ends, 0], [*extra, max(0, stride - reach)]
            continue
        if padding == "same":
            total = max((narrow - 1) * stride + reach - length, 0)
            before = total // 2
            behind = total - before
        else:
            before, behind = (0, 0) if padding == "valid" else padding[i]
        begins, ends = [*begins, before], [*ends, behind]
        extra.append(length - ((narrow - 1) * stride + reach - before - behind))
    made = graph.node(
        "ConvTranspose",
        [_to_first(graph, g), _kernel(graph, kernel)],
        strides=list(strides),
        dilations=list(dilation),
        group=groups,
        pads=[*begins, *ends],
        output_padding=extra,
    )
    return _to_last(graph, made, g.ndim)


def _max_pool(graph: Graph, result: Tensor, x: Tensor, window: Any, strides: Any, padding: Any) -> list[str]:
    made = graph.node(
        "MaxPool", [_to_first(graph, x)], kernel_shape=list(window), strides=list(strides), **_padding(padding)
    )
    # The second result exists for gradients alone.
    return [_to_last(graph, made, x.ndim), ""]


def _sum_pool(graph: Graph, result: Tensor, x: Tensor, window: Any, strides: Any, padding: Any) -> str:
    made = graph.node(
        "AveragePool",
        [_to_first(graph, x)],
        kernel_shape=list(window),
        strides=list(strides),
        count_include_pad=1,
        **_padding(padding),
    )
    total = graph.node("Mul", [made, graph.constant(np.prod(window), x.dtype)])
    return _to_last(graph, total, x.ndim)


OPERATORS.update(
    {
        "conv": _conv,
        "conv_input_gradient": _conv_input_gradient,
        "max_pool": _max_pool,
        "sum_pool": _sum_pool,
    }
)
