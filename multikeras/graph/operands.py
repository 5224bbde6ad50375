"""From what a user writes to what a primitive takes: constants, promotion, indexing.

Only tensors have strong data types. Python numbers, NumPy scalars, arrays and lists used beside a
tensor are weak: they take the tensor's type, so that `x * np.sqrt(2.)` does not turn a float32
model into a float64 one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from multikeras import config
from multikeras.contract import PRIMITIVES, SIZES, check_dtype, is_float, is_integer, promote, weak
from multikeras.graph import naming
from multikeras.graph import tensor as tensors


def constant(value: Any, dtype: str | None = None, name: str | None = None) -> tensors.Constant:
    """A leaf with a fixed value, copied; floating values are floatx where `dtype` is None.

    Raises:
        TypeError: If the value is no number or array of numbers.
    """
    array = numbers(value)
    if dtype is None:
        dtype = config.floatx() if array.dtype.kind == "f" else _integer_dtype(array)
    return host_constant(array, dtype, name)


def numbers(value: Any) -> np.ndarray:
    """A number, an array or a nested list as an array, which may be the one given.

    Raises:
        TypeError: If it holds anything but numbers.
        ValueError: If rows of a list have different lengths.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            naming.located(f"expected rows of equal length, received {_short(value)}. Fill the shorter ones up.")
        ) from error
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.name == "bfloat16":
        # Another library's: NumPy has none, and float32 holds its values.
        return array.astype("float32")
    if array.dtype == object and any(isinstance(entry, tensors.Tensor) for entry in array.flat):
        raise TypeError(
            naming.located(
                "expected numbers, received an array of tensors. Join tensors with K.stack or K.concatenate."
            )
        )
    raise TypeError(naming.located(f"expected numbers, received {_short(value)}."))


def _short(value: Any) -> str:
    """What a value is and how it begins."""
    text = repr(value).replace("\n", " ")
    shown = text if len(text) <= 60 else text[:57] + "..."
    return shown if value is None else f"{type(value).__name__}: {shown}"


def _integer_dtype(array: np.ndarray) -> str:
    if array.dtype.kind == "b":
        return "bool"
    return "int32" if array.dtype == np.int64 and np.all(np.abs(array) < 2**31) else check_dtype(array.dtype)


def host_constant(array: np.ndarray, dtype: str, name: str | None = None) -> tensors.Constant:
    """A constant of exactly this type, which shares no memory with `array`."""
    if dtype == "bfloat16":
        made = tensors.Constant(np.array(array, dtype="float32"), name)
        made.dtype = "bfloat16"
        return made
    made = tensors.Constant(np.array(array, dtype=dtype), name)
    made.value.flags.writeable = False
    return made


@lru_cache(maxsize=128, typed=True)
def _number(value: float | bool, dtype: str) -> np.ndarray:
    array = np.array(value, dtype=dtype)
    array.flags.writeable = False
    return array


def scalar(value: float | bool, dtype: str) -> tensors.Constant:
    """A constant without axes, of the given type."""
    # As keys 0.0 and -0.0 are equal, and a bfloat16 has no NumPy type of its own.
    if dtype == "bfloat16" or (value == 0 and str(value).startswith("-")):
        made = host_constant(np.asarray(value), dtype)
    else:
        made = tensors.Constant(_number(value, dtype), None, dtype)
    made.number = True
    return made


def convert(value: Any, dtype: str | None = None) -> tensors.Tensor:
    """A tensor from a tensor, a number, an array or a list (of which entries may be tensors)."""
    if isinstance(value, tensors.Tensor):
        return value
    if isinstance(value, (list, tuple)) and _holds_tensor(value):
        return pack_tensor(value)
    if not isinstance(value, (bool, int, float, np.generic, np.ndarray, list, tuple)):
        value = _from_protocol(value)
    return constant(value, dtype)


def _from_protocol(value: Any) -> Any:
    if hasattr(value, "__array__"):
        return np.asarray(value)
    text = f"expected a tensor, a number or an array, received {_short(value)}."
    if value is not None and not isinstance(value, (str, bytes, dict, set, slice)):
        text += (
            " To call another library in a graph use K.numpy_function, K.custom_gradient or a primitive of your own "
            "(multikeras.contract.primitive)."
        )
    raise TypeError(naming.located(text))


def _holds_tensor(value: Any) -> bool:
    return any(isinstance(v, tensors.Tensor) or (isinstance(v, (list, tuple)) and _holds_tensor(v)) for v in value)


_KINDS = {"b": "bool", "i": "int", "u": "int", "f": "float"}


def weak_dtype(value: Any, beside: str) -> str:
    """The type that a number or array takes beside a tensor of type `beside`."""
    if is_float(beside):
        return beside
    plain = type(value) in (int, float, bool)
    # What is neither, such as a complex number, is refused when it becomes a constant.
    kind = type(value).__name__ if plain else _KINDS.get(np.asarray(value).dtype.kind, "int")
    return weak(kind, beside, config.floatx())


