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
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from multikeras.saving.libraries import h5py as _h5py
from multikeras.saving.reading import configurations, stored, text_lengths
from multikeras.saving.reading.archives import is_zip, members, name_of
from multikeras.saving.reading.faults import CorruptFileError, UnsafeFileError, understanding
from multikeras.saving.reading.limits import LIMITS, Limits
from multikeras.utils.io_utils import H5Dict

__all__ = [
    "Budget",
    "CorruptFileError",
    "Group",
    "UnsafeFileError",
    "group_of",
    "is_zip",
    "members",
    "name_of",
    "opened",
    "parsed",
    "understanding",
]


#: What an HDF5 file begins with.
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Budget:
    """What is left of the limits while one file is read.

    Args:
        where: Name of the file, for messages.
        size: Size of the file in bytes.
        limits: The limits.

    Attributes:
        stored: Size of the file in bytes.
        left: How many bytes its arrays may still take in memory.
    """

    def __init__(self, where: str, size: int, limits: Limits = LIMITS) -> None:
        self.where = where
        self.stored = size
        self.limits = limits
        self.left = min(limits.total_bytes, max(limits.total_floor, size * limits.expansion))
        self._met: dict[int, str] = {}
        self._bytes: text_lengths.Bytes | None = None

    def meet(self, item: Any, path: str) -> None:
        """Notes that a group or an array was met under a name.

        Raises:
            UnsafeFileError: If it has another name as well: a few links of this kind stand for a tree without end.
            CorruptFileError: If it is damaged.
        """
        try:
            first = self._met.setdefault(hash(item.id), path)
        except TypeError as error:
            raise CorruptFileError(f"{self.where}: {path} cannot be read, the file is damaged: {error}") from error
        if first != path:
            raise UnsafeFileError(f"{self.where}: {first} and {path} are the same, which is not followed.")

    def headers_of(self, group: Any) -> dict[str, bytes]:
        """The attributes of a group as they are stored."""
        if self._bytes is None:
            self._bytes = text_lengths.bytes_of(group.file)
        return text_lengths.attributes_of(group, self._bytes)

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
def opened(source: Any, limits: Limits = LIMITS, name: str | None = None) -> Iterator[Group]:
    """The root of an HDF5 file, for the duration of the block.

    Args:
        source: A path, a binary file object, an `h5py.File` or `h5py.Group` that is open, or an `H5Dict`.
        limits: The limits.
        name: What messages call a file object.

    Raises:
        TypeError: If it is none of these.
        FileNotFoundError: If there is no such file.
        CorruptFileError: If it is no HDF5 file, or cut off.
    """
    h5py = _h5py()
    if isinstance(source, H5Dict):
        source = source.data
    if isinstance(source, dict):
        # A dictionary is of this process and may say what it likes.
        with h5py.File(io.BytesIO(), "w") as memory:
            H5Dict(memory).update(H5Dict(source, "r"))
            yield Group(memory, Budget("the dictionary", limits.total_bytes, limits))
        return
    if isinstance(source, h5py.Group):
        yield group_of(source, limits)
        return
    if isinstance(source, (str, os.PathLike)):
        where = os.fspath(source)
        if not os.path.exists(where):
            raise FileNotFoundError(f"There is no file {where!r}.")
        if os.path.isdir(where):
            raise CorruptFileError(
                f"{where} is a directory. Those of export_savedmodel are read; what Keras 3 saves with zipped=False, "
                "or TensorFlow, is not: save it as one file there."
            )
        if where.endswith(".json"):
            raise CorruptFileError(
                f"{where} holds no weights. Keras 3 writes such a file where it cuts weights into pieces: save them "
                "without max_shard_size there. An architecture is read by model_from_json."
            )
        if not os.path.isfile(where):
            # A pipe or a device may never end.
            raise CorruptFileError(f"{where} is no file.")
        size = os.path.getsize(where)
    elif hasattr(source, "read") and hasattr(source, "seek"):
        where = name or str(getattr(source, "name", "the given file object"))
        place = source.tell()
        size = source.seek(0, os.SEEK_END)
        source.seek(place)
        if place and source.read(8) == _SIGNATURE:
            # A file inside another begins where the reader stands; libhdf5 looks at the beginning of the whole.
            source.seek(place)
            source, size = io.BytesIO(source.read()), size - place
        else:
            source.seek(place)
    else:
        raise TypeError(
            "A model is read from a path, a binary file object that can be searched, an h5py.File or h5py.Group, or an "
            f"H5Dict; received {type(source).__name__}."
        )
    try:
        file = h5py.File(source, "r")
    except (OSError, RuntimeError, OverflowError, ValueError, MemoryError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{where} cannot be read as an HDF5 file: {error}") from error
    with file:
        yield Group(file, Budget(where, size, limits))


def group_of(group: Any, limits: Limits = LIMITS) -> Group:
    """A group of h5py, to be read with checks."""
    where = f"{group.file.filename}{group.name if group.name != '/' else ''}"
    return Group(group, Budget(where, group.file.id.get_filesize(), limits))


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


def is_name(name: str) -> bool:
    """Whether a member of a group may have this name, which may lead through groups inside it, and nowhere else."""
    parts = [part for part in name.split("/") if part]
    return bool(parts) and not name.startswith("/") and not {"..", "."} & set(parts) and "\0" not in name


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
        self._header: dict[str, bytes] | None = None
        if not depth:
            budget.meet(group, group.name)

    # -- members --------------------------------------------------------------------------------

    @_reading
    def __contains__(self, name: str) -> bool:
        return bool(self._group.id.links.exists(name.encode("utf-8")))

    @_reading
    def names(self) -> list[str]:
        """Names of the members."""
        if len(self._group) > self._budget.limits.names:
            raise UnsafeFileError(f"{self.where} has {len(self._group):,} members.")
        found = list(self._group)
        if not all(isinstance(name, str) for name in found):
            raise CorruptFileError(f"{self.where} has a member whose name is no text.")
        return found

    def _member(self, name: str) -> Any:
        """A member, every part of whose path is stored in this file."""
        h5py = _h5py()
        if not is_name(name):
            raise UnsafeFileError(f"{self.where}: {name!r} is no name of a member.")
        parts = [part for part in name.split("/") if part]
        if len(parts) + self._depth > self._budget.limits.depth:
            raise UnsafeFileError(f"{self.where}: {name!r} lies too deep.")
        # The lower level of h5py: half the time of loading a small model went into its objects for groups.
        here = self._group.id
        for part in parts:
            if not isinstance(here, h5py.h5g.GroupID):
                raise CorruptFileError(f"{self.where}: {name!r} is not there: what is before {part!r} is no group.")
            encoded = part.encode("utf-8")
            try:
                # Asking whether a member is there, rather than a link, would follow links.
                kind = here.links.get_info(encoded).type
            except RuntimeError:
                if here.links.exists(encoded):
                    raise
                raise CorruptFileError(f"{self.where} has no member {name!r}.") from None
            if kind != h5py.h5l.TYPE_HARD:
                label = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}
                raise UnsafeFileError(
                    f"{self.where}: {name!r} is {label.get(kind, 'a link of an unknown kind')}, which is not followed."
                )
            try:
                here = h5py.h5o.open(here, encoded)
            except (KeyError, OSError, RuntimeError) as error:
                raise CorruptFileError(f"{self.where}: {name!r} cannot be read: {error}") from error
        if isinstance(here, h5py.h5d.DatasetID):
            return h5py.Dataset(here)
        return h5py.Group(here) if isinstance(here, h5py.h5g.GroupID) else here

    @_reading
    def group(self, name: str) -> Group:
        """A group inside this one."""
        found = self._member(name)
        if not isinstance(found, _h5py().Group):
            raise CorruptFileError(f"{self.where}: {name!r} should be a group.")
        self._budget.meet(found, self._path(name))
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
        self._budget.meet(dataset, self._path(name))
        stored.check(dataset, self._budget, self.where, f"the array {name!r}")
        try:
            found = np.asarray(dataset[()])
        except (OSError, RuntimeError, ValueError) as error:
            raise CorruptFileError(f"{self.where}: the array {name!r} cannot be read: {error}") from error
        if found.dtype.kind == "V":
            # The upper half of a float32.
            return (found.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        return found

    def _path(self, name: str) -> str:
        return f"{self._group.name.rstrip('/')}/{'/'.join(part for part in name.split('/') if part)}"

    # -- attributes -----------------------------------------------------------------------------

    def _attribute(self, name: str) -> Any:
        attributes = self._group.attrs
        if name not in attributes:
            return None
        h5py = _h5py()
        described = attributes.get_id(name)
        kind, shape = described.dtype, described.shape
        length = math.prod(shape) if shape is not None else 0
        text = h5py.check_string_dtype(kind)
        if kind.kind == "O" and text is None:
            raise UnsafeFileError(f"{self.where}: the attribute {name!r} holds references, which are not followed.")
        limits = self._budget.limits
        if length > limits.names:
            raise UnsafeFileError(f"{self.where}: the attribute {name!r} declares {length:,} entries.")
        if kind.kind == "O":
            size = self._size_of_texts(name, length)
        else:
            size = length * kind.itemsize
        if size > limits.text_bytes:
            raise UnsafeFileError(f"{self.where}: the attribute {name!r} declares {size:,} bytes.")
        try:
            return attributes[name]
        except (OSError, RuntimeError, ValueError, UnicodeDecodeError) as error:
            raise CorruptFileError(f"{self.where}: the attribute {name!r} cannot be read: {error}") from error

    def _size_of_texts(self, name: str, count: int) -> int:
        if self._header is None:
            self._header = self._budget.headers_of(self._group)
        if name not in self._header:
            raise UnsafeFileError(
                f"{self.where}: the attribute {name!r} does not stand with its group, where alone texts of variable "
                "length are read. Write the file anew with h5py and libver='earliest'."
            )
        declared = text_lengths.declared(self._header[name], count)
        if declared and max(declared) > self._budget.stored:
            raise UnsafeFileError(
                f"{self.where}: the attribute {name!r} declares a text of {max(declared):,} bytes, in a file of "
                f"{self._budget.stored:,}."
            )
        return sum(declared)

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
        """An attribute that is a list of names, also cut into `name0`, `name1` …; None if it is not there."""
        value = self._attribute(name)
        if value is not None:
            pieces = [value]
        else:
            pieces = []
            while (piece := self._attribute(f"{name}{len(pieces)}")) is not None:
                pieces.append(piece)
                if sum(np.size(each) for each in pieces) > self._budget.limits.names:
                    raise UnsafeFileError(f"{self.where}: the attribute {name!r} lists too many names.")
            if not pieces:
                return None
        where = f"{self.where}: the attribute {name!r}"
        listed = [_decoded(entry, where) for piece in pieces for entry in np.atleast_1d(piece).ravel().tolist()]
        if len(set(listed)) != len(listed):
            twice = Counter(listed).most_common(1)[0][0]
            raise CorruptFileError(f"{where} lists {twice!r} twice.")
        return listed

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
        UnsafeFileError: If it is nested too deep or too long, or asks for too much.
    """
    if len(text) > limits.text_bytes:
        raise UnsafeFileError(f"{where} is {len(text):,} characters long.")
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise UnsafeFileError(f"{where} is nested too deep.") from error
    except ValueError as error:
        raise CorruptFileError(f"{where} is no JSON: {error}") from error
    configurations.check(content, where, limits)
    return content
