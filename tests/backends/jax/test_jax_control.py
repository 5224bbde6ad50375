"""Loops, branches and host calls, compiled and op by op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest


def both_ways(backend: Any, function: Callable[..., tuple[Any, ...]], *arrays: Any) -> list[list[np.ndarray]]:
    """The results op by op and compiled."""
    with backend.scope():
        ways = function, backend.compile(function, ())
        return [[backend.to_numpy(array) for array in way(*arrays)] for way in ways]


def scan_attributes(**changes: Any) -> dict[str, Any]:
    plain = {
        "num_sequences": 1,
        "num_carries": 1,
        "length": 4,
        "reverse": False,
        "outputs": (((), "float32"),),
    }
    return plain | changes


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(backend: Any, reverse: bool) -> None:
    k = backend.kernels

    def body(iteration: Any, item: Any, total: Any, factor: Any) -> tuple[Any, ...]:
        total = k["add"](k["multiply"](total, factor), item)
        return total, k["add"](total, k["cast"](iteration, dtype="float32"))

    def program(xs: Any, start: Any, factor: Any) -> tuple[Any, ...]:
        return k["scan"](xs, start, factor, body=body, **scan_attributes(reverse=reverse))

    xs, start, factor = np.arange(1, 5, dtype=np.float32), np.float32(0.5), np.float32(2)
    total, wanted = start, np.zeros(4, np.float32)
    for i in reversed(range(4)) if reverse else range(4):
        total = total * factor + xs[i]
        wanted[i] = total + i
    for final, ys in both_ways(backend, program, xs, start, factor):
        assert final == total
        np.testing.assert_array_equal(ys, wanted)


def test_scan_of_no_steps(backend: Any) -> None:
    k = backend.kernels

    def body(iteration: Any, item: Any, total: Any) -> tuple[Any, ...]:
        return k["add"](total, item), k["exp"](item)

    def program(xs: Any, start: Any) -> tuple[Any, ...]:
        return k["scan"](xs, start, body=body, **scan_attributes(length=0, outputs=(((3,), "float32"),)))

    for final, ys in both_ways(backend, program, np.zeros((0, 3), np.float32), np.ones(3, np.float32)):
        np.testing.assert_array_equal(final, np.ones(3))
        assert (ys.shape, ys.dtype) == ((0, 3), np.float32)


def test_scan_without_sequences_and_with_python_scalars(backend: Any) -> None:
    k = backend.kernels

    def body(iteration: Any, count: Any) -> tuple[Any, ...]:
        assert iteration.dtype == np.int32
        return k["add"](count, 1), 2.5, iteration

    def program(start: Any) -> tuple[Any, ...]:
        outputs = (((), "float32"), ((), "int32"))
        return k["scan"](start, body=body, **scan_attributes(num_sequences=0, length=3, outputs=outputs))

    for count, ys, iterations in both_ways(backend, program, np.array(7, np.int64)):
        assert (count, count.dtype) == (10, np.int64)
        np.testing.assert_array_equal(ys, [2.5] * 3)
        np.testing.assert_array_equal(iterations, [0, 1, 2])
        assert (ys.dtype, iterations.dtype) == (np.float32, np.int32)


def test_scan_op_by_op_compiles_once_a_body(backend: Any) -> None:
    k, traces = backend.kernels, []

    def body(iteration: Any, item: Any, total: Any) -> tuple[Any, ...]:
        traces.append(1)
        return k["add"](total, item), item

    with backend.scope():
        for value in range(4):
            final, _ = k["scan"](
                np.full(4, value, np.float32), np.float32(0), body=body, **scan_attributes(outputs=(((), "float32"),))
            )
            assert final == 4 * value
    assert len(traces) <= 2


def test_cond_runs_one_branch(backend: Any, capsys: pytest.CaptureFixture[str]) -> None:
    k = backend.kernels

    def then_body(x: Any, y: Any) -> tuple[Any, ...]:
        return k["print_value"](k["add"](x, y), message="then "), y

    def else_body(x: Any, y: Any) -> tuple[Any, ...]:
        return k["print_value"](k["subtract"](x, y), message="else "), 0.5

    def program(predicate: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return k["cond"](predicate, x, y, then_body=then_body, else_body=else_body)

    x, y = np.float32(5), np.float32(3)
    for predicate, first, second, printed in ((True, 8, 3, "then 8.0\n"), (False, 2, 0.5, "else 2.0\n")):
        for results in both_ways(backend, program, np.array(predicate), x, y):
            assert results == [first, second]
            assert {result.dtype for result in results} == {np.dtype(np.float32)}
        backend.synchronize()
        assert capsys.readouterr().out == printed * 2


def twice(x: np.ndarray) -> tuple[np.ndarray]:
    return (2 * x,)


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_host_call(backend: Any, dtype: str, shape: tuple[int, ...]) -> None:
    seen = []
    exact = {"int64": 2**40 + 1, "float64": 1 + 2.0**-40}.get(dtype, 1)
    wide = jax.numpy.bfloat16 if dtype == "bfloat16" else dtype

    def function(x: np.ndarray) -> tuple[np.ndarray, ...]:
        seen.append((type(x), x.dtype, x.shape))
        return x, np.asarray(np.sum(x != 0))

    def program(x: Any) -> tuple[Any, ...]:
        return backend.kernels["host_call"](x, function=function, outputs=((shape, dtype), ((), "int64")))

    x = np.full(shape, exact).astype(wide)
    for same, count in both_ways(backend, program, x):
        assert (same.dtype, same.shape, count.dtype) == ("float32" if dtype == "bfloat16" else x.dtype, shape, np.int64)
        assert (same == x).all()
        assert count == x.size
    # NumPy has no bfloat16: a function on the host gets float32.
    assert seen == [(np.ndarray, "float32" if dtype == "bfloat16" else x.dtype, shape)] * 2


def test_host_call_of_64_bits_on_the_runtimes_threads(backend: Any) -> None:
    """Large programs run on threads where the 64-bit scope was never entered."""
    k = backend.kernels
    threads = set()

    def function(x: np.ndarray) -> tuple[np.ndarray]:
        import threading

        threads.add(threading.current_thread().name)
        assert x.dtype == np.float64
        return (x + 2.0**-40,)

    def program(x: Any) -> tuple[Any, ...]:
        total = k["matmul"](x, x)
        for _ in range(4):
            (more,) = k["host_call"](total, function=function, outputs=(((400, 400), "float64"),))
            total = k["add"](total, more)
        return (total,)

    x = np.eye(400)
    with backend.scope():
        run = backend.compile(program, ())
        results = [run(x)[0] for _ in range(5)]
        wanted = np.eye(400)
        for _ in range(4):
            wanted = 2 * wanted + 2.0**-40
        for result in results:
            np.testing.assert_array_equal(np.asarray(result), wanted)


def test_host_call_runs_at_every_step_and_every_call(backend: Any) -> None:
    """Also where nothing that it gets changes, which XLA takes for a reason to call it once."""
    k, calls = backend.kernels, []

    def function(*xs: np.ndarray) -> tuple[np.ndarray]:
        calls.append(len(xs))
        return (np.float32(len(calls)),)

    def body(iteration: Any, total: Any, fixed: Any) -> tuple[Any, ...]:
        (value,) = k["host_call"](fixed, function=function, outputs=(((), "float32"),))
        return (k["add"](total, value),)

    def program(fixed: Any) -> tuple[Any, ...]:
        (total,) = k["scan"](np.float32(0), fixed, body=body, **scan_attributes(num_sequences=0, length=5, outputs=()))
        (more,) = k["host_call"](function=function, outputs=(((), "float32"),))
        return (k["add"](total, more),)

    with backend.scope():
        run = backend.compile(program, ())
        assert float(run(np.float32(1))[0]) == 1 + 2 + 3 + 4 + 5 + 6
        assert sorted(calls) == [0] + [1] * 5
        calls.clear()
        assert float(run(np.float32(1))[0]) == 21
        calls.clear()
        assert float(program(np.float32(1))[0]) == 21


def test_host_call_with_wrong_results(backend: Any) -> None:
    with backend.scope(), pytest.raises(ValueError, match=r"function twice returned 1 arrays of shapes \[\(3,\)\]"):
        backend.kernels["host_call"](np.ones(3), function=twice, outputs=(((4,), "float64"),))


def test_error_in_a_compiled_host_call_leaves_no_trace(backend: Any) -> None:
    def fail(x: np.ndarray) -> tuple[np.ndarray]:
        raise ArithmeticError("no such number")

    def program(x: Any) -> tuple[Any, ...]:
        return backend.kernels["host_call"](x, function=fail, outputs=(((), "float32"),))

    with backend.scope(), pytest.raises(jax.errors.JaxRuntimeError, match="ArithmeticError: no such number"):
        np.asarray(backend.compile(program, ())(np.float32(1))[0])
    backend.synchronize()


def test_print_value_prints_at_every_run_in_order(backend: Any, capsys: pytest.CaptureFixture[str]) -> None:
    k = backend.kernels

    def body(iteration: Any, total: Any) -> tuple[Any, ...]:
        return (k["print_value"](k["add"](total, 1), message="step "),)

    def program(x: Any) -> tuple[Any, ...]:
        y = k["print_value"](x, message="x is ")
        (total,) = k["scan"](
            np.array(2**40, np.int64), body=body, **scan_attributes(num_sequences=0, length=2, outputs=())
        )
        return k["print_value"](y, message="again "), total

    x = np.array([1.5, 2.25])
    with backend.scope():
        for run in (program, backend.compile(program, ())):
            for _ in range(2):
                y, _ = run(x)
                np.testing.assert_array_equal(y, x)
            backend.synchronize()
            lines = [f"x is {x}", f"step {2**40 + 1}", f"step {2**40 + 2}", f"again {x}"]
            assert capsys.readouterr().out.splitlines() == lines * 2
