"""Cost of dropout masks, uniform and normal numbers beside each library's own (`python -m benchmarks.random_masks`).

The libraries draw from generators of their own design, whose numbers no other library gives; ours give
equal bits on every backend. The layer is a dense one with dropout, forward and backward.
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

#: Numbers of one draw: the mask of a layer of 256 units for a batch of 128, and a large one.
SIZES = (32_768, 1_000_000)
RATE = 0.5
REPETITIONS = 15
BATCH, INPUTS, UNITS = 128, 256, 256

KINDS = ("mask", "uniform", "normal")
TABLES = [tuple(report.Column(f"{kind}_{size}", f"{kind} us", 1, ratio=True) for kind in KINDS) for size in SIZES]
LAYER = (
    report.Column("layer", "without dropout us", 0),
    report.Column("layer_dropout", "with dropout us", 0),
    report.Column("dropout_cost", "dropout us", 0, ratio=True),
)

Draw = Callable[[], object]
Layer = Callable[[bool], Draw]


def cost(call: Draw) -> float:
    """Microseconds of one call: the median over repetitions of the mean of as many calls as fill 10 ms.

    It is processor time, which leaves out waiting for the core.
    """
    for _ in range(3):
        call()
    begin = time.process_time()
    call()
    calls = max(1, round(0.01 / max(time.process_time() - begin, 1e-6)))
    figures = []
    for _ in range(REPETITIONS):
        begin = time.process_time()
        for _ in range(calls):
            call()
        figures.append((time.process_time() - begin) / calls * 1e6)
    return statistics.median(figures)


def multikeras(backend: str) -> tuple[dict[str, Callable[[int], Draw]], Layer]:
    """Our draws, each a compiled program of its own, and the layer."""
    import numpy as np

    from multikeras import backend as K
    from multikeras import registry
    from multikeras.graph.ops import random

    used = registry.load(backend)

    def drawing(make: Callable[[int], Any]) -> Callable[[int], Draw]:
        def of_size(size: int) -> Draw:
            function = K.function([], [make(size)])

            def draw() -> None:
                function.run([])
                used.synchronize()

            return draw

        return of_size

    draws = {
        "mask": drawing(lambda size: random.dropout_mask(random.new_key(1), shape=(size,), rate=RATE, dtype="float32")),
        "uniform": drawing(lambda size: K.random_uniform((size,), seed=1)),
        "normal": drawing(lambda size: K.random_normal((size,), seed=1)),
    }

    def layer(dropped: bool) -> Draw:
        x, w = K.placeholder((BATCH, INPUTS)), K.variable(weights())
        y = K.relu(K.dot(x, w))
        y = K.dropout(y, RATE, seed=1) if dropped else y
        loss = K.mean(K.square(y))
        function = K.function([x], [loss, K.gradients(loss, w)[0]])
        batch = np.ones((BATCH, INPUTS), np.float32)

        def step() -> None:
            function.run([batch])
            used.synchronize()

        return step

    return draws, layer


def weights() -> Any:
    """The layer's kernel."""
    import numpy as np

    return np.random.default_rng(0).normal(size=(INPUTS, UNITS)).astype(np.float32) / 16


def numpy_draws(legacy: bool) -> tuple[dict[str, Callable[[int], Draw]], Layer]:
    """NumPy's `Generator` (PCG64), or the functions of `numpy.random` (Mersenne Twister)."""
    import numpy as np

    generator = np.random.default_rng(1)
    scale = np.float32(1 / (1 - RATE))

    def uniform(shape: Any) -> Any:
        return np.random.random_sample(shape).astype(np.float32) if legacy else generator.random(shape, np.float32)

    def normal(size: int) -> Any:
        return (
            np.random.standard_normal(size).astype(np.float32)
            if legacy
            else generator.standard_normal(size, np.float32)
        )

    def mask(shape: Any) -> Any:
        return (uniform(shape) >= RATE) * scale

    def layer(dropped: bool) -> Draw:
        x, w = np.ones((BATCH, INPUTS), np.float32), weights()

        def step() -> Any:
            z = x @ w
            y = np.maximum(z, 0)
            if dropped:
                kept = mask(y.shape)
                y = y * kept
            loss = np.mean(np.square(y))
            g = y * np.float32(2 / y.size)
            if dropped:
                g = g * kept
            return loss, x.T @ (g * (z > 0))

        return step

    return {
        "mask": lambda size: lambda: mask(size),
        "uniform": lambda size: lambda: uniform(size),
        "normal": lambda size: lambda: normal(size),
    }, layer


