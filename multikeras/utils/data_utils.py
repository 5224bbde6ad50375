"""Data sets that are read batch by batch, and the workers that read them ahead of training."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from multikeras.utils.batch_threads import TIMEOUT, Finished, Here, Threads, WorkerError
from multikeras.utils.downloads import get_file, validate_file

__all__ = [
    "GeneratorEnqueuer",
    "OrderedEnqueuer",
    "Sequence",
    "SequenceEnqueuer",
    "WorkerError",
    "get_file",
    "is_sequence",
    "iter_sequence_infinite",
    "validate_file",
]


def __getattr__(name: str) -> Any:
    # Old programs look for these here; what they need is imported when they do.
    if name in ("get_file", "validate_file"):
        from multikeras.utils import downloads

        return getattr(downloads, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Sequence:
    """Base class of data sets that give a batch by its number.

    A subclass defines `__getitem__(index)`, which returns a batch `(x, y)` or `(x, y, sample_weight)`, and `__len__`,
    the number of batches. Several workers may ask for batches at once. With worker processes the random generators of
    NumPy and Python are seeded before every batch, so that what is drawn does not depend on the number of workers.

    Attributes:
        start_method: How worker processes are started: `'fork'` (None on Linux), which also works for classes of a
            notebook, or `'spawn'` (None elsewhere), for which the object is pickled.
        timeout: Seconds for one batch after which a worker process counts as stuck; after a tenth a warning says
            where it is.
    """

    use_sequence_api = True
    start_method: str | None = None
    timeout: float = TIMEOUT

    def __getitem__(self, index: int) -> Any:
        """The batch of that number, from 0."""
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__(index).")

    def __len__(self) -> int:
        """The number of batches."""
        raise NotImplementedError(f"{type(self).__name__} does not define __len__().")

    def on_epoch_end(self) -> None:
        """Called in the main process when all batches have been used, before any is asked for again."""

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))


def is_sequence(value: Any) -> bool:
    """Whether a value gives batches by number: a `Sequence`, or something that says so by `use_sequence_api`."""
    return isinstance(value, Sequence) or (
        getattr(value, "use_sequence_api", False) is True and hasattr(value, "__getitem__")
    )


def iter_sequence_infinite(sequence: Any) -> Iterator[Any]:
    """The batches of a sequence in order, again and again."""
    while True:
        yield from (sequence[index] for index in range(len(sequence)))


class _BatchOf:
    """Gives the batch of a number; it can be sent to a process if the sequence can."""

    def __init__(self, sequence: Any) -> None:
        self.sequence = sequence

    def __call__(self, index: int) -> Any:
        try:
            return self.sequence[index]
        except StopIteration as error:
            # It would end the data in silence.
            raise RuntimeError(f"{type(self.sequence).__name__}.__getitem__({index}) raised StopIteration.") from error


class _NextOf:
    """Gives the next batch of an iterator, whatever the number."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self.iterator = iterator

    def __call__(self, index: int) -> Any:
        try:
            return next(self.iterator)
        except StopIteration:
            raise Finished from None


