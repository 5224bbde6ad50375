"""What `mlp_fit` and `cnn_fit` share: contestants, the worker that trains one of them, and the command line."""

from __future__ import annotations

import argparse
import cProfile
import importlib
import json
import pstats
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import harness, report
from benchmarks.harness import Contestant
from benchmarks.references import common
from benchmarks.references.common import Run

COLUMNS = (
    report.Column("step_ms", "step ms", 3, ratio=True),
    report.Column("step_cpu_ms", "CPU ms", 3, ratio=True),
    report.Column("start_s", "start s", 3),
    report.Column("total_s", "total s", 2, ratio=True),
    report.Column("peak_mb", "peak MB", 0),
    report.Column("loss", "last loss", 4),
)


@dataclass(frozen=True)
class Workload:
    """A training run that every contestant does alike.

    Attributes:
        module: Module name of the benchmark, which its worker processes run again.
        title: First line of the report.
        flat: Whether pictures are vectors.
        kernel_shapes: Shapes of the references' kernels.
        references: Contestant name to the reference's module.
        build: Makes a compiled model from a Keras package (multikeras, or Keras 3).
        samples: Samples an epoch, by default.
        epochs: Epochs, by default; the first is not timed.
        options: Contestant name to further arguments of its `Trainer`.
    """

    module: str
    title: str
    flat: bool
    kernel_shapes: Sequence[Sequence[int]]
    references: Mapping[str, str]
    build: Callable[[Any], Any]
    samples: int
    epochs: int
    batch_size: int = 128
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def contestants(workload: Workload, peers: bool) -> list[Contestant]:
    """References, multikeras on each backend and, if asked for, Keras 3."""
    result = [Contestant(name, "numpy" if "numpy" in name else name.split("_")[1]) for name in workload.references]
    for backend in ("numpy", "jax", "torch"):
        environment = {"KERAS_BACKEND": backend}
        result.append(Contestant(f"multikeras_{backend}", backend, f"raw_{backend}", environment))
        if peers and backend != "numpy":
            result.append(Contestant(f"keras3_{backend}", "keras", f"raw_{backend}", environment))
    return [
        Contestant(each.name, each.requires, "raw_torch") if each.name == "raw_torch_masks" else each for each in result
    ]


def _fit_keras(workload: Workload, package: str, x: Any, y: Any, epochs: int, started: float) -> Run:
    """Trains by the public Keras API and times each epoch by a callback."""
    keras = importlib.import_module(package)
    # One seed gives one loss curve on every backend of multikeras, which the column of losses shows.
    importlib.import_module(f"{package}.utils").set_random_seed(1)
    model = workload.build(keras)
    run = Run(build_s=time.perf_counter() - started)

    class Clock(keras.callbacks.Callback):  # type: ignore[name-defined]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.begin, self.cpu_begin = time.perf_counter(), time.process_time()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            run.epoch_s.append(time.perf_counter() - self.begin)
            run.epoch_cpu_s.append(time.process_time() - self.cpu_begin)

    history = model.fit(x, y, batch_size=workload.batch_size, epochs=epochs, verbose=0, callbacks=[Clock()])
    run.loss = history.history["loss"]
    return run


def _fit_reference(workload: Workload, name: str, x: Any, y: Any, epochs: int, started: float) -> Run:
    weights = common.initial_weights(workload.kernel_shapes)
    reference = importlib.import_module(workload.references[name])
    trainer = reference.Trainer(weights, **workload.options.get(name, {}))
    return common.train(trainer, x, y, epochs=epochs, batch_size=workload.batch_size, started=started)


def work(workload: Workload, request: Mapping[str, Any]) -> dict[str, Any]:
    """Trains one contestant in this process and returns its figures."""
    samples, epochs, name = request["samples"], request["epochs"], request["name"]
    x, y = common.mnist_shaped(samples, workload.flat)
    # Imports are no part of the figures (`import_time` has them): the library's own and the framework's come first.
    if name in workload.references:
        importlib.import_module(workload.references[name])
        started = time.perf_counter()
        run = _fit_reference(workload, name, x, y, epochs, started)
    else:
        package = "multikeras" if name.startswith("multikeras") else "keras"
        importlib.import_module(name.rpartition("_")[2])
        for part in ("backend", "callbacks", "layers", "models", "optimizers", "utils"):
            importlib.import_module(f"{package}.{part}")
        started = time.perf_counter()
        run = _fit_keras(workload, package, x, y, epochs, started)
    total = time.perf_counter() - started
    steps = -(-samples // workload.batch_size)
    typical = statistics.median(run.epoch_s[1:])
    return {
        "step_ms": typical / steps * 1e3,
        # On a busy machine processor time says more: it leaves out waiting for the core.
        "step_cpu_ms": statistics.median(run.epoch_cpu_s[1:]) / steps * 1e3,
        # Building the model, and what the first epoch takes longer than a later one: tracing, compiling, first touches.
        "start_s": run.build_s + run.epoch_s[0] - typical,
        "total_s": total,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        "loss": run.loss[-1],
        "epoch_s": run.epoch_s,
        "losses": run.loss,
    }


def profile(workload: Workload, request: Mapping[str, Any]) -> None:
    """Trains one contestant twice, the second time under cProfile, and prints where that time goes."""
    work(workload, request)
    profiler = cProfile.Profile()
    figures = profiler.runcall(work, workload, request)
    steps = -(-request["samples"] // workload.batch_size) * request["epochs"]
    statistic = pstats.Stats(profiler)
    calls = statistic.total_calls  # type: ignore[attr-defined]
    print(f"{request['name']}: {figures['step_ms']:.3f} ms a step under the profiler, {calls / steps:.0f} calls a step")
    statistic.sort_stats("tottime").print_stats(30)


def main(workload: Workload, arguments: Sequence[str] | None = None) -> int:
    """The command line of a training benchmark."""
    parser = argparse.ArgumentParser(prog=f"python -m {workload.module}", description=workload.title)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--samples", type=int, default=workload.samples, help=f"samples an epoch ({workload.samples})")
    parser.add_argument("--epochs", type=int, default=workload.epochs, help=f"epochs, at least 2 ({workload.epochs})")
    parser.add_argument("--peers", action="store_true", help="Keras 3 on JAX and PyTorch too")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these contestants")
    parser.add_argument("--core", type=int, help="core to pin to (the last one)")
    parser.add_argument("--json", metavar="FILE", help="write the figures of every round to this file")
    parser.add_argument("--profile", metavar="NAME", help="profile one contestant in this process instead")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.epochs < 2:
        parser.error(f"--epochs must be at least 2, since the first is not timed; got {options.epochs}")
    if options.worker is not None:
        print(json.dumps(work(workload, json.loads(options.worker))))
        return 0

    everyone = contestants(workload, options.peers or bool(options.only or options.profile))
    names = [contestant.name for contestant in everyone]
    unknown = {*(options.only or ()), *filter(None, [options.profile])} - set(names)
    if unknown:
        parser.error(f"no contestant is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    settings = {"samples": options.samples, "epochs": options.epochs}
    if options.profile:
        profile(workload, {"name": options.profile, **settings})
        return 0
    if options.only:
        everyone = [contestant for contestant in everyone if contestant.name in options.only]
    able, notes = harness.installed(everyone)
    around = harness.surroundings(harness.pin(options.core))
    outcomes = harness.measure(workload.module, able, settings, options.rounds)
    title = f"{workload.title}; {options.samples} samples, {options.epochs} epochs, {options.rounds} rounds"
    return report.publish(title, outcomes, COLUMNS, surroundings=around, notes=notes, json_path=options.json)
