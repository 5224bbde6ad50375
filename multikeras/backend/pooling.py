"""Pooling."""

from __future__ import annotations

from typing import Any

from multikeras.backend import common
from multikeras.backend.configuration import normalize_data_format
from multikeras.backend.convolution import channels_back, channels_last, numbers, padding_word
from multikeras.graph import operands
from multikeras.graph.ops import algebra
from multikeras.graph.tensor import Tensor


def pool2d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: Any = None,
    pool_mode: str = "max",
) -> Tensor:
    """Largest entry or mean of each window of rows and columns.

    Args:
        x: Tensor (samples, rows, cols, channels), or channels first.
        pool_size: Window along each axis.
        strides: Distance of two windows along each axis.
        padding: `'valid'` or `'same'`; means count entries inside the input only.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        pool_mode: `'max'` or `'avg'`.

    Raises:
        ValueError: If shapes or words do not fit.
    """
    return _pool(x, pool_size, strides, padding, data_format, pool_mode, 2, "pool2d")


def pool3d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: Any = None,
    pool_mode: str = "max",
) -> Tensor:
    """Largest entry or mean of each window of three spatial axes.

    Args:
        x: Tensor (samples, d1, d2, d3, channels), or channels first.
        pool_size: Window along each axis.
        strides: Distance of two windows along each axis.
        padding: `'valid'` or `'same'`; means count entries inside the input only.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.
        pool_mode: `'max'` or `'avg'`.

    Raises:
        ValueError: If shapes or words do not fit.
    """
    return _pool(x, pool_size, strides, padding, data_format, pool_mode, 3, "pool3d")


def _pool(
    x: Any, pool_size: Any, strides: Any, padding: Any, data_format: Any, mode: Any, axes: int, function: str
) -> Tensor:
    source = common.float_tensor(x)
    if source.ndim != axes + 2:
        raise ValueError(f"K.{function} takes a tensor of {axes + 2} axes, received {source!r}.")
    if mode not in ("max", "avg"):
        raise ValueError(f"K.{function}: pool_mode is 'max' or 'avg', received {mode!r}.")
    word = normalize_data_format(data_format)
    window = numbers(pool_size, axes, "pool_size", function)
    places: dict[str, Any] = {
        "window": window,
        "strides": numbers(strides, axes, "strides", function),
        "padding": padding_word(padding, function),
    }
    moved = channels_last(source, word)
    if mode == "max":
        return channels_back(algebra.max_pool(moved, **places)[0], word)
    wide = common.wide(moved)
    added = algebra.sum_pool(wide, **places)
    return channels_back(operands.cast(added / _entries(wide, window, places), source.dtype), word)


def _entries(x: Tensor, window: tuple[int, ...], places: dict[str, Any]) -> Tensor:
    """How many entries inside the input each window has."""
    if places["padding"] == "valid":
        size = 1
        for n in window:
            size *= n
        return operands.scalar(size, x.dtype)
    ones = common.filled([1, *common.lengths(x)[1:-1], 1], 1, x.dtype)
    made: Tensor = algebra.sum_pool(ones, **places)
    return made
