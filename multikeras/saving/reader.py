"""The one module that opens model files for reading.

Nothing in a file is believed: links may only point into the file itself, arrays must be stored in
it, their declared sizes are compared with what the file holds before memory is taken, and numbers
and texts are the only contents. Everything else is refused by name.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from multikeras.saving.libraries import h5py as _h5py
from multikeras.saving.limits import LIMITS, Limits
from multikeras.utils.io_utils import H5Dict

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo


class UnsafeFileError(ValueError):
    """A file holds what reading a model does not allow."""


class CorruptFileError(ValueError):
    """A file is not what it should be: cut off, damaged, or no model file at all."""


class Budget:
    """What is left of the limits while one file is read.

    Args:
        where: Name of the file, for messages.
        stored: Size of the file in bytes; None if unknown.
        limits: The limits.
    """

    def __init__(self, where: str, stored: int | None, limits: Limits = LIMITS) -> None:
        self.where = where
        self.stored = stored
        self.limits = limits
        self.left = limits.total_bytes

    def take(self, size: int, what: str) -> None:
        """Counts an array.

        Raises:
            UnsafeFileError: If it is too large.
        """
        if size > self.limits.array_bytes or size > self.left:
            raise UnsafeFileError(
                f"{self.where}: {what} declares {size:,} bytes; at most {min(self.limits.array_bytes, self.left):,} "
                "are read."
            )
        self.left -= size


@contextmanager
def opened(source: Any, limits: Limits = LIMITS) -> Iterator[Group]:
    """The root of an HDF5 file, for the duration of the block.

    Args:
        source: A path, a binary file object, an `h5py.File` or `h5py.Group` that is open, or an `H5Dict`.
        limits: The limits.

    Raises:
        FileNotFoundError: If there is no such file.
        CorruptFileError: If it is no HDF5 file, or cut off.
    """
    h5py = _h5py()
    if isinstance(source, (H5Dict, dict)):
        source = source.data if isinstance(source, H5Dict) else source
        if isinstance(source, dict):
            with h5py.File(io.BytesIO(), "w") as memory:
                H5Dict(memory).update(H5Dict(source, "r"))
                yield Group(memory, Budget("the dictionary", None, limits))
            return
    if isinstance(source, h5py.Group):
        yield group_of(source, limits)
        return
    if isinstance(source, (str, os.PathLike)):
        where = os.fspath(source)
        if not os.path.exists(where):
            raise FileNotFoundError(f"There is no file {where!r}.")
        stored = os.path.getsize(where)
    else:
        where = str(getattr(source, "name", "the given file object"))
        place = source.tell()
        stored = source.seek(0, os.SEEK_END)
        source.seek(place)
    try:
        file = h5py.File(source, "r")
    except (OSError, RuntimeError, OverflowError, ValueError, MemoryError) as error:
        raise CorruptFileError(f"{where} cannot be read as an HDF5 file: {error}") from error
    with file:
        yield Group(file, Budget(where, stored, limits))


def group_of(group: Any, limits: Limits = LIMITS) -> Group:
    """A group of h5py, to be read with checks."""
    where = f"{group.file.filename}{group.name if group.name != '/' else ''}"
    return Group(group, Budget(where, None, limits))


@contextmanager
def understanding(where: str) -> Iterator[None]:
    """A block that makes objects of a configuration, whose entries may be of any kind.

    Raises:
        CorruptFileError: Instead of what Python raises where an entry is of another kind than it should be.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise CorruptFileError(f"{where}: the configuration cannot be read: {error!r}") from error


F = TypeVar("F", bound=Callable[..., Any])


def _reading(method: F) -> F:
    """Answers what h5py raises at a damaged file with an error that names the file."""

    @wraps(method)
    def call(group: Group, *args: Any) -> Any:
        try:
            return method(group, *args)
        except (UnsafeFileError, CorruptFileError):
            raise
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
            raise CorruptFileError(f"{group.where} cannot be read, the file is damaged: {error}") from error

    return call  # type: ignore[return-value]


