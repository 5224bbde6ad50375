"""Data as rows: arrays in memory, arrays of other libraries, data sets in files.

A table gives rows by number or by range as NumPy arrays. Nothing here looks at what the rows mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from multikeras import registry
from multikeras.graph import Tensor
from multikeras.utils.data_utils import is_sequence

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

    def without_axis(self) -> Table:
        """The same rows without the last axis, whose length is 1."""
        return Table(self.array[..., 0])


class FileTable(Table):
    """Rows of something that is read piece by piece: an h5py data set, an `HDF5Matrix`.

    Args:
        array: What is read.
        start: First row.
        stop: Row after the last one; None for all.
        axes: 1 adds an axis of length 1 at the end, -1 takes one away.
    """

    def __init__(self, array: Any, start: int = 0, stop: int | None = None, axes: int = 0) -> None:
        self.array = array
        self.start = start
        self.stop = int(array.shape[0]) if stop is None else stop
        self.axes = axes
        rest = tuple(array.shape[1:])
        self.shape = (self.stop - self.start, *((*rest, 1) if axes > 0 else rest[:-1] if axes < 0 else rest))

    def picker(self) -> Rows:
        return self._pick

    def _pick(self, rows: np.ndarray) -> np.ndarray:
        # Files are read in increasing order, and a number twice is refused.
        wanted, places = np.unique(rows, return_inverse=True)
        if len(wanted) and wanted[-1] - wanted[0] + 1 == len(wanted):
            return self.range(int(wanted[0]), int(wanted[-1]) + 1)[places]
        return self._shaped(np.asarray(self.array[(wanted + self.start).tolist()])[places])

    def _shaped(self, found: np.ndarray) -> np.ndarray:
        return found[..., None] if self.axes > 0 else found[..., 0] if self.axes < 0 else found

    def range(self, start: int, stop: int) -> np.ndarray:
        stop = min(stop, len(self))
        return self._shaped(np.asarray(self.array[self.start + start : self.start + stop]))

    def part(self, start: int, stop: int) -> Table:
        return FileTable(self.array, self.start + start, self.start + min(stop, len(self)), self.axes)

    def with_axis(self) -> Table:
        return FileTable(self.array, self.start, self.stop, self.axes + 1)

    def without_axis(self) -> Table:
        return FileTable(self.array, self.start, self.stop, self.axes - 1)


class DerivedTable(Table):
    """Rows computed from those of other tables, batch by batch.

    Args:
        sources: The other tables.
        function: From their rows to the rows here.
        shape: Shape of all rows.
    """

    def __init__(self, sources: Sequence[Table], function: Callable[..., Any], shape: tuple[int, ...]) -> None:
        self.sources = list(sources)
        self.function = function
        self.shape = shape

    def picker(self) -> Rows:
        pickers = [source.picker() for source in self.sources]
        return lambda rows: self.function(*[pick(rows) for pick in pickers])

    def range(self, start: int, stop: int) -> Any:
        return self.function(*[source.range(start, stop) for source in self.sources])

    def part(self, start: int, stop: int) -> Table:
        parts = [source.part(start, stop) for source in self.sources]
        return DerivedTable(parts, self.function, (stop - start, *self.shape[1:]))


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
    """An array without rows, fed as it is with every batch: sample weights where there are none.

    It has no number of rows of its own.
    """

    def __init__(self, ndim: int = 1) -> None:
        super().__init__(np.ones((0,) * ndim, "float32"))

    def picker(self) -> Rows:
        array = self.array
        return lambda rows: array

    def range(self, start: int, stop: int) -> Any:
        return self.array

    def part(self, start: int, stop: int) -> Table:
        return self


def is_stream(value: Any) -> bool:
    """Whether a value gives batches one after the other: a generator, any iterator, a `Sequence`."""
    return isinstance(value, Iterator) or is_sequence(value)


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
    if is_stream(value):
        raise TypeError(
            f"{what}: received a {type(value).__name__}, which gives batches one after the other, inputs and targets "
            "together. Pass it as the only data: fit(generator, steps_per_epoch=100), evaluate(generator, steps=10)."
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
        array = _frame(value, what)
    elif hasattr(value, "__dlpack__"):
        array = _exchanged(value)
    else:
        array = _listed(value, what)
    if array.dtype.kind not in "biuf":
        if array.dtype == object:
            return _listed(array.tolist(), what)
        raise TypeError(f"{what}: expected numbers, received values of type {array.dtype}.")
    return array


def _frame(value: Any, what: str) -> np.ndarray:
    """The numbers of a data frame, or of one of its columns."""
    array = np.asarray(value.to_numpy())
    if array.dtype == object and getattr(value, "columns", None) is not None:
        others = [str(name) for name, kind in value.dtypes.items() if getattr(kind, "kind", "O") not in "biuf"]
        if others:
            raise TypeError(
                f"{what}: the columns {', '.join(others)} of the data frame hold no numbers. Leave them out, or turn "
                "them into numbers first."
            )
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
