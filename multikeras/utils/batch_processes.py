"""Batches made ahead by worker processes, and given out in order.

On Linux the workers are forked, so that they know what cannot be sent: classes of a notebook or of
`__main__`, closures, generators. A forked worker keeps away from every array library of its parent,
in which JAX and PyTorch would hang: `multikeras.registry` refuses to run programs in it. On other
systems, or where `start_method` says so, workers start anew and the data set is sent to them.

Tasks go to each worker over a pipe of its own, so that one that dies takes no lock with it. Before
each task the random generators are seeded from the seed of the pass and the number of the batch:
what is drawn depends neither on which worker draws it nor on how many there are.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import warnings
import weakref
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np

from multikeras.utils.batch_threads import TIMEOUT, WorkerError
from multikeras.utils.batch_worker import END, ENDS, ERROR, ONE_THREAD, look_for_threads, receive, work

#: Seconds after which a wait looks up, for platforms on which Ctrl-C cannot end a wait.
_LOOK_UP = 1.0

#: Seconds that a worker may go on with what it does when it is no longer needed.
_GRACE = 0.2


def start_method_of(given: str | None) -> str:
    """How worker processes are started.

    Args:
        given: `'fork'`, `'spawn'` or `'forkserver'`; None takes `'fork'` on Linux and its like, else `'spawn'`.

    Raises:
        ValueError: If this system has no such method.
    """
    there = multiprocessing.get_all_start_methods()
    if given is None:
        # On macOS system libraries do not survive a fork.
        return "fork" if "fork" in there and sys.platform != "darwin" else "spawn"
    if given not in there:
        raise ValueError(f"start_method is one of {', '.join(map(repr, there))} on this system, received {given!r}.")
    return given


class Processes:
    """Worker processes, which start with the first batch that is asked for.

    Args:
        compute: Gives a batch for a task, or raises `Finished`; is sent to workers that are not forked.
        workers: Number of processes.
        ahead: How many batches there may be that nobody has asked for yet.
        name: What is computed, for messages.
        start_method: See `start_method_of`.
        timeout: Seconds for one batch after which a worker counts as stuck.
        reseed: Whether the random generators are seeded for every batch, rather than once in each worker.
    """

    in_processes = True

    def __init__(
        self,
        compute: Callable[[Any], Any],
        workers: int,
        ahead: int,
        name: str = "data",
        start_method: str | None = None,
        timeout: float = TIMEOUT,
        reseed: bool = True,
    ) -> None:
        self._compute = compute
        self._workers = workers
        self._ahead = max(1, ahead)
        self._name = name
        self._method = start_method_of(start_method)
        self._timeout = timeout
        self._reseed = reseed
        self._team: _Team | None = None
        self._ending: Any = None
        self._stale = False

    def results(self, tasks: Iterable[Any], number: Sequence[int] = ()) -> Iterator[Any]:
        """The batches of some tasks, in order; fewer where they run out.

        An error of a task is raised where its batch would come, with the traceback of the worker as a note.

        Args:
            tasks: What to compute.
            number: Tells this call from others: it is part of the seed of what is drawn.

        Raises:
            WorkerError: If a worker died or is stuck.
        """
        seed = (_seed_of_now(), *number)
        if self._team is not None and self._stale:
            if self._method == "fork":
                self.close()
            else:
                self._team.send(self._compute)
        if self._team is None:
            self._team = _Team(
                self._compute, self._workers, self._ahead, self._name, self._method, self._timeout, seed[0]
            )
            # At the end of the interpreter this runs while modules are still whole, which __del__ may not.
            self._ending = weakref.finalize(self, self._team.close)
        self._stale = False
        completed = False
        try:
            yield from self._team.results(iter(tasks), seed if self._reseed else None)
            completed = True
        finally:
            if not completed:
                self.close()

    def renew(self) -> None:
        """Says that what computes has changed, which the workers cannot know."""
        self._stale = True

    def close(self) -> None:
        """Ends the workers."""
        self._team = None
        if self._ending is not None:
            self._ending()


def _seed_of_now() -> int:
    """A number made of the state of NumPy's generator, which stays as it is.

    A program then shuffles alike with worker processes, with threads and without.
    """
    return zlib.crc32(pickle.dumps(np.random.get_state(legacy=False)))


class _Worker:
    """A worker process, as its parent sees it.

    Attributes:
        place: Where the batch that it computes comes in the run; None while it waits.
        task: The number of that batch.
        since: When it got the task, by the monotonic clock.
        ended: Whether it has no more batches to give.
    """

    def __init__(self, process: Any, connection: Any, stack: Path) -> None:
        self.process = process
        self.connection = connection
        self.stack = stack
        self.place: int | None = None
        self.task: Any = None
        self.since = 0.0
        self.warned = False
        self.ended = False

    def last_words(self) -> str:
        """What it wrote when it died, such as a traceback after a segmentation fault."""
        return self.stack.read_text(errors="replace") if self.stack.exists() else ""

    def where(self) -> str:
        """Where it is, by its own account."""
        if not hasattr(signal, "SIGUSR1") or not self.stack.exists():
            return ""
        before = self.stack.stat().st_size
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGUSR1)
        time.sleep(0.3)
        return self.last_words()[before:]


class _Team:
    """The workers from one start to the next, and what they share in a run."""

    def __init__(
        self,
        compute: Callable[[Any], Any],
        count: int,
        ahead: int,
        name: str,
        method: str,
        timeout: float,
        seed: int,
    ) -> None:
        self._name = name
        self._method = method
        self._timeout = timeout
        self._ahead = ahead
        self._changed = threading.Condition()
        self._workers: list[_Worker] = []
        self._closing = False
        self._failure: Exception | None = None
        self._begin(iter(()), None)
        self._folder = tempfile.TemporaryDirectory(prefix="multikeras-workers-")
        self._wake, self._woken = multiprocessing.Pipe()
        context = multiprocessing.get_context(method)
        forked = method == "fork"
        try:
            with _for_children(method):
                for number in range(count):
                    ours, theirs = context.Pipe()
                    ENDS.add(ours)
                    stack = Path(self._folder.name) / f"{number}.txt"
                    arguments = (theirs, number, seed, str(stack), compute if forked else None)
                    process: Any = context.Process(  # type: ignore[attr-defined]
                        target=work, args=arguments, name=f"batches-{number}", daemon=True
                    )
                    process.start()
                    theirs.close()
                    self._workers.append(_Worker(process, ours, stack))
            if not forked:
                self.send(compute)
        except BaseException:
            self.close()
            raise
        self._watcher = threading.Thread(target=self._watch, name="batches-watcher", daemon=True)
        self._watcher.start()

    def send(self, compute: Callable[[Any], Any]) -> None:
        """Gives workers that were not forked what they compute with."""
        try:
            data = pickle.dumps(compute, protocol=5)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise TypeError(
                f"{self._name} cannot be sent to worker processes started by {self._method!r}: {error}. Define its "
                "class in a module that can be imported and open files in __getitem__, or use threads "
                "(use_multiprocessing=False)."
            ) from error
        for worker in self._workers:
            # The watcher sees that it is dead if it is.
            with contextlib.suppress(OSError):
                worker.connection.send(data)

    # -- a run ----------------------------------------------------------------------------------

    def _begin(self, tasks: Iterator[Any], seed: tuple[int, ...] | None) -> None:
        self._tasks = tasks
        self._seed = seed
        self._again: deque[tuple[int, Any]] = deque()
        self._done: dict[int, tuple[str, Any]] = {}
        self._taken = 0
        self._given = 0
        #: How many batches there are, once that is known.
        self._end: int | None = None

    def results(self, tasks: Iterator[Any], seed: tuple[int, ...] | None) -> Iterator[Any]:
        """The batches of some tasks, in order."""
        with self._changed:
            self._begin(tasks, seed)
            self._assign()
        place = 0
        while True:
            with self._changed:
                self._wait_for(place)
                if place not in self._done:
                    return
                kind, value = self._done.pop(place)
                place += 1
                self._given = place
                self._assign()
            if kind == ERROR:
                raise _error_of(*value)
            if kind == END:
                continue
            yield value
            # The batch may be large, and the next one is waited for.
            del value

    def _wait_for(self, place: int) -> None:
        while place not in self._done and (self._end is None or place < self._end):
            if self._failure is not None:
                raise self._failure
            self._changed.wait(_LOOK_UP)
            for worker in self._workers:
                if worker.place == place:
                    self._check_stuck(worker, time.monotonic() - worker.since)

    def _check_stuck(self, worker: _Worker, seconds: float) -> None:
        if seconds < (self._timeout if worker.warned else self._timeout / 10):
            return
        told = worker.where()
        text = (
            f"A worker process has been at batch {worker.task} of {self._name} for {seconds:.0f} s. It is here:\n"
            f"{told or 'unknown'}\n"
        )
        if seconds >= self._timeout:
            raise WorkerError(
                f"{text}It counts as stuck after `timeout` seconds, an attribute of the Sequence. A forked worker "
                "hangs in JAX and PyTorch: use NumPy in it, threads (use_multiprocessing=False), or "
                "start_method='spawn'."
            )
        worker.warned = True
        warnings.warn(text, RuntimeWarning, stacklevel=5)

    def _assign(self) -> None:
        """Gives tasks to the workers that wait, as far as there may be batches that nobody has asked for."""
        for worker in self._workers:
            if worker.place is not None or worker.ended or not worker.process.is_alive():
                continue
            if self._again:
                place, task = self._again.popleft()
            elif self._end is not None or self._taken - self._given >= self._ahead:
                return
            else:
                try:
                    task = next(self._tasks)
                except StopIteration:
                    self._finish(self._taken)
                    return
                place = self._taken
                self._taken += 1
            worker.place, worker.task, worker.since, worker.warned = place, task, time.monotonic(), False
            # The watcher sees that it is dead if it is.
            with contextlib.suppress(OSError):
                worker.connection.send((place, task, self._seed))

    def _finish(self, count: int) -> None:
        self._end = count if self._end is None else min(self._end, count)
        self._changed.notify_all()

    # -- the thread that listens ----------------------------------------------------------------

    def _watch(self) -> None:
        while not self._closing:
            by_source: dict[Any, _Worker] = {}
            for worker in self._workers:
                if not worker.connection.closed:
                    by_source[worker.connection] = worker
                    by_source[worker.process.sentinel] = worker
            ready: list[Any] = wait([self._woken, *by_source])
            for worker in {id(by_source[r]): by_source[r] for r in ready if r in by_source}.values():
                try:
                    if worker.connection.closed:
                        return
                    if not worker.connection.poll():
                        raise EOFError
                    message = receive(worker.connection)
                except (EOFError, OSError):
                    self._died(worker)
                    return
                self._take(worker, *message)

    def _take(self, worker: _Worker, place: int | None, kind: str, value: Any) -> None:
        with self._changed:
            if place is None:
                error = _error_of(*value)
                error.add_note(
                    f"{self._name} was sent to worker processes started by {self._method!r}, which import anew the "
                    "module that its class is in; a class of a notebook or of __main__ is not found there."
                )
                self._failure = error
                self._changed.notify_all()
                return
            task, worker.place = worker.task, None
            if kind == END:
                worker.ended = True
                self._again.append((place, task))
                if all(each.ended for each in self._workers):
                    # Workers end at different times: a place that nobody can fill may come before one that is filled.
                    self._done.update({again: (END, None) for again, _ in self._again})
                    self._again.clear()
                    self._finish(self._taken)
            else:
                self._done[place] = kind, value
            self._assign()
            self._changed.notify_all()

    def _died(self, worker: _Worker) -> None:
        worker.process.join(_LOOK_UP)
        code = worker.process.exitcode
        how = f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
            if -code == getattr(signal, "SIGKILL", None):
                how += ", as the system does when memory runs out"
        doing = "before its first batch" if worker.place is None else f"at batch {worker.task}"
        text = f"A worker process (number {worker.process.pid}) {how}, {doing} of {self._name}."
        if self._method != "fork" and worker.place is None:
            text += " A program that starts processes this way needs `if __name__ == '__main__':` around its main part."
        told = worker.last_words()
        with self._changed:
            self._failure = WorkerError(f"{text} It was here:\n{told}" if told else text)
            self._changed.notify_all()

    # -- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends the workers: those that wait at once, the others after a moment."""
        self._closing = True
        self._wake.send_bytes(b"")
        watcher = getattr(self, "_watcher", None)
        if watcher is not None:
            watcher.join(_LOOK_UP)
        for worker in self._workers:
            worker.connection.close()
        until = time.monotonic() + _GRACE
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
        for end in ("terminate", "kill"):
            for worker in self._workers:
                if worker.process.is_alive():
                    getattr(worker.process, end)()
            for worker in self._workers:
                worker.process.join(_LOOK_UP)
        for pipe in (self._wake, self._woken):
            pipe.close()
        self._folder.cleanup()


@contextlib.contextmanager
def _for_children(method: str) -> Iterator[None]:
    """What has to hold while processes are started."""
    if method != "fork":
        before = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(ONE_THREAD)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        return
    look_for_threads()
    with warnings.catch_warnings():
        # JAX, and Python itself, warn of what children do that these do not.
        warnings.simplefilter("ignore")
        yield


def _error_of(error: Exception | None, summary: str, text: str) -> Exception:
    """The error of a worker, to be raised here."""
    found = error if error is not None else WorkerError(summary)
    found.add_note(f"This happened in a worker process:\n\n{text}")
    return found
