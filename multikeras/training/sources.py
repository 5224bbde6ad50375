"""Where the batches of an epoch come from: arrays, tensors, generators and Sequences."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from multikeras.training.data import Data
from multikeras.utils.data_utils import SequenceStream, is_sequence, stream_of

#: What to feed, and how many samples that is.
Batch = tuple[list[Any], int]


def bounds_of(size: int, batch_size: int) -> list[tuple[int, int]]:
    """First and last but one row of every batch; the last batch may be smaller."""
    return [(start, min(start + batch_size, size)) for start in range(0, size, batch_size)]


class Samples(int):
    """A number of samples where a number of batches is expected: batches are drawn until that many were seen."""


class Source:
    """The batches of epochs.

    Attributes:
        steps: Batches in an epoch; None where only `samples` says how long it is.
        samples: Samples in an epoch, None where that is not known.
        batch_size: Samples in a batch, None where that is not known.
        exhausted: Whether the data ended before the epoch did.
        resumable: Whether a run that is started again gets the same batches from the same epoch on.
    """

    steps: int | None = None
    samples: int | None = None
    batch_size: int | None = None
    exhausted: bool = False
    resumable: bool = True

    def epoch(self, number: int = 0) -> Iterator[Batch]:
        """The batches of the next epoch, whose number is part of the seed of what worker processes draw."""
        raise NotImplementedError

    def restart(self) -> None:
        """Lets the next epoch begin where the first one did, as far as that can be."""

    def close(self) -> None:
        """Ends what makes the batches."""


class ArraySource(Source):
    """Batches of arrays that are there as a whole, or in files.

    Args:
        data: The arrays.
        batch_size: Samples in a batch; the last one of an epoch may be smaller.
        shuffle: True for a new order of all samples, `'batch'` for a new order of whole batches, False for none.
        steps: Batches in an epoch; those of the data if None. More begin the data anew.
        what: Name of the argument that `steps` is, for messages.
    """

    def __init__(
        self, data: Data, batch_size: int, shuffle: Any = False, steps: int | None = None, what: str = "steps"
    ) -> None:
        steps = _whole_steps(steps, what)
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle
        size = data.size
        self._bounds = bounds_of(size, batch_size)
        if isinstance(steps, Samples):
            steps = -(-steps // batch_size)
        self.samples = size if steps is None and size else None
        self.steps = len(self._bounds) if steps is None else steps

    def epoch(self, number: int = 0) -> Iterator[Batch]:
        data, bounds, left = self.data, self._bounds, self.steps or 0
        if not bounds:
            # Nothing has rows; what is fed is the same for every batch.
            for _ in range(left):
                yield data.range(0, 0), 1
            return
        while left > 0:
            now, left = bounds[:left], left - len(bounds)
            if self.shuffle is True:
                order = np.random.permutation(data.size)
                read = data.reader()
                for start, stop in now:
                    yield read(order[start:stop]), stop - start
                continue
            if self.shuffle:
                now = [bounds[i] for i in np.random.permutation(len(bounds))][: len(now)]
            for start, stop in now:
                yield data.range(start, stop), stop - start


class TensorSource(Source):
    """Batches that tensors give: they are evaluated anew for every step.

    Args:
        evaluate: Gives the data of a step.
        steps: Batches in an epoch.
        what: Name of the argument that `steps` is, for messages.
    """

    def __init__(self, evaluate: Callable[[], Data], steps: int, what: str = "steps") -> None:
        self.evaluate = evaluate
        self.steps = _whole_steps(steps, what)

    def epoch(self, number: int = 0) -> Iterator[Batch]:
        for _ in range(self.steps or 0):
            data = self.evaluate()
            yield data.range(0, data.size), data.size or 1


class StreamSource(Source):
    """Batches of a generator or a Sequence.

    Args:
        given: The generator or Sequence.
        read: From a batch of the user's to the data to feed.
        steps: Batches in an epoch; None for those of a Sequence.
        what: Name of the argument that `steps` is, for messages.
        name: What the data is called in messages.
        workers: Number of workers; 0 computes in the calling thread.
        use_multiprocessing: Whether they are processes rather than threads.
        max_queue_size: How many batches may wait.
        shuffle: Whether a Sequence has a new order every pass.

    Raises:
        ValueError: If nothing says how long an epoch is.
    """

    def __init__(
        self,
        given: Any,
        read: Callable[[Any], Data],
        steps: int | None,
        what: str,
        name: str,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
        shuffle: bool = False,
    ) -> None:
        if steps is None:
            if not is_sequence(given):
                raise ValueError(
                    f"A {name} does not say how many batches it has: pass `{what}`. A multikeras.utils.Sequence says "
                    "so itself."
                )
            steps = len(given)
            if steps < 1:
                raise ValueError(f"The {name} has no batches: its length is {steps}.")
        steps = _whole_steps(steps, what)
        self.name = name
        self.read = read
        self.samples = int(steps) if isinstance(steps, Samples) else None
        self.steps = None if isinstance(steps, Samples) else steps
        self._stream = stream_of(given, workers, use_multiprocessing, max_queue_size, shuffle)
        self._endless: Iterator[Any] | None = None
        self._given = 0
        # A pass that an epoch leaves unfinished goes on in the next one.
        self.resumable = is_sequence(given) and self.steps is not None and self.steps % len(given) == 0

    def epoch(self, number: int = 0) -> Iterator[Batch]:
        if self.samples is not None:
            yield from self._until(self.samples)
            return
        count = 0
        with contextlib.closing(self._stream.take(self.steps, number)) as batches:  # type: ignore[type-var]
            for batch in batches:
                count += 1
                yield self._read(batch)
        self.exhausted = count < (self.steps or 0)

    def _until(self, samples: int) -> Iterator[Batch]:
        # What was drawn ahead is for the next epoch, since nobody knows how many batches this one has.
        if self._endless is None:
            self._endless = self._stream.take(None)
        seen = 0
        while seen < samples:
            try:
                batch = next(self._endless)
            except StopIteration:
                self.exhausted = True
                return
            values, size = self._read(batch)
            seen += size
            yield values, size

    def _read(self, batch: Any) -> Batch:
        number, self._given = self._given, self._given + 1
        try:
            data = self.read(batch)
        except (TypeError, ValueError) as error:
            error.add_note(f"This is batch {number} of the {self.name}.")
            raise
        values = data.range(0, data.size)
        if self._stream.in_processes:
            # Nobody else has these arrays, so a backend need not copy them against later writes.
            for value in values:
                if isinstance(value, np.ndarray) and value.base is not None:
                    value.flags.writeable = False
        return values, data.size or 1

    def restart(self) -> None:
        if isinstance(self._stream, SequenceStream):
            self._stream.restart()

    def close(self) -> None:
        if self._endless is not None:
            self._endless.close()  # type: ignore[attr-defined]
        self._stream.close()


def _whole_steps(steps: Any, what: str) -> Any:
    """A number of steps as an int; a fraction, as old programs get it from a division, means one step more."""
    if steps is None or isinstance(steps, Samples):
        number: Any = steps
    elif isinstance(steps, (int, float, np.integer, np.floating)) and not isinstance(steps, bool):
        number = math.ceil(steps) if math.isfinite(steps) else 0
    else:
        number = 0
    if number is not None and number < 1:
        raise ValueError(f"`{what}` is a number from 1, or None; received {steps!r}.")
    return number


def unpacked(batch: Any, name: str, targets: bool) -> tuple[Any, Any, Any]:
    """Inputs, targets and sample weights of a batch of a generator or Sequence.

    Args:
        batch: `(x, y)` or `(x, y, sample_weight)`; for prediction, and for models without targets, also `x` alone.
        name: What gave it, for messages.
        targets: Whether there have to be targets.

    Raises:
        ValueError: If it has another form.
    """
    if isinstance(batch, tuple) and 1 <= len(batch) <= 3 and not (targets and len(batch) == 1):
        return (*batch, None, None)[:3]
    if targets and isinstance(batch, list) and len(batch) in (2, 3):
        return (*batch, None)[:3]
    if targets or batch is None or isinstance(batch, tuple):
        form = f"{type(batch).__name__} of {len(batch)} entries" if isinstance(batch, (list, tuple)) else repr(batch)
        raise ValueError(
            f"A batch of a {name} is a tuple (x, y) or (x, y, sample_weight)"
            f"{'' if targets else ', or x alone'}; received {form[:200]}."
        )
    return batch, None, None
