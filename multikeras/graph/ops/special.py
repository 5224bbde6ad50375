"""Functions entry by entry beyond the elementary ones, and running products."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

from multikeras.contract import Primitive, primitive
from multikeras.graph.ops import control, elementwise
from multikeras.graph.ops.reductions import reduce_sum
from multikeras.graph.ops.rules import broadcast, first_dtype, first_shape, float_dtype, full_like
from multikeras.graph.ops.shapes import pad, slice_, transpose
from multikeras.graph.tensor import Tensor


def _unary(name: str, doc: str, gradient: Callable[..., Any]) -> Primitive:
    return primitive(name, shape=first_shape, dtype=float_dtype, gradient=gradient, doc=doc, elementwise=True)


def _root(x: Tensor) -> Tensor:
    made: Tensor = elementwise.sqrt(x)
    return made


def _bell(x: Tensor) -> Tensor:
    """Derivative of erf."""
    made: Tensor = elementwise.exp(-(x * x)) * (2 / sqrt(pi))
    return made


erf: Primitive = _unary(
    "erf",
    "Error function: 2 / sqrt(pi) times the integral of exp(-t t) from 0 to x.",
    lambda g, out, x: (g * _bell(x),),
)
arcsin: Primitive = _unary(
    "arcsin",
    "Angle in radians whose sine is x, NaN outside -1 to 1.",
    lambda g, out, x: (g / _root((1 - x) * (1 + x)),),
)
arccos: Primitive = _unary(
    "arccos",
    "Angle in radians whose cosine is x, NaN outside -1 to 1.",
    lambda g, out, x: (-g / _root((1 - x) * (1 + x)),),
)
arctan: Primitive = _unary(
    "arctan", "Angle in radians between -pi / 2 and pi / 2 whose tangent is x.", lambda g, out, x: (g / (x * x + 1),)
)
sinh: Primitive = _unary("sinh", "Hyperbolic sine.", lambda g, out, x: (g * cosh(x),))
cosh: Primitive = _unary("cosh", "Hyperbolic cosine.", lambda g, out, x: (g * sinh(x),))
arcsinh: Primitive = _unary("arcsinh", "Number whose hyperbolic sine is x.", lambda g, out, x: (g / _root(x * x + 1),))
arccosh: Primitive = _unary(
    "arccosh",
    "Number >= 0 whose hyperbolic cosine is x, NaN below 1.",
    lambda g, out, x: (g / _root((x - 1) * (x + 1)),),
)
arctanh: Primitive = _unary(
    "arctanh",
    "Number whose hyperbolic tangent is x, NaN outside -1 to 1.",
    lambda g, out, x: (g / ((1 - x) * (1 + x)),),
)


def _arctan2_gradient(g: Tensor, out: Tensor, y: Tensor, x: Tensor) -> Any:
    square = x * x + y * y
    return g * x / square, -g * y / square


arctan2: Primitive = primitive(
    "arctan2",
    shape=broadcast,
    dtype=float_dtype,
    gradient=_arctan2_gradient,
    elementwise=True,
    broadcasts=True,
    doc="Angle in radians, between -pi and pi, of the point (x, y) seen from the origin; y comes first.",
)


# -- running products -----------------------------------------------------------------------------


def _to_front(x: Tensor, axis: int) -> Tensor:
    made: Tensor = transpose(x, permutation=(axis, *[i for i in range(x.ndim) if i != axis]))
    return made


def _from_front(x: Tensor, axis: int) -> Tensor:
    made: Tensor = transpose(x, permutation=(*range(1, axis + 1), 0, *range(axis + 1, x.ndim)))
    return made


def _beside(x: Tensor, filling: float, after: bool) -> Tensor:
    """Along axis 0 the entry before each one, or after it; `filling` where there is none."""
    rest = ((0, 0),) * (x.ndim - 1)
    if after:
        wide = pad(x, padding=((0, 1), *rest), value=filling)
        made: Tensor = slice_(wide, starts=(1,), stops=(None,), steps=(1,))
    else:
        wide = pad(x, padding=((1, 0), *rest), value=filling)
        made = slice_(wide, starts=(0,), stops=(-1,), steps=(1,))
    return made


def _start(x: Tensor, value: float) -> Tensor:
    """A tensor of one value with the shape of an entry of `x` along axis 0, of which there may be none."""
    return full_like(reduce_sum(x, axis=(0,), keepdims=False), value)


def _cumprod(x: Tensor, axis: int, reverse: bool) -> Tensor:
    def step(iteration: Tensor, entry: Tensor, product: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        new = product * entry
        return [new], [new]

    front = _to_front(x, axis)
    _, (products,) = control.scan(step, [front], [_start(front, 1)], reverse=reverse, label="step of cumprod")
    return _from_front(products, axis)


def _cumprod_gradient(g: Tensor, out: Tensor, x: Tensor, axis: int, reverse: bool) -> Any:
    # Entry i is a factor of product i and of all later ones. Without it, these are the product before i times
    # s_i = g_i + x_(i+1) s_(i+1), in which nothing is divided by an entry that may be 0.
    front = _to_front(x, axis)
    before = _beside(_to_front(out, axis), 1, after=reverse)
    following = _beside(front, 0, after=not reverse)

    def step(iteration: Tensor, upstream: Tensor, factor: Tensor, total: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        new = upstream + factor * total
        return [new], [new]

    _, (sums,) = control.scan(
        step,
        [_to_front(g, axis), following],
        [_start(front, 0)],
        reverse=not reverse,
        label="gradient of cumprod",
    )
    return (_from_front(before * sums, axis),)


cumprod: Primitive = primitive(
    "cumprod",
    shape=first_shape,
    dtype=first_dtype,
    gradient=_cumprod_gradient,
    composition=_cumprod,
    doc="Running product along an axis, from its end where `reverse` is set.",
)


def _softplus(x: Tensor) -> Tensor:
    # `maximum` shares its gradient at 0, where `relu` has none.
    made: Tensor = elementwise.maximum(x, full_like(x, 0)) + elementwise.log1p(elementwise.exp(-elementwise.abs_(x)))
    return made


#: A primitive of its own for the sake of its gradient, which is smooth at 0 to any order.
softplus: Primitive = primitive(
    "softplus",
    shape=first_shape,
    dtype=float_dtype,
    gradient=lambda g, out, x: (g * elementwise.sigmoid(x),),
    composition=_softplus,
    elementwise=True,
    doc="log(1 + exp(x)), finite for large x.",
)
