"""Layers as Keras 1 spelled them, in one place: all other modules know the spelling of Keras 2 only.

`accept` lets the constructors of the layers understand the old argument names; `ALIASES` names the
classes that had another name; `merge` is the old function for joining tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from multikeras import config

F = TypeVar("F", bound=Callable[..., Any])

#: Old names of classes, and the present ones.
ALIASES: dict[str, str] = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    # Keras 2 has these beside the longer names.
    "AvgPool1D": "AveragePooling1D",
    "AvgPool2D": "AveragePooling2D",
    "AvgPool3D": "AveragePooling3D",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D",
    "MaxPool1D": "MaxPooling1D",
    "MaxPool2D": "MaxPooling2D",
    "MaxPool3D": "MaxPooling3D",
    "SpatialDropout": "SpatialDropout2D",
}

_EVERY = {"input_dtype": "dtype"}
_ORDER = {"dim_ordering": "data_format"}
_KERNEL = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
_WINDOW = {"border_mode": "padding", **_ORDER}
_CONVOLUTION = {
    "nb_filter": "filters",
    "subsample": "strides",
    "atrous_rate": "dilation_rate",
    **_WINDOW,
    **_KERNEL,
}
_CONVOLUTION_1D = {**_CONVOLUTION, "filter_length": "kernel_size", "subsample_length": "strides"}
_POOLING_1D = {"pool_length": "pool_size", "stride": "strides", "border_mode": "padding"}
_RECURRENT = {
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "consume_less": "implementation",
    "forget_bias_init": "unit_forget_bias",
    **_KERNEL,
}

#: By class: old argument names, and the present ones.
ARGUMENTS: dict[str, dict[str, str]] = {
    "AlphaDropout": {"p": "rate"},
    "AveragePooling1D": _POOLING_1D,
    "AveragePooling2D": _WINDOW,
    "AveragePooling3D": _WINDOW,
    "BatchNormalization": {
        "beta_init": "beta_initializer",
        "gamma_init": "gamma_initializer",
    },
    "Conv1D": _CONVOLUTION_1D,
    "Conv2D": _CONVOLUTION,
    "Conv2DTranspose": _CONVOLUTION,
    "Conv3D": _CONVOLUTION,
    "Conv3DTranspose": _CONVOLUTION,
    "ConvLSTM2D": {**_CONVOLUTION, **{k: v for k, v in _RECURRENT.items() if k != "output_dim"}},
    "Cropping2D": _ORDER,
    "Cropping3D": _ORDER,
    "Dense": {"output_dim": "units", **_KERNEL},
    "Dropout": {"p": "rate"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "GRU": _RECURRENT,
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "GlobalAveragePooling2D": _ORDER,
    "GlobalAveragePooling3D": _ORDER,
    "GlobalMaxPooling2D": _ORDER,
    "GlobalMaxPooling3D": _ORDER,
    "InputLayer": {},
    "LSTM": _RECURRENT,
    "LocallyConnected1D": _CONVOLUTION_1D,
    "LocallyConnected2D": _CONVOLUTION,
    "MaxPooling1D": _POOLING_1D,
    "MaxPooling2D": _WINDOW,
    "MaxPooling3D": _WINDOW,
    "PReLU": {"init": "alpha_initializer"},
    "SeparableConv2D": {
        **_CONVOLUTION,
        "init": "depthwise_initializer",
        "depthwise_init": "depthwise_initializer",
        "pointwise_init": "pointwise_initializer",
    },
    "SimpleRNN": _RECURRENT,
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate", **_ORDER},
    "SpatialDropout3D": {"p": "rate", **_ORDER},
    "UpSampling1D": {"length": "size"},
    "UpSampling2D": _ORDER,
    "UpSampling3D": _ORDER,
    "ZeroPadding2D": _ORDER,
    "ZeroPadding3D": _ORDER,
}

#: By class: how many numbers after the first argument make up a kernel size, and their old names.
KERNEL_SIZES: dict[str, tuple[str, ...]] = {
    "Conv2D": ("nb_row", "nb_col"),
    "Conv2DTranspose": ("nb_row", "nb_col"),
    "Conv3D": ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
    "Conv3DTranspose": ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
    "ConvLSTM2D": ("nb_row", "nb_col"),
    "LocallyConnected2D": ("nb_row", "nb_col"),
    "SeparableConv2D": ("nb_row", "nb_col"),
}

#: Arguments that Keras 2 has no more, with the values under which leaving them out changes nothing.
GONE: dict[str, dict[str, Callable[[Any], bool]]] = {
    "BatchNormalization": {"mode": lambda value: value == 0},
    # Transposed convolutions know their output shape.
    "Conv2DTranspose": {"output_shape": lambda value: True},
    "Conv3DTranspose": {"output_shape": lambda value: True},
    # Values are the same however the products are arranged.
    "ConvLSTM2D": {"consume_less": lambda value: True, "implementation": lambda value: True},
    "Embedding": {"dropout": lambda value: not value},
    "SimpleRNN": {"consume_less": lambda value: True, "implementation": lambda value: True},
}

#: Layers over sequences, which were told length and width apart.
SEQUENCES = frozenset({"Conv1D", "GRU", "LSTM", "LocallyConnected1D", "SimpleRNN"})

_IMPLEMENTATIONS = {"cpu": 0, "mem": 1, "gpu": 2}
_ONES = ("one", "ones")


def accept(classes: Mapping[str, type]) -> None:
    """Lets the constructors of layers understand their Keras-1 arguments as well.

    Args:
        classes: The classes by name; those without old arguments stay as they are.
    """
    for name, cls in classes.items():
        if name in ARGUMENTS or name in SEQUENCES:
            _wrap(cls, name)


def _wrap(cls: Any, name: str) -> None:
    plain = cls.__init__
    old = {
        *ARGUMENTS.get(name, ()),
        *KERNEL_SIZES.get(name, ()),
        *GONE.get(name, ()),
        *_EVERY,
        *(("input_length",) if name in SEQUENCES else ()),
    }
    numbers = len(KERNEL_SIZES.get(name, ())) + 1

    @wraps(plain)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if kwargs and not old.isdisjoint(kwargs):
            kwargs = translated(name, args, kwargs)
        if numbers > 2 and len(args) >= numbers and all(_is_number(a) for a in args[:numbers]):
            args = (args[0], tuple(int(n) for n in args[1:numbers]), *_after_size(name, args[numbers:]))
        plain(self, *args, **kwargs)

    cls.__init__ = __init__


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_float(dtype: Any) -> bool:
    return "float" in str(dtype)


def _after_size(name: str, rest: Sequence[Any]) -> Sequence[Any]:
    """What stood behind the kernel size by position: the output shape of transposed convolutions, else nothing."""
    if name.endswith("Transpose") and rest and isinstance(rest[0], (tuple, list)):
        return rest[1:]
    if rest:
        raise TypeError(
            f"{name}: after the kernel size ({len(KERNEL_SIZES[name])} numbers, as in Keras 1) arguments are given by "
            f"name; received {rest[0]!r} by position."
        )
    return rest


def translated(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of a layer in the spelling of Keras 2.

    Args:
        name: Name of the class.
        args: Its arguments by position.
        kwargs: Its arguments by name.

    Raises:
        TypeError: If an argument is given under both names.
        ValueError: If an argument that is gone asks for something.
    """
    renamed = {**_EVERY, **ARGUMENTS.get(name, {})}
    sizes = KERNEL_SIZES.get(name, ())
    gone = GONE.get(name, {})
    made: dict[str, Any] = {}
    for key, value in kwargs.items():
        if key in sizes:
            continue
        if key in gone and not (key == "output_shape" and name not in ("Conv2DTranspose", "Conv3DTranspose")):
            if not gone[key](value):
                raise ValueError(f"{name}: {key}={value!r} of Keras 1 does not exist any more. Leave it out.")
            continue
        if key == "input_dtype" and name != "InputLayer" and not _is_float(value):
            # What is fed is of whole numbers, as an Embedding of Keras 1 says; the weights are not.
            continue
        present = renamed.get(key, key)
        if present in made or (present != key and present in kwargs):
            raise TypeError(f"{name}: {key!r} is the old name of {present!r}; both were given.")
        made[present] = _value(key, value)
    given = [kwargs[key] for key in sizes if key in kwargs]
    if given:
        if len(given) != len(sizes) or "kernel_size" in made:
            raise TypeError(f"{name}: give kernel_size, or all of {', '.join(sizes)} of Keras 1.")
        made["kernel_size"] = tuple(given)
    if name in SEQUENCES and "input_length" in made:
        length = made.pop("input_length")
        if "input_shape" not in made and "input_dim" in made:
            made["input_shape"] = (length, made.pop("input_dim"))
    return made


