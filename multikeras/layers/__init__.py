"""Layers, and finding them by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multikeras import lookup
from multikeras.layers.activation import Activation, ActivityRegularization
from multikeras.layers.base import InputSpec, Layer
from multikeras.layers.convolution import Conv1D, Conv2D, Conv3D
from multikeras.layers.convolutional_recurrent import ConvLSTM2D, ConvLSTM2DCell, ConvRNN2D
from multikeras.layers.dense import Dense
from multikeras.layers.dropout import Dropout, SpatialDropout1D
from multikeras.layers.embedding import Embedding
from multikeras.layers.global_pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
)
from multikeras.layers.input_layer import Input, InputLayer
from multikeras.layers.lambda_layer import Lambda
from multikeras.layers.masking import Masking
from multikeras.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from multikeras.layers.normalization import BatchNormalization
from multikeras.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from multikeras.layers.recurrent import (
    GRU,
    LSTM,
    RNN,
    CuDNNGRU,
    CuDNNLSTM,
    GRUCell,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from multikeras.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from multikeras.layers.resizing import UpSampling2D, ZeroPadding2D
from multikeras.layers.wrappers import Bidirectional, TimeDistributed, Wrapper

_LAYERS: tuple[type[Layer], ...] = (
    Activation,
    ActivityRegularization,
    Add,
    Average,
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv1D,
    Conv2D,
    Conv3D,
    ConvLSTM2D,
    ConvRNN2D,
    CuDNNGRU,
    CuDNNLSTM,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GRU,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    InputLayer,
    LSTM,
    Lambda,
    Masking,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
    Maximum,
    Minimum,
    Multiply,
    Permute,
    RNN,
    RepeatVector,
    Reshape,
    SimpleRNN,
    SpatialDropout1D,
    Subtract,
    TimeDistributed,
    UpSampling2D,
    ZeroPadding2D,
)
#: What recurrent layers are made of.
_CELLS: tuple[type[Layer], ...] = (ConvLSTM2DCell, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells)
_KNOWN: dict[str, Any] = {layer.__name__: layer for layer in (*_LAYERS, *_CELLS)}


def serialize(layer: Layer) -> dict[str, Any]:
    """The configuration of a layer, with the name of its class."""
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer or model of a configuration, with new weights.

    Args:
        config: What `serialize` gives.
        custom_objects: Classes and functions of one's own, by name.
    """
    from multikeras import models

    known = {**_KNOWN, "Model": models.Model, "Sequential": models.Sequential}
    return lookup.deserialize(config, known, "layer", custom_objects)


__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "ConvLSTM2D",
    "ConvLSTM2DCell",
    "ConvRNN2D",
    "CuDNNGRU",
    "CuDNNLSTM",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "InputSpec",
    "LSTMCell",
    "Lambda",
    "Layer",
    "Masking",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Permute",
    "RepeatVector",
    "Reshape",
    "SimpleRNN",
    "SimpleRNNCell",
    "SpatialDropout1D",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "UpSampling2D",
    "Wrapper",
    "ZeroPadding2D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]
