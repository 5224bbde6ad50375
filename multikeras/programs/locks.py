"""The lock around runs: those that store are alone, the others share."""

from __future__ import annotations

import threading


class RunLock:
    """Many readers or one writer; a thread that holds it may run programs inside.

    A host function called by a program may run programs itself; its thread already holds the lock
    and is let through.
    """

    def __init__(self) -> None:
        self._free = threading.Condition(threading.Lock())
        self._readers: dict[int, int] = {}
        self._writer: int | None = None
        self._depth = 0

    def acquire(self, exclusive: bool) -> None:
        """Waits until the run may start; every call needs a `release`."""
        me = threading.get_ident()
        with self._free:
            if self._writer == me:
                self._depth += 1
                return
            if me in self._readers:
                self._readers[me] += 1
                return
            while self._writer is not None or (exclusive and self._readers):
                self._free.wait()
            if exclusive:
                self._writer, self._depth = me, 1
            else:
                self._readers[me] = 1

    def release(self) -> None:
        """Ends what `acquire` began."""
        me = threading.get_ident()
        with self._free:
            if self._writer == me:
                self._depth -= 1
                if not self._depth:
                    self._writer = None
                    self._free.notify_all()
                return
            self._readers[me] -= 1
            if not self._readers[me]:
                del self._readers[me]
                if not self._readers:
                    self._free.notify_all()

    def busy_elsewhere(self) -> bool:
        """Whether another thread is in the middle of a run."""
        me = threading.get_ident()
        with self._free:
            return self._writer not in (None, me) or any(reader != me for reader in self._readers)


#: The one lock of the process.
RUNS = RunLock()
