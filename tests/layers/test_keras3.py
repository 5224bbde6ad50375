"""Weights carried over to pip-installed Keras 3: equal outputs and equal gradients.

Keras 3 runs in a process of its own, since it reads the same environment variable as we do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import layers

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("keras", "torch"))), reason="Keras 3 and PyTorch, which it runs on, are not installed"
)

FIRST = {"data_format": "channels_first"}

#: Class, arguments, shapes of the inputs, arguments of the call.
CASES: list[tuple[str, dict[str, Any], list[list[int]], dict[str, Any]]] = [
    ("Dense", {"units": 3, "activation": "elu"}, [[4, 5]], {}),
    ("Conv1D", {"filters": 3, "kernel_size": 2, "padding": "causal", "dilation_rate": 2}, [[2, 6, 3]], {}),
    ("Conv2D", {"filters": 3, "kernel_size": [3, 2], "strides": 2, "padding": "same"}, [[2, 6, 5, 3]], {}),
    ("Conv2D", {"filters": 3, "kernel_size": 2, **FIRST}, [[2, 3, 6, 5]], {}),
    ("Conv3D", {"filters": 2, "kernel_size": 2}, [[2, 3, 4, 3, 2]], {}),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3, "strides": 2}, [[2, 4, 3, 3]], {}),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": [2, 3], "strides": [3, 2], **FIRST}, [[2, 3, 4, 3]], {}),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3, "padding": "same"}, [[2, 4, 3, 3]], {}),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 1}, [[2, 4, 3, 3]], {}),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 2, "dilation_rate": 2}, [[2, 4, 3, 3]], {}),
    ("Conv3DTranspose", {"filters": 2, "kernel_size": 2, "strides": 2}, [[2, 2, 3, 2, 2]], {}),
    ("SeparableConv1D", {"filters": 3, "kernel_size": 3, "depth_multiplier": 2}, [[2, 6, 2]], {}),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 2, "depth_multiplier": 2, "padding": "same"}, [[2, 4, 5, 2]], {}),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 2, **FIRST}, [[2, 3, 4, 5]], {}),
    ("DepthwiseConv2D", {"kernel_size": [3, 2], "depth_multiplier": 2, "strides": 2}, [[2, 5, 6, 2]], {}),
    ("Cropping2D", {"cropping": [[1, 0], [0, 2]]}, [[2, 4, 5, 2]], {}),
    ("ZeroPadding3D", {"padding": [1, 0, 2], **FIRST}, [[2, 2, 3, 2, 2]], {}),
    ("UpSampling2D", {"size": [2, 3]}, [[2, 3, 2, 2]], {}),
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, [[2, 6, 2]], {}),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2}, [[2, 5, 4, 2]], {}),
    ("AveragePooling3D", {"pool_size": 2, **FIRST}, [[2, 2, 4, 4, 2]], {}),
    ("GlobalMaxPooling3D", {}, [[2, 3, 2, 2, 3]], {}),
    ("GlobalAveragePooling3D", FIRST, [[2, 3, 2, 2, 3]], {}),
    ("BatchNormalization", {"axis": 1}, [[4, 3, 5]], {"training": False}),
    ("BatchNormalization", {}, [[6, 3]], {"training": True}),
    ("LayerNormalization", {"axis": [1, 2]}, [[4, 3, 5]], {}),
    ("GroupNormalization", {"groups": 2}, [[3, 2, 3, 6]], {}),
    ("GroupNormalization", {"groups": -1, "axis": 1}, [[3, 4, 3]], {}),
    ("PReLU", {"shared_axes": [1]}, [[3, 4, 2]], {}),
    ("ReLU", {"max_value": 0.8, "negative_slope": 0.1, "threshold": 0.2}, [[3, 8]], {}),
    ("Dot", {"axes": [2, 1], "normalize": True}, [[2, 3, 4], [2, 4, 5]], {}),
    ("Concatenate", {"axis": 1}, [[2, 3, 4], [2, 2, 4]], {}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, [[2, 4, 5], [2, 3, 6]], {}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "value_dim": 4}, [[2, 4, 5]] * 2, {"use_causal_mask": True}),
    ("MultiHeadAttention", {"num_heads": 3, "key_dim": 2, "output_shape": [2, 3], "dropout": 0.2}, [[2, 4, 5]] * 3, {}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "attention_axes": [2]}, [[2, 2, 4, 5], [2, 2, 4, 5]], {}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "attention_axes": [1, 2]}, [[2, 2, 3, 5], [2, 2, 2, 5]], {}),
]  # fmt: skip

NAMES = [f"{number} {case[0]}" for number, case in enumerate(CASES)]

THEIRS = """
import json, sys
import numpy as np, torch
import keras
cases, folder = json.loads(sys.stdin.read())
for number, (name, arguments, shapes, call) in enumerate(cases):
    given = np.load(f"{folder}/{number}.npz")
    layer = getattr(keras.layers, name)(**arguments)
    inputs = [torch.tensor(given[f"x{i}"], requires_grad=True) for i in range(len(shapes))]
    several = list if name in ("Dot", "Concatenate") else None
    run = lambda: layer(inputs, **call) if several else layer(*inputs, **call)
    with torch.no_grad():
        run()
    layer.set_weights([given[f"w{i}"] for i in range(len(layer.weights))])
    output = run()
    (output * torch.tensor(given["factors"])).sum().backward()
    tensors = [*inputs, *(w.value for w in layer.trainable_weights)]
    slopes = [np.zeros(t.shape, "float32") if t.grad is None else t.grad.numpy() for t in tensors]
    np.savez(f"{folder}/{number}-theirs.npz", *slopes, output=output.detach().numpy())
