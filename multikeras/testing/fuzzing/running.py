"""Runs scripts on backends, and says how far what comes out may differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multikeras import registry
from multikeras.contract import Backend, check_dtype, is_float
from multikeras.graph.tensor import Tensor
from multikeras.programs import Function, storage
from multikeras.testing.fuzzing.script import Script, quiet
from multikeras.testing.running import program

#: How often a script is run, with the variables that the run before stored.
RUNS = 2

#: Distance of 1 to the next number of each type.
_STEP = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
#: Largest noise on what a kernel gives, in such steps: what libraries' functions differ by.
_NOISE = 4
#: Difference that is always allowed, in steps of the largest entry.
_ROUNDING = 64
#: A result that noise moves by more than this share of it is not compared.
_LOOSE = {"float64": 1e-3, "float32": 0.05, "float16": 0.3, "bfloat16": 0.5}

#: Kernels that round nothing: they move, compare and choose, draw bits, or run bodies of other kernels.
_EXACT = (
    "identity negative abs sign floor ceil round relu relu_gradient maximum minimum where stop_gradient reshape "
    "transpose broadcast_to concatenate split slice place pad flip gather iota expand_dims squeeze sort argsort "
    "take_along_axis scatter_along_axis reduce_max reduce_min max_pool max_pool_pick random_bits random_uniform "
    "dropout_mask fold_in scan cond while_loop host_call print_value"
)


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
    runs: int = RUNS,
) -> list[Found]:
    """Outputs of several runs, then the variables.

    Args:
        script: What to run.
        backend: Where.
        compiled: Whether as a compiled `K.function`; else kernel by kernel.
        runs: How often.

    Raises:
        Crash: If something was raised.
    """
    try:
        with quiet():
            return _results(script, backend, compiled, runs)
    except Exception as error:
        # Whatever it is, it is what fuzzing looks for.
        raise Crash(f"{type(error).__name__}: {error}") from error


def _results(script: Script, backend: Backend, compiled: bool, runs: int) -> list[Found]:
    made = script.build()
    fed = [leaf for leaf in script.leaves if leaf.name[0] == "x"]
    inputs = [made[leaf.name] for leaf in fed]
    values = [leaf.array for leaf in fed]
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


def noisy(seed: int) -> Backend:
    """NumPy's kernels, with a little noise on every number that is rounded.

    It is what shows how exactly a result is determined: the rounding of another library is such a noise.
    """
    made = type(registry.host())()
    generator = np.random.default_rng(seed)

    def moved(value: Any, of: str) -> Any:
        if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind != "f":
            return value
        factor = 1 + _NOISE * _STEP[of] * generator.uniform(-1, 1, size=value.shape)
        return (np.asarray(value) * factor).astype(value.dtype)

    def with_noise(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def run(*inputs: Any, **attributes: Any) -> Any:
            result = kernel(*inputs, **attributes)
            if isinstance(result, tuple):
                return tuple(moved(each, each.dtype.name) if isinstance(each, np.ndarray) else each for each in result)
            if name == "cast" and (inputs[0].dtype.kind != "f" or inputs[0].dtype.itemsize <= result.dtype.itemsize):
                return result
            return moved(result, result.dtype.name)

        return run

    exact = frozenset(_EXACT.split())
    made.kernels = {name: k if name in exact else with_noise(name, k) for name, k in made.kernels.items()}
    return made


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
    """Runs a script by NumPy, kernel by kernel, and three times more with noise."""
    host = registry.host()
    found = results(script, host, False, runs=runs)
    try:
        others = [results(script, noisy(number), False, runs=runs) for number in (1, 2, 3)]
    except Crash:
        # Noise can take a matrix out of the domain of a function that raises.
        return Reference(found, [None] * len(found))
    return Reference(found, [_allowed(first, rest) for first, *rest in zip(found, *others, strict=True)])


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
        spread = max(spread, float(np.max(np.abs(value[both] - moved[both]), initial=0.0)))
    scale = float(np.max(np.abs(value), where=np.isfinite(value), initial=0.0))
    limit = 10 * spread + _ROUNDING * _STEP[first.dtype] * scale
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
