"""Layers as Keras 1 spelled them are the layers of today."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import layers
from multikeras.layers import keras1
from multikeras.models import Sequential

#: What a program of Keras 1 wrote, and the same in Keras 2. Written from the documentation of both.
CASES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], str, dict[str, Any]]] = {
    "dense": (
        "Dense",
        (5,),
        {
            "init": "he_normal",
            "W_regularizer": "l2",
            "b_regularizer": "l1",
            "W_constraint": "non_neg",
            "b_constraint": "unit_norm",
            "bias": True,
            "input_dim": 3,
        },
        "Dense",
        {
            "units": 5,
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
            "bias_regularizer": "l1",
            "kernel_constraint": "non_neg",
            "bias_constraint": "unit_norm",
            "input_shape": (3,),
        },
    ),
    "dense by name": ("Dense", (), {"output_dim": 4, "bias": False}, "Dense", {"units": 4, "use_bias": False}),
    "convolution": (
        "Convolution2D",
        (64, 3, 3),
        {"border_mode": "same", "dim_ordering": "th", "input_shape": (3, 32, 32), "subsample": (2, 2)},
        "Conv2D",
        {
            "filters": 64,
            "kernel_size": (3, 3),
            "padding": "same",
            "data_format": "channels_first",
            "input_shape": (3, 32, 32),
            "strides": (2, 2),
        },
    ),
    "new name, old numbers": ("Conv2D", (8, 3, 5), {}, "Conv2D", {"filters": 8, "kernel_size": (3, 5)}),
    "convolution by name": (
        "Convolution2D",
        (),
        {"nb_filter": 8, "nb_row": 2, "nb_col": 3, "init": "uniform", "activation": "relu"},
        "Conv2D",
        {"filters": 8, "kernel_size": (2, 3), "kernel_initializer": "uniform", "activation": "relu"},
    ),
    "convolution 1d": (
        "Convolution1D",
        (8, 3),
        {"subsample_length": 2, "border_mode": "valid", "input_dim": 4, "input_length": 10},
        "Conv1D",
        {"filters": 8, "kernel_size": 3, "strides": 2, "input_shape": (10, 4)},
    ),
    "filter length": ("Conv1D", (), {"nb_filter": 8, "filter_length": 5}, "Conv1D", {"filters": 8, "kernel_size": 5}),
    "convolution 3d": (
        "Convolution3D",
        (4, 2, 3, 4),
        {"dim_ordering": "tf"},
        "Conv3D",
        {"filters": 4, "kernel_size": (2, 3, 4), "data_format": "channels_last"},
    ),
    "three dimensions": (
        "Conv3D",
        (4,),
        {"kernel_dim1": 1, "kernel_dim2": 2, "kernel_dim3": 3},
        "Conv3D",
        {"filters": 4, "kernel_size": (1, 2, 3)},
    ),
    "dilated": (
        "AtrousConvolution2D",
        (4, 3, 3),
        {"atrous_rate": (2, 2)},
        "Conv2D",
        {"filters": 4, "kernel_size": (3, 3), "dilation_rate": (2, 2)},
    ),
    "transposed": (
        "Deconvolution2D",
        (3, 3, 3, (None, 14, 14, 3)),
        {"border_mode": "valid", "subsample": (2, 2)},
        "Conv2DTranspose",
        {"filters": 3, "kernel_size": (3, 3), "strides": (2, 2)},
    ),
    "transposed by name": (
        "Deconvolution2D",
        (3, 3, 3),
        {"output_shape": (None, 14, 14, 3)},
        "Conv2DTranspose",
        {"filters": 3, "kernel_size": (3, 3)},
    ),
    "separable": (
        "SeparableConvolution2D",
        (4, 3, 3),
        {"depthwise_init": "ones", "pointwise_init": "zeros"},
        "SeparableConv2D",
        {"filters": 4, "kernel_size": (3, 3), "depthwise_initializer": "ones", "pointwise_initializer": "zeros"},
    ),
    "local": (
        "LocallyConnected2D",
        (4, 3, 3),
        {"bias": False},
        "LocallyConnected2D",
        {"filters": 4, "kernel_size": (3, 3), "use_bias": False},
    ),
    "dropout": ("Dropout", (), {"p": 0.3}, "Dropout", {"rate": 0.3}),
    "spatial dropout": (
        "SpatialDropout2D",
        (0.3,),
        {"dim_ordering": "th"},
        "SpatialDropout2D",
        {"rate": 0.3, "data_format": "channels_first"},
    ),
    "noise": ("GaussianNoise", (), {"sigma": 0.3}, "GaussianNoise", {"stddev": 0.3}),
    "pooling": (
        "MaxPooling1D",
        (),
        {"pool_length": 3, "stride": 2, "border_mode": "same"},
        "MaxPooling1D",
        {"pool_size": 3, "strides": 2, "padding": "same"},
    ),
    "pooling 2d": (
        "AveragePooling2D",
        ((2, 3),),
        {"strides": (1, 1), "border_mode": "same", "dim_ordering": "th"},
        "AveragePooling2D",
        {"pool_size": (2, 3), "strides": (1, 1), "padding": "same", "data_format": "channels_first"},
    ),
    "short name": ("MaxPool2D", (), {}, "MaxPooling2D", {}),
    "upsampling": ("UpSampling1D", (), {"length": 3}, "UpSampling1D", {"size": 3}),
    "padding": (
        "ZeroPadding2D",
        ((1, 2),),
        {"dim_ordering": "default"},
        "ZeroPadding2D",
        {"padding": (1, 2), "data_format": "channels_last"},
    ),
    "embedding": (
        "Embedding",
        (10, 3),
        {"init": "normal", "W_regularizer": "l1", "W_constraint": "non_neg", "dropout": 0.0, "input_length": 7},
        "Embedding",
        {
            "input_dim": 10,
            "output_dim": 3,
            "embeddings_initializer": "normal",
            "embeddings_regularizer": "l1",
            "embeddings_constraint": "non_neg",
            "input_length": 7,
        },
    ),
    "normalization": (
        "BatchNormalization",
        (),
        {"mode": 0, "axis": 1, "beta_init": "one", "gamma_init": "zero"},
        "BatchNormalization",
        {"axis": 1, "beta_initializer": "one", "gamma_initializer": "zero"},
    ),
    "lstm": (
        "LSTM",
        (4,),
        {
            "init": "uniform",
            "inner_init": "normal",
            "forget_bias_init": "zero",
            "inner_activation": "sigmoid",
            "W_regularizer": "l1",
            "U_regularizer": "l2",
            "b_regularizer": "l1",
            "dropout_W": 0.1,
            "dropout_U": 0.2,
            "consume_less": "gpu",
            "input_dim": 3,
            "input_length": 5,
        },
        "LSTM",
        {
            "units": 4,
            "kernel_initializer": "uniform",
            "recurrent_initializer": "normal",
            "unit_forget_bias": False,
            "recurrent_activation": "sigmoid",
            "kernel_regularizer": "l1",
            "recurrent_regularizer": "l2",
            "bias_regularizer": "l1",
            "dropout": 0.1,
            "recurrent_dropout": 0.2,
            "implementation": 2,
            "input_shape": (5, 3),
        },
    ),
    "gru": ("GRU", (), {"output_dim": 4, "consume_less": "mem"}, "GRU", {"units": 4, "implementation": 1}),
    "convolutional lstm": (
        "ConvLSTM2D",
        (),
        {"nb_filter": 4, "nb_row": 3, "nb_col": 3, "border_mode": "same", "inner_activation": "sigmoid"},
        "ConvLSTM2D",
        {"filters": 4, "kernel_size": (3, 3), "padding": "same", "recurrent_activation": "sigmoid"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_old_spelling_gives_the_present_layer(name: str) -> None:
    old, args, kwargs, present, today = CASES[name]
    made = getattr(layers, old)(*args, **kwargs, name="same")
    expected = getattr(layers, present)(**today, name="same")
    assert type(made) is type(expected)
    assert made.get_config() == expected.get_config()


def test_every_old_argument_is_tested() -> None:
    tested = {(keras1.ALIASES.get(old, old), key) for old, _, kwargs, _, _ in CASES.values() for key in kwargs}
    # The same table serves several classes: each of its entries has to be tested on one of them.
    tested_words = {key for _, key in tested}
    words = {word for table in keras1.ARGUMENTS.values() for word in table} - {"input_dtype"}
    assert words <= tested_words


def test_aliases_are_the_classes_themselves() -> None:
    for old, present in keras1.ALIASES.items():
        assert getattr(layers, old) is getattr(layers, present)
        assert old in layers.__all__
    with pytest.raises(AttributeError, match="no attribute 'Convolution9D'"):
        _ = layers.Convolution9D


def test_a_program_of_keras_1(each_backend: str) -> None:
    model = Sequential()
    model.add(layers.Convolution2D(64, 3, 3, border_mode="same", input_shape=(3, 32, 32), dim_ordering="th"))
    assert model.output_shape == (None, 64, 32, 32)
    model.add(layers.MaxPooling2D((4, 4), dim_ordering="th"))
    model.add(layers.Dropout(p=0.25))
    model.add(layers.Flatten())
    assert model.output_shape == (None, 4096)
    model.add(layers.Dense(output_dim=2, init="glorot_normal", W_regularizer="l2"))
    assert model.predict(np.zeros((1, 3, 32, 32))).shape == (1, 2)


def test_subclasses_pass_old_arguments_on() -> None:
    class Mine(layers.Dense):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(output_dim=3, **kwargs)

    assert Mine(init="zeros").get_config()["units"] == 3


def test_old_configurations_are_read() -> None:
    config = {"class_name": "Convolution2D", "config": {"nb_filter": 4, "nb_row": 3, "nb_col": 2, "name": "c"}}
    assert layers.deserialize(config).kernel_size == (3, 2)


MISTAKES = {
    "both": (lambda: layers.Dense(units=3, output_dim=3), TypeError, "'output_dim' is the old name of 'units'"),
    "rows alone": (lambda: layers.Conv2D(3, nb_row=3), TypeError, "all of nb_row, nb_col"),
    "rows and size": (lambda: layers.Conv2D(3, kernel_size=3, nb_row=3, nb_col=3), TypeError, "kernel_size, or all"),
    "mode": (lambda: layers.BatchNormalization(mode=1), ValueError, "mode=1 of Keras 1 does not exist any more"),
    "dropout": (lambda: layers.Embedding(3, 4, dropout=0.2), ValueError, "dropout=0.2 of Keras 1"),
    "behind": (lambda: layers.Conv2D(3, 3, 3, "uniform"), TypeError, "by name; received 'uniform'"),
    "unknown": (lambda: layers.Dense(3, ini="ones"), TypeError, "ini"),
    "merge": (lambda: layers.merge([], mode="add"), ValueError, "one of sum, mul.*received 'add'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    call, kind, words = MISTAKES[name]
    with pytest.raises(kind, match=words):
        call()


A, B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, -6.0], [7.0, 8.0]])
NORMS = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
MERGES: dict[str, tuple[Any, Any]] = {
    "sum": ("sum", A + B),
    "mul": ("mul", A * B),
    "ave": ("ave", (A + B) / 2),
    "max": ("max", np.maximum(A, B)),
    "concat": ("concat", np.concatenate([A, B], 1)),
    "dot": ("dot", (A * B).sum(1, keepdims=True)),
    "cos": ("cos", ((A * B).sum(1) / NORMS)[:, None]),
    "function": (lambda pair: pair[0] - 2 * pair[1], A - 2 * B),
}


@pytest.mark.parametrize("name", MERGES)
def test_merge(name: str) -> None:
    mode, expected = MERGES[name]
    x, y = layers.Input((2,)), layers.Input((2,))
    merged = layers.merge([x, y], mode=mode)
    found = K.function([x, y], [merged])([A, B])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
