"""Functions in configurations: written by name, with a digest of the code, and found again; code is never written.

A function is found in `custom_objects`, among registered ones, among the functions of K that compute with tensors
alone, or, by its digest, among those that this process wrote or was given before. Nothing else is looked at, so that
a configuration cannot name what it likes.
"""

from __future__ import annotations

import functools
import hashlib
import os
import weakref
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import lookup

#: What stands before the name of a function of K, which no name of Python can begin with.
_OF_K = "backend>"

#: The functions of K that compute with tensors, and neither change nor tell what belongs to this process.
_FUNCTIONS = frozenset(
    {
        *("abs", "all", "any", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax"),
        *("argmin", "argsort", "batch_dot", "batch_flatten", "batch_normalization", "bias_add"),
        *("binary_crossentropy", "cast", "cast_to_floatx", "categorical_crossentropy", "ceil", "cholesky", "clip"),
        *("concatenate", "conv1d", "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose", "cos", "cosh"),
        *("cumprod", "cumsum", "depthwise_conv2d", "det", "dot", "einsum", "elu", "equal", "erf", "exp"),
        *("expand_dims", "expm1", "flatten", "floor", "gather", "gelu", "greater", "greater_equal", "hard_sigmoid"),
        *("identity", "in_top_k", "inv", "isfinite", "isinf", "isnan", "l2_normalize", "layer_normalization", "less"),
        *("less_equal", "local_conv1d", "local_conv2d", "log", "log1p", "log_softmax", "logical_and", "logical_not"),
        *("logical_or", "logsumexp", "matmul", "max", "maximum", "mean", "min", "minimum", "norm", "not_equal"),
        *("one_hot", "ones_like", "permute_dimensions", "pool2d", "pool3d", "pow", "prod", "relu", "repeat"),
        *("repeat_elements", "reshape", "resize_images", "resize_volumes", "reverse", "round"),
        *("scaled_dot_product_attention", "separable_conv1d", "separable_conv2d", "sigmoid", "sign", "silu", "sin"),
        *("sinh", "slice", "slogdet", "softmax", "softplus", "softsign", "solve", "solve_triangular", "sort"),
        *("sparse_categorical_crossentropy", "spatial_2d_padding", "spatial_3d_padding", "sqrt", "square", "squeeze"),
        *("stack", "std", "stop_gradient", "sum", "take_along_axis", "tan", "tanh", "temporal_padding", "tile"),
        *("top_k", "transpose", "var", "where", "zeros_like"),
    }
)

#: Functions that this process met, by their digests.
_met: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()

#: Objects without a content to speak of are told apart by where they are in this process, and are in no other.
_PROCESS = os.urandom(8).hex()


def meet(function: Any) -> str | None:
    """Lets a function be found by its digest, as long as something else keeps it; the digest."""
    found = digest(function)
    if found is not None:
        _met[found] = function
    return found


def written(function: Callable[..., Any]) -> str:
    """The name of a function in a configuration."""
    name = getattr(function, "__name__", type(function).__name__)
    if name in _FUNCTIONS and getattr(K, name) is function:
        return _OF_K + str(name)
    return lookup.get_registered_name(function) if hasattr(function, "__name__") else str(name)


def found(
    name: Any, digest: Any, custom_objects: Mapping[str, Any] | None, layer: Any, what: str = "function"
) -> Callable[..., Any]:
    """The function that a configuration names.

    Args:
        name: What `written` gave.
        digest: What `digest` gave, or None.
        custom_objects: Names that count before all others.
        layer: Name of the layer, for messages.
        what: What the function is for, for messages.

    Raises:
        ValueError: If it is not known; the message shows how to make it known.
    """
    known = {**lookup.get_custom_objects(), **(custom_objects or {})}
    function = known.get(name) if isinstance(name, str) else None
    if function is None and isinstance(digest, str):
        function = _met.get(digest)
    if function is None and isinstance(name, str) and name.startswith(_OF_K) and name[len(_OF_K) :] in _FUNCTIONS:
        function = getattr(K, name[len(_OF_K) :])
    if not callable(function):
        raise ValueError(
            f"Lambda layer {layer!r} needs the {what} {name!r}, which is not known here, and a configuration never "
            f"holds code. Pass custom_objects={{{name!r}: function}}, or put @register_keras_serializable() before "
            "the function in the program that saves and in the one that loads."
        )
    made: Callable[..., Any] = function
    return made


def digest(function: Any) -> str | None:
    """A number of a Python function: of its code, and of the values that it was made with. None for others."""
    if not isinstance(function, (FunctionType, MethodType, functools.partial)):
        return None
    return hashlib.sha256(repr(_described(function, ())).encode()).hexdigest()[:32]


def _described(value: Any, around: tuple[int, ...]) -> Any:
    """What tells a value from others, as plain data."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return type(value).__name__, repr(value)
    if id(value) in around:
        return "around", around.index(id(value))
    around = (*around, id(value))

    def each(values: Any) -> list[Any]:
        return [_described(entry, around) for entry in values]

    if isinstance(value, CodeType):
        return "code", value.co_code, each(value.co_consts), value.co_names, value.co_varnames, value.co_freevars
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        keywords = sorted((value.__kwdefaults__ or {}).items())
        made_with = each([value.__code__, *(value.__defaults__ or ())]), each(keywords), each(cells)
        return "function", value.__module__, *made_with
    if isinstance(value, MethodType):
        return "method", each([value.__self__, value.__func__])
    if isinstance(value, functools.partial):
        return "partial", each([value.func, value.args, sorted(value.keywords.items())])
    if isinstance(value, (tuple, list)):
        return type(value).__name__, each(value)
    if isinstance(value, (set, frozenset)):
        return type(value).__name__, sorted(map(repr, each(value)))
    if isinstance(value, dict):
        return "dict", [each(pair) for pair in value.items()]
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind != "O":
        array = np.asarray(value)
        return "array", array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).hexdigest()
    if isinstance(value, (ModuleType, type)):
        return "named", getattr(value, "__module__", ""), value.__name__
    return "object", _PROCESS, id(value)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        # A name that is bound later.
        return False


__all__ = ["digest", "found", "meet", "written"]
