"""Geometry of sliding windows, shared by convolution and pooling; plain numbers, no arrays.

Along one axis, entry `t` of the result looks at entry `t * stride + offset - before` of the input for
every offset of the window. Leaving out what falls into the padding, each offset pairs a slice of the
result with a slice of the input, and padding need never be stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from math import prod

Ints = tuple[int, ...]
Pairs = tuple[Ints, ...]
Index = tuple[slice, ...]


def output_sizes(sizes: Ints, window: Ints, strides: Ints, padding: Pairs, dilation: Ints) -> Ints:
    """How many windows fit along each spatial axis."""
    return tuple(
        max(0, (size + sum(pad) - (width - 1) * step - 1) // stride + 1)
        for size, width, stride, pad, step in zip(sizes, window, strides, padding, dilation, strict=True)
    )


@lru_cache(maxsize=1024)
def overlaps(
    sizes: Ints, outputs: Ints, window: Ints, strides: Ints, before: Ints, dilation: Ints
) -> tuple[tuple[int, Index, Index], ...]:
    """What each offset of the window pairs up, for the offsets that meet the input at all.

    Args:
        sizes: Spatial shape of the input, without padding.
        outputs: Spatial shape of the result.
        window: Spatial shape of the window.
        strides: Steps between windows.
        before: Padding before each axis; negative where the windows begin inside.
        dilation: Steps between the entries of a window.

    Returns:
        Triples of the offset's row-major number, the index into the result, and the index into the
        input. Both indices begin with the whole batch axis.
    """
    axes = [
        [_pair(size, output, stride, step * offset - pad) for offset in range(width)]
        for size, output, width, stride, pad, step in zip(
            sizes, outputs, window, strides, before, dilation, strict=True
        )
    ]
    found = []
    for number, pairs in enumerate(product(*axes)):
        if all(pair is not None for pair in pairs):
            kept = [pair for pair in pairs if pair is not None]
            result = (slice(None), *(pair[0] for pair in kept))
            found.append((number, result, (slice(None), *(pair[1] for pair in kept))))
    return tuple(found)


def _pair(size: int, output: int, stride: int, shift: int) -> tuple[slice, slice] | None:
    """The slices of result and input for which `t * stride + shift` is inside the input."""
    first = max(0, -(shift // stride))
    last = min(output, (size - 1 - shift) // stride + 1)
    if first >= last:
        return None
    start = first * stride + shift
    return slice(first, last), slice(start, start + (last - first - 1) * stride + 1, stride)


def covers(index: Index, outputs: Ints) -> bool:
    """Whether an index of `overlaps` takes the whole of the result."""
    return all(part.start == 0 and part.stop == size for part, size in zip(index[1:], outputs, strict=True))


def tiles(batch: int, rows: int, row_bytes: int, tile_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Cuts a batch into parts whose working memory stays in the processor's cache.

    Args:
        batch: Number of images.
        rows: Length of the first spatial axis of the result.
        row_bytes: Working memory that one such row of one image takes.
        tile_bytes: Working memory that a tile may take.

    Yields:
        Pairs of a slice of images and a slice of rows: several whole images, or some rows of one.
    """
    images = tile_bytes // max(1, rows * row_bytes)
    if images:
        for start in range(0, batch, images):
            yield slice(start, min(batch, start + images)), slice(0, rows)
        return
    # Rows of equal number, since the last tile of a few would cost as much as a large one.
    parts = -(-rows * row_bytes // tile_bytes)
    height = -(-rows // min(parts, rows))
    for image in range(batch):
        for start in range(0, rows, height):
            yield slice(image, image + 1), slice(start, min(rows, start + height))


@lru_cache(maxsize=1024)
def first_inside(outputs: Ints, strides: Ints, before: Ints, window: Ints) -> Ints:
    """The row-major number of each window's first entry that is no padding, in row-major order."""
    weights = [prod(window[axis + 1 :]) for axis in range(len(window))]
    firsts = [
        [max(0, pad - t * stride) for t in range(output)]
        for output, stride, pad in zip(outputs, strides, before, strict=True)
    ]
    return tuple(
        sum(first * weight for first, weight in zip(entry, weights, strict=True)) for entry in product(*firsts)
    )
