"""`x[key]` where the key holds tensors or arrays of integers, as NumPy has it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from multikeras.contract import PRIMITIVES, is_float
from multikeras.graph import naming, operands
from multikeras.graph.tensor import Constant, Tensor

_SLICE, _NEW, _NUMBER, _ARRAY, _GAP = "slice", "new", "number", "array", "gap"


def picked(x: Tensor, keys: Sequence[Any]) -> Tensor:
    """`x[keys]`, of which at least one is an integer tensor or array.

    Beside one of these, numbers count as arrays without axes. All of them broadcast, and the axes of the
    result stand where the first of them stood, or before all others where something stands between them.

    Args:
        x: The tensor.
        keys: One entry for each axis, None for new ones, and an ellipsis where it stands for no axis, which
            counts as something between its neighbours all the same.
    """
    kinds, basic, arrays = [], [], []
    for entry in keys:
        if entry is None or entry is Ellipsis:
            kinds.append(_NEW if entry is None else _GAP)
            continue
        if isinstance(entry, slice):
            kinds.append(_SLICE)
            basic.append(entry)
        elif operands.is_place(entry):
            kinds.append(_NUMBER)
            basic.append(entry)
        else:
            kinds.append(_ARRAY)
            arrays.append((len(basic), places(entry)))
            basic.append(slice(None))
    for axis, array in arrays:
        _check(x, axis, array)
    # Numbers drop their axes at once; the arrays' axes are counted in what is left.
    left = operands.index(x, tuple(basic))
    kept = [axis for axis, kind in enumerate(k for k in kinds if k not in (_NEW, _GAP)) if kind != _NUMBER]
    held = [(kept.index(axis), array) for axis, array in arrays]
    result, start = _gathered(left, held)
    width = max(array.ndim for _, array in held)
    advanced = [i for i, kind in enumerate(kinds) if kind in (_NUMBER, _ARRAY)]
    together = advanced[-1] - advanced[0] + 1 == len(advanced)
    first = advanced[0] if together else 0
    before = kinds[:first]
    result = _moved(result, start, width, before.count(_SLICE))
    after = [kind for i, kind in enumerate(kinds) if i >= first and i not in advanced]
    layout = [k for k in (*before, *[_ARRAY] * width, *after) if k != _GAP]
    new = [i for i, kind in enumerate(layout) if kind == _NEW]
    if new:
        result = PRIMITIVES["expand_dims"](result, axis=tuple(new))
    return result


def places(entry: Any) -> Tensor:
    """An index as a tensor of int32 or int64.

    Raises:
        TypeError: If it holds no integers.
    """
    tensor = operands.convert(entry)
    if tensor.dtype == "bool":
        raise TypeError(
            naming.located(
                "Indexing by a boolean mask gives a shape that depends on values, which a graph cannot have. "
                "Use K.switch, or multiply by the mask."
            )
        )
    if is_float(tensor.dtype):
        raise TypeError(naming.located(f"A tensor is indexed by integers, received {tensor!r}."))
    return tensor if tensor.dtype in ("int32", "int64") else operands.cast(tensor, "int64")


def _check(x: Tensor, axis: int, array: Tensor) -> None:
    """Raises where an index whose value is known lies outside."""
    length = x.shape[axis]
    if length is None or not isinstance(array, Constant) or not array.value.size:
        return
    for extreme in (int(array.value.min()), int(array.value.max())):
        if not -length <= extreme < length:
            raise IndexError(f"Index {extreme} of an array is outside axis {axis} of {x!r}, whose length is {length}.")


def _gathered(x: Tensor, held: list[tuple[int, Tensor]]) -> tuple[Tensor, int]:
    """The entries that arrays pick along axes, and the axis of the result where the arrays' own begin."""
    if len(held) == 1:
        axis, array = held[0]
        return PRIMITIVES["gather"](x, array, axis=axis), axis
    axes = [axis for axis, _ in held]
    before = list(range(axes[0]))
    after = [a for a in range(axes[0], x.ndim) if a not in axes]
    shape = PRIMITIVES["shape"](x)
    lengths = [n if n is not None else operands.index(shape, a) for a, n in enumerate(x.shape)]
    # The arrays' axes become one, and so do the places on them.
    order = (*before, *axes, *after)
    turned = x if order == tuple(range(x.ndim)) else PRIMITIVES["transpose"](x, permutation=order)
    size = prod(lengths[a] for a in axes[1:]) * lengths[axes[0]]
    merged = PRIMITIVES["reshape"](
        turned, shape=operands.pack([*[lengths[a] for a in before], size, *[lengths[a] for a in after]])
    )
    flat = _flat([array for _, array in held], [lengths[a] for a in axes], size)
    return PRIMITIVES["gather"](merged, flat, axis=axes[0]), axes[0]


def _flat(arrays: Sequence[Tensor], lengths: Sequence[Any], size: Any) -> Tensor:
    """Places on several axes as places on one; where one of them lies outside, so does the result."""
    if all(isinstance(a, Constant) for a in arrays) and all(isinstance(n, int) for n in lengths):
        values = [np.asarray(a.value, "int64") for a in arrays]  # type: ignore[attr-defined]
        wrapped = [np.where(v < 0, v + n, v) for v, n in zip(values, lengths, strict=True)]
        total: Any = 0
        for value, n in zip(wrapped, lengths, strict=True):
            total = total * n + value
        return operands.host_constant(total, "int64")
    total, inside = None, None
    where = PRIMITIVES["where"]
    for array, n in zip(arrays, lengths, strict=True):
        wide = operands.cast(array, "int64")
        wide = where(wide < 0, wide + n, wide)
        valid = (wide >= 0) & (wide < n)
        total = wide if total is None else total * n + wide
        inside = valid if inside is None else inside & valid
    assert total is not None and inside is not None
    made: Tensor = where(inside, total, operands.match(total, size)[1])
    return made


def _moved(x: Tensor, start: int, width: int, target: int) -> Tensor:
    """`x` with a block of axes moved so that it begins at another place among the others."""
    if start == target or not width:
        return x
    others = [a for a in range(x.ndim) if not start <= a < start + width]
    order = (*others[:target], *range(start, start + width), *others[target:])
    made: Tensor = PRIMITIVES["transpose"](x, permutation=order)
    return made
