"""Kernels of maximum and sum pooling, channels last, and of their gradients.

Each offset of the window is a strided view of the input, and a result is reduced from these views.
Padding is not stored: it is left out of the views.
"""

from __future__ import annotations

from math import prod
from typing import Any

from multikeras.contract import Array, Kernel
from multikeras_arrays.half import in_float32
from multikeras_arrays.windows import (
    Ints,
    Pairs,
    covers,
    first_inside,
    output_sizes,
    overlaps,
    tiles,
)


def pooling_kernels(xp: Any, *, tile_bytes: int) -> dict[str, Kernel]:
    """Kernels of the pooling primitives over the array module `xp`.

    Args:
        xp: The array module.
        tile_bytes: Working memory of one step.
    """

    def plan(shape: Ints, itemsize: int, window: Ints, strides: Ints, padding: Pairs) -> Any:
        """Shape of the result, what each offset pairs up, and the batch in parts."""
        batch, *sizes, channels = shape
        ones = (1,) * len(window)
        outputs = output_sizes(tuple(sizes), window, strides, padding, ones)
        before = tuple(pad[0] for pad in padding)
        pairs = overlaps(tuple(sizes), outputs, window, strides, before, ones)
        whole = prod(shape[1:]) * itemsize
        return (batch, *outputs, channels), pairs, [part for part, _ in tiles(batch, 1, whole, max(tile_bytes, whole))]

    def max_pool(x: Array, *, window: Ints, strides: Ints, padding: Pairs, residuals: bool) -> tuple[Array, ...]:
        shape, pairs, parts = plan(x.shape, x.dtype.itemsize, window, strides, padding)
        y = xp.empty(shape, x.dtype)
        if not y.size:
            return (y, None) if residuals else (y,)
        number_type = _number_type(prod(window))
        winners = xp.empty(shape, number_type) if residuals else None
        if not pairs:
            # An axis without entries: all windows lie in the padding, and nothing wins.
            y[...] = _lowest(xp, x.dtype)
            return (y, winners) if residuals else (y,)
        whole = covers(pairs[0][1], shape[1:-1])
        # The first that meets the input, which need not be the first of the window.
        start = pairs[0][0]
        if residuals and not whole:
            firsts = first_inside(shape[1:-1], strides, tuple(pad[0] for pad in padding), window)
            start = xp.asarray(firsts, number_type).reshape((*shape[1:-1], 1))
        for images in parts:
            best, part = y[images], x[images]
            if whole:
                best[...] = part[pairs[0][2]]
            else:
                best[...] = _lowest(xp, x.dtype)
            if winners is not None:
                winner = winners[images]
                winner[...] = start
            for number, result, place in pairs[whole:]:
                candidate, best_so_far = part[place], best[result]
                if winners is not None:
                    # Numbers rise, so that the greatest number that won is the last that won.
                    better = xp.greater(candidate, best_so_far).view("uint8").astype(number_type, copy=False)
                    better *= number
                    xp.maximum(winner[result], better, out=winner[result])
                xp.maximum(best_so_far, candidate, out=best_so_far)
        return (y, winners) if residuals else (y,)

    def max_pool_gradient(
        g: Array, x: Array, y: Array, residual: Array, *, window: Ints, strides: Ints, padding: Pairs
    ) -> Array:
        shape, pairs, parts = plan(x.shape, x.dtype.itemsize, window, strides, padding)
        gradient = xp.zeros(x.shape, x.dtype)
        if not g.size:
            return gradient
        apart = all(stride >= width for stride, width in zip(strides, window, strict=True))
        # As integers, since a float infinity times 0 would be NaN.
        bits = f"int{8 * g.dtype.itemsize}"
        for images in parts:
            target, numbers = gradient[images], residual[images]
            arriving = xp.ascontiguousarray(g[images]).view(bits)
            for number, result, place in pairs:
                chosen = xp.equal(numbers[result], number).view("uint8").astype(bits)
                chosen *= arriving[result]
                if apart:
                    target[place] = chosen.view(g.dtype)
                else:
                    target[place] += chosen.view(g.dtype)
        return gradient

    def sum_pool(x: Array, *, window: Ints, strides: Ints, padding: Pairs) -> Array:
        shape, pairs, parts = plan(x.shape, x.dtype.itemsize, window, strides, padding)
        y = xp.zeros(shape, x.dtype)
        for images in parts:
            total, part = y[images], x[images]
            for _, result, place in pairs:
                total[result] += part[place]
        return y

    def sum_pool_gradient(g: Array, *, shape: Ints, window: Ints, strides: Ints, padding: Pairs) -> Array:
        _, pairs, parts = plan(shape, g.dtype.itemsize, window, strides, padding)
        gradient = xp.zeros(shape, g.dtype)
        for images in parts:
            target, part = gradient[images], g[images]
            for _, result, place in pairs:
                target[place] += part[result]
        return gradient

    return {
        "max_pool": max_pool,
        "max_pool_gradient": max_pool_gradient,
        "sum_pool": in_float32(sum_pool),
        "sum_pool_gradient": in_float32(sum_pool_gradient),
    }


def _number_type(entries: int) -> str:
    """The smallest type that numbers the entries of a window."""
    if entries <= 1 << 8:
        return "uint8"
    return "uint16" if entries <= 1 << 16 else "uint32"


def _lowest(xp: Any, dtype: Any) -> Any:
    if dtype.kind == "f":
        return -xp.inf
    return False if dtype.kind == "b" else xp.iinfo(dtype).min
