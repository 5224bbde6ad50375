"""Making tensors and asking about them."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from multikeras.backend import common
from multikeras.backend.session import NAMES
from multikeras.graph import naming, operands
from multikeras.graph.ops import elementwise, reductions, shapes
from multikeras.graph.ops.rules import full_like
from multikeras.graph.tensor import Placeholder, Tensor, ValueTensor, Variable
from multikeras.programs import evaluate


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> Variable:
    """A variable: a tensor that keeps its value until it is updated.

    Args:
        value: Array, number, nested list (copied), or a tensor. A tensor that reads no variable is
            computed when the variable is first used; another is computed now.
        dtype: Data type; floatx where None, also for integers.
        name: A name, made unique in the session by `_1`, `_2` …
        constraint: Function that an optimizer applies after each update.

    Returns:
        A variable of the shape of `value`.

    Source: Keras 2.3 `K.variable`.
    """
    kind = common.float_type(dtype)
    if isinstance(value, (list, tuple)) and operands._holds_tensor(value):
        value = operands.convert(value)
    initial: Any
    if isinstance(value, Tensor) and _may_wait(value):
        initial = operands.cast(value, kind)
        shape = tuple(value.shape)
    else:
        if isinstance(value, Tensor):
            with naming.named_errors():
                value = evaluate.value(value)
        elif hasattr(value, "toarray"):
            value = value.toarray()
        # NumPy has no bfloat16: float32 holds its values.
        initial = np.array(operands.numbers(value), dtype="float32" if kind == "bfloat16" else kind)
        shape = initial.shape
    made = Variable(shape, kind, initial, None if name is None else NAMES.unique(name))
    made.constraint = constraint
    return made


def _may_wait(value: Tensor) -> bool:
    """Whether a tensor can be computed later with the same result: it reads nothing that changes."""
    if None in value.shape:
        return False
    seen = {value}
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, (Variable, ValueTensor)) or (node.primitive is not None and node.primitive.effect):
            return False
        if node.body is not None or node.dtype == "tuple":
            return False
        for x in node.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return True


def placeholder(
    shape: Any = None, ndim: int | None = None, dtype: Any = None, sparse: bool = False, name: str | None = None
) -> Placeholder:
    """A tensor whose value is given at each call.

    Args:
        shape: Axis lengths, None where unknown.
        ndim: Number of axes, all unknown; used where `shape` is None.
        dtype: Data type; floatx where None.
        sparse: Marks it for `is_sparse`; what is fed becomes dense.
        name: A name for messages.

    Raises:
        ValueError: If neither `shape` nor `ndim` is given.
    """
    if shape is None:
        if ndim is None:
            raise ValueError("K.placeholder needs a shape, such as (None, 3), or ndim, the number of axes.")
        shape = (None,) * common.whole(ndim, "ndim")
    entries = shape if isinstance(shape, (list, tuple)) else (shape,)
    lengths = tuple([None if n is None or n == -1 else common.whole(n, "a length that is not None") for n in entries])
    made = Placeholder(lengths, common.float_type(dtype), name)
    if sparse:
        made.is_sparse = True  # type: ignore[attr-defined]
    return made


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor with a fixed value, which is copied.

    Args:
        value: Number, array or nested list; the result of a layer called on arrays as well.
        dtype: Data type; floatx where None, also for integers.
        shape: Shape to fill with one number, or to give to the entries.
        name: A name.

    Raises:
        TypeError: If `value` is a tensor without a value of its own.
    """
    if isinstance(value, ValueTensor):
        value = np.asarray(value.to_host(value.array))
    if isinstance(value, Tensor):
        raise TypeError(f"K.constant takes numbers, received {value!r}. Use the tensor itself, or K.stop_gradient(x).")
    array = operands.numbers(value)
    if shape is not None:
        lengths = _lengths(shape)
        if array.size not in (1, prod(lengths)):
            raise ValueError(f"K.constant: {array.size} numbers cannot fill the shape {lengths}.")
        array = np.broadcast_to(array.reshape(()), lengths) if array.size == 1 else array.reshape(lengths)
    return operands.constant(array, common.float_type(dtype), name)


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A variable filled with 0; where the shape holds tensors, a tensor of that shape.

    Args:
        shape: Axis lengths.
        dtype: Data type; floatx where None.
        name: A name.
    """
    return _full(shape, 0, dtype, name)


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A variable filled with 1; where the shape holds tensors, a tensor of that shape.

    Args:
        shape: Axis lengths.
        dtype: Data type; floatx where None.
        name: A name.
    """
    return _full(shape, 1, dtype, name)


