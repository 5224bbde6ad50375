"""Batches made ahead by threads, and given out in order.

The threads live as long as one call of `results`: nothing is asked for beyond what that call gives
out, so that between two epochs no thread runs code of the user's, or draws random numbers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

#: Seconds after which a wait looks up, for platforms on which Ctrl-C cannot end a wait.
_LOOK_UP = 1.0


#: Seconds for one batch after which a worker process counts as stuck, where the data set says nothing.
TIMEOUT = 600.0


class WorkerError(RuntimeError):
    """A worker process died, is stuck, or met an error that cannot be sent."""


class Finished(Exception):
    """Raised by what computes batches where there are no more."""


class Here:
    """No worker at all: each batch is computed when it is asked for.

    Args:
        compute: Gives a batch for a task, or raises `Finished`.
    """

    in_processes = False

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self._compute = compute

    def results(self, tasks: Iterable[Any], number: Sequence[int] = ()) -> Iterator[Any]:
        """The batches of some tasks, in order; fewer where they run out.

        Args:
            tasks: What to compute.
            number: Tells this call from others, where worker processes draw random numbers.
        """
        for task in tasks:
            try:
                batch = self._compute(task)
            except Finished:
                return
            yield batch

    def renew(self) -> None:
        """Nothing: what computes is always looked at as it is."""

    def close(self) -> None:
        """Nothing is kept."""


class Threads:
    """Worker threads.

    Args:
        compute: Gives a batch for a task, or raises `Finished`.
        workers: Number of threads.
        ahead: How many batches there may be that nobody has asked for yet.
        one_at_a_time: Whether only one thread may compute, in the order of the tasks.
    """

    in_processes = False

    def __init__(self, compute: Callable[[Any], Any], workers: int, ahead: int, one_at_a_time: bool = False) -> None:
        self._compute = compute
        self._workers = 1 if one_at_a_time else workers
        self._ahead = max(1, ahead)

    def results(self, tasks: Iterable[Any], number: Sequence[int] = ()) -> Iterator[Any]:
        """The batches of some tasks, in order; fewer where they run out.

        An error of a task is raised where its batch would come, with the traceback of the thread.

        Args:
            tasks: What to compute.
            number: Tells this call from others, where worker processes draw random numbers.
        """
        run = _Run(self._compute, iter(tasks), self._ahead)
        threads = [
            threading.Thread(target=run.work, name=f"batches-{i}", daemon=True) for i in range(max(1, self._workers))
        ]
        for thread in threads:
            thread.start()
        try:
            yield from run.batches()
        finally:
            run.stop()
            until = time.monotonic() + _LOOK_UP
            for thread in threads:
                # Code of the user's that does not return is left behind: the threads are daemons.
                thread.join(max(0.0, until - time.monotonic()))

    def renew(self) -> None:
        """Nothing: what computes is shared with the threads."""

    def close(self) -> None:
        """Nothing is kept between two calls of `results`."""


class _Run:
    """One call of `results`: what its threads share."""

    def __init__(self, compute: Callable[[Any], Any], tasks: Iterator[Any], ahead: int) -> None:
        self._compute = compute
        self._tasks = tasks
        self._ahead = ahead
        self._changed = threading.Condition()
        self._done: dict[int, tuple[Any, BaseException | None]] = {}
        self._taken = 0
        self._given = 0
        self._stopped = False
        #: How many batches there are, once a task was the last one.
        self._end: int | None = None

    def _take(self) -> tuple[int, Any] | None:
        """The next task with its place, None where there is nothing left to do."""
        with self._changed:
            while not self._stopped and self._end is None and self._taken - self._given >= self._ahead:
                self._changed.wait(_LOOK_UP)
            if self._stopped or self._end is not None:
                return None
            try:
                task = next(self._tasks)
            except StopIteration:
                self._finish(self._taken)
                return None
            place = self._taken
            self._taken += 1
            return place, task

    def _finish(self, count: int) -> None:
        self._end = count if self._end is None else min(self._end, count)
        self._changed.notify_all()

    def work(self) -> None:
        """What each thread does."""
        while (taken := self._take()) is not None:
            place, task = taken
            error: BaseException | None = None
            batch = None
            try:
                batch = self._compute(task)
            except Finished:
                with self._changed:
                    self._finish(place)
                return
            except BaseException as raised:  # noqa: BLE001 - it is raised where the batch is asked for
                raised.add_note(f"This happened in a worker thread, for batch {task}.")
                error = raised
            with self._changed:
                self._done[place] = batch, error
                self._changed.notify_all()
            if error is not None:
                return

    def batches(self) -> Iterator[Any]:
        """The batches in order."""
        place = 0
        while True:
            with self._changed:
                while place not in self._done and (self._end is None or place < self._end):
                    self._changed.wait(_LOOK_UP)
                if place not in self._done:
                    return
                batch, error = self._done.pop(place)
                place += 1
                self._given = place
                self._changed.notify_all()
            if error is not None:
                raise error
            yield batch
            # The batch may be large, and the next one is waited for.
            del batch

    def stop(self) -> None:
        """Lets the threads end after what they are computing."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
