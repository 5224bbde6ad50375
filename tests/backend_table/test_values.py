"""Configuration, variables, values and functions."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import layers
from multikeras.models import Model


def test_words(fresh_session):
    assert K.backend() == K._BACKEND
    assert K.backend_info()["name"] == K.backend()
    K.set_image_dim_ordering("th")
    assert K.image_data_format() == "channels_first"
    K.set_image_data_format("channels_last")
    assert K.image_dim_ordering() == "tf"
    with pytest.raises(ValueError):
        K.set_image_data_format("sideways")
    with pytest.raises(ValueError, match="sideways"):
        K.normalize_data_format("sideways")
    assert K.normalize_data_format("th") == "channels_first"
    assert K.cast_to_floatx([1, 2]).dtype == "float32"
    K.set_floatx("float64")
    assert K.cast_to_floatx([1, 2]).dtype == "float64"
    assert K.dtype(K.variable(1)) == "float64" == K.dtype(K.placeholder(()))
    K.manual_variable_initialization(True)
    assert K.symbolic(test_words) is test_words is K.eager(test_words)
    for call in (K.get_session, lambda: K.set_session(None)):
        with pytest.raises(RuntimeError, match="session"):
            call()


def test_every_function_is_of_this_module():
    for name in K.__all__:
        if name != "primitive":
            assert getattr(K, name).__module__ == "multikeras.backend", name
            assert getattr(K, name).__doc__, name
    with pytest.raises(AttributeError, match="no_such_function"):
        K.no_such_function  # noqa: B018


def test_session_numbers_and_names(fresh_session):
    K.clear_session()
    assert [K.get_uid("dense"), K.get_uid("dense"), K.get_uid("lstm")] == [1, 2, 1]
    K.reset_uids()
    assert K.get_uid("dense") == 1
    with K.name_scope("block") as scope:
        assert scope == "block"
        assert [K.variable(0, name="w").name for _ in range(3)] == ["block/w", "block/w_1", "block/w_2"]
    assert K.variable(0, name="w").name == "w"
    K.clear_session()
    assert K.variable(0, name="w").name == "w"
    assert K.get_uid("dense") == 1


def test_variables(each_backend):
    source = np.array([[1, 2], [3, 4]])
    x = K.variable(source, name="x")
    source[:] = 0
    assert K.dtype(x) == "float32" and K.int_shape(x) == (2, 2) and K.ndim(x) == 2 and K.count_params(x) == 4
    value = K.get_value(x)
    np.testing.assert_array_equal(value, [[1, 2], [3, 4]])
    value[:] = 9
    np.testing.assert_array_equal(K.eval(x), [[1, 2], [3, 4]])
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(3,\)"):
        K.set_value(x, np.zeros(3))
    double = K.function([], [x * 2])
    K.set_value(x, np.ones((2, 2), "int64"))
    np.testing.assert_array_equal(double([])[0], np.full((2, 2), 2))
    K.batch_set_value([(x, np.zeros((2, 2)))])
    assert K.batch_get_value([]) == [] and not K.batch_get_value([x])[0].any()
    np.testing.assert_array_equal(K.get_value(K.eye(2)), np.eye(2))
    assert K.dtype(K.zeros((2,), dtype="int32")) == "int32" and K.get_value(K.ones(3)).sum() == 3


def test_setting_several_sets_all_or_none(each_backend):
    first, second = K.variable([1.0, 2.0]), K.variable([3.0])
    with pytest.raises(ValueError, match=r"\(1,\).*\(2,\)"):
        K.batch_set_value([(first, [7, 8]), (second, [9, 9])])
    np.testing.assert_array_equal(K.get_value(first), [1, 2])
    given = np.array([7.0, 8.0], "float32")
    K.batch_set_value([(first, given), (second, given[:1])])
    given[:] = 0
    K.batch_set_value([(second, K.get_value(second) + 1)])
    np.testing.assert_array_equal(K.get_value(first), [7, 8])
    np.testing.assert_array_equal(K.get_value(second), [8])


def test_variable_from_tensors(each_backend):
    x = K.variable([1.0, 2.0])
    copied = K.variable(x * 2)
    K.set_value(x, [0, 0])
    np.testing.assert_array_equal(K.get_value(copied), [2, 4])
    pending = K.variable(K.constant([1.0, 2.0]) + 1, dtype="float64")
    assert K.dtype(pending) == "float64"
    np.testing.assert_array_equal(K.get_value(pending), [2, 3])


def test_zeros_of_a_symbolic_shape(each_backend):
    x = K.placeholder((None, 3))
    made = K.zeros((K.shape(x)[0], 2))
    assert K.int_shape(made) == (None, 2)
    assert K.function([x], [made])([np.zeros((4, 3))])[0].shape == (4, 2)


def test_kinds_of_tensors():
    x, w, c = K.placeholder((None, 2)), K.variable(1.0), K.constant([1, 2])
    assert K.is_tensor(x) and not K.is_tensor(np.zeros(2))
    assert K.is_placeholder(x) and not K.is_placeholder(w)
    assert K.is_variable(w) and not K.is_variable(c)
    assert not K.is_keras_tensor(x)
    with pytest.raises(ValueError, match="ndarray"):
        K.is_keras_tensor(np.zeros(2))
    assert K.is_sparse(K.placeholder((None, 2), sparse=True)) and not K.is_sparse(x)
    assert K.dtype(c) == "float32" and K.dtype(K.constant(1, "int32")) == "int32"
    np.testing.assert_array_equal(K.eval(K.constant(2.0, shape=(2, 2))), np.full((2, 2), 2))
    with pytest.raises(ValueError, match="ndim"):
        K.placeholder()
    assert K.int_shape(K.placeholder(ndim=2)) == (None, None)
    assert K.int_shape(K.placeholder((2, None), ndim=5)) == (2, None)
    with pytest.raises(ValueError, match="unknown length"):
        K.count_params(x)
    with pytest.raises(TypeError, match="K.constant takes numbers"):
        K.constant(x)


def test_no_function_returns_its_argument():
    x = K.constant([[1.0, 2.0]])
    made = [
        K.identity(x), K.cast(x, "float32"), K.clip(x, None, None), K.stop_gradient(x), K.dropout(x, 0.0),
        K.permute_dimensions(x, (0, 1)), K.reshape(x, (1, 2)), K.transpose(x), K.switch(True, x, x),
        K.in_train_phase(x, x, training=1), K.concatenate([x]), K.round(x), K.print_tensor(x), K.to_dense(x),
    ]  # fmt: skip
    assert all(t is not x for t in made)


def test_functions(each_backend):
    x, y = K.placeholder((None, 2), name="x"), K.placeholder((2,), name="y")
    hidden = x * 2
    f = K.function([x, y], [hidden + y], name="named")
    np.testing.assert_array_equal(f([np.ones((1, 2)), [1, 2]])[0], [[3, 4]])
    # Fed in the middle, the placeholder behind the cut is not asked for.
    np.testing.assert_array_equal(K.function([hidden, y], [hidden + y])([np.ones((1, 2)), [1, 2]])[0], [[2, 3]])
    assert K.function([], [K.constant(1.0)])([])[0] == 1
    with pytest.raises(ValueError, match="'x'"):
        K.function([y], [hidden])([[1, 2]])
    with pytest.raises(ValueError, match="named takes 2 inputs"):
        f([np.ones((1, 2))])
    with pytest.raises(ValueError, match=r"\(None, 2\).*\(1, 3\)"):
        f([np.ones((1, 3)), [1, 2]])
    with pytest.raises(ValueError, match="feed_dict"):
        K.function([x], [x], feed_dict={})
    with pytest.raises(TypeError, match=r"outputs\[0\]"):
        K.function([x], [3])


def test_outputs_belong_to_the_caller(each_backend):
    x, w = K.placeholder((2,)), K.variable([1.0, 2.0])
    f = K.function([x], [x, w, K.reshape(w, (2, 1))])
    data = np.array([5.0, 6.0], "float32")
    for value in f([data]):
        value[:] = -1
    np.testing.assert_array_equal(data, [5, 6])
    np.testing.assert_array_equal(K.get_value(w), [1, 2])


def test_shape_arithmetic(each_backend):
    x = K.placeholder((None, 6))
    batch = K.shape(x)[0]
    y = K.reshape(x, (batch, -1, 3))
    z = K.reshape(x, K.stack([batch * 2, 3]))
    assert K.int_shape(y) == (None, None, 3) or K.int_shape(y) == (None, 2, 3)
    assert K.int_shape(z) == (None, 3)
    a, b, s = K.function([x], [y, z, K.shape(y)])([np.zeros((4, 6))])
    assert a.shape == (4, 2, 3) and b.shape == (8, 3) and s.tolist() == [4, 2, 3]


def test_clear_errors():
    x = K.placeholder((None, 4))
    for call, text in [
        (lambda: K.dot(x, K.placeholder((5, 2))), r"\(None, 4\).*\(5, 2\)"),
        (lambda: K.sum(x, axis=2), "axis 2"),
        (lambda: K.sum(x, axis=[0, -2]), "twice"),
        (lambda: K.reshape(x, (None, 2)), "-1"),
        (lambda: K.concatenate([]), "empty"),
        (lambda: K.conv2d(x, x), "4 axes"),
        (lambda: K.conv2d(K.placeholder((1, 4, 4, 3)), K.placeholder((2, 2, 4, 1))), "channels"),
        (lambda: K.conv2d(K.placeholder((1, 4, 4, 3)), K.placeholder((2, 2, 3, 1)), padding="full"), "'full'"),
        (lambda: K.pool2d(K.placeholder((1, 4, 4, 3)), (2, 2), pool_mode="median"), "median"),
        (lambda: K.gather(x, K.constant([1.5])), "int32"),
        (lambda: K.batch_dot(x, K.placeholder((None, 4)), axes=0), "batch"),
        (lambda: K.categorical_crossentropy(K.placeholder((None, 3)), x), r"\(None, 3\)"),
        (lambda: K.dropout(x, 1.0), "below 1"),
        (lambda: K.squeeze(x, 1), "not 1"),
        (lambda: K.repeat(K.placeholder((1, 2, 3)), 2), "two axes"),
        (lambda: K.conv2d_transpose(K.placeholder((1, 2, 2, 3)), K.placeholder((3, 3, 1, 3)), (1, 9, 9, 1)), "windows"),
        (lambda: K.rnn(lambda t, s: (t, []), x[:, :, None], [x]), "states"),
    ]:
        with pytest.raises(ValueError, match=text):
            call()


@pytest.mark.slow
def test_many_evaluations_in_constant_memory(each_backend):
    w = K.variable(np.arange(4.0))

    def run(n: int) -> None:
        for i in range(n):
            assert K.eval(K.sum(w * float(i))) == 6 * i

    run(100)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        run(100)
        before = tracemalloc.get_traced_memory()[0]
        run(1000)
        assert tracemalloc.get_traced_memory()[0] - before < 300_000
    finally:
        tracemalloc.stop()
        gc.enable()


def printed(capfd) -> list[str]:
    return capfd.readouterr().out.split("\n")[:-1]


def test_print_tensor(each_backend, capfd):
    x = K.placeholder((2,))
    shown = K.print_tensor(x, "seen: ")
    f = K.function([x], [shown * 2])
    for _ in range(2):
        np.testing.assert_array_equal(f([[1.0, 2.0]])[0], [2, 4])
    assert printed(capfd) == ["seen: [1. 2.]"] * 2
    # Neither building, nor looking at the tensor, nor a function that does not need it prints.
    assert "print_value" in repr(shown)
    K.function([x], [x * 3])([[1.0, 2.0]])
    assert printed(capfd) == []
    y = K.print_tensor(K.constant(3, dtype="int32"))
    for _ in range(2):
        assert K.eval(y) == 3
    assert printed(capfd) == ["3", "3"]


def test_print_tensor_in_order_and_in_gradients(each_backend, capfd):
    x = K.placeholder((2,))
    first = K.print_tensor(x, "first ")
    second = K.print_tensor(first * first, "second ")
    loss = K.sum(second)
    f = K.function([x], [loss, *K.gradients(loss, x)])
    for _ in range(2):
        value, slope = f([[1.0, 3.0]])
        assert value == 10
        np.testing.assert_array_equal(slope, [2, 6])
    assert printed(capfd) == ["first [1. 3.]", "second [1. 9.]"] * 2


def test_print_tensor_in_the_steps_of_a_loop(each_backend, capfd):
    x = K.placeholder((1, None))

    def step(entry, states):
        total = K.print_tensor(states[0] + entry, "total ")
        return total, [total]

    last, _, _ = K.rnn(step, K.expand_dims(x), [K.zeros((1, 1))])
    f = K.function([x], [last])
    for feed in ([[1.0, 2.0, 3.0]], [[4.0, 5.0]]):
        assert f([feed])[0] == np.sum(feed)
    assert printed(capfd) == [f"total [[{n}.]]" for n in (1, 3, 6, 4, 9)]


def test_print_tensor_in_a_model(each_backend, capfd):
    source = layers.Input((2,))
    model = Model(source, layers.Lambda(lambda t: K.print_tensor(t, "batch ") + 1)(source))
    for batch in (1.0, 2.0):
        np.testing.assert_array_equal(model.predict(np.full((1, 2), batch)), [[batch + 1, batch + 1]])
    assert printed(capfd) == ["batch [[1. 1.]]", "batch [[2. 2.]]"]
