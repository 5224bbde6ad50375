"""Attention."""

from __future__ import annotations

from math import sqrt
from typing import Any

from multikeras.backend import common
from multikeras.backend.elementwise import as_bool
from multikeras.contract import is_float
from multikeras.graph import operands
from multikeras.graph.ops import algebra, elementwise, shapes
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor

#: Scores of keys that are left out, beside which the exponential of any other is large.
_LOWEST = -1e30
_LOWEST_FLOAT16 = -6e4


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, mask: Any = None, causal: bool = False, scale: float | None = None
) -> Tensor:
    """Weighted means of values: softmax(query keyᵀ · scale) value.

    Args:
        query: Tensor (…, queries, n).
        key: Tensor (…, keys, n).
        value: Tensor (…, keys, m).
        mask: Tensor that broadcasts to (…, queries, keys): booleans or integers say which keys a
            query sees; floats are added to the scores. None for all keys.
        causal: Whether query i sees the keys up to i only.
        scale: Factor of the scores; None for 1 / sqrt(n).

    Returns:
        Tensor (…, queries, m); zeros for a query that sees no key.

    Raises:
        ValueError: If the shapes do not fit.

    Source: A. Vaswani et al., "Attention Is All You Need", arXiv 1706.03762, equation 1.
    """
    asked, keys = operands.match(query, key)
    asked, values = operands.match(asked, value)
    asked, values = common.float_tensor(asked), common.float_tensor(values)
    keys = operands.cast(keys, asked.dtype)
    _check(asked, keys, values)
    if scale is None:
        width = asked.shape[-1] if asked.shape[-1] is not None else keys.shape[-1]
        factor: Any = 1 / sqrt(width) if width else 1.0
        if width is None:
            factor = 1 / elementwise.sqrt(operands.cast(common.length_of(asked, asked.ndim - 1), asked.dtype))
    else:
        factor = scale
    scores = algebra.matmul(asked * factor, algebra.swap_last(keys))
    seen = None
    if mask is not None:
        given = common.tensor(mask)
        if is_float(given.dtype):
            scores = scores + operands.cast(given, scores.dtype)
        else:
            seen = as_bool(given)
    if causal:
        earlier = _earlier(asked, keys)
        seen = earlier if seen is None else elementwise.logical_and(seen, earlier)
    if seen is None:
        weights = algebra.softmax(scores)
    else:
        # Chosen once more behind the softmax, which of equal lowest scores makes equal weights.
        lowest = _LOWEST_FLOAT16 if scores.dtype == "float16" else _LOWEST
        weights = select(seen, algebra.softmax(select(seen, scores, lowest)), 0)
    made: Tensor = algebra.matmul(weights, values)
    return made


def _earlier(query: Tensor, key: Tensor) -> Tensor:
    """Which keys do not come after a query."""
    here = shapes.iota(length=common.length_of(query, query.ndim - 2), dtype="int32")
    there = shapes.iota(length=common.length_of(key, key.ndim - 2), dtype="int32")
    made: Tensor = elementwise.greater_equal(common.expand(here, 1), common.expand(there, 0))
    return made


def _check(query: Tensor, key: Tensor, value: Tensor) -> None:
    widths = {t.shape[-1] for t in (query, key) if t.ndim > 1} - {None}
    counts = {t.shape[-2] for t in (key, value) if t.ndim > 1} - {None}
    if min(query.ndim, key.ndim, value.ndim) < 2 or len(widths) > 1 or len(counts) > 1:
        raise ValueError(
            "K.scaled_dot_product_attention takes a query (…, queries, n), a key (…, keys, n) and a value "
            f"(…, keys, m), received shapes {query.shape}, {key.shape} and {value.shape}."
        )
