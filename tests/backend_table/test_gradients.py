"""K.gradients: its contract, corners, and NumPy's functions on tensors."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K


def test_contract(each_backend):
    x, y, i = K.variable([1.0, 2.0]), K.variable(3.0), K.variable([1, 2], dtype="int32")
    loss = K.sum(x * x) * 2
    made = K.gradients(loss, [x, y, i])
    np.testing.assert_array_equal(K.eval(made[0]), [4, 8])
    assert made[1] is None and made[2] is None
    assert isinstance(K.gradients(loss, x), list)
    # A vector counts as the sum of its entries, several losses as their sum.
    np.testing.assert_array_equal(K.eval(K.gradients([x * x, loss], x)[0]), [6, 12])
    K.set_value(x, [0.0, 1.0])
    np.testing.assert_array_equal(K.eval(made[0]), [0, 4])


def test_again_and_inside_expressions(each_backend):
    x = K.variable([1.0, 2.0])
    g = K.gradients(K.sum(x**3), x)[0]
    np.testing.assert_allclose(K.eval(g), [3, 12])
    np.testing.assert_allclose(K.eval(K.gradients(K.sum(g), x)[0]), [6, 12])
    np.testing.assert_allclose(K.eval(K.gradients(K.sum(K.square(g)), x)[0]), [36, 288])
    f = K.function([], [g], [K.update_sub(x, 0.1 * g)])
    f([])
    np.testing.assert_allclose(K.get_value(x), [0.7, 0.8], rtol=1e-6)


def test_by_an_intermediate_tensor(each_backend):
    x = K.placeholder((None, 2))
    hidden = K.exp(x)
    out = K.sum(hidden * hidden, axis=1)
    g = K.gradients(out[0], [hidden])[0]
    value = K.function([x], [g])([np.zeros((2, 2))])[0]
    np.testing.assert_array_equal(value, [[2, 2], [0, 0]])


def test_stop_gradient(each_backend):
    x = K.variable(3.0)
    assert K.eval(K.gradients(K.stop_gradient(x) * x, x)[0]) == 3
    assert [K.is_tensor(t) for t in K.stop_gradient([x, x])] == [True, True]


def test_unknown_lengths_that_broadcast(each_backend):
    x, y = K.placeholder((None,)), K.placeholder((None,))
    g = K.gradients(K.sum(x * y), [x, y])
    a, b = K.function([x, y], g)([np.arange(5.0), np.array([2.0])])
    assert a.shape == (5,) and b.shape == (1,) and b[0] == 10


def test_corners_are_finite(each_backend):
    x = K.variable([-1.0, 0.0, 2.0])
    zero = K.variable([[0.0, 0.0]])
    for y, at, expected in [
        (K.sqrt(x), x, [0, 0, 0.5 / np.sqrt(2)]),
        (K.elu(x * 200), x, [0, 200, 200]),
        (K.softplus(x), x, 1 / (1 + np.exp([1.0, 0.0, -2.0]))),
        (K.l2_normalize(zero, axis=1), zero, None),
        (K.std(zero, axis=1), zero, [[0, 0]]),
        (K.norm(zero, axis=1), zero, [[0, 0]]),
        (K.abs(x), x, [-1, 0, 1]),
        (K.prod(x), x, [0, -2, 0]),
    ]:
        value = K.eval(K.gradients(y, at)[0])
        assert np.all(np.isfinite(value))
        if expected is not None:
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_losses_of_confident_outputs_keep_their_gradient(each_backend):
    scores = K.variable([[200.0, 0.0, -50.0]])
    target = K.constant([[0.0, 0.0, 1.0]])
    loss = K.categorical_crossentropy(target, K.softmax(scores))
    assert K.eval(loss)[0] == pytest.approx(250)
    np.testing.assert_allclose(K.eval(K.gradients(loss, scores)[0]), [[1, 0, -1]], atol=1e-6)
    answer = K.variable([200.0])
    loss = K.binary_crossentropy(K.constant([0.0]), K.identity(K.sigmoid(answer)))
    assert K.eval(loss)[0] == pytest.approx(200)
    assert K.eval(K.gradients(loss, answer)[0])[0] == pytest.approx(1)


def test_zero_scores_have_the_right_slope(each_backend):
    w = K.zeros((3,))
    loss = K.binary_crossentropy(K.constant([0.0, 1.0, 0.25]), K.sigmoid(w))
    np.testing.assert_allclose(K.eval(K.gradients(loss, w)[0]), [0.5, -0.5, 0.25])


def test_deep_chain_needs_no_recursion(each_backend):
    x = y = K.variable(1.0)
    for _ in range(10_000):
        y = y + 1.0
    assert K.eval(y) == 10_001
    assert K.eval(K.gradients(y, x)[0]) == 1


# -- NumPy's functions --------------------------------------------------------------------------


def test_numpy_functions_build_graph(each_backend):
    w = K.variable([[4.0, 9.0], [16.0, 25.0]])
    for made, expected in [
        (np.sqrt(w), [[2, 3], [4, 5]]),
        (np.float64(2) * w, [[8, 18], [32, 50]]),
        (np.ones(2) * w, [[4, 9], [16, 25]]),
        (np.array([1, 2]) - w, [[-3, -7], [-15, -23]]),
        (np.sum(w), 54),
        (np.sum(w, axis=0), [20, 34]),
        (np.mean(w, axis=1, keepdims=True), [[6.5], [20.5]]),
        (np.argmax(w), 3),
        (np.concatenate([w, w]), [[4, 9], [16, 25]] * 2),
        (np.clip(w, 5, 20), [[5, 9], [16, 20]]),
        (np.transpose(w), [[4, 16], [9, 25]]),
        (np.reshape(w, (4,)), [4, 9, 16, 25]),
        (np.dot(w, np.eye(2)), [[4, 9], [16, 25]]),
        (np.repeat(w, 2), [4, 4, 9, 9, 16, 16, 25, 25]),
        (np.flip(w), [[25, 16], [9, 4]]),
        (np.where(w > 10, w, 0.0), [[0, 0], [16, 25]]),
        (np.exp(w * 0), [[1, 1], [1, 1]]),
        (np.cumsum(w), [4, 13, 29, 54]),
        (np.maximum(w, 10), [[10, 10], [16, 25]]),
    ]:
        assert K.is_tensor(made)
        np.testing.assert_allclose(K.eval(made), expected)
    assert K.dtype(w * np.sqrt(2.0)) == "float32"
    g = K.gradients(K.sum(np.sqrt(w)), w)[0]
    np.testing.assert_allclose(K.eval(g), 0.5 / np.sqrt([[4, 9], [16, 25.0]]), rtol=1e-6)
    assert np.isnan(K.eval(np.sqrt(K.constant([-1.0])))[0])


def test_numpy_functions_that_k_lacks_are_refused():
    w = K.variable([[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(TypeError, match=r"K\.numpy_function"):
        np.linalg.svd(w)
    with pytest.raises(TypeError, match="copysign"):
        np.copysign(w, w)
    with pytest.raises(TypeError, match="reduce"):
        np.add.reduce(w)


def test_weak_numbers(each_backend):
    x, i, b = K.constant([1.0]), K.constant([1], "int32"), K.constant([True], "bool")
    assert K.dtype(x * 2) == K.dtype(2.5 * x) == K.dtype(x * np.float64(2)) == K.dtype(x + np.ones(1)) == "float32"
    assert K.dtype(i * 2) == "int32" and K.dtype(i * 2.5) == "float32" and K.dtype(i / 2) == "float32"
    assert K.dtype(i * x) == "float32" and K.dtype(b * i) == "int32"
    assert K.eval(1 - x)[0] == 0 and K.eval(2**x)[0] == 2 and K.eval(1 / (x * 4))[0] == 0.25
    assert K.eval(-x)[0] == -1 and K.eval(abs(-x))[0] == 1 and K.eval(x > 0)[0]
