"""The loops over batches: as little Python a batch as can be, since a step of a small network takes a millisecond.

Where no callback looks at batches, loss and metrics are summed up on the device and fetched once an epoch, and now
and then for the progress bar.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from multikeras import registry
from multikeras.callbacks import CallbackList
from multikeras.programs import Function
from multikeras.training.sources import Batch
from multikeras.training.tally import Tally, Turns

#: Steps that may be under way on a device that works on while Python goes on; each keeps its inputs in memory.
_AHEAD = 32

#: Whose turn it is, and the run that asks.
Turn = tuple[Turns, Tally]


def run_epoch(
    function: Function,
    feeds: Iterable[Batch],
    stopped: Callable[[], bool],
    turn: Turn,
    report: Callable[[int, int], None] | None = None,
    seconds: float = 0.0,
) -> int:
    """Runs a function over batches, without looking at its results.

    Args:
        function: What to run; its first result is kept to hold the device back.
        feeds: The batches.
        stopped: Whether to stop.
        turn: For the sums and metric states to be those of this run.
        report: Called now and then with the numbers of samples and of batches so far.
        seconds: How often at most.

    Returns:
        The number of samples run.
    """
    backend = registry.current()
    run, clock = function.run, time.perf_counter
    under_way: deque[Any] | None = deque() if backend.asynchronous else None
    due = clock() + seconds if report is not None else np.inf
    seen = 0
    turns, tally = turn
    lock = turns.lock
    for step, (values, size) in enumerate(feeds, 1):
        with lock:
            if turns.holder is not tally:
                turns.give(tally)
            results = run(values, backend)
        seen += size
        if under_way is not None:
            under_way.append(results[0])
            if len(under_way) > _AHEAD:
                backend.to_numpy(under_way.popleft())
        if stopped():
            break
        if report is not None and clock() >= due:
            report(seen, step)
            due = clock() + seconds
    return seen


def run_watched_epoch(
    function: Function,
    feeds: Iterable[Batch],
    stopped: Callable[[], bool],
    turn: Turn,
    names: Sequence[str],
    losses: int,
    watchers: CallbackList,
    mode: str,
    report: Callable[[int, int, dict[str, Any]], None] | None = None,
) -> tuple[int, list[Any] | None]:
    """Runs a function over batches and tells callbacks the numbers of each.

    Args:
        function: Gives losses and metrics.
        feeds: The batches.
        stopped: Whether to stop.
        turn: For the metric states to be those of this run.
        names: Names of the results.
        losses: How many of the first results are of the batch, and are averaged; the others are of the epoch so far.
        watchers: The callbacks that look at batches.
        mode: `'train'` or `'test'`.
        report: Called with the numbers of samples and of batches so far and the numbers of the epoch so far.

    Returns:
        The number of samples run, and the numbers of the epoch; None in their place if there was no batch.
    """
    seen = 0
    sums = [0.0] * losses
    numbers: list[Any] | None = None
    turns, tally = turn
    for step, (values, size) in enumerate(feeds):
        logs: dict[str, Any] = {"batch": step, "size": size}
        watchers.call(f"on_{mode}_batch_begin", step, logs)
        with turns.lock:
            turns.give(tally)
            results = function(values)
        numbers = [plain(value) for value in results]
        logs.update(zip(names, numbers, strict=True))
        seen += size
        for i in range(losses):
            sums[i] += numbers[i] * size
            numbers[i] = sums[i] / seen
        watchers.call(f"on_{mode}_batch_end", step, logs)
        if stopped():
            break
        if report is not None:
            report(seen, step + 1, dict(zip(names, numbers, strict=True)))
    return seen, numbers


def plain(value: np.ndarray) -> Any:
    """A Python number from an array without axes, else the array."""
    return value.item() if value.ndim == 0 else value
