"""Data sets that are read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["Sequence"]


class Sequence:
    """Base class of data sets that give a batch by its number.

    A subclass defines `__getitem__(index)`, which returns a batch, and `__len__`, the number of
    batches; `on_epoch_end` may be overridden.
    """

    #: Whether several processes may ask for batches at once.
    use_sequence_api = True

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__(index).")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not define __len__().")

    def on_epoch_end(self) -> None:
        """Called at the end of every epoch."""

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))
