"""Fuzzing over many seeds, with a budget."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from multikeras.contract import SIZES, Backend
from multikeras.testing.fuzzing import operations, operations_large
from multikeras.testing.fuzzing.growing import Fault, Grower, Options, options_of
from multikeras.testing.fuzzing.running import Crash, Reference, check, reference
from multikeras.testing.fuzzing.script import Script
from multikeras.testing.fuzzing.shrinking import shrink

OPERATIONS = [*operations.OPERATIONS, *operations_large.OPERATIONS]


@dataclass(frozen=True)
class Failure:
    """A script on which a backend differs.

    Attributes:
        seed: What it was grown from.
        backend: Name of the backend.
        compiled: Whether the program was compiled.
        problems: What differs, in words.
        script: The script, made small.
    """

    seed: int
    backend: str
    compiled: bool
    problems: list[str]
    script: Script

    def __str__(self) -> str:
        way = "compiled" if self.compiled else "interpreted"
        listed = "\n".join(f"#   {line}" for problem in self.problems for line in problem.splitlines()[:4])
        return f"# seed {self.seed} on {self.backend}, {way}:\n{listed}\n\n{self.script}"


@dataclass
class Campaign:
    """Many scripts on some backends.

    Attributes:
        backends: Which ones; NumPy's kernels, one after the other, say what is right.
        options: The largest kind of script.
        shrinking: Seconds for making a failing script small.
        graphs: How many scripts were grown.
        runs: How often one was compared, by backend and way.
        compared: How many results were compared by value, and how many are not determined well enough for that.
        used: How often each operation was added.
        refused: What was raised by operations that did not fit.
        failures: What was found.
    """

    backends: Sequence[Backend]
    options: Options = field(default_factory=Options)
    shrinking: float = 30.0
    graphs: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    used: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def run(self, first: int = 0, seconds: float = 10.0, most: int | None = None) -> Iterator[Failure]:
        """Grows and compares scripts, seed after seed, and gives what fails.

        Args:
            first: The first seed.
            seconds: When to stop.
            most: Most scripts.
        """
        end = time.monotonic() + seconds
        seed = first
        while time.monotonic() < end and (most is None or seed < first + most):
            yield from self.one(seed)
            seed += 1

    def one(self, seed: int) -> Iterator[Failure]:
        """Grows and compares the script of one seed."""
        self.graphs += 1
        grower = grower_of(seed, self.options)
        try:
            script = grower.grow()
        except Fault as fault:
            yield self._failed(Failure(seed, "numpy", False, [str(fault)], fault.script))
            return
        finally:
            self.used += grower.used
            self.refused += grower.refused
        try:
            expected = reference(script)
        except Crash as crash:
            yield self._failed(Failure(seed, "numpy", False, [str(crash)], self._smaller(script, None, False)))
            return
        self.compared["compared"] += expected.compared
        self.compared["not determined"] += len(expected.found) - expected.compared
        named = _types_in(script)
        for backend in self.backends:
            if not named <= backend.dtypes:
                self.runs[f"{backend.name}, left out for a type that it lacks"] += 1
                continue
            # Kernel by kernel, NumPy would be compared with itself.
            compiled = seed % 2 == 0 or backend.name == "numpy"
            self.runs[f"{backend.name}, {'compiled' if compiled else 'interpreted'}"] += 1
            problems = check(script, backend, compiled, expected)
            if problems:
                small = self._smaller(script, backend, compiled)
                yield self._failed(Failure(seed, backend.name, compiled, problems, small))

    def _failed(self, failure: Failure) -> Failure:
        self.failures.append(failure)
        return failure

    def _smaller(self, script: Script, backend: Backend | None, compiled: bool) -> Script:
        kind = _kind(_problems(script, backend, compiled))
        return shrink(script, lambda other: _kind(_problems(other, backend, compiled)) == kind, self.shrinking)


def _types_in(script: Script) -> set[str]:
    """The data types that a script names."""
    text = str(script)
    return {script.floatx, *(name for name in SIZES if f"'{name}'" in text or f'"{name}"' in text)}


def grower_of(seed: int, options: Options | None = None) -> Grower:
    """The grower of a seed."""
    return Grower(seed, options_of(seed, options), OPERATIONS)


def grown(seed: int, options: Options | None = None) -> Script:
    """The script of a seed.

    Raises:
        Fault: If something was raised that is no answer to wrong arguments.
    """
    return grower_of(seed, options).grow()


def _problems(script: Script, backend: Backend | None, compiled: bool) -> list[str]:
    try:
        expected: Reference = reference(script)
    except Crash as crash:
        return [f"numpy: {crash}"]
    return check(script, backend, compiled, expected) if backend is not None else []


def _kind(problems: list[str]) -> str:
    """Which fault it seems to be: numbers, or what was raised."""
    if not problems:
        return ""
    first = problems[0]
    for word in (": shape ", ": type "):
        if word in first:
            return word
    return "value" if ", expected " in first else first.split(":")[0]
