"""Arguments by position and their defaults, names and layouts of weights, and configurations as Keras 2.3 has them."""

from __future__ import annotations

import ast
import inspect
import json
from typing import Any

import numpy as np
import pytest

from multikeras import layers
from multikeras.layers import Input

TAIL = (
    "activation=None, use_bias=True, kernel_initializer='glorot_uniform', bias_initializer='zeros', "
    "kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None, "
    "bias_constraint=None"
)
SEPARABLE = (
    "depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer='glorot_uniform', "
    "pointwise_initializer='glorot_uniform', bias_initializer='zeros', depthwise_regularizer=None, "
    "pointwise_regularizer=None, bias_regularizer=None, activity_regularizer=None, depthwise_constraint=None, "
    "pointwise_constraint=None, bias_constraint=None"
)
SCALE = (
    "beta_initializer='zeros', gamma_initializer='ones', beta_regularizer=None, gamma_regularizer=None, "
    "beta_constraint=None, gamma_constraint=None"
)

#: Constructors of Keras 2.3; below them those of Keras 3 that came later.
SIGNATURES = f"""
Dense(units, {TAIL})
Activation(activation)
Dropout(rate, noise_shape=None, seed=None)
SpatialDropout1D(rate)
SpatialDropout2D(rate, data_format=None)
SpatialDropout3D(rate, data_format=None)
Flatten(data_format=None)
Reshape(target_shape)
Permute(dims)
RepeatVector(n)
Lambda(function, output_shape=None, mask=None, arguments=None)
ActivityRegularization(l1=0.0, l2=0.0)
Masking(mask_value=0.0)
Conv1D(filters, kernel_size, strides=1, padding='valid', data_format='channels_last', dilation_rate=1, {TAIL})
Conv2D(filters, kernel_size, strides=1, padding='valid', data_format=None, dilation_rate=1, {TAIL})
Conv3D(filters, kernel_size, strides=1, padding='valid', data_format=None, dilation_rate=1, {TAIL})
SeparableConv1D(filters, kernel_size, strides=1, padding='valid', data_format='channels_last', dilation_rate=1, {SEPARABLE})
SeparableConv2D(filters, kernel_size, strides=1, padding='valid', data_format=None, dilation_rate=1, {SEPARABLE})
Conv2DTranspose(filters, kernel_size, strides=1, padding='valid', output_padding=None, data_format=None, dilation_rate=1, {TAIL})
Conv3DTranspose(filters, kernel_size, strides=1, padding='valid', output_padding=None, data_format=None, {TAIL})
Cropping1D(cropping=(1, 1))
Cropping2D(cropping=((0, 0), (0, 0)), data_format=None)
Cropping3D(cropping=((1, 1), (1, 1), (1, 1)), data_format=None)
UpSampling1D(size=2)
UpSampling2D(size=2, data_format=None, interpolation='nearest')
UpSampling3D(size=2, data_format=None)
ZeroPadding1D(padding=1)
ZeroPadding2D(padding=1, data_format=None)
ZeroPadding3D(padding=1, data_format=None)
MaxPooling1D(pool_size=2, strides=None, padding='valid', data_format='channels_last')
MaxPooling2D(pool_size=2, strides=None, padding='valid', data_format=None)
MaxPooling3D(pool_size=2, strides=None, padding='valid', data_format=None)
AveragePooling1D(pool_size=2, strides=None, padding='valid', data_format='channels_last')
AveragePooling2D(pool_size=2, strides=None, padding='valid', data_format=None)
AveragePooling3D(pool_size=2, strides=None, padding='valid', data_format=None)
GlobalMaxPooling1D(data_format='channels_last')
GlobalAveragePooling1D(data_format='channels_last')
GlobalMaxPooling2D(data_format=None)
GlobalAveragePooling2D(data_format=None)
GlobalMaxPooling3D(data_format=None)
GlobalAveragePooling3D(data_format=None)
LocallyConnected1D(filters, kernel_size, strides=1, padding='valid', data_format=None, {TAIL})
LocallyConnected2D(filters, kernel_size, strides=1, padding='valid', data_format=None, {TAIL})
Embedding(input_dim, output_dim, embeddings_initializer='uniform', embeddings_regularizer=None, activity_regularizer=None, embeddings_constraint=None, mask_zero=False, input_length=None)
Concatenate(axis=-1)
Dot(axes, normalize=False)
LeakyReLU(alpha=0.3)
PReLU(alpha_initializer='zeros', alpha_regularizer=None, alpha_constraint=None, shared_axes=None)
ELU(alpha=1.0)
ThresholdedReLU(theta=1.0)
Softmax(axis=-1)
ReLU(max_value=None, negative_slope=0.0, threshold=0.0)
BatchNormalization(axis=-1, momentum=0.99, epsilon=1e-3, center=True, scale=True, beta_initializer='zeros', gamma_initializer='ones', moving_mean_initializer='zeros', moving_variance_initializer='ones', beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None)
GaussianNoise(stddev)
GaussianDropout(rate)
AlphaDropout(rate, noise_shape=None, seed=None)
LayerNormalization(axis=-1, epsilon=1e-3, center=True, scale=True, {SCALE})
GroupNormalization(groups=32, axis=-1, epsilon=1e-3, center=True, scale=True, {SCALE})
MultiHeadAttention(num_heads, key_dim, value_dim=None, dropout=0.0, use_bias=True, output_shape=None, attention_axes=None)
"""  # noqa: E501

