"""Data sets from small files of the real formats, behind a server on this machine."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras import config
from multikeras.datasets import (
    boston_housing,
    cifar10,
    cifar100,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)
from multikeras.datasets.sources import unpickled

RNG = np.random.RandomState(2)


class Quiet(SimpleHTTPRequestHandler):
    """A server that writes no log."""

    def log_message(self, *args: Any) -> None:
        """Writes nothing."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A directory and its URL; the cache is empty."""
    directory = tmp_path / "served"
    directory.mkdir()
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(config, "home", lambda: cache)
    running = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield directory, f"http://127.0.0.1:{running.server_port}/"
    running.shutdown()
    thread.join()
    running.server_close()


def ragged(*lists: list[int]) -> np.ndarray:
    result = np.empty(len(lists), dtype=object)
    result[:] = lists
    return result


def test_mnist(server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    directory, url = server
    x, y = RNG.randint(0, 256, (7, 28, 28)).astype(np.uint8), RNG.randint(0, 10, 7).astype(np.uint8)
    np.savez(directory / "mnist.npz", x_train=x[:5], y_train=y[:5], x_test=x[5:], y_test=y[5:])
    monkeypatch.setattr(mnist, "ORIGIN", url + "mnist.npz")
    with pytest.raises(ValueError, match="not the file that is wanted"):
        mnist.load_data()
    assert not list((config.home() / "datasets").iterdir())
    monkeypatch.setattr(mnist, "HASH", None)
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    np.testing.assert_array_equal(np.concatenate([x_train, x_test]), x)
    np.testing.assert_array_equal(np.concatenate([y_train, y_test]), y)
    # The second time nothing is fetched, and no hash is asked for.
    (directory / "mnist.npz").unlink()
    monkeypatch.setattr(mnist, "HASH", "0" * 64)
    np.testing.assert_array_equal(mnist.load_data()[0][0], x_train)
    np.testing.assert_array_equal(mnist.load_data(str(config.home() / "datasets" / "mnist.npz"))[0][0], x_train)


def test_fashion_mnist(server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    directory, url = server
    monkeypatch.setattr(fashion_mnist, "ORIGIN", url)
    made = {}
    for part, count in (("train", 4), ("t10k", 3)):
        labels, pictures = RNG.bytes(count), RNG.bytes(count * 784)
        (directory / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + labels))
        (directory / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + pictures))
        made[part] = np.frombuffer(pictures, np.uint8).reshape(count, 28, 28), np.frombuffer(labels, np.uint8)
    found = fashion_mnist.load_data()
    for part, (x, y) in zip(("train", "t10k"), found, strict=True):
        np.testing.assert_array_equal(x, made[part][0])
        np.testing.assert_array_equal(y, made[part][1])
    assert (config.home() / "datasets" / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz").exists()


def test_boston_housing(server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    directory, url = server
    monkeypatch.setattr(boston_housing, "ORIGIN", url + "boston_housing.npz")
    monkeypatch.setattr(boston_housing, "HASH", None)
    x, y = RNG.rand(20, 13), np.arange(20.0)
    np.savez(directory / "boston_housing.npz", x=x, y=y)
    (x_train, y_train), (x_test, y_test) = boston_housing.load_data(test_split=0.25, seed=1)
    assert len(x_train) == 15
    order = np.concatenate([y_train, y_test]).astype(int)
    assert sorted(order) == list(range(20)) != list(order)
    np.testing.assert_array_equal(np.concatenate([x_train, x_test]), x[order])
    with pytest.raises(ValueError, match="test_split"):
        boston_housing.load_data(test_split=1)


@pytest.fixture
def reviews(server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    directory, url = server
    lists = [[1, 5, 9, 2], [3], [7, 8, 9, 10, 11, 12], [4, 4]]
    train, test = ragged(*lists), ragged([6, 1], [2, 2, 2])
    np.savez(directory / "imdb.npz", x_train=train, y_train=np.arange(4), x_test=test, y_test=np.array([0, 1]))
    (directory / "imdb_word_index.json").write_text(json.dumps({"the": 1, "film": 2}))
    for name in ("HASH", "WORDS_HASH"):
        monkeypatch.setattr(imdb, name, None)
    monkeypatch.setattr(imdb, "ORIGIN", url + "imdb.npz")
    monkeypatch.setattr(imdb, "WORDS_ORIGIN", url + "imdb_word_index.json")
    return lists


#: Arguments, and what they make of the words 1, 5, 9, 2.
WORDS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "plain": ({}, [1, 4, 8, 12, 5]),
    "few": ({"num_words": 8}, [1, 4, 2, 2, 5]),
    "old name": ({"nb_words": 8}, [1, 4, 2, 2, 5]),
    "top left out": ({"skip_top": 5}, [2, 2, 8, 12, 5]),
    "left out": ({"num_words": 8, "oov_char": None}, [1, 4, 5]),
    "cut": ({"maxlen": 3}, [1, 4, 8]),
    "bare": ({"start_char": None, "index_from": 0}, [1, 5, 9, 2]),
    "marked": ({"start_char": 7, "oov_char": 0, "index_from": 10, "num_words": 15}, [7, 11, 0, 0, 12]),
}


@pytest.mark.parametrize("name", WORDS)
def test_imdb(name: str, reviews: list[list[int]]) -> None:
    arguments, expected = WORDS[name]
    (x_train, y_train), (x_test, y_test) = imdb.load_data(**arguments)
    assert x_train[list(y_train).index(0)] == expected
    assert (len(x_train), len(x_test), sorted(y_train), sorted(y_test)) == (4, 2, [0, 1, 2, 3], [0, 1])


def test_imdb_order_and_words(reviews: list[list[int]]) -> None:
    orders = [tuple(imdb.load_data(seed=seed)[0][1]) for seed in (113, 113, 1, 2, 3)]
    assert orders[0] == orders[1]
    assert len(set(orders)) > 1
    assert imdb.get_word_index() == {"the": 1, "film": 2}
    with pytest.raises(TypeError, match="takes no argument 'max_words'"):
        imdb.load_data(max_words=3)
    with pytest.raises(ValueError, match="maxlen is at least 1"):
        imdb.load_data(maxlen=0)


def test_reuters(server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    directory, url = server
    lists = [[i, i + 1] for i in range(10)]
    np.savez(directory / "reuters.npz", x=ragged(*lists), y=np.arange(10))
    monkeypatch.setattr(reuters, "ORIGIN", url + "reuters.npz")
    monkeypatch.setattr(reuters, "HASH", None)
    (x_train, y_train), (x_test, y_test) = reuters.load_data(test_split=0.3)
    assert (len(x_train), len(x_test)) == (7, 3)
    for words, topic in zip([*x_train, *x_test], [*y_train, *y_test], strict=True):
        assert words == [1, topic + 3, topic + 4]


def cifar_batch(count: int, **labels: list[int]) -> tuple[np.ndarray, bytes]:
    """A file as Python 2 pickled it: protocol 2, keys of bytes."""
    data = RNG.randint(0, 256, (count, 3072)).astype(np.uint8)
    content: dict[bytes, Any] = {b"data": data, **{name.encode(): numbers for name, numbers in labels.items()}}
    return data.reshape(-1, 3, 32, 32), pickle.dumps(content, protocol=2)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_cifar10(server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, data_format: str) -> None:
    directory, url = server
    monkeypatch.setattr(cifar10, "ORIGIN", url + "cifar-10-python.tar.gz")
    monkeypatch.setattr(cifar10, "HASH", None)
    monkeypatch.setattr(config, "image_data_format", lambda: data_format)
    pictures = []
    with tarfile.open(directory / "cifar-10-python.tar.gz", "w:gz") as archive:
        for name in [*[f"data_batch_{n}" for n in range(1, 6)], "test_batch"]:
            made, content = cifar_batch(2, labels=[len(pictures), 9])
            pictures.append(made)
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    axes = (0, 1, 2, 3) if data_format == "channels_first" else (0, 2, 3, 1)
    np.testing.assert_array_equal(x_train, np.concatenate(pictures[:5]).transpose(axes))
    np.testing.assert_array_equal(x_test, pictures[5].transpose(axes))
    assert y_train.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert (y_test.tolist(), y_test.dtype) == ([5, 9], np.uint8)
    # An unpacked directory is enough.
    (config.home() / "datasets" / "cifar-10-batches-py.tar.gz").unlink()
    (directory / "cifar-10-python.tar.gz").unlink()
    np.testing.assert_array_equal(cifar10.load_data()[0][0], x_train)


def test_cifar100(server: tuple[Path, str]) -> None:
    unpacked = config.home() / "datasets" / "cifar-100-python"
    unpacked.mkdir(parents=True)
    for name in ("train", "test"):
        (unpacked / name).write_bytes(cifar_batch(3, fine_labels=[99, 1, 2], coarse_labels=[19, 0, 1])[1])
    assert cifar100.load_data()[0][1].tolist() == [99, 1, 2]
    assert cifar100.load_data("coarse")[1][1].tolist() == [19, 0, 1]
    with pytest.raises(ValueError, match="'fine' or 'coarse', received 'all'"):
        cifar100.load_data("all")


class Evil:
    """Runs code when it is unpickled, if anybody lets it."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('code from a data set has run')",)


def test_pickles_that_would_run_code_are_refused(server: tuple[Path, str]) -> None:
    home = config.home() / "datasets"
    (home / "cifar-100-python").mkdir(parents=True)
    (home / "cifar-100-python" / "train").write_bytes(pickle.dumps({b"data": Evil()}))
    with pytest.raises(ValueError, match=r"builtins\.exec"):
        cifar100.load_data()
    evil = np.empty(1, dtype=object)
    evil[0] = Evil()
    np.savez(home / "imdb.npz", x_train=evil, y_train=[0], x_test=evil, y_test=[0])
    with pytest.raises(ValueError, match=r"builtins\.exec"):
        imdb.load_data()


def test_a_damaged_file_is_named(server: tuple[Path, str]) -> None:
    home = config.home() / "datasets"
    home.mkdir()
    (home / "mnist.npz").write_bytes(b"not a zip file")
    with pytest.raises(ValueError, match=r"mnist\.npz is not the data set's file.*Delete it"):
        mnist.load_data()


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


_MADE = _name("numpy.core.multiarray", "_reconstruct") + _name("numpy", "ndarray") + b"K\x00\x85U\x01b\x87R"
_OBJECT = _name("numpy", "dtype") + b"U\x02O8K\x00K\x01\x87R"
_RECORD = _name("numpy", "dtype") + b"U\x02V8K\x00K\x01\x87R"
_FLOAT = _name("numpy", "dtype") + b"U\x02f8K\x00K\x01\x87R"
_POINTER = b"U\x08AAAAAAAA"
_END = b"\x89" + _POINTER + b"tb."

#: Pickles that NumPy's own classes read as pointers to any place of the memory, of which each made Python crash.
POINTERS = {
    "flags of a type": _MADE
    + b"(K\x01K\x01\x85"
    + _OBJECT
    + b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    + _END,
    "object in a record": _MADE
    + b"(K\x01K\x01\x85"
    + _RECORD
    + b"(K\x03U\x01|NU\x01a\x85}U\x01a"
    + _OBJECT
    + b"K\x00\x86sK\x08K\x01K\x00tb"
    + _END,
    "field outside of a record": _MADE
    + b"(K\x01K\x01\x85"
    + _RECORD
    + b"(K\x03U\x01|NU\x01a\x85}U\x01a"
    + _FLOAT
    + b"J\x00\x00\x00\x40\x86sK\x08K\x01K\x00tb"
    + _END,
    "number that is an object": _name("numpy.core.multiarray", "scalar") + _OBJECT + _POINTER + b"\x86R.",
    "array of a terabyte": _name("numpy", "ndarray") + b"\x8a\x06\x00\x00\x00\x00\x00\x01\x85\x85R.",
}


@pytest.mark.parametrize("name", POINTERS)
def test_pickles_that_would_reach_other_memory_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"the file cannot be read: .*Delete the file"):
        unpickled(b"\x80\x02" + POINTERS[name], "the file", "latin1")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_pickles_of_arrays_are_read(protocol: int) -> None:
    lists = np.empty(2, dtype=object)
    lists[:] = [[1, 2], [3]]
    nested = np.empty(1, dtype=object)
    nested[0] = np.arange(3)
    content = {
        "numbers": np.arange(6, dtype=">i4").reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "words": np.array([b"a", b"bc"]),
        "number": np.float32(2.5),
        "lists": lists,
        "nested": nested,
        "tuple": (1, [np.ones(2)], None, "x"),
    }
    found = unpickled(pickle.dumps(content, protocol=protocol), "the file", "latin1")
    for key in ("numbers", "columns", "words"):
        np.testing.assert_array_equal(found[key], content[key])
        assert found[key].dtype == content[key].dtype
    assert found["number"] == 2.5 and found["lists"].tolist() == [[1, 2], [3]]
    np.testing.assert_array_equal(found["nested"][0], [0, 1, 2])
    assert found["tuple"][0] == 1 and found["tuple"][1][0].tolist() == [1, 1]


def _laughs(kind: str) -> bytes:
    """A pickle of sixty objects, each of which holds the one before twice: 2 ** 60 in all."""
    text = b"]" if kind == "list" else b")"
    for i in range(60):
        put, get = b"q" + bytes([i]), b"h" + bytes([i])
        text += put
        if kind == "tuple":
            text += get + b"\x86"
        elif kind == "list":
            text += b"0](" + get + get + b"e"
        else:
            text += b"0}(K\x01" + get + b"K\x02" + get + b"u"
    return b"\x80\x02" + text + b"."


@pytest.mark.parametrize("kind", ["tuple", "list", "dict"])
def test_few_objects_that_stand_for_many_are_read_once(kind: str) -> None:
    found = unpickled(_laughs(kind), "the file")
    depth = 0
    while found:
        one, other = found.values() if isinstance(found, dict) else found
        assert one is other
        found, depth = one, depth + 1
    assert depth == 60


def test_pictures_are_an_array(server: tuple[Path, str]) -> None:
    """NumPy would count the entries of lists in lists, 2 ** 60 of them."""
    home = config.home() / "datasets" / "cifar-100-python"
    home.mkdir(parents=True)
    (home / "train").write_bytes(b"\x80\x02}(U\x04data" + _laughs("list")[2:-1] + b"U\x0bfine_labels]u.")
    with pytest.raises(ValueError, match=r"train is not a batch of CIFAR: .*pictures are an array"):
        cifar100.load_data()


def test_functions_of_pickles_stay_as_they_are() -> None:
    changed = _name("numpy.core.multiarray", "scalar") + b"N}U\x0c__defaults__K\x01\x85s\x86b."
    with pytest.raises(ValueError, match="it changes a function"):
        unpickled(b"\x80\x02" + changed, "the file")


def _npy(shape: str, kind: str, content: bytes) -> bytes:
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


def test_arrays_of_more_than_a_file_holds_are_refused(server: tuple[Path, str]) -> None:
    home = config.home() / "datasets"
    home.mkdir()
    for content, words in (
        (_npy("(10000000000000,)", "<f8", b""), "declares shape"),
        (_npy("(2,)", "<f8", b"12345678"), "declares shape .* holds 8 bytes"),
        (_npy("(1,)", "|O", pickle.dumps(ragged([7] * 1000)[[0] * 1000], 2)), "more entries than it has bytes"),
        (bytes(200 << 20), "declares 209,715,200 bytes"),
    ):
        with zipfile.ZipFile(home / "mnist.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("x_train", "y_train", "x_test", "y_test"):
                archive.writestr(f"{name}.npy", content)
        with pytest.raises(ValueError, match=rf"mnist\.npz.*{words}"):
            mnist.load_data()
    labels = home / "fashion-mnist" / "train-labels-idx1-ubyte.gz"
    labels.parent.mkdir()
    for content, words in (
        (gzip.compress(bytes(60 << 20)), "unfolds to more than"),
        (b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20, "invalid block type"),
    ):
        labels.write_bytes(content)
        with pytest.raises(ValueError, match=rf"labels-idx1-ubyte\.gz is not .*{words}"):
            fashion_mnist.load_data()


@pytest.mark.parametrize("text", ["[1]", '{"a": "b"}', "{", "[" * 100_000])
def test_tables_of_words_are_tables_of_numbers(server: tuple[Path, str], text: str) -> None:
    home = config.home() / "datasets"
    home.mkdir()
    (home / "imdb_word_index.json").write_text(text)
    with pytest.raises(ValueError, match=r"imdb_word_index\.json is not the data set's file"):
        imdb.get_word_index()