class SequenceStream:
    """The batches of a Sequence, pass after pass.

    Args:
        sequence: The data set.
        workers: Number of workers; 0 computes in the calling thread.
        use_multiprocessing: Whether they are processes rather than threads.
        max_queue_size: How many batches may wait.
        shuffle: Whether every pass has an order of its own, drawn from NumPy's generator.
    """

    def __init__(
        self,
        sequence: Any,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
        shuffle: bool = False,
    ) -> None:
        self.sequence = sequence
        self.shuffle = shuffle
        self.exhausted = False
        self._order: np.ndarray = np.zeros(0, int)
        self._at = 0
        compute = _BatchOf(sequence)
        self._workers: Any
        _check_workers(workers, max_queue_size)
        if not workers:
            self._workers = Here(compute)
        elif use_multiprocessing:
            # The modules of processes are imported where there are some.
            from multikeras.utils.batch_processes import Processes

            name = type(sequence).__name__
            method, timeout = getattr(sequence, "start_method", None), getattr(sequence, "timeout", TIMEOUT)
            self._workers = Processes(compute, workers, max_queue_size, name, method, timeout)
        else:
            self._workers = Threads(compute, workers, max_queue_size)

    @property
    def in_processes(self) -> bool:
        """Whether batches come from other processes, so that nobody here writes to them."""
        return self._workers.in_processes

    def take(self, count: int | None, number: int = 0) -> Iterator[Any]:
        """The next batches; where a pass ends within them, `on_epoch_end` is called and the next one begins.

        Args:
            count: How many; None for no end.
            number: Number of the epoch, part of the seed of what worker processes draw.
        """
        part_number = 0
        while count is None or count > 0:
            if self._at == len(self._order):
                self._begin()
            stop = None if count is None else self._at + count
            part = self._order[self._at : stop].tolist()
            for batch in self._workers.results(part, (number, part_number)):
                self._at += 1
                yield batch
            part_number += 1
            if count is not None:
                count -= len(part)
            if self._at == len(self._order):
                self._pass_ends()

    def _begin(self) -> None:
        length = len(self.sequence)
        if length < 1:
            raise ValueError(f"{type(self.sequence).__name__} has no batches: its length is {length}.")
        self._order = np.random.permutation(length) if self.shuffle else np.arange(length)
        self._at = 0

    def _pass_ends(self) -> None:
        method = getattr(self.sequence, "on_epoch_end", None)
        if method is None:
            return
        method()
        if getattr(type(self.sequence), "on_epoch_end", None) is not Sequence.on_epoch_end:
            # It may have changed what the workers know.
            self._workers.renew()

    def restart(self) -> None:
        """Lets the next batch be the first one of a pass."""
        self._at = len(self._order)

    def close(self) -> None:
        """Ends the workers."""
        self._workers.close()


