"""Layers, and finding them by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multikeras import lookup
from multikeras.layers import keras1, sharing
from multikeras.layers.activation import Activation, ActivityRegularization
from multikeras.layers.advanced_activations import ELU, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from multikeras.layers.attention import MultiHeadAttention
from multikeras.layers.base import InputSpec, Layer
from multikeras.layers.borders import Cropping1D, Cropping2D, Cropping3D, ZeroPadding1D, ZeroPadding2D, ZeroPadding3D
from multikeras.layers.convolution import Conv1D, Conv2D, Conv3D
from multikeras.layers.convolutional_recurrent import ConvLSTM2D, ConvLSTM2DCell, ConvRNN2D
from multikeras.layers.dense import Dense
from multikeras.layers.dropout import Dropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
from multikeras.layers.embedding import Embedding
from multikeras.layers.gated import Highway, MaxoutDense
from multikeras.layers.global_pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
)
from multikeras.layers.input_layer import Input, InputLayer
from multikeras.layers.keras1 import merge
from multikeras.layers.lambda_layer import Lambda
from multikeras.layers.local import LocallyConnected1D, LocallyConnected2D
from multikeras.layers.masking import Masking
from multikeras.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from multikeras.layers.noise import AlphaDropout, GaussianDropout, GaussianNoise
from multikeras.layers.normalization import BatchNormalization
from multikeras.layers.operations import Operations
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
from multikeras.layers.resizing import UpSampling1D, UpSampling2D, UpSampling3D
from multikeras.layers.sample_normalization import GroupNormalization, LayerNormalization
from multikeras.layers.separable import DepthwiseConv2D, SeparableConv1D, SeparableConv2D
from multikeras.layers.transposed import Conv2DTranspose, Conv3DTranspose
from multikeras.layers.wrappers import Bidirectional, TimeDistributed, Wrapper

_LAYERS: tuple[type[Layer], ...] = (
    Activation,
    ActivityRegularization,
    Add,
    AlphaDropout,
    Average,
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    Cropping1D,
    Cropping2D,
    Cropping3D,
    ConvLSTM2D,
    ConvRNN2D,
    CuDNNGRU,
    CuDNNLSTM,
    Dense,
    DepthwiseConv2D,
    Dot,
    Dropout,
    ELU,
    Embedding,
    Flatten,
    GRU,
    GaussianDropout,
    GaussianNoise,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    GroupNormalization,
    InputLayer,
    LSTM,
    Lambda,
    LayerNormalization,
    LeakyReLU,
    LocallyConnected1D,
    LocallyConnected2D,
    Masking,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
    Maximum,
    Minimum,
    MultiHeadAttention,
    Multiply,
    PReLU,
    Permute,
    RNN,
    ReLU,
    RepeatVector,
    Reshape,
    SeparableConv1D,
    SeparableConv2D,
    SimpleRNN,
    Softmax,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
    Subtract,
    ThresholdedReLU,
    TimeDistributed,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
#: What recurrent layers are made of.
_CELLS: tuple[type[Layer], ...] = (ConvLSTM2DCell, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells)
_KNOWN: dict[str, Any] = {layer.__name__: layer for layer in (*_LAYERS, *_CELLS)}
keras1.accept(_KNOWN)
Layer.add_weight = keras1.shape_first(Layer.add_weight)  # type: ignore[method-assign]
_KNOWN.update({old: _KNOWN[present] for old, present in keras1.ALIASES.items()})
# For the models of Keras 1; both have their old arguments and no others.
_KNOWN.update({layer.__name__: layer for layer in (Highway, MaxoutDense)})


def __getattr__(name: str) -> Any:
    # Classes under the names that they had in Keras 1.
    if name in keras1.ALIASES:
        return _KNOWN[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def serialize(layer: Layer) -> dict[str, Any]:
    """The configuration of a layer, with the name of its class; of a layer met before, with a number too."""
    return sharing.described(layer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer or model of a configuration, with new weights.

    Inside one configuration, what stands there several times under one `shared_object_id` is one layer.

    Args:
        config: What `serialize` gives.
        custom_objects: Classes and functions of one's own, by name.
    """
    from multikeras import models

    known = {**_KNOWN, "Operations": Operations, "Model": models.Model, "Sequential": models.Sequential}
    return sharing.made(config, lambda: lookup.deserialize(config, known, "layer", custom_objects))


__all__ = [
    "Activation",
    "ActivityRegularization",
    "Add",
    "AlphaDropout",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "ConvLSTM2D",
    "ConvLSTM2DCell",
    "ConvRNN2D",
    "CuDNNGRU",
    "CuDNNLSTM",
    "Dense",
    "DepthwiseConv2D",
    "Dot",
    "Dropout",
    "ELU",
    "Embedding",
    "Flatten",
    "GRU",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "Input",
    "InputLayer",
    "InputSpec",
    "LSTM",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "LocallyConnected1D",
    "LocallyConnected2D",
    "Masking",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "PReLU",
    "Permute",
    "RNN",
    "ReLU",
    "RepeatVector",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "StackedRNNCells",
    "Subtract",
    "ThresholdedReLU",
    "TimeDistributed",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Wrapper",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "merge",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]
# `from multikeras.layers import *` in an old program means these too.
__all__.extend(keras1.ALIASES)
