"""Files that are replaced as a whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Seconds without a byte written after which whoever wrote a draft is taken for dead.
_ABANDONED = 3600

#: Files that were filled: by device and number, the size and the time that they have since.
_filled: dict[tuple[int, int], tuple[int, int]] = {}

#: What has been replaced by this process, beside which no drafts of dead ones lie any more.
_tidied: set[Path] = set()


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a path to write to, beside `path`, which takes its place when the block ends well.

    Whatever happens meanwhile (an error, a full disk, a killed process), `path` holds either what it
    held before or the whole of the new content. An empty file that this process has open for writing is filled instead,
    since it is read through what is open.

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
    draft = draft_of(target)
    try:
        yield draft
        with open(draft, "rb+") as file:
            os.fsync(file.fileno())
        if _is_awaited(target):
            # An error while it is filled leaves part of it, as in every file that is written in place.
            shutil.copyfile(draft, target)
            os.unlink(draft)
            there = target.stat()
            _filled[there.st_dev, there.st_ino] = there.st_size, there.st_mtime_ns
            return
        if target.exists():
            os.chmod(draft, os.stat(target).st_mode & 0o7777)
        os.replace(draft, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft)
        raise
    _sync_directory(target.parent)
    remove_abandoned(target)


def draft_of(target: Path) -> Path:
    """A new name, beside `target`, for what will take its place."""
    return target.with_name(f".{_short(target)}.{os.urandom(4).hex()}.part")


def remove_abandoned(target: Path) -> None:
    """Removes drafts that killed processes left behind, of `target`, which is whole, and of files named after it.

    Once a process is enough.
    """
    if target in _tidied:
        return
    _tidied.add(target)
    pattern = re.compile(rf"\.{re.escape(_short(target))}\.(.*\.)?[0-9a-f]{{8}}\.part")
    # Gone, or not ours to remove: both are nothing to the file that has just been written.
    with suppress(OSError), os.scandir(target.parent) as found:
        # The clock of the file system, which may be another machine's.
        now = target.stat().st_mtime
        for each in [each for each in found if pattern.fullmatch(each.name)]:
            if now - each.stat(follow_symlinks=False).st_mtime > _ABANDONED:
                if each.is_dir(follow_symlinks=False):
                    shutil.rmtree(each, ignore_errors=True)
                else:
                    os.unlink(each)


def _short(target: Path) -> str:
    """The name that drafts bear: a name may be as long as 255 bytes."""
    return target.name if len(os.fsencode(target.name)) < 240 else "multikeras"


def _is_awaited(target: Path) -> bool:
    """Whether this process has a file open for writing that is empty, or as it was filled the last time.

    Whoever makes a temporary file, saves to its name and reads from what he holds would read nothing if another file
    took its place; an empty file has nothing to lose.
    """
    try:
        there = target.stat()
    except FileNotFoundError:
        return False
    key = there.st_dev, there.st_ino
    is_ours = not there.st_size or _filled.get(key) == (there.st_size, there.st_mtime_ns)
    return is_ours and _is_open_for_writing(key)


def _is_open_for_writing(key: tuple[int, int]) -> bool:
    try:
        import fcntl

        numbers = [int(name) for name in os.listdir("/dev/fd")]
    except (ImportError, OSError):
        return False
    for number in numbers:
        with suppress(OSError):
            found = os.fstat(number)
            if (found.st_dev, found.st_ino) == key and fcntl.fcntl(number, fcntl.F_GETFL) & (os.O_RDWR | os.O_WRONLY):
                return True
    return False


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
