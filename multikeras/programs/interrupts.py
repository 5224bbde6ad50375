"""Ctrl-C between computing new values and storing them must not leave a model half-written."""

from __future__ import annotations

import threading

# The functions underneath the module `signal`, whose wrappers turn every number into an enum and
# back: 2 us against 10 for each run that stores.
from _signal import SIG_DFL, SIG_IGN, getsignal, signal  # type: ignore[import-not-found]
from signal import SIGINT
from types import FrameType, TracebackType
from typing import Any

_NUMBER = int(SIGINT)
_MAIN = threading.main_thread().ident


class HeldInterrupts:
    """A block in which SIGINT is held back; it is delivered when the block ends.

    Only the main thread receives signals; elsewhere, and inside another such block, it runs as it is.
    """

    __slots__ = ("_before", "_received")

    def __enter__(self) -> None:
        self._before: Any = None
        self._received: tuple[int, FrameType | None] | None = None
        if threading.get_ident() == _MAIN:
            before = getsignal(_NUMBER)
            inside = getattr(before, "__func__", None) is HeldInterrupts._receive
            if not inside and callable(before) and before not in (SIG_DFL, SIG_IGN):
                self._before = before
                signal(_NUMBER, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            # Asked for twice: whoever waits for a loop that never ends wants out, whatever is half done.
            self._before(number, frame)
        self._received = (number, frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is None:
            return
        signal(_NUMBER, self._before)
        if self._received is not None:
            self._before(*self._received)
