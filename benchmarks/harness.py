"""Runs contestants as fresh processes in interleaved rounds, each pinned to one core with one thread.

A figure is the median over rounds with its smallest and largest value; a ratio is the median of the ratios within
each round, so that a slow spell of a shared machine touches both sides alike.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "",
}
LIBRARIES = ("numpy", "jax", "torch", "keras", "multikeras")


@dataclass(frozen=True)
class Contestant:
    """One implementation of a workload.

    Attributes:
        name: What the table calls it.
        requires: Package that has to be installed; without it the contestant is left out, with a note.
        reference: Name of the contestant that its ratio is taken over, or None.
        environment: Environment variables of its process beside the common ones.
    """

    name: str
    requires: str
    reference: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """What a contestant did, round by round; a failed round has the end of its error output instead of figures."""

    contestant: Contestant
    rounds: list[dict[str, Any] | None] = field(default_factory=list)
    error: str = ""

    def figures(self, key: str) -> list[float | None]:
        """One figure a round, None for a failed one."""
        return [None if figures is None else figures.get(key) for figures in self.rounds]


def installed(contestants: Sequence[Contestant]) -> tuple[list[Contestant], list[str]]:
    """Splits contestants into those that can run and notes about those that cannot."""
    present, notes = [], []
    for contestant in contestants:
        if importlib.util.find_spec(contestant.requires) is None:
            notes.append(f"{contestant.name} left out: {contestant.requires} is not installed")
        else:
            present.append(contestant)
    return present, notes


def pin(core: int | None) -> str:
    """Pins this process, and those that it starts, to one core; returns a sentence about it."""
    if not hasattr(os, "sched_setaffinity"):
        return f"not pinned to a core: {platform.system()} has no such call"
    chosen = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {chosen})
    return f"pinned to core {chosen}"


def run_once(module: str, contestant: Contestant, settings: Mapping[str, Any], home: str) -> dict[str, Any]:
    """Runs one contestant in a fresh process and returns what its last line of output says, read as JSON.

    Args:
        module: Module whose main function, called with `--worker`, measures one contestant.
        contestant: Which one.
        settings: Settings of the workload, handed over as JSON.
        home: Directory for KERAS_HOME, so that nobody's keras.json counts.

    Raises:
        RuntimeError: If the process fails; the message ends with its error output.
    """
    environment = {**os.environ, **ONE_THREAD, "KERAS_HOME": home, **contestant.environment}
    # Bytecode is kept, as it is in an installed package, but outside the source tree.
    environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "multikeras-bytecode")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    request = json.dumps({"name": contestant.name, **settings})
    command = [sys.executable, "-m", module, "--worker", request]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        end = "\n".join(result.stderr.strip().splitlines()[-12:])
        raise RuntimeError(f"{contestant.name} ended with status {result.returncode}:\n{end}")
    figures: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    return figures


def measure(
    module: str, contestants: Sequence[Contestant], settings: Mapping[str, Any], rounds: int
) -> dict[str, Outcome]:
    """Runs every contestant once a round, in turn, and collects their figures by name.

    A contestant that fails is reported with its error and is not tried again.
    """
    outcomes = {contestant.name: Outcome(contestant) for contestant in contestants}
    with tempfile.TemporaryDirectory(prefix="multikeras-benchmark-") as home:
        for number in range(rounds):
            for name, outcome in outcomes.items():
                if outcome.error:
                    outcome.rounds.append(None)
                    continue
                print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                try:
                    outcome.rounds.append(run_once(module, outcome.contestant, settings, home))
                except RuntimeError as error:
                    outcome.error = str(error)
                    outcome.rounds.append(None)
    return outcomes


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def blas_core_type() -> str:
    """Which of its kernels NumPy's BLAS picked; it changes the step time by half, so every comparison records it."""
    named = os.environ.get("OPENBLAS_CORETYPE")
    if named:
        return f"{named} (OPENBLAS_CORETYPE)"
    if importlib.util.find_spec("threadpoolctl") is None:
        return "unknown (threadpoolctl is not installed)"
    code = "import numpy, threadpoolctl; print([b.get('architecture') for b in threadpoolctl.threadpool_info()])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout.strip().strip("[]'") + " (picked by itself)"


def surroundings(pinned: str) -> dict[str, Any]:
    """What a reader needs to judge the figures: machine, versions, threads, load."""
    versions = {}
    for library in LIBRARIES:
        if importlib.util.find_spec(library) is not None:
            try:
                versions[library] = metadata.version(library)
            except metadata.PackageNotFoundError:
                versions[library] = "from the source tree"
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return {
        "processor": processor(),
        "blas_core_type": blas_core_type(),
        "threads": 1,
        "pinned": pinned,
        "python": platform.python_version(),
        "versions": versions,
        "load_average": [round(value, 2) for value in load],
    }
