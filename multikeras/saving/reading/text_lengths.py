"""How long the texts of an attribute say that they are, read before libhdf5 does.

libhdf5 takes as much memory as a text of variable length declares, up to 4 GB each, before it looks at what the
file holds of it. So the lengths are read here from the bytes of the file: those of the object header of a group,
and in it the message of the attribute. The layout is that of the HDF5 File Format Specification, version 3,
sections IV.A.1 (object headers), IV.A.2.m (attributes) and IV.A.2.q (continuations).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

from multikeras.saving.libraries import h5py as _h5py
from multikeras.saving.reading.faults import CorruptFileError

#: Gives the bytes from an offset on, as many as are asked for.
Bytes = Callable[[int, int], bytes]

_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
#: Most pieces of a header, and bytes of one; libhdf5 writes pieces of some 64 KiB, in a group with a thousand
#: attributes a few hundred of them.
_PIECES, _PIECE = 10_000, 1 << 24


def bytes_of(file: Any) -> Bytes:
    """The bytes of an open `h5py.File`."""
    if file.mode != "r":
        # What was written a moment ago may not be among them yet.
        file.flush()
    if file.driver == "sec2" and hasattr(os, "pread"):
        number = file.id.get_vfd_handle()
        return lambda start, count: os.pread(number, count, start)
    image = file.id.get_file_image()
    return lambda start, count: image[start : start + count]


def attributes_of(group: Any, read: Bytes) -> dict[str, bytes]:
    """The attributes in the header of a group of h5py, as they are stored.

    Args:
        group: The group.
        read: The bytes of the file.

    Returns:
        Values by name; where texts of variable length are values, `declared` reads them. Attributes that newer forms
        of HDF5 keep elsewhere are not among them.

    Raises:
        CorruptFileError: If the header cannot be read.
    """
    base = group.file.userblock_size
    found: dict[str, bytes] = {}
    try:
        for kind, flags, data in _messages(lambda start, n: read(base + start, n), _h5py().h5o.get_info(group.id).addr):
            if kind != _ATTRIBUTE:
                continue
            encoded, values = _attribute(data)
            name = encoded.decode("utf-8", "replace")
            if flags & 2 or name in found:
                # Which of two libhdf5 reads, and what it shares with other groups, cannot be told here.
                raise CorruptFileError(f"the header of {group.name} holds an attribute twice, or shares one")
            found[name] = values
    except struct.error as error:
        raise CorruptFileError(f"the header of {group.name} is cut off ({error})") from error
    return found


def declared(values: bytes, count: int) -> list[int]:
    """The lengths in bytes that texts of variable length declare.

    Args:
        values: What `attributes_of` gave.
        count: How many texts there are.
    """
    # Each is a length, the address of a heap, and a number in it.
    there = 16 * min(count, len(values) // 16)
    return [length for length, _, _ in struct.iter_unpack("<IQI", values[:there])]


def _messages(read: Bytes, address: int) -> Iterator[tuple[int, int, bytes]]:
    """Kind, flags and data of the messages of an object header."""
    start = read(address, 64)
    if start[:4] == b"OHDR":
        flags = start[5]
        place = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(start[place : place + width], "little")
        head, step = "<BHB", 6 if flags & 4 else 4
        pieces = [(address + place + width, size)]
    else:
        (size,) = struct.unpack_from("<I", start, 8)
        head, step = "<HHB", 8
        pieces = [(address + 16, size)]
    is_second = step != 8
    seen: set[tuple[int, int]] = set()
    while pieces:
        piece = pieces.pop(0)
        if piece in seen or len(seen) == _PIECES or piece[1] > _PIECE:
            raise CorruptFileError(f"an object header has pieces without end, or one of {piece[1]:,} bytes")
        seen.add(piece)
        content = read(*piece)
        place = 0
        while place + step <= len(content):
            kind, length, flags = struct.unpack_from(head, content, place)
            data = content[place + step : place + step + length]
            place += step + length
            if kind == _CONTINUATION:
                offset, size = struct.unpack_from("<QQ", data)
                # In the second version between a signature and a checksum.
                pieces.append((offset + 4, max(0, size - 8)) if is_second else (offset, size))
            yield kind, flags, data


def _attribute(data: bytes) -> tuple[bytes, bytes]:
    """The name of an attribute, and its values as they are stored."""
    version, _, *sizes = struct.unpack_from("<BBHHH", data)
    place = 9 if version == 3 else 8
    name = data[place : place + sizes[0]].partition(b"\0")[0]
    for size in sizes:
        place += -(-size // 8) * 8 if version == 1 else size
    return name, data[place:]
