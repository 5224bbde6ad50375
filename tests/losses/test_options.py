"""Losses: 16-bit types, arrays as arguments, shapes, configurations, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import losses, objectives, registry
from multikeras.utils import losses_utils

_generator = np.random.default_rng(4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits(each_backend, dtype):
    """Squares above the largest number of the type, and sums that stop growing in it."""
    if dtype not in registry.current().dtypes:
        pytest.skip("NumPy has bfloat16 where ml_dtypes is installed")
    large = K.constant(np.full((2, 3), 300.0), dtype=dtype)
    nothing = K.zeros((2, 3), dtype=dtype)
    msle = losses.mean_squared_logarithmic_error(nothing, large)
    assert K.dtype(msle) == dtype
    np.testing.assert_allclose(np.asarray(K.eval(msle), "float64"), np.log(301.0) ** 2, rtol=1e-2)
    logcosh = losses.logcosh(nothing, -large)
    np.testing.assert_allclose(np.asarray(K.eval(logcosh), "float64"), 300 - np.log(2), rtol=1e-2)
    cosine = losses.cosine_proximity(large, large)
    np.testing.assert_allclose(np.asarray(K.eval(cosine), "float64"), -1, rtol=1e-2)
    ones = K.ones((1, 5000), dtype=dtype)
    value = losses.mean_absolute_error(K.zeros((1, 5000), dtype=dtype), ones)
    np.testing.assert_allclose(np.asarray(K.eval(value), "float64"), 1, rtol=1e-2)
    (gradient,) = K.gradients(losses.mean_squared_error(K.zeros((1, 5000), dtype=dtype), ones * 100.0), [ones])
    assert K.dtype(gradient) == dtype
    np.testing.assert_allclose(np.asarray(K.eval(gradient), "float64"), 2 * 100 * 100 / 5000, rtol=1e-2)


def test_arrays_and_integers():
    np.testing.assert_allclose(K.eval(losses.mse([[1, 2]], [[1.5, 2]])), [0.125])
    np.testing.assert_allclose(K.eval(losses.mse(K.constant([[0.5, 1]]), K.constant([[1, 2]], "int32"))), [0.625])
    np.testing.assert_allclose(K.eval(losses.MeanSquaredError()(np.ones(3), np.zeros((3, 1)), np.ones((3, 1)))), 1)
    sparse = losses.SparseCategoricalCrossentropy()([[0], [1]], [[0.5, 0.5], [0.75, 0.25]])
    np.testing.assert_allclose(K.eval(sparse), (np.log(2) + np.log(4)) / 2, rtol=1e-6)


def test_smoothing_by_a_tensor(each_backend):
    """It may be a variable that a callback moves."""
    share = K.variable(0.0)
    t, p = K.constant([[1.0, 0.0, 0.0]]), K.constant([[0.5, 0.25, 0.25]])
    loss = losses.CategoricalCrossentropy(label_smoothing=share)
    value = loss(t, p)
    np.testing.assert_allclose(K.eval(value), np.log(2), rtol=1e-6)
    K.set_value(share, 0.3)
    np.testing.assert_allclose(K.eval(value), 0.8 * np.log(2) + 0.2 * np.log(4), rtol=1e-6)
    assert loss.get_config()["label_smoothing"] == pytest.approx(0.3)
    value = losses.binary_crossentropy(K.constant([[1.0]]), K.constant([[0.25]]), label_smoothing=share)
    np.testing.assert_allclose(K.eval(value), [-0.85 * np.log(0.25) - 0.15 * np.log(0.75)], rtol=1e-6)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_certain_and_wrong(each_backend, probability):
    """A loss of -log(epsilon), not infinity."""
    t, p = K.constant([[1.0 - probability]]), K.constant([[probability]])
    np.testing.assert_allclose(K.eval(losses.binary_crossentropy(t, p)), [-np.log(1e-7)], rtol=2e-2)
    t, p = K.constant([[1.0, 0.0]]), K.constant([[0.0, 1.0]])
    np.testing.assert_allclose(K.eval(losses.categorical_crossentropy(t, p)), [-np.log(1e-7)], rtol=1e-5)


def test_logits_far_out(each_backend):
    scores = K.variable([[1000.0, -1000.0]])
    value = losses.CategoricalCrossentropy(from_logits=True)(K.constant([[0.0, 1.0]]), scores)
    assert K.eval(value) == 2000
    np.testing.assert_allclose(K.eval(K.gradients(value, [scores])[0]), [[1, -1]])
    value = losses.BinaryCrossentropy(from_logits=True)(K.constant([[0.0, 1.0]]), scores)
    assert K.eval(value) == 1000


def test_own_function_in_a_wrapper():
    def cubed(y_true, y_pred, factor=1.0):
        return factor * K.pow(K.abs(y_true - y_pred), 3)

    loss = losses.LossFunctionWrapper(cubed, reduction="sum", name="cubed", factor=2.0)
    t, p = K.constant([1.0, 2.0]), K.constant([3.0, 2.0])
    assert K.eval(loss(t, p)) == 16
    config = json.loads(json.dumps(losses.serialize(loss)))
    again = losses.deserialize(config, custom_objects={"cubed": cubed})
    assert K.eval(again(t, p)) == 16
    assert losses.LossFunctionWrapper("mse").fn is losses.mean_squared_error
    with pytest.raises(TypeError, match="needs a function of y_true and y_pred, received 3"):
        losses.LossFunctionWrapper(3)


def test_configurations_of_later_versions():
    config = {"class_name": "CategoricalCrossentropy"}
    config["config"] = {"reduction": "auto", "name": "c", "from_logits": True, "label_smoothing": 0.1, "axis": -1}
    made = losses.deserialize(config)
    assert made.reduction == "sum_over_batch_size" and made.keywords["from_logits"]
    config["config"] |= {"dtype": "float32", "reduction": "none"}
    assert losses.deserialize(config).reduction == "none"


def test_found_by():
    for identifier in ("huber", "huber_loss"):
        assert losses.get(identifier) is losses.huber_loss
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    loss = losses.Hinge()
    assert losses.get(loss) is loss
    assert losses.deserialize(None) is None
    assert losses.is_categorical_crossentropy("categorical_crossentropy")
    assert losses.is_categorical_crossentropy(losses.CategoricalCrossentropy())
    assert not losses.is_categorical_crossentropy(losses.mse)
    assert objectives.Hinge is losses.Hinge and objectives.__all__ == losses.__all__
    names = {}
    exec("from multikeras.objectives import *", names)
    assert names["mse"] is losses.mean_squared_error


def test_weights_as_keras_2_helpers_take_them():
    t, p = K.constant([1.0, 2.0]), K.constant([[1.0], [2.0]])
    p, t, weights = losses_utils.squeeze_or_expand_dimensions(p, t, K.constant([[1.0], [2.0]]))
    assert [K.int_shape(x) for x in (p, t, weights)] == [(2,), (2,), (2,)]
    assert len(losses_utils.squeeze_or_expand_dimensions(p, t)) == 2
    values = K.ones((2, 3))
    np.testing.assert_allclose(K.eval(losses_utils.broadcast_weights(values, [1.0, 2.0])), [[1] * 3, [2] * 3])
    assert K.eval(losses_utils.reduce_weighted_loss(values, "sum")) == 6
    assert K.eval(losses_utils.compute_weighted_loss(values, [1.0, 3.0])) == 2
    assert losses_utils.Reduction.all() == ("none", "sum", "sum_over_batch_size")


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: losses.Loss()(1.0, 2.0), NotImplementedError, r"Loss does not define call\(y_true, y_pred\)"),
        (lambda: losses.Loss(reduction="average"), ValueError, "Unknown reduction 'average'. Known: none, sum"),
        (
            lambda: losses.BinaryCrossentropy(label_smoothing=1.5),
            ValueError,
            "BinaryCrossentropy: label_smoothing is a share from 0 to 1, received 1.5",
        ),
        (
            lambda: losses.categorical_crossentropy([[1.0]], [[1.0]], label_smoothing=-1),
            ValueError,
            "categorical_crossentropy: label_smoothing is a share from 0 to 1, received -1",
        ),
        (lambda: losses.BinaryCrossentropy(axis=1), ValueError, "mean over the last axis, -1, received axis=1"),
        (
            lambda: losses.categorical_crossentropy(K.ones((2, 1)), K.ones((2, 3))),
            ValueError,
            r"target of shape \(2, 1\) and output of shape \(2, 3\)",
        ),
        (
            lambda: losses.MeanSquaredError()(K.ones((4, 3)), K.ones((4, 3)), np.ones(3)),
            ValueError,
            r"Sample weights of shape \(3,\) do not fit the values.*shape is \(4,\). Give one weight a sample",
        ),
        (
            lambda: losses.Hinge()(K.ones((4, 3)), K.ones((4, 3)), np.ones((4, 3))),
            ValueError,
            r"Sample weights of shape \(4, 3\) have more axes than the values.*shape is \(4,\)",
        ),
        (lambda: losses.get(3.5), ValueError, "Cannot read 3.5 as loss: pass a name"),
        (lambda: losses.get({"name": "mse"}), ValueError, "a dictionary with 'class_name' and 'config'"),
    ],
)
def test_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
