"""Which keys a query sees: masks of the inputs, a mask of pairs, and bands, as one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from multikeras import backend as K


def earlier(queries: Any, keys: Any) -> Any:
    """Which keys do not come after a query, `(queries, keys)`; the lengths may be tensors of K.shape."""
    return K.greater_equal(*_places(queries, keys))


def _places(queries: Any, keys: Any) -> tuple[Any, Any]:
    """The places of queries as a column, and those of keys as a row."""
    return K.expand_dims(K.arange(queries), 1), K.expand_dims(K.arange(keys), 0)


def seen_by(
    name: str,
    masks: Sequence[Any],
    attention_mask: Any,
    count: int,
    ndim: int,
    queries: Any,
    keys: Any,
    sliding_window: int | None,
) -> Any:
    """Which keys each query sees, as a tensor that broadcasts to `(batch, …, heads, queries, keys)`.

    Args:
        name: Name of the layer, for messages.
        masks: Those of query, value and key, `(batch, *places)` or None.
        attention_mask: `(batch, …, *queries, *keys)` or None.
        count: Number of attention axes.
        ndim: Number of axes of the result.
        queries: How many queries there are along all of them.
        keys: Likewise of keys.
        sliding_window: Distance that a key is nearer than, or None.

    Returns:
        The tensor of booleans; None where every query sees every key.
    """
    found = []
    for mask, axis in zip(masks, (-1, -2, -2), strict=True):
        if mask is not None:
            if K.ndim(mask) != count + 1:
                raise ValueError(
                    f"Layer {name!r} (MultiHeadAttention): the mask of an input has {count + 1} axes, the batch and "
                    f"those of attention; received shape {K.int_shape(mask)}. Give attention_mask instead."
                )
            flat = mask if count == 1 else K.reshape(mask, (K.shape(mask)[0], -1))
            found.append(_widened(K.expand_dims(K.cast(flat, "bool"), axis), ndim))
    if attention_mask is not None:
        found.append(_widened(_of_pairs(name, attention_mask, count, queries, keys), ndim))
    if sliding_window is not None:
        if count > 1:
            raise ValueError(
                f"Layer {name!r} (MultiHeadAttention): sliding_window needs one attention axis, and there are {count}."
            )
        here, there = _places(queries, keys)
        found.append(K.less(K.abs(here - there), sliding_window))
    return reduce(K.logical_and, found) if found else None


def _widened(mask: Any, ndim: int) -> Any:
    """A mask `(batch, …, queries, keys)` with axes of length 1 before the queries, for heads and other axes."""
    while K.ndim(mask) < ndim:
        mask = K.expand_dims(mask, -3)
    return mask


def _of_pairs(name: str, mask: Any, count: int, queries: Any, keys: Any) -> Any:
    made = K.cast(mask, "bool")
    before = K.ndim(made) - 2 * count
    if before < 0:
        raise ValueError(
            f"Layer {name!r} (MultiHeadAttention): attention_mask has the axes (batch, queries, keys) at least, "
            f"received shape {K.int_shape(made)} for {count} attention axes."
        )
    if count > 1:
        lengths = [K.shape(made)[i] for i in range(before)]
        made = K.reshape(made, [*lengths, queries, keys])
    return made