REQUIRED = inspect.Parameter.empty


@pytest.mark.parametrize("line", SIGNATURES.strip().split("\n"), ids=lambda line: line.split("(")[0])
def test_arguments_and_defaults(line: str) -> None:
    definition = ast.parse(f"def {line}: pass").body[0]
    assert isinstance(definition, ast.FunctionDef)
    names = [a.arg for a in definition.args.args]
    defaults = [ast.literal_eval(d) for d in definition.args.defaults]
    expected = dict(zip(names, [REQUIRED] * (len(names) - len(defaults)) + defaults, strict=True))
    found = list(inspect.signature(getattr(layers, definition.name)).parameters.values())
    positional = [p for p in found if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [p.name for p in positional][: len(names)] == names
    for parameter in positional:
        wanted = expected.get(parameter.name, parameter.default)
        held = parameter.default
        # A number stands for as many of it as there are axes.
        assert held == wanted or (isinstance(held, tuple) and set(held) == {wanted})
    assert all(p.default is not REQUIRED for p in positional if p.name not in expected)


#: What Keras calls the weights of a layer, and their shapes.
WEIGHTS: list[tuple[Any, Any, list[tuple[str, tuple[int, ...]]]]] = [
    (lambda: layers.Dense(3), (2, 4), [("kernel", (4, 3)), ("bias", (3,))]),
    (lambda: layers.Conv1D(3, 2), (5, 4), [("kernel", (2, 4, 3)), ("bias", (3,))]),
    (lambda: layers.Conv2D(3, (2, 1)), (5, 5, 4), [("kernel", (2, 1, 4, 3)), ("bias", (3,))]),
    (lambda: layers.Conv2D(3, 2, data_format="channels_first"), (4, 5, 5), [("kernel", (2, 2, 4, 3)), ("bias", (3,))]),
    (lambda: layers.Conv3D(3, 2), (5, 5, 5, 4), [("kernel", (2, 2, 2, 4, 3)), ("bias", (3,))]),
    (lambda: layers.Conv2DTranspose(3, (2, 1)), (5, 5, 4), [("kernel", (2, 1, 3, 4)), ("bias", (3,))]),
    (lambda: layers.Conv3DTranspose(3, 2), (5, 5, 5, 4), [("kernel", (2, 2, 2, 3, 4)), ("bias", (3,))]),
    (
        lambda: layers.SeparableConv1D(3, 2, depth_multiplier=2),
        (5, 4),
        [("depthwise_kernel", (2, 4, 2)), ("pointwise_kernel", (1, 8, 3)), ("bias", (3,))],
    ),
    (
        lambda: layers.SeparableConv2D(3, (2, 1), depth_multiplier=2),
        (5, 5, 4),
        [("depthwise_kernel", (2, 1, 4, 2)), ("pointwise_kernel", (1, 1, 8, 3)), ("bias", (3,))],
    ),
    (
        lambda: layers.DepthwiseConv2D((2, 1), depth_multiplier=2),
        (5, 5, 4),
        [("depthwise_kernel", (2, 1, 4, 2)), ("bias", (8,))],
    ),
    (lambda: layers.LocallyConnected1D(3, 2), (5, 4), [("kernel", (4, 8, 3)), ("bias", (4, 3))]),
    (lambda: layers.LocallyConnected2D(3, (2, 1)), (5, 6, 4), [("kernel", (24, 8, 3)), ("bias", (4, 6, 3))]),
    (
        lambda: layers.LocallyConnected2D(3, (2, 1), data_format="channels_first"),
        (4, 5, 6),
        [("kernel", (24, 8, 3)), ("bias", (4, 6, 3))],
    ),
    (
        lambda: layers.BatchNormalization(),
        (5, 4),
        [("gamma", (4,)), ("beta", (4,)), ("moving_mean", (4,)), ("moving_variance", (4,))],
    ),
    (lambda: layers.Embedding(7, 3), (5,), [("embeddings", (7, 3))]),
    (lambda: layers.PReLU(shared_axes=[1]), (5, 4), [("alpha", (1, 4))]),
    (lambda: layers.LayerNormalization(axis=[1, 2]), (5, 4), [("gamma", (5, 4)), ("beta", (5, 4))]),
    (lambda: layers.GroupNormalization(2), (5, 4), [("gamma", (4,)), ("beta", (4,))]),
    (
        lambda: layers.MultiHeadAttention(2, 3, value_dim=5),
        [(6, 4), (7, 8)],
        [
            ("query/kernel", (4, 2, 3)),
            ("query/bias", (2, 3)),
            ("key/kernel", (8, 2, 3)),
            ("key/bias", (2, 3)),
            ("value/kernel", (8, 2, 5)),
            ("value/bias", (2, 5)),
            ("attention_output/kernel", (2, 5, 4)),
            ("attention_output/bias", (4,)),
        ],
    ),
]


@pytest.mark.parametrize(("make", "shapes", "expected"), WEIGHTS, ids=[type(w[0]()).__name__ for w in WEIGHTS])
def test_names_and_layouts_of_weights(make: Any, shapes: Any, expected: Any) -> None:
    layer = make()
    several = isinstance(shapes, list)
    layer([Input(shape) for shape in shapes] if several else Input(shapes))
    assert [(w.name, w.shape) for w in layer.weights] == [(f"{layer.name}/{name}", shape) for name, shape in expected]


GLOROT = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
}
ZEROS = {"class_name": "Zeros", "config": {}}
KERNEL: dict[str, Any] = {
    "activation": "linear",
    "use_bias": True,
    "kernel_initializer": GLOROT,
    "bias_initializer": ZEROS,
    "kernel_regularizer": None,
    "bias_regularizer": None,
    "activity_regularizer": None,
    "kernel_constraint": None,
    "bias_constraint": None,
}
LAST = {"data_format": "channels_last"}