def match(x: Any, y: Any) -> tuple[tensors.Tensor, tensors.Tensor]:
    """Two operands as tensors of one type, the type that `promote` gives."""
    is_x, is_y = isinstance(x, tensors.Tensor), isinstance(y, tensors.Tensor)
    if not is_x and not is_y:
        x, is_x = convert(x), True
    if not is_x:
        x = _weak(x, y)
    elif not is_y:
        y = _weak(y, x)
    if x.dtype != y.dtype:
        dtype = promote(x.dtype, y.dtype)
        x, y = cast(x, dtype), cast(y, dtype)
    return x, y


def _weak(value: Any, beside: tensors.Tensor) -> tensors.Tensor:
    if type(value) in (int, float, bool):
        dtype = weak_dtype(value, beside.dtype)
        if type(value) is int and is_integer(dtype):
            _check_fits(value, value, dtype)
        return scalar(value, dtype)
    if isinstance(value, (list, tuple)) and _holds_tensor(value):
        return pack_tensor(value)
    if not isinstance(value, (bool, int, float, np.generic, np.ndarray, list, tuple)):
        value = _from_protocol(value)
    dtype = weak_dtype(value, beside.dtype)
    array = np.asarray(value)
    if array.dtype.kind in "iu" and array.size and is_integer(dtype) and array.dtype != dtype:
        _check_fits(int(array.min()), int(array.max()), dtype)
    return constant(array, dtype)