"""


def ours(number: int) -> tuple[Any, list[np.ndarray], list[Any], Any]:
    name, arguments, shapes, call = CASES[number]
    generator = np.random.default_rng(number)
    arrays = [generator.normal(size=shape).astype("float32") for shape in shapes]
    layer = getattr(layers, name)(**arguments)
    tensors = [layers.Input(batch_shape=(None, *shape[1:])) for shape in shapes]
    output = layer(tensors if len(tensors) > 1 else tensors[0], **call)
    layer.set_weights([generator.uniform(0.2, 1.0, w.shape) for w in layer.weights])
    return layer, arrays, tensors, output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Keras 3 gives."""
    made = tmp_path_factory.mktemp("keras3")
    for number in range(len(CASES)):
        layer, arrays, tensors, output = ours(number)
        (value,) = K.function(tensors, [output])(arrays)
        given = {f"x{i}": x for i, x in enumerate(arrays)} | {f"w{i}": w for i, w in enumerate(layer.get_weights())}
        np.savez(
            made / f"{number}.npz", **given, factors=np.random.default_rng(99).normal(size=value.shape).astype("f4")
        )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", THEIRS],
        input=json.dumps([CASES, str(made)]),
        env={**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": str(made), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize("number", range(len(CASES)), ids=NAMES)
def test_as_in_keras_3(number: int, folder: Path) -> None:
    theirs = np.load(folder / f"{number}-theirs.npz")
    layer, arrays, tensors, output = ours(number)
    factors = np.load(folder / f"{number}.npz")["factors"]
    targets = [*tensors, *layer.trainable_weights]
    gradients = K.gradients(K.sum(output * K.constant(factors)), targets)
    value, *slopes = K.function(tensors, [output, *[g for g in gradients if g is not None]])(arrays)
    np.testing.assert_allclose(value, theirs["output"], rtol=1e-4, atol=1e-5)
    for i, gradient in enumerate(gradients):
        found = slopes.pop(0) if gradient is not None else 0
        np.testing.assert_allclose(found, theirs[f"arr_{i}"] + 0 * found, rtol=1e-3, atol=1e-4)