#: Configurations in the words of Keras 2.3, the shape of an input, and the output's.
CONFIGURATIONS: list[tuple[str, dict[str, Any], tuple[int, ...], tuple[int, ...]]] = [
    (
        "Conv2DTranspose",
        {
            "filters": 3,
            "kernel_size": [2, 2],
            "strides": [2, 2],
            "padding": "same",
            "dilation_rate": [1, 1],
            "output_padding": None,
            **LAST,
            **KERNEL,
        },
        (4, 4, 2),
        (8, 8, 3),
    ),
    (
        "LocallyConnected1D",
        {"filters": 3, "kernel_size": [2], "strides": [1], "padding": "valid", **LAST, **KERNEL},
        (4, 2),
        (3, 3),
    ),
    ("UpSampling1D", {"size": 3}, (4, 2), (12, 2)),
    ("UpSampling2D", {"size": [2, 3], "interpolation": "nearest", **LAST}, (4, 4, 2), (8, 12, 2)),
    ("ZeroPadding1D", {"padding": [1, 2]}, (4, 2), (7, 2)),
    ("ZeroPadding2D", {"padding": [[1, 2], [0, 1]], "data_format": "channels_first"}, (2, 4, 4), (2, 7, 5)),
    ("Cropping1D", {"cropping": [1, 2]}, (4, 2), (1, 2)),
    ("Cropping3D", {"cropping": [[1, 0], [0, 1], [1, 1]], **LAST}, (4, 4, 4, 2), (3, 3, 2, 2)),
    ("SpatialDropout1D", {"rate": 0.5, "noise_shape": None, "seed": None}, (4, 2), (4, 2)),
    ("GaussianNoise", {"stddev": 0.5}, (4,), (4,)),
    ("AlphaDropout", {"rate": 0.5}, (4,), (4,)),
    ("LeakyReLU", {"alpha": 0.30000001192092896}, (4,), (4,)),
    (
        "PReLU",
        {"alpha_initializer": ZEROS, "alpha_regularizer": None, "alpha_constraint": None, "shared_axes": [1]},
        (4, 2),
        (4, 2),
    ),
    ("ReLU", {"max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0}, (4,), (4,)),
    ("MaxPooling1D", {"strides": [2], "pool_size": [2], "padding": "valid", **LAST}, (4, 2), (2, 2)),
    ("Reshape", {"target_shape": [2, -1]}, (4,), (2, 2)),
    ("Permute", {"dims": [2, 1]}, (4, 2), (2, 4)),
]


@pytest.mark.parametrize(("name", "fields", "shape", "expected"), CONFIGURATIONS, ids=[c[0] for c in CONFIGURATIONS])
def test_configurations(name: str, fields: dict[str, Any], shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    config = {"name": "mine", "trainable": True, "dtype": "float32", **fields}
    layer = layers.deserialize({"class_name": name, "config": config})
    assert (type(layer).__name__, layer.name) == (name, "mine")
    assert layer(np.ones((2, *shape), "float32")).shape == (2, *expected)
    held = json.loads(json.dumps(layer.get_config()))
    # What Keras writes beside it, and what is not there in all of its versions.
    assert {key: value for key, value in held.items() if key in config} == {
        key: value for key, value in config.items() if key in held
    }
    assert set(config) - set(held) <= {"noise_shape"}
