"""Weights of older files in today's order.

Keras 1 kept every gate of a recurrent layer apart and the kernels of channels-first convolutions in
Theano's order; Theano and CNTK differ in whether kernels are flipped; and what a layer of cuDNN keeps
as a matrix is the memory of its transpose. The layouts are those of Keras 1.2 and 2.3, as their
documentation and files show them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from multikeras.saving.hdf5 import order as layer_order
from multikeras.saving.snapshot import LayerWeights, Snapshot, names_in
from multikeras.utils.conv_utils import convert_kernel

Arrays = list[np.ndarray]

#: Backends of older Keras whose convolutions flip their kernels, which ours do not.
_FLIPPING = frozenset({"theano"})

#: Backends of Keras 1 and 2: a file of theirs was not written here.
_THEIRS = frozenset({"tensorflow", "theano", "cntk"})

_FLIPPED = frozenset({"Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D"})

#: Where the matrices of i, f, c and o begin among the twelve arrays of an LSTM of Keras 1, which kept i, c, f and o.
_LSTM_GATES = (0, 6, 3, 9)
_GRU_GATES = (0, 3, 6)


#: By the name that Keras 1 wrote into regularizers and constraints: the class, and arguments with another name now.
_NAMED: dict[str, tuple[str, dict[str, str]]] = {
    "ActivityRegularizer": ("L1L2", {}),
    "L1L2Regularizer": ("L1L2", {}),
    "MaxNorm": ("MaxNorm", {"m": "max_value"}),
    "NonNeg": ("NonNeg", {}),
    "UnitNorm": ("UnitNorm", {}),
    "WeightRegularizer": ("L1L2", {}),
}


#: What the layer Merge of Keras 1 is today, by its mode.
_MERGES = {
    "ave": "Average",
    "concat": "Concatenate",
    "cos": "Dot",
    "dot": "Dot",
    "max": "Maximum",
    "mul": "Multiply",
    "sum": "Add",
}

#: What tf.keras writes besides, by class, with the value that says nothing.
_NEUTRAL: dict[str, dict[str, Any]] = {
    "InputLayer": {"ragged": False},
    **dict.fromkeys(
        (
            *("Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "DepthwiseConv2D"),
            *("SeparableConv1D", "SeparableConv2D"),
        ),
        {"groups": 1},
    ),
    **dict.fromkeys(("GRU", "LSTM", "RNN", "SimpleRNN"), {"time_major": False}),
    **{f"Global{kind}Pooling{axes}D": {"keepdims": False} for kind in ("Average", "Max") for axes in (1, 2, 3)},
}


#: Numbers that Keras 2.0 wrote as arrays, by class.
_NUMBERS = {"ELU": ("alpha",), "LeakyReLU": ("alpha",), "ReLU": ("max_value",), "ThresholdedReLU": ("theta",)}


def present_configuration(content: Any) -> Any:
    """A configuration of Keras 1 or tf.keras whose layers, regularizers and constraints are written as today.

    Raises:
        ValueError: If it has a layer that today has no counterpart of.
    """
    if isinstance(content, list):
        return [present_configuration(entry) for entry in content]
    if not isinstance(content, Mapping):
        return content
    made = {key: present_configuration(value) for key, value in content.items()}
    if isinstance(made.get("class_name"), str) and isinstance(made.get("config"), dict):
        kind, config = made["class_name"], made["config"]
        if kind == "Merge" and {"mode", "concat_axis"} <= set(config):
            return {**made, **_merge(config)}
        if kind == "TimeDistributedDense":
            # Dense computes over the last axis.
            return {**made, "class_name": "Dense", "config": {k: v for k, v in config.items() if k != "input_length"}}
        axis = config.get("axis")
        if kind == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
            config["axis"] = axis[0]
        for key in _NUMBERS.get(kind, ()):
            if isinstance(config.get(key), dict) and config[key].get("type") == "ndarray":
                config[key] = config[key].get("value")
        for key, value in _NEUTRAL.get(kind, {}).items():
            if key in config and config[key] == value:
                del config[key]
        return made
    name = made.get("name")
    if "class_name" in made or not isinstance(name, str) or name not in _NAMED or len(made) > 3:
        return made
    kind, renamed = _NAMED[name]
    return {"class_name": kind, "config": {renamed.get(k, k): v for k, v in made.items() if k != "name"}}


def _merge(config: Mapping[str, Any]) -> dict[str, Any]:
    """Class and configuration of what joins tensors as a Merge of Keras 1 did."""
    if config.get("layers"):
        raise ValueError(
            f"The Sequential model begins with the layer Merge {config.get('name')!r}, which joins several models. "
            "Today such models are made by Model: build it anew, and load the weights of its parts by name."
        )
    same = {key: config[key] for key in ("name", "trainable") if key in config}
    mode = config["mode"]
    if config.get("mode_type", "raw") != "raw":
        of_shape = {key: config.get(key) for key in ("output_shape", "output_shape_type")}
        function = {"function": mode, "function_type": config["mode_type"], "arguments": config.get("arguments") or {}}
        return {"class_name": "Lambda", "config": {**same, **function, **of_shape}}
    if mode not in _MERGES:
        raise ValueError(f"The layer Merge {config.get('name')!r}: mode {mode!r} is none of {', '.join(_MERGES)}.")
    if mode == "concat":
        same["axis"] = config["concat_axis"]
    if mode in ("dot", "cos"):
        same.update(axes=_axes(config.get("dot_axes", -1)), normalize=mode == "cos")
    return {"class_name": _MERGES[mode], "config": same}


def _axes(given: Any) -> Any:
    """Axes of a product, of which Keras 1 also took a list for each tensor."""
    return [entry[0] if isinstance(entry, list) else entry for entry in given] if isinstance(given, list) else given


def present_order(layer: Any, source: LayerWeights, snapshot: Snapshot) -> Arrays:
    """The arrays of a layer of a file as the layer of today has them.

    Args:
        layer: The layer that they are for.
        source: What the file holds.
        snapshot: The file, whose version and backend say how the arrays are laid out.

    Raises:
        ValueError: If an array would lose its fractions.
    """
    names, arrays = [name for name, _ in source.weights], [value for _, value in source.weights]
    variables = layer_order.variables(layer)
    ours = names_in(layer.name, variables)
    arrays = layer_order.restored(layer, names, arrays, source.places, ours)
    try:
        arrays = _present(layer, arrays, snapshot.keras_version.split(".")[0] == "1", snapshot.backend)
    except (IndexError, ValueError):
        # Arrays of other shapes than any version has: whoever compares them with those of the layer names them.
        return arrays
    for variable, array in zip(variables, arrays, strict=False):
        if "int" in variable.dtype and array.dtype.kind == "f" and (array != np.trunc(array)).any():
            raise ValueError(
                f"Layer {layer.name!r}: weight {variable.name!r} is of type {variable.dtype}, and the file holds "
                "numbers with fractions for it. Give the layer a dtype such as 'float32'."
            )
    return arrays


def _present(layer: Any, arrays: Arrays, is_first: bool, backend: str) -> Arrays:
    kind = type(layer).__name__
    if kind == "Bidirectional":
        # Layers of Keras 1 have more arrays than those of today, and both are alike there.
        half = len(arrays) // 2 if layer._is_like_forward else len(layer.forward_layer.weights)
        forward = _present(layer.forward_layer, arrays[:half], is_first, backend)
        return [*forward, *_present(layer.backward_layer, arrays[half:], is_first, backend)]
    if kind == "TimeDistributed":
        return _present(layer.layer, arrays, is_first, backend)
    if hasattr(layer, "layers") and hasattr(layer, "_set_graph"):
        return _nested(layer, arrays, is_first, backend)
    if is_first and kind in _OF_KERAS_1:
        arrays = _OF_KERAS_1[kind](layer, list(arrays))
    if backend in _THEIRS and kind in _FLIPPED and arrays:
        arrays = _of_backend(layer, kind, list(arrays), backend)
    if kind in ("LSTM", "CuDNNLSTM", "GRU", "CuDNNGRU"):
        arrays = _of_cudnn(layer, kind, arrays, backend in _THEIRS)
    return arrays


def _nested(model: Any, arrays: Arrays, is_first: bool, backend: str) -> Arrays:
    """The arrays of a model inside a model, layer by layer."""
    found: Arrays = []
    left = list(arrays)
    for layer in model.layers:
        count = len(layer_order.variables(layer))
        found += _present(layer, left[:count], is_first, backend)
        left = left[count:]
    return found + left


# -- Keras 1 ------------------------------------------------------------------------------------


def _conv1d(layer: Any, arrays: Arrays) -> Arrays:
    # (length, 1, in, out), or of Theano's order (out, in, length, 1).
    kernel = arrays[0]
    if kernel.ndim == 4:
        if kernel.shape[:2] != (layer.kernel_size[0], 1) or kernel.shape[3] != layer.filters:
            kernel = kernel.transpose(2, 3, 1, 0)
        arrays[0] = kernel[:, 0]
    return arrays


def _conv(layer: Any, arrays: Arrays) -> Arrays:
    if layer.data_format == "channels_first":
        spatial = range(2, arrays[0].ndim)
        arrays[0] = arrays[0].transpose(*spatial, 1, 0)
    return arrays


def _conv_transpose(layer: Any, arrays: Arrays) -> Arrays:
    first = layer.data_format == "channels_first"
    arrays[0] = arrays[0].transpose((2, 3, 0, 1) if first else (0, 1, 3, 2))
    return arrays


def _gates(arrays: Sequence[np.ndarray], begins: Sequence[int]) -> Arrays:
    """Kernel, recurrent kernel and bias from the three arrays of every gate."""
    return [np.concatenate([arrays[begin + part] for begin in begins], axis=-1) for part in range(3)]


def _lstm(layer: Any, arrays: Arrays) -> Arrays:
    return _gates(arrays, _LSTM_GATES) if len(arrays) == 12 else arrays


def _gru(layer: Any, arrays: Arrays) -> Arrays:
    return _gates(arrays, _GRU_GATES) if len(arrays) == 9 else arrays


def _conv_lstm(layer: Any, arrays: Arrays) -> Arrays:
    if len(arrays) != 12:
        return arrays
    if layer.data_format == "channels_first":
        arrays = [a.transpose(2, 3, 1, 0) if a.ndim == 4 else a for a in arrays]
    return _gates(arrays, _LSTM_GATES)


_OF_KERAS_1: dict[str, Callable[[Any, Arrays], Arrays]] = {
    "Conv1D": _conv1d,
    "Conv2D": _conv,
    "Conv2DTranspose": _conv_transpose,
    "Conv3D": _conv,
    "ConvLSTM2D": _conv_lstm,
    "GRU": _gru,
    "LSTM": _lstm,
}


# -- backends -----------------------------------------------------------------------------------


def _of_backend(layer: Any, kind: str, arrays: Arrays, backend: str) -> Arrays:
    """Kernels turned around, and brought from Theano's order of axes, where an older backend wants it."""
    for i in range(2 if kind == "ConvLSTM2D" else 1):
        expected = layer.weights[i].shape
        if arrays[i].shape != expected and arrays[i].ndim == 4 and arrays[i].transpose(2, 3, 1, 0).shape == expected:
            arrays[i] = arrays[i].transpose(2, 3, 1, 0)
        # Which axes are turned around is known once they stand in today's order.
        if backend in _FLIPPING:
            arrays[i] = convert_kernel(arrays[i])
    return arrays