def _value(key: str, value: Any) -> Any:
    """The value of an old argument as the present one has it."""
    if key == "dim_ordering":
        return config.image_data_format() if value == "default" else config.DIM_ORDERINGS.get(value, value)
    if key == "consume_less":
        return _IMPLEMENTATIONS.get(value, value)
    if key == "forget_bias_init":
        return value in _ONES if isinstance(value, str) else value
    return value


def shape_first(add_weight: F) -> F:
    """Lets `add_weight(shape, …, name=…)` of Keras 1 mean `add_weight(name, shape, …)`."""

    @wraps(add_weight)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], (tuple, list)):
            kwargs["shape"], args = tuple(args[0]), args[1:]
        return add_weight(self, *args, **kwargs)

    return call  # type: ignore[return-value]


def merge(
    inputs: Sequence[Any],
    mode: Any = "sum",
    concat_axis: int = -1,
    dot_axes: Any = -1,
    output_shape: Any = None,
    output_mask: Any = None,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Any:
    """Joins tensors, as the function of this name in Keras 1 did.

    Args:
        inputs: The tensors.
        mode: `'sum'`, `'mul'`, `'ave'`, `'max'`, `'concat'`, `'dot'`, `'cos'`, or a function of a list of tensors.
        concat_axis: The axis of `'concat'`.
        dot_axes: The axes of `'dot'` and `'cos'`.
        output_shape: Shape, or function of the shapes, where `mode` is a function.
        output_mask: Function of inputs and masks, where `mode` is a function.
        arguments: More arguments of the function.
        name: Name of the layer.

    Raises:
        ValueError: If the mode is another word.
    """
    from multikeras import layers

    named: dict[str, Any] = {} if name is None else {"name": name}
    if callable(mode):
        made = layers.Lambda(mode, output_shape=output_shape, mask=output_mask, arguments=arguments, **named)
        return made(list(inputs))
    makers: dict[Any, Callable[[], Any]] = {
        "sum": lambda: layers.Add(**named),
        "mul": lambda: layers.Multiply(**named),
        "ave": lambda: layers.Average(**named),
        "max": lambda: layers.Maximum(**named),
        "concat": lambda: layers.Concatenate(axis=concat_axis, **named),
        "dot": lambda: layers.Dot(dot_axes, **named),
        "cos": lambda: layers.Dot(dot_axes, normalize=True, **named),
    }
    if mode not in makers:
        raise ValueError(f"merge: mode is one of {', '.join(makers)}, or a function; received {mode!r}.")
    return makers[mode]()(list(inputs))


__all__ = ["ALIASES", "ARGUMENTS", "GONE", "KERNEL_SIZES", "accept", "merge", "shape_first", "translated"]
