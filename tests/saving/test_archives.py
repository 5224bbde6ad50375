"""Zip archives that contradict themselves, or ask for more than they hold."""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from multikeras.layers import Dense
from multikeras.models import Sequential, load_model
from multikeras.saving import CorruptFileError, UnsafeFileError


def model_of() -> Sequential:
    model = Sequential([Dense(2, input_shape=(3,), name="dense")])
    model.compile("sgd", "mse")
    return model


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> Path:
    model_of().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    return path


def directory_entry(content: bytearray, name: bytes) -> int:
    """Where the entry of a member begins in the directory of an archive."""
    return content.rindex(name) - 46


def test_an_archive_cannot_say_that_more_is_stored(tmp_path: Path) -> None:
    """200 KB unfold to 200 MB, and the directory says that 3 GB are stored."""
    path = rewritten(
        tmp_path / "m.keras", lambda members: members.__setitem__("config.json", bytes(200 << 20)), zipfile.ZIP_DEFLATED
    )
    content = bytearray(path.read_bytes())
    entry = directory_entry(content, b"config.json")
    content[entry + 20 : entry + 24] = struct.pack("<I", 3 << 30)
    path.write_bytes(content)
    with pytest.raises(UnsafeFileError, match=r"declares 209,715,200 bytes, and 2\d\d,\d\d\d are stored"):
        load_model(path)


def test_an_archive_cannot_say_that_less_comes_out(tmp_path: Path) -> None:
    path = rewritten(
        tmp_path / "m.keras", lambda members: members.__setitem__("config.json", bytes(64 << 20)), zipfile.ZIP_DEFLATED
    )
    content = bytearray(path.read_bytes())
    entry = directory_entry(content, b"config.json")
    content[entry + 24 : entry + 28] = struct.pack("<I", 100)
    path.write_bytes(content)
    with pytest.raises(CorruptFileError):
        load_model(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_are_stored_or_deflated(tmp_path: Path, method: int) -> None:
    with pytest.raises(UnsafeFileError, match="packed by method"):
        load_model(rewritten(tmp_path / "m.keras", lambda members: None, method))


def _changed(name: bytes, place: int, value: bytes) -> Callable[[bytearray], None]:
    def change(content: bytearray) -> None:
        entry = directory_entry(content, name)
        content[entry + place : entry + place + len(value)] = value

    return change


def _renamed(content: bytearray) -> None:
    place = content.index(b"config.json")
    content[place : place + 11] = b"other.jsonx"


LIES: dict[str, Callable[[bytearray], None]] = {
    "encrypted": _changed(b"config.json", 8, b"\x01\x00"),
    "names differ": _renamed,
    "begins elsewhere": _changed(b"config.json", 42, struct.pack("<I", 5)),
    "begins outside": _changed(b"config.json", 42, struct.pack("<I", 1 << 30)),
    "on top of another": _changed(b"model.weights.h5", 42, struct.pack("<I", 0)),
    "zip64 without sizes": _changed(b"config.json", 20, b"\xff" * 8),
    "unknown method": _changed(b"config.json", 10, b"\x63\x00"),
    "other sum": _changed(b"config.json", 16, b"\0\0\0\0"),
    "directory elsewhere": lambda content: content.__setitem__(slice(-6, -2), struct.pack("<I", 7)),
    "many members": lambda content: content.__setitem__(slice(-12, -8), b"\xff\x7f\xff\x7f"),
}


@pytest.mark.parametrize("name", LIES)
def test_archives_that_contradict_themselves(tmp_path: Path, name: str) -> None:
    path = rewritten(tmp_path / "m.keras", lambda members: None)
    content = bytearray(path.read_bytes())
    LIES[name](content)
    path.write_bytes(content)
    # Weights may be read without the configuration.
    is_whole = name in ("on top of another", "directory elsewhere", "many members")
    for way in (load_model, model_of().load_weights) if is_whole else (load_model,):
        with pytest.raises((CorruptFileError, UnsafeFileError), match=r"m\.keras"):
            way(path)


def test_members_beside_the_wanted_ones_are_not_looked_at(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "m.keras", lambda members: None)
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = 0o120777 << 16
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("/etc/multikeras", b"x")
        archive.writestr("../../outside", b"x")
        archive.writestr("bomb", bytes(50 << 20))
        archive.writestr(link, b"/etc/passwd")
    before = set(tmp_path.parent.iterdir())
    load_model(path)
    assert set(tmp_path.parent.iterdir()) == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]


def test_a_link_in_the_place_of_a_member(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    model_of().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    link = zipfile.ZipInfo("model.weights.h5")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", members["config.json"])
        archive.writestr(link, os.fsencode(tmp_path / "m.keras"))
    with pytest.raises(CorruptFileError, match=r"m\.keras, model\.weights\.h5 cannot be read as an HDF5 file"):
        load_model(path)
