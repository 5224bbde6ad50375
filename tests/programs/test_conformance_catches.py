"""The conformance suite finds faults: each kernel in turn is made wrong, and some case must notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from multikeras import registry
from multikeras.contract import Backend
from multikeras.testing import checks
from multikeras.testing.cases import CASES

Fault = Callable[[tuple[Any, ...], Any], Any]

#: An identity is removed before anything runs.
KERNELS = sorted(set(registry.load("numpy").kernels) - {"identity"})


def each(result: Any, change: Callable[[Any], Any]) -> Any:
    """`change` applied to every array of a result."""
    if isinstance(result, tuple):
        return tuple(change(r) if isinstance(r, np.ndarray | np.generic) else r for r in result)
    return change(result)


def wrong_value(inputs: tuple[Any, ...], result: Any) -> Any:
    def change(x: Any) -> Any:
        x = np.asarray(x)
        if not x.size:
            return x
        made = np.array(x, order="C")
        first = made.reshape(-1)[:1]
        first[...] = ~first if x.dtype == bool else first * np.asarray(1.01).astype(x.dtype) + np.ones(1, x.dtype)
        return made

    return each(result, change)


def wrong_dtype(inputs: tuple[Any, ...], result: Any) -> Any:
    others = {"float32": "float64", "float64": "float32", "int64": "int32", "bool": "uint8", "uint32": "int64"}
    return each(result, lambda x: np.asarray(x).astype(others.get(x.dtype.name, "int64")))


def wrong_shape(inputs: tuple[Any, ...], result: Any) -> Any:
    return each(result, lambda x: np.asarray(x)[None])


def written_operand(inputs: tuple[Any, ...], result: Any) -> Any:
    kept = each(result, np.array)
    for x in inputs:
        if isinstance(x, np.ndarray) and x.flags.writeable:
            x[...] = 0
    return kept


def broken(name: str, fault: Fault) -> Backend:
    """The NumPy backend with one faulty kernel."""
    made = type(registry.load("numpy"))()
    right = made.kernels[name]

    def kernel(*inputs: Any, **attributes: Any) -> Any:
        return fault(inputs, right(*inputs, **attributes))

    made.kernels = {**made.kernels, name: kernel}
    return made


def notices(name: str, backend: Backend) -> bool:
    """Whether a value check of some case of that primitive, or of one whose gradient uses it, fails."""
    for case in CASES:
        if case.primitive != name:
            continue
        for dtype in case.dtypes:
            if not case.runs_on(backend.dtypes, dtype):
                continue
            try:
                with np.errstate(all="ignore"):
                    checks.check_value(case, dtype, backend)
            except (AssertionError, ValueError, TypeError, IndexError):
                return True
    return False


@pytest.mark.parametrize("fault", [wrong_value, wrong_dtype, wrong_shape], ids=lambda f: f.__name__)
def test_fault_is_noticed(fault: Fault) -> None:
    unnoticed = [name for name in KERNELS if not notices(name, broken(name, fault))]
    assert not unnoticed


def test_written_operand_is_noticed() -> None:
    names = [name for name in KERNELS if name != "iota"]
    unnoticed = [name for name in names if not notices(name, broken(name, written_operand))]
    assert not unnoticed


def test_missing_half_precision_accumulation_is_noticed() -> None:
    def careless(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        total = np.zeros_like(x.sum(axis=axis, keepdims=keepdims))
        for row in np.moveaxis(x, axis[0], 0) if len(axis) == 1 and not keepdims else []:
            total = (total + row).astype(x.dtype)
        return total

    backend = type(registry.load("numpy"))()
    backend.kernels = {**backend.kernels, "reduce_sum": careless}
    case = next(c for c in CASES if c.id == "reduce_sum/many of 16 bits")
    with pytest.raises(AssertionError):
        checks.check_value(case, "float16", backend)


def test_wrong_gradient_is_noticed() -> None:
    # The kernels of first derivatives that a careless backend would get wrong.
    for name, user in (
        ("cos", "sin"),
        ("conv_kernel_gradient", "conv"),
        ("max_pool_gradient", "max_pool"),
        ("scatter_add", "gather"),
    ):
        case = next(c for c in CASES if c.id == user)
        checks.check_gradient(case, registry.load("numpy"))
        with pytest.raises(AssertionError):
            checks.check_gradient(case, broken(name, wrong_value))
