"""Callbacks that write for other programs: TensorBoard's event files, a server."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

from multikeras.callbacks import RemoteMonitor, TensorBoard
from multikeras.callbacks.event_file import crc32c, masked
from multikeras.layers import Dense
from multikeras.models import Sequential

X = np.random.default_rng(1).normal(size=(10, 4)).astype("float32")
Y = X[:, :1]


def model_of() -> Sequential:
    model = Sequential([Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


# -- a reader of event files, apart from the writer ---------------------------------------------


def slow_crc32c(data: bytes) -> int:
    """Bit by bit, by polynomial division."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def fields(data: bytes) -> list[tuple[int, Any]]:
    """Number and value of every field of a protocol buffer."""
    found, place = [], 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = data[place]
            place += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return number

    while place < len(data):
        key = varint()
        kind, size = key & 7, 0
        if kind == 0:
            found.append((key >> 3, varint()))
            continue
        size = {1: 8, 5: 4}[kind] if kind != 2 else varint()
        value: Any = data[place : place + size]
        place += size
        found.append((key >> 3, struct.unpack("<d" if kind == 1 else "<f", value)[0] if kind != 2 else value))
    return found


def events(path: Path) -> list[dict[int, Any]]:
    data, place, found = path.read_bytes(), 0, []
    while place < len(data):
        (length,) = struct.unpack("<Q", data[place : place + 8])
        content = data[place + 12 : place + 12 + length]
        for part, at in ((data[place : place + 8], place + 8), (content, place + 12 + length)):
            value = slow_crc32c(part)
            rotated = (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF
            assert struct.unpack("<I", data[at : at + 4])[0] == rotated
        found.append(dict(fields(content)))
        place += 16 + length
    return found


def scalars(path: Path) -> dict[tuple[str, int], float]:
    found = {}
    for event in events(path):
        for _, entry in fields(event.get(5, b"")):
            value = dict(fields(entry))
            if 2 in value:
                found[value[1].decode(), event.get(2, 0)] = value[2]
    return found


def test_checksums() -> None:
    # The check value of CRC-32C, and RFC 3720, B.4.
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert masked(0) == 0xA282EAD8


def test_every_number_that_is_logged_is_in_the_event_file(each_backend: str, tmp_path: Path) -> None:
    model = model_of()
    history = model.fit(
        X, Y, epochs=3, verbose=0, validation_data=(X, Y), callbacks=[TensorBoard(str(tmp_path / "logs"))]
    ).history
    (path,) = (tmp_path / "logs").glob("*tfevents*")
    expected = {(name, epoch): value for name, values in history.items() for epoch, value in enumerate(values)}
    found = scalars(path)
    assert found.keys() == expected.keys() and len(found) == 12
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-6)
    assert events(path)[0][3] == b"brain.Event:2"


def test_batches_and_histograms(tmp_path: Path) -> None:
    model = model_of()
    model.fit(X, Y, epochs=2, batch_size=5, verbose=0, callbacks=[TensorBoard(tmp_path, 1, update_freq="batch")])
    (path,) = tmp_path.glob("*tfevents*")
    found = scalars(path)
    assert [key for key in found if key[0] == "batch_loss"] == [("batch_loss", n) for n in (5, 10, 15, 20)]
    histograms = {}
    for event in events(path):
        for _, entry in fields(event.get(5, b"")):
            value = dict(fields(entry))
            if 5 in value:
                histograms[value[1].decode(), event.get(2, 0)] = dict(fields(value[5]))
    kernel = model.layers[0].get_weights()[0]
    last = histograms[model.layers[0].weights[0].name, 1]
    wanted = [kernel.min(), kernel.max(), 4, kernel.sum(dtype="float64")]
    np.testing.assert_allclose([last[1], last[2], last[3], last[4]], wanted)
    assert np.frombuffer(last[7]).sum() == 4
    assert len(np.frombuffer(last[6])) == len(np.frombuffer(last[7]))


def test_two_runs_write_two_files(tmp_path: Path) -> None:
    for _ in range(2):
        model_of().fit(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path)])
    assert len(list(tmp_path.glob("*tfevents*"))) == 2


@pytest.mark.parametrize("name", ["write_grads", "write_images", "embeddings_freq"])
def test_what_tensorboard_does_not_do(name: str) -> None:
    with pytest.raises(NotImplementedError, match=name):
        TensorBoard(**{name: 1})
    with pytest.raises(ValueError, match="'epoch', 'batch' or a number of samples, received 'step'"):
        TensorBoard(update_freq="step")


@pytest.fixture
def received() -> Iterator[tuple[str, list[tuple[str, Any, bytes]]]]:
    """Address of a server, and what it has received."""
    kept: list[tuple[str, Any, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.append((self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Writes nothing."""

    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", kept
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_server_is_told(received: Any) -> None:
    root, kept = received
    monitors = [RemoteMonitor(root), RemoteMonitor(root, "/json/", headers={"X-Key": "7"}, send_as_json=True)]
    loss = model_of().fit(X, Y, epochs=2, verbose=0, callbacks=monitors).history["loss"]
    assert [path for path, _, _ in kept] == ["/publish/epoch/end/", "/json/"] * 2
    form = json.loads(parse_qs(kept[2][2].decode())["data"][0])
    assert (form["epoch"], form["loss"]) == (1, loss[1])
    assert json.loads(kept[3][2]) == form
    assert kept[3][1]["X-Key"] == "7"
    assert kept[3][1]["Content-Type"] == "application/json"


def test_a_server_that_is_not_there_gives_a_warning() -> None:
    with pytest.warns(UserWarning, match="could not reach http://127.0.0.1:9"):
        model_of().fit(X, Y, verbose=0, callbacks=[RemoteMonitor("http://127.0.0.1:9")])
