"""Functions that move entries: joining, reshaping, repeating, padding, picking."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from multikeras import config
from multikeras.backend import common
from multikeras.backend.configuration import normalize_data_format
from multikeras.contract import is_integer, promote
from multikeras.graph import operands
from multikeras.graph.ops import elementwise
from multikeras.graph.ops import shapes as ops
from multikeras.graph.tensor import Tensor


def _alike(tensors: Any, function: str) -> list[Tensor]:
    """Tensors of one type: that in which the tensors among them meet, arrays being weak."""
    if isinstance(tensors, Tensor):
        tensors = list(tensors)
    if not isinstance(tensors, (list, tuple, np.ndarray)):
        raise TypeError(f"K.{function} takes a list of tensors, received {type(tensors).__name__}: {tensors!r}.")
    parts = [common.tensor(t) for t in tensors]
    if not parts:
        raise ValueError(f"K.{function} needs at least one tensor, received an empty list.")
    strong = [t.dtype for t, given in zip(parts, tensors, strict=True) if isinstance(given, Tensor)]
    dtype = promote(*(strong or [t.dtype for t in parts]))
    return [operands.cast(t, dtype) for t in parts]


def concatenate(tensors: Any, axis: int = -1) -> Tensor:
    """Tensors joined along an axis.

    Args:
        tensors: List of tensors whose other lengths are equal.
        axis: Axis.

    Raises:
        ValueError: If the list is empty or the shapes do not fit.
    """
    parts = _alike(tensors, "concatenate")
    made: Tensor = ops.concatenate(*parts, axis=common.one_axis(parts[0], axis, "concatenate"))
    return made


def stack(x: Any, axis: int = 0) -> Tensor:
    """Tensors of equal shape joined along a new axis.

    Args:
        x: List of tensors or numbers.
        axis: Where the new axis is in the result.
    """
    parts = _alike(x, "stack")
    place = common.one_axis(parts[0], axis, "stack", added=1)
    made: Tensor = ops.concatenate(*[common.expand(t, place) for t in parts], axis=place)
    return made


def reshape(x: Any, shape: Any) -> Tensor:
    """The same entries in row-major order under another shape.

    Args:
        x: Tensor.
        shape: Lengths: ints of which one may be -1, integer scalars made of `K.shape`, or an
            integer vector.

    Raises:
        ValueError: If the numbers of entries differ.
    """
    packed = operands.pack(shape)
    if not isinstance(packed, Tensor) and any(n is None or n < -1 for n in packed):
        raise ValueError(f"K.reshape: a shape holds ints, of which one may be -1; received {packed}.")
    made: Tensor = ops.reshape(common.tensor(x), shape=packed)
    return made


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Tensor:
    """The axes in another order: axis i of the result is axis `pattern[i]` of `x`.

    Args:
        x: Tensor.
        pattern: One number for each axis, such as (0, 2, 1).

    Raises:
        ValueError: If `pattern` is no order of the axes.
    """
    source = common.tensor(x)
    order = tuple(common.one_axis(source, a, "permute_dimensions") for a in pattern)
    made: Tensor = ops.transpose(source, permutation=order)
    return made


def flatten(x: Any) -> Tensor:
    """All entries as a vector.

    Args:
        x: Tensor.
    """
    return common.reshape(common.tensor(x), [-1])


def batch_flatten(x: Any) -> Tensor:
    """All axes after the first as one.

    Args:
        x: Tensor with one axis or more.
    """
    source = common.tensor(x)
    if not source.ndim:
        raise ValueError(f"K.batch_flatten takes a tensor of one axis or more, received {source!r}.")
    rest = source.shape[1:]
    known = None not in rest
    return common.reshape(source, [common.length_of(source, 0), prod(rest) if known else -1])


def expand_dims(x: Any, axis: int = -1) -> Tensor:
    """A new axis of length 1.

    Args:
        x: Tensor.
        axis: Where it is in the result.
    """
    source = common.tensor(x)
    return common.expand(source, common.one_axis(source, axis, "expand_dims", added=1))


def squeeze(x: Any, axis: Any) -> Tensor:
    """Without an axis of length 1.

    Args:
        x: Tensor.
        axis: The axis, or a list of axes.

    Raises:
        ValueError: If its length is not 1.
    """
    source = common.tensor(x)
    made: Tensor = ops.squeeze(source, axis=common.all_axes(source, axis, "squeeze"))
    return made


# -- repeating ----------------------------------------------------------------------------------


def repeat_elements(x: Any, rep: int, axis: int) -> Tensor:
    """Each entry `rep` times in a row along an axis, as `numpy.repeat`.

    Args:
        x: Tensor.
        rep: How often.
        axis: Axis.
    """
    source = common.tensor(x)
    place = common.one_axis(source, axis, "repeat_elements")
    return repeated(source, {place: common.whole(rep, "the number of repetitions")})


def repeated(x: Tensor, repetitions: dict[int, Any]) -> Tensor:
    """Each entry repeated in place along some axes: new axes beside them are filled and merged."""
    lengths = common.lengths(x)
    apart: list[Any] = []
    filled: list[Any] = []
    joined: list[Any] = []
    for axis, n in enumerate(lengths):
        rep = repetitions.get(axis, 1)
        apart.append(n)
        filled.append(n)
        if axis in repetitions:
            apart.append(1)
            filled.append(rep)
        joined.append(n * filled[-1] if axis in repetitions else n)
    wide = ops.broadcast_to(common.reshape(x, apart), shape=operands.pack(filled))
    return common.reshape(wide, joined)


def repeat(x: Any, n: Any) -> Tensor:
    """(samples, dim) to (samples, n, dim).

    Args:
        x: Tensor of two axes.
        n: How often.

    Raises:
        ValueError: If `x` has not two axes.
    """
    source = common.tensor(x)
    if source.ndim != 2:
        raise ValueError(f"K.repeat takes a tensor of two axes (samples, dim), received {source!r}.")
    samples, dim = common.lengths(source)
    count = common.whole(n, "the number of repetitions")
    made: Tensor = ops.broadcast_to(common.expand(source, 1), shape=operands.pack([samples, count, dim]))
    return made


def tile(x: Any, n: Any) -> Tensor:
    """The whole tensor repeated along its axes, as `numpy.tile`.

    Args:
        x: Tensor.
        n: An int, or one number an axis; numbers may be integer scalars made of `K.shape`.
    """
    source = common.tensor(x)
    if isinstance(n, Tensor):
        counts: list[Any] = [n] if n.ndim == 0 else list(n)
    else:
        counts = np.ravel(n).tolist() if isinstance(n, np.ndarray) else list(n) if isinstance(n, (list, tuple)) else [n]
    counts = [common.whole(c, "a number of repetitions") for c in counts]
    while len(counts) < source.ndim:
        counts.insert(0, 1)
    lengths = [*[1] * (len(counts) - source.ndim), *common.lengths(source)]
    apart = [entry for length in lengths for entry in (1, length)]
    filled = [entry for c, length in zip(counts, lengths, strict=True) for entry in (c, length)]
    wide = ops.broadcast_to(common.reshape(source, apart), shape=operands.pack(filled))
    return common.reshape(wide, [c * length for c, length in zip(counts, lengths, strict=True)])


# -- padding ------------------------------------------------------------------------------------


def first_spatial_axis(x: Tensor, axes: int, data_format: Any, function: str) -> int:
    """The axis of `x` where the rows are, checked for its number of axes."""
    if x.ndim != axes + 2:
        raise ValueError(f"K.{function} takes a tensor of {axes + 2} axes, received {x!r}.")
    return 1 if normalize_data_format(data_format) == "channels_last" else 2


def temporal_padding(x: Any, padding: Any = (1, 1)) -> Tensor:
    """Zeros before and after the middle axis of a 3-D tensor.

    Args:
        x: Tensor (samples, time, dim).
        padding: (before, after), or one number for both.

    Raises:
        ValueError: If `x` has not three axes.
    """
    source = common.tensor(x)
    if source.ndim != 3:
        raise ValueError(f"K.temporal_padding takes a tensor of three axes, received {source!r}.")
    return _padded(source, 1, [_both(padding, "temporal_padding")])


def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: Any = None) -> Tensor:
    """Zeros around rows and columns of a 4-D tensor.

    Args:
        x: Tensor.
        padding: ((top, bottom), (left, right)), or (rows, cols) where both sides are alike.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.

    Raises:
        ValueError: If `x` has not four axes, or `padding` has another form.
    """
    return _spatially_padded(x, padding, 2, data_format, "spatial_2d_padding")


def spatial_3d_padding(x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: Any = None) -> Tensor:
    """Zeros around the three spatial axes of a 5-D tensor.

    Args:
        x: Tensor.
        padding: A pair (before, after) for each axis, or a number for both sides of it.
        data_format: `'channels_last'` or `'channels_first'`; None for the global setting.

    Raises:
        ValueError: If `x` has not five axes, or `padding` has another form.
    """
    return _spatially_padded(x, padding, 3, data_format, "spatial_3d_padding")


def _spatially_padded(x: Any, padding: Any, axes: int, data_format: Any, function: str) -> Tensor:
    source = common.tensor(x)
    first = first_spatial_axis(source, axes, data_format, function)
    entries = [padding] * axes if not isinstance(padding, (list, tuple)) else list(padding)
    if len(entries) != axes:
        raise ValueError(f"K.{function} takes one pair or number for each of {axes} axes, received {padding!r}.")
    return _padded(source, first, [_both(entry, function) for entry in entries])


def _both(entry: Any, function: str) -> tuple[int, int]:
    pair = entry if isinstance(entry, (list, tuple)) else (entry, entry)
    if len(pair) != 2:
        raise ValueError(f"K.{function}: padding is a pair (before, after) of ints not below 0, received {entry!r}.")
    before, after = (common.whole(n, "padding") for n in pair)
    return before, after


def _padded(x: Tensor, first: int, pairs: list[tuple[int, int]]) -> Tensor:
    padding = [(0, 0)] * x.ndim
    padding[first : first + len(pairs)] = pairs
    made: Tensor = ops.pad(x, padding=tuple(padding), value=0)
    return made


# -- picking ------------------------------------------------------------------------------------


def gather(reference: Any, indices: Any) -> Tensor:
    """The rows of `reference` that integers pick.

    Args:
        reference: Tensor (n, …).
        indices: Integer tensor of any shape, entries from 0 to n - 1, or from -n to -1 counted from the end.

    Returns:
        Tensor of shape `indices.shape + reference.shape[1:]` and the type of `reference`.

    Raises:
        ValueError: If `indices` are not integers.
        IndexError: When it is evaluated, if an entry lies outside. Programs of JAX cannot raise: there the row
            is NaN (of integers the smallest number, of unsigned ones the largest).
    """
    picked = common.tensor(indices)
    if is_integer(picked.dtype) and picked.dtype not in ("int32", "int64"):
        picked = operands.cast(picked, "int64" if picked.dtype == "uint32" else "int32")
    made: Tensor = ops.gather(common.tensor(reference), picked, axis=0)
    return made


def one_hot(indices: Any, num_classes: int) -> Tensor:
    """1 at the place that an integer names and 0 elsewhere, along a new last axis; in floatx.

    Args:
        indices: Integer tensor; floats holding whole numbers are understood. A number outside
            gives a row of zeros.
        num_classes: Length of the new axis.
    """
    return operands.cast(is_class(common.tensor(indices), num_classes), config.floatx())


def is_class(indices: Tensor, num_classes: Any) -> Tensor:
    """Whether a place along a new last axis is the one that an integer names; bool."""
    kind = "int64" if indices.dtype in ("int64", "uint32") else "int32"
    named = operands.cast(indices, kind)
    places = ops.iota(length=common.whole(num_classes, "the number of classes"), dtype=kind)
    made: Tensor = elementwise.equal(common.expand(named, named.ndim), places)
    return made


def reverse(x: Any, axes: Any) -> Tensor:
    """The entries in reverse order along one axis or several.

    Args:
        x: Tensor.
        axes: Int or list of ints.
    """
    source = common.tensor(x)
    made: Tensor = ops.flip(source, axis=common.all_axes(source, axes, "reverse"))
    return made


def slice(x: Any, start: Any, size: Any) -> Tensor:
    """A window of a tensor.

    Args:
        x: Tensor.
        start: First place along each axis, not below 0.
        size: Length along each axis; -1 for the rest.

    Raises:
        ValueError: If the window is not inside.
    """
    source = common.tensor(x)
    starts, sizes = (list(v) if isinstance(v, (list, tuple, Tensor, np.ndarray)) else [v] for v in (start, size))
    if len(starts) != len(sizes) or len(starts) > source.ndim:
        raise ValueError(
            f"K.slice takes one start and one size for each axis of {source!r}, received {start!r} and {size!r}."
        )
    window = []
    for axis, (first, count) in enumerate(zip(starts, sizes, strict=True)):
        a, n = common.whole(first, "a start"), common.whole(count, "a size", -1)
        known = source.shape[axis]
        if known is not None and isinstance(a, int) and isinstance(n, int) and a + max(n, 0) > known:
            raise ValueError(
                f"K.slice: {'' if n == -1 else f'{n} entries '}from {a} on are outside axis {axis} of {source!r}."
            )
        window.append(builtins.slice(a, None if isinstance(n, int) and n == -1 else a + n))
    return operands.index(source, tuple(window))


def transpose(x: Any) -> Tensor:
    """The axes in reverse order: the transpose of a matrix.

    Args:
        x: Tensor.
    """
    source = common.tensor(x)
    made: Tensor = ops.transpose(source, permutation=tuple(range(source.ndim))[::-1])
    return made
