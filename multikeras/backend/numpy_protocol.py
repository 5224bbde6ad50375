"""What NumPy's functions mean on tensors: K's functions under NumPy's argument names and defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikeras.backend import elementwise, making, products, reductions, shapes
from multikeras.graph import operands
from multikeras.graph.ops import elementwise as ops
from multikeras.graph.tensor import Tensor


def _sqrt(x: Any) -> Any:
    # NumPy's root of a negative number is NaN; K.sqrt counts it as 0.
    return ops.sqrt(operands.convert(x))


def _flat(x: Any) -> Tensor:
    return shapes.flatten(x)


def _argmax(x: Any, axis: int | None = None) -> Any:
    return reductions.argmax(x, axis)


def _argmin(x: Any, axis: int | None = None) -> Any:
    return reductions.argmin(x, axis)


def _clip(x: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None) -> Any:
    return elementwise.clip(x, a_min if a_min is not None else min, a_max if a_max is not None else max)


def _reshape(x: Any, shape: Any) -> Any:
    return shapes.reshape(x, shape)


def _transpose(x: Any, axes: Any = None) -> Any:
    return shapes.transpose(x) if axes is None else shapes.permute_dimensions(x, axes)


def _squeeze(x: Any, axis: Any = None) -> Any:
    source = operands.convert(x)
    return shapes.squeeze(source, [i for i, n in enumerate(source.shape) if n == 1] if axis is None else axis)


def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    if axis is None:
        return shapes.concatenate([_flat(x) for x in arrays], 0)
    return shapes.concatenate(arrays, axis)


def _stack(arrays: Any, axis: int = 0) -> Any:
    return shapes.stack(arrays, axis)


def _repeat(x: Any, repeats: int, axis: int | None = None) -> Any:
    return shapes.repeat_elements(_flat(x), repeats, 0) if axis is None else shapes.repeat_elements(x, repeats, axis)


def _cumsum(x: Any, axis: int | None = None) -> Any:
    return reductions.cumsum(_flat(x), 0) if axis is None else reductions.cumsum(x, axis)


def _tile(x: Any, reps: Any) -> Any:
    return shapes.tile(x, reps)


def _flip(x: Any, axis: Any = None) -> Any:
    source = operands.convert(x)
    return shapes.reverse(source, list(range(source.ndim)) if axis is None else axis)


def _round(x: Any, decimals: int = 0) -> Any:
    if decimals:
        raise TypeError(f"K.round, called through NumPy, rounds to whole numbers; received decimals={decimals}.")
    return elementwise.round(x)


#: By the names that `multikeras.graph.operands` asks for.
TABLE: dict[str, Callable[..., Any]] = {
    "np_sqrt": _sqrt,
    "divide": operands.divide,
    "pow": elementwise.pow,
    "abs": elementwise.abs,
    "square": elementwise.square,
    "exp": elementwise.exp,
    "expm1": elementwise.expm1,
    "log": elementwise.log,
    "log1p": elementwise.log1p,
    "sin": elementwise.sin,
    "cos": elementwise.cos,
    "tan": elementwise.tan,
    "round": _round,
    "floor": elementwise.floor,
    "ceil": elementwise.ceil,
    "logical_not": elementwise.logical_not,
    "logical_and": elementwise.logical_and,
    "logical_or": elementwise.logical_or,
    "isnan": elementwise.isnan,
    "isfinite": elementwise.isfinite,
    "matmul": products.matmul,
    "dot": products.dot,
    "sum": reductions.sum,
    "mean": reductions.mean,
    "prod": reductions.prod,
    "max": reductions.max,
    "min": reductions.min,
    "var": reductions.var,
    "std": reductions.std,
    "any": reductions.any,
    "all": reductions.all,
    "argmax": _argmax,
    "argmin": _argmin,
    "clip": _clip,
    "reshape": _reshape,
    "permute_dimensions": _transpose,
    "squeeze": _squeeze,
    "expand_dims": shapes.expand_dims,
    "concatenate": _concatenate,
    "stack": _stack,
    "where": elementwise.where,
    "zeros_like": making.zeros_like,
    "ones_like": making.ones_like,
    "repeat_elements": _repeat,
    "cumsum": _cumsum,
    "tile": _tile,
    "reverse": _flip,
}


def install() -> None:
    """Gives the table to the graph."""
    operands.set_functions(TABLE)