# -- cuDNN --------------------------------------------------------------------------------------


def _of_cudnn(layer: Any, kind: str, arrays: Arrays, is_theirs: bool) -> Arrays:
    """Recurrent weights between the layers of cuDNN and the others.

    The two biases of a layer of cuDNN are one for LSTM, and the rows of one for GRU with reset_after.
    """
    if len(arrays) != 3:
        return arrays
    kernel, recurrent, bias = arrays
    count = 4 if kind.endswith("LSTM") else 3
    units = recurrent.shape[0]
    from_cudnn = bias.shape == (2 * count * units,)
    if from_cudnn and is_theirs:
        kernel = _each(kernel, count, lambda part: part.T.reshape(part.shape, order="F"))
        recurrent = _each(recurrent, count, lambda part: part.T)
    if kind == "LSTM" and from_cudnn:
        bias = bias.reshape(2, -1).sum(axis=0)
    elif kind == "CuDNNLSTM" and bias.shape == (count * units,):
        bias = np.tile(0.5 * bias, 2).astype(bias.dtype)
    elif kind == "GRU" and from_cudnn and getattr(layer, "reset_after", False):
        bias = bias.reshape(2, -1)
    elif kind == "CuDNNGRU" and bias.shape == (2, count * units):
        bias = bias.reshape(-1)
    return [kernel, recurrent, bias]


def _each(matrix: np.ndarray, count: int, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.concatenate([function(part) for part in np.split(matrix, count, axis=1)], axis=1)