def _full(shape: Any, value: int, dtype: Any, name: str | None) -> Tensor:
    packed = operands.pack(shape)
    kind = common.float_type(dtype)
    if isinstance(packed, Tensor):
        made: Tensor = shapes.broadcast_to(operands.scalar(value, kind), shape=packed)
        return made
    packed = _lengths(shape)
    stored = "float32" if kind == "bfloat16" else kind
    return variable(np.zeros(packed, stored) if value == 0 else np.ones(packed, stored), kind, name)


def _lengths(shape: Any) -> tuple[int, ...]:
    """A shape of which all lengths are known."""
    entries = np.ravel(shape).tolist() if isinstance(shape, np.ndarray) else shape
    return tuple([common.whole(n, "a length") for n in (entries if isinstance(entries, (list, tuple)) else [entries])])


def eye(size: Any, dtype: Any = None, name: str | None = None) -> Variable:
    """The identity matrix as a variable.

    Args:
        size: Number of rows and columns, or the pair of both.
        dtype: Data type; floatx where None.
        name: A name.
    """
    pair = tuple(size) if isinstance(size, (list, tuple)) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"K.eye: a matrix has a number of rows and one of columns, received {size!r}.")
    rows, columns = (common.whole(n, "the size") for n in pair)
    return variable(np.eye(rows, columns), dtype, name)


