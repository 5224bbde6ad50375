"""Seconds and memory of importing multikeras, over importing the library alone (`python -m benchmarks.import_time`).

Three moments are taken in each fresh process: after the import; after the first use, which is when the chosen
backend's library loads; and after importing layers, models and whatever else trains one. The reference imports the
library and makes one array of it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import harness, report
from benchmarks.harness import Contestant

BACKENDS = ("numpy", "jax", "torch")
# Packages that an import of multikeras should leave alone, unless they are the chosen backend's own.
HEAVY = ("jax", "torch", "cupy", "scipy", "sklearn", "h5py", "PIL", "matplotlib", "pandas", "rich", "typer", "yaml")
# What a program that trains a model imports of a Keras package.
TRAINING = ("layers", "models", "optimizers", "losses", "metrics", "callbacks")

COLUMNS = (
    report.Column("import_s", "import s", 3),
    report.Column("ready_s", "first use done s", 3, difference=True),
    report.Column("all_s", "layers, models too s", 3, difference=True),
    report.Column("all_cpu_s", "CPU s", 3, difference=True),
    report.Column("all_mb", "RSS MB", 0, difference=True),
    report.Column("modules", "modules", 0),
)


def resident_mb() -> float:
    """Memory that this process holds now."""
    if sys.platform.startswith("linux"):
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
    import resource

    # Elsewhere the peak stands in for it: imports rarely give memory back.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _library(name: str) -> tuple[float, object]:
    """Imports a library and makes an array of it; returns when the import was done, and the value."""
    value: object
    if name == "numpy":
        import numpy

        imported = time.perf_counter()
        value = numpy.asarray(numpy.array(1.0, numpy.float32))
    elif name == "jax":
        import jax
        import numpy

        imported = time.perf_counter()
        value = numpy.asarray(jax.numpy.asarray(numpy.float32(1.0)))
    else:
        import torch

        imported = time.perf_counter()
        value = torch.tensor(1.0).numpy()
    return imported, value


def _package(name: str) -> tuple[float, object]:
    """Imports multikeras (or Keras 3) and evaluates a variable."""
    value: object
    if name.startswith("multikeras"):
        import multikeras  # noqa: F401 - the whole package is what is measured
        from multikeras import backend as K

        imported = time.perf_counter()
        value = K.eval(K.variable(1.0))
    else:
        keras = importlib.import_module("keras")
        imported = time.perf_counter()
        value = keras.ops.convert_to_numpy(keras.Variable(1.0))
    return imported, value


def work(request: Mapping[str, Any]) -> dict[str, Any]:
    """Imports in this process and returns the figures."""
    name = request["name"]
    before = set(sys.modules)
    begin, cpu_begin = time.perf_counter(), time.process_time()
    imported, value = _library(name.removeprefix("only_")) if name.startswith("only_") else _package(name)
    ready = time.perf_counter()
    if not name.startswith("only_"):
        for part in TRAINING:
            importlib.import_module(f"{name.split('_')[0].removesuffix('3')}.{part}")
    everything, everything_cpu = time.perf_counter(), time.process_time()
    if float(value) != 1.0:  # type: ignore[arg-type]
        raise RuntimeError(f"{name} evaluated 1.0 to {value}.")
    return {
        "import_s": imported - begin,
        "ready_s": ready - begin,
        "all_s": everything - begin,
        "all_cpu_s": everything_cpu - cpu_begin,
        "all_mb": resident_mb(),
        "modules": len(set(sys.modules) - before),
        "heavy": [package for package in HEAVY if package in sys.modules],
    }


def contestants(peers: bool) -> list[Contestant]:
    """For each backend its library alone, multikeras and, if asked for, Keras 3."""
    result = []
    for backend in BACKENDS:
        environment = {"KERAS_BACKEND": backend}
        result.append(Contestant(f"only_{backend}", backend))
        result.append(Contestant(f"multikeras_{backend}", backend, f"only_{backend}", environment))
        if peers:
            result.append(Contestant(f"keras3_{backend}", "keras", f"only_{backend}", environment))
    return result


def heavy_notes(outcomes: Mapping[str, harness.Outcome]) -> list[str]:
    """Which heavy packages each contestant pulled in beyond the library that it was to use."""
    notes = []
    for name, outcome in outcomes.items():
        loaded = [figures["heavy"] for figures in outcome.rounds if figures]
        extra = [package for package in (loaded[0] if loaded else []) if package != name.split("_")[-1]]
        if extra:
            notes.append(f"{name} also imports {', '.join(extra)}")
    return notes


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.import_time", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (7)")
    parser.add_argument("--peers", action="store_true", help="Keras 3 too")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these contestants")
    parser.add_argument("--core", type=int, help="core to pin to (the last one)")
    parser.add_argument("--json", metavar="FILE", help="write the figures of every round to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker is not None:
        print(json.dumps(work(json.loads(options.worker))))
        return 0
    everyone = [each for each in contestants(options.peers) if not options.only or each.name in options.only]
    able, notes = harness.installed(everyone)
    around = harness.surroundings(harness.pin(options.core))
    # A round that does not count: the first import of each after a change writes its bytecode.
    harness.measure("benchmarks.import_time", able, {}, 1)
    outcomes = harness.measure("benchmarks.import_time", able, {}, options.rounds)
    return report.publish(
        f"import_time: import and first use, {options.rounds} rounds",
        outcomes,
        COLUMNS,
        surroundings=around,
        notes=[*notes, *heavy_notes(outcomes)],
        json_path=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
