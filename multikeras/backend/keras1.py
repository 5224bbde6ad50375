"""Spellings of Keras 1, in one place: the rest of K knows those of Keras 2 only.

`accept` wraps a function so that it understands the old argument names as well; `ALIASES` names
the functions that had another name. Two arguments that Keras 2.3 calls otherwise are here too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from multikeras import config
from multikeras.backend import common

F = TypeVar("F", bound=Callable[..., Any])

#: Old names of functions, and the present ones.
ALIASES: dict[str, str] = {
    "deconv2d": "conv2d_transpose",
    "get_variable_shape": "int_shape",
    "lesser": "less",
    "lesser_equal": "less_equal",
    "normalize_batch": "batch_normalization",
}

_IMAGES = {"dim_ordering": "data_format"}
_RESIZE = {"X": "x", **_IMAGES}
_WINDOW = {"border_mode": "padding", **_IMAGES}
_DILATED = {"filter_dilation": "dilation_rate", **_WINDOW}

#: By function: old argument names, and the present ones.
ARGUMENTS: dict[str, dict[str, str]] = {
    "batch_get_value": {"xs": "ops"},
    "conv1d": _WINDOW,
    "conv2d": _DILATED,
    "conv2d_transpose": _WINDOW,
    "conv3d": _DILATED,
    "conv3d_transpose": _WINDOW,
    "depthwise_conv2d": _WINDOW,
    "expand_dims": {"dim": "axis"},
    "one_hot": {"nb_classes": "num_classes"},
    "pool2d": _WINDOW,
    "pool3d": _WINDOW,
    "resize_images": _RESIZE,
    "resize_volumes": _RESIZE,
    "separable_conv2d": _WINDOW,
    "set_epsilon": {"e": "value"},
    "set_floatx": {"floatx": "name"},
    "spatial_2d_padding": _IMAGES,
    "spatial_3d_padding": _IMAGES,
}

#: Arguments that are accepted and mean nothing: shapes are known without them.
IGNORED: dict[str, frozenset[str]] = {
    "conv2d": frozenset({"image_shape", "filter_shape"}),
    "conv2d_transpose": frozenset({"image_shape", "filter_shape"}),
    "conv3d": frozenset({"volume_shape", "filter_shape"}),
}

#: By function: a place, and the argument that a string there is, since it stood there before another came between.
STRINGS: dict[str, tuple[int, str]] = {"placeholder": (3, "name")}

#: Where `dim_ordering='th'` also changes the kernel: from (out, in, *window) to the present order.
KERNELS: dict[str, tuple[int, ...]] = {
    "conv2d": (2, 3, 1, 0),
    "conv2d_transpose": (2, 3, 0, 1),
    "conv3d": (2, 3, 4, 1, 0),
}


def accept(name: str, function: F) -> F:
    """The function, which also understands its Keras-1 argument names.

    Args:
        name: Its name in K.
        function: The function of the present names.
    """
    if name in STRINGS:
        return _with_string(name, function)
    renamed = ARGUMENTS.get(name)
    if renamed is None:
        return function
    old = renamed.keys() | IGNORED.get(name, frozenset())

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not old.isdisjoint(kwargs):
            args, kwargs = _translated(name, args, kwargs)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def _with_string(name: str, function: F) -> F:
    place, present = STRINGS[name]

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) == place + 1 and isinstance(args[place], str):
            if present in kwargs:
                raise TypeError(f"K.{name}: {present!r} was given twice, by position and by name.")
            args, kwargs = args[:place], {**kwargs, present: args[place]}
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def _translated(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    made: dict[str, Any] = {}
    for key, value in kwargs.items():
        if key in IGNORED.get(name, ()):
            continue
        present = ARGUMENTS[name].get(key, key)
        if present in made or (present != key and present in kwargs):
            raise TypeError(f"K.{name}: {key!r} is another name of {present!r}; both were given.")
        made[present] = _data_format(value) if key == "dim_ordering" else value
    order = kwargs.get("dim_ordering")
    if name in KERNELS and order is not None and made["data_format"] == "channels_first":
        if "kernel" in made:
            made["kernel"] = _present_order(name, made["kernel"])
        elif len(args) > 1:
            args = (args[0], _present_order(name, args[1]), *args[2:])
    return args, made


def _data_format(dim_ordering: Any) -> Any:
    return (
        config.image_data_format()
        if dim_ordering == "default"
        else config.DIM_ORDERINGS.get(dim_ordering, dim_ordering)
    )


def _present_order(name: str, kernel: Any) -> Any:
    pattern = KERNELS[name]
    weights = common.tensor(kernel)
    if weights.ndim != len(pattern):
        raise ValueError(
            f"K.{name}: under dim_ordering='th' the kernel has the axes (out, in, *window), {len(pattern)} in all; "
            f"received shape {weights.shape}."
        )
    return common.transpose(weights, pattern)
