"""Matrix products, softmax, convolution and pooling."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from multikeras.contract import PRIMITIVES, Primitive, primitive
from multikeras.graph.operands import constant
from multikeras.graph.ops.elementwise import exp, greater, log, logical_or
from multikeras.graph.ops.reductions import reduce_max, reduce_sum
from multikeras.graph.ops.rules import (
    broadcast_shapes,
    first_dtype,
    first_shape,
    float_dtype,
    number_dtype,
    same_dtype,
    shape_of,
    where,
)
from multikeras.graph.tensor import Shape, Tensor


def _matmul_shape(x: Tensor, y: Tensor) -> Shape:
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError(f"matmul takes tensors of two axes or more, received shapes {x.shape} and {y.shape}.")
    inner = {x.shape[-1], y.shape[-2]} - {None}
    batch = broadcast_shapes(x.shape[:-2], y.shape[:-2]) if x.ndim > 2 or y.ndim > 2 else ()
    if len(inner) > 1 or batch is None:
        raise ValueError(
            f"Shapes {x.shape} and {y.shape} cannot be multiplied: the last axis of the first ({x.shape[-1]}) must "
            f"equal the last but one of the second ({y.shape[-2]})."
        )
    return (*batch, x.shape[-2], y.shape[-1])


def swap_last(x: Tensor) -> Tensor:
    """`x` with its last two axes exchanged."""
    made: Tensor = PRIMITIVES["transpose"](x, permutation=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
    return made


matmul: Primitive = primitive(
    "matmul",
    shape=_matmul_shape,
    dtype=number_dtype,
    gradient=lambda g, out, x, y: (matmul(g, swap_last(y)), matmul(swap_last(x), g)),
    broadcasts=True,
    doc="Matrix product over the last two axes; the axes before them broadcast.",
)


# -- softmax ------------------------------------------------------------------------------------


def _softmax(x: Tensor) -> Tensor:
    axis = (x.ndim - 1,)
    shifted = exp(x - PRIMITIVES["stop_gradient"](reduce_max(x, axis=axis, keepdims=True)))
    made: Tensor = shifted / reduce_sum(shifted, axis=axis, keepdims=True)
    return made


def _log_softmax(x: Tensor) -> Tensor:
    axis = (x.ndim - 1,)
    shifted = x - PRIMITIVES["stop_gradient"](reduce_max(x, axis=axis, keepdims=True))
    made: Tensor = shifted - log(reduce_sum(exp(shifted), axis=axis, keepdims=True))
    return made


def _softmax_gradient(g: Tensor, out: Tensor, x: Tensor) -> Any:
    return (out * (g - reduce_sum(g * out, axis=(x.ndim - 1,), keepdims=True)),)


def _log_softmax_gradient(g: Tensor, out: Tensor, x: Tensor) -> Any:
    return (g - exp(out) * reduce_sum(g, axis=(x.ndim - 1,), keepdims=True),)


softmax: Primitive = primitive(
    "softmax",
    shape=first_shape,
    dtype=float_dtype,
    gradient=_softmax_gradient,
    composition=_softmax,
    doc="exp(x) divided by its sum over the last axis.",
)
log_softmax: Primitive = primitive(
    "log_softmax",
    shape=first_shape,
    dtype=float_dtype,
    gradient=_log_softmax_gradient,
    composition=_log_softmax,
    doc="Logarithm of softmax over the last axis.",
)


# -- convolution --------------------------------------------------------------------------------

Padding = Any


def resolve_padding(
    padding: Padding, lengths: Any, window: Any, strides: Any, dilation: Any
) -> tuple[tuple[int, int], ...]:
    """Padding as pairs: `'same'` puts the smaller half before, as TensorFlow does."""
    if padding == "valid":
        return ((0, 0),) * len(lengths)
    if padding != "same":
        return tuple(tuple(pair) for pair in padding)
    pairs = []
    for n, k, s, d in zip(lengths, window, strides, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def window_length(n: int | None, window: int | None, stride: int, padding: Any, dilation: int) -> int | None:
    """Number of places of a window along an axis."""
    if n is None or window is None:
        return None
    if padding == "same":
        return -(-n // stride)
    before, after = (0, 0) if padding == "valid" else padding
    return (n + before + after - (window - 1) * dilation - 1) // stride + 1


def _windows(shape: Shape, window: Any, strides: Any, padding: Padding, dilation: Any) -> Shape:
    pads = padding if not isinstance(padding, str) else (padding,) * len(strides)
    lengths = tuple(
        window_length(n, k, s, p, d) for n, k, s, p, d in zip(shape, window, strides, pads, dilation, strict=True)
    )
    if any(n is not None and n < 1 for n in lengths):
        raise ValueError(
            f"A window of {tuple(window)} (dilation {tuple(dilation)}) does not fit an input of spatial shape "
            f"{tuple(shape)} with padding {padding!r}. Use padding='same', a smaller window, or a larger input."
        )
    return lengths


def _conv_shape(x: Tensor, kernel: Tensor, strides: Any, padding: Padding, dilation: Any, groups: int) -> Shape:
    if x.ndim != len(strides) + 2 or kernel.ndim != x.ndim:
        raise ValueError(
            f"A convolution over {len(strides)} axes takes an input and a kernel of {len(strides) + 2} axes, "
            f"received shapes {x.shape} and {kernel.shape}."
        )
    channels, taken, filters = x.shape[-1], kernel.shape[-2], kernel.shape[-1]
    if channels is not None and taken is not None and channels != taken * groups:
        raise ValueError(
            f"An input of shape {x.shape} has {channels} channels, a kernel of shape {kernel.shape} takes "
            f"{taken * groups}. Check the data format and the input shape."
        )
    if filters is not None and filters % groups:
        raise ValueError(
            f"A kernel of shape {kernel.shape} has {filters} filters, which {groups} groups do not divide."
        )
    return (x.shape[0], *_windows(x.shape[1:-1], kernel.shape[:-2], strides, padding, dilation), filters)


class _Shaped:
    """Stands for a tensor of a given shape where only a shape is asked for."""

    def __init__(self, shape: Any) -> None:
        self.shape = tuple(shape)
        self.ndim = len(self.shape)


def _check_adjoint(name: str, received: Shape, expected: Shape) -> None:
    """Makes sure that an adjoint gets what its function gives; kernels of libraries read past the end of less.

    Raises:
        ValueError: If it gets something else.
    """
    if received != expected:
        raise ValueError(f"{name} takes a gradient of shape {expected}, received one of shape {received}.")


def _resolved(shape: Shape, window: Any, strides: Any, padding: Padding, dilation: Any) -> Any:
    return resolve_padding(padding, shape[1:-1], window, strides, dilation)


def _conv_gradient(g: Tensor, out: Tensor, x: Tensor, kernel: Tensor, **attributes: Any) -> Any:
    return (
        conv_input_gradient(g, kernel, shape=shape_of(x), **attributes),
        conv_kernel_gradient(x, g, shape=shape_of(kernel), **attributes),
    )


conv: Primitive = primitive(
    "conv",
    shape=_conv_shape,
    dtype=float_dtype,
    gradient=_conv_gradient,
    resolve=lambda x, kernel, strides, padding, dilation, groups: {
        "strides": strides,
        "padding": _resolved(x.shape, kernel.shape[:-2], strides, padding, dilation),
        "dilation": dilation,
        "groups": groups,
    },
    doc="Cross-correlation of (batch, *spatial, in) with a kernel (*window, in / groups, out).",
)


def _input_gradient_gradient(g: Tensor, out: Tensor, y: Tensor, kernel: Tensor, shape: Any, **attributes: Any) -> Any:
    return conv(g, kernel, **attributes), conv_kernel_gradient(g, y, shape=shape_of(kernel), **attributes)


def _input_gradient_resolve(
    g: Tensor, kernel: Tensor, shape: Any, strides: Any, padding: Padding, dilation: Any, groups: int
) -> dict[str, Any]:
    x: Any = _Shaped(shape)
    _check_adjoint("conv_input_gradient", g.shape, _conv_shape(x, kernel, strides, padding, dilation, groups))
    return {
        "shape": x.shape,
        "strides": strides,
        "padding": _resolved(x.shape, kernel.shape[:-2], strides, padding, dilation),
        "dilation": dilation,
        "groups": groups,
    }


conv_input_gradient: Primitive = primitive(
    "conv_input_gradient",
    shape=lambda g, kernel, shape, strides, padding, dilation, groups: tuple(shape),
    dtype=float_dtype,
    gradient=_input_gradient_gradient,
    resolve=_input_gradient_resolve,
    doc="Adjoint of conv in its input, onto an input of a given shape.",
)


def _kernel_gradient_gradient(g: Tensor, out: Tensor, x: Tensor, y: Tensor, shape: Any, **attributes: Any) -> Any:
    return conv_input_gradient(y, g, shape=shape_of(x), **attributes), conv(x, g, **attributes)


def _kernel_gradient_resolve(
    x: Tensor, g: Tensor, shape: Any, strides: Any, padding: Padding, dilation: Any, groups: int
) -> dict[str, Any]:
    kernel: Any = _Shaped(shape)
    _check_adjoint("conv_kernel_gradient", g.shape, _conv_shape(x, kernel, strides, padding, dilation, groups))
    return {
        "shape": kernel.shape,
        "strides": strides,
        "padding": _resolved(x.shape, kernel.shape[:-2], strides, padding, dilation),
        "dilation": dilation,
        "groups": groups,
    }


conv_kernel_gradient: Primitive = primitive(
    "conv_kernel_gradient",
    shape=lambda x, g, shape, strides, padding, dilation, groups: tuple(shape),
    dtype=float_dtype,
    gradient=_kernel_gradient_gradient,
    resolve=_kernel_gradient_resolve,
    doc="Adjoint of conv in its kernel, onto a kernel of a given shape.",
)


# -- pooling ------------------------------------------------------------------------------------


def _pool_shape(x: Tensor, window: Any, strides: Any, padding: Padding) -> Shape:
    if x.ndim != len(window) + 2:
        raise ValueError(
            f"Pooling over {len(window)} axes takes an input of {len(window) + 2} axes, received shape {x.shape}."
        )
    return (x.shape[0], *_windows(x.shape[1:-1], window, strides, padding, (1,) * len(window)), x.shape[-1])


def _pool_resolve(*inputs: Any, window: Any, strides: Any, padding: Padding) -> dict[str, Any]:
    x = inputs[1] if len(inputs) > 1 else inputs[0]
    return {
        "window": window,
        "strides": strides,
        "padding": _resolved(x.shape, window, strides, padding, (1,) * len(window)),
    }


def _max_pool_gradient_resolve(
    g: Tensor, x: Tensor, y: Tensor, residual: Tensor, window: Any, strides: Any, padding: Padding
) -> dict[str, Any]:
    _check_adjoint("max_pool_gradient", g.shape, _pool_shape(x, window, strides, padding))
    return _pool_resolve(x, window=window, strides=strides, padding=padding)


def _window_slices(x: Tensor, window: Any, strides: Any, padding: Any, value: float) -> list[Tensor]:
    """One strided view of the padded input for every place in the window."""
    padded = PRIMITIVES["pad"](x, padding=((0, 0), *padding, (0, 0)), value=value)
    places = _windows(x.shape[1:-1], window, strides, padding, (1,) * len(window))
    views = []
    for offset in product(*map(range, window)):
        stops = [o + (n - 1) * s + 1 for o, n, s in zip(offset, places, strides, strict=True)]  # type: ignore[operator]
        views.append(
            PRIMITIVES["slice"](padded, starts=(0, *offset, 0), stops=(None, *stops, None), steps=(1, *strides, 1))
        )
    return views


def _first_meetings(x: Tensor, window: Any, strides: Any, padding: Any) -> list[Tensor | None]:
    """For every place in the window, which windows meet the input there for the first time; None for none.

    Such an entry is taken even if it is minus infinity, as the padding is.
    """
    sizes = x.shape[1:-1]
    places: Any = _windows(sizes, window, strides, padding, (1,) * len(window))
    met: Any = np.zeros(places, bool)
    found: list[Tensor | None] = []
    for number, offset in enumerate(product(*map(range, window))):
        inside: Any = np.ones((), bool)
        for o, n, s, (before, _), size in zip(offset, places, strides, padding, sizes, strict=True):
            entries = o - before + s * np.arange(n)
            inside = inside[..., None] & (entries >= 0) & (entries < size)
        first = inside & ~met
        met |= inside
        found.append(constant(first[None, ..., None], "bool") if number and first.any() else None)
    return found


def _wins(value: Tensor, best: Tensor, first: Tensor | None) -> Tensor:
    above = greater(value, best)
    return above if first is None else logical_or(above, first)


def _max_pool(x: Tensor, window: Any, strides: Any, padding: Any) -> list[Tensor]:
    views = _window_slices(x, window, strides, padding, float("-inf"))
    firsts = _first_meetings(x, window, strides, padding)
    best = views[0]
    for view, first in zip(views[1:], firsts[1:], strict=True):
        best = where(_wins(view, best, first), view, best)
    return [best]


def _max_pool_gradient(
    g: list[Tensor | None], out: list[Tensor], x: Tensor, window: Any, strides: Any, padding: Any
) -> Any:
    if g[0] is None:
        return (None,)
    return (max_pool_gradient(g[0], x, out[0], out[1], window=window, strides=strides, padding=padding),)


def _max_pool_gradient_composition(
    g: Tensor, x: Tensor, y: Tensor, residual: Tensor, window: Any, strides: Any, padding: Any
) -> Tensor:
    from multikeras.graph.gradients import gradients

    made = gradients(_max_pool(x, window, strides, padding), [x], [g])[0]
    if made is None:
        raise ValueError("Pooling of an input without entries has no gradient.")
    return made


max_pool: Primitive = primitive(
    "max_pool",
    shape=lambda x, window, strides, padding: [_pool_shape(x, window, strides, padding), ()],
    dtype=lambda x, window, strides, padding: [x.dtype, "opaque"],
    gradient=_max_pool_gradient,
    multiple=True,
    residuals=1,
    composition=_max_pool,
    resolve=_pool_resolve,
    doc="Largest entry of each window; the first of equal ones gets the gradient.",
)
max_pool_gradient: Primitive = primitive(
    "max_pool_gradient",
    shape=lambda g, x, y, residual, window, strides, padding: x.shape,
    dtype=first_dtype,
    gradient=lambda v, out, g, x, y, residual, **attributes: (max_pool_pick(v, x, **attributes), None, None, None),
    composition=_max_pool_gradient_composition,
    resolve=_max_pool_gradient_resolve,
    doc="Gradient of max_pool, reading its residual.",
)


def _max_pool_pick(v: Tensor, x: Tensor, window: Any, strides: Any, padding: Any) -> Tensor:
    values = _window_slices(x, window, strides, padding, float("-inf"))
    entries = _window_slices(v, window, strides, padding, 0)
    firsts = _first_meetings(x, window, strides, padding)
    best, picked = values[0], entries[0]
    for value, entry, first in zip(values[1:], entries[1:], firsts[1:], strict=True):
        above = _wins(value, best, first)
        best, picked = where(above, value, best), where(above, entry, picked)
    return picked


def _pick_gradient(g: Tensor, out: Tensor, v: Tensor, x: Tensor, **attributes: Any) -> Any:
    y, residual = max_pool(x, **attributes)
    return max_pool_gradient(g, x, y, residual, **attributes), None


max_pool_pick: Primitive = primitive(
    "max_pool_pick",
    shape=lambda v, x, window, strides, padding: _pool_shape(x, window, strides, padding),
    dtype=same_dtype,
    gradient=_pick_gradient,
    composition=_max_pool_pick,
    resolve=_pool_resolve,
    doc="The entries of v where x has the largest of each window: adjoint of max_pool_gradient.",
)


def _sum_pool_gradient_resolve(g: Tensor, shape: Any, window: Any, strides: Any, padding: Padding) -> dict[str, Any]:
    x: Any = _Shaped(shape)
    _check_adjoint("sum_pool_gradient", g.shape, _pool_shape(x, window, strides, padding))
    return {"shape": x.shape, **_pool_resolve(x, window=window, strides=strides, padding=padding)}


sum_pool: Primitive = primitive(
    "sum_pool",
    shape=_pool_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, window, strides, padding: (
        sum_pool_gradient(g, shape=shape_of(x), window=window, strides=strides, padding=padding),
    ),
    resolve=_pool_resolve,
    doc="Sum of each window, the padding counting as 0.",
)
sum_pool_gradient: Primitive = primitive(
    "sum_pool_gradient",
    shape=lambda g, shape, window, strides, padding: tuple(shape),
    dtype=first_dtype,
    gradient=lambda g, out, y, shape, window, strides, padding: (
        sum_pool(g, window=window, strides=strides, padding=padding),
    ),
    resolve=_sum_pool_gradient_resolve,
    doc="Adjoint of sum_pool, onto an input of a given shape.",
)
