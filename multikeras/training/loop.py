"""The loops over batches: as little Python a batch as can be, since a step of a small network takes a millisecond.

Where no callback looks at batches, loss and metrics are summed up on the device and fetched once an epoch, and now
and then for the progress bar.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from multikeras import registry
from multikeras.callbacks import CallbackList
from multikeras.programs import Function
from multikeras.training.data import Data

#: Steps that may be under way on a device that works on while Python goes on; each keeps its inputs in memory.
_AHEAD = 32

#: What to feed, and how many samples that is.
Batch = tuple[list[Any], int]


def bounds_of(size: int, batch_size: int) -> list[tuple[int, int]]:
    """First and last but one row of every batch; the last batch may be smaller."""
    return [(start, min(start + batch_size, size)) for start in range(0, size, batch_size)]


def batches(data: Data, batch_size: int, shuffle: Any = False, steps: int | None = None) -> Iterator[Batch]:
    """The batches of one epoch.

    Args:
        data: The data.
        batch_size: Samples in a batch.
        shuffle: True for a new order of all samples, `'batch'` for a new order of whole batches, False for none.
        steps: Number of batches; those of the data if None. More begin the data anew.
    """
    if not data.columns:
        for _ in range(steps or 0):
            yield [], 1
        return
    bounds = bounds_of(data.size, batch_size)
    left = len(bounds) if steps is None else steps
    while left > 0:
        now, left = bounds[:left], left - len(bounds)
        if shuffle is True:
            order = np.random.permutation(data.size)
            read = data.reader()
            for start, stop in now:
                yield read(order[start:stop]), stop - start
            continue
        if shuffle:
            now = [bounds[i] for i in np.random.permutation(len(bounds))][: len(now)]
        for start, stop in now:
            yield data.range(start, stop), stop - start


def run_epoch(
    function: Function,
    feeds: Iterable[Batch],
    stopped: Callable[[], bool],
    report: Callable[[int, int], None] | None = None,
    seconds: float = 0.0,
) -> int:
    """Runs a function over batches, without looking at its results.

    Args:
        function: What to run; its first result is kept to hold the device back.
        feeds: The batches.
        stopped: Whether to stop.
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
    for step, (values, size) in enumerate(feeds, 1):
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
    names: Sequence[str],
    losses: int,
    watchers: CallbackList,
    mode: str,
    report: Callable[[int, int, dict[str, Any]], None] | None = None,
) -> tuple[int, list[Any]]:
    """Runs a function over batches and tells callbacks the numbers of each.

    Args:
        function: Gives losses and metrics.
        feeds: The batches.
        stopped: Whether to stop.
        names: Names of the results.
        losses: How many of the first results are of the batch, and are averaged; the others are of the epoch so far.
        watchers: The callbacks that look at batches.
        mode: `'train'` or `'test'`.
        report: Called with the numbers of samples and of batches so far and the numbers of the epoch so far.

    Returns:
        The number of samples run, and the numbers of the epoch.
    """
    seen = 0
    sums = [0.0] * losses
    numbers: list[Any] = []
    for step, (values, size) in enumerate(feeds):
        logs: dict[str, Any] = {"batch": step, "size": size}
        watchers.call(f"on_{mode}_batch_begin", step, logs)
        numbers = [plain(value) for value in function(values)]
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
