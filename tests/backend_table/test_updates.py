"""Updates: simultaneous, composed, waited for, and made inside branches and loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from multikeras import backend as K


class Mean:
    """A metric in the manner of Keras: totals updated by a call, the result after them."""

    def __init__(self) -> None:
        self.total = K.zeros(())
        self.count = K.zeros(())

    def __call__(self, x):
        updates = [K.update_add(self.total, K.sum(x)), K.update_add(self.count, K.cast(K.size(x), K.floatx()))]
        with K.control_dependencies(updates):
            return K.identity(self.total) / self.count


def test_swap_and_simultaneous_reads(each_backend):
    a, b = K.variable([1.0, 2.0]), K.variable([3.0, 4.0])
    f = K.function([], [a + b, a], [(a, b), (b, a)])
    total, old = f([])
    np.testing.assert_array_equal(total, [4, 6])
    np.testing.assert_array_equal(old, [1, 2])
    np.testing.assert_array_equal(K.get_value(a), [3, 4])
    np.testing.assert_array_equal(K.get_value(b), [1, 2])
    f([])
    np.testing.assert_array_equal(K.get_value(a), [1, 2])


def test_copied_variables_part_again(each_backend):
    online, target = K.variable([1.0, 2.0]), K.zeros((2,))
    copy = K.function([], [], [K.update(target, online)])
    raise_online = K.function([], [], [K.update_add(online, 1.0)])
    for _ in range(3):
        copy([])
        raise_online([])
    np.testing.assert_array_equal(K.get_value(online), [4, 5])
    np.testing.assert_array_equal(K.get_value(target), [3, 4])


def test_metric_counts_the_present_batch(each_backend):
    metric = Mean()
    x = K.placeholder((None,))
    f = K.function([x], [metric(x)])
    assert f([np.array([2.0, 4.0])])[0] == 3
    assert f([np.array([6.0])])[0] == 4
    assert f([np.array([0.0])])[0] == 3
    K.batch_set_value([(metric.total, 0), (metric.count, 0)])
    shown = metric(K.constant([7.0]))
    assert "made by" in repr(shown)
    assert K.get_value(metric.count) == 0
    with pytest.raises(TypeError, match="K.eval"):
        float(shown)
    assert K.get_value(metric.count) == 0
    assert K.eval(shown) == 7
    assert K.eval(metric.total) == 7


def test_eval_of_an_update_stores(each_backend):
    x = K.variable(2.0)
    made = K.update(x, x * 3)
    variable, new = made
    assert variable is x and new is made
    assert K.eval(made) == 6
    assert K.get_value(x) == 6


def test_increments_compose_in_order(each_backend):
    x = K.variable(1.0)
    average = K.moving_average_update(x, K.constant(3.0), 0.5)
    f = K.function([], [], [K.update_add(x, 1.0), average, K.update_sub(x, 0.25)])
    f([])
    assert K.get_value(x) == (1 + 1) * 0.5 + 3 * 0.5 - 0.25


def test_the_last_plain_update_wins_with_a_warning(fresh_session):
    x = K.variable(1.0, name="contested")
    f = K.function([], [], [K.update(x, 2.0), K.update(x, 3.0)])
    with pytest.warns(UserWarning, match="contested"):
        f([])
    assert K.get_value(x) == 3


def test_same_update_listed_and_reached_is_stored_once(each_backend):
    x = K.variable(1.0)
    made = K.update_add(x, 1.0)
    f = K.function([], [made], [made])
    assert f([])[0] == 2
    assert K.get_value(x) == 2


def test_control_dependencies_inside_an_update(each_backend):
    x, y = K.variable(1.0), K.variable(0.0)
    first = K.update_add(x, 1.0)
    with K.control_dependencies([first]):
        second = K.update(y, x)
    K.function([], [], [second])([])
    assert K.get_value(x) == 2 and K.get_value(y) == 2


def test_control_dependencies_of_nothing():
    with K.control_dependencies([]), K.control_dependencies([K.constant(1.0), None]):
        assert K.eval(K.constant(2.0) + 1) == 3


def test_update_of_a_tensor_is_refused():
    with pytest.raises(TypeError, match="Only a variable can be updated"):
        K.update(K.constant(1.0), 2.0)
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        K.update(K.zeros((2,)), K.constant([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("taken", [True, False])
def test_update_in_a_branch(each_backend, taken):
    x = K.variable(1.0)
    condition = K.placeholder(())

    def then():
        return K.update_add(x, 5.0) * 1.0

    result = K.switch(K.greater(condition, 0.0), then, lambda: K.constant(0.0))
    f = K.function([condition], [result])
    assert f([np.array(1.0 if taken else -1.0)])[0] == (6 if taken else 0)
    assert K.get_value(x) == (6 if taken else 1)


def test_update_in_a_loop(each_backend):
    count = K.variable(10.0)
    x = K.placeholder((None, None, 2))

    def step(entry, states):
        return entry + K.update_add(count, 1.0), []

    _, outputs, _ = K.rnn(step, x, [])
    f = K.function([x], [outputs])
    value = f([np.zeros((1, 4, 2))])[0]
    np.testing.assert_array_equal(value[0, :, 0], [11, 12, 13, 14])
    assert K.get_value(count) == 14


def test_no_warning_for_increments(fresh_session):
    x = K.variable(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        K.function([], [], [K.update_add(x, 1.0), K.update_add(x, 1.0)])([])
    assert K.get_value(x) == 3


def test_update_in_a_loop_and_outside_in_one_run(each_backend):
    count, mean = K.variable(10.0), K.variable([8.0, 0.0])

    def step(entry, states):
        K.update_add(count, 1.0)
        K.moving_average_update(mean, entry[0], 0.5)
        return entry, []

    x = K.placeholder((None, None, 2))
    _, outputs, _ = K.rnn(step, x, [])
    K.function([x], [outputs], [K.update_add(count, 100.0), K.update_add(mean, [4.0, 4.0])])([np.ones((1, 2, 2))])
    assert K.get_value(count) == 112
    np.testing.assert_array_equal(K.get_value(mean), [12 / 4 + 0.75, 4 / 4 + 0.75])
