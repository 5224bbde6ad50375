"""The ways out of K, and the spellings of Keras 1."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.backend import keras1


def test_numpy_function(each_backend):
    x = K.placeholder((None, 2))
    y = K.numpy_function(np.sort, x, (None, 2), K.floatx())
    f = K.function([x], [y * 2])
    np.testing.assert_array_equal(f([np.array([[3.0, 1.0]])])[0], [[2, 6]])
    with pytest.raises(ValueError, match="gradient"):
        K.gradients(y, x)
    cube = K.numpy_function(lambda a: a**3, [x], (None, 2), K.floatx(), gradient=lambda g, out, t: g * K.square(t) * 3)
    np.testing.assert_array_equal(K.function([x], K.gradients(cube, x))([np.array([[1.0, 2.0]])])[0], [[3, 12]])


def test_numpy_function_of_another_shape(fresh_session):
    x = K.constant([1.0, 2.0])
    y = K.numpy_function(lambda a: a[:1], x, (2,), "float32")
    with pytest.raises(ValueError, match=r"\(1,\).*\(2,\)"):
        K.eval(y)
    with pytest.raises(ValueError, match="first input"):
        K.numpy_function(np.outer, [x, x], (None, None), "float32")


def test_custom_gradient(each_backend):
    @K.custom_gradient
    def clipped(x, scale):
        return x * scale, lambda g: [K.clip(g, -1, 1), None]

    x = K.variable([1.0, 2.0])
    y = clipped(x, 3.0)
    np.testing.assert_array_equal(K.eval(y), [3, 6])
    np.testing.assert_array_equal(K.eval(K.gradients(K.sum(y * 10), x)[0]), [1, 1])

    @K.custom_gradient
    def wrong(x):
        return x, lambda g: [g, g]

    with pytest.raises(ValueError, match="2 tensors for 1"):
        K.gradients(wrong(x), x)


def test_primitive_of_ones_own(each_backend):
    name = f"tests.double_{each_backend}"
    double = K.primitive(
        name,
        shape=lambda x: x.shape,
        dtype=lambda x: x.dtype,
        gradient=lambda g, out, x: (g * 2,),
        composition=lambda x: x + x,
        doc="Twice x.",
    )
    x = K.variable([1.0, 2.0])
    np.testing.assert_array_equal(K.eval(double(x)), [2, 4])
    np.testing.assert_array_equal(K.eval(K.gradients(double(x), x)[0]), [2, 2])


def test_old_functions():
    assert K.lesser is K.less and K.lesser_equal is K.less_equal
    assert K.normalize_batch is K.batch_normalization and K.deconv2d is K.conv2d_transpose
    assert set(keras1.ALIASES) < set(K.__all__)
    assert set(keras1.ARGUMENTS) < set(K.__all__)


def test_old_arguments_and_new_ones_together():
    x = K.placeholder((None, 4, 4, 2))
    with pytest.raises(TypeError, match="another name"):
        K.pool2d(x, (2, 2), padding="same", border_mode="same")
    with pytest.raises(ValueError, match="sideways"):
        K.resize_images(x, 2, 2, dim_ordering="sideways")
    assert K.int_shape(K.pool2d(x, (2, 2), (2, 2), border_mode="same", dim_ordering="tf")) == (None, 2, 2, 2)
    assert K.int_shape(K.resize_images(x, 2, 2, "th")) == (None, 4, 8, 4)
    assert K.batch_get_value(xs=[]) == []


def test_signatures_are_those_of_keras_2():
    expected = {
        "dot": ["x", "y"],
        "conv2d": ["x", "kernel", "strides", "padding", "data_format", "dilation_rate"],
        "rnn": [
            "step_function", "inputs", "initial_states", "go_backwards", "mask", "constants", "unroll", "input_length",
        ],
        "batch_normalization": ["x", "mean", "var", "beta", "gamma", "axis", "epsilon"],
        "function": ["inputs", "outputs", "updates", "kwargs"],
        "dropout": ["x", "level", "noise_shape", "seed"],
        "one_hot": ["indices", "num_classes"],
        "expand_dims": ["x", "axis"],
        "resize_images": ["x", "height_factor", "width_factor", "data_format", "interpolation"],
        "placeholder": ["shape", "ndim", "dtype", "sparse", "name"],
    }  # fmt: skip
    for name, arguments in expected.items():
        assert list(inspect.signature(getattr(K, name)).parameters) == arguments, name


def test_k_can_be_patched(monkeypatch):
    monkeypatch.setattr(K, "update", lambda x, new: "patched")
    assert K.update(None, None) == "patched"
