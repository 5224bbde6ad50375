"""Event files of TensorBoard, written without TensorFlow.

An event file is a row of records: the length of the data as 8 bytes, a checksum of these, the data, and
a checksum of it. The data is a protocol buffer, `Event`; only the fields that are needed here are
written. Formats: tensorflow/core/lib/io/record_writer, tensorflow/core/util/event.proto,
tensorflow/core/framework/summary.proto.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np

# CRC-32C (Castagnoli), the bits reversed.
_POLYNOMIAL = 0x82F63B78


def _table() -> tuple[int, ...]:
    entries = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (_POLYNOMIAL if number & 1 else 0)
        entries.append(number)
    return tuple(entries)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The CRC-32C of some bytes."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def masked(checksum: int) -> int:
    """A checksum as records hold it: a checksum of data that holds checksums would be weak."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


# -- protocol buffers ---------------------------------------------------------------------------


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _float(field: int, number: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", number)


def _integer(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _histogram(values: np.ndarray) -> bytes:
    flat = np.asarray(values, dtype="float64").reshape(-1)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        flat = np.zeros(1)
    counts, edges = np.histogram(flat, bins=30)
    return b"".join(
        [
            _double(1, float(flat.min())),
            _double(2, float(flat.max())),
            _double(3, float(flat.size)),
            _double(4, float(flat.sum())),
            _double(5, float(np.square(flat).sum())),
            _bytes(6, edges[1:].astype("<f8").tobytes()),
            _bytes(7, counts.astype("<f8").tobytes()),
        ]
    )


# -- files --------------------------------------------------------------------------------------


class EventFile:
    """Writes one event file; it is made at once.

    Args:
        directory: Where; made if it is not there.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        place = Path(directory)
        place.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            suffix = f".{number}" if number else ""
            self.path = place / f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}{suffix}"
            try:
                self._file = open(self.path, "xb")  # noqa: SIM115
                break
            except FileExistsError:
                number += 1
        self._event(_bytes(3, b"brain.Event:2"))

    def scalars(self, values: dict[str, Any], step: int) -> None:
        """Writes numbers by their tags."""
        entries = [_bytes(1, _bytes(1, tag.encode("utf-8")) + _float(2, float(v))) for tag, v in values.items()]
        self._event(_integer(2, step) + _bytes(5, b"".join(entries)))

    def histogram(self, tag: str, values: np.ndarray, step: int) -> None:
        """Writes the distribution of the entries of an array."""
        entry = _bytes(1, _bytes(1, tag.encode("utf-8")) + _bytes(5, _histogram(values)))
        self._event(_integer(2, step) + _bytes(5, entry))

    def _event(self, content: bytes) -> None:
        data = _double(1, time.time()) + content
        length = struct.pack("<Q", len(data))
        sums = [struct.pack("<I", masked(crc32c(part))) for part in (length, data)]
        self._file.write(length + sums[0] + data + sums[1])

    def flush(self) -> None:
        """Lets readers see what was written."""
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
