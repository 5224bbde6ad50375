"""Cost of calling a ready `K.function`, and of building graph nodes (`python -m benchmarks.function_call`)."""

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

BACKENDS = ("numpy", "jax", "torch")
REPETITIONS = 25

CALL_COLUMNS = (
    report.Column("raw_us", "library add us", 2),
    report.Column("round_trip_us", "NumPy in and out us", 2),
    report.Column("function_us", "K.function us", 2),
    report.Column("over_raw_us", "over library add us", 2),
    report.Column("over_round_trip_us", "over NumPy in and out us", 2),
    report.Column("updates_us", "with an update us", 2),
    report.Column("eval_us", "K.eval(x + y) us", 1),
)
NODE_COLUMNS = (
    report.Column("square_us", "K.square(x) us", 2),
    report.Column("add_us", "x + y us", 2),
    report.Column("add_number_us", "x + 1 us", 2),
    report.Column("relu_us", "K.relu(x) us", 2),
    report.Column("dot_us", "K.dot(x, w) us", 2),
    report.Column("mean_us", "K.mean(x) us", 2),
    report.Column("gradient_us", "K.gradients us a node", 2),
    report.Column("compile_us", "first call us a node", 1),
)


def cost(call: Callable[[], object], calls: int) -> float:
    """Microseconds of one call: the median over repetitions of the mean of `calls` calls."""
    for _ in range(min(calls, 20)):
        call()
    figures = []
    for _ in range(REPETITIONS):
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        figures.append((time.perf_counter() - begin) / calls * 1e6)
    return statistics.median(figures)


def raw_calls(backend: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """The library's own add: of its arrays, and from NumPy arrays to a NumPy array."""
    import numpy as np

    x, y = np.arange(8, dtype=np.float32), np.ones(8, np.float32)
    if backend == "numpy":
        return (lambda: x + y), (lambda: np.add(x, y))
    if backend == "jax":
        import jax

        add = jax.jit(lambda x, y: x + y)
        jax_x, jax_y = jax.device_put(x), jax.device_put(y)
        return (lambda: add(jax_x, jax_y).block_until_ready()), (lambda: np.asarray(add(x, y)))
    import torch

    torch_x, torch_y = torch.from_numpy(x), torch.from_numpy(y)
    return (lambda: torch_x + torch_y), (lambda: (torch.from_numpy(x) + torch.from_numpy(y)).numpy())


def measure_calls(backend: str) -> dict[str, float]:
    """Calls of ready functions, beside the library's own."""
    import numpy as np

    from multikeras import backend as K

    raw, round_trip = raw_calls(backend)
    x, y = K.placeholder((8,)), K.placeholder((8,))
    counter = K.variable(np.zeros(8))
    add = K.function([x, y], [x + y])
    add_and_count = K.function([x, y], [x + y], updates=[(counter, counter + 1)])
    feed = [np.arange(8, dtype=np.float32), np.ones(8, np.float32)]
    one, other = K.variable(feed[0]), K.variable(feed[1])
    raw_us = cost(raw, 2000)
    round_trip_us = cost(round_trip, 2000)
    function_us = cost(lambda: add(feed), 1000)
    return {
        "raw_us": raw_us,
        "round_trip_us": round_trip_us,
        "function_us": function_us,
        "over_raw_us": function_us - raw_us,
        "over_round_trip_us": function_us - round_trip_us,
        "updates_us": cost(lambda: add_and_count(feed), 1000),
        "eval_us": cost(lambda: K.eval(one + other), 20),
    }


def measure_nodes() -> dict[str, float]:
    """Graph building: expressions, a gradient, and the first call, which specialises and compiles."""
    import numpy as np

    from multikeras import backend as K

    x, y = K.placeholder((None, 64)), K.placeholder((None, 64))
    weights = K.variable(np.zeros((64, 64)))
    figures = {
        "square_us": cost(lambda: K.square(x), 300),
        "add_us": cost(lambda: x + y, 300),
        "add_number_us": cost(lambda: x + 1, 300),
        "relu_us": cost(lambda: K.relu(x), 300),
        "dot_us": cost(lambda: K.dot(x, weights), 300),
        "mean_us": cost(lambda: K.mean(x, axis=-1), 300),
    }
    length = 300

    def chain(links: int) -> Any:
        result: Any = x
        for _ in range(links):
            result = K.tanh(result)
        return result

    gradients, compiles = [], []
    feed = [np.zeros((2, 64), np.float32)]
    for number in range(3):
        loss = K.sum(chain(length))
        begin = time.perf_counter()
        K.gradients(loss, [x])
        gradients.append((time.perf_counter() - begin) / length * 1e6)
        # Of another length each time, or the second would find the first one's program.
        function = K.function([x], [chain(length + number)])
        begin = time.perf_counter()
        function(feed)
        compiles.append((time.perf_counter() - begin) / length * 1e6)
    return {**figures, "gradient_us": statistics.median(gradients), "compile_us": statistics.median(compiles)}


def work(request: Mapping[str, Any]) -> dict[str, Any]:
    """Measures one backend in this process."""
    return {**measure_calls(request["name"].removeprefix("multikeras_")), **measure_nodes()}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.function_call", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--core", type=int, help="core to pin to (the last one)")
    parser.add_argument("--json", metavar="FILE", help="write the figures of every round to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker is not None:
        print(json.dumps(work(json.loads(options.worker))))
        return 0
    everyone = [Contestant(f"multikeras_{name}", name, environment={"KERAS_BACKEND": name}) for name in BACKENDS]
    able, notes = harness.installed(everyone)
    around = harness.surroundings(harness.pin(options.core))
    outcomes = harness.measure("benchmarks.function_call", able, {}, options.rounds)
    status = report.publish(
        f"function_call: one add of two (8,) arrays, and graph building; {options.rounds} rounds",
        outcomes,
        CALL_COLUMNS,
        surroundings=around,
    )
    print()
    print(report.table(outcomes, NODE_COLUMNS))
    for note in notes:
        print(f"note: {note}")
    if options.json is not None:
        report.write_json(options.json, "function_call", outcomes, CALL_COLUMNS + NODE_COLUMNS, around, notes)
    return status


if __name__ == "__main__":
    sys.exit(main())
