"""What K keeps for a session: names in use and running numbers, until `clear_session`."""

from __future__ import annotations

import threading

from multikeras.graph.context import context


class Names:
    """Names that were given out, and a running number for each prefix."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    def unique(self, name: str) -> str:
        """`name` under the present name scope, with `_1`, `_2` … behind it where it is taken."""
        full = "/".join((*context.scopes, name))
        with self._lock:
            count = self._used.get(full)
            if count is None:
                self._used[full] = 0
                return full
            while True:
                count += 1
                candidate = f"{full}_{count}"
                if candidate not in self._used:
                    self._used[full] = count
                    self._used[candidate] = 0
                    return candidate

    def number(self, prefix: str) -> int:
        """1, 2, 3 … for each prefix."""
        with self._lock:
            number = self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
            return number

    def reset_numbers(self) -> None:
        """Starts all running numbers at 1 again."""
        with self._lock:
            self._numbers.clear()

    def clear(self) -> None:
        """Forgets all names and numbers."""
        with self._lock:
            self._used.clear()
            self._numbers.clear()


NAMES = Names()
