"""Where variables keep their values, and how these move between backends.

Every variable owns its array alone: what enters is copied, and what leaves is a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from multikeras import registry
from multikeras.contract import Backend
from multikeras.graph.tensor import Tensor, Variable
from multikeras.programs.interrupts import HeldInterrupts
from multikeras.programs.locks import RUNS

#: How often a variable moved from one backend to another.
moves = 0


def array_of(variable: Variable, backend: Backend) -> Any:
    """The array that holds the value, on this backend; moves it there if it is elsewhere."""
    if variable.home == backend.name:
        return variable.array
    return _bring(variable, backend)


def _bring(variable: Variable, backend: Backend) -> Any:
    global moves
    with variable.lock:
        if variable.home == backend.name:
            return variable.array
        if variable.dtype not in backend.dtypes:
            raise TypeError(f"{backend.lacks(variable.dtype)} It is the type of the variable {variable.name!r}.")
        value = _host_value(variable, backend)
        with backend.scope():
            array = backend.own(value, variable.dtype)
        if variable.home is not None:
            moves += 1
        variable.array, variable.home, variable.initial = array, backend.name, None
        return array


def _host_value(variable: Variable, backend: Backend) -> np.ndarray:
    if variable.home is not None:
        return registry.load(variable.home).to_numpy(variable.array)
    initial = variable.initial
    if isinstance(initial, Tensor):
        from multikeras.programs.evaluate import initial_value

        # By NumPy, so that it is the same on every backend; but NumPy need not have a bfloat16.
        host = registry.host()
        initial = initial_value(initial, host if variable.dtype in host.dtypes else backend)
    value = np.asarray(initial)
    if value.shape != variable.shape:
        raise ValueError(
            f"The initial value of variable {variable.name!r} has shape {value.shape}, expected {variable.shape}."
        )
    return value


def read(variable: Variable) -> np.ndarray:
    """The value as a NumPy array of the caller's own."""
    return read_all([variable])[0]


def read_all(variables: Sequence[Variable]) -> list[np.ndarray]:
    """The values of several variables at one moment, as NumPy arrays of the caller's own."""
    with held():
        return [np.array(seen(variable)) for variable in variables]


@contextmanager
def held() -> Iterator[None]:
    """A block in which no run, of whichever thread, stores into variables."""
    with HeldInterrupts():
        RUNS.acquire(exclusive=False)
        try:
            yield
        finally:
            RUNS.release()


def seen(variable: Variable) -> np.ndarray:
    """The value, perhaps in the variable's own memory: to be read inside `held`, and not written to.

    A run that stores may give that memory away.
    """
    if variable.home is None:
        array_of(variable, registry.current())
    assert variable.home is not None
    return registry.load(variable.home).to_numpy(variable.array)


def write(variable: Variable, value: Any) -> None:
    """Stores a value, which is copied and cast.

    Raises:
        ValueError: If it has another shape; the variable keeps its value.
    """
    write_all([(variable, value)])


def write_all(pairs: Sequence[tuple[Variable, Any]], given: bool = False) -> None:
    """Stores values in several variables: all of them, or none.

    Args:
        pairs: Variables and their values, which are cast.
        given: The values are arrays that nobody else holds, whose memory the variables may keep.

    Raises:
        ValueError: If one has another shape; all variables keep their values.
    """
    checked = [(variable, np.asarray(value), _home_of(variable)) for variable, value in pairs]
    for variable, array, backend in checked:
        if array.shape != variable.shape:
            raise ValueError(
                f"Variable {variable.name!r} has shape {variable.shape}; a value of shape {array.shape} cannot be "
                "stored in it."
            )
        if variable.dtype not in backend.dtypes:
            raise TypeError(f"{backend.lacks(variable.dtype)} It is the type of the variable {variable.name!r}.")
    with HeldInterrupts():
        owned = []
        for variable, array, backend in checked:
            with backend.scope():
                own = backend.adopt if given else backend.own
                owned.append((variable, own(array, variable.dtype), backend.name))
        # A run in another thread would otherwise store over what is set meanwhile.
        RUNS.acquire(exclusive=True)
        try:
            for variable, kept, home in owned:
                variable.array, variable.home, variable.initial = kept, home, None
        finally:
            RUNS.release()


def _home_of(variable: Variable) -> Backend:
    """The backend that a value stored now goes to."""
    return registry.current() if variable.home is None else registry.load(variable.home)


def exchange(variables: Sequence[Variable], values: Sequence[Any] | None) -> list[Any]:
    """Puts other values in the place of those that variables have, and gives these; nothing is copied.

    Args:
        variables: The variables.
        values: What another call of this gave, each to be used once; None for zeros.
    """
    if values is None:
        values = [(None, None, np.zeros(v.shape)) for v in variables]  # type: ignore[type-var]
    with HeldInterrupts():
        RUNS.acquire(exclusive=True)
        try:
            before = [(v.array, v.home, v.initial) for v in variables]
            for variable, value in zip(variables, values, strict=True):
                variable.array, variable.home, variable.initial = value
        finally:
            RUNS.release()
    return before