def zeros_like(x: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Zeros of the shape of `x`, which may hold unknown lengths.

    Args:
        x: Tensor or array.
        dtype: Data type; that of `x` where None.
        name: A name.
    """
    return _like(x, 0, dtype, name)


def ones_like(x: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Ones of the shape of `x`, which may hold unknown lengths.

    Args:
        x: Tensor or array.
        dtype: Data type; that of `x` where None.
        name: A name.
    """
    return _like(x, 1, dtype, name)


def _like(x: Any, value: int, dtype: Any, name: str | None) -> Tensor:
    source = common.tensor(x)
    kind = source.dtype if dtype is None else common.type_named(dtype)
    if kind == source.dtype:
        made = full_like(source, value)
    else:
        scalar = operands.scalar(value, kind)
        made = shapes.broadcast_to(scalar, shape=common.shape_of(source))
    if name is not None:
        made.name = name
    return made


def identity(x: Any, name: str | None = None) -> Tensor:
    """The same value as a new tensor.

    Args:
        x: Tensor.
        name: A name.
    """
    made = common.fresh(common.tensor(x))
    if name is not None:
        made.name = name
    return made


def cast(x: Any, dtype: Any) -> Tensor:
    """`x` in another data type; float to integer cuts off.

    Args:
        x: Tensor.
        dtype: Name of a type.
    """
    made: Tensor = elementwise.cast(common.tensor(x), dtype=common.type_named(dtype))
    return made


# -- asking -------------------------------------------------------------------------------------


def shape(x: Any) -> Tensor:
    """The shape as an integer vector, known when a program runs; it can be indexed and computed with.

    Args:
        x: Tensor.
    """
    made: Tensor = shapes.shape(common.tensor(x))
    return made


def int_shape(x: Any) -> tuple[int | None, ...]:
    """The static shape: a tuple of int, and None where a length is unknown.

    Args:
        x: Tensor or array.
    """
    return tuple(x.shape) if isinstance(x, Tensor) else tuple(np.shape(_array(x)))


def _array(x: Any) -> Any:
    """What is no tensor of the graph but has a shape, such as an array or a nested list."""
    if isinstance(x, (list, tuple)) and operands._holds_tensor(x):
        raise TypeError(naming.located("expected a tensor or an array, received a list of tensors. Use K.stack."))
    # What names its shape is not read for it: it may be a file's.
    return x if hasattr(x, "shape") else operands.numbers(x)


def ndim(x: Any) -> int:
    """Number of axes.

    Args:
        x: Tensor or array.
    """
    return x.ndim if isinstance(x, Tensor) else int(np.ndim(_array(x)))


def dtype(x: Any) -> str:
    """Name of the data type, such as `'float32'`.

    Args:
        x: Tensor or array.
    """
    return x.dtype if isinstance(x, Tensor) else common.type_named(np.asarray(_array(x)).dtype)


def size(x: Any, name: str | None = None) -> Tensor:
    """Number of entries, as an integer scalar tensor.

    Args:
        x: Tensor.
        name: A name.
    """
    made: Tensor = reductions.reduce_prod(shape(x), axis=(0,), keepdims=False)
    if name is not None:
        made.name = name
    return made


def count_params(x: Any) -> int:
    """Number of entries of a tensor whose shape is known.

    Args:
        x: Tensor.

    Raises:
        ValueError: If a length is unknown.
    """
    lengths = int_shape(x)
    if None in lengths:
        raise ValueError(f"K.count_params: {x!r} has an unknown length. K.size(x) gives the number as a tensor.")
    return prod(n for n in lengths if n is not None)


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor of this graph: a variable, a placeholder or anything made of them.

    Args:
        x: Anything.
    """
    return isinstance(x, Tensor)


def is_variable(x: Any) -> bool:
    """Whether `x` is a variable.

    Args:
        x: Anything.
    """
    return isinstance(x, Variable)


def is_placeholder(x: Any) -> bool:
    """Whether `x` is a placeholder.

    Args:
        x: Anything.
    """
    return isinstance(x, Placeholder)


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is the result of a layer or of `Input`.

    Args:
        x: Tensor.

    Raises:
        ValueError: If `x` is no tensor.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"K.is_keras_tensor asks about tensors, received {type(x).__name__}: {x!r}.")
    return hasattr(x, "_keras_history")


def is_sparse(tensor: Any) -> bool:
    """Whether `tensor` is a placeholder that was made with `sparse=True`.

    Args:
        tensor: Tensor.
    """
    return bool(getattr(tensor, "is_sparse", False))


def to_dense(tensor: Any) -> Tensor:
    """The same tensor: a sparse input has become dense when it was fed.

    Args:
        tensor: Tensor.
    """
    return common.fresh(common.tensor(tensor))


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Tensor:
    """Evenly spaced numbers from `start` up to and without `stop`.

    Args:
        start: First number; with `stop` None the end, and the first number is 0. It may be an
            integer scalar made of shapes.
        stop: End, likewise.
        step: Distance, not 0.
        dtype: Data type.

    Returns:
        A vector.

    Raises:
        ValueError: If `step` is 0.
    """
    if stop is None:
        start, stop = 0, start
    kind = common.type_named(dtype)
    start, stop, step = [b.known if isinstance(b, Tensor) and b.known is not None else b for b in (start, stop, step)]
    start, stop, step = [common.number(b, "a bound or a step") for b in (start, stop, step)]
    if not any(isinstance(bound, Tensor) for bound in (start, stop, step)):
        if step == 0:
            raise ValueError("K.arange: the step cannot be 0.")
        return operands.host_constant(np.arange(start, stop, step), kind)
    # The length is ceil((stop - start) / step), not below 0.
    span = common.tensor(stop) - start
    length = elementwise.maximum(operands.cast(-((-span) // step), "int64"), operands.scalar(0, "int64"))
    places = shapes.iota(length=length, dtype=kind)
    first = operands.cast(common.tensor(start), kind)
    made: Tensor = places * operands.cast(common.tensor(step), kind) + first
    return made
