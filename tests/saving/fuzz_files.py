"""Changes model files at random, knowing their structure, and loads what came out: a script.

python fuzz_files.py [--inputs N | --seconds S] [--seed S] [--first N] [--scratch DIRECTORY]

Every outcome but a model, or an error of a known kind that names what was read, is a fault: another exception, a
crash, more than a gigabyte of memory, more than ten seconds, a refused file that changed the model that it was loaded
into. Every input depends on the seed and its number alone. Prints a summary as JSON; run it longer by hand with
another seed.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import io
import json
import random
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from multikeras import constraints, initializers, layers, losses, metrics, optimizers, regularizers
from multikeras.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Lambda,
    LSTMCell,
    MaxPooling2D,
    MultiHeadAttention,
    Reshape,
    StackedRNNCells,
    TimeDistributed,
)
from multikeras.models import Model, Sequential, load_model, load_savedmodel, model_from_json, model_from_yaml
from multikeras.preprocessing.text import Tokenizer, tokenizer_from_json
from multikeras.saving import export_savedmodel
from multikeras.utils.io_utils import H5Dict

#: What a file may be answered with.
EXPECTED = (ValueError, NotImplementedError)

#: What is called with a part of a configuration, and no file, may also answer so.
EXPECTED_OF_PARTS = (*EXPECTED, TypeError, KeyError, AttributeError)

#: Seconds for one input.
SECONDS = 10

NAME = "fuzzed"

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 10**6, 2**31, -(2**63), 2**64, 10**400, 1e308, -0.5, float("nan"), float("inf"),
    "", "x", "../..", "/etc/passwd", "Dense", "Model", "Lambda", "relu", "float64", "bfloat16", "channels_first",
    "same", "__class__", "os.system", "\ud800", [], [[]], {}, [None] * 70, [1, 2], [None, 4],
    {"class_name": "Dense", "config": {}},
    "\x00", "é" * 50, {"module": "os", "class_name": "system", "config": {}}, {"class_name": "Zeros", "config": {}},
    {"class_name": "function", "config": "relu"}, {"class_name": "Sequential", "config": {"layers": []}},
    {"class_name": "__lambda__", "config": {"code": "x"}}, {"class_name": "__tuple__", "items": [1, [2]]},
    {"multikeras_tensor": ["x", 0, 0]}, {"tuple": [1]}, {"entry": 0},
    {"graph": {"entries": [], "outputs": []}, "label": "x"},
]  # fmt: skip


#: Keys that no dictionary of a configuration has.
NAMES = ["", "x", "__class__", "a=open('x', 'w'), b", "a\n", "self", "name", "config", "é"]


def models() -> list[Model]:
    x = Input((4,))
    shared = Dense(3)
    steps = Input((4, 3))
    inner = Sequential([Dense(3, input_shape=(4,), activation="tanh"), Dropout(0.5)])
    return [
        Sequential([Dense(3, input_shape=(4,), kernel_regularizer="l2"), BatchNormalization(), Dense(2)]),
        Sequential([Embedding(5, 3, input_length=4, mask_zero=True), Bidirectional(GRU(2))]),
        Sequential([Conv2D(2, 3, input_shape=(6, 6, 1)), MaxPooling2D(2), Flatten(), Dense(1)]),
        Model(x, [shared(x), shared(x * 2.0)]),
        Model([x, steps], Concatenate()([inner(x), LSTM(2)(TimeDistributed(Dense(2))(steps))])),
        Sequential([RNN(StackedRNNCells([LSTMCell(2), LSTMCell(2)]), input_shape=(4, 3)), Reshape((1, 2))]),
        Model(steps, Activation("softmax")(Lambda(abs_of)(MultiHeadAttention(2, 2)([steps, steps])))),
    ]


def abs_of(x: Any) -> Any:
    return abs(x)


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


def value_at(content: Any, pick: random.Random) -> Any:
    """A value somewhere inside JSON."""
    here = content
    for key in pick.choice(places(content)):
        here = here[key]
    return here


def changed(content: Any, pick: random.Random) -> Any:
    """JSON with one to three changes."""
    content = json.loads(json.dumps(content))
    for _ in range(pick.randint(1, 3)):
        *outer, last = pick.choice([p for p in places(content) if p] or [(None,)])
        here = content
        try:
            for key in outer:
                here = here[key]
            way = pick.randrange(6)
            if way == 0:
                here[last] = copy.deepcopy(pick.choice(VALUES))
            elif way == 1:
                del here[last]
            elif way == 2 and isinstance(here, list):
                here.append(copy.deepcopy(here[last]))
            elif way == 3 and isinstance(here, list):
                here[last] = copy.deepcopy(here[pick.randrange(len(here))])
            elif way == 5 and isinstance(here, dict):
                here[pick.choice([*NAMES, *here])] = here.pop(last)
            elif way == 4:
                # Something else of the same file.
                here[last] = copy.deepcopy(value_at(content, pick))
            elif isinstance(here[last], int):
                here[last] = here[last] * pick.choice([-1, 10, 10**6]) + pick.randint(-2, 2)
            else:
                here[last] = copy.deepcopy(pick.choice(VALUES))
        except (KeyError, IndexError, TypeError):
            continue
    return content


KINDS: list[Any] = ["f4", "f8", "f2", "i8", "u1", "S3", "V2", "V9", "c8", "?", ">f4", "O", ("f4", (2,)), [("a", "f4")]]


def change_hdf5(file: Any, pick: random.Random) -> None:
    """One change of groups, arrays or attributes."""
    items: list[str] = []
    file.visit(items.append)
    name = pick.choice(items) if items else "/"
    here = file[name]
    way = pick.randrange(13)
    if way == 0 and name != "/":
        del file[name]
    elif way == 1 and here.attrs:
        key = pick.choice(list(here.attrs))
        values = [
            b"",
            b"{",
            np.zeros(3),
            7,
            "é",
            np.array([b"a", b"../b"]),
            [["a"]],
            h5py.Empty("f4"),
            file.ref,
            1 + 2j,
        ]
        value = pick.choice([*values, np.void(b"\xff\xfe")])
        here.attrs.create(key, value, dtype=h5py.ref_dtype if value is file.ref else None)
    elif way == 2 and isinstance(here, h5py.Dataset):
        kind = pick.choice(KINDS)
        del file[name]
        shape = (pick.choice([1, 3, 10**9]), pick.choice([1, 5]))
        file.create_dataset(name, shape, h5py.string_dtype() if kind == "O" else np.dtype(kind), chunks=(1, 1))
    elif way == 3 and isinstance(here, h5py.Dataset):
        del file[name]
        links = [h5py.SoftLink("/nowhere"), h5py.SoftLink(f"/{name}"), h5py.ExternalLink("other.h5", "/x")]
        file[name] = pick.choice(links)
    elif way == 4 and here.attrs:
        del here.attrs[pick.choice(list(here.attrs))]
    elif way == 5 and items:
        # A second name for something else, or for a group around it.
        place = pick.choice([*items, "model_weights/again", "layers/again", "again"])
        if place in file:
            del file[place]
        if name in file:
            file[place] = file[name]
    elif way == 6 and isinstance(here, h5py.Dataset) and here.shape:
        shape, kind = here.shape, here.dtype
        del file[name]
        option, value = pick.choice([("compression", "gzip"), ("shuffle", True), ("fletcher32", True)])
        options: dict[str, Any] = {option: value}
        made = file.create_dataset(name, shape, kind, chunks=shape, **options)
        raw = pick.choice([b"x", zlib.compress(bytes(pick.choice([10, 10**6]))), zlib.compress(bytes(24))])
        made.id.write_direct_chunk((0,) * len(shape), raw, pick.choice([0, 0, 1, 3]))
    elif way == 7 and isinstance(here, h5py.Dataset) and here.shape and here.size < 10**6:
        value = here[()]
        del file[name]
        others = [value.T, value[..., None], value[:1], value * np.nan if value.dtype.kind == "f" else value]
        file[name] = pick.choice([*others, value.astype("f8"), value.astype("i2"), value.ravel(), 5])
    elif way == 8 and "multikeras_training_config" in file.attrs:
        content = json.loads(file.attrs["multikeras_training_config"])
        file.attrs["multikeras_training_config"] = json.dumps(changed(content, pick)).encode()
    elif way == 9 and "multikeras_random_streams" in file.attrs:
        content = json.loads(file.attrs["multikeras_random_streams"])
        file.attrs["multikeras_random_streams"] = json.dumps(changed(content, pick)).encode()
    elif way == 10 and isinstance(here, h5py.Dataset) and here.shape:
        shape = here.shape
        del file[name]
        if pick.random() < 0.5:
            file.create_dataset(name, shape, "f4", external=[("other", 0, 1 << 20)])
        else:
            layout = h5py.VirtualLayout(shape, "f4")
            layout[...] = h5py.VirtualSource("other.h5", "x", shape)
            file.create_virtual_dataset(name, layout)
    elif "model_config" in file.attrs:
        content = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(changed(content, pick)).encode()


def flipped(content: bytes, pick: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(pick.randint(1, 8)):
        place = pick.randrange(len(made))
        if pick.random() < 0.5:
            made[place] = pick.randrange(256)
        else:
            # Lengths and addresses.
            made[place : place + 4] = pick.choice([b"\xff" * 4, bytes(4), b"\0\0\0\x7f", made[:4], b"\0\x10\0\0"])
    return bytes(made[: pick.randrange(len(made))] if pick.random() < 0.1 else made)


class Named(io.BytesIO):
    """A file object that messages can name."""

    name = NAME


class Fuzzer:
    """Keeps files of some models and loads changed copies of them."""

    def __init__(self, scratch: Path, seed: int) -> None:
        self.seed = seed
        self.pick = random.Random(seed)
        self.scratch = scratch
        self.expected: tuple[type[Exception], ...] = EXPECTED
        self.where = NAME
        self.hdf5, self.archives, self.texts, self.exports, self.arrays, self.weights = [], [], [], [], [], []
        for i, model in enumerate(models()):
            loss = losses.Huber() if i % 2 else "mse"
            optimizer = optimizers.Adam(clipnorm=1.0) if i % 2 else "adam"
            model.compile(optimizer, loss, metrics=["mae", metrics.AUC(num_thresholds=3)] if i < 3 else ["mse"])
            model.save(scratch / "m.h5")
            model.save(scratch / "m.keras")
            model.save_weights(scratch / "m.weights.h5")
            self.hdf5.append((scratch / "m.h5").read_bytes())
            self.archives.append((scratch / "m.keras").read_bytes())
            self.weights.append((scratch / "m.weights.h5").read_bytes())
            self.texts.append(json.loads(model.to_json()))
            place = scratch / f"{NAME}_{i}"
            export_savedmodel(model, place)
            self.exports.append(json.loads((place / "graph.json").read_text()))
            self.arrays.append((place / "weights.h5").read_bytes())
        self.target = models()[0]
        tokenizer = Tokenizer(num_words=5)
        tokenizer.fit_on_texts(["a b c", "b c d"])
        self.tokenizer = json.loads(tokenizer.to_json())
        self.ways: list[Callable[[], None]] = [
            *(self._bytes, self._hdf5, self._hdf5, self._archive, self._archive, self._json, self._json, self._yaml),
            *(self._export, self._export, self._weights, self._weights, self._keras3_weights, self._parts, self._dict),
            self._tokenizer,
        ]

    def one(self, number: int) -> str:
        """Loads one changed file, which depends on the seed and the number alone; the name of the way."""
        self.pick = random.Random(f"{self.seed} {number}")
        self.expected, self.where = EXPECTED, NAME
        way = self.pick.choice(self.ways)
        self.way = way.__name__
        way()
        return self.way

    def _bytes(self) -> None:
        load_model(Named(flipped(self.pick.choice([*self.hdf5, *self.archives]), self.pick)))

    def _changed_hdf5(self, content: bytes) -> Named:
        memory = Named(content)
        with h5py.File(memory, "a") as file:
            for _ in range(self.pick.randint(1, 2)):
                # A change may make the next one impossible.
                with suppress(OSError, RuntimeError, ValueError, KeyError, TypeError):
                    change_hdf5(file, self.pick)
        memory.seek(0)
        return memory

    def _hdf5(self) -> None:
        load_model(self._changed_hdf5(self.pick.choice(self.hdf5)))

    def _into_target(self, memory: Named, **kwargs: Any) -> None:
        before = self.target.get_weights()
        try:
            self.target.load_weights(memory, **kwargs)
        except EXPECTED:
            same = all(np.array_equal(a, b) for a, b in zip(self.target.get_weights(), before, strict=True))
            assert same, "a refused file changed the model"
            raise
        finally:
            self.target.set_weights(before)

    def _weights(self) -> None:
        content = self.hdf5[0]
        memory = Named(flipped(content, self.pick)) if self.pick.random() < 0.2 else self._changed_hdf5(content)
        options = [{}, {"by_name": True}, {"by_name": True, "skip_mismatch": True}, {"by_name": True, "reshape": True}]
        self._into_target(memory, **self.pick.choice(options))

    def _keras3_weights(self) -> None:
        content = self.weights[0]
        memory = Named(flipped(content, self.pick)) if self.pick.random() < 0.2 else self._changed_hdf5(content)
        self._into_target(memory, skip_mismatch=self.pick.random() < 0.3)

    def _archive(self) -> None:
        with zipfile.ZipFile(io.BytesIO(self.pick.choice(self.archives))) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        way = self.pick.random()
        if way < 0.6:
            content = changed(json.loads(members["config.json"]), self.pick)
            members["config.json"] = json.dumps(content).encode()
        elif way < 0.8:
            members["model.weights.h5"] = self._changed_hdf5(members["model.weights.h5"]).getvalue()
        else:
            name = self.pick.choice(sorted(members))
            members[name] = flipped(members[name], self.pick)
        memory = Named()
        with zipfile.ZipFile(memory, "w", self.pick.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            for name, value in members.items():
                archive.writestr(name, value)
        memory.seek(0)
        load_model(memory)

    def _json(self) -> None:
        self.where = "of a model"
        text = json.dumps(changed(self.pick.choice(self.texts), self.pick))
        if self.pick.random() < 0.1:
            text = flipped(text.encode(), self.pick).decode("utf-8", "replace")
        model_from_json(text)

    def _yaml(self) -> None:
        import yaml

        self.where = "of a model"
        text = yaml.safe_dump(changed(self.pick.choice(self.texts), self.pick))
        if self.pick.random() < 0.3:
            text = flipped(text.encode(), self.pick).decode("utf-8", "replace")
        model_from_yaml(text)

    def _export(self) -> None:
        i = self.pick.randrange(len(self.exports))
        path = self.scratch / f"{NAME}_{i}"
        graph, weights = json.dumps(self.exports[i]).encode(), self.arrays[i]
        if self.pick.random() < 0.8:
            graph = json.dumps(changed(self.exports[i], self.pick)).encode()
        elif self.pick.random() < 0.5:
            graph = flipped(graph, self.pick)
        else:
            weights = self._changed_hdf5(weights).getvalue()
        (path / "graph.json").write_bytes(graph)
        (path / "weights.h5").write_bytes(weights)
        load_savedmodel(path)

    def _parts(self) -> None:
        """Parts of configurations, given to those who read them."""
        self.expected, self.where = EXPECTED_OF_PARTS, ""
        modules = [layers, losses, metrics, optimizers, initializers, regularizers, constraints]
        part = value_at(self.pick.choice(self.texts), self.pick)
        if self.pick.random() < 0.5:
            kinds = [
                "Adam",
                "SGD",
                "Huber",
                "AUC",
                "Precision",
                "VarianceScaling",
                "L1L2",
                "MaxNorm",
                "Lambda",
                "MeanIoU",
            ]
            part = {"class_name": self.pick.choice(kinds), "config": changed({"x": 1, "name": "y"}, self.pick)}
        self.pick.choice(modules).deserialize((changed([part], self.pick) or [None])[0])

    def _dict(self) -> None:
        self.expected = (*EXPECTED, KeyError)
        self.where = ""
        with h5py.File(self._changed_hdf5(self.pick.choice(self.hdf5)), "r") as file:
            stack = [(H5Dict(file, "r"), 0)]
            while stack:
                here, depth = stack.pop()
                for key in here if depth < 5 else ():
                    value = here[key]
                    if isinstance(value, H5Dict):
                        stack.append((value, depth + 1))

    def _tokenizer(self) -> None:
        self.where = "tokenizer"
        tokenizer_from_json(json.dumps(changed(self.tokenizer, self.pick)))


def _problem(fuzzer: Fuzzer, error: BaseException) -> str | None:
    """What is wrong with an error; None for one of those that are wanted."""
    if not isinstance(error, fuzzer.expected):
        return "another kind"
    if fuzzer.where not in str(error):
        return "names no file"
    while error.__cause__ is not None:
        error = error.__cause__
    return "asks for memory" if isinstance(error, MemoryError) else None


def main(arguments: argparse.Namespace, scratch: Path) -> int:
    import resource

    warnings.simplefilter("ignore")
    fuzzer = Fuzzer(scratch, arguments.seed)
    # A file may not make the process ask for more than a gigabyte.
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 30),) * 2)
    outcomes: dict[str, dict[str, int]] = {}
    faults: list[str] = []
    end = time.monotonic() + arguments.seconds if arguments.seconds else None
    number = arguments.first
    slowest = 0.0
    while len(faults) < 10 and (time.monotonic() < end if end else number < arguments.first + arguments.inputs):
        begin = time.monotonic()
        # Should the process die, its last words say where.
        (scratch / "last").write_text(str(number))
        faulthandler.dump_traceback_later(3 * SECONDS, exit=True)
        try:
            fuzzer.one(number)
            outcome = "loaded"
        except BaseException as error:  # noqa: BLE001 - whatever else it is, it is a fault
            outcome = type(error).__name__
            problem = _problem(fuzzer, error)
            if problem is not None:
                faults.append(f"input {number}, {fuzzer.way}: {problem}: {traceback.format_exc()[-1500:]}")
        took = time.monotonic() - begin
        slowest = max(slowest, took)
        if took > SECONDS:
            faults.append(f"input {number}, {fuzzer.way}: {took:.0f} seconds")
        counts = outcomes.setdefault(fuzzer.way.lstrip("_"), {})
        counts[outcome] = counts.get(outcome, 0) + 1
        number += 1
    faulthandler.cancel_dump_traceback_later()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    summary = {"inputs": number - arguments.first, "slowest": round(slowest, 2), "peak_mb": peak}
    print(json.dumps({**summary, "outcomes": outcomes, "faults": faults}))
    return bool(faults)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=300)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--scratch", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(main(given, given.scratch or Path(directory)))
