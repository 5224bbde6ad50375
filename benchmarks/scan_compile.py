"""First call of an LSTM made of K.rnn on JAX, at 50 and 500 steps (`python -m benchmarks.scan_compile`).

The first call, less a later one, traces and compiles: its time should not grow with the number of
steps. Beside it, the same network written with `jax.lax.scan` and, for gradients, `jax.grad`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import harness, report
from benchmarks.harness import Contestant

SAMPLES, FEATURES, UNITS = 32, 64, 64
LENGTHS = (50, 500)
KINDS = ("forward", "gradients")

COLUMNS = (
    report.Column("first_s", "first call s", 3, ratio=True),
    report.Column("build_s", "building the graph s", 3),
    report.Column("first_cpu_s", "CPU s", 3, ratio=True),
    report.Column("later_ms", "later call ms", 2, ratio=True),
)


def arrays(length: int) -> list[Any]:
    """Inputs (samples, time, features), kernel, recurrent kernel and bias."""
    import numpy as np

    from benchmarks.references import lstm_numpy

    x = np.random.default_rng(1).standard_normal((SAMPLES, length, FEATURES), dtype=np.float32)
    return [x, *lstm_numpy.initial_weights(1, FEATURES, UNITS)[1:4]]


def by_hand(kind: str, length: int) -> Callable[..., Any]:
    """The loop in JAX: takes the arrays, returns NumPy arrays."""
    import jax
    import numpy as np

    from benchmarks.references.lstm_jax import lstm

    def loss(*values: Any) -> Any:
        return (lstm(*values) ** 2).sum()

    call = jax.jit(lstm if kind == "forward" else jax.grad(loss, argnums=(0, 1, 2, 3)))
    return lambda *values: jax.tree.map(np.asarray, call(*values))


def by_keras(kind: str, length: int) -> Callable[..., Any]:
    """The loop by K.rnn: takes the arrays, returns NumPy arrays."""
    from benchmarks.lstm_step import lstm_of_k
    from multikeras import backend as K

    shapes = [(SAMPLES, length, FEATURES), (FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)]
    places = [K.placeholder(shape) for shape in shapes]
    last = lstm_of_k(*places, UNITS)
    outputs = [last] if kind == "forward" else K.gradients(K.sum(K.square(last)), places)
    call = K.function(places, outputs)
    return lambda *values: call(list(values))


def work(request: Mapping[str, Any]) -> dict[str, Any]:
    """Builds and calls in this process; returns the figures."""
    name, kind, length = request["name"].rsplit("_", 2)
    given = arrays(int(length))
    # JAX itself is ready before the clock runs.
    import jax

    jax.jit(lambda x: x + 1)(given[3]).block_until_ready()
    if name == "multikeras":
        from multikeras import backend as K

        K.eval(K.variable(1.0))
    begin = time.perf_counter()
    call = (by_keras if name == "multikeras" else by_hand)(kind, int(length))
    built, cpu_begin = time.perf_counter(), time.process_time()
    call(*given)
    done, cpu_done = time.perf_counter(), time.process_time()
    later, later_cpu = [], []
    for _ in range(request["calls"]):
        start, cpu_start = time.perf_counter(), time.process_time()
        call(*given)
        later.append(time.perf_counter() - start)
        later_cpu.append(time.process_time() - cpu_start)
    return {
        "build_s": built - begin,
        "first_s": done - built - statistics.median(later),
        "first_cpu_s": cpu_done - cpu_begin - statistics.median(later_cpu),
        "later_ms": statistics.median(later) * 1e3,
    }


def contestants() -> list[Contestant]:
    """multikeras and the loop by hand, forward and with gradients, at each length."""
    result = []
    for kind in KINDS:
        for length in LENGTHS:
            result.append(Contestant(f"lax_scan_{kind}_{length}", "jax"))
            environment = {"KERAS_BACKEND": "jax"}
            result.append(Contestant(f"multikeras_{kind}_{length}", "jax", f"lax_scan_{kind}_{length}", environment))
    return result


def growth(outcomes: Mapping[str, harness.Outcome]) -> list[str]:
    """How the first call at the greatest length compares with that at the smallest, in processor time."""
    short, long = min(LENGTHS), max(LENGTHS)
    notes = []
    for name, outcome in outcomes.items():
        other = outcomes.get(name.removesuffix(f"_{long}") + f"_{short}")
        if not name.endswith(f"_{long}") or other is None:
            continue
        pairs = zip(outcome.figures("first_cpu_s"), other.figures("first_cpu_s"), strict=True)
        ratios = [a / b for a, b in pairs if a is not None and b is not None]
        notes.append(f"{name}: {report.spread(ratios, 2)} x the first call at {short} steps")
    return notes


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan_compile", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--calls", type=int, default=15, help="later calls measured (15)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these contestants")
    parser.add_argument("--core", type=int, help="core to pin to (the last one)")
    parser.add_argument("--json", metavar="FILE", help="write the figures of every round to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker is not None:
        print(json.dumps(work(json.loads(options.worker))))
        return 0
    everyone = [each for each in contestants() if not options.only or each.name in options.only]
    able, notes = harness.installed(everyone)
    around = harness.surroundings(harness.pin(options.core))
    outcomes = harness.measure("benchmarks.scan_compile", able, {"calls": options.calls}, options.rounds)
    return report.publish(
        f"scan_compile: first call of an LSTM on JAX, {options.rounds} rounds",
        outcomes,
        COLUMNS,
        surroundings=around,
        notes=[*notes, *growth(outcomes)],
        json_path=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
