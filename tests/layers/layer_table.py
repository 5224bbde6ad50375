"""One entry a layer: how it is made, what it is given, and the same function in PyTorch.

PyTorch computes the references in double precision, and their gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from multikeras import backend as K
from multikeras import layers
from tests.layers.layer_case import Case, conv, pool
from tests.layers.recurrent import references
from tests.layers.table_activations import ACTIVATION_CASES
from tests.layers.table_attention import ATTENTION_CASES
from tests.layers.table_windows import WINDOW_CASES


class Scaled(layers.Layer):
    """A layer of one's own."""

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight("scale", (input_shape[-1],), initializer="ones")
        self.shift = self.add_weight("shift", (1,), initializer="zeros", trainable=False)

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale + self.shift


def normalized(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> Any:
    return (x - mean) / (variance + 1e-3).sqrt() * gamma + beta


def normalized_by_batch(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> Any:
    return normalized(x, gamma, beta, x.mean(0), x.var(0, unbiased=False))


def masked(x: Any) -> Any:
    return x * (x != 0).any(-1, keepdim=True)


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "softmax": lambda x: x.softmax(-1),
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "relu": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "hard_sigmoid_6": F.hardsigmoid,
    "exponential": torch.exp,
    "gelu": F.gelu,
    "silu": F.silu,
    "swish": F.silu,
    "linear": lambda x: x,
}

CASES: list[Case] = [
    Case("dense", lambda: layers.Dense(3, activation="tanh"), [(4, 5)], lambda x, k, b: torch.tanh(x @ k + b)),
    Case("dense of sequences", lambda: layers.Dense(3, use_bias=False), [(2, 4, 5)], lambda x, k: x @ k),
    Case("own layer", Scaled, [(4, 5)], lambda x, scale, shift: x * scale + shift),
    Case("dropout in test", lambda: layers.Dropout(0.5), [(4, 5)], lambda x: x),
    Case("spatial dropout in test", lambda: layers.SpatialDropout1D(0.5), [(2, 4, 5)], lambda x: x),
    Case("flatten", layers.Flatten, [(2, 3, 4)], lambda x: x.reshape(2, 12)),
    Case(
        "flatten channels first",
        lambda: layers.Flatten(data_format="channels_first"),
        [(2, 3, 4, 5)],
        lambda x: x.movedim(1, -1).reshape(2, 60),
    ),
    Case("reshape", lambda: layers.Reshape((2, -1)), [(3, 8)], lambda x: x.reshape(3, 2, 4)),
    Case("permute", lambda: layers.Permute((2, 1)), [(2, 3, 4)], lambda x: x.permute(0, 2, 1)),
    Case("repeat vector", lambda: layers.RepeatVector(3), [(2, 4)], lambda x: x[:, None].expand(2, 3, 4)),
    Case("lambda", lambda: layers.Lambda(lambda x: K.square(x)), [(2, 4)], lambda x: x * x),
    Case("activity regularization", lambda: layers.ActivityRegularization(0.1, 0.1), [(2, 4)], lambda x: x),
    Case("masking", layers.Masking, [(2, 4, 3)], masked),
    Case("embedding", lambda: layers.Embedding(6, 3), [(2, 4)], lambda i, table: table[i.long()], integers=6),
    Case("conv1d", lambda: layers.Conv1D(3, 2), [(2, 7, 4)], conv()),
    Case("conv1d causal", lambda: layers.Conv1D(3, 3, padding="causal"), [(2, 7, 4)], conv(causal=True)),
    Case(
        "conv1d causal dilated",
        lambda: layers.Conv1D(3, 2, padding="causal", dilation_rate=2),
        [(2, 7, 4)],
        conv(causal=True, dilation=2),
    ),
    Case("conv2d", lambda: layers.Conv2D(3, (3, 2)), [(2, 6, 5, 4)], conv()),
    Case("conv2d same", lambda: layers.Conv2D(3, (2, 4), padding="same"), [(2, 6, 5, 4)], conv("same")),
    Case(
        "conv2d same strided",
        lambda: layers.Conv2D(3, 3, strides=2, padding="same"),
        [(2, 6, 5, 4)],
        conv("same", strides=2),
    ),
    Case("conv2d dilated", lambda: layers.Conv2D(3, 2, dilation_rate=2), [(2, 6, 5, 4)], conv(dilation=2)),
    Case(
        "conv2d channels first",
        lambda: layers.Conv2D(3, 3, data_format="channels_first"),
        [(2, 4, 6, 5)],
        conv(first=True),
    ),
    Case("conv3d", lambda: layers.Conv3D(2, 2), [(2, 4, 3, 4, 3)], conv()),
    Case("max pooling 1d", lambda: layers.MaxPooling1D(2), [(2, 7, 3)], pool("max", 2, 2)),
    Case("average pooling 1d", lambda: layers.AveragePooling1D(3, 2), [(2, 7, 3)], pool("avg", 3, 2)),
    Case("max pooling 2d", layers.MaxPooling2D, [(2, 6, 5, 3)], pool("max", 2, 2)),
    Case(
        "max pooling 2d same",
        lambda: layers.MaxPooling2D(3, 2, padding="same"),
        [(2, 6, 5, 3)],
        pool("max", 3, 2, "same"),
    ),
    Case(
        "average pooling 2d same",
        lambda: layers.AveragePooling2D(3, 2, padding="same"),
        [(2, 6, 5, 3)],
        pool("avg", 3, 2, "same"),
    ),
    Case(
        "max pooling 2d channels first",
        lambda: layers.MaxPooling2D(data_format="channels_first"),
        [(2, 3, 6, 5)],
        pool("max", 2, 2, first=True),
    ),
    Case("max pooling 3d", layers.MaxPooling3D, [(2, 4, 4, 4, 2)], pool("max", 2, 2)),
    Case("average pooling 3d", layers.AveragePooling3D, [(2, 4, 4, 4, 2)], pool("avg", 2, 2)),
    Case("global max pooling 1d", layers.GlobalMaxPooling1D, [(2, 5, 3)], lambda x: x.amax(1)),
    Case("global average pooling 1d", layers.GlobalAveragePooling1D, [(2, 5, 3)], lambda x: x.mean(1)),
    Case("global max pooling 2d", layers.GlobalMaxPooling2D, [(2, 4, 5, 3)], lambda x: x.amax((1, 2))),
    Case(
        "global average pooling 2d channels first",
        lambda: layers.GlobalAveragePooling2D(data_format="channels_first"),
        [(2, 3, 4, 5)],
        lambda x: x.mean((2, 3)),
    ),
    Case(
        "zero padding 2d",
        lambda: layers.ZeroPadding2D(((1, 2), (0, 3))),
        [(2, 3, 4, 2)],
        lambda x: F.pad(x, (0, 0, 0, 3, 1, 2)),
    ),
    Case(
        "up-sampling 2d",
        lambda: layers.UpSampling2D((2, 3)),
        [(2, 3, 4, 2)],
        lambda x: x.repeat_interleave(2, 1).repeat_interleave(3, 2),
    ),
    Case(
        "up-sampling 2d, bilinear",
        lambda: layers.UpSampling2D((2, 3), interpolation="bilinear"),
        [(2, 3, 4, 2)],
        # With the last row and column repeated, the steps are those from corner to corner.
        lambda x: F.interpolate(
            F.pad(x.permute(0, 3, 1, 2), (0, 1, 0, 1), mode="replicate"), (7, 13), mode="bilinear", align_corners=True
        )[..., :-1, :-1].permute(0, 2, 3, 1),
    ),
    Case("batch normalization in test", layers.BatchNormalization, [(6, 4)], normalized),
    Case(
        "batch normalization in training",
        layers.BatchNormalization,
        [(6, 4)],
        normalized_by_batch,
        arguments={"training": True},
    ),
    Case(
        "batch normalization, axis 1",
        lambda: layers.BatchNormalization(axis=1, scale=False),
        [(3, 4, 5)],
        lambda x, b, m, v: (x - m[:, None]) / (v[:, None] + 1e-3).sqrt() + b[:, None],
    ),
    Case(
        "rnn of cells",
        lambda: layers.RNN(layers.SimpleRNNCell(4)),
        [(2, 5, 3)],
        references.loop(references.simple, [4]),
    ),
    Case("simple rnn", lambda: layers.SimpleRNN(4), [(2, 5, 3)], references.loop(references.simple, [4])),
    Case("lstm", lambda: layers.LSTM(4), [(2, 5, 3)], references.loop(references.lstm_with(), [4, 4])),
    Case(
        "lstm of sequences, backwards",
        lambda: layers.LSTM(4, return_sequences=True, go_backwards=True, implementation=1),
        [(2, 5, 3)],
        references.loop(references.lstm_with(), [4, 4], sequences=True, backwards=True),
    ),
    Case("gru", lambda: layers.GRU(4), [(2, 5, 3)], references.loop(references.gru_with(), [4])),
    Case(
        "gru, reset after",
        lambda: layers.GRU(4, reset_after=True, recurrent_activation="sigmoid", return_sequences=True),
        [(2, 5, 3)],
        references.loop(references.gru_with(torch.sigmoid, reset_after=True), [4], sequences=True),
    ),
    Case(
        "cudnn lstm",
        lambda: layers.CuDNNLSTM(4),
        [(2, 5, 3)],
        references.loop(references.lstm_with(torch.sigmoid), [4, 4]),
    ),
    Case(
        "cudnn gru",
        lambda: layers.CuDNNGRU(4),
        [(2, 5, 3)],
        references.loop(references.gru_with(torch.sigmoid, reset_after=True), [4]),
    ),
    Case("conv lstm 2d", lambda: layers.ConvLSTM2D(2, (3, 2)), [(2, 3, 5, 4, 3)], references.conv_lstm(2)),
    Case(
        "conv lstm 2d of sequences, strided",
        lambda: layers.ConvLSTM2D(2, 3, strides=2, padding="same", return_sequences=True),
        [(2, 3, 5, 4, 2)],
        references.conv_lstm(2, "same", strides=2, sequences=True),
    ),
    Case(
        "conv lstm 2d channels first, dilated",
        lambda: layers.ConvLSTM2D(2, 2, data_format="channels_first", dilation_rate=2),
        [(2, 2, 3, 5, 4)],
        references.conv_lstm(2, dilation=2, first=True),
    ),
    Case(
        "conv rnn 2d of a cell",
        lambda: layers.ConvRNN2D(layers.ConvLSTM2DCell(2, 2, padding="same")),
        [(2, 2, 4, 3, 2)],
        references.conv_lstm(2, "same"),
    ),
    Case(
        "time distributed",
        lambda: layers.TimeDistributed(layers.Dense(4, activation="tanh")),
        [(2, 5, 3)],
        lambda x, k, b: torch.tanh(x @ k + b),
    ),
    Case(
        "time distributed convolution",
        lambda: layers.TimeDistributed(layers.Conv2D(2, 2)),
        [(2, 3, 4, 4, 3)],
        lambda x, k, b: conv()(x.flatten(0, 1), k, b).unflatten(0, (2, 3)),
    ),
    Case(
        "bidirectional",
        lambda: layers.Bidirectional(layers.LSTM(4)),
        [(2, 5, 3)],
        references.both_ways(references.lstm_with(), [4, 4], lambda x, y: torch.cat([x, y], -1), False),
    ),
    Case(
        "bidirectional sum of sequences",
        lambda: layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum"),
        [(2, 5, 3)],
        references.both_ways(references.gru_with(), [4], lambda x, y: x + y, True),
    ),
    Case("add", layers.Add, [(2, 3), (2, 3), (2, 3)], lambda x, y, z: x + y + z),
    Case("add, broadcast", layers.Add, [(2, 4, 3), (2, 3)], lambda x, y: x + y[:, None]),
    Case("subtract", layers.Subtract, [(2, 3), (2, 3)], lambda x, y: x - y),
    Case("multiply", layers.Multiply, [(2, 3), (2, 3)], lambda x, y: x * y),
    Case("average", layers.Average, [(2, 3), (2, 3), (2, 3)], lambda x, y, z: (x + y + z) / 3),
    Case("maximum", layers.Maximum, [(2, 3), (2, 3)], torch.maximum),
    Case("minimum", layers.Minimum, [(2, 3), (2, 3)], torch.minimum),
    Case("concatenate", layers.Concatenate, [(2, 3), (2, 4)], lambda x, y: torch.cat([x, y], -1)),
    Case("concatenate, axis 1", lambda: layers.Concatenate(1), [(2, 3, 2), (2, 4, 2)], lambda *x: torch.cat(x, 1)),
    *[
        Case(f"activation {name}", lambda name=name: layers.Activation(name), [(3, 5)], reference)
        for name, reference in ACTIVATIONS.items()
    ],
    *WINDOW_CASES,
    *ACTIVATION_CASES,
    *ATTENTION_CASES,
]

__all__ = ["ACTIVATIONS", "CASES", "Case", "Scaled"]
