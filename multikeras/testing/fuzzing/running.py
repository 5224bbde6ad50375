"""Runs scripts on backends, and says how far what comes out may differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import registry
from multikeras.contract import Backend, check_dtype, is_float
from multikeras.graph.tensor import Tensor
from multikeras.programs import Function, storage
from multikeras.testing.case import held_by
from multikeras.testing.fuzzing.script import Script, quiet
from multikeras.testing.running import program

#: How often a script is run, with the variables that the run before stored.
RUNS = 2

#: Relative size of the noise that shows how exactly a result is determined: several times what a
#: library's rounding is in a function that is not the simplest.
_NOISE = {"float64": 2e-12, "float32": 2e-6, "float16": 4e-3, "bfloat16": 3e-2}
#: Relative difference that is always allowed, by type of the result.
_ROUNDING = {"float64": 1e-12, "float32": 3e-6, "float16": 4e-3, "bfloat16": 3e-2}
#: A result whose noise is larger than this share of it is not compared.
_LOOSE = {"float64": 1e-3, "float32": 0.05, "float16": 0.2, "bfloat16": 0.5}


@dataclass(frozen=True)
class Found:
    """One result of one run.

    Attributes:
        what: Its name and the run.
        value: As NumPy has it, 16-bit floats as float64.
        dtype: Name of the type that the backend's array had.
        declared: Shape and type as the graph says.
    """

    what: str
    value: np.ndarray
    dtype: str
    declared: tuple[tuple[int | None, ...], str]


class Crash(Exception):
    """What a backend or the framework raised while a script was built or run."""


def results(
    script: Script,
    backend: Backend,
    compiled: bool,
    noise: int | None = None,
    runs: int = RUNS,
) -> list[Found]:
    """Outputs of several runs, then the variables.

    Args:
        script: What to run.
        backend: Where.
        compiled: Whether as a compiled `K.function`; else kernel by kernel.
        noise: Seed of the noise that is put on leaves and on every value made of them; None for none.
        runs: How often.

    Raises:
        Crash: If something was raised.
    """
    try:
        with quiet():
            return _results(script, backend, compiled, noise, runs)
    except Exception as error:
        # Whatever it is, it is what fuzzing looks for.
        raise Crash(f"{type(error).__name__}: {error}") from error


def _results(script: Script, backend: Backend, compiled: bool, noise: int | None, runs: int) -> list[Found]:
    leaves = {leaf.name: leaf.array for leaf in script.leaves}
    seen: Callable[[str, Tensor], Tensor] | None = None
    if noise is not None:
        generator = np.random.default_rng(noise)
        for leaf in script.leaves:
            leaves[leaf.name] = _moved(leaf.array, leaf.dtype, generator)
        seen = _Noise(script.floatx, generator)
    made = script.build(leaves, seen)
    fed = [leaf for leaf in script.leaves if leaf.name[0] == "x"]
    inputs = [made[leaf.name] for leaf in fed]
    values = [leaves[leaf.name] for leaf in fed]
    outputs = [made[name] for name in script.outputs]
    updates = [made[name] for name in script.updates]
    found = []
    kept = []
    before = [np.array(value) for value in values]
    with backend.scope():
        run = _runner(inputs, values, outputs, updates, backend, compiled, script.phase)
        for number in range(runs):
            for name, tensor, array in zip(script.outputs, outputs, run(), strict=True):
                value = np.array(backend.to_numpy(array))
                declared = (tensor.shape, tensor.dtype)
                found.append(Found(f"{name}, run {number + 1}", value, check_dtype(array.dtype), declared))
                kept.append(array)
        # What was given away stays as it was, whatever was computed and stored since.
        for each, array in zip(found, kept, strict=True):
            if not np.array_equal(backend.to_numpy(array), each.value, equal_nan=each.value.dtype.kind == "f"):
                raise RuntimeError(f"{each.what} was written by something later")
    for leaf, value, copy in zip(fed, values, before, strict=True):
        if not np.array_equal(value, copy, equal_nan=copy.dtype.kind == "f"):
            raise RuntimeError(f"what was fed as {leaf.name} was written")
    for name in script.variables:
        variable = made[name]
        value = np.array(storage.read(variable))
        declared = (variable.shape, variable.dtype)
        found.append(Found(f"{name}, stored", value, variable.dtype, declared))
    return found


def _runner(
    inputs: Sequence[Tensor],
    values: Sequence[np.ndarray],
    outputs: Sequence[Tensor],
    updates: Sequence[Any],
    backend: Backend,
    compiled: bool,
    phase: int,
) -> Callable[[], Sequence[Any]]:
    if compiled:
        function = Function(inputs, outputs, updates, phase=phase)
        return lambda: function.run(list(values), backend)
    feeds = dict(zip(inputs, values, strict=True))
    made, arrays = program(outputs, feeds, backend=backend, updates=updates, phase=phase)
    return lambda: made.run(arrays)


def _moved(array: np.ndarray, dtype: str, generator: np.random.Generator) -> np.ndarray:
    if not is_float(dtype):
        return array
    return held_by(array * (1 + _NOISE[dtype] * generator.uniform(-1, 1, size=array.shape)), dtype)


class _Noise:
    """Multiplies values by numbers near 1."""

    def __init__(self, floatx: str, generator: np.random.Generator) -> None:
        self.floatx = floatx
        self.generator = generator

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        factor = self.generator.uniform(-1, 1)
        if not is_float(tensor.dtype):
            return tensor
        # One factor for each place modulo 7, whatever the lengths turn out to be.
        flat = K.reshape(tensor, (-1,))
        places = K.cast(K.cumsum(K.ones_like(flat, dtype="int32")) % 7, tensor.dtype)
        wave = 1 + (places - 3.0) * (factor * _NOISE[tensor.dtype] / 3)
        return K.reshape(flat * wave, K.shape(tensor))


@dataclass(frozen=True)
class Reference:
    """What NumPy makes of a script, and how far it may be missed.

    Attributes:
        found: The results.
        allowed: For each, the largest difference; None where it is not determined well enough.
    """

    found: list[Found]
    allowed: list[float | None]

    @property
    def compared(self) -> int:
        """How many results are compared by value."""
        return sum(each is not None for each in self.allowed)


def reference(script: Script, runs: int = RUNS) -> Reference:
    """Runs a script by NumPy, kernel by kernel, and twice more with noise."""
    host = registry.host()
    found = results(script, host, False, runs=runs)
    try:
        noisy = [results(script, host, False, noise=number, runs=runs) for number in (1, 2)]
    except Crash:
        # Noise can take a matrix out of the domain of a function that raises.
        return Reference(found, [None] * len(found))
    return Reference(found, [_allowed(first, others) for first, *others in zip(found, *noisy, strict=True)])


def _allowed(first: Found, others: Sequence[Found]) -> float | None:
    if not is_float(first.dtype):
        same = all(np.array_equal(first.value, other.value) for other in others)
        return 0.0 if same else None
    value = np.asarray(first.value, "float64")
    spread = 0.0
    for other in others:
        moved = np.asarray(other.value, "float64")
        if not np.array_equal(np.isfinite(value), np.isfinite(moved)):
            return None
        both = np.isfinite(value)
        spread = max(spread, float(np.max(np.abs(value - moved), where=both, initial=0.0)))
    largest = float(np.max(np.abs(value), where=np.isfinite(value), initial=0.0))
    # A small number may be the difference of large ones inside one function, which no noise reaches.
    scale = max(largest, 0.3)
    limit = 10 * spread + _ROUNDING[first.dtype] * scale
    return limit if limit <= _LOOSE[first.dtype] * scale else None


def differences(expected: Reference, found: Sequence[Found]) -> list[str]:
    """Where results are not what they should be, in words."""
    made = []
    for wanted, allowed, other in zip(expected.found, expected.allowed, found, strict=True):
        problem = _problem(wanted, allowed, other)
        if problem:
            made.append(f"{wanted.what}: {problem}")
    return made


def _problem(wanted: Found, allowed: float | None, other: Found) -> str:
    if other.value.shape != wanted.value.shape:
        return f"shape {other.value.shape}, expected {wanted.value.shape}"
    if other.dtype != wanted.dtype:
        return f"type {other.dtype}, expected {wanted.dtype}"
    shape, dtype = other.declared
    lengths = zip(shape, other.value.shape, strict=False)
    if len(shape) != other.value.ndim or any(n is not None and n != length for n, length in lengths):
        return f"shape {other.value.shape}, declared {shape}"
    if other.dtype != dtype:
        return f"type {other.dtype}, declared {dtype}"
    if allowed is None:
        return ""
    a, b = np.asarray(wanted.value, "float64"), np.asarray(other.value, "float64")
    with np.errstate(all="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        distance = np.where(same, 0.0, np.abs(a - b))
    if np.all(distance <= allowed):
        return ""
    place = tuple(int(i) for i in np.unravel_index(int(np.argmax(~(distance <= allowed))), distance.shape))
    return f"{b[place]!r} at {place}, expected {a[place]!r} to {allowed:.1e}"


def check(script: Script, backend: Backend, compiled: bool, expected: Reference | None = None) -> list[str]:
    """Differences of a backend from NumPy's kernels, in words; empty where there are none."""
    if expected is None:
        expected = reference(script)
    try:
        found = results(script, backend, compiled)
    except Crash as crash:
        return [str(crash)]
    return differences(expected, found)
