"""The learning phase, epsilon, and choosing between tensors."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K


def test_phase_is_an_input(each_backend):
    x = K.placeholder((None,))
    f = K.function([x, K.learning_phase()], [K.in_train_phase(x * 2, x), K.in_test_phase(x * 3, x)])
    for phase, expected in [(0, [1, 3]), (1, [2, 1]), (True, [2, 1]), (np.array(0), [1, 3])]:
        assert [float(v[0]) for v in f([np.ones(1), phase])] == expected


def test_unlisted_phase_is_test_unless_set(each_backend):
    y = K.in_train_phase(K.constant(1.0), K.constant(0.0))
    assert K.eval(y) == 0
    K.set_learning_phase(1)
    assert K.eval(y) == 1
    assert K.eval(K.in_train_phase(K.constant(1.0), K.constant(0.0))) == 1
    K.clear_session()
    assert K.eval(y) == 0


def test_branch_not_taken_is_pruned(each_backend):
    unfed = K.placeholder((2,), name="unfed")
    y = K.in_train_phase(lambda: unfed * 2, K.constant([1.0, 2.0]))
    np.testing.assert_array_equal(K.function([K.learning_phase()], [y])([0])[0], [1, 2])
    with pytest.raises(ValueError, match="unfed"):
        K.function([K.learning_phase()], [y])([1])


def test_given_training_chooses_now():
    called = []

    def branch(name):
        def build():
            called.append(name)
            return K.constant(1.0)

        return build

    K.in_train_phase(branch("x"), branch("alt"), training=1)
    K.in_train_phase(branch("x"), branch("alt"), training=False)
    assert called == ["x", "alt"]


def test_training_as_a_fed_tensor(each_backend):
    training = K.placeholder((), dtype="int32")
    f = K.function([training], [K.in_train_phase(K.constant(5.0), K.constant(6.0), training=training)])
    assert [float(f([np.array(v)])[0]) for v in (0, 1)] == [6, 5]


def test_phase_has_no_value():
    with pytest.raises(TypeError, match=r"K\.in_train_phase"):
        bool(K.learning_phase())
    with pytest.raises(TypeError, match="learning phase"):
        np.asarray(K.learning_phase())
    assert K.learning_phase() not in {0}


def test_phase_in_arithmetic_and_in_a_loop(each_backend):
    x = K.placeholder((1, 3, 1))
    phase = K.cast(K.learning_phase(), K.floatx())
    _, outputs, _ = K.rnn(lambda t, s: (K.in_train_phase(t * 10, t) + phase, []), x, [])
    f = K.function([x, K.learning_phase()], [outputs])
    data = np.arange(3.0).reshape(1, 3, 1)
    np.testing.assert_array_equal(f([data, 0])[0].ravel(), [0, 1, 2])
    np.testing.assert_array_equal(f([data, 1])[0].ravel(), [1, 11, 21])


def test_epsilon_counts_at_evaluation(each_backend):
    y = K.placeholder((None, 2))
    f = K.function([y], [K.binary_crossentropy(K.ones_like(y), y)])
    data = np.zeros((1, 2))
    assert f([data])[0][0, 0] == pytest.approx(-np.log(1e-7), rel=1e-5)
    K.set_epsilon(1e-3)
    assert f([data])[0][0, 0] == pytest.approx(-np.log(1e-3), rel=1e-5)


def test_epsilon_of_float16_is_a_normal_number(each_backend):
    K.set_floatx("float16")
    y = K.constant([[0.0, 1.0]])
    value = K.eval(K.categorical_crossentropy(K.constant([[1.0, 0.0]]), y))
    assert value.dtype == "float16"
    assert value[0] == pytest.approx(-np.log(6.104e-5), rel=1e-2)


# -- switch -------------------------------------------------------------------------------------


def test_scalar_condition_with_functions_runs_one(each_backend, capfd):
    p = K.placeholder((), dtype="int32")
    y = K.switch(p, lambda: K.print_tensor(K.constant(1.0), "then "), lambda: K.print_tensor(K.constant(2.0), "else "))
    f = K.function([p], [y])
    assert f([np.array(3)])[0] == 1
    printed = capfd.readouterr().out
    assert "then" in printed and "else" not in printed
    assert f([np.array(0)])[0] == 2


def test_condition_by_entry_and_by_row(each_backend):
    c, x, y = K.placeholder((None,)), K.placeholder((None, 2)), K.placeholder((None, 2))
    rows = K.switch(K.greater(c, 0.0), x, y)
    entries = K.switch(K.greater(x, y), x, y)
    assert K.int_shape(rows) == (None, 2)
    a, b = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 0], [7, 0]])
    first, second = K.function([c, x, y], [rows, entries])([np.array([1.0, -1.0]), a, b])
    np.testing.assert_array_equal(first, [[1, 2], [7, 0]])
    np.testing.assert_array_equal(second, np.maximum(a, b))


def test_condition_with_too_many_axes():
    with pytest.raises(ValueError, match="more axes"):
        K.switch(K.constant([True, False], "bool"), K.constant(1.0), K.constant(2.0))


def test_gradient_of_the_branch_not_taken_is_chosen_away(each_backend):
    s = K.variable(-1.0)
    selected = K.switch(K.greater(s, 0.0), K.log(s), s * 2)
    branched = K.switch(K.greater(s, 0.0), lambda: K.log(s), lambda: s * 2)
    for result in (selected, branched):
        assert K.eval(K.gradients(result, [s])[0]) == 2
    # At 0 the logarithm's own slope is infinite, which only a branch that does not run keeps out.
    K.set_value(s, 0.0)
    assert K.eval(K.gradients(branched, [s])[0]) == 2
    K.set_value(s, 4.0)
    for result in (selected, branched):
        assert K.eval(K.gradients(result, [s])[0]) == 0.25


def test_gradient_of_a_branch_is_differentiable_again(each_backend):
    s = K.variable(3.0)
    y = K.switch(K.greater(s, 0.0), lambda: s * s * s, lambda: s)
    first = K.gradients(y, s)[0]
    assert K.eval(first) == 27
    assert K.eval(K.gradients(first, s)[0]) == 18


def test_number_as_condition_chooses_now():
    assert K.eval(K.switch(True, lambda: K.constant(1.0), lambda: 1 / 0)) == 1
    assert K.eval(K.switch(0, K.constant(1.0), K.constant(2.0))) == 2


def test_branches_of_other_types_are_matched_or_refused(each_backend):
    p = K.placeholder(())
    assert K.dtype(K.switch(K.greater(p, 0.0), K.constant(1.0), 2)) == K.floatx()
    with pytest.raises(ValueError, match="branches"):
        K.switch(K.greater(p, 0.0), lambda: K.constant(1.0), lambda: K.constant([1.0]))


@pytest.mark.parametrize("count", [6, 5], ids=["equal lengths", "unequal lengths"])
def test_lengths_of_branches(each_backend, count):
    p, open_rows = K.placeholder(()), K.placeholder((None, 3))
    six, others = K.variable(np.ones((6, 3))), K.variable(np.ones((count, 3)) * 2)
    # What both agree on is known.
    chosen = K.switch(K.greater(p, 0.0), lambda: six, lambda: others)
    by_phase = K.in_train_phase(lambda: six, lambda: others)
    for tensor in (chosen, by_phase):
        assert K.int_shape(tensor) == (6 if count == 6 else None, 3)
    assert K.int_shape(K.switch(K.greater(p, 0.0), lambda: open_rows, lambda: six)) == (None, 3)
    total = K.function([K.learning_phase()], [K.sum(by_phase), K.shape(by_phase)])
    for phase, rows, value in ((1, 6, 18), (0, count, 6 * count)):
        np.testing.assert_array_equal(total([phase])[1], [rows, 3])
        assert total([phase])[0] == value
    run = K.function([p], [K.sum(chosen)])
    if count == 6:
        assert [run([1.0])[0], run([-1.0])[0]] == [18, 36]
    else:
        with pytest.raises(
            ValueError, match=r"branches of K.switch give shapes \[\(6, 3\)\] and \[\(5, 3\)\], and only the"
        ):
            run([1.0])
    # A condition of constants is decided before the program is made.
    now = K.switch(K.sum(K.constant([1.0, 1.0])) < 0, lambda: six, lambda: others)
    assert K.eval(now).shape == (count, 3)


# -- what a tensor refuses ----------------------------------------------------------------------


def test_python_control_flow_is_refused():
    x = K.placeholder((None, 2))
    with pytest.raises(TypeError, match="unknown first axis"):
        for _ in x:
            pass
    assert len(list(K.constant([1.0, 2.0]))) == 2
    with pytest.raises(TypeError, match="identities"):
        assert 1 in x
    assert any(t is x for t in [x]) and x in [x]
    with pytest.raises(ValueError, match="placeholder"):
        if K.sum(x):
            pass
