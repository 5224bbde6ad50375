"""K.while_loop: values, effects, gradients."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from k_derivatives import check_second_derivative

from multikeras import backend as K


def powers(x: Any, y: Any, maximum: int | None = None) -> Any:
    """y times the lowest power of x from which on the sum is at least 100."""
    return K.while_loop(lambda i, z: K.sum(z) < 100.0, lambda i, z: (i + 1, z * x), (0, y), maximum)


def test_values(each_backend: str) -> None:
    x, y = K.placeholder(()), K.placeholder((None,))
    count, value = powers(x, y)
    assert (K.dtype(count), K.int_shape(count), K.int_shape(value)) == ("int32", (), (None,))
    run = K.function([x, y], [count, value])
    for start, number in ((1.0, 6), (1000.0, 0), (20.0, 1)):
        made = run([2.0, np.full(3, start)])
        assert made[0] == number
        np.testing.assert_array_equal(made[1], np.full(3, start * 2**number))
    stopped = K.function([x, y], list(powers(x, y, 4)))([2.0, np.ones(3)])
    assert stopped[0] == 4
    assert K.function([x, y], list(powers(x, y, 0)))([2.0, np.ones(3)])[0] == 0


def test_what_comes_back_is_what_was_given(each_backend: str) -> None:
    v = K.variable([0.0, 1.0, 2.0])
    single = K.while_loop(lambda x: K.sum(x) < 50, lambda x: x * 2 + 1, v)
    np.testing.assert_array_equal(K.eval(single), [15, 31, 47])
    as_list = K.while_loop(lambda x, y: K.sum(x) < 50, lambda x, y: [x + y, 3], [v, 1])
    assert isinstance(as_list, list)
    assert isinstance(K.while_loop(lambda x, y: x < 5, lambda x, y: (x + 1, y), (0, v)), tuple)
    assert [K.dtype(t) for t in as_list] == [K.floatx(), "int32"]
    np.testing.assert_array_equal(K.eval(as_list[0]), [16, 17, 18])


def test_results_are_nobodys_memory(each_backend: str) -> None:
    v, w = K.variable(np.ones(3)), K.variable(np.zeros(3))
    made = K.while_loop(lambda x, y: K.sum(x) < 0, lambda x, y: (x, y), (v, v))
    same = K.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, w), (0, v))[1]
    run = K.function([], [*made, same], updates=[(v, v + 1), (w, w - 1)])
    first = run([])
    second = run([])
    for a, b, expected in zip(first, second, ([1, 2], [1, 2], [0, -1]), strict=True):
        np.testing.assert_array_equal(a, np.full(3, expected[0]))
        np.testing.assert_array_equal(b, np.full(3, expected[1]))


def test_updates_random_numbers_and_printing(each_backend: str, capsys: Any) -> None:
    total = K.variable(0.0)
    drawn = K.variable(np.zeros(4))

    def body(i: Any, seen: Any) -> Any:
        number = K.random_uniform((), seed=3)
        K.update_add(total, number)
        return K.print_tensor(i, "at ") + 1, K.scatter_add(seen, K.reshape(i, (1, 1)), K.reshape(number, (1,)))

    count, seen = K.while_loop(lambda i, seen: i < 4, body, (0, drawn))
    made = K.function([], [count, seen])([])
    assert len(set(made[1].tolist())) == 4
    assert K.get_value(total) == pytest.approx(made[1].sum(), rel=1e-6)
    assert capsys.readouterr().out.split("\n")[:4] == ["at 0", "at 1", "at 2", "at 3"]


def test_inside_and_outside_other_loops(each_backend: str) -> None:
    def root(a: Any) -> Any:
        """Heron's square root."""
        start = (a, a * 0)
        return K.while_loop(lambda x, before: K.abs(x - before) > 1e-6, lambda x, before: ((x + a / x) / 2, x), start)[
            0
        ]

    numbers = K.constant([2.0, 9.0, 100.0])
    np.testing.assert_allclose(K.eval(K.map_fn(root, numbers)), np.sqrt([2, 9, 100]), rtol=1e-6)
    nested = K.while_loop(
        lambda i, s: i < 3,
        lambda i, s: (i + 1, s + K.while_loop(lambda j, t: j < i, lambda j, t: (j + 1, t + 1.0), (0, 0.0))[1]),
        (0, 0.0),
    )
    assert K.eval(nested[1]) == 3
    doubled = K.while_loop(
        lambda i, s: i < 3, lambda i, s: (i + 1, s + K.numpy_function(np.negative, i, (), "int32")), (0, 0)
    )
    assert K.eval(doubled[1]) == -3


def test_gradients(each_backend: str) -> None:
    K.set_floatx("float64")
    x, y = K.placeholder(()), K.placeholder((None,))
    count, value = powers(x, y, 10)
    by_x, by_y, by_count = [*K.gradients(value, [x, y]), K.gradients(K.cast(count, "float64"), [x])[0]]
    assert by_count is None
    made = K.function([x, y], [value, by_x, by_y])([2.0, np.ones(3)])
    np.testing.assert_array_equal(made[0], [64, 64, 64])
    assert made[1] == 3 * 6 * 2**5
    np.testing.assert_array_equal(made[2], [64, 64, 64])
    check_second_derivative(lambda x, y: powers(x[0], y, 10)[1], (np.array([2.0]), np.ones(3)))


def test_gradients_do_not_see_what_follows_the_end(each_backend: str) -> None:
    x = K.placeholder(())
    # After the fifth iteration the body would divide by 0.
    _, value = K.while_loop(lambda i, z: i < 5, lambda i, z: (i + 1, z * x / (5.0 - K.cast(i, K.floatx()))),
                            (0, K.ones_like(x)), 20)  # fmt: skip
    made = K.function([x], [value, *K.gradients(value, [x])])([3.0])
    np.testing.assert_allclose(made, [3**5 / 120, 5 * 3**4 / 120], rtol=1e-6)


def test_gradient_of_a_loop_without_limit(each_backend: str) -> None:
    x = K.placeholder(())
    value = powers(x, K.ones_like(x))[1]
    with pytest.raises(ValueError, match="pass K.while_loop a maximum_iterations"):
        K.gradients(value, [x])
    assert K.gradients(K.stop_gradient(value) * x, [x])[0] is not None


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: K.while_loop(lambda i: i < 3, lambda i: i * 0.5, 0), ValueError, "of type int32 .* of type float32"),
        (lambda: K.while_loop(lambda i: i < 3, lambda i: (i, i), 0), ValueError, "got 1 loop variables and returned 2"),
        (lambda: K.while_loop(lambda x: x < 3, lambda x: x, np.ones(2)), ValueError, "the condition gives a scalar"),
        (
            lambda: K.while_loop(lambda x: K.sum(x) < 9, lambda x: K.concatenate([x, x]), np.ones(2)),
            ValueError,
            r"of shape \(2,\) and returned one of shape \(4,\)",
        ),
        (lambda: K.while_loop(lambda x: x < 3, lambda x: x, 1, 2.5), TypeError, "an int or None, received 2.5"),
        (lambda: K.while_loop(lambda x: x < 3, lambda x: x, 1, -1), ValueError, "not below 0"),
    ],
)
def test_loops_that_do_not_fit(call: Any, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        call()


def test_shape_that_changes_in_a_run(each_backend: str) -> None:
    x = K.placeholder((None,))
    made = K.while_loop(lambda x: K.sum(x) < 9, lambda x: K.concatenate([x, x]), x)
    with pytest.raises(ValueError, match="it keeps its shape"):
        K.function([x], [made])([np.ones(2)])
