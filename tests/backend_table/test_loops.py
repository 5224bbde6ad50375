"""K.rnn beside its formula: who calls the step function, states, memory, and its own mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K


def test_step_function_is_called_twice():
    calls = []

    def step(entry, states):
        calls.append(K.int_shape(entry))
        return entry, [states[0] + 1]

    x = K.placeholder((None, None, 3))
    last, outputs, states = K.rnn(step, x, [K.zeros_like(x[:, 0])], unroll=True, input_length=7)
    assert calls == [(None, 3)] * 2
    assert K.int_shape(last) == (None, 3) and K.int_shape(outputs) == (None, None, 3)
    value = K.function([x], [states[0]])([np.zeros((1, 5, 3))])[0]
    assert np.all(value == 5)


def test_several_states_and_captured_tensors(each_backend):
    w = K.variable(2.0)
    x = K.placeholder((None, 4, 1))
    zero = K.zeros_like(x[:, 0])

    def step(entry, states):
        total, count = states
        return total * w, [total + entry, count + 1]

    last, outputs, (total, count) = K.rnn(step, x, [zero, zero])
    loss = K.sum(outputs) + K.sum(total)
    g = K.gradients(loss, [w, x])
    data = np.arange(4.0).reshape(1, 4, 1)
    values = K.function([x], [last, outputs, total, count, *g])([data])
    assert values[0][0, 0] == 6 and values[1].ravel().tolist() == [0, 0, 2, 6]
    assert values[2][0, 0] == 6 and values[3][0, 0] == 4
    assert values[4] == 4 and values[5].ravel().tolist() == [7, 5, 3, 1]


def test_gradient_of_a_gradient_through_a_loop(each_backend):
    K.set_floatx("float64")
    w = K.variable(0.9)
    x = K.constant(np.linspace(-1, 1, 6).reshape(1, 6, 1))
    last, _, _ = K.rnn(lambda t, s: (K.tanh(t + s[0] * w),) * 1 + ([K.tanh(t + s[0] * w)],), x, [K.zeros((1, 1))])
    first = K.gradients(K.sum(last), w)[0]
    second = K.gradients(first, w)[0]

    def slope(value: float) -> float:
        K.set_value(w, value)
        return float(K.eval(first))

    expected = (slope(0.9 + 1e-5) - slope(0.9 - 1e-5)) / 2e-5
    K.set_value(w, 0.9)
    assert K.eval(second) == pytest.approx(expected, rel=1e-6)


def test_tensor_of_a_body_cannot_leave_it():
    leaked = []

    def step(entry, states):
        leaked.append(entry * 2)
        return entry, []

    K.rnn(step, K.zeros((1, 2, 3)), [])
    with pytest.raises(ValueError, match="step function of K.rnn"):
        leaked[-1] + 1


def test_values_are_refused_in_a_step():
    def step(entry, states):
        if K.sum(entry) > 0:
            return entry, []
        return -entry, []

    with pytest.raises(TypeError, match=r"K\.switch"):
        K.rnn(step, K.ones((1, 2, 3)), [])


def test_mistakes_are_named():
    x = K.placeholder((None, 5, 3))
    with pytest.raises(ValueError, match="1 states and returned 0"):
        K.rnn(lambda t, s: (t, []), x, [x[:, 0]])
    with pytest.raises(ValueError, match="pair"):
        K.rnn(lambda t, s: t, x, [])
    with pytest.raises(ValueError, match="mask"):
        K.rnn(lambda t, s: (t, []), x, [], mask=x[:, 0, 0])
    with pytest.raises(ValueError, match="state"):
        K.rnn(lambda t, s: (t, [K.cast(s[0], "int32")]), x, [x[:, 0]])
    with pytest.raises(ValueError, match="initializer"):
        K.foldl(lambda a, t: a, [x, x])


def test_maps_of_several(each_backend):
    a, b = K.constant([[1.0, 2], [3, 4]]), K.constant([10.0, 20.0])
    total, shifted = K.map_fn(lambda parts: (K.sum(parts[0]), parts[0] + parts[1]), [a, b])
    np.testing.assert_array_equal(K.eval(total), [3, 7])
    np.testing.assert_array_equal(K.eval(shifted), [[11, 12], [23, 24]])
    assert K.dtype(K.map_fn(K.sum, a, dtype="int32")) == "int32"


def test_switch_inside_a_loop(each_backend):
    x = K.placeholder((1, None, 1))
    _, outputs, _ = K.rnn(
        lambda t, s: (K.switch(K.greater(K.sum(t), 1.5), lambda: t * 10, lambda: t - s[0]), [t]), x, [K.ones((1, 1))]
    )
    g = K.gradients(outputs, x)[0]
    value, slope = K.function([x], [outputs, g])([np.array([[[1.0], [2.0], [0.5]]])])
    np.testing.assert_allclose(value.ravel(), [0, 20, -1.5])
    np.testing.assert_allclose(slope.ravel(), [1, 9, 1])


@pytest.mark.parametrize("length", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_few_elements_or_none(each_backend, length, dtype):
    x = np.arange(length * 3).reshape(length, 3).astype(dtype)
    tensor, start = K.constant(x, dtype), K.constant(np.ones(3), dtype)
    np.testing.assert_array_equal(K.eval(K.map_fn(lambda t: t * 2, tensor)), x * 2)
    for fold in (K.foldl, K.foldr):
        np.testing.assert_array_equal(K.eval(fold(lambda a, t: a + t, tensor, start)), 1 + x.sum(0))
        if length:
            np.testing.assert_array_equal(K.eval(fold(lambda a, t: a + t, tensor)), x.sum(0))
