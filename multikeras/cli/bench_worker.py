"""Trains one model on one backend and reports as it goes; `multikeras bench` starts one per backend.

It is an ordinary Keras program: the backend is that of KERAS_BACKEND. What it has to say it writes
to stdout, one JSON object a line.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

#: Steps that are not counted in the speed: the first compiles, the next fill caches.
WARM_UP = 5
REPORT_SECONDS = 0.1


def main(options: dict[str, Any]) -> None:
    """Runs the benchmark.

    Args:
        options: `model`, `steps`, `batch_size`, `seed`, and `data`, the path of an npz file with `x_train`, `y_train`,
            `x_test` and `y_test`. (Reading the digits here would count scikit-learn's memory as the backend's.)
    """
    from multikeras import backend as K
    from multikeras import registry, utils
    from multikeras.contract import DeviceError

    try:
        info = registry.backend_info()
    except DeviceError as error:
        _say(event="unavailable", reason=str(error))
        return
    utils.set_random_seed(options["seed"])
    with np.load(options["data"]) as data:
        x_train, x_test = _pictures(data["x_train"]), _pictures(data["x_test"])
        y_train, y_test = utils.to_categorical(data["y_train"], 10), data["y_test"]
    started = time.perf_counter()
    model = MODELS[options["model"]]()
    build_seconds = time.perf_counter() - started

    losses: list[float] = []
    seconds: list[float] = []
    reported = 0.0
    for rows in _batches(len(x_train), options["batch_size"], options["steps"], options["seed"]):
        started = time.perf_counter()
        loss = model.train_on_batch(x_train[rows], y_train[rows])
        ended = time.perf_counter()
        seconds.append(ended - started)
        losses.append(float(loss))
        if ended - reported > REPORT_SECONDS:
            reported = ended
            _say(event="step", step=len(losses), loss=losses[-1])
    predicted = model.predict(x_test, batch_size=256)
    accuracy = float(np.mean(np.argmax(predicted, axis=-1) == y_test))
    counted = seconds[WARM_UP:] or seconds
    _say(
        event="result",
        backend=K.backend(),
        title=info["title"],
        device=info["device"],
        versions=info["versions"],
        parameters=int(model.count_params()),
        build_seconds=build_seconds,
        first_step_seconds=seconds[0],
        median_step_seconds=float(np.median(counted)),
        # Of the median, which other work on the machine disturbs least.
        steps_per_second=1 / float(np.median(counted)),
        peak_memory_bytes=_peak_memory(),
        losses=losses,
        final_loss=losses[-1],
        test_accuracy=accuracy,
    )


def _mlp() -> Any:
    from multikeras.layers import Dense, Dropout, Flatten

    return _compiled(
        Flatten(input_shape=(8, 8, 1)),
        # Smooth all through: where a unit of relu is within rounding of zero, two backends may take different sides,
        # and the curves would part for no fault of theirs.
        Dense(128, activation="tanh"),
        Dropout(0.2),
        Dense(64, activation="tanh"),
        Dense(10, activation="softmax"),
    )


def _cnn() -> Any:
    from multikeras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D

    return _compiled(
        Conv2D(16, (3, 3), padding="same", activation="relu", input_shape=(8, 8, 1)),
        MaxPooling2D((2, 2)),
        Conv2D(32, (3, 3), padding="same", activation="relu"),
        Flatten(),
        Dropout(0.25),
        Dense(10, activation="softmax"),
    )


def _compiled(*layers: Any) -> Any:
    from multikeras.models import Sequential
    from multikeras.optimizers import SGD

    model = Sequential(list(layers))
    model.compile(optimizer=SGD(lr=0.05, momentum=0.9), loss="categorical_crossentropy")
    return model


MODELS = {"mlp": _mlp, "cnn": _cnn}


def _pictures(x: np.ndarray) -> np.ndarray:
    """Pictures with one channel, scaled to 0..1: a pixel counts up to 16 inked points."""
    return x.reshape(-1, 8, 8, 1).astype("float32") / 16


def _batches(samples: int, size: int, steps: int, seed: int) -> Any:
    """Rows of each batch: every sample once a round, in an order that the seed alone decides."""
    generator = np.random.RandomState(seed)
    order = np.empty(0, dtype="int64")
    for _ in range(steps):
        if len(order) < size:
            order = generator.permutation(samples)
        rows, order = order[:size], order[size:]
        yield rows


def _peak_memory() -> int | None:
    """Most bytes of main memory that this process has held at once; None where nobody counts."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            # Not getrusage: on Linux that begins with what the starting process held.
            found = [line.split()[1] for line in status if line.startswith("VmHWM:")]
        if found:
            return int(found[0]) * 1024
    except FileNotFoundError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
