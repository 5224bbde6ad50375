"""The progress bar of `fit`, `evaluate` and `predict`.

On a terminal and in a notebook the `rich` library draws it; anywhere else (a log file, a pipe) one
plain line is written when the epoch ends, since a bar drawn into a file is thousands of lines.
`rich` is imported when the first bar is drawn.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np


class Progbar:
    """A progress bar with named values beside it.

    Attributes:
        target: Number of steps in all, None if unknown.
        seen_so_far: Steps done.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 30,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
    ) -> None:
        """Starts the clock; nothing is drawn yet.

        Args:
            target: Number of steps in all, None if unknown.
            width: Width of the bar in characters.
            verbose: 0 is silent, 1 draws a bar, 2 writes one line at the end.
            interval: Seconds between two drawings, at least.
            stateful_metrics: Names whose values are shown as they come; the others are averaged over steps.
        """
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.stateful_metrics = frozenset(stateful_metrics or ())
        self.seen_so_far = 0
        self._sums: dict[str, tuple[float, float]] = {}
        self._shown: dict[str, float] = {}
        self._started = time.perf_counter()
        self._drawn = 0.0
        self._display: _Display | None = None
        self._finished = False

    def update(self, current: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Moves the bar.

        Args:
            current: Steps done.
            values: Pairs (name, value); a value that is not stateful is averaged, each step counting once.
        """
        self._take(values or (), current - self.seen_so_far)
        self.seen_so_far = current
        self._draw()

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Moves the bar by `n` steps."""
        self.update(self.seen_so_far + n, values)

    def show(self, current: int, values: Iterable[tuple[str, Any]]) -> None:
        """Moves the bar; the values are shown as they are."""
        self._shown = {name: _number(value) for name, value in values}
        self.seen_so_far = current
        self._draw()

    def finish(self) -> None:
        """Writes the last state and ends the line."""
        if self._finished or not self.verbose:
            return
        self._finished = True
        elapsed = time.perf_counter() - self._started
        if self._display is not None:
            self._display.finish(self.seen_so_far, self._text(), elapsed)
            self._display = None
            return
        total = f"{self.seen_so_far}/{self.target}" if self.target is not None else str(self.seen_so_far)
        start = f"{total} - " if self.verbose == 1 else " - "
        print(f"{start}{_duration(elapsed)}{self._text()}", flush=True)

    def close(self) -> None:
        """Gives the terminal back after a run that was cut short."""
        if self._display is not None:
            self._display.stop()
            self._display = None

    def _take(self, values: Iterable[tuple[str, Any]], steps: int) -> None:
        for name, value in values:
            number = _number(value)
            if name in self.stateful_metrics:
                self._shown[name] = number
                continue
            total, weight = self._sums.get(name, (0.0, 0.0))
            total, weight = total + number * steps, weight + steps
            self._sums[name] = total, weight
            self._shown[name] = total / max(1, weight)

    def _draw(self) -> None:
        if not self.verbose:
            return
        if self.target is not None and self.seen_so_far >= self.target:
            self.finish()
            return
        now = time.perf_counter()
        if self.verbose != 1 or now - self._drawn < self.interval:
            return
        self._drawn = now
        if self._display is None:
            if not _is_live():
                return
            self._display = _Display(self.target, self.width)
        self._display.update(self.seen_so_far, self._text())

    def _text(self) -> str:
        return "".join(f" - {name}: {_format(value)}" for name, value in self._shown.items())


class _Display:
    """A bar drawn by `rich`."""

    def __init__(self, target: int | None, width: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        # stdout of now, which a notebook or a test may have replaced since the import.
        self.console = Console(file=sys.stdout)
        self.target = target
        self.progress = Progress(
            MofNCompleteColumn(),
            BarColumn(bar_width=width),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[values]}", markup=False),
            console=self.console,
            auto_refresh=False,
            transient=True,
        )
        self.task = self.progress.add_task("", total=target, values="")
        self.progress.start()

    def update(self, current: int, text: str) -> None:
        self.progress.update(self.task, completed=current, values=text.removeprefix(" - "))
        self.progress.refresh()

    def stop(self) -> None:
        self.progress.stop()

    def finish(self, current: int, text: str, elapsed: float) -> None:
        self.progress.stop()
        total = f"{current}/{self.target}" if self.target is not None else str(current)
        print(f"{total} - {_duration(elapsed)}{text}", flush=True)


def _is_live() -> bool:
    """Whether somebody watches: a terminal, or a notebook."""
    stdout = sys.stdout
    if stdout is not None and stdout.isatty():
        return True
    notebook = sys.modules.get("IPython")
    shell = notebook.get_ipython() if notebook is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (float, int)) else float(np.mean(value))


def _format(value: float) -> str:
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f}s" if seconds >= 10 else f"{seconds:.1f}s"
