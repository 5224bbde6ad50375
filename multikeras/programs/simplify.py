"""Rewrites of one operation at a time, on a graph whose shapes are all known.

A rule gets the specialiser, the inputs and the attributes; it returns the tensor to use instead,
or None. Rules never change a result's bits, except where they remove an operation with 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from multikeras.contract import PRIMITIVES, is_float
from multikeras.graph.ops.rules import broadcast_shapes
from multikeras.graph.tensor import Constant, Tensor

if TYPE_CHECKING:
    from multikeras.programs.specialise import Specialiser

Rule = Callable[["Specialiser", tuple[Tensor, ...], dict[str, Any]], Tensor | None]
RULES: dict[str, Rule] = {}

#: Most parts of concatenations that become one.
_JOINED = 1024


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register


def _made_by(tensor: Tensor, name: str) -> bool:
    return tensor.primitive is not None and tensor.primitive.name == name


def _is_number(tensor: Tensor, number: float) -> bool:
    """Whether a tensor is a constant all of whose entries are this number."""
    return isinstance(tensor, Constant) and 0 < tensor.value.size <= 64 and bool(np.all(tensor.value == number))


@_rule("identity", "stop_gradient", "custom_gradient")
def _identity(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    return inputs[0]


@_rule("cast")
def _cast(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    return inputs[0] if inputs[0].dtype == attributes["dtype"] else None


@_rule("reshape")
def _reshape(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    (x,) = inputs
    if x.shape == attributes["shape"]:
        return x
    if _made_by(x, "reshape"):
        return spec.emit(PRIMITIVES["reshape"], (x.inputs[0],), attributes)
    return None


@_rule("broadcast_to", "sum_to")
def _same_shape(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    return inputs[0] if inputs[0].shape == tuple(attributes["shape"]) else None


@_rule("transpose")
def _transpose(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    (x,), order = inputs, attributes["permutation"]
    if order == tuple(range(len(order))):
        return x
    if _made_by(x, "transpose"):
        inner = x.attributes["permutation"]
        composed = tuple(inner[i] for i in order)
        return spec.emit(PRIMITIVES["transpose"], x.inputs, {"permutation": composed})
    return None


@_rule("slice")
def _slice(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    (x,) = inputs
    whole = all(
        start == 0 and stop == length and step == 1
        for start, stop, step, length in zip(
            attributes["starts"], attributes["stops"], attributes["steps"], x.shape, strict=True
        )
    )
    return x if whole else None


@_rule("pad")
def _pad(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    return inputs[0] if not any(n for pair in attributes["padding"] for n in pair) else None


@_rule("concatenate")
def _concatenate(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    if len(inputs) == 1:
        return inputs[0]
    axis = attributes["axis"]
    if any(_made_by(x, "concatenate") and x.attributes["axis"] == axis for x in inputs):
        parts = [
            part
            for x in inputs
            for part in (x.inputs if _made_by(x, "concatenate") and x.attributes["axis"] == axis else (x,))
        ]
        # What joins itself with itself again and again has twice as many parts each time.
        return spec.emit(PRIMITIVES["concatenate"], tuple(parts), attributes) if len(parts) <= _JOINED else None
    return None


@_rule("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_any", "reduce_all")
def _reduce(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    return inputs[0] if not attributes["axis"] else None


@_rule("negative")
def _negative(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    return inputs[0].inputs[0] if _made_by(inputs[0], "negative") else None


@_rule("add")
def _add(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    x, y = inputs
    if _is_number(x, 0):
        return y
    if _is_number(y, 0):
        return x
    if _made_by(y, "negative"):
        return spec.emit(PRIMITIVES["subtract"], (x, y.inputs[0]), {})
    if _made_by(x, "place") and _made_by(y, "place"):
        return _add_places(spec, x, y)
    return None


def _add_places(spec: Specialiser, x: Tensor, y: Tensor) -> Tensor | None:
    """Two neighbours in one array of zeros, such as the gradients of gates that were cut out of a product."""
    first, second = x.attributes, y.attributes
    if x.shape != y.shape or any(n != 1 for n in (*first["steps"], *second["steps"])):
        return None
    spans = [list(zip(a["starts"], a["stops"], strict=True)) for a in (first, second)]
    apart = [axis for axis, (one, other) in enumerate(zip(*spans, strict=True)) if one != other]
    if len(apart) != 1:
        return None
    (axis,) = apart
    if spans[0][axis][1] != spans[1][axis][0]:
        x, y, first, second = y, x, second, first
        if first["stops"][axis] != second["starts"][axis]:
            return None
    joined = spec.emit(PRIMITIVES["concatenate"], (x.inputs[0], y.inputs[0]), {"axis": axis})
    stops = tuple(second["stops"][i] if i == axis else stop for i, stop in enumerate(first["stops"]))
    made: Tensor = spec.emit(PRIMITIVES["place"], (joined,), {**first, "stops": stops})
    return made


@_rule("place")
def _place(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    (x,) = inputs
    return x if x.shape == tuple(attributes["shape"]) else None


@_rule("subtract")
def _subtract(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    x, y = inputs
    if _is_number(y, 0):
        return x
    if _made_by(y, "negative"):
        return spec.emit(PRIMITIVES["add"], (x, y.inputs[0]), {})
    return None


@_rule("multiply")
def _multiply(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    x, y = inputs
    if _is_number(x, 1):
        return y
    if _is_number(y, 1):
        return x
    if _is_number(x, -1):
        return spec.emit(PRIMITIVES["negative"], (y,), {})
    if _is_number(y, -1):
        return spec.emit(PRIMITIVES["negative"], (x,), {})
    return None


@_rule("divide")
def _divide(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    x, y = inputs
    return x if _is_number(y, 1) else None


@_rule("power")
def _power(spec: Specialiser, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Tensor | None:
    x, y = inputs
    if _is_number(y, 1):
        return x
    if _is_number(y, 2):
        return spec.emit(PRIMITIVES["multiply"], (x, x), {})
    if _is_number(y, 0.5) and is_float(x.dtype):
        return spec.emit(PRIMITIVES["sqrt"], (x,), {})
    return None


def unbroadcast(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    """Inputs without explicit broadcasting, where the primitive would broadcast by itself."""
    if not any(_made_by(x, "broadcast_to") for x in inputs):
        return None
    target = broadcast_shapes(*[x.shape for x in inputs])
    bare = list(inputs)
    changed = False
    for i, x in enumerate(inputs):
        if not _made_by(x, "broadcast_to"):
            continue
        trial = [*bare[:i], x.inputs[0], *bare[i + 1 :]]
        if broadcast_shapes(*[t.shape for t in trial]) == target:
            bare, changed = trial, True
    return tuple(bare) if changed else None


def foldable(tensor: Tensor) -> bool:
    """Whether a tensor is a constant that the host may compute with at specialisation."""
    return isinstance(tensor, Constant) and tensor.dtype != "bfloat16"


def host_value(tensor: Tensor) -> np.ndarray:
    """The value of a constant."""
    assert isinstance(tensor, Constant)
    return tensor.value
