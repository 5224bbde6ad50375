"""Arrays in, value out: a layer called on arrays runs a program that is kept for the next time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from multikeras import registry
from multikeras.contract import Backend, check_dtype, is_float
from multikeras.graph.context import context
from multikeras.graph.tensor import Placeholder, Tensor, ValueTensor
from multikeras.layers import calls, owned, versions
from multikeras.programs import Function, settings

if TYPE_CHECKING:
    from multikeras.layers.base import Layer

#: Programs that one layer keeps, by what it was called on.
_KEPT = 32


class _Made:
    """A program with what is needed to use it again.

    Attributes:
        function: The program.
        single: Whether the layer gave a tensor rather than a list.
        dtypes: Data types of the outputs.
        made_at: When it was made, by the clock of `versions`.
        checked_at: When nothing had changed since, by the same clock.
        batch: The batch size that a stateful layer keeps its states for; None elsewhere.
    """

    __slots__ = ("batch", "checked_at", "dtypes", "function", "made_at", "single")

    def __init__(self, function: Function, single: bool, batch: int | None = None) -> None:
        self.function = function
        self.single = single
        self.batch = batch
        self.dtypes = [t.dtype for t in function.outputs]
        self.made_at = self.checked_at = versions.now()


def in_graph(inputs: Any, arguments: Mapping[str, Any]) -> bool:
    """Whether a call builds graph: on tensors, or inside another graph that is built."""
    if context.building:
        return True
    if not arguments and not isinstance(inputs, (Tensor, list, tuple, dict)):
        return False
    tensors = calls.tensors_in(inputs) + calls.tensors_in(arguments)
    return any(not isinstance(t, ValueTensor) for t in tensors)


def call(layer: Layer, inputs: Any, arguments: dict[str, Any]) -> Any:
    """The value that a layer gives for arrays.

    Args:
        layer: The layer.
        inputs: An array or value tensor, or a list of them.
        arguments: The other arguments of its `call`, some of which may be arrays.

    Returns:
        A tensor that has its value, or a list of them.
    """
    backend = registry.current()
    single = not isinstance(inputs, (list, tuple))
    values = [inputs] if single else list(inputs)
    fed_arguments = [name for name, value in arguments.items() if _is_array(value, backend)] if arguments else []
    values += [arguments[name] for name in fed_arguments]
    for i, value in enumerate(values):
        if not isinstance(value, (np.ndarray, ValueTensor)) and not backend.is_array(value):
            values[i] = _converted(layer, value)
    key: Any = (single, settings.default_phase(), *[(v.dtype, *v.shape[1:], v.ndim) for v in values])
    if arguments:
        rest = tuple((name, None if name in fed_arguments else _key(value)) for name, value in arguments.items())
        key = (*key, rest)
    programs: OrderedDict[Any, _Made] | None = layer.__dict__.get("_array_programs")
    if programs is None:
        programs = layer.__dict__.setdefault("_array_programs", OrderedDict())
    made = programs.get(key)
    if made is not None and made.checked_at != versions.now():
        if versions.latest(layer) > made.made_at:
            made = None
        else:
            made.checked_at = versions.now()
    if made is None:
        made = programs[key] = _trace(layer, values, single, arguments, fed_arguments)
        while len(programs) > _KEPT:
            programs.popitem(last=False)
    if made.batch is not None and values[0].shape[:1] != (made.batch,):
        raise ValueError(
            f"Layer {layer.name!r} is stateful and keeps states for a batch size of {made.batch}; received an array of "
            f"shape {tuple(values[0].shape)}."
        )
    arrays = made.function.run(values, backend)
    name, to_numpy = backend.name, backend.to_numpy
    outputs = [
        ValueTensor(array, tuple(array.shape), dtype, name, to_numpy)
        for array, dtype in zip(arrays, made.dtypes, strict=True)
    ]
    return outputs[0] if made.single else outputs


def _is_array(value: Any, backend: Backend) -> bool:
    return isinstance(value, (np.ndarray, ValueTensor)) or backend.is_array(value)


def _converted(layer: Layer, value: Any) -> np.ndarray:
    calls.check_no_layer(layer.name, value)
    if value is None or isinstance(value, (str, Mapping)):
        raise TypeError(f"Layer {layer.name!r} is called on a tensor, an array, or a list of them; received {value!r}.")
    return value.toarray() if hasattr(value, "tocsr") else np.asarray(value)


def _key(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        # Lists and the like are compared by what they show; an array among them was fed already.
        return repr(value)
    return type(value), value


def _trace(layer: Layer, values: list[Any], single: bool, arguments: dict[str, Any], fed_arguments: list[str]) -> _Made:
    """The program of a call on arrays of these ranks and types."""
    count = len(values) - len(fed_arguments)
    dtypes = [_dtype(layer, i if i < count else None, v) for i, v in enumerate(values)]
    # The states of a sample belong to its place in the batch, so that the number of places is known.
    stateful = any(inner.stateful for inner in versions.inside(layer))
    batch = values[0].shape[0] if stateful and values[0].ndim else None
    shapes = [tuple(v.shape) if stateful else (None, *v.shape[1:])[: v.ndim] for v in values]
    fed = [Placeholder(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    given: Any = fed[0] if single else fed[:count]
    passed = {**arguments, **dict(zip(fed_arguments, fed[count:], strict=True))}
    with calls.uninterrupted(), calls.scratch() as record:
        result = layer._call_in_graph(given, passed)
    outputs = result if isinstance(result, list) else [result]
    stored = owned.state_updates(record.children)
    return _Made(Function(fed, outputs, stored, name=layer.name), not isinstance(result, list), batch)


def _dtype(layer: Layer, position: int | None, value: Any) -> str:
    dtype = check_dtype(value.dtype)
    wanted = None if position is None else layer._input_dtype(position)
    if wanted is None:
        # Floating arrays are weak, as beside any tensor; integers stay what they are.
        wanted = layer.dtype if is_float(dtype) and is_float(layer.dtype) else dtype
    # A value tensor has a type of its own, as any tensor.
    return dtype if isinstance(value, ValueTensor) and is_float(dtype) == is_float(wanted) else wanted
