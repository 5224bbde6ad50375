"""Pooling, channels last, and its gradients.

Where the windows tile the array, pooling is a reshape and a reduction: XLA has faster code for that than
for `reduce_window`. The gradient of the maximum finds the place of each window's first maximum and puts
the gradient there, because XLA's own `select_and_scatter` is several times slower on a CPU, and the
gradient of a reshape and a reduction would share it out among ties.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import array, is_float, narrow, widen

Window = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

#: Above so many entries a window's places are no longer written out one by one (compile time).
_MOST_PLACES = 64


def _lowest(dtype: Any) -> Any:
    if jnp.issubdtype(dtype, jnp.floating):
        return np.asarray(-np.inf, dtype)
    return np.asarray(False if dtype == np.bool_ else np.iinfo(dtype).min, dtype)


def _tiles(window: Window, strides: Window, padding: Pairs) -> bool:
    """Whether windows lie side by side, without gap, overlap or padding."""
    return window == strides and all(pair == (0, 0) for pair in padding)


def _tiled(x: jax.Array, window: Window) -> jax.Array:
    """`x` of shape (batch, n, …, channels) as (batch, n // w, w, …, channels), what is left over cut off."""
    counts = tuple(size // width for size, width in zip(x.shape[1:-1], window, strict=True))
    whole = (x.shape[0], *(count * width for count, width in zip(counts, window, strict=True)), x.shape[-1])
    inner = tuple(itertools.chain.from_iterable(zip(counts, window, strict=True)))
    return lax.reshape(lax.slice(x, (0,) * x.ndim, whole), (x.shape[0], *inner, x.shape[-1]))


def _untiled(tiles: jax.Array, window: Window, shape: tuple[int, ...]) -> jax.Array:
    """The way back from `_tiled`, with zeros where something was cut off."""
    sizes = tuple(tiles.shape[1 + 2 * i] * width for i, width in enumerate(window))
    x = lax.reshape(tiles, (shape[0], *sizes, shape[-1]))
    rest = [(0, size - whole, 0) for size, whole in zip(shape, x.shape, strict=True)]
    return x if x.shape == shape else lax.pad(x, np.zeros((), x.dtype), rest)


def _inner_axes(window: Window) -> tuple[int, ...]:
    return tuple(range(2, 2 + 2 * len(window), 2))


def _outer_axes(window: Window) -> tuple[int, ...]:
    return (0, *range(1, 2 * len(window), 2), 1 + 2 * len(window))


def _reduce_windows(
    x: jax.Array, start: Any, operation: Any, window: Window, strides: Window, padding: Pairs
) -> jax.Array:
    return lax.reduce_window(x, start, operation, (1, *window, 1), (1, *strides, 1), ((0, 0), *padding, (0, 0)))


def _max_pool(x: Any, *, window: Window, strides: Window, padding: Pairs, residuals: bool) -> tuple[jax.Array, ...]:
    x = array(x)
    if _tiles(window, strides, padding):
        y = jnp.max(_tiled(x, window), _inner_axes(window))
    else:
        y = _reduce_windows(x, _lowest(x.dtype), lax.max, window, strides, padding)
    # Nothing is saved: XLA finds the maxima again while it spreads the gradient, in one loop.
    return (y, lax.full((), 0, np.int32)) if residuals else (y,)


def _places(window: Window) -> list[tuple[int, ...]]:
    """Offsets of a window's entries, row by row."""
    return list(itertools.product(*map(range, window)))


def _max_pool_gradient(
    g: Any, x: Any, y: Any, residual: Any, *, window: Window, strides: Window, padding: Pairs
) -> jax.Array:
    del residual
    g, x, y = array(g), array(x), array(y)
    if _tiles(window, strides, padding):
        return _tiled_max_gradient(g, x, y, window)
    if math.prod(window) > _MOST_PLACES:
        # `select_and_scatter` also takes the first of equal entries. To it padding is one, minus infinity, and so
        # entries have to be more.
        x = lax.max(x, lax.full_like(x, jnp.finfo(x.dtype).min))
        _, pullback = jax.vjp(lambda x: _reduce_windows(x, _lowest(x.dtype), lax.max, window, strides, padding), x)
        return pullback(g)[0]
    return _spread(g, _first_maximum(x, y, window, strides, padding), x.shape, window, strides, padding)


def _tiled_max_gradient(g: jax.Array, x: jax.Array, y: jax.Array, window: Window) -> jax.Array:
    tiles = _tiled(x, window)
    inner, outer = _inner_axes(window), _outer_axes(window)
    number = lax.reshape(lax.iota(np.int32, math.prod(window)), window)
    number = lax.broadcast_in_dim(number, tiles.shape, inner)
    is_maximum = lax.eq(tiles, lax.broadcast_in_dim(y, tiles.shape, outer))
    if math.prod(window) > _MOST_PLACES:
        none = lax.full(tiles.shape, math.prod(window), np.int32)
        first = jnp.min(lax.select(is_maximum, number, none), inner)
    else:
        first = _first_place([_at(is_maximum, place, inner) for place in _places(window)])
    chosen = lax.eq(number, lax.broadcast_in_dim(first, tiles.shape, outer))
    spread = lax.broadcast_in_dim(g, tiles.shape, outer)
    return _untiled(lax.select(chosen, spread, lax.full_like(spread, 0)), window, x.shape)


def _at(tiles: jax.Array, place: tuple[int, ...], axes: tuple[int, ...]) -> jax.Array:
    """The entries at one place of every tile."""
    starts, stops = [0] * tiles.ndim, list(tiles.shape)
    for axis, index in zip(axes, place, strict=True):
        starts[axis], stops[axis] = index, index + 1
    return lax.squeeze(lax.slice(tiles, starts, stops), axes)


def _first_place(hits: list[jax.Array]) -> jax.Array:
    """The number of the first true entry over the list (the last number where there is none)."""
    first = lax.full(hits[0].shape, len(hits) - 1, np.int32)
    for number in range(len(hits) - 2, -1, -1):
        first = lax.select(hits[number], lax.full_like(first, number), first)
    return first


def _first_maximum(x: jax.Array, y: jax.Array, window: Window, strides: Window, padding: Pairs) -> jax.Array:
    """For each window the number, row by row, of its first entry that equals its maximum `y`."""
    edges = [(0, 0, 0), *((before, after, 0) for before, after in padding), (0, 0, 0)]
    # Padding equals no maximum, be it minus infinity.
    padded = lax.pad(x, np.asarray(np.nan, x.dtype), edges)
    hits = []
    for place in _places(window):
        stops = (
            start + step * (count - 1) + 1 for start, step, count in zip(place, strides, y.shape[1:-1], strict=True)
        )
        entries = lax.slice(padded, (0, *place, 0), (padded.shape[0], *stops, padded.shape[-1]), (1, *strides, 1))
        hits.append(lax.eq(entries, y))
    # Without the barrier XLA works all this out again for every place that reads it.
    return lax.optimization_barrier(_first_place(hits))


def _spread(
    g: jax.Array, first: jax.Array, shape: tuple[int, ...], window: Window, strides: Window, padding: Pairs
) -> jax.Array:
    """Adds each window's gradient to the place chosen in it.

    Places that are equal modulo the strides are summed at the size of `g`; the sums are then interleaved.
    """
    counts = [-(-size // step) for size, step in zip(shape[1:-1], strides, strict=True)]
    zeros = lax.full((shape[0], *counts, shape[-1]), 0, g.dtype)
    sums: dict[tuple[int, ...], jax.Array] = {}
    for number, place in enumerate(_places(window)):
        chosen = lax.select(lax.eq(first, lax.full_like(first, number)), g, lax.full_like(g, 0))
        origin = [offset - before for offset, (before, _) in zip(place, padding, strict=True)]
        moves = [start // step for start, step in zip(origin, strides, strict=True)]
        moved = lax.pad(
            chosen,
            np.zeros((), g.dtype),
            [
                (0, 0, 0),
                *((m, n - m - size, 0) for m, n, size in zip(moves, counts, g.shape[1:-1], strict=True)),
                (0, 0, 0),
            ],
        )
        phase = tuple(start % step for start, step in zip(origin, strides, strict=True))
        sums[phase] = lax.add(sums[phase], moved) if phase in sums else moved
    phases = [sums.get(phase, zeros) for phase in _places(strides)]
    for axis in range(len(strides) - 1, -1, -1):
        step = strides[axis]
        phases = [_stack(phases[i : i + step], axis + 2) for i in range(0, len(phases), step)]
    whole = (shape[0], *(n * step for n, step in zip(counts, strides, strict=True)), shape[-1])
    return lax.slice(lax.reshape(phases[0], whole), (0,) * len(shape), shape)


def _stack(arrays: list[jax.Array], axis: int) -> jax.Array:
    return lax.concatenate([lax.expand_dims(x, (axis,)) for x in arrays], axis)


def _sum_pool(x: Any, *, window: Window, strides: Window, padding: Pairs) -> jax.Array:
    x = array(x)
    wide = widen(x)
    if _tiles(window, strides, padding):
        y = lax.reduce_sum(_tiled(wide, window), _inner_axes(window))
    else:
        y = _reduce_windows(wide, np.zeros((), wide.dtype), lax.add, window, strides, padding)
    return narrow(y, x.dtype)


def _sum_pool_gradient(g: Any, *, shape: tuple[int, ...], window: Window, strides: Window, padding: Pairs) -> jax.Array:
    g = array(g)
    if _tiles(window, strides, padding):
        counts = g.shape[1:-1]
        tiles = tuple(itertools.chain.from_iterable(zip(counts, window, strict=True)))
        spread = lax.broadcast_in_dim(g, (shape[0], *tiles, shape[-1]), _outer_axes(window))
        return _untiled(spread, window, shape)
    transpose = jax.linear_transpose(
        lambda x: _reduce_windows(x, np.zeros((), x.dtype), lax.add, window, strides, padding),
        jax.ShapeDtypeStruct(shape, np.float32 if is_float(g) and g.dtype.itemsize == 2 else g.dtype),
    )
    return narrow(transpose(widen(g))[0], g.dtype)


KERNELS: dict[str, Kernel] = {
    "max_pool": _max_pool,
    "max_pool_gradient": _max_pool_gradient,
    "sum_pool": _sum_pool,
    "sum_pool_gradient": _sum_pool_gradient,
}
