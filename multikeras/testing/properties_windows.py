"""Properties of paddings, windows and matrix products."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st

from multikeras.testing.properties import Example, Shape, feeds, shapes

_FORMATS = st.sampled_from(["channels_last", "channels_first"])


def _to_last(x: np.ndarray, data_format: str) -> np.ndarray:
    return np.moveaxis(x, 1, -1) if data_format == "channels_first" else x


def _from_last(x: np.ndarray, data_format: str) -> np.ndarray:
    return np.moveaxis(x, -1, 1) if data_format == "channels_first" else x


def _spatial(data_format: str, shape: Shape) -> range:
    """The axes of windows, whose lengths decide how a shape comes out."""
    return range(1, len(shape) - 1) if data_format == "channels_last" else range(2, len(shape))


@st.composite
def padding(draw: st.DrawFn) -> Example:
    """Zeros around the axes of windows."""
    count = draw(st.integers(1, 3))
    shape = draw(shapes(count + 2, count + 2, longest=2))
    pairs = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(count))
    x = draw(feeds(shape))
    if count == 1:
        widths = ((0, 0), *pairs, (0, 0))
        keywords: dict[str, Any] = {"padding": pairs[0]}
        name = "temporal_padding"
    else:
        data_format = draw(_FORMATS)
        widths = ((0, 0), *pairs, (0, 0)) if data_format == "channels_last" else ((0, 0), (0, 0), *pairs)
        keywords = {"padding": pairs, "data_format": data_format}
        name = f"spatial_{count}d_padding"
    return Example(name, (x,), lambda x: np.pad(x, widths), "float64", keywords, slopes=(0,), tolerance=0)


def _places(n: int, window: int, stride: int, rate: int, word: str) -> tuple[int, int, int]:
    """Number of windows along an axis, and the padding before and after."""
    reach = (window - 1) * rate + 1
    if word == "valid":
        return (n - reach) // stride + 1, 0, 0
    if word == "causal":
        return (n - 1) // stride + 1, reach - 1, 0
    count = -(-n // stride)
    total = max((count - 1) * stride + reach - n, 0)
    return count, total // 2, total - total // 2


def _windows(
    x: np.ndarray, window: Shape, strides: Shape, rates: Shape, word: str, fill: float
) -> tuple[list[np.ndarray], Shape]:
    """For each entry of a window, the entries of `x` (channels last) that it meets in all places."""
    geometry = zip(x.shape[1:-1], window, strides, rates, strict=True)
    places = [_places(n, size, stride, rate, word) for n, size, stride, rate in geometry]
    wide = np.pad(x, ((0, 0), *[pair for _, *pair in places], (0, 0)), constant_values=fill)
    counts = tuple(count for count, *_ in places)
    met = []
    for offset in product(*[range(n) for n in window]):
        met.append(
            wide[
                (
                    slice(None),
                    *[
                        slice(o * r, o * r + (c - 1) * s + 1, s)
                        for o, r, c, s in zip(offset, rates, counts, strides, strict=True)
                    ],
                )
            ]
        )
    return met, counts


@st.composite
def _geometry(draw: st.DrawFn, count: int, rates: bool) -> tuple[Shape, Shape, Shape, Shape, str]:
    """Window, strides, dilation, lengths of an input, and the padding; without padding it has place for a window."""
    word = draw(st.sampled_from(["valid", "same"]))
    window = tuple(draw(st.integers(1, 3)) for _ in range(count))
    strides = tuple(draw(st.integers(1, 3)) for _ in range(count))
    dilation = (1,) * count
    if rates and set(strides) == {1}:
        dilation = tuple(draw(st.integers(1, 2)) for _ in range(count))
    least = [(w - 1) * r + 1 if word == "valid" else 1 for w, r in zip(window, dilation, strict=True)]
    return window, strides, dilation, tuple(n + draw(st.integers(0, 3)) for n in least), word


@st.composite
def convolution(draw: st.DrawFn) -> Example:
    """Convolutions over one axis to three, of each channel by itself too."""
    count = draw(st.sampled_from([1, 2, 2, 3]))
    window, strides, dilation, lengths, word = draw(_geometry(count, True))
    if count == 1 and draw(st.booleans()):
        word = "causal"
    data_format = draw(_FORMATS)
    inward, outward = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    shape = (draw(st.integers(1, 2)), *lengths, inward)
    if data_format == "channels_first":
        shape = (shape[0], inward, *lengths)
    x = draw(feeds(shape, hidden=(0, *_spatial(data_format, shape))))
    kernel = draw(feeds((*window, inward, outward), hidden=()))
    depthwise = count == 2 and draw(st.booleans())

    def expect(x: np.ndarray, k: np.ndarray) -> np.ndarray:
        met, _ = _windows(_to_last(x, data_format), window, strides, dilation, word, 0.0)
        taps = k.reshape(-1, inward, outward)
        if depthwise:
            summed = sum(m[..., None] * tap for m, tap in zip(met, taps, strict=True))
            made = np.reshape(summed, (*np.shape(summed)[:-2], inward * outward))
        else:
            made = sum(np.matmul(m, tap) for m, tap in zip(met, taps, strict=True))
        return _from_last(np.asarray(made), data_format)

    keywords = {
        "strides": strides if count > 1 else strides[0],
        "padding": word,
        "data_format": data_format,
        "dilation_rate": dilation if count > 1 else dilation[0],
    }
    name = "depthwise_conv2d" if depthwise else f"conv{count}d"
    return Example(name, (x, kernel), expect, "float64", keywords, slopes=(0, 1), tolerance=20)


@st.composite
def pooling(draw: st.DrawFn) -> Example:
    """Largest entries and means of windows; means count what lies inside."""
    count = draw(st.sampled_from([2, 2, 3]))
    window, strides, _, lengths, word = draw(_geometry(count, False))
    data_format = draw(_FORMATS)
    mode = draw(st.sampled_from(["max", "avg"]))
    shape = (1, *lengths, 2) if data_format == "channels_last" else (1, 2, *lengths)
    x = draw(feeds(shape, apart=True))

    def expect(x: np.ndarray) -> np.ndarray:
        moved, ones = _to_last(x, data_format), (1,) * count
        if mode == "max":
            met, _ = _windows(moved, window, strides, ones, word, -np.inf)
            return _from_last(np.max(met, axis=0), data_format)
        met, _ = _windows(moved, window, strides, ones, word, 0.0)
        inside, _ = _windows(np.ones_like(moved), window, strides, ones, word, 0.0)
        return _from_last(np.sum(met, axis=0) / np.sum(inside, axis=0), data_format)

    keywords = {
        "pool_size": window,
        "strides": strides,
        "padding": word,
        "data_format": data_format,
        "pool_mode": mode,
    }
    return Example(f"pool{count}d", (x,), expect, "float64", keywords, slopes=(0,), tolerance=20)


@st.composite
def products(draw: st.DrawFn) -> Example:
    """Matrix products of operands of several axes."""
    name = draw(st.sampled_from(["dot", "matmul", "batch_dot"]))
    shared = draw(st.integers(1, 3))
    if name == "dot":
        x = draw(feeds((*draw(shapes(0, 2)), shared)))
        y = draw(feeds(draw(st.sampled_from([(shared,), (shared, 2), (2, shared, 3)]))))
        return Example(name, (x, y), np.dot, "float64", slopes=(0, 1), tolerance=20)
    if name == "matmul":
        stack = draw(shapes(0, 2))
        x, y = (
            draw(feeds((*tuple(n if draw(st.booleans()) else 1 for n in stack)[draw(st.integers(0, 2)) :], *last)))
            for last in ((2, shared), (shared, 3))
        )
        return Example(name, (x, y), np.matmul, "float64", slopes=(0, 1), tolerance=20)
    batch = draw(st.integers(1, 3))
    left, right = [batch, *draw(shapes(1, 2))], [batch, *draw(shapes(1, 2))]
    # The axis of the batch is not contracted.
    axes = tuple(draw(st.integers(1, len(each) - 1)) for each in (left, right))
    left[axes[0]] = right[axes[1]] = shared

    def expect(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        made = np.stack([np.tensordot(a, b, (axes[0] - 1, axes[1] - 1)) for a, b in zip(x, y, strict=True)])
        return made[:, None] if made.ndim == 1 else made

    chosen = tuple(a - len(each) if draw(st.booleans()) else a for a, each in zip(axes, (left, right), strict=True))
    x, y = draw(feeds(tuple(left))), draw(feeds(tuple(right)))
    return Example(name, (x, y), expect, "float64", {"axes": chosen}, slopes=(0, 1), tolerance=20)
