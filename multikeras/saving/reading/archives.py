"""Zip archives: the wanted members alone, each checked before it is unpacked."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from multikeras.saving.reading.faults import CorruptFileError, UnsafeFileError
from multikeras.saving.reading.limits import LIMITS, Limits

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo


def is_zip(source: Any) -> bool:
    """Whether a path or a binary file object holds a zip archive."""
    if isinstance(source, (str, os.PathLike)):
        if not os.path.isfile(source):
            return False
        with open(source, "rb") as file:
            return file.read(4) == b"PK\x03\x04"
    if not hasattr(source, "read") or not hasattr(source, "seek"):
        return False
    place = source.tell()
    found: bytes = source.read(4)
    source.seek(place)
    return found == b"PK\x03\x04"


def name_of(source: Any) -> str:
    """What messages call an archive: its path, or the name of the file object."""
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else str(getattr(source, "name", "the archive"))


def members(source: Any, wanted: Mapping[str, bool], limits: Limits = LIMITS) -> dict[str, bytes]:
    """Members of a zip archive, each checked before it is unpacked; others are not looked at.

    Args:
        source: A path or a binary file object.
        wanted: Names of members, and whether each has to be there.
        limits: The limits.

    Raises:
        CorruptFileError: If it is no archive, one is missing, or damaged.
        UnsafeFileError: If one is larger than its stored bytes allow, is packed by an unknown method, or the archive
            holds a name twice.
    """
    import zipfile
    import zlib

    where = name_of(source)
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(source) as archive:
            listed = archive.infolist()
            if len(listed) > limits.members:
                raise UnsafeFileError(f"{where} has {len(listed):,} members.")
            for name, is_needed in wanted.items():
                entries = [entry for entry in listed if entry.filename == name]
                if not entries and not is_needed:
                    continue
                if len(entries) != 1:
                    kind = CorruptFileError if not entries else UnsafeFileError
                    raise kind(f"{where} holds {len(entries)} members called {name!r}, expected one.")
                found[name] = _unpacked(archive, entries[0], where, limits)
    except (UnsafeFileError, CorruptFileError):
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        ArithmeticError,
        EOFError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise CorruptFileError(f"{where} cannot be read as a zip archive: {error}") from error
    return found


def _unpacked(archive: ZipFile, entry: ZipInfo, where: str, limits: Limits) -> bytes:
    import zipfile

    file: Any = archive.fp
    held = file.seek(0, os.SEEK_END)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnsafeFileError(
            f"{where}: the member {entry.filename!r} is packed by method {entry.compress_type}, and only stored and "
            "deflated ones are read."
        )
    # An entry may say what it likes; what is stored is in the file.
    stored = min(entry.compress_size, held)
    if entry.file_size > min(limits.total_bytes, limits.unpacked(stored)):
        raise UnsafeFileError(
            f"{where}: the member {entry.filename!r} declares {entry.file_size:,} bytes, and {stored:,} are stored."
        )
    with archive.open(entry) as opened:
        # Not more than declared, whatever comes.
        content = opened.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise CorruptFileError(f"{where}: the member {entry.filename!r} has not the size that it declares.")
    return content
