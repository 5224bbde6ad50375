"""The lock around runs: those that store are alone, the others share."""

from __future__ import annotations

import threading


class RunLock:
    """Many readers or one writer; a thread that holds it may run programs inside.

    A host function called by a program may run programs itself; its thread already holds the lock
    and is let through. Neither side starves: a waiting writer stops new readers, and the readers
    that wait when a writer ends go before the next one.

    An interrupt inside would leave the lock held for ever: the caller holds interrupts back.
    """

    def __init__(self) -> None:
        self._free = threading.Condition(threading.Lock())
        self._readers: dict[int, int] = {}
        self._writer: int | None = None
        self._depth = 0
        self._writers_waiting = 0
        self._readers_waiting = 0
        # Readers that go before the next writer.
        self._invited = 0

    def acquire(self, exclusive: bool) -> None:
        """Waits until the run may start; every call needs a `release`."""
        me = threading.get_ident()
        with self._free:
            if self._writer == me:
                self._depth += 1
            elif me in self._readers:
                self._readers[me] += 1
            elif exclusive:
                if self._writer is not None or self._readers or self._invited:
                    self._writers_waiting += 1
                    while self._writer is not None or self._readers or self._invited:
                        self._free.wait()
                    self._writers_waiting -= 1
                self._writer, self._depth = me, 1
            else:
                if self._writer is not None or self._writers_waiting:
                    self._readers_waiting += 1
                    while self._writer is not None or (self._writers_waiting and not self._invited):
                        self._free.wait()
                    self._readers_waiting -= 1
                    self._invited = max(0, self._invited - 1)
                self._readers[me] = 1

    def release(self) -> None:
        """Ends what `acquire` began."""
        me = threading.get_ident()
        with self._free:
            if self._writer == me:
                self._depth -= 1
                if not self._depth:
                    self._writer = None
                    self._invited = self._readers_waiting
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
