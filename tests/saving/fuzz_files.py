"""Changes model files at random, knowing their structure, and loads what came out: a script.

python fuzz_files.py SECONDS SEED [SCRATCH]

Every outcome but a model, or an error that names what is wrong, is a fault: another exception, a crash, more than a
gigabyte of memory, more than ten seconds. Prints a summary as JSON; run it for an hour by hand with another seed.
"""

from __future__ import annotations

import io
import json
import random
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from multikeras.layers import GRU, BatchNormalization, Bidirectional, Conv2D, Dense, Embedding, Flatten, Input
from multikeras.models import Model, Sequential, load_model, load_savedmodel, model_from_json
from multikeras.saving import export_savedmodel

#: What a file may be answered with.
EXPECTED = (ValueError, NotImplementedError)

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, -(2**63), 2**64, 1e308, float("nan"), "", "x", "../..", "Dense", "Model",
    "__class__", [], [[]], {}, {"class_name": "Dense", "config": {}}, "\x00", "é" * 50,
    {"module": "os", "class_name": "system", "config": {}},
]  # fmt: skip


def models() -> list[Model]:
    x = Input((4,))
    shared = Dense(3)
    return [
        Sequential([Dense(3, input_shape=(4,)), BatchNormalization(), Dense(2)]),
        Sequential([Embedding(5, 3, input_length=4), Bidirectional(GRU(2))]),
        Sequential([Conv2D(2, 3, input_shape=(6, 6, 1)), Flatten(), Dense(1)]),
        Model(x, [shared(x), shared(x * 2.0)]),
    ]


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all values inside JSON."""
    found = [path]
    if isinstance(content, dict):
        for key in content:
            found += places(content[key], (*path, key))
    elif isinstance(content, list):
        for i, entry in enumerate(content):
            found += places(entry, (*path, i))
    return found


def changed(content: Any, pick: random.Random) -> Any:
    """JSON with one to three changes."""
    content = json.loads(json.dumps(content))
    for _ in range(pick.randint(1, 3)):
        *outer, last = pick.choice([p for p in places(content) if p] or [(None,)])
        here = content
        try:
            for key in outer:
                here = here[key]
            way = pick.randrange(4)
            if way == 0:
                here[last] = pick.choice(VALUES)
            elif way == 1:
                del here[last]
            elif way == 2 and isinstance(here, list):
                here.append(here[last])
            elif isinstance(here[last], int):
                here[last] = here[last] * pick.choice([-1, 10, 10**6]) + pick.randint(-2, 2)
            else:
                here[last] = pick.choice(VALUES)
        except (KeyError, IndexError, TypeError):
            continue
    return content


def change_hdf5(file: Any, pick: random.Random) -> None:
    """One change of groups, arrays or attributes."""
    items: list[str] = []
    file.visit(items.append)
    name = pick.choice(items) if items else "/"
    here = file[name]
    way = pick.randrange(6)
    if way == 0 and name != "/":
        del file[name]
    elif way == 1 and here.attrs:
        key = pick.choice(list(here.attrs))
        here.attrs[key] = pick.choice([b"", b"{", np.zeros(3), 7, "é", np.array([b"a", b"../b"])])
    elif way == 2 and isinstance(here, h5py.Dataset):
        del file[name]
        file.create_dataset(name, (pick.choice([0, 3, 10**9]), 5), pick.choice(["f4", "i8", "S3"]), chunks=(1, 5))
    elif way == 3 and isinstance(here, h5py.Dataset):
        del file[name]
        file[name] = h5py.SoftLink("/nowhere")
    elif way == 4 and here.attrs:
        del here.attrs[pick.choice(list(here.attrs))]
    elif "model_config" in file.attrs:
        content = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(changed(content, pick)).encode()


def flipped(content: bytes, pick: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(pick.randint(1, 8)):
        made[pick.randrange(len(made))] = pick.randrange(256)
    return bytes(made[: pick.randrange(len(made))] if pick.random() < 0.2 else made)


class Fuzzer:
    """Keeps files of some models and loads changed copies of them."""

    def __init__(self, scratch: Path, seed: int) -> None:
        self.pick = random.Random(seed)
        self.scratch = scratch
        self.hdf5, self.archives, self.texts, self.exports = [], [], [], []
        for i, model in enumerate(models()):
            model.compile("adam", "mse")
            model.save(scratch / "m.h5")
            model.save(scratch / "m.keras")
            self.hdf5.append((scratch / "m.h5").read_bytes())
            self.archives.append((scratch / "m.keras").read_bytes())
            self.texts.append(json.loads(model.to_json()))
            export_savedmodel(model, scratch / f"export_{i}")
            self.exports.append(json.loads((scratch / f"export_{i}" / "graph.json").read_text()))

    def one(self) -> None:
        """Loads one changed file."""
        way = self.pick.choice((self._bytes, self._hdf5, self._archive, self._json, self._export, self._weights))
        way()

    def _bytes(self) -> None:
        load_model(io.BytesIO(flipped(self.pick.choice(self.hdf5), self.pick)))

    def _changed_hdf5(self) -> io.BytesIO:
        memory = io.BytesIO(self.pick.choice(self.hdf5))
        with h5py.File(memory, "a") as file:
            for _ in range(self.pick.randint(1, 2)):
                change_hdf5(file, self.pick)
        memory.seek(0)
        return memory

    def _hdf5(self) -> None:
        load_model(self._changed_hdf5())

    def _weights(self) -> None:
        model = Sequential([Dense(3, input_shape=(4,)), BatchNormalization(), Dense(2)])
        before = model.get_weights()
        try:
            model.load_weights(self._changed_hdf5(), by_name=self.pick.random() < 0.5)
        except EXPECTED:
            same = all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
            assert same, "a refused file changed the model"
            raise

    def _archive(self) -> None:
        with zipfile.ZipFile(io.BytesIO(self.pick.choice(self.archives))) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        if self.pick.random() < 0.7:
            content = changed(json.loads(members["config.json"]), self.pick)
            members["config.json"] = json.dumps(content).encode()
        else:
            name = self.pick.choice(sorted(members))
            members[name] = flipped(members[name], self.pick)
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w") as archive:
            for name, value in members.items():
                archive.writestr(name, value)
        memory.seek(0)
        load_model(memory)

    def _json(self) -> None:
        model_from_json(json.dumps(changed(self.pick.choice(self.texts), self.pick)))

    def _export(self) -> None:
        i = self.pick.randrange(len(self.exports))
        path = self.scratch / f"export_{i}"
        (path / "graph.json").write_text(json.dumps(changed(self.exports[i], self.pick)))
        load_savedmodel(path)


def main(seconds: float, seed: int, scratch: Path) -> int:
    import resource

    # Beside what the libraries take: a file may not make the process ask for more.
    limit = 6 << 30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    warnings.simplefilter("ignore")
    fuzzer = Fuzzer(scratch, seed)
    outcomes: dict[str, int] = {}
    faults: list[str] = []
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end and len(faults) < 5:
        begin = time.monotonic()
        try:
            fuzzer.one()
            outcome = "loaded"
        except EXPECTED as error:
            outcome = type(error).__name__
        except BaseException:  # noqa: BLE001 - whatever else it is, it is a fault
            outcome = "fault"
            faults.append(f"input {count}: {traceback.format_exc()[-1500:]}")
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if time.monotonic() - begin > 10:
            faults.append(f"input {count} took {time.monotonic() - begin:.0f} seconds")
        count += 1
    print(json.dumps({"inputs": count, "outcomes": outcomes, "faults": faults}))
    return bool(faults)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(main(float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3] if len(sys.argv) > 3 else directory)))