def torch_draws() -> tuple[dict[str, Callable[[int], Draw]], Layer]:
    """PyTorch's generator (Mersenne Twister on a CPU) and its dropout."""
    import torch

    def layer(dropped: bool) -> Draw:
        x, w = torch.ones(BATCH, INPUTS), torch.from_numpy(weights()).requires_grad_()

        def step() -> Any:
            y = torch.relu(x @ w)
            loss = (torch.nn.functional.dropout(y, RATE) if dropped else y).square().mean()
            return loss, torch.autograd.grad(loss, w)

        return step

    return {
        "mask": lambda size: lambda: torch.empty(size).bernoulli_(1 - RATE).div_(1 - RATE),
        "uniform": lambda size: lambda: torch.rand(size),
        "normal": lambda size: lambda: torch.randn(size),
    }, layer


def jax_draws() -> tuple[dict[str, Callable[[int], Draw]], Layer]:
    """`jax.random` (Threefry), jitted, with a new key for every call."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    def drawing(draw: Callable[[Any, int], Any]) -> Callable[[int], Draw]:
        def of_size(size: int) -> Draw:
            jitted = jax.jit(lambda seed: draw(jax.random.key(seed), size))
            seeds = iter(range(10**9))
            return lambda: jitted(np.uint32(next(seeds))).block_until_ready()

        return of_size

    def layer(dropped: bool) -> Draw:
        def loss(w: Any, x: Any, seed: Any) -> Any:
            y = jax.nn.relu(x @ w)
            if dropped:
                y = jnp.where(jax.random.bernoulli(jax.random.key(seed), 1 - RATE, y.shape), y / (1 - RATE), 0)
            return jnp.mean(y * y)

        step = jax.jit(jax.value_and_grad(loss))
        x, w = np.ones((BATCH, INPUTS), np.float32), jax.device_put(weights())
        seeds = iter(range(10**9))
        return lambda: jax.block_until_ready(step(w, x, np.uint32(next(seeds))))

    return {
        "mask": drawing(lambda key, size: jax.random.bernoulli(key, 1 - RATE, (size,)) / jnp.float32(1 - RATE)),
        "uniform": drawing(lambda key, size: jax.random.uniform(key, (size,))),
        "normal": drawing(lambda key, size: jax.random.normal(key, (size,))),
    }, layer


CONTESTANTS: dict[str, tuple[Contestant, Callable[[], tuple[dict[str, Callable[[int], Draw]], Layer]]]] = {
    "numpy Generator": (Contestant("numpy Generator", "numpy"), lambda: numpy_draws(False)),
    "numpy legacy": (Contestant("numpy legacy", "numpy", "numpy Generator"), lambda: numpy_draws(True)),
    "multikeras_numpy": (
        Contestant("multikeras_numpy", "numpy", "numpy Generator", {"KERAS_BACKEND": "numpy"}),
        lambda: multikeras("numpy"),
    ),
    "torch": (Contestant("torch", "torch"), torch_draws),
    "multikeras_torch": (
        Contestant("multikeras_torch", "torch", "torch", {"KERAS_BACKEND": "torch"}),
        lambda: multikeras("torch"),
    ),
    "jax.random": (Contestant("jax.random", "jax"), jax_draws),
    "multikeras_jax": (
        Contestant("multikeras_jax", "jax", "jax.random", {"KERAS_BACKEND": "jax"}),
        lambda: multikeras("jax"),
    ),
}


def work(request: Mapping[str, Any]) -> dict[str, float]:
    """Measures one contestant in this process."""
    draws, layer = CONTESTANTS[request["name"]][1]()
    figures = {f"{kind}_{size}": cost(draws[kind](size)) for size in request["sizes"] for kind in KINDS}
    figures["layer"] = cost(layer(False))
    figures["layer_dropout"] = cost(layer(True))
    figures["dropout_cost"] = figures["layer_dropout"] - figures["layer"]
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.random_masks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--core", type=int, help="core to pin to (the last one)")
    parser.add_argument("--json", metavar="FILE", help="write the figures of every round to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker is not None:
        print(json.dumps(work(json.loads(options.worker))))
        return 0
    able, notes = harness.installed([contestant for contestant, _ in CONTESTANTS.values()])
    around = harness.surroundings(harness.pin(options.core))
    outcomes = harness.measure("benchmarks.random_masks", able, {"sizes": SIZES}, options.rounds)
    status = report.publish(
        f"random_masks: {SIZES[0]:,} numbers; {options.rounds} rounds", outcomes, TABLES[0], surroundings=around
    )
    print(f"\n{SIZES[1]:,} numbers")
    print(report.table(outcomes, TABLES[1]))
    print(f"\nA layer ({BATCH}, {INPUTS}) x ({INPUTS}, {UNITS}) with relu and dropout of {RATE}, forward and backward")
    print(report.table(outcomes, LAYER))
    for note in notes:
        print(f"note: {note}")
    if options.json is not None:
        columns = [*TABLES[0], *TABLES[1], *LAYER]
        report.write_json(options.json, "random_masks", outcomes, columns, around, notes)
    return status


if __name__ == "__main__":
    sys.exit(main())
