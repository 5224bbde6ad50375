"""Primitives as operators of ONNX: a function for each, from tensors to the name of the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from multikeras.graph.tensor import Tensor
from multikeras.saving.onnx.export import Graph, element_type

#: By name of the primitive: `(graph, result, *inputs, **attributes)` gives the name, or the names, of the results.
OPERATORS: dict[str, Callable[..., Any]] = {}

_SAME = {
    "abs": "Abs",
    "add": "Add",
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
    "divide": "Div",
    "equal": "Equal",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "identity": "Identity",
    "isnan": "IsNaN",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "log": "Log",
    "logical_and": "And",
    "logical_not": "Not",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "matmul": "MatMul",
    "multiply": "Mul",
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
    "subtract": "Sub",
    "tan": "Tan",
    "tanh": "Tanh",
    "where": "Where",
}


def _plain(kind: str) -> Callable[..., str]:
    return lambda graph, result, *inputs, **attributes: graph.node(kind, [graph.name_of(x) for x in inputs])


OPERATORS.update({name: _plain(kind) for name, kind in _SAME.items()})


def _operator(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        OPERATORS[name] = function
        return function

    return keep


# -- element by element -------------------------------------------------------------------------


@_operator("expm1")
def _expm1(graph: Graph, result: Tensor, x: Tensor) -> str:
    return graph.node("Sub", [graph.node("Exp", [graph.name_of(x)]), graph.constant(1, x.dtype)])


@_operator("log1p")
def _log1p(graph: Graph, result: Tensor, x: Tensor) -> str:
    return graph.node("Log", [graph.node("Add", [graph.name_of(x), graph.constant(1, x.dtype)])])


@_operator("isfinite")
def _isfinite(graph: Graph, result: Tensor, x: Tensor) -> str:
    name = graph.name_of(x)
    return graph.node("Not", [graph.node("Or", [graph.node("IsNaN", [name]), graph.node("IsInf", [name])])])


@_operator("not_equal")
def _not_equal(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
    return graph.node("Not", [graph.node("Equal", [graph.name_of(x), graph.name_of(y)])])


@_operator("remainder")
def _remainder(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
    names = [graph.name_of(x), graph.name_of(y)]
    if not x.dtype.startswith("float"):
        return graph.node("Mod", names)
    whole = graph.node("Floor", [graph.node("Div", names)])
    return graph.node("Sub", [names[0], graph.node("Mul", [whole, names[1]])])


@_operator("floor_divide")
def _floor_divide(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
    names = [graph.name_of(x), graph.name_of(y)]
    if x.dtype.startswith("float"):
        return graph.node("Floor", [graph.node("Div", names)])
    return graph.node("Div", [graph.node("Sub", [names[0], graph.node("Mod", names)]), names[1]])


def _extremum(kind: str, boolean: str) -> Callable[..., str]:
    def make(graph: Graph, result: Tensor, x: Tensor, y: Tensor) -> str:
        return graph.node(boolean if x.dtype == "bool" else kind, [graph.name_of(x), graph.name_of(y)])

    return make


OPERATORS["maximum"] = _extremum("Max", "Or")
OPERATORS["minimum"] = _extremum("Min", "And")


def _cast(graph: Graph, name: str, dtype: str) -> str:
    return graph.node("Cast", [name], to=element_type(dtype))


@_operator("cast")
def _cast_operator(graph: Graph, result: Tensor, x: Tensor, dtype: str) -> str:
    return _cast(graph, graph.name_of(x), dtype)


# -- reductions ---------------------------------------------------------------------------------


def _reduction(kind: str) -> Callable[..., str]:
    def make(graph: Graph, result: Tensor, x: Tensor, axis: Sequence[int], keepdims: bool) -> str:
        if not axis:
            return graph.node("Identity", [graph.name_of(x)])
        return graph.node(kind, [graph.name_of(x), graph.constant(axis)], keepdims=int(keepdims))

    return make


def _reduction_of_flags(kind: str) -> Callable[..., str]:
    def make(graph: Graph, result: Tensor, x: Tensor, axis: Sequence[int], keepdims: bool) -> str:
        numbers = _cast(graph, graph.name_of(x), "int32")
        if axis:
            numbers = graph.node(kind, [numbers, graph.constant(axis)], keepdims=int(keepdims))
        return _cast(graph, numbers, "bool")

    return make


OPERATORS.update({f"reduce_{name}": _reduction(f"Reduce{name.title()}") for name in ("sum", "prod", "max", "min")})
OPERATORS["reduce_any"] = _reduction_of_flags("ReduceMax")
OPERATORS["reduce_all"] = _reduction_of_flags("ReduceMin")


@_operator("argmax")
def _argmax(graph: Graph, result: Tensor, x: Tensor, axis: int) -> str:
    return graph.node("ArgMax", [graph.name_of(x)], axis=axis, keepdims=0)


@_operator("argmin")
def _argmin(graph: Graph, result: Tensor, x: Tensor, axis: int) -> str:
    return graph.node("ArgMin", [graph.name_of(x)], axis=axis, keepdims=0)


@_operator("cumsum")
def _cumsum(graph: Graph, result: Tensor, x: Tensor, axis: int, reverse: bool) -> str:
    return graph.node("CumSum", [graph.name_of(x), graph.constant(axis)], reverse=int(reverse))


@_operator("softmax")
def _softmax(graph: Graph, result: Tensor, x: Tensor) -> str:
    return graph.node("Softmax", [graph.name_of(x)], axis=-1)


@_operator("log_softmax")
def _log_softmax(graph: Graph, result: Tensor, x: Tensor) -> str:
    return graph.node("LogSoftmax", [graph.name_of(x)], axis=-1)


# -- shapes -------------------------------------------------------------------------------------


def vector(graph: Graph, entries: Any) -> str:
    """A vector of integers: numbers and integer tensors, or one tensor."""
    if isinstance(entries, Tensor):
        return _cast(graph, graph.name_of(entries), "int64")
    if not any(isinstance(entry, Tensor) for entry in entries):
        return graph.constant(list(entries))
    parts = [
        graph.node("Reshape", [_cast(graph, graph.name_of(e), "int64"), graph.constant([1])])
        if isinstance(e, Tensor)
        else graph.constant([e])
        for e in entries
    ]
    return graph.node("Concat", parts, axis=0)


@_operator("shape")
def _shape(graph: Graph, result: Tensor, x: Tensor) -> str:
    return graph.node("Shape", [graph.name_of(x)])


@_operator("reshape")
def _reshape(graph: Graph, result: Tensor, x: Tensor, shape: Any) -> str:
    return graph.node("Reshape", [graph.name_of(x), vector(graph, shape)])


@_operator("expand_dims")
def _expand_dims(graph: Graph, result: Tensor, x: Tensor, axis: Sequence[int]) -> str:
    return graph.node("Unsqueeze", [graph.name_of(x), graph.constant(axis)])


@_operator("squeeze")
def _squeeze(graph: Graph, result: Tensor, x: Tensor, axis: Sequence[int]) -> str:
    return graph.node("Squeeze", [graph.name_of(x), graph.constant(axis)])


def transposed(graph: Graph, name: str, permutation: Sequence[int]) -> str:
    """A value with its axes in another order."""
    return graph.node("Transpose", [name], perm=list(permutation))


@_operator("transpose")
def _transpose(graph: Graph, result: Tensor, x: Tensor, permutation: Sequence[int]) -> str:
    return transposed(graph, graph.name_of(x), permutation)


@_operator("broadcast_to")
def _broadcast_to(graph: Graph, result: Tensor, x: Tensor, shape: Any) -> str:
    return graph.node("Expand", [graph.name_of(x), vector(graph, shape)])


@_operator("concatenate")
def _concatenate(graph: Graph, result: Tensor, *tensors: Tensor, axis: int) -> str:
    return graph.node("Concat", [graph.name_of(x) for x in tensors], axis=axis)


@_operator("split")
def _split(graph: Graph, result: Tensor, x: Tensor, axis: int, sizes: Sequence[int]) -> list[str]:
    names = [graph.fresh("split") for _ in sizes]
    graph.node("Split", [graph.name_of(x), graph.constant(sizes)], names, axis=axis)
    return names


@_operator("slice")
def _slice(graph: Graph, result: Tensor, x: Tensor, starts: Any, stops: Any, steps: Any) -> str:
    if any(isinstance(each, Tensor) for each in (starts, stops, steps)):
        parts = [vector(graph, each) for each in (starts, stops, steps)]
        return graph.node("Slice", [graph.name_of(x), parts[0], parts[1], graph.constant(range(x.ndim)), parts[2]])
    axes = [i for i in range(x.ndim) if (starts[i], stops[i], steps[i]) != (None, None, 1)]
    if not axes:
        return graph.node("Identity", [graph.name_of(x)])
    begins = vector(graph, [0 if starts[i] is None else starts[i] for i in axes])
    ends = vector(graph, [np.iinfo(np.int64).max if stops[i] is None else stops[i] for i in axes])
    strides = graph.constant([steps[i] or 1 for i in axes])
    return graph.node("Slice", [graph.name_of(x), begins, ends, graph.constant(axes), strides])


@_operator("flip")
def _flip(graph: Graph, result: Tensor, x: Tensor, axis: Sequence[int]) -> str:
    last = graph.constant([-1] * len(axis))
    before = graph.constant([np.iinfo(np.int64).min] * len(axis))
    return graph.node("Slice", [graph.name_of(x), last, before, graph.constant(axis), last])


@_operator("pad")
def _pad(graph: Graph, result: Tensor, x: Tensor, padding: Any, value: Any) -> str:
    amounts = [before for before, _ in padding] + [behind for _, behind in padding]
    return graph.node("Pad", [graph.name_of(x), graph.constant(amounts), graph.constant(value, x.dtype)])


@_operator("gather")
def _gather(graph: Graph, result: Tensor, x: Tensor, indices: Tensor, axis: int) -> str:
    return graph.node("Gather", [graph.name_of(x), graph.name_of(indices)], axis=axis)


@_operator("take_along_axis")
def _take_along_axis(graph: Graph, result: Tensor, x: Tensor, indices: Tensor, axis: int) -> str:
    return graph.node("GatherElements", [graph.name_of(x), graph.name_of(indices)], axis=axis)


@_operator("iota")
def _iota(graph: Graph, result: Tensor, length: Any, dtype: str) -> str:
    end = graph.name_of(length) if isinstance(length, Tensor) else graph.constant(length)
    end = graph.node("Reshape", [_cast(graph, end, "int64"), graph.constant([], "int64")])
    return _cast(graph, graph.node("Range", [graph.constant(0), end, graph.constant(1)]), dtype)


@_operator("top_k")
def _top_k(graph: Graph, result: Tensor, x: Tensor, k: int) -> list[str]:
    names = [graph.fresh("top"), graph.fresh("top")]
    graph.node("TopK", [graph.name_of(x), graph.constant([k])], names, axis=-1)
    return [names[0], _cast(graph, names[1], str(result.known[1]))]


def _sorted(which: int) -> Callable[..., str]:
    def make(graph: Graph, result: Tensor, x: Tensor, axis: int) -> str:
        name = graph.name_of(x)
        length = graph.node("Gather", [graph.node("Shape", [name]), graph.constant([axis])])
        names = [graph.fresh("sorted"), graph.fresh("sorted")]
        graph.node("TopK", [name, length], names, axis=axis, largest=0)
        return _cast(graph, names[which], result.dtype)

    return make


OPERATORS["sort"] = _sorted(0)
OPERATORS["argsort"] = _sorted(1)
