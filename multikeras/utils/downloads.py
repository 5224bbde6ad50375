"""`get_file`: files fetched once and kept."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from multikeras import config
from multikeras.saving.atomic import replacing
from multikeras.utils.progress import Progbar

__all__ = ["get_file", "validate_file"]

_PIECE = 1 << 18
#: Longest header in a tar archive: a long name, a table of attributes.
_LONGEST_HEADER = 1 << 20
#: Deepest directory in an archive.
_DEPTH = 100
_TIMEOUT = 60.0
_HASH_LENGTHS = {32: "md5", 64: "sha256"}
_NAMES = {"md5": "md5", "sha256": "sha256"}


def get_file(
    fname: str | os.PathLike[str],
    origin: str,
    untar: bool = False,
    md5_hash: str | None = None,
    cache_subdir: str = "datasets",
    file_hash: str | None = None,
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
) -> str:
    """Fetches a file, unless it is there.

    The file appears under its name only when it is whole and its hash is right.

    Args:
        fname: Its name in the cache, or an absolute path.
        origin: The URL; any scheme that `urllib` opens.
        untar: The file is a tar archive, `fname` the directory that unpacking gives.
        md5_hash: Its MD5 hash; `file_hash` is the newer name.
        cache_subdir: Directory in the cache.
        file_hash: Its MD5 or SHA-256 hash in hexadecimal digits. A file that is there and has another is fetched anew.
        hash_algorithm: `'md5'`, `'sha256'`, or `'auto'`, which goes by the length.
        extract: Unpack it beside itself, if it is an archive.
        archive_format: `'auto'` (both), `'tar'`, `'zip'`, a list of these, or None for no archive.
        cache_dir: The cache; the directory of keras.json if None.

    Returns:
        Path of the file, or of the directory with `untar`.

    Raises:
        OSError: If it cannot be fetched; the message names the URL and the reason.
        ValueError: If its hash is another, or the archive holds names or links that lead out of its directory, or
            unfolds to more than `multikeras.saving.reading.limits` allows.
    """
    file_hash = file_hash or md5_hash
    expected = None if file_hash is None else (file_hash.lower(), _algorithm(file_hash, hash_algorithm))
    directory = Path(cache_dir if cache_dir is not None else config.home()) / cache_subdir
    wanted = directory / os.path.expanduser(fname)
    path = wanted.with_name(wanted.name + ".tar.gz") if untar else wanted
    if untar and wanted.is_dir() and not path.exists():
        return str(wanted)
    if path.exists() and expected is not None and _hash(path, expected[1]) != expected[0]:
        print(f"{path} is not the file that is wanted (its {expected[1]} is another): fetching it again.")
        _fetch(origin, path, expected)
    elif not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(origin, path, expected)
    if untar:
        if not wanted.exists():
            _unpack(path, wanted.parent, ("tar",))
    elif extract:
        _unpack(path, path.parent, _formats(archive_format))
    return str(wanted)


def validate_file(
    fpath: str | os.PathLike[str], file_hash: str, algorithm: str = "auto", chunk_size: int = _PIECE
) -> bool:
    """Whether a file has an MD5 or SHA-256 hash, given in hexadecimal digits."""
    return _hash(Path(fpath), _algorithm(file_hash, algorithm), chunk_size) == file_hash.lower()


# -- fetching -----------------------------------------------------------------------------------


def _fetch(origin: str, path: Path, expected: tuple[str, str] | None) -> None:
    # Some 40 ms, which nobody pays who downloads nothing.
    import urllib.error
    import urllib.request

    print(f"Downloading {origin}", file=sys.stderr)
    with replacing(path) as draft:
        found = hashlib.new(expected[1], usedforsecurity=False) if expected is not None else None
        try:
            with urllib.request.urlopen(origin, timeout=_TIMEOUT) as response, open(draft, "wb") as file:
                for piece in _pieces(response, origin):
                    file.write(piece)
                    if found is not None:
                        found.update(piece)
        except urllib.error.URLError as error:
            raise OSError(f"{origin} cannot be fetched: {error}") from error
        if found is not None and expected is not None and found.hexdigest() != expected[0]:
            raise ValueError(
                f"What came from {origin} is not the file that is wanted: its {expected[1]} is {found.hexdigest()}, "
                f"expected {expected[0]}. Nothing was kept."
            )


def _pieces(response: Any, origin: str) -> Iterator[bytes]:
    declared = response.headers.get("Content-Length")
    size = int(declared) if declared is not None and declared.isdigit() else None
    bar = Progbar(size, verbose=int(sys.stderr.isatty()))
    seen = 0
    while piece := response.read(_PIECE):
        seen += len(piece)
        bar.update(seen)
        yield piece
    if size is not None and seen != size:
        raise OSError(f"{origin} broke off after {seen:,} of {size:,} bytes. Nothing was kept; try again.")


def _algorithm(file_hash: str, algorithm: str) -> str:
    found = _HASH_LENGTHS.get(len(file_hash)) if algorithm == "auto" else _NAMES.get(algorithm)
    if found is None:
        raise ValueError(
            f"get_file: a hash is MD5 (32 hexadecimal digits) or SHA-256 (64), received {file_hash!r} with "
            f"hash_algorithm={algorithm!r}."
        )
    return found


def _hash(path: Path, algorithm: str, piece: int = _PIECE) -> str:
    found = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while content := file.read(piece):
            found.update(content)
    return found.hexdigest()


# -- unpacking ----------------------------------------------------------------------------------


def _formats(archive_format: Any) -> tuple[str, ...]:
    if archive_format is None:
        return ()
    formats = ("tar", "zip") if archive_format == "auto" else archive_format
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    unknown = [each for each in formats if each not in ("tar", "zip")]
    if unknown:
        raise ValueError(f"get_file: archive_format is 'auto', 'tar', 'zip' or None, received {unknown[0]!r}.")
    return formats


def _unpack(archive: Path, directory: Path, formats: tuple[str, ...]) -> None:
    """Unpacks into a directory of its own first, so that a failure leaves nothing behind.

    An archive that is none of the formats is left as it is.
    """
    import gzip
    import lzma
    import shutil
    import tarfile
    import tempfile
    import zipfile
    import zlib

    broken = (
        *(EOFError, LookupError, MemoryError, NotImplementedError, RecursionError, RuntimeError),
        *(gzip.BadGzipFile, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error),
    )
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=directory) as draft:
        try:
            is_done = "tar" in formats and _unpack_tar(archive, Path(draft))
            if not is_done and "zip" in formats and zipfile.is_zipfile(archive):
                _unpack_zip(archive, Path(draft))
        except broken as error:
            raise ValueError(f"{archive} cannot be unpacked: {error}. Delete it to fetch it again.") from error
        for entry in Path(draft).iterdir():
            place = directory / entry.name
            if place.is_dir() and not place.is_symlink():
                shutil.copytree(entry, place, dirs_exist_ok=True)
            else:
                os.replace(entry, place)


class _Bounded:
    """A stream that a tar archive is read from, whose headers may declare to be of any length."""

    def __init__(self, stream: Any, archive: Path) -> None:
        self._stream = stream
        self._archive = archive
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """So many bytes."""
        if not 0 <= size <= _LONGEST_HEADER:
            raise ValueError(f"{self._archive} holds a header of {size:,} bytes. Nothing was unpacked.")
        found: bytes = self._stream.read(size)
        return found


def _stream_of(archive: Path) -> Any:
    """An archive's bytes as they were before they were packed."""
    import bz2
    import gzip
    import lzma

    with open(archive, "rb") as file:
        begin = file.read(6)
    openers: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open, b"]\0\0": lzma.open}
    found = next((opener for words, opener in openers.items() if begin.startswith(words)), open)
    return found(archive, "rb")


