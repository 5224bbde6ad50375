"""Primitives that reduce axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikeras.contract import PRIMITIVES, Primitive, primitive
from multikeras.graph import operands
from multikeras.graph.ops.elementwise import equal
from multikeras.graph.ops.rules import first_dtype, first_shape, reduced, shape_of, where
from multikeras.graph.tensor import Shape, Tensor


def _shape(x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Shape:
    return reduced(x.shape, axis, keepdims)


def _expand(g: Tensor, axis: tuple[int, ...], keepdims: bool) -> Tensor:
    """`g` with the reduced axes back as axes of length 1."""
    if keepdims or not axis:
        return g
    made: Tensor = PRIMITIVES["expand_dims"](g, axis=axis)
    return made


def _of_entries(x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Shape:
    """Shape of a reduction that needs an entry to begin with."""
    for a in axis:
        if x.shape[a] == 0:
            raise ValueError(
                f"The largest or smallest of no entries does not exist: axis {a} of a tensor of shape {x.shape} has "
                "length 0."
            )
    return reduced(x.shape, axis, keepdims)


def _reduction(
    name: str, doc: str, gradient: Callable[..., Any] | None, shape: Callable[..., Shape] = _shape
) -> Primitive:
    return primitive(name, shape=shape, dtype=first_dtype, gradient=gradient, doc=doc)


def _sum_gradient(g: Tensor, out: Tensor, x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Any:
    return (PRIMITIVES["broadcast_to"](_expand(g, axis, keepdims), shape=shape_of(x)),)


def _extremum_gradient(g: Tensor, out: Tensor, x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Any:
    chosen = operands.cast(equal(x, _expand(out, axis, keepdims)), x.dtype)
    share = chosen / reduce_sum(chosen, axis=axis, keepdims=True)
    return (_expand(g, axis, keepdims) * share,)


def _prod_gradient(g: Tensor, out: Tensor, x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Any:
    # Dividing the product by an entry fails at zeros: beside one zero only that entry has a
    # gradient, the product of the others; beside two none has.
    zero = equal(x, operands.scalar(0, x.dtype))
    others = where(zero, 1, x)
    product = reduce_prod(others, axis=axis, keepdims=True)
    zeros = reduce_sum(operands.cast(zero, x.dtype), axis=axis, keepdims=True)
    none = equal(zeros, operands.scalar(0, x.dtype))
    one = PRIMITIVES["logical_and"](zero, equal(zeros, operands.scalar(1, x.dtype)))
    full = PRIMITIVES["broadcast_to"](product, shape=shape_of(x))
    slope = where(none, full / others, where(one, full, 0))
    return (_expand(g, axis, keepdims) * slope,)


reduce_sum: Primitive = _reduction("reduce_sum", "Sum over axes, in the type of x.", _sum_gradient)
reduce_prod: Primitive = _reduction("reduce_prod", "Product over axes, in the type of x.", _prod_gradient)
reduce_max: Primitive = _reduction(
    "reduce_max", "Largest entry over axes; equal ones share the gradient.", _extremum_gradient, _of_entries
)
reduce_min: Primitive = _reduction(
    "reduce_min", "Smallest entry over axes; equal ones share the gradient.", _extremum_gradient, _of_entries
)
reduce_any: Primitive = _reduction("reduce_any", "Whether any entry holds.", None)
reduce_all: Primitive = _reduction("reduce_all", "Whether all entries hold.", None)


def _index_shape(x: Tensor, axis: int) -> Shape:
    return _of_entries(x, (axis,), False)


argmax: Primitive = primitive(
    "argmax", shape=_index_shape, dtype=lambda x, axis: "int64", gradient=None, doc="Index of the first largest entry."
)
argmin: Primitive = primitive(
    "argmin", shape=_index_shape, dtype=lambda x, axis: "int64", gradient=None, doc="Index of the first smallest entry."
)
cumsum: Primitive = primitive(
    "cumsum",
    shape=first_shape,
    dtype=first_dtype,
    gradient=lambda g, out, x, axis, reverse: (cumsum(g, axis=axis, reverse=not reverse),),
    doc="Running sum along an axis, from its end where `reverse` is set.",
)


def _sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    extra = x.ndim - len(shape)
    axis = tuple(i for i, n in enumerate(x.shape) if i < extra or (shape[i - extra] == 1 and n != 1))
    if not axis:
        return x
    summed = reduce_sum(x, axis=axis, keepdims=True)
    made: Tensor = PRIMITIVES["reshape"](summed, shape=shape)
    return made


sum_to: Primitive = primitive(
    "sum_to",
    shape=lambda x, shape: tuple(shape),
    dtype=first_dtype,
    gradient=lambda g, out, x, shape: (PRIMITIVES["broadcast_to"](g, shape=shape_of(x)),),
    composition=_sum_to,
    doc="Sum over the axes along which a tensor of `shape` would have been broadcast to x.",
)