class GeneratorStream:
    """The batches of a generator, or of any iterator.

    Args:
        generator: The iterator.
        workers: Number of workers; 0 computes in the calling thread.
        use_multiprocessing: Whether they are processes rather than threads. Each process then has the generator for
            itself, and the one here stays where it is.
        max_queue_size: How many batches may wait.

    Attributes:
        exhausted: Whether it had fewer batches than were asked for.
    """

    def __init__(
        self, generator: Iterator[Any], workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.exhausted = False
        compute = _NextOf(generator)
        self._workers: Any
        _check_workers(workers, max_queue_size)
        if not workers:
            self._workers = Here(compute)
        elif use_multiprocessing:
            from multikeras.utils.batch_processes import Processes, start_method_of

            if start_method_of(None) != "fork":
                raise ValueError(
                    "A generator with use_multiprocessing=True needs processes that are forked, which this system has "
                    "not. Use threads (use_multiprocessing=False) or a multikeras.utils.Sequence."
                )
            if workers > 1:
                warnings.warn(
                    f"With use_multiprocessing=True each of the {workers} workers has the generator for itself, so "
                    "that batches may come several times. Use a multikeras.utils.Sequence, or workers=1.",
                    UserWarning,
                    stacklevel=6,
                )
            self._workers = Processes(compute, workers, max_queue_size, type(generator).__name__, "fork", reseed=False)
        else:
            # An iterator is asked by one thread at a time, so that its order is kept.
            self._workers = Threads(compute, workers, max_queue_size, one_at_a_time=True)

    @property
    def in_processes(self) -> bool:
        """Whether batches come from other processes, so that nobody here writes to them."""
        return self._workers.in_processes

    def take(self, count: int | None, number: int = 0) -> Iterator[Any]:
        """The next batches, in order; fewer if the generator ends.

        Args:
            count: How many; None for all.
            number: Number of the epoch, which a generator has no use for.
        """
        tasks: Iterable[int] = itertools.count() if count is None else range(count)
        given = 0
        for batch in self._workers.results(tasks):
            given += 1
            yield batch
        self.exhausted = count is None or given < count

    def close(self) -> None:
        """Ends the workers."""
        self._workers.close()


def stream_of(
    data: Any, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10, shuffle: bool = False
) -> SequenceStream | GeneratorStream:
    """The batches of a Sequence or an iterator, made ahead by workers.

    Args:
        data: A Sequence, or an iterator.
        workers: Number of workers; 0 computes in the calling thread.
        use_multiprocessing: Whether they are processes rather than threads.
        max_queue_size: How many batches may wait.
        shuffle: Whether a Sequence has a new order every pass; an iterator has its own.
    """
    if is_sequence(data):
        return SequenceStream(data, workers, use_multiprocessing, max_queue_size, shuffle)
    return GeneratorStream(data, workers, use_multiprocessing, max_queue_size)


def _check_workers(workers: int, max_queue_size: int) -> None:
    for name, value, least in (("workers", workers, 0), ("max_queue_size", max_queue_size, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"`{name}` is a whole number from {least}, received {value!r}.")


class SequenceEnqueuer:
    """What `OrderedEnqueuer` and `GeneratorEnqueuer` share: batches that workers make ahead.

    enqueuer = OrderedEnqueuer(sequence)
    enqueuer.start(workers=4, max_queue_size=10)
    for batch in enqueuer.get():
        ...
    enqueuer.stop()
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False) -> None:
        """Keeps the settings.

        Args:
            sequence: A Sequence or an iterator.
            use_multiprocessing: Whether the workers are processes rather than threads.
        """
        self.sequence = sequence
        self.use_multiprocessing = use_multiprocessing
        self._stream: Any = None
        self._batches: Iterator[Any] | None = None

    def _open(self, workers: int, max_queue_size: int) -> Any:
        return stream_of(self.sequence, workers, self.use_multiprocessing, max_queue_size)

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Makes the workers; they begin with the first batch that is asked for.

        Args:
            workers: Number of workers.
            max_queue_size: How many batches may wait.
        """
        if self.is_running():
            raise RuntimeError(f"{type(self).__name__} is running; call stop first.")
        self._stream = self._open(workers, max_queue_size)
        self._batches = self._stream.take(None)

    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._stream is not None

    def get(self) -> Iterator[Any]:
        """The batches, without end for a Sequence.

        Raises:
            RuntimeError: If it has not been started.
        """
        batches = self._batches
        if batches is None:
            raise RuntimeError(f"{type(self).__name__} is not running; call start first.")
        return (batch for batch in batches)

    def stop(self, timeout: float | None = None) -> None:
        """Ends the workers.

        Args:
            timeout: Accepted for old programs; nothing here waits long.
        """
        stream, self._stream = self._stream, None
        batches, self._batches = self._batches, None
        if batches is not None:
            batches.close()  # type: ignore[attr-defined]
        if stream is not None:
            stream.close()


class OrderedEnqueuer(SequenceEnqueuer):
    """Batches of a Sequence in order, pass after pass."""

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False) -> None:
        """Keeps the settings.

        Args:
            sequence: The data set.
            use_multiprocessing: Whether the workers are processes rather than threads.
            shuffle: Whether every pass has an order of its own.
        """
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle

    def _open(self, workers: int, max_queue_size: int) -> Any:
        return SequenceStream(self.sequence, workers, self.use_multiprocessing, max_queue_size, self.shuffle)


class GeneratorEnqueuer(SequenceEnqueuer):
    """Batches of a generator, in its order where there is one worker."""

    def __init__(
        self,
        sequence: Any,
        use_multiprocessing: bool = False,
        wait_time: float | None = None,
        random_seed: int | None = None,
    ) -> None:
        """Keeps the settings.

        Args:
            sequence: The generator.
            use_multiprocessing: Whether the workers are processes rather than threads.
            wait_time: Accepted for old programs; nothing here waits by the clock.
            random_seed: Accepted for old programs; workers are seeded from NumPy's generator.
        """
        super().__init__(sequence, use_multiprocessing)

    def _open(self, workers: int, max_queue_size: int) -> Any:
        return GeneratorStream(self.sequence, workers, self.use_multiprocessing, max_queue_size)