def _unpack_tar(archive: Path, directory: Path) -> bool:
    """Unpacks a tar archive, packed or not; whether it is one."""
    import lzma
    import tarfile
    import zlib

    left = _room(archive)
    with _stream_of(archive) as stream:
        bounded: Any = _Bounded(stream, archive)
        try:
            content = tarfile.TarFile(fileobj=bounded)
        except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError):
            return False
        except OSError as error:
            # What is packed otherwise than it begins has no number; what cannot be read has one.
            if error.errno is not None:
                raise
            return False
        for number, member in enumerate(content):
            _check_number(number, archive)
            place = directory / _checked(member.name, archive)
            if member.size < 0:
                # The next member would be this one again.
                raise ValueError(f"{archive} holds {member.name!r} of {member.size} bytes. Nothing was unpacked.")
            if member.isdir():
                place.mkdir(parents=True, exist_ok=True)
            elif member.isreg() and not member.issparse():
                source = content.extractfile(member)
                assert source is not None
                left -= _written(source, place, left, archive)
            else:
                raise ValueError(
                    f"{archive} holds {member.name!r}, which is a link, a device or a file of holes: only files and "
                    "directories are unpacked. Unpack it by hand if you trust it."
                )
    return True


def _unpack_zip(archive: Path, directory: Path) -> None:
    import zipfile

    left = _room(archive)
    with zipfile.ZipFile(archive) as content:
        for number, member in enumerate(content.infolist()):
            _check_number(number, archive)
            place = directory / _checked(member.filename, archive)
            if member.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            left -= _written(content.open(member), place, left, archive)


def _check_number(number: int, archive: Path) -> None:
    from multikeras.saving.reading.limits import LIMITS

    if number >= LIMITS.names:
        raise ValueError(f"{archive} holds more than {LIMITS.names:,} files; unpack it by hand if you trust it.")


def _room(archive: Path) -> int:
    """How many bytes an archive may unfold to."""
    from multikeras.saving.reading.limits import LIMITS

    return max(LIMITS.unpacked_floor, archive.stat().st_size * LIMITS.expansion)


def _written(source: Any, place: Path, room: int, archive: Path) -> int:
    """Writes a member; how many bytes it had."""
    place.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with source, open(place, "wb") as file:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > room:
                raise ValueError(
                    f"{archive} unfolds to more than a hundred times its size. Nothing was unpacked; unpack it by hand "
                    "if you trust it."
                )
            file.write(piece)
    return size


def _checked(name: str, archive: Path) -> PurePosixPath:
    """A member's name, which must stay inside the directory."""
    path = PurePosixPath(name)
    if len(path.parts) > _DEPTH:
        raise ValueError(f"{archive} holds directories {len(path.parts):,} deep. Nothing was unpacked.")
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise ValueError(
            f"{archive} holds {name!r}, which would be unpacked outside its directory. Nothing was unpacked."
        )
    return path
