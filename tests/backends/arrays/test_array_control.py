"""Loops, branches and calls of Python."""

import numpy as np
import pytest


def body(iteration, x, carry, factor):
    new = carry * factor + x
    return new, new * iteration, np.asarray(iteration)


SCAN = {
    "body": body,
    "num_sequences": 1,
    "num_carries": 1,
    "outputs": (((2,), "float32"), ((), "int32")),
}


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(kernels, reverse):
    x = np.arange(6, dtype="float32").reshape(3, 2)
    start, factor = np.ones(2, "float32"), np.array(0.5, "float32")
    for array in (x, start, factor):
        array.flags.writeable = False
    results = kernels["scan"](x, start, factor, length=3, reverse=reverse, **SCAN)
    carry, ys = start, [None] * 3
    for step in (2, 1, 0) if reverse else (0, 1, 2):
        carry = carry * factor + x[step]
        ys[step] = carry * step
    assert len(results) == 3
    np.testing.assert_array_equal(results[0], carry)
    np.testing.assert_array_equal(results[1], ys)
    assert results[2].tolist() == [0, 1, 2]
    assert results[2].dtype == "int32"


def test_scan_of_no_steps(kernels):
    x, start = np.zeros((0, 2), "float32"), np.ones(2, "float32")
    carry, ys, numbers = kernels["scan"](x, start, np.float32(1), length=0, reverse=False, **SCAN)
    np.testing.assert_array_equal(carry, start)
    assert (ys.shape, ys.dtype, numbers.shape, numbers.dtype) == ((0, 2), "float32", (0,), "int32")


def test_scan_without_sequences(kernels):
    (total,) = kernels["scan"](
        np.array(0, "int32"),
        body=lambda iteration, carry: (carry + iteration,),
        num_sequences=0,
        num_carries=1,
        length=5,
        reverse=False,
        outputs=(),
    )
    assert total == 10


def test_only_one_branch_runs(kernels):
    ran = []

    def branch(name):
        def run(x):
            ran.append(name)
            return (x + len(name),)

        return run

    for predicate, name in ((np.array(True), "then"), (np.bool_(False), "otherwise")):
        (result,) = kernels["cond"](predicate, np.array(1), then_body=branch("then"), else_body=branch("otherwise"))
        assert ran.pop() == name
        assert not ran
        assert result == 1 + len(name)


def test_host_call(kernels):
    x = np.arange(3, dtype="float32")

    def twice(array):
        assert isinstance(array, np.ndarray)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        return [array * 2.0, array.sum()]

    double, total = kernels["host_call"](x, function=twice, outputs=(((3,), "float32"), ((), "float64")))
    assert (double.dtype, total.dtype, total.shape) == ("float32", "float64", ())
    np.testing.assert_array_equal(double, [0, 2, 4])
    assert x.flags.writeable


def test_host_call_owns_what_it_returns(kernels):
    memory = np.zeros(2)
    (result,) = kernels["host_call"](function=lambda: (memory,), outputs=(((2,), "float64"),))
    memory += 1
    assert result.tolist() == [0, 0]


def test_host_call_names_what_is_wrong(kernels):
    def wrong(x):
        return (x,)

    with pytest.raises(ValueError, match=r"Result 0 of the host call of wrong was declared with shape \(2,\)"):
        kernels["host_call"](np.zeros(3), function=wrong, outputs=(((2,), "float32"),))
    with pytest.raises(ValueError, match=r"must return a tuple of 2 arrays. Received: a tuple of 1"):
        kernels["host_call"](np.zeros(3), function=wrong, outputs=(((3,), "float32"), ((), "float32")))


def test_print_value(kernels, capsys):
    x = np.array([1.5, 2.0], "float32")
    assert kernels["print_value"](x, message="x = ") is x
    assert capsys.readouterr().out == "x = [1.5 2. ]\n"
