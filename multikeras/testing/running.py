"""Runs graph on a backend of one's choice, whatever the current one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from multikeras import registry
from multikeras.contract import Backend, check_dtype
from multikeras.graph.tensor import Tensor
from multikeras.graph.updates import Update
from multikeras.programs import settings
from multikeras.programs.program import Program
from multikeras.programs.specialise import Argument, specialise


@dataclass(frozen=True)
class Observed:
    """What came out of a run.

    Attributes:
        value: As a NumPy array of the caller's own.
        dtype: Name of the type that the backend's array really had.
        shape: Its real shape.
        shares: Whether it lies in the memory of an array that was fed.
    """

    value: np.ndarray
    dtype: str
    shape: tuple[int, ...]
    shares: bool


def backend_of(backend: Backend | str | None) -> Backend:
    """A backend from its name, from itself, or the current one from None."""
    if backend is None:
        return registry.current()
    return registry.load(backend) if isinstance(backend, str) else backend


def program(
    outputs: Sequence[Tensor],
    feeds: Mapping[Tensor, Any] | None = None,
    *,
    backend: Backend | str | None = None,
    updates: Sequence[Update] = (),
    phase: int = 0,
    compiled: bool = False,
) -> tuple[Program, list[Any]]:
    """The program that `run` runs, and the arrays that it takes.

    Args:
        outputs: What is computed.
        feeds: Values by tensor, where the graph is cut.
        backend: A backend, its name, or None for the current one.
        updates: What is stored beside the updates that the outputs reach.
        phase: The learning phase.
        compiled: Whether the backend compiles it; else it is interpreted, kernel by kernel.
    """
    target = backend_of(backend)
    arrays: list[Any] = []
    arguments: dict[tuple[int, str], Argument] = {}
    fed = {}
    with target.scope():
        for tensor, value in (feeds or {}).items():
            # What is fed twice is one argument: tensors that are alike in all but their static shapes are merged.
            key = id(value), tensor.dtype
            if key not in arguments:
                arrays.append(target.feed(np.asarray(value), tensor.dtype))
                arguments[key] = Argument(tensor, tuple(np.shape(value)), tensor.dtype)
            fed[tensor] = arguments[key]
    made = specialise(outputs, updates, fed, settings.values(phase), target)
    return Program(made, target, list(arguments.values()), compiled=compiled), arrays


def observe(
    outputs: Sequence[Tensor],
    feeds: Mapping[Tensor, Any] | None = None,
    *,
    backend: Backend | str | None = None,
    updates: Sequence[Update] = (),
    phase: int = 0,
    compiled: bool = False,
) -> list[Observed]:
    """As `run`, with the shapes and types that the backend's arrays had."""
    target = backend_of(backend)
    made, arrays = program(outputs, feeds, backend=target, updates=updates, phase=phase, compiled=compiled)
    with target.scope():
        fed = [target.to_numpy(array) for array in arrays]
        found = []
        for array in made.run(arrays):
            value = target.to_numpy(array)
            shares = any(np.shares_memory(value, other) for other in fed)
            found.append(Observed(np.array(value), check_dtype(array.dtype), tuple(array.shape), shares))
        return found


@overload
def run(
    outputs: Tensor,
    feeds: Mapping[Tensor, Any] | None = ...,
    *,
    backend: Backend | str | None = ...,
    updates: Sequence[Update] = ...,
    phase: int = ...,
    compiled: bool = ...,
) -> np.ndarray: ...
@overload
def run(
    outputs: Sequence[Tensor],
    feeds: Mapping[Tensor, Any] | None = ...,
    *,
    backend: Backend | str | None = ...,
    updates: Sequence[Update] = ...,
    phase: int = ...,
    compiled: bool = ...,
) -> list[np.ndarray]: ...
def run(
    outputs: Tensor | Sequence[Tensor],
    feeds: Mapping[Tensor, Any] | None = None,
    *,
    backend: Backend | str | None = None,
    updates: Sequence[Update] = (),
    phase: int = 0,
    compiled: bool = False,
) -> np.ndarray | list[np.ndarray]:
    """Values of tensors on any backend, by default without compiling anything.

    The run is a real one: it stores updates and draws random numbers.

    Args:
        outputs: A tensor, or several.
        feeds: Values by tensor: of placeholders, or of any tensor, where the graph is cut.
        backend: A backend, its name, or None for the current one.
        updates: What is stored beside the updates that the outputs reach.
        phase: The learning phase.
        compiled: Whether the backend compiles the program.

    Returns:
        A NumPy array, or a list of them where a list was given.
    """
    several = not isinstance(outputs, Tensor)
    wanted: Sequence[Tensor] = outputs if not isinstance(outputs, Tensor) else [outputs]
    found = observe(wanted, feeds, backend=backend, updates=updates, phase=phase, compiled=compiled)
    return [each.value for each in found] if several else found[0].value
