"""What is known of small integer tensors before anything runs.

Shape rules read it, so that `K.reshape(x, (K.shape(x)[0], -1, 4))` still has a static shape of
`(None, None, 4)` and layers after it can be built. An entry is an int, or None where unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

DTYPES = frozenset({"int32", "int64"})
_LIMIT = 64
#: What is no longer an int64 when it runs is not known: a graph of a few squares would take all memory here.
_INT64 = 1 << 63


def of(tensor: Any) -> Any:
    """The known entries of a tensor, all None where nothing is known.

    Raises:
        ValueError: If it is no scalar or vector of known length.
    """
    if tensor.known is not None:
        return tensor.known
    if tensor.ndim == 0:
        return None
    if tensor.ndim > 1 or tensor.shape[0] is None or tensor.shape[0] > _LIMIT:
        raise ValueError(
            f"{tensor!r} cannot stand for a shape: expected a scalar or a vector of known length (at most {_LIMIT}) "
            f"with integer entries, received shape {tensor.shape}."
        )
    return (None,) * tensor.shape[0]


def _int64(number: int) -> int | None:
    return number if -_INT64 <= number < _INT64 else None


def _elementwise(operate: Callable[[int, int], int]) -> Callable[..., Any]:
    def one(p: int, q: int) -> int | None:
        return _int64(operate(p, q))

    def rule(x: Any, y: Any) -> Any:
        a, b = x.known, y.known
        if a is None or b is None:
            return None
        if isinstance(a, int) and isinstance(b, int):
            return one(a, b)
        length = len(a) if isinstance(a, tuple) else len(b)
        a = a if isinstance(a, tuple) else (a,) * length
        b = b if isinstance(b, tuple) else (b,) * length
        if len(a) != len(b):
            return None
        return tuple(None if p is None or q is None else one(p, q) for p, q in zip(a, b, strict=True))

    return rule


def _slice(x: Any, starts: Any, stops: Any, steps: Any) -> Any:
    bounds = (*starts, *stops, *steps)
    if not isinstance(x.known, tuple) or any(not isinstance(b, (int, type(None))) for b in bounds):
        return None
    return x.known[slice(starts[0], stops[0], steps[0])]


def _reshape(x: Any, shape: Any) -> Any:
    if x.known is None:
        return None
    flat = x.known if isinstance(x.known, tuple) else (x.known,)
    if len(shape) == 0:
        return flat[0]
    return flat if len(shape) == 1 else None


def _squeeze(x: Any, axis: Any) -> Any:
    return x.known[0] if isinstance(x.known, tuple) and len(x.known) == 1 else None


def _expand(x: Any, axis: Any) -> Any:
    return (x.known,) if x.ndim == 0 and x.known is not None else None


def _concatenate(*tensors: Any, axis: int) -> Any:
    lengths = [t.shape[0] for t in tensors]
    if None in lengths or sum(lengths) > _LIMIT:
        return None
    parts = [t.known if t.known is not None else (None,) * t.shape[0] for t in tensors]
    return tuple(entry for part in parts for entry in part)


def _gather(x: Any, indices: Any, axis: int) -> Any:
    if not isinstance(x.known, tuple) or indices.known is None:
        return None
    picked = indices.known
    if isinstance(picked, int):
        return x.known[picked] if -len(x.known) <= picked < len(x.known) else None
    return tuple(None if i is None else x.known[i] for i in picked)


def _product(x: Any, axis: Any, keepdims: bool) -> Any:
    if not isinstance(x.known, tuple) or None in x.known or keepdims:
        return None
    return _int64(prod(x.known))


def _sum(x: Any, axis: Any, keepdims: bool) -> Any:
    if not isinstance(x.known, tuple) or None in x.known or keepdims:
        return None
    return _int64(sum(x.known))


#: By primitive name: the known entries of the result.
RULES: dict[str, Callable[..., Any]] = {
    "shape": lambda x: x.shape,
    "add": _elementwise(lambda a, b: a + b),
    "subtract": _elementwise(lambda a, b: a - b),
    "multiply": _elementwise(lambda a, b: a * b),
    "floor_divide": _elementwise(lambda a, b: a // b if b else 0),
    "maximum": _elementwise(max),
    "minimum": _elementwise(min),
    "cast": lambda x, dtype: x.known,
    "identity": lambda x: x.known,
    "slice": _slice,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": _expand,
    "concatenate": _concatenate,
    "gather": _gather,
    "reduce_prod": _product,
    "reduce_sum": _sum,
}
