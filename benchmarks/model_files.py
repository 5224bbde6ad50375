"""Saving and loading models: multikeras beside h5py alone and Keras 3 (`python -m benchmarks.model_files`).

Two compiled models that never trained: the 784-256-128-10 MLP, and one of 25 million parameters. `h5py` writes and
reads the arrays alone, over the file that is there, and leaves the disk to the system. `h5py_safe` writes them beside
it, synchronises, renames and synchronises the directory, as multikeras does so that nothing is lost. What durability
costs shows in `multikeras_no_fsync`, for which there is no switch for users.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import harness, report
from benchmarks.harness import Contestant

COLUMNS = (
    report.Column("mlp_save_ms", "MLP save ms", 2, ratio=True),
    report.Column("mlp_load_ms", "MLP load ms", 2, ratio=True),
    report.Column("large_save_ms", "25M save ms", 1, ratio=True),
    report.Column("large_load_ms", "25M load ms", 1, ratio=True),
)

#: Sizes of the layers, the first of them the input.
MODELS = {"mlp": (784, 256, 128, 10), "large": (2048, 2896, 2896, 2896, 784)}

CONTESTANTS = (
    Contestant("h5py", "h5py"),
    Contestant("h5py_safe", "h5py", "h5py"),
    Contestant("multikeras", "h5py", "h5py_safe", {"KERAS_BACKEND": "numpy"}),
    Contestant("multikeras_no_fsync", "h5py", "h5py", {"KERAS_BACKEND": "numpy"}),
    Contestant("multikeras_keras", "h5py", "h5py_safe", {"KERAS_BACKEND": "numpy"}),
    Contestant("keras3_h5", "keras", "h5py", {"KERAS_BACKEND": "numpy"}),
    Contestant("keras3_keras", "keras", "h5py", {"KERAS_BACKEND": "numpy"}),
)


def _median_ms(call: Callable[[], Any], repeats: int) -> float:
    """Median of calls after the first, which imports and warms."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


def _arrays(sizes: Sequence[int]) -> list[Any]:
    import numpy as np

    generator = np.random.RandomState(1)
    made: list[Any] = []
    for inputs, outputs in zip(sizes, sizes[1:], strict=False):
        made += [generator.rand(inputs, outputs).astype("float32"), np.zeros(outputs, "float32")]
    return made


def _h5py_calls(sizes: Sequence[int], path: Path, safe: bool) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import h5py

    arrays = _arrays(sizes)

    draft = path.with_suffix(".part") if safe else path

    def save() -> None:
        with h5py.File(draft, "w") as file:
            for i, array in enumerate(arrays):
                file.create_dataset(str(i), data=array)
        if safe:
            with open(draft, "rb+") as opened:
                os.fsync(opened.fileno())
            os.replace(draft, path)
            number = os.open(path.parent, os.O_RDONLY)
            os.fsync(number)
            os.close(number)

    def load() -> list[Any]:
        with h5py.File(path, "r") as file:
            return [file[str(i)][()] for i in range(len(arrays))]

    return save, load


def _keras_calls(package: str, sizes: Sequence[int], path: Path) -> tuple[Callable[[], Any], Callable[[], Any]]:
    models, layers = (importlib.import_module(f"{package}.{part}") for part in ("models", "layers"))
    stack = [layers.Input((sizes[0],)), *(layers.Dense(size, activation="relu") for size in sizes[1:])]
    # Keras 2's way of an input, which both know.
    model = models.Sequential(stack if package == "keras" else [])
    if package != "keras":
        for i, size in enumerate(sizes[1:]):
            shape = {"input_shape": (sizes[0],)} if i == 0 else {}
            model.add(layers.Dense(size, activation="relu", **shape))
    # Keras 3 does not find short names in the older layout.
    model.compile("sgd", "mean_squared_error")
    return lambda: model.save(path), lambda: models.load_model(path)


def work(request: Mapping[str, Any]) -> dict[str, Any]:
    """Saves and loads with one contestant in this process and returns its figures."""
    name = request["name"]
    figures = {}
    with tempfile.TemporaryDirectory(prefix="multikeras-files-", dir=request["directory"]) as directory:
        for model, sizes in MODELS.items():
            path = Path(directory) / (f"{model}.keras" if name.endswith("_keras") else f"{model}.h5")
            if name.startswith("h5py"):
                save, load = _h5py_calls(sizes, path, name == "h5py_safe")
            else:
                save, load = _keras_calls("multikeras" if name.startswith("multikeras") else "keras", sizes, path)
            if name == "multikeras_no_fsync":
                os.fsync = lambda number: None  # type: ignore[assignment]
            repeats = request["repeats"] if model == "mlp" else max(1, request["repeats"] // 6)
            figures[f"{model}_save_ms"] = _median_ms(save, repeats)
            figures[f"{model}_load_ms"] = _median_ms(load, repeats)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model_files", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--repeats", type=int, default=30, help="saves and loads of the MLP a round (30)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these contestants")
    parser.add_argument("--directory", metavar="PATH", help="where files are written (temporary ones)")
    parser.add_argument("--core", type=int, help="core to pin to (the last one)")
    parser.add_argument("--json", metavar="FILE", help="write the figures of every round to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker is not None:
        print(json.dumps(work(json.loads(options.worker))))
        return 0
    names = [contestant.name for contestant in CONTESTANTS]
    if unknown := set(options.only or ()) - set(names):
        parser.error(f"no contestant is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [each for each in CONTESTANTS if not options.only or each.name in options.only]
    able, notes = harness.installed(chosen)
    around = harness.surroundings(harness.pin(options.core))
    settings = {"repeats": options.repeats, "directory": options.directory}
    outcomes = harness.measure("benchmarks.model_files", able, settings, options.rounds)
    title = f"model_files: MLP 784-256-128-10 and 25 million parameters; {options.rounds} rounds"
    return report.publish(title, outcomes, COLUMNS, surroundings=around, notes=notes, json_path=options.json)


if __name__ == "__main__":
    sys.exit(main())
