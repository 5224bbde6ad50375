"""Shape and data type rules that many primitives share, and helpers for gradient rules."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from multikeras.contract import PRIMITIVES, is_float
from multikeras.graph import operands
from multikeras.graph.tensor import Shape, Tensor


@lru_cache(maxsize=1024)
def broadcast_shapes(*shapes: Shape) -> Shape | None:
    """NumPy's broadcast of shapes in which None is unknown; None where they cannot meet."""
    ndim = max(map(len, shapes))
    result: list[int | None] = []
    for axis in range(-ndim, 0):
        length: int | None = 1
        for shape in shapes:
            if -axis > len(shape):
                continue
            entry = shape[axis]
            if entry == length or entry == 1:
                continue
            if length == 1 or length is None:
                # An unknown length beside a known one above 1 can only be that one, or 1.
                length = entry if entry is not None or length == 1 else length
            elif entry is not None:
                return None
        result.append(length)
    return tuple(result)


def broadcast(*inputs: Tensor, **attributes: Any) -> Shape:
    """Shape rule of elementwise primitives: NumPy's broadcasting."""
    shape: Shape | None = inputs[0].shape
    if len(inputs) == 2 and inputs[1].shape == shape:
        return shape
    shape = broadcast_shapes(*[x.shape for x in inputs])
    if shape is None:
        raise ValueError(
            f"Shapes {' and '.join(str(x.shape) for x in inputs)} do not broadcast: two lengths at one place "
            "must be equal, or one of them 1. Reshape or expand one of the tensors."
        )
    return shape


def first_shape(x: Tensor, *others: Tensor, **attributes: Any) -> Shape:
    """Shape rule: that of the first input."""
    return x.shape


def first_dtype(x: Tensor, *others: Tensor, **attributes: Any) -> str:
    """Type rule: that of the first input."""
    return x.dtype


def same_dtype(*inputs: Tensor, **attributes: Any) -> str:
    """Type rule of primitives whose inputs have one type, which is the result's."""
    dtype = inputs[0].dtype
    for x in inputs:
        if x.dtype != dtype:
            raise ValueError(
                f"Inputs have different types: {', '.join(x.dtype for x in inputs)}. Use K.cast, or the function of K."
            )
    return dtype


def number_dtype(*inputs: Tensor, **attributes: Any) -> str:
    """Type rule of arithmetic: inputs of one type, which is the result's and is not bool."""
    dtype = same_dtype(*inputs)
    if dtype == "bool":
        raise ValueError("Arithmetic takes numbers, received booleans. K.cast(x, 'int32') makes them 0 and 1.")
    return dtype


def comparison_dtype(*inputs: Tensor, **attributes: Any) -> str:
    """Type rule of comparisons: inputs of one type, a bool result."""
    same_dtype(*inputs)
    return "bool"


def float_dtype(*inputs: Tensor, **attributes: Any) -> str:
    """Type rule of primitives that take floating-point numbers only."""
    dtype = same_dtype(*inputs)
    if not is_float(dtype):
        raise ValueError(f"Expected floating-point numbers, received {dtype}. Use K.cast(x, 'float32') first.")
    return dtype


def reduced(shape: Shape, axis: tuple[int, ...], keepdims: bool) -> Shape:
    """Shape after a reduction over `axis`."""
    for a in axis:
        if not 0 <= a < len(shape):
            raise ValueError(f"Axis {a} is outside a tensor of shape {shape}.")
    if keepdims:
        return tuple(1 if i in axis else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axis)


def is_static(shape: Shape) -> bool:
    """Whether every length is known."""
    return None not in shape


def shape_of(x: Tensor) -> Any:
    """The shape as an attribute: a tuple where it is known, else an integer vector."""
    return x.shape if None not in x.shape else PRIMITIVES["shape"](x)


def length_of(x: Tensor, axis: int) -> Any:
    """One axis length as an attribute: an int where it is known, else an integer scalar."""
    length = x.shape[axis]
    return length if length is not None else operands.index(PRIMITIVES["shape"](x), axis)


def zeros_like(x: Tensor) -> Tensor:
    """Zeros of the shape and type of `x`."""
    return full_like(x, 0)


def full_like(x: Tensor, value: float) -> Tensor:
    """A tensor of the shape and type of `x` filled with one value."""
    made: Tensor = PRIMITIVES["broadcast_to"](operands.scalar(value, x.dtype), shape=shape_of(x))
    return made


def where(condition: Tensor, x: Any, y: Any) -> Tensor:
    """Entries of `x` where the condition holds, else of `y`; numbers are weak."""
    if not isinstance(x, Tensor):
        x = operands.scalar(x, y.dtype)
    elif not isinstance(y, Tensor):
        y = operands.scalar(y, x.dtype)
    made: Tensor = PRIMITIVES["where"](condition, x, y)
    return made


def sum_to(g: Tensor, x: Tensor) -> Tensor:
    """`g` summed over the axes along which `x` was broadcast to become of its shape."""
    if g.shape == x.shape and None not in g.shape:
        return g
    made: Tensor = PRIMITIVES["sum_to"](g, shape=shape_of(x))
    return made
