"""What a graph of a file may ask of a primitive: how many inputs, which attributes, and which values of them.

Kernels are fast because they believe what they are given. A view of windows with strides of the file's choosing, a
number of an entry that a window does not have, a third input of NumPy's own `add`, into which it would write: all of
it is refused here, where the file is read.
"""

from __future__ import annotations

import functools
import inspect
import keyword
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from multikeras import registry
from multikeras.contract import DTYPES, Primitive
from multikeras.graph.bodies import SubGraph
from multikeras.graph.build import ITEM
from multikeras.graph.tensor import Tensor
from multikeras.saving.reading.limits import LIMITS
from multikeras.saving.reading.reader import CorruptFileError, UnsafeFileError

#: What a name of an attribute looks like.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

#: What programs say to kernels: whether they may write into their inputs, and what they are to leave out.
_FOR_PROGRAMS = frozenset({"in_place", "residuals"})

#: Attributes that may be tensors, which are known when a program is specialised.
_OF_TENSORS = frozenset({"length", "shape", "size", "starts", "stops"})

_OPAQUE = "opaque"
_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _is_int(value: Any, least: int = -(1 << 63)) -> bool:
    return type(value) is int and least <= value < 1 << 63


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, float)) or _is_int(value)


def _ints(least: int, *others: Any) -> Callable[[Any], bool]:
    """A check for a tuple of ints that are not below `least`, or for one of a few other entries."""

    def check(value: Any) -> bool:
        return isinstance(value, tuple) and all(
            _is_int(entry, least) or any(entry is other for other in others) for entry in value
        )

    return check


def _is_shape(value: Any) -> bool:
    return len(value) <= LIMITS.axes and _ints(-1)(value) if isinstance(value, tuple) else False


def _is_axis(value: Any) -> bool:
    return _is_int(value) or _ints(-LIMITS.axes)(value)


def _is_padding(value: Any) -> bool:
    return value in ("same", "valid") or (
        isinstance(value, tuple) and all(_ints(0)(pair) and len(pair) == 2 for pair in value)
    )


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and value in DTYPES


def _is_body(value: Any) -> bool:
    return isinstance(value, SubGraph)


def _at_least(least: int) -> Callable[[Any], bool]:
    return lambda value: _is_int(value, least)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


#: By attribute: whether it may have a value that is no tensor. What is not here, no file asks for.
VALUES: dict[str, Callable[[Any], bool]] = {
    "axis": _is_axis,
    "body": _is_body,
    "dilation": _ints(1),
    "dtype": _is_type,
    "else_body": _is_body,
    "groups": _at_least(1),
    "k": _at_least(0),
    "keepdims": _is_flag,
    "length": _at_least(0),
    "lower": _is_flag,
    "maximum_iterations": lambda value: value is None or _is_int(value, 0),
    "num_carries": _at_least(0),
    "num_sequences": _at_least(0),
    "padding": _is_padding,
    "permutation": _ints(0),
    "rate": lambda value: _is_number(value) and 0 <= value < 1,
    "reverse": _is_flag,
    "shape": _is_shape,
    "size": _at_least(0),
    "sizes": _ints(0),
    "starts": _ints(-(1 << 63), None),
    "steps": _ints(1),
    "stops": _ints(-(1 << 63), None),
    "strides": _ints(1),
    "then_body": _is_body,
    "transpose": _is_flag,
    "value": _is_number,
    "window": _ints(1),
}


