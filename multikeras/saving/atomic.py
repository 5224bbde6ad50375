"""Files that are replaced as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a path to write to, beside `path`, which takes its place when the block ends well.

    Whatever happens meanwhile (an error, a full disk, a killed process), `path` holds either what it
    held before or the whole of the new content.

    Args:
        path: The file to replace or make.

    Raises:
        FileNotFoundError: If its directory does not exist.
        OSError: If it is something else than a file: a directory, a device, a pipe.
    """
    # A link stays a link: what it points to is replaced.
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"Cannot write {os.fspath(path)!r}: there is no directory {str(target.parent)!r}.")
    if target.exists() and not target.is_file():
        raise OSError(f"Cannot write {os.fspath(path)!r}: it is {_kind(target)}, and only files are replaced.")
    # A name may be as long as 255 bytes.
    name = target.name if len(os.fsencode(target.name)) < 240 else "multikeras"
    draft = target.with_name(f".{name}.{os.urandom(4).hex()}.part")
    try:
        yield draft
        with open(draft, "rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(draft, os.stat(target).st_mode & 0o7777)
        os.replace(draft, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft)
        raise
    _sync_directory(target.parent)


def _kind(path: Path) -> str:
    return "a directory" if path.is_dir() else "a device, a pipe or a socket"


def _sync_directory(directory: Path) -> None:
    """Makes the new name last through a power failure, where the system lets a directory be synchronised."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
