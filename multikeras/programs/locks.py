"""The lock around runs: those that store are alone, the others share."""

from __future__ import annotations

import threading
from collections.abc import Callable


class RunLock:
    """Many readers or one writer; a thread that holds it may run programs inside.

    `running` counts the runs in progress, for those who must not switch the backend meanwhile.
    """

    def __init__(self) -> None:
        self._free = threading.Condition(threading.Lock())
        self._readers = 0
        self._writer: int | None = None
        self._depth = 0
        self._local = threading.local()

    @property
    def running(self) -> int:
        """Number of runs in progress in other threads than this one."""
        mine = getattr(self._local, "held", 0)
        others = self._readers - mine
        return others + (1 if self._writer not in (None, threading.get_ident()) else 0)

    def run(self, exclusive: bool, work: Callable[[], None]) -> None:
        """Calls `work` under the lock; a host callback inside a run may run programs itself."""
        me = threading.get_ident()
        if self._writer == me or getattr(self._local, "held", 0):
            work()
            return
        if exclusive:
            with self._free:
                while self._writer is not None or self._readers:
                    self._free.wait()
                self._writer = me
            try:
                work()
            finally:
                with self._free:
                    self._writer = None
                    self._free.notify_all()
            return
        with self._free:
            while self._writer is not None:
                self._free.wait()
            self._readers += 1
        self._local.held = 1
        try:
            work()
        finally:
            self._local.held = 0
            with self._free:
                self._readers -= 1
                if not self._readers:
                    self._free.notify_all()


#: The one lock of the process.
RUNS = RunLock()
