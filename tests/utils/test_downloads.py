"""`get_file`: fetching, hashes, unpacking."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from multikeras.saving.reading import limits
from multikeras.utils.downloads import get_file, validate_file

CONTENT = b"a small file\n" * 100


class Handler(BaseHTTPRequestHandler):
    """Serves the same content everywhere, but breaks off under /short."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:100] if self.path == "/short" else CONTENT)

    def log_message(self, *args: Any) -> None:
        """Writes nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Handler.asked = 0
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_file_is_fetched_once(url: str, tmp_path: Path) -> None:
    for _ in range(2):
        path = get_file("name.txt", url + "/any", cache_subdir="inner", cache_dir=tmp_path)
    assert Path(path) == tmp_path / "inner" / "name.txt"
    assert Path(path).read_bytes() == CONTENT
    assert Handler.asked == 1
    assert get_file(str(tmp_path / "there"), url + "/any", cache_dir="unused") == str(tmp_path / "there")


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_hashes(url: str, tmp_path: Path, algorithm: str, capsys: pytest.CaptureFixture[str]) -> None:
    right = hashlib.new(algorithm, CONTENT).hexdigest()
    path = tmp_path / "datasets" / "name.txt"
    with pytest.raises(ValueError, match=f"its {algorithm} is {right}, expected"):
        get_file("name.txt", url + "/any", file_hash="0" * len(right), cache_dir=tmp_path)
    assert not any(path.parent.iterdir())
    path.write_bytes(b"an older version")
    get_file("name.txt", url + "/any", file_hash=right.upper(), hash_algorithm=algorithm, cache_dir=tmp_path)
    assert path.read_bytes() == CONTENT
    assert "fetching it again" in capsys.readouterr().out
    assert validate_file(path, right)
    assert not validate_file(path, "0" * len(right))
    get_file("name.txt", url + "/any", md5_hash=hashlib.md5(CONTENT).hexdigest(), cache_dir=tmp_path)
    assert Handler.asked == 2
    with pytest.raises(ValueError, match="MD5 .32 hexadecimal digits."):
        get_file("other", url + "/any", file_hash="abc", cache_dir=tmp_path)


@pytest.mark.parametrize(("place", "words"), [("/short", "broke off after 100 of 1,300"), ("/missing", "404")])
def test_what_cannot_be_fetched_leaves_nothing(url: str, tmp_path: Path, place: str, words: str) -> None:
    with pytest.raises(OSError, match=words):
        get_file("name.txt", url + place, cache_dir=tmp_path)
    assert not any((tmp_path / "datasets").iterdir())


def test_other_schemes(tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(CONTENT)
    path = get_file("copy", (tmp_path / "here").as_uri(), cache_dir=tmp_path)
    assert Path(path).read_bytes() == CONTENT
    with pytest.raises(OSError, match="cannot be fetched"):
        get_file("none", (tmp_path / "nothing").as_uri(), cache_dir=tmp_path)


def tar(path: Path, *names: str, link: str | None = None) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(CONTENT)
            archive.addfile(entry, io.BytesIO(CONTENT))
        if link is not None:
            entry = tarfile.TarInfo("link")
            entry.type, entry.linkname = tarfile.SYMTYPE, link
            archive.addfile(entry)


def zipped(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, CONTENT)


def test_unpacking(tmp_path: Path) -> None:
    tar(tmp_path / "a", "things/one", "things/inner/two")
    made = get_file("things", (tmp_path / "a").as_uri(), untar=True, cache_dir=tmp_path)
    assert (Path(made) / "inner" / "two").read_bytes() == CONTENT
    assert Path(made) == tmp_path / "datasets" / "things"
    zipped(tmp_path / "b", "three", "four/five")
    path = get_file("b.zip", (tmp_path / "b").as_uri(), extract=True, cache_dir=tmp_path)
    assert (Path(path).parent / "four" / "five").read_bytes() == CONTENT
    tar(tmp_path / "c", "six")
    get_file("c.tgz", (tmp_path / "c").as_uri(), extract=True, archive_format="zip", cache_dir=tmp_path)
    assert not (tmp_path / "datasets" / "six").exists()
    get_file("c.tgz", "unused:", extract=True, archive_format=["tar"], cache_dir=tmp_path)
    assert (tmp_path / "datasets" / "six").exists()
    with pytest.raises(ValueError, match="archive_format"):
        get_file("c.tgz", "unused:", extract=True, archive_format="rar", cache_dir=tmp_path)


OUTSIDE = ["../outside", "/tmp/multikeras-outside", "a/../../outside", "..\\outside", "c:outside"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make", [tar, zipped])
def test_archives_cannot_write_elsewhere(tmp_path: Path, make: Any, name: str) -> None:
    make(tmp_path / "evil", "first", name)
    with pytest.raises(ValueError, match="outside its directory"):
        get_file("evil", (tmp_path / "evil").as_uri(), extract=True, cache_dir=tmp_path)
    assert [p.name for p in (tmp_path / "datasets").iterdir()] == ["evil"]
    assert not (tmp_path / "outside").exists()


def test_links_in_archives_are_refused(tmp_path: Path) -> None:
    tar(tmp_path / "evil", "first", link="/etc")
    with pytest.raises(ValueError, match="'link', which is a link, a device or"):
        get_file("evil", (tmp_path / "evil").as_uri(), extract=True, cache_dir=tmp_path)
    assert [p.name for p in (tmp_path / "datasets").iterdir()] == ["evil"]


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"S"])
def test_members_that_are_no_files_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "evil", "w", format=tarfile.GNU_FORMAT) as archive:
        entry = tarfile.TarInfo("first")
        entry.size = len(CONTENT)
        archive.addfile(entry, io.BytesIO(CONTENT))
        entry = tarfile.TarInfo("second")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    content = bytearray((tmp_path / "evil").read_bytes())
    if kind == b"S":
        # A hole of a terabyte: where it begins, how long it is, how long the file is.
        head = content.index(b"second")
        content[head + 386 : head + 410] = b"00000000000\0" + b"00000000000\0"
        content[head + 483 : head + 495] = b"\x80" + bytes(5) + (1 << 40).to_bytes(6, "big")
        content[head + 148 : head + 156] = b" " * 8
        content[head + 148 : head + 156] = b"%06o\0 " % sum(content[head : head + 512])
        (tmp_path / "evil").write_bytes(content)
    with pytest.raises(ValueError, match="'second', which is a link, a device or a file of holes"):
        get_file("evil", (tmp_path / "evil").as_uri(), extract=True, cache_dir=tmp_path)
    assert [p.name for p in (tmp_path / "datasets").iterdir()] == ["evil"]


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_archives_that_unfold_without_end_are_refused(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, unpacked_floor=1 << 20))
    if form == "tar":
        with tarfile.open(tmp_path / "bomb", "w:gz") as archive:
            entry = tarfile.TarInfo("zeros")
            entry.size = 3 << 20
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    else:
        with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("zeros", bytes(3 << 20))
    with pytest.raises(ValueError, match="unfolds to more than a hundred times its size"):
        get_file("bomb", (tmp_path / "bomb").as_uri(), extract=True, cache_dir=tmp_path)
    assert [p.name for p in (tmp_path / "datasets").iterdir()] == ["bomb"]


def _header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header of a tar archive, whose size may be anything: as tarfile reads it, below 0 too."""
    entry = tarfile.TarInfo(name)
    entry.type = kind
    content = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    content[124:136] = b"%011o\0" % size if size >= 0 else b"\xff" + (256**11 + size).to_bytes(11, "big")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content)
    return bytes(content)


