"""Data as rows: arrays in memory, arrays of other libraries, data sets in files.

A table gives rows by number or by range as NumPy arrays. Nothing here looks at what the rows mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from multikeras import registry
from multikeras.graph import Tensor
from multikeras.utils import Sequence

Rows = Callable[[np.ndarray], Any]


class Table:
    """Rows of one array in memory.

    Attributes:
        shape: Its shape; the first axis counts samples.
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape: tuple[int, ...] = tuple(array.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def picker(self) -> Rows:
        """A function from an array of row numbers to the rows; it is called for every batch."""
        take = self.array.take

        def pick(rows: np.ndarray) -> np.ndarray:
            made = take(rows, 0)
            # Nobody will write to it, so a backend need not copy it for a device that reads it later.
            made.flags.writeable = False
            return made

        return pick

    def range(self, start: int, stop: int) -> Any:
        """The rows from `start` to before `stop`; it may be a view."""
        return self.array[start:stop]

    def part(self, start: int, stop: int) -> Table:
        """A table of some of the rows."""
        return Table(self.array[start:stop])

    def with_axis(self) -> Table:
        """The same rows with one more axis of length 1 at the end."""
        return Table(self.array[..., None])


class FileTable(Table):
    """Rows of something that is read piece by piece: an h5py data set, an `HDF5Matrix`."""

    def __init__(self, array: Any, start: int = 0, stop: int | None = None, expanded: bool = False) -> None:
        self.array = array
        self.start = start
        self.stop = int(array.shape[0]) if stop is None else stop
        self.expanded = expanded
        self.shape = (self.stop - self.start, *array.shape[1:], *((1,) if expanded else ()))

    def picker(self) -> Rows:
        return self._pick

    def _pick(self, rows: np.ndarray) -> np.ndarray:
        # Files are read in increasing order, and a number twice is refused.
        wanted, places = np.unique(rows, return_inverse=True)
        if len(wanted) and wanted[-1] - wanted[0] + 1 == len(wanted):
            return self.range(int(wanted[0]), int(wanted[-1]) + 1)[places]
        found = np.asarray(self.array[(wanted + self.start).tolist()])[places]
        return found[..., None] if self.expanded else found

    def range(self, start: int, stop: int) -> np.ndarray:
        stop = min(stop, len(self))
        found = np.asarray(self.array[self.start + start : self.start + stop])
        return found[..., None] if self.expanded else found

    def part(self, start: int, stop: int) -> Table:
        return FileTable(self.array, self.start + start, self.start + min(stop, len(self)), self.expanded)

    def with_axis(self) -> Table:
        return FileTable(self.array, self.start, self.stop, True)


class SparseTable(Table):
    """Rows of a scipy.sparse matrix, made dense batch by batch."""

    def __init__(self, matrix: Any) -> None:
        super().__init__(matrix.tocsr())

    def picker(self) -> Rows:
        return self._pick

    def _pick(self, rows: np.ndarray) -> np.ndarray:
        return self.array[rows].toarray()

    def range(self, start: int, stop: int) -> np.ndarray:
        return self.array[start:stop].toarray()

    def part(self, start: int, stop: int) -> Table:
        return SparseTable(self.array[start:stop])

    def with_axis(self) -> Table:
        return Table(self.array.toarray()[..., None])


class NoTable(Table):
    """An array without rows, fed as it is with every batch: sample weights where there are none."""

    def __init__(self, rows: int, ndim: int = 1) -> None:
        super().__init__(np.ones((0,) * ndim, "float32"))
        self.shape = (rows,)

    def picker(self) -> Rows:
        array = self.array
        return lambda rows: array

    def range(self, start: int, stop: int) -> Any:
        return self.array

    def part(self, start: int, stop: int) -> Table:
        return NoTable(stop - start, self.array.ndim)


def table(value: Any, what: str) -> Table:
    """The table of anything that a user gives as data.

    Args:
        value: An array of any library, a list, a number, a data frame, a sparse matrix, a data set of h5py.
        what: What it is, for messages: `"input 'dense_1_input'"`.

    Raises:
        TypeError: If it holds no numbers.
    """
    if isinstance(value, Table):
        return value
    if isinstance(value, (Iterator, Sequence)):
        raise TypeError(
            f"{what}: received a {type(value).__name__}, which gives batches one after the other. Training from "
            "generators and Sequences is not there yet; pass arrays, or call train_on_batch in a loop of your own."
        )
    if hasattr(value, "tocsr") and hasattr(value, "nnz"):
        return SparseTable(value)
    if _is_file(value):
        return FileTable(value)
    array = _array(value, what)
    return Table(array.reshape(1) if array.ndim == 0 else array)


def _is_file(value: Any) -> bool:
    """Whether a value is read piece by piece: it has rows and a shape, and is no array."""
    if isinstance(value, (np.ndarray, Tensor, list, tuple)) or hasattr(value, "__dlpack__") or hasattr(value, "iloc"):
        return False
    return all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__")) and len(value.shape) > 0


def _array(value: Any, what: str) -> np.ndarray:
    if isinstance(value, np.ndarray):
        array = value
    elif isinstance(value, Tensor):
        array = np.asarray(value)
    elif hasattr(value, "iloc") and hasattr(value, "to_numpy"):
        array = value.to_numpy()
    elif hasattr(value, "__dlpack__"):
        array = _exchanged(value)
    else:
        array = _listed(value, what)
    if array.dtype.kind not in "biuf":
        if array.dtype == object:
            return _listed(array.tolist(), what)
        raise TypeError(f"{what}: expected numbers, received values of type {array.dtype}.")
    return array


def _exchanged(value: Any) -> np.ndarray:
    """An array of another library."""
    backend = registry.current()
    if backend.is_array(value):
        return backend.to_numpy(value)
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError):
        # Arrays on another device, or that are read only, export no view to NumPy; their own conversion copies.
        return np.asarray(value)


def _listed(value: Any, what: str) -> np.ndarray:
    try:
        array = np.array(value)
    except ValueError as error:
        raise TypeError(
            f"{what}: the entries have different lengths, so they make no array ({error}). Pad them to one length, "
            "e.g. with preprocessing.sequence.pad_sequences."
        ) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what}: expected an array of numbers, received {type(value).__name__}: {str(value)[:80]}.")
    return array