def _check_fits(smallest: int, largest: int, dtype: str) -> None:
    """Raises for whole numbers that the type of the tensor beside them cannot hold."""
    bits = 8 * SIZES[dtype]
    first, last = (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if smallest < first or largest > last:
        raise OverflowError(
            f"{smallest if smallest < first else largest} is no {dtype}, the type that a number takes beside such a "
            f"tensor: it holds {first} to {last}. Cast the tensor first, as in K.cast(x, 'int64')."
        )


def cast(x: tensors.Tensor, dtype: str) -> tensors.Tensor:
    """`x` in another type, or itself."""
    return x if x.dtype == dtype else PRIMITIVES["cast"](x, dtype=dtype)


def unary(name: str, x: Any) -> tensors.Tensor:
    """A primitive of one operand."""
    made: tensors.Tensor = PRIMITIVES[name](convert(x))
    return made


def binary(name: str, x: Any, y: Any) -> tensors.Tensor:
    """A primitive of two operands, which are matched first."""
    if not (isinstance(x, tensors.Tensor) and isinstance(y, tensors.Tensor) and x.dtype == y.dtype):
        x, y = match(x, y)
    if x.dtype == "bool":
        # As in NumPy: a sum of booleans is "or", a product "and".
        name = {"add": "logical_or", "multiply": "logical_and"}.get(name, name)
    made: tensors.Tensor = PRIMITIVES[name](x, y)
    return made


def divide(x: Any, y: Any) -> tensors.Tensor:
    """True division; of integers in floatx."""
    x, y = match(x, y)
    if not is_float(x.dtype):
        x, y = cast(x, config.floatx()), cast(y, config.floatx())
    made: tensors.Tensor = PRIMITIVES["divide"](x, y)
    return made


def matmul(x: Any, y: Any) -> tensors.Tensor:
    """Matrix product of operands with at least two axes."""
    x, y = match(x, y)
    made: tensors.Tensor = PRIMITIVES["matmul"](x, y)
    return made


def logical(word: str, x: Any, y: Any) -> tensors.Tensor:
    """`&`, `|` and `^`: logical on booleans, bitwise on integers."""
    x, y = match(x, y)
    name = f"logical_{word}" if x.dtype == "bool" else f"bitwise_{word}"
    made: tensors.Tensor = PRIMITIVES[name](x, y)
    return made


def pack_tensor(entries: Sequence[Any]) -> tensors.Tensor:
    """Tensors and numbers of equal shape joined along a new first axis."""
    parts = [convert(entry) for entry in entries]
    dtype = promote(*[part.dtype for part in parts if not isinstance(part, tensors.Constant)] or [parts[0].dtype])
    rows = [PRIMITIVES["expand_dims"](cast(part, dtype), axis=(0,)) for part in parts]
    made: tensors.Tensor = rows[0] if len(rows) == 1 else PRIMITIVES["concatenate"](*rows, axis=0)
    return made


def pack(entries: Any) -> Any:
    """A shape as an attribute: a tuple of int, or an integer vector where an entry is a tensor."""
    if isinstance(entries, tensors.Tensor):
        return entries if entries.ndim == 1 else PRIMITIVES["expand_dims"](entries, axis=(0,))
    if isinstance(entries, np.ndarray):
        entries = entries.tolist()
    entries = list(entries) if isinstance(entries, (list, tuple)) else [entries]
    if any(isinstance(entry, tensors.Tensor) for entry in entries):
        return pack_tensor([cast(e, "int64") if isinstance(e, tensors.Tensor) else scalar(e, "int64") for e in entries])
    return tuple([None if entry is None else length(entry) for entry in entries])


def length(value: Any) -> int:
    """A whole number, of Python's or NumPy's, also as a float such as the 1.0 that `np.prod(())` is.

    Raises:
        TypeError: If it is no number.
        ValueError: If it is not whole.
    """
    if type(value) is int:
        return value
    if isinstance(value, np.ndarray) and not value.ndim:
        value = value[()]
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(naming.located(f"expected a whole number, received {_short(value)}."))
    if value % 1:
        raise ValueError(naming.located(f"expected a whole number, received {value}."))
    return int(value)


def index(x: tensors.Tensor, key: Any) -> tensors.Tensor:
    """`x[key]` as NumPy has it, but for boolean masks: integers, slices, None, an ellipsis, integer arrays."""
    keys = _expand_ellipsis(x, key if isinstance(key, tuple) else (key,))
    if not all(entry is None or isinstance(entry, slice) or is_place(entry) for entry in keys):
        from multikeras.graph import indexing

        return indexing.picked(x, _expand_ellipsis(x, key if isinstance(key, tuple) else (key,), gaps=True))
    starts: list[Any] = []
    stops: list[Any] = []
    steps: list[int] = []
    flipped: list[int] = []
    dropped: list[int] = []
    added: list[int] = []
    axis = 0
    for entry in keys:
        if entry is None:
            added.append(axis)
            continue
        if isinstance(entry, slice):
            start, stop, step = _bound(entry.start), _bound(entry.stop), 1 if entry.step is None else _step(entry.step)
            if step < 0:
                flipped.append(axis)
                start, stop, step = _mirror(start), _mirror(stop), -step
        else:
            _check_index(x, axis, int(entry))
            start, stop, step = int(entry), None if entry == -1 else int(entry) + 1, 1
            dropped.append(axis)
        starts.append(start)
        stops.append(stop)
        steps.append(step)
        axis += 1
    result = x
    if flipped:
        result = PRIMITIVES["flip"](result, axis=tuple(flipped))
    if any(s is not None for s in starts) or any(s is not None for s in stops) or any(s != 1 for s in steps):
        result = _slice(result, starts, stops, steps)
    if dropped:
        result = PRIMITIVES["squeeze"](result, axis=tuple(dropped))
        added = [a - sum(d < a for d in dropped) for a in added]
    if added:
        result = PRIMITIVES["expand_dims"](result, axis=tuple(a + i for i, a in enumerate(added)))
    return PRIMITIVES["identity"](result) if result is x else result


def is_place(entry: Any) -> bool:
    """Whether an index is a single number."""
    return isinstance(entry, (int, np.integer)) and not isinstance(entry, bool)


def _bound(bound: Any) -> Any:
    """A bound of a slice: None, an int, or an integer scalar of the graph."""
    if bound is None or type(bound) is int or isinstance(bound, tensors.Tensor):
        return bound
    try:
        return operator.index(bound)
    except TypeError:
        raise TypeError(naming.located(f"the bounds of a slice are ints or None, received {_short(bound)}.")) from None


def _step(step: Any) -> int:
    number = _bound(step)
    if isinstance(number, tensors.Tensor):
        raise TypeError(naming.located("the step of a slice is an int, received a tensor."))
    if number == 0:
        raise ValueError(naming.located("the step of a slice cannot be 0."))
    return int(number)


def _slice(x: tensors.Tensor, starts: list[Any], stops: list[Any], steps: list[int]) -> tensors.Tensor:
    def attribute(bounds: list[Any], default: Callable[[int], Any]) -> Any:
        if not any(isinstance(b, tensors.Tensor) for b in bounds):
            return tuple(None if b is None else int(b) for b in bounds)
        return pack([default(i) if b is None else b for i, b in enumerate(bounds)])

    shape = PRIMITIVES["shape"](x)
    made: tensors.Tensor = PRIMITIVES["slice"](
        x,
        starts=attribute(starts, lambda i: 0),
        stops=attribute(stops, lambda i: index(shape, i)),
        steps=tuple(steps),
    )
    return made


def _mirror(bound: Any) -> Any:
    """A bound of a slice with a negative step, as a bound of the flipped axis."""
    if bound is None:
        return None
    if isinstance(bound, tensors.Tensor):
        raise TypeError("A slice with a negative step needs numbers as bounds, received a tensor.")
    return -bound - 1


def _check_index(x: tensors.Tensor, axis: int, entry: int) -> None:
    length = x.shape[axis]
    if length is not None and not -length <= entry < length:
        raise IndexError(f"Index {entry} is outside axis {axis} of {x!r}, whose length is {length}.")


def _expand_ellipsis(x: tensors.Tensor, keys: tuple[Any, ...], gaps: bool = False) -> list[Any]:
    """One entry for each axis; with `gaps` an ellipsis that stands for no axis is left where it is."""
    used = sum(1 for entry in keys if entry is not None and entry is not Ellipsis)
    if used > x.ndim:
        raise IndexError(f"{used} indices for {x!r}, which has {x.ndim} axes.")
    fill = [slice(None)] * (x.ndim - used)
    positions = [i for i, entry in enumerate(keys) if entry is Ellipsis]
    if len(positions) > 1:
        raise IndexError("An index can hold one ellipsis (...).")
    if not positions:
        return [*keys, *fill]
    if not fill and gaps:
        return list(keys)
    return [*keys[: positions[0]], *fill, *keys[positions[0] + 1 :]]
