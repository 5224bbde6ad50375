"""What NumPy's functions that compute mean on tensors; ufuncs are in `numpy_protocol`."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras.backend import common, elementwise, making, products, reductions, shapes
from multikeras.backend.einsum import einsum
from multikeras.backend.numpy_protocol import axes_of, meaning, part, refuse, typed
from multikeras.graph import operands
from multikeras.graph.ops import elementwise as ops
from multikeras.graph.ops import shapes as moves
from multikeras.graph.ops.rules import where as select

# -- reductions -----------------------------------------------------------------------------------


@meaning(np.sum)
def _sum(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    refuse("np.sum", out=(out, None))
    return reductions.sum(typed(a, dtype), axis, keepdims)


@meaning(np.prod)
def _prod(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    refuse("np.prod", out=(out, None))
    return reductions.prod(typed(a, dtype), axis, keepdims)


@meaning(np.mean)
def _mean(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    refuse("np.mean", out=(out, None))
    return reductions.mean(typed(a, dtype), axis, keepdims)


@meaning(np.var)
def _var(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0, keepdims: bool = False) -> Any:
    refuse("np.var", out=(out, None))
    number = common.float_tensor(typed(a, dtype))
    made = reductions.var(number, axis, keepdims)
    if not ddof:
        return made
    count = common.count(number, common.all_axes(number, axis, "var"), number.dtype)
    return made * (count / (count - ddof))


@meaning(np.std)
def _std(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: Any = 0, keepdims: bool = False) -> Any:
    refuse("np.std", out=(out, None))
    return elementwise.sqrt(_var(a, axis, dtype, None, ddof, keepdims))


@meaning(np.max, np.amax)
def _max(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    refuse("np.max", out=(out, None))
    return reductions.max(a, axis, keepdims)


@meaning(np.min, np.amin)
def _min(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    refuse("np.min", out=(out, None))
    return reductions.min(a, axis, keepdims)


@meaning(np.ptp)
def _ptp(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    refuse("np.ptp", out=(out, None))
    return reductions.max(a, axis, keepdims) - reductions.min(a, axis, keepdims)


@meaning(np.any)
def _any(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    refuse("np.any", out=(out, None))
    return reductions.any(a, axis, keepdims)


@meaning(np.all)
def _all(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    refuse("np.all", out=(out, None))
    return reductions.all(a, axis, keepdims)


@meaning(np.count_nonzero)
def _count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.sum(making.cast(elementwise.as_bool(a), "int64"), axis, keepdims)


@meaning(np.average)
def _average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    if weights is None:
        return reductions.mean(a, axis, keepdims)
    number, given = (common.float_tensor(t) for t in operands.match(a, weights))
    if given.ndim == 1 and number.ndim > 1:
        place = common.one_axis(number, axis, "average")
        given = common.expand(given, *[i for i in range(number.ndim) if i != place])
    # Weights of one axis count once for each entry along the others.
    spread = given + moves.broadcast_to(operands.scalar(0, given.dtype), shape=common.shape_of(number))
    return reductions.sum(number * given, axis, keepdims) / reductions.sum(spread, axis, keepdims)


def _index_of(function: Any, a: Any, axis: int | None, keepdims: bool) -> Any:
    source = common.tensor(a)
    made = function(source, axis)
    if not keepdims:
        return made
    return common.expand(made, *(range(source.ndim) if axis is None else [common.one_axis(source, axis, "argmax")]))


@meaning(np.argmax)
def _argmax(a: Any, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Any:
    refuse("np.argmax", out=(out, None))
    return _index_of(reductions.argmax, a, axis, keepdims)


@meaning(np.argmin)
def _argmin(a: Any, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Any:
    refuse("np.argmin", out=(out, None))
    return _index_of(reductions.argmin, a, axis, keepdims)


@meaning(np.cumsum)
def _cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    refuse("np.cumsum", out=(out, None))
    return _running(reductions.cumsum, typed(a, dtype), axis)


@meaning(np.cumprod)
def _cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    refuse("np.cumprod", out=(out, None))
    return _running(reductions.cumprod, typed(a, dtype), axis)


def _running(function: Any, a: Any, axis: int | None) -> Any:
    return function(shapes.flatten(a), 0) if axis is None else function(a, axis)


@meaning(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    source = common.tensor(a)
    place = common.one_axis(source, axis, "diff")
    for _ in range(n):
        source = part(source, place, 1, None) - part(source, place, None, -1)
    return ops.identity(source) if n == 0 else source


# -- entry by entry -------------------------------------------------------------------------------


@meaning(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None) -> Any:
    refuse("np.clip", out=(out, None))
    if (a_min is not None or a_max is not None) and (min is not None or max is not None):
        raise ValueError("np.clip takes either a_min and a_max or min and max, received some of both.")
    return elementwise.clip(a, a_min if a_min is not None else min, a_max if a_max is not None else max)


@meaning(np.round, np.around)
def _round(a: Any, decimals: int = 0, out: None = None) -> Any:
    refuse("np.round", out=(out, None))
    if decimals == 0:
        return elementwise.round(a)
    number = common.float_tensor(a)
    return elementwise.round(number * 10.0**decimals) / 10.0**decimals


@meaning(np.where)
def _where(condition: Any, x: Any, y: Any) -> Any:
    return elementwise.where(condition, x, y)


@meaning(np.nan_to_num)
def _nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    refuse("np.nan_to_num", copy=(copy, True))
    number = common.float_tensor(x)
    largest = float(np.finfo("float32" if number.dtype == "bfloat16" else number.dtype).max)
    made = select(ops.isnan(number), nan, number)
    made = select(elementwise.equal(number, float("inf")), largest if posinf is None else posinf, made)
    return select(elementwise.equal(number, float("-inf")), -largest if neginf is None else neginf, made)


@meaning(np.zeros_like)
def _zeros_like(a: Any, dtype: Any = None) -> Any:
    return making.zeros_like(a, dtype)


@meaning(np.ones_like)
def _ones_like(a: Any, dtype: Any = None) -> Any:
    return making.ones_like(a, dtype)


@meaning(np.full_like)
def _full_like(a: Any, fill_value: Any, dtype: Any = None) -> Any:
    ones = making.ones_like(a, dtype)
    return operands.cast(operands.match(ones, fill_value)[1], ones.dtype) * ones


@meaning(np.copy)
def _copy(a: Any) -> Any:
    return making.identity(a)


# -- products -------------------------------------------------------------------------------------


@meaning(np.dot)
def _dot(a: Any, b: Any, out: None = None) -> Any:
    refuse("np.dot", out=(out, None))
    return products.dot(a, b)


@meaning(np.einsum)
def _einsum(*operands: Any, optimize: Any = False) -> Any:
    return einsum(*operands)


@meaning(np.outer, np.linalg.outer)
def _outer(a: Any, b: Any, out: None = None) -> Any:
    refuse("np.outer", out=(out, None))
    x, y = operands.match(a, b)
    return common.expand(shapes.flatten(x), 1) * shapes.flatten(y)


@meaning(np.vdot)
def _vdot(a: Any, b: Any, /) -> Any:
    x, y = operands.match(a, b)
    return reductions.sum(shapes.flatten(x) * shapes.flatten(y))


@meaning(np.inner)
def _inner(a: Any, b: Any, /) -> Any:
    x, y = operands.match(a, b)
    return x * y if not x.ndim or not y.ndim else _tensordot(x, y, ([-1], [-1]))


@meaning(np.tensordot, np.linalg.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    x, y = operands.match(a, b)
    if isinstance(axes, (int, np.integer)):
        axes = list(range(x.ndim - int(axes), x.ndim)), list(range(int(axes)))
    first, second = axes_of(x, axes[0], "tensordot"), axes_of(y, axes[1], "tensordot")
    if len(first) != len(second):
        raise ValueError(f"np.tensordot: as many axes of the first as of the second are summed, received {axes!r}.")
    letters = [chr(ord("a") + i) for i in range(x.ndim + y.ndim)]
    of_x, of_y = letters[: x.ndim], letters[x.ndim :]
    for i, j in zip(first, second, strict=True):
        of_y[j] = of_x[i]
    kept = [c for i, c in enumerate(of_x) if i not in first] + [c for j, c in enumerate(of_y) if j not in second]
    return einsum(f"{''.join(of_x)},{''.join(of_y)}->{''.join(kept)}", x, y)