def _broken_zip(place: int, value: int, in_directory: int | None = None) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("a", b"hello" * 100)
    content = bytearray(memory.getvalue())
    content[place] = value
    if in_directory is not None:
        content[content.rindex(b"PK\x01\x02") + in_directory] = value
    return bytes(content)


_FIRST = _header("first", 0)

BROKEN = {
    # Without a check the next member would be this one, without end.
    "a size below 0": (_FIRST + _header("a", -512) + bytes(1024), "'a' of -512 bytes"),
    "attributes below 0": (_FIRST + _header("a", -512, tarfile.XHDTYPE) + bytes(1024), "a header of -512 bytes"),
    # A megabyte of zeros packed to gigabytes would be read as one name.
    "a long name": (gzip.compress(_FIRST + _header("a", 2 << 30, tarfile.GNUTYPE_LONGNAME)), "of 2,147,483,648 bytes"),
    "attributes at once": (gzip.compress(_header("a", 2 << 30, tarfile.XHDTYPE)), "of 2,147,483,648 bytes"),
    "cut off": (gzip.compress(_FIRST + _header("a", 2 << 20) + bytes(2 << 20))[:-900], "cannot be unpacked: "),
    "another sum": (_broken_zip(40, 0), "cannot be unpacked: Bad CRC"),
    "encrypted": (_broken_zip(6, 1, 8), "cannot be unpacked: .*encrypted"),
    "another method": (_broken_zip(8, 99, 10), "cannot be unpacked: .*not supported"),
    "deep": (_FIRST + _header("d/" * 49 + "f", 0), None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_archives_are_named(tmp_path: Path, name: str) -> None:
    content, words = BROKEN[name]
    (tmp_path / "served").write_bytes(content)

    def fetched() -> None:
        get_file("archive", (tmp_path / "served").as_uri(), extract=True, cache_dir=tmp_path)

    if words is None:
        fetched()
        assert (tmp_path / "datasets" / ("d/" * 49 + "f")).exists()
        return
    with pytest.raises(ValueError, match=rf"archive .*{words}"):
        fetched()
    assert [p.name for p in (tmp_path / "datasets").iterdir()] == ["archive"]


def test_directories_in_archives_are_not_deeper_than_a_limit(tmp_path: Path) -> None:
    zipped(tmp_path / "deep.zip", "/".join("d" * 1500))
    with pytest.raises(ValueError, match="directories 1,500 deep"):
        get_file("a", (tmp_path / "deep.zip").as_uri(), extract=True, cache_dir=tmp_path)


@pytest.mark.parametrize("content", [b"BZh is no archive", b"]\0\0 neither", b"\x1f\x8b nor this", b"", b"text"])
def test_what_is_no_archive_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "served").write_bytes(content)
    path = get_file("a", (tmp_path / "served").as_uri(), extract=True, cache_dir=tmp_path)
    assert Path(path).read_bytes() == content


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
def test_packed_archives(tmp_path: Path, packing: str) -> None:
    with tarfile.open(tmp_path / "served", f"w:{packing}") as archive:  # type: ignore[call-overload]
        entry = tarfile.TarInfo("d/" * 70 + "n" * 200)
        entry.size = 3 << 20
        archive.addfile(entry, io.BytesIO(bytes(range(256)) * (3 << 12)))
    get_file("a", (tmp_path / "served").as_uri(), extract=True, cache_dir=tmp_path)
    found = tmp_path / "datasets" / ("d/" * 70 + "n" * 200)
    assert found.read_bytes() == bytes(range(256)) * (3 << 12)