class Group:
    """A group of an HDF5 file, which gives checked contents only.

    Args:
        group: The group.
        budget: The limits of the file.
        depth: How many groups lie around it.
    """

    def __init__(self, group: Any, budget: Budget, depth: int = 0) -> None:
        self._group = group
        self._budget = budget
        self._depth = depth
        self.where = f"{budget.where}, {group.name}"

    # -- members --------------------------------------------------------------------------------

    @_reading
    def __contains__(self, name: str) -> bool:
        return name in self._group

    @_reading
    def names(self) -> list[str]:
        """Names of the members."""
        if len(self._group) > self._budget.limits.names:
            raise UnsafeFileError(f"{self.where} has {len(self._group):,} members.")
        return list(self._group)

    def _member(self, name: str) -> Any:
        """A member, every part of whose path is stored in this file."""
        h5py = _h5py()
        here = self._group
        parts = [part for part in name.split("/") if part]
        if not parts or name.startswith("/") or ".." in parts or "." in parts:
            raise UnsafeFileError(f"{self.where}: {name!r} is no name of a member.")
        if len(parts) + self._depth > self._budget.limits.depth:
            raise UnsafeFileError(f"{self.where}: {name!r} lies too deep.")
        for part in parts:
            if not isinstance(here, h5py.Group):
                raise CorruptFileError(f"{self.where}: {name!r} is not there: {here.name} is no group.")
            if part not in here:
                raise CorruptFileError(f"{self.where} has no member {name!r}.")
            kind = here.id.links.get_info(part.encode("utf-8")).type
            if kind != h5py.h5l.TYPE_HARD:
                label = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}
                raise UnsafeFileError(
                    f"{self.where}: {name!r} is {label.get(kind, 'a link of an unknown kind')}, which is not followed."
                )
            try:
                here = here[part]
            except (KeyError, OSError, RuntimeError) as error:
                raise CorruptFileError(f"{self.where}: {name!r} cannot be read: {error}") from error
        return here

    @_reading
    def group(self, name: str) -> Group:
        """A group inside this one."""
        found = self._member(name)
        if not isinstance(found, _h5py().Group):
            raise CorruptFileError(f"{self.where}: {name!r} should be a group.")
        return Group(found, self._budget, self._depth + 1)

    @_reading
    def is_array(self, name: str) -> bool:
        """Whether a member is an array."""
        return isinstance(self._member(name), _h5py().Dataset)

    @_reading
    def array(self, name: str) -> np.ndarray:
        """A member that is an array of numbers.

        Raises:
            UnsafeFileError: If it is stored elsewhere, or declares more than the file can hold.
            CorruptFileError: If it is missing or cannot be read.
        """
        dataset = self._member(name)
        if not isinstance(dataset, _h5py().Dataset):
            raise CorruptFileError(f"{self.where}: {name!r} should be an array.")
        self._check(dataset, name)
        try:
            return np.asarray(dataset[()])
        except (OSError, RuntimeError, ValueError) as error:
            raise CorruptFileError(f"{self.where}: the array {name!r} cannot be read: {error}") from error

    def _check(self, dataset: Any, name: str) -> None:
        h5py = _h5py()
        what = f"the array {name!r}"
        plist = dataset.id.get_create_plist()
        if plist.get_layout() == h5py.h5d.VIRTUAL or dataset.is_virtual:
            raise UnsafeFileError(
                f"{self.where}: {what} is virtual: its values lie in other files, which are not read."
            )
        if plist.get_external_count() > 0:
            raise UnsafeFileError(f"{self.where}: {what} is stored outside the file, where nothing is read.")
        if dataset.shape is None or dataset.dtype.kind not in "biufV" or dataset.dtype.hasobject:
            raise UnsafeFileError(f"{self.where}: {what} has type {dataset.dtype}; only numbers are read.")
        if dataset.dtype.kind == "V" and dataset.dtype.names is not None:
            raise UnsafeFileError(f"{self.where}: {what} has type {dataset.dtype}; only numbers are read.")
        allowed = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
        filters = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
        if not filters <= allowed:
            raise UnsafeFileError(f"{self.where}: {what} is packed by the filters {sorted(filters - allowed)}.")
        size = math.prod(dataset.shape) * dataset.dtype.itemsize
        self._budget.take(size, what)
        stored = dataset.id.get_storage_size()
        possible = self._budget.limits.unpacked(stored) if filters else stored
        if size > possible:
            raise UnsafeFileError(
                f"{self.where}: {what} of shape {dataset.shape} declares {size:,} bytes, and the file holds {stored:,} "
                "for it."
            )

    # -- attributes -----------------------------------------------------------------------------

    def _attribute(self, name: str) -> Any:
        if name not in self._group.attrs:
            return None
        h5py = _h5py()
        described = self._group.attrs.get_id(name)
        kind, shape = described.dtype, described.shape
        length = math.prod(shape) if shape is not None else 0
        text = h5py.check_string_dtype(kind)
        if kind.kind == "O" and text is None:
            raise UnsafeFileError(f"{self.where}: the attribute {name!r} holds references, which are not followed.")
        stored = self._budget.stored
        size = length * (min(stored or LIMITS.text_bytes, LIMITS.text_bytes) if kind.kind == "O" else kind.itemsize)
        # A scalar text of variable length cannot be longer than the file.
        if size > (16 if length > 1 else 1) * self._budget.limits.text_bytes:
            raise UnsafeFileError(f"{self.where}: the attribute {name!r} declares {size:,} bytes.")
        try:
            return self._group.attrs[name]
        except (OSError, RuntimeError, ValueError, UnicodeDecodeError) as error:
            raise CorruptFileError(f"{self.where}: the attribute {name!r} cannot be read: {error}") from error

    @_reading
    def attribute(self, name: str) -> Any:
        """An attribute as h5py gives it, which holds numbers or texts; None if it is not there."""
        return self._attribute(name)

    @_reading
    def text(self, name: str) -> str | None:
        """An attribute that is a text; None if it is not there."""
        value = self._attribute(name)
        if value is None:
            return None
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        return _decoded(value, f"{self.where}: the attribute {name!r}")

    @_reading
    def texts(self, name: str) -> list[str] | None:
        """An attribute that is a list of texts, also cut into `name0`, `name1` …; None if it is not there."""
        value = self._attribute(name)
        if value is not None:
            pieces = [value]
        else:
            pieces = []
            while (piece := self._attribute(f"{name}{len(pieces)}")) is not None:
                pieces.append(piece)
            if not pieces:
                return None
        listed = [entry for piece in pieces for entry in np.atleast_1d(piece).tolist()]
        return [_decoded(entry, f"{self.where}: the attribute {name!r}") for entry in listed]

    def json(self, name: str) -> Any:
        """An attribute that is JSON, read; None if it is not there."""
        text = self.text(name)
        return None if text is None else parsed(text, f"{self.where}: the attribute {name!r}", self._budget.limits)


