"""Primitives as operators of ONNX: a function for each, from tensors to the name of the result.

Here are those that compute; `shapes` has those that move entries, `windows` convolution and pooling, `control` loops
and branches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from multikeras.contract import is_float
from multikeras.graph.tensor import Tensor
from multikeras.saving.onnx.graph import Graph

#: By name of the primitive: `(graph, result, *inputs, **attributes)` gives the name, or the names, of the results.
OPERATORS: dict[str, Callable[..., Any]] = {}


def operator(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function that of a primitive."""

    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        OPERATORS[name] = function
        return function

    return keep


#: Operators whose result has the type of the operands.
_SAME = {
    "abs": "Abs",
    "arccos": "Acos",
    "arccosh": "Acosh",
    "arcsin": "Asin",
    "arcsinh": "Asinh",
    "arctan": "Atan",
    "arctanh": "Atanh",
    "bitwise_and": "BitwiseAnd",
    "bitwise_or": "BitwiseOr",
    "bitwise_xor": "BitwiseXor",
    "ceil": "Ceil",
    "cos": "Cos",
    "cosh": "Cosh",
    "det": "Det",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "identity": "Identity",
    "log": "Log",
    "logical_and": "And",
    "logical_not": "Not",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "matmul": "MatMul",
    "negative": "Neg",
    "power": "Pow",
    "relu": "Relu",
    "round": "Round",
    "sigmoid": "Sigmoid",
    "sign": "Sign",
    "sin": "Sin",
    "sinh": "Sinh",
    "softplus": "Softplus",
    "sqrt": "Sqrt",
    "stop_gradient": "Identity",
    "tan": "Tan",
    "tanh": "Tanh",
}

#: Operators that give booleans.
_FLAGS = {
    "equal": "Equal",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "isnan": "IsNaN",
    "less": "Less",
    "less_equal": "LessOrEqual",
}


def _plain(kind: str, back: bool) -> Callable[..., str]:
    return lambda graph, result, *inputs: graph.typed(kind, graph.names_of(inputs), inputs[0].dtype, back=back)


OPERATORS.update({name: _plain(kind, True) for name, kind in _SAME.items()})
OPERATORS.update({name: _plain(kind, False) for name, kind in _FLAGS.items()})


