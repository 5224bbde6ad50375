"""Data in HDF5 files: arrays read piece by piece, files as dictionaries."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "H5Dict",
    "HDF5Matrix",
    "ask_to_proceed_with_overwrite",
    "load_from_binary_h5py",
    "path_to_string",
    "save_to_binary_h5py",
]

#: An HDF5 object header holds 64 KiB; attributes beyond that have to be cut.
_HEADER = 64_512

#: In a dictionary: marks one that is a group, and no value.
_GROUP = "_is_group"

#: Ends the name of an attribute that holds JSON.
_JSON = "__json"


class HDF5Matrix:
    """A data set of an HDF5 file, to be used as an array in `fit`, `evaluate` and `predict`.

    Only the rows that are asked for are read. A worker process, and a process that it is sent to, opens the file anew.

    Args:
        datapath: Path of the file.
        dataset: Name of the data set in it.
        start: First row.
        end: Row after the last one; None for all.
        normalizer: Function of rows, called on what is read.

    Attributes:
        start: First row.
        end: Row after the last one.

    Raises:
        ImportError: If h5py is not installed.
        KeyError: If the file has no such data set.
        ValueError: If the rows are not there.

    Source: Keras 2.3 `keras.utils.HDF5Matrix`.
    """

    def __init__(
        self,
        datapath: Any,
        dataset: str,
        start: int = 0,
        end: int | None = None,
        normalizer: Callable[[Any], Any] | None = None,
    ) -> None:
        self.datapath = os.fspath(datapath)
        self.dataset = dataset
        self.normalizer = normalizer
        self._opened: tuple[int, Any] | None = None
        rows = int(self.data.shape[0])
        self.start = start
        self.end = rows if end is None else end
        if not 0 <= self.start <= self.end <= rows:
            raise ValueError(
                f"HDF5Matrix: rows {start} to {end} were asked for; {dataset!r} in {self.datapath} has {rows} rows."
            )
        first = self._normalized(self.data[0 : min(1, rows)])
        self._row_shape = tuple(first.shape[1:])
        self._dtype = first.dtype

    @property
    def data(self) -> Any:
        """The data set of h5py, whole and without the normalizer."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), self._open()
        return self._opened[1]

    def _open(self) -> Any:
        h5py = _h5py("HDF5Matrix")
        if not Path(self.datapath).exists():
            raise FileNotFoundError(f"HDF5Matrix: there is no file {self.datapath}.")
        file = h5py.File(self.datapath, "r")
        if self.dataset not in file:
            names: list[str] = []
            file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
            file.close()
            raise KeyError(
                f"HDF5Matrix: {self.datapath} has no data set {self.dataset!r}; it has {', '.join(names) or 'none'}."
            )
        return file[self.dataset]

    def _normalized(self, rows: Any) -> Any:
        return np.asarray(rows if self.normalizer is None else self.normalizer(rows))

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: Any) -> np.ndarray:
        """Rows by a number, a slice, or numbers in any order, also from the end, as of an array.

        Raises:
            IndexError: If a row is not there.
            TypeError: If the key is none of these.
        """
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                return self[np.arange(start, stop, step)]
            return self._normalized(self.data[self.start + start : self.start + max(start, stop)])
        if isinstance(key, (int, np.integer)):
            row = self._row(int(key))
            return self._normalized(self.data[row : row + 1])[0]
        rows = np.asarray(key)
        if rows.dtype == bool and rows.shape == (len(self),):
            rows = np.flatnonzero(rows)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise TypeError(f"HDF5Matrix takes a row number, a slice or a list of row numbers, received {key!r}.")
        # A file is read in increasing order, each row once.
        wanted, places = np.unique([self._row(int(row)) for row in rows], return_inverse=True)
        if not len(wanted):
            return self._normalized(self.data[0:0])
        first, last = int(wanted[0]), int(wanted[-1])
        together = last - first + 1 == len(wanted)
        return self._normalized(self.data[first : last + 1] if together else self.data[wanted.tolist()])[places]

    def _row(self, row: int) -> int:
        """The row of the data set."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"HDF5Matrix: row {row} was asked for, and there are {len(self)}.")
        return (row if row >= 0 else row + len(self)) + self.start

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the rows from `start` to `end`, as the normalizer leaves them."""
        return (len(self), *self._row_shape)

    @property
    def dtype(self) -> Any:
        """Data type, as the normalizer leaves it."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(np.prod(self.shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All rows at once."""
        rows = self[:]
        return rows if dtype is None else rows.astype(dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __repr__(self) -> str:
        return f"<HDF5Matrix {self.dataset!r} of {self.datapath}, shape {self.shape}, {self.dtype}>"


class H5Dict:
    """An HDF5 file or group, or a dictionary, that is read and written like a dictionary.

    Arrays become data sets. Texts, bytes, numbers, lists and whatever else JSON holds become attributes; a list too
    long for an HDF5 header is cut into several, which come back as one. A key that is not there, read where writing
    is allowed, makes a group, so that `d["a"]["b"] = array` needs no preparation.

    What a file holds is read by the rules for model files: links into other files and whatever is no number and no text
    are refused.

    Args:
        path: Path of a file, an open `h5py.File` or `h5py.Group`, a dictionary, or another `H5Dict`.
        mode: `'r'` to read only, `'r+'`, `'w'` for a new file (a dictionary is emptied), `'a'` to go on with what is
            there.

    Raises:
        ImportError: If h5py is needed and not installed.
        TypeError: If `path` is none of these.

    Source: Keras 2.3 `keras.utils.io_utils.H5Dict`.
    """

    data: Any
    read_only: bool
    _is_file: bool

    def __init__(self, path: Any, mode: str = "a") -> None:
        if mode not in ("r", "r+", "w", "a"):
            raise ValueError(f"H5Dict: mode is 'r', 'r+', 'w' or 'a', received {mode!r}.")
        is_file = False
        if isinstance(path, H5Dict):
            data = path.data
        elif isinstance(path, dict):
            data = path
            if mode == "w":
                data.clear()
            if mode != "r":
                data[_GROUP] = True
        else:
            h5py = _h5py("H5Dict")
            if isinstance(path, h5py.Group):
                data = path
            elif isinstance(path, (str, os.PathLike)):
                data, is_file = h5py.File(path, mode), True
            else:
                raise TypeError(
                    f"H5Dict takes a path, an h5py.File, an h5py.Group or a dictionary, received {type(path).__name__}."
                )
        own = {"data": data, "read_only": mode == "r" or (isinstance(path, H5Dict) and path.read_only)}
        vars(self).update(own, _is_file=is_file)

    @classmethod
    def is_supported_type(cls, path: Any) -> bool:
        """Whether `H5Dict` takes this."""
        if isinstance(path, (str, os.PathLike, dict, cls)):
            return True
        try:
            import h5py
        except ImportError:
            return False
        return isinstance(path, h5py.Group)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"H5Dict: the attribute {name!r} cannot be set. Store values as d[{name!r}] = value.")

    # -- one entry ------------------------------------------------------------------------------

    def __setitem__(self, key: str, value: Any) -> None:
        """Stores an array, a text, bytes, a number, or a list or dictionary that JSON holds.

        Raises:
            ValueError: If it was opened for reading only.
            KeyError: If the key is a group.
            TypeError: If no file could hold the value.
        """
        self._check_writable(f"set {key!r}")
        if isinstance(self.get(key), H5Dict):
            raise KeyError(f"H5Dict: {key!r} is a group and cannot be set to a value.")
        if isinstance(self.data, dict):
            self.data[key] = value
            return
        if isinstance(value, (np.ndarray, np.generic)):
            array = np.asarray(value)
            if array.dtype.kind not in "biufSV":
                raise TypeError(f"H5Dict: {key!r} is an array of type {array.dtype}; a file holds numbers.")
            self._remove(key)
            self.data.create_dataset(key, data=array)
            return
        made = _attributes(key, value)
        self._remove(key)
        for name, entry in made.items():
            self.data.attrs[name] = entry

    def __getitem__(self, key: str) -> Any:
        """An array, a value, or a group as another `H5Dict`; a group that was not there is made.

        Raises:
            KeyError: If it is not there and may not be made.
            ValueError: If a file holds what is not read from files.
        """
        if not isinstance(key, str):
            raise KeyError(f"H5Dict: keys are texts, received {key!r}.")
        if key in self:
            return self._stored(key)
        if self.read_only:
            raise KeyError(f"H5Dict: there is no {key!r}, and it was opened for reading only.")
        if isinstance(self.data, dict):
            return H5Dict(self.data.setdefault(key, {}))
        return H5Dict(self.data.create_group(key))

    def _stored(self, key: str) -> Any:
        mode = "r" if self.read_only else "a"
        if isinstance(self.data, dict):
            value = self.data[key]
            return H5Dict(value, mode) if isinstance(value, dict) and _GROUP in value else value
        from multikeras.saving.reading import reader

        checked = reader.group_of(self.data)
        if key in self.data.attrs:
            return _value(checked.attribute(key))
        if f"{key}{_JSON}" in self.data.attrs:
            return checked.json(f"{key}{_JSON}")
        if f"{key}0" in self.data.attrs and key not in self.data:
            return [entry for name in self._pieces(key) for entry in np.atleast_1d(checked.attribute(name)).tolist()]
        if checked.is_array(key):
            return checked.array(key)
        checked.group(key)
        return H5Dict(self.data[key], mode)

    def __delitem__(self, key: str) -> None:
        """Removes an entry, a group with all that is in it."""
        self._check_writable(f"delete {key!r}")
        if key not in self:
            raise KeyError(f"H5Dict: there is no {key!r}.")
        if isinstance(self.data, dict):
            del self.data[key]
        else:
            self._remove(key)

    def _remove(self, key: str) -> None:
        for name in (key, f"{key}{_JSON}", *self._pieces(key)):
            if name in self.data.attrs:
                del self.data.attrs[name]
        if key in self.data:
            del self.data[key]

    def _pieces(self, key: str) -> list[str]:
        """The attributes that a long list is cut into; none where the key itself is one."""
        if isinstance(self.data, dict) or key in self.data.attrs or f"{key}{_JSON}" in self.data.attrs:
            return []
        found: list[str] = []
        while (name := f"{key}{len(found)}") in self.data.attrs:
            found.append(name)
        # A single one is an entry whose own name ends in 0.
        return found if len(found) > 1 else []

    def _check_writable(self, what: str) -> None:
        if self.read_only:
            raise ValueError(f"H5Dict: cannot {what}, it was opened for reading only.")

    # -- all of them ----------------------------------------------------------------------------

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        if isinstance(self.data, dict):
            return key in self.data and key != _GROUP
        attributes = self.data.attrs
        return key in self.data or key in attributes or f"{key}{_JSON}" in attributes or bool(self._pieces(key))

    def keys(self) -> list[str]:
        """Names of all entries: groups, arrays and values."""
        if isinstance(self.data, dict):
            return [key for key in self.data if key != _GROUP]
        names = list(self.data.attrs)
        pieces: set[str] = set()
        whole: list[str] = []
        for name in names:
            if name in pieces:
                continue
            if name.endswith("0") and _is_piece(self.data.attrs, name) and (cut := self._pieces(name[:-1])):
                pieces.update(cut)
                whole.append(name[:-1])
            else:
                whole.append(name.removesuffix(_JSON))
        return [*self.data, *(name for name in whole if name not in pieces)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def iter(self) -> Iterator[str]:
        """Names of all entries, one by one."""
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def get(self, key: str, default: Any = None) -> Any:
        """An entry, or `default` where there is none; makes no group."""
        return self._stored(key) if key in self else default

    def update(self, *others: Any, **entries: Any) -> None:
        """Stores all entries of dictionaries, of other `H5Dict`, and keywords."""
        self._check_writable("update")
        for other in (*others, entries):
            for key in other:
                value = other[key]
                if isinstance(value, H5Dict):
                    group = self[key]
                    if not isinstance(group, H5Dict):
                        raise KeyError(f"H5Dict: {key!r} is a value, and cannot become a group.")
                    group.update(value)
                else:
                    self[key] = value

    # -- end ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Writes what is outstanding, and closes the file if this object opened it."""
        if isinstance(self.data, dict) or not self.data:
            return
        self.data.file.flush()
        if self._is_file:
            self.data.close()

    def __enter__(self) -> H5Dict:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<H5Dict of {'a dictionary' if isinstance(self.data, dict) else self.data!r}>"


def _attributes(key: str, value: Any) -> dict[str, Any]:
    """A value as attributes of HDF5.

    Raises:
        TypeError: If it cannot be one.
        ValueError: If an entry of a list is longer than a header.
    """
    if isinstance(value, (str, bytes)) and "\0" not in (value if isinstance(value, str) else value.decode("latin-1")):
        return {key: value}
    if type(value) in (bool, float) or (type(value) is int and -(1 << 63) <= value < 1 << 63):
        return {key: value}
    if isinstance(value, (list, tuple)) and value and all(isinstance(entry, bytes) for entry in value):
        longest = max(1, *(len(entry) for entry in value))
        if longest > _HEADER:
            raise ValueError(f"H5Dict: an entry of {key!r} is {longest} bytes long; a header holds {_HEADER}.")
        whole = np.array(value, dtype=f"S{longest}")
        # An equal number of entries in each; they come back in order.
        count = -(-len(value) // (_HEADER // longest))
        if count == 1:
            return {key: whole}
        return {f"{key}{i}": piece for i, piece in enumerate(np.array_split(whole, count))}
    try:
        return {f"{key}{_JSON}": json.dumps(value)}
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"H5Dict: {key!r} is a {type(value).__name__} that a file cannot hold ({error}); it holds arrays, texts, "
            "bytes, numbers, and lists and dictionaries of texts and numbers."
        ) from error


def _value(value: Any) -> Any:
    """An attribute as it was given: a text, bytes, a number or a list."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _is_piece(attributes: Any, name: str) -> bool:
    shape = attributes.get_id(name).shape
    return shape is not None and len(shape) == 1


def _h5py(who: str) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"{who} needs the package h5py: pip install h5py") from error
    return h5py


def ask_to_proceed_with_overwrite(filepath: Any) -> bool:
    """Whether the user says that a file may be replaced."""
    while True:
        answer = input(f"{path_to_string(filepath)} exists. Overwrite it? [y/n] ").strip().lower()
        if answer in ("y", "n"):
            return answer == "y"
        print("Please answer y or n.")


def path_to_string(path: Any) -> Any:
    """A path as a text; anything else as it is."""
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def load_from_binary_h5py(load_function: Callable[[Any], Any], stream: Any) -> Any:
    """What a function reads from an `h5py.File`, opened on a binary stream.

    Args:
        load_function: Function of the open file.
        stream: A file object to read from.
    """
    with _h5py("load_from_binary_h5py").File(io.BytesIO(stream.read()), "r") as file:
        return load_function(file)


def save_to_binary_h5py(save_function: Callable[[Any], Any], stream: Any) -> None:
    """Writes to a binary stream what a function writes into an `h5py.File`.

    Args:
        save_function: Function of the open file.
        stream: A file object to write to.
    """
    memory = io.BytesIO()
    with _h5py("save_to_binary_h5py").File(memory, "w") as file:
        save_function(file)
    stream.write(memory.getvalue())
