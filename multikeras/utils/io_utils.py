"""Data in HDF5 files, read piece by piece."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["HDF5Matrix"]


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
        try:
            import h5py
        except ImportError as error:
            raise ImportError("HDF5Matrix needs the package h5py: pip install h5py") from error
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
