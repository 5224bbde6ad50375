"""One training step of an LSTM made of K.rnn, beside loops by hand (`python -m benchmarks.lstm_step`).

An embedding of 5,000 words in 64 numbers, an LSTM of 64 units over 80 steps, one dense unit, sigmoid
crossentropy, Adam, batches of 32. The references are hand-written: `jax.lax.scan` and `jax.grad`;
gradients derived by hand in NumPy; a loop and autograd in PyTorch.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import harness, report
from benchmarks.harness import Contestant

BACKENDS = ("numpy", "jax", "torch")
WORDS, FEATURES, UNITS, SAMPLES = 5000, 64, 64, 32

COLUMNS = (
    report.Column("step_ms", "step ms", 2, ratio=True),
    report.Column("step_cpu_ms", "CPU ms", 2),
    report.Column("start_s", "start s", 2),
    report.Column("loss", "last loss", 4),
    report.Column("peak_mb", "peak RSS MB", 0),
)


def lstm_of_k(x: Any, kernel: Any, recurrent: Any, bias: Any, units: int) -> Any:
    """The last output of an LSTM over `x`, by K.rnn, as a layer of one's own would be written."""
    from multikeras import backend as K

    def step(entry: Any, states: Any) -> Any:
        h, c = states
        z = K.dot(entry, kernel) + K.dot(h, recurrent) + bias
        i, f, g, o = (z[:, n * units : (n + 1) * units] for n in range(4))
        c = K.sigmoid(f) * c + K.sigmoid(i) * K.tanh(g)
        h = K.sigmoid(o) * K.tanh(c)
        return h, [h, c]

    zeros = K.tile(K.zeros_like(x[:, 0, :1]), [1, units])
    return K.rnn(step, x, [zeros, zeros])[0]


class KerasTrainer:
    """The same network written with K, and multikeras's Adam."""

    def __init__(self, weights: Sequence[Any]) -> None:
        """Takes embedding, kernel, recurrent kernel, bias, dense kernel and dense bias."""
        from multikeras import backend as K
        from multikeras import optimizers

        variables = [K.variable(weight) for weight in weights]
        embeddings, kernel, recurrent, bias, dense, dense_bias = variables
        x, y = K.placeholder((None, None), dtype="int32"), K.placeholder((None,))
        last = lstm_of_k(K.gather(embeddings, x), kernel, recurrent, bias, len(weights[2]))
        logits = K.bias_add(K.dot(last, dense), dense_bias)[:, 0]
        loss = K.mean(K.binary_crossentropy(y, logits, from_logits=True))
        self._gradients = K.function([x, y], [loss, *K.gradients(loss, variables)])
        self._step = K.function([x, y], [loss], optimizers.Adam().get_updates(loss, variables))

    def loss_and_gradients(self, x: Any, y: Any) -> tuple[float, list[Any]]:
        """Mean loss and its gradients."""
        loss, *gradients = self._gradients([x, y])
        return float(loss), gradients

    def step(self, x: Any, y: Any) -> float:
        """One update; returns the loss before it."""
        return float(self._step([x, y])[0])


def work(request: Mapping[str, Any]) -> dict[str, Any]:
    """Trains in this process and returns the figures."""
    from benchmarks.references import lstm_numpy

    kind, backend = request["name"].split("_")
    weights = lstm_numpy.initial_weights(WORDS, FEATURES, UNITS)
    batches = [lstm_numpy.sentences(WORDS, SAMPLES, request["steps"], seed) for seed in range(8)]
    begin = time.perf_counter()
    if kind == "raw":
        trainer: Any = importlib.import_module(f"benchmarks.references.lstm_{backend}").Trainer(weights)
    else:
        trainer = KerasTrainer(weights)
    trainer.step(*batches[0])
    start = time.perf_counter() - begin
    times, cpu_times = [], []
    loss = 0.0
    for number in range(request["updates"]):
        begin, cpu_begin = time.perf_counter(), time.process_time()
        loss = trainer.step(*batches[number % len(batches)])
        times.append(time.perf_counter() - begin)
        cpu_times.append(time.process_time() - cpu_begin)
    step = statistics.median(times)
    return {
        "step_ms": step * 1e3,
        "step_cpu_ms": statistics.median(cpu_times) * 1e3,
        "start_s": start - step,
        "loss": loss,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def contestants() -> list[Contestant]:
    """For each backend the reference and multikeras."""
    result = []
    for backend in BACKENDS:
        result.append(Contestant(f"raw_{backend}", backend))
        environment = {"KERAS_BACKEND": backend}
        result.append(Contestant(f"multikeras_{backend}", backend, f"raw_{backend}", environment))
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lstm_step", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--steps", type=int, default=80, help="time steps (80)")
    parser.add_argument("--updates", type=int, default=60, help="training steps measured (60)")
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
    settings = {"steps": options.steps, "updates": options.updates}
    return report.publish(
        f"lstm_step: an update of an LSTM over {options.steps} steps, {options.rounds} rounds",
        harness.measure("benchmarks.lstm_step", able, settings, options.rounds),
        COLUMNS,
        surroundings=around,
        notes=notes,
        json_path=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
