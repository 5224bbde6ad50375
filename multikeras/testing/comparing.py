"""One graph on several backends, side by side, on copies of the variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from multikeras import registry
from multikeras.contract import Backend, DeviceError
from multikeras.graph.ops.random import key_words
from multikeras.graph.tensor import RandomKey, Setting, Tensor, ValueTensor, Variable
from multikeras.graph.updates import Update
from multikeras.programs import Function, settings, storage
from multikeras.programs.program import Program
from multikeras.programs.specialise import Argument, Specialised, specialise


@dataclass(frozen=True)
class Difference:
    """How far one result of one backend is from that of the first.

    Attributes:
        what: The output's name, or `'name, stored'` of a variable's new value.
        backend: The backend.
        absolute: Largest absolute difference between two entries; NaN where a NaN meets a number.
        relative: Largest difference relative to the first backend's entry.
    """

    what: str
    backend: str
    absolute: float
    relative: float


@dataclass(frozen=True)
class Comparison:
    """Results of one graph on several backends.

    Attributes:
        backends: Their names; differences are from the first.
        values: Outputs as NumPy arrays, by backend.
        stored: What would have been stored, by backend and variable.
        differences: One entry for each result and each backend but the first.
    """

    backends: list[str]
    values: dict[str, list[np.ndarray]]
    stored: dict[str, dict[Variable, np.ndarray]]
    differences: list[Difference] = field(default_factory=list)

    @property
    def largest(self) -> float:
        """The largest absolute difference; 0 where all are equal, NaN where one is."""
        return float(np.max([each.absolute for each in self.differences], initial=0.0))

    @property
    def largest_relative(self) -> float:
        """The largest relative difference."""
        return float(np.max([each.relative for each in self.differences], initial=0.0))

    def __str__(self) -> str:
        lines = [f"difference from {self.backends[0]}"]
        lines += [
            f"  {each.what:<30} {each.backend:<10} {each.absolute:.2e} (relative {each.relative:.2e})"
            for each in self.differences
        ]
        return "\n".join(lines)


def compare(
    what: Function | Tensor | Sequence[Tensor],
    backends: Sequence[str] | None = None,
    inputs: Any = (),
    *,
    phase: int | None = None,
    compiled: bool = True,
) -> Comparison:
    """Runs one graph on several backends and reports the largest differences.

    It runs on copies: no variable changes or moves to another backend, and no random node counts a
    run. The random numbers are those of the next run, on every backend the same.

    Args:
        what: A `K.function`, a tensor, or several.
        backends: Names of backends, the first of which is compared with; by default NumPy and all
            others that are installed and find their device.
        inputs: Values for the inputs of a function.
        phase: The learning phase; by default the function's own, or that of the process.
        compiled: Whether the backends compile; else they run kernel by kernel.

    Raises:
        ValueError: If the number of values is not that of the inputs, or one backend is given.
    """
    names = _names(backends)
    function = what if isinstance(what, Function) else Function([], [what] if isinstance(what, Tensor) else list(what))
    feeds, phase = _inputs(function, inputs, phase)
    state = _state([*function.outputs, *function.updates], feeds)
    values: dict[str, list[np.ndarray]] = {}
    stored: dict[str, dict[Variable, np.ndarray]] = {}
    for name in names:
        values[name], stored[name] = _run(function, {**feeds, **state}, registry.load(name), phase, compiled)
    first = names[0]
    differences = []
    for name in names[1:]:
        pairs = [(t.name, a, b) for t, a, b in zip(function.outputs, values[first], values[name], strict=True)]
        pairs += [(f"{v.name}, stored", a, stored[name][v]) for v, a in stored[first].items()]
        differences += [_difference(what, name, a, b) for what, a, b in pairs]
    return Comparison(names, values, stored, differences)


def _names(backends: Sequence[str] | None) -> list[str]:
    if backends is None:
        return [registry.HOST, *[name for name in registry.installed() if name != registry.HOST and _can_run(name)]]
    if isinstance(backends, str) or len(backends) < 2:
        raise ValueError(f"compare needs two backends or more, received {backends!r}. Example: ['numpy', 'jax'].")
    return list(backends)


def _can_run(name: str) -> bool:
    """Whether a backend is installed and finds the device that it needs."""
    if not registry.installed()[name].installed:
        return False
    try:
        registry.load(name)
    except DeviceError:
        return False
    return True


def _inputs(function: Function, inputs: Any, phase: int | None) -> tuple[dict[Tensor, np.ndarray], int]:
    given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if len(given) != len(function.inputs):
        raise ValueError(f"{function.name} takes {len(function.inputs)} inputs, received {len(given)}.")
    if phase is None:
        phase = settings.default_phase()
    feeds = {}
    for tensor, value in zip(function.inputs, given, strict=True):
        if isinstance(tensor, Setting):
            phase = int(np.asarray(value))
        else:
            feeds[tensor] = np.asarray(value)
    return feeds, phase


def _state(roots: Sequence[Tensor], feeds: Mapping[Tensor, Any]) -> dict[Tensor, np.ndarray]:
    """Copies of what the graph reads beside its inputs: variables, values, keys of the next run."""
    found: dict[Tensor, np.ndarray] = {}
    seen, stack = set(feeds), [t for t in roots if t not in feeds]
    while stack:
        tensor = stack.pop()
        if tensor in seen:
            continue
        seen.add(tensor)
        if isinstance(tensor, Variable):
            found[tensor] = storage.read(tensor)
        elif isinstance(tensor, ValueTensor):
            found[tensor] = np.array(tensor.to_host(tensor.array))
        elif isinstance(tensor, RandomKey):
            found[tensor] = np.array(key_words(tensor.seed, tensor.runs), "uint32")
        if isinstance(tensor, Update):
            found.setdefault(tensor.variable, storage.read(tensor.variable))
        stack.extend(tensor.inputs)
    return found


def _run(
    function: Function, fed: Mapping[Tensor, np.ndarray], backend: Backend, phase: int, compiled: bool
) -> tuple[list[np.ndarray], dict[Variable, np.ndarray]]:
    """Outputs and new values of variables, none of which is stored."""
    arguments = {tensor: Argument(tensor, value.shape, tensor.dtype) for tensor, value in fed.items()}
    made = specialise(function.outputs, function.updates, arguments, settings.values(phase), backend)
    results = [*made.outputs, *made.stores.values()]
    program = Program(Specialised(results, {}), backend, list(arguments.values()), compiled=compiled)
    with backend.scope():
        arrays = [backend.feed(value, tensor.dtype) for tensor, value in fed.items()]
        found = [np.array(backend.to_numpy(array)) for array in program.run(arrays)]
    count = len(made.outputs)
    return found[:count], dict(zip(made.stores, found[count:], strict=True))


def _difference(what: str, backend: str, first: np.ndarray, other: np.ndarray) -> Difference:
    a, b = np.asarray(first, "float64"), np.asarray(other, "float64")
    with np.errstate(all="ignore"):
        # Equal infinities and NaN beside NaN are no difference.
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        absolute = np.where(same, 0.0, np.abs(a - b))
        relative = np.where(same, 0.0, absolute / np.maximum(np.abs(a), np.finfo("float32").tiny))
    return Difference(what, backend, float(np.max(absolute, initial=0.0)), float(np.max(relative, initial=0.0)))