def _unless_neutral(kind: str, neutral: int, both: bool) -> Callable[..., str]:
    """An operator that leaves a tensor as it is beside a certain number."""

    def make(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
        for one, other in ((x, y), (y, x))[: 2 if both else 1]:
            if one.shape == result.shape and graph.fixed.is_number(other, neutral):
                return graph.name_of(one)
        return graph.typed(kind, graph.names_of([x, y]), x.dtype)

    return make


OPERATORS["multiply"] = _unless_neutral("Mul", 1, True)
OPERATORS["add"] = _unless_neutral("Add", 0, True)
OPERATORS["subtract"] = _unless_neutral("Sub", 0, False)


# -- element by element -------------------------------------------------------------------------


@operator("where")
def _where(graph: Graph, result: Tensor, condition: Tensor, x: Tensor, y: Tensor) -> str:
    # The condition comes first and keeps its type.
    chosen = [graph.name_of(x), graph.name_of(y)]
    here = graph.held(x.dtype)
    from multikeras.saving.onnx.types import working

    inside = working("Where", here)
    names = [graph.cast(name, here, inside) for name in chosen]
    return graph.cast(graph.node("Where", [graph.name_of(condition), *names]), inside, here)


@operator("expm1")
def _expm1(graph: Graph, result: Tensor, x: Tensor) -> str:
    return graph.node("Sub", [graph.node("Exp", [graph.name_of(x)]), graph.constant(1, x.dtype)])


@operator("log1p")
def _log1p(graph: Graph, result: Tensor, x: Tensor) -> str:
    return graph.node("Log", [graph.node("Add", [graph.name_of(x), graph.constant(1, x.dtype)])])


@operator("isfinite")
def _isfinite(graph: Graph, result: Tensor, x: Tensor) -> str:
    name = graph.name_of(x)
    infinite = graph.typed("IsInf", [name], x.dtype, back=False)
    return graph.node("Not", [graph.node("Or", [graph.node("IsNaN", [name]), infinite])])


@operator("not_equal")
def _not_equal(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
    return graph.node("Not", [graph.typed("Equal", graph.names_of([x, y]), x.dtype, back=False)])


def _whole(graph: Graph, x: Tensor, names: Sequence[str]) -> str:
    """The largest whole number not above a quotient."""
    if is_float(x.dtype):
        return graph.node("Floor", [graph.node("Div", names)])
    rest = graph.typed("Mod", names, x.dtype)
    return graph.typed("Div", [graph.typed("Sub", [names[0], rest], x.dtype), names[1]], x.dtype)


@operator("remainder")
def _remainder(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
    names = graph.names_of([x, y])
    if not is_float(x.dtype):
        return graph.typed("Mod", names, x.dtype)
    return graph.node("Sub", [names[0], graph.node("Mul", [_whole(graph, x, names), names[1]])])


@operator("floor_divide")
def _floor_divide(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
    return _whole(graph, x, graph.names_of([x, y]))


def _extremum(kind: str, boolean: str) -> Callable[..., str]:
    def make(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
        names = graph.names_of([x, y])
        return graph.node(boolean, names) if x.dtype == "bool" else graph.typed(kind, names, x.dtype)

    return make


OPERATORS["maximum"] = _extremum("Max", "Or")
OPERATORS["minimum"] = _extremum("Min", "And")


@operator("cast")
def _cast(graph: Graph, result: Tensor, x: Tensor, dtype: str) -> str:
    name = graph.name_of(x)
    if dtype == "bfloat16" and x.dtype != "bfloat16":
        # Values are rounded to the type, though they are held in a wider one.
        return graph.cast(graph.cast(name, graph.held(x.dtype), dtype), dtype, graph.held(dtype))
    return graph.cast(name, graph.held(x.dtype), graph.held(dtype))


def _shift(graph: Graph, x: Tensor, y: Tensor) -> tuple[list[str], str]:
    """The operands as int64, and 2 to the power y."""
    wide = [graph.cast(name, x.dtype, "int64") for name in graph.names_of([x, y])]
    return wide, graph.node("Pow", [graph.constant(2), wide[1]])


@operator("shift_left")
def _shift_left(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
    (value, _), factor = _shift(graph, x, y)
    return graph.cast(graph.node("Mul", [value, factor]), "int64", x.dtype)


@operator("shift_right")
def _shift_right(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
    if x.dtype in ("uint8", "uint32", "uint64"):
        return graph.node("BitShift", graph.names_of([x, y]), direction="RIGHT")
    (value, _), factor = _shift(graph, x, y)
    rest = graph.node("Mod", [value, factor])
    return graph.cast(graph.node("Div", [graph.node("Sub", [value, rest]), factor]), "int64", x.dtype)


@operator("arctan2")
def _arctan2(graph: Graph, result: Tensor, y: Tensor, x: Tensor) -> str:
    # 1 / x tells the two zeros apart, whose angles lie half a turn from each other.
    names, zero = graph.names_of([y, x]), graph.constant(0, y.dtype)

    def negative(name: str) -> str:
        inverse = graph.node("Div", [graph.constant(1, y.dtype), name])
        return graph.node("Or", [graph.node("Less", [name, zero]), graph.node("Less", [inverse, zero])])

    def chosen(condition: str, one: str, other: str) -> str:
        return graph.node("Where", [condition, one, other])

    turn = chosen(negative(names[0]), graph.constant(-np.pi, y.dtype), graph.constant(np.pi, y.dtype))
    infinite = [graph.typed("IsInf", [name], y.dtype, back=False) for name in names]
    # Two infinite coordinates make an eighth of a turn.
    both = graph.node("And", infinite)
    finite = [chosen(both, graph.node("Sign", [name]), name) for name in names]
    slope = graph.node("Atan", [graph.node("Div", finite)])
    # Zeros in both places have no quotient.
    angle = chosen(graph.node("Equal", [names[0], zero]), graph.node("Mul", [turn, zero]), slope)
    return graph.node("Add", [angle, chosen(negative(names[1]), turn, zero)])


# -- reductions ---------------------------------------------------------------------------------


def _reduction(kind: str) -> Callable[..., str]:
    def make(graph: Graph, result: Tensor, x: Tensor, axis: Sequence[int], keepdims: bool) -> str:
        if not axis:
            return graph.name_of(x)
        return graph.typed(kind, [graph.name_of(x)], x.dtype, [graph.constant(axis)], keepdims=int(keepdims))

    return make


OPERATORS.update({f"reduce_{name}": _reduction(f"Reduce{name.title()}") for name in ("sum", "prod", "max", "min")})
OPERATORS["reduce_all"] = OPERATORS["reduce_min"]


@operator("reduce_any")
def _reduce_any(graph: Graph, result: Tensor, x: Tensor, axis: Sequence[int], keepdims: bool) -> str:
    if not axis:
        return graph.name_of(x)
    numbers = graph.cast(graph.name_of(x), "bool", "int32")
    largest = graph.node("ReduceMax", [numbers, graph.constant(axis)], keepdims=int(keepdims))
    # The largest of no numbers is the least there is.
    return graph.node("Greater", [largest, graph.constant(0, "int32")])


def _place(kind: str) -> Callable[..., str]:
    return lambda graph, result, x, axis: graph.typed(
        kind, [graph.name_of(x)], x.dtype, back=False, axis=axis, keepdims=0
    )


OPERATORS["argmax"] = _place("ArgMax")
OPERATORS["argmin"] = _place("ArgMin")


@operator("cumsum")
def _cumsum(graph: Graph, result: Tensor, x: Tensor, axis: int, reverse: bool) -> str:
    return graph.typed("CumSum", [graph.name_of(x)], x.dtype, [graph.constant(axis)], reverse=int(reverse))


@operator("softmax")
def _softmax(graph: Graph, result: Tensor, x: Tensor) -> str:
    return graph.typed("Softmax", [graph.name_of(x)], x.dtype, axis=-1)


@operator("log_softmax")
def _log_softmax(graph: Graph, result: Tensor, x: Tensor) -> str:
    return graph.typed("LogSoftmax", [graph.name_of(x)], x.dtype, axis=-1)


@operator("slogdet")
def _slogdet(graph: Graph, result: Tensor, x: Tensor) -> list[str]:
    made = graph.node("Det", [graph.name_of(x)])
    return [graph.node("Sign", [made]), graph.node("Log", [graph.node("Abs", [made])])]