def checked_name(name: Any, where: str) -> str:
    """The name of an attribute, which a program is later written with.

    Raises:
        UnsafeFileError: If it is none.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UnsafeFileError(f"{where}: {name!r} is no name of an attribute.")
    return name


def check(primitive: Primitive, inputs: tuple[Tensor, ...], attributes: dict[str, Any], where: str) -> None:
    """Makes sure that a primitive gets what it is for.

    Raises:
        CorruptFileError: If it has another number of inputs, has no such attribute, or an attribute no such value.
        UnsafeFileError: If a residual is not that of the pooling it is read for.
    """
    unknown = sorted(attributes.keys() - names(primitive))
    if unknown:
        raise CorruptFileError(f"{where}: the primitive {primitive.name!r} has no attributes {unknown}.")
    for name, value in attributes.items():
        fits = name in _OF_TENSORS if isinstance(value, Tensor) else VALUES[name](value)
        if not fits:
            shown = f"{value!r:.100}"
            raise CorruptFileError(f"{where}: the primitive {primitive.name!r} takes no {name}={shown}.")
    count = number_of_inputs(primitive)
    if count is not None and len(inputs) != count:
        raise CorruptFileError(
            f"{where}: the primitive {primitive.name!r} takes {count} inputs, and is given {len(inputs)}."
        )
    if any(x.dtype == _OPAQUE for x in inputs) or primitive.name == "max_pool_gradient":
        _check_residual(primitive, inputs, attributes, where)
    if primitive.bodies:
        _check_bodies(primitive, inputs, attributes, where)


def _check_residual(primitive: Primitive, inputs: tuple[Tensor, ...], attributes: dict[str, Any], where: str) -> None:
    """A residual says where to write, and kernels do not look whether that is inside: only its own pooling makes it."""
    if primitive.name == "max_pool_gradient":
        _, x, y, residual = inputs
        pool = residual.inputs[0] if residual.primitive is ITEM else residual
        is_its_own = (
            pool.primitive is not None
            and pool.primitive.name == "max_pool"
            and residual.attributes == {"index": 1}
            and y.primitive is ITEM
            and y.inputs[0] is pool
            and y.attributes == {"index": 0}
            and pool.inputs[0] is x
            and pool.attributes == attributes
        )
        if is_its_own and not any(each.dtype == _OPAQUE for each in inputs[:3]):
            return
    raise UnsafeFileError(f"{where}: the primitive {primitive.name!r} is given the residual of something else.")


def _check_bodies(primitive: Primitive, inputs: tuple[Tensor, ...], attributes: dict[str, Any], where: str) -> None:
    """What is passed into a loop or a branch and what comes out of it fit together."""
    bodies = [attributes[name] for name in primitive.bodies]
    carries, sequences = attributes.get("num_carries", 0), attributes.get("num_sequences", 0)
    # A scan passes the number of the step in as well; of the others the first input is the condition.
    own = len(inputs) if primitive.name == "scan" else len(inputs) - 1
    passed = own + (primitive.name == "scan")
    results = [len(each.outputs) for each in bodies]
    if primitive.name == "while_loop":
        fits = results == [1 + carries]
    else:
        fits = len(set(results)) == 1 and carries <= results[0]
    if not fits or {len(each.bindings) for each in bodies} != {passed} or sequences + carries > own:
        raise CorruptFileError(f"{where}: the bodies of a {primitive.name!r} do not fit its {len(inputs)} inputs.")


@functools.cache
def names(primitive: Primitive) -> frozenset[str]:
    """The names of a primitive's attributes: what its rules and its kernel take and a file may say.

    NumPy's own functions stand as kernels of primitives without attributes, and would take more (`out`); what
    programs alone say to kernels is no attribute.
    """
    taken = {parameter.name for rule in _rules(primitive) for parameter in _parameters(rule)}
    return frozenset(taken & VALUES.keys() - _FOR_PROGRAMS)


@functools.cache
def number_of_inputs(primitive: Primitive) -> int | None:
    """How many inputs a primitive takes; None for any number."""
    kernel = registry.host().kernels.get(primitive.name)
    if isinstance(kernel, np.ufunc):
        return kernel.nin
    for rule in (kernel, *_rules(primitive)):
        parameters = _parameters(rule)
        if parameters and not any(each.kind is each.VAR_POSITIONAL for each in parameters):
            positional = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, _EITHER)]
            return sum(name not in VALUES for name in positional)
    return None


def _rules(primitive: Primitive) -> tuple[Any, ...]:
    kernel = registry.host().kernels.get(primitive.name)
    return (primitive.shape, primitive.dtype, primitive.resolve, primitive.composition, kernel)


def _parameters(rule: Any) -> list[inspect.Parameter]:
    if rule is None or isinstance(rule, np.ufunc):
        return []
    return list(inspect.signature(rule).parameters.values())


__all__ = ["VALUES", "check", "checked_name", "names", "number_of_inputs"]