def _decoded(value: Any, where: str) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CorruptFileError(f"{where} is no text: {error}") from error
    if isinstance(value, str):
        return value
    raise CorruptFileError(f"{where} should be a text, and is {type(value).__name__}.")


def parsed(text: str, where: str, limits: Limits = LIMITS) -> Any:
    """JSON as data, at most `limits.depth` deep.

    Raises:
        CorruptFileError: If it is no JSON.
        UnsafeFileError: If it is nested too deep or too long.
    """
    if len(text) > limits.text_bytes:
        raise UnsafeFileError(f"{where} is {len(text):,} characters long.")
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise UnsafeFileError(f"{where} is nested too deep.") from error
    except ValueError as error:
        raise CorruptFileError(f"{where} is no JSON: {error}") from error
    _check_depth(content, where, limits)
    return content


def _check_depth(content: Any, where: str, limits: Limits) -> None:
    stack = [(content, 0)]
    while stack:
        value, depth = stack.pop()
        if depth > 10 * limits.depth:
            raise UnsafeFileError(f"{where} is nested too deep.")
        if isinstance(value, dict):
            stack.extend((entry, depth + 1) for entry in value.values())
        elif isinstance(value, list):
            stack.extend((entry, depth + 1) for entry in value)


# -- zip archives -------------------------------------------------------------------------------


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


def members(source: Any, wanted: Mapping[str, bool], limits: Limits = LIMITS) -> dict[str, bytes]:
    """Members of a zip archive, each checked before it is unpacked; others are not looked at.

    Args:
        source: A path or a binary file object.
        wanted: Names of members, and whether each has to be there.
        limits: The limits.

    Raises:
        CorruptFileError: If it is no archive, one is missing, or damaged.
        UnsafeFileError: If one is larger than its stored bytes allow, or the archive holds a name twice.
    """
    import zipfile
    import zlib

    where = os.fspath(source) if isinstance(source, (str, os.PathLike)) else str(getattr(source, "name", "the archive"))
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
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise CorruptFileError(f"{where} cannot be read as a zip archive: {error}") from error
    return found


def _unpacked(archive: ZipFile, entry: ZipInfo, where: str, limits: Limits) -> bytes:
    if entry.file_size > min(limits.total_bytes, limits.unpacked(entry.compress_size)):
        raise UnsafeFileError(
            f"{where}: the member {entry.filename!r} declares {entry.file_size:,} bytes, and "
            f"{entry.compress_size:,} are stored."
        )
    with archive.open(entry) as file:
        # Not more than declared, whatever comes.
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise CorruptFileError(f"{where}: the member {entry.filename!r} has not the size that it declares.")
    return content
