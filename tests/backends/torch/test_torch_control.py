from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [4, 0])
def test_scan(run: Any, reverse: bool, length: int) -> None:
    def body(i: Any, x: Any, total: Any, factor: Any) -> tuple[Any, ...]:
        assert i.dtype == torch.int32 and i.shape == ()
        total = total + factor * x
        return total, total * 2, i

    xs = np.arange(1.0, 1.0 + 3 * length).reshape(length, 3)
    factor = np.array(10.0)
    total, doubled, steps = run(
        "scan",
        xs,
        np.zeros(3),
        factor,
        body=body,
        num_sequences=1,
        num_carries=1,
        length=length,
        reverse=reverse,
        outputs=(((3,), "float64"), ((), "int32")),
    )
    order = xs[::-1] if reverse else xs
    sums = np.cumsum(10 * order, 0)
    np.testing.assert_array_equal(total, sums[-1] if length else np.zeros(3))
    np.testing.assert_array_equal(doubled, 2 * (sums[::-1] if reverse else sums))
    np.testing.assert_array_equal(steps, np.arange(length))
    assert doubled.shape == (length, 3) and steps.dtype == np.int32


def test_scan_without_sequences_or_outputs(run: Any) -> None:
    results = run(
        "scan",
        np.array(1),
        body=lambda i, carry: (carry + i,),
        num_sequences=0,
        num_carries=1,
        length=5,
        reverse=False,
        outputs=(),
    )
    assert len(results) == 1 and results[0] == 11


def test_cond_runs_one_branch(run: Any) -> None:
    def never(x: Any) -> Any:
        raise AssertionError

    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(
        run("cond", np.array(True), x, then_body=lambda x: (x * 2,), else_body=never)[0], [2, 4]
    )
    np.testing.assert_array_equal(run("cond", np.array(False), x, then_body=never, else_body=lambda x: (x,))[0], x)


def test_host_call(run: Any) -> None:
    seen: list[np.ndarray] = []

    def function(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        seen.extend([x, y])
        return [np.float32(x.sum()), y * 2]

    total, doubled = run(
        "host_call", np.ones(3, "float32"), np.arange(2), function=function, outputs=(((), "float32"), ((2,), "int32"))
    )
    assert total == 3 and total.dtype == np.float32
    np.testing.assert_array_equal(doubled, [0, 2])
    assert doubled.dtype == np.int32
    with pytest.raises(ValueError, match="read-only"):
        seen[0][0] = 1


def test_host_call_names_what_is_wrong(run: Any) -> None:
    def wrong(x: np.ndarray) -> Any:
        return x

    with pytest.raises(ValueError, match="host call of wrong must return a tuple of 1 arrays. Received: ndarray"):
        run("host_call", np.ones(3), function=wrong, outputs=(((3,), "float32"),))
    with pytest.raises(ValueError, match=r"Result 0 .* shape \(2,\) and came with \(3,\)"):
        run("host_call", np.ones(3), function=lambda x: (x,), outputs=(((2,), "float32"),))


def test_print_value(run: Any, capsys: Any) -> None:
    x = np.array([1.0, 2.0], "float32")
    np.testing.assert_array_equal(run("print_value", x, message="x = "), x)
    assert capsys.readouterr().out == f"x = {x}\n"
