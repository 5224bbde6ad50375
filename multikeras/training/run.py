"""One call of `fit` or `evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from multikeras.callbacks import CallbackList, History, ProgbarLogger
from multikeras.training import loop
from multikeras.training.compiled import Compiled
from multikeras.training.data import Data
from multikeras.utils.progress import Progbar


class Run:
    """One call of fit or evaluate: callbacks, and how an epoch is run."""

    def __init__(
        self,
        model: Any,
        compiled: Compiled,
        callbacks: Any,
        verbose: int,
        epochs: int,
        batch_size: int,
        data: Data,
        validation: Data | None,
        steps: int | None,
    ) -> None:
        self.compiled = compiled
        self.batch_size = batch_size
        self.data = data
        self.validation = validation
        self.steps = steps
        self.history = History()
        given: Iterable[Any] = callbacks.callbacks if isinstance(callbacks, CallbackList) else callbacks or ()
        count_mode = "samples" if data.size and steps is None else "steps"
        shown = [ProgbarLogger(count_mode)] if verbose else []
        self.callbacks = CallbackList([*shown, *given, self.history])
        self.callbacks.set_model(model)
        names = compiled.names
        self.callbacks.set_params(
            {
                "batch_size": batch_size,
                "epochs": epochs,
                "steps": steps or -(-data.size // batch_size),
                "samples": data.size if steps is None else None,
                "verbose": verbose,
                "do_validation": validation is not None,
                "metrics": [*names, *[f"val_{name}" for name in names]] if validation is not None else list(names),
            }
        )
        self.bars = self.callbacks.of_progress()
        self.watchers = {mode: CallbackList(self.callbacks.of_batches(mode)) for mode in ("train", "test")}

    def epoch(self, training: bool, feeds: Any, stopped: Any, bar: Progbar | None = None) -> list[Any]:
        """Runs one epoch; returns its numbers."""
        compiled = self.compiled
        mode = "train" if training else "test"
        bars = self.bars if training else []
        watchers = self.watchers[mode]

        def show(seen: int, steps: int, numbers: Sequence[Any]) -> None:
            logs = dict(zip(compiled.names, numbers, strict=False))
            for each in bars:
                each.on_progress(steps if getattr(each, "count_mode", "") == "steps" else seen, logs)
            if bar is not None:
                bar.show(seen, logs.items())

        shown = bool(bars) or bar is not None
        if watchers.callbacks:
            return loop.run_watched_epoch(
                compiled.batch_function(training),
                feeds,
                stopped,
                compiled.names,
                1 + len(compiled.output_losses),
                watchers,
                mode,
                (lambda seen, steps, logs: show(seen, steps, list(logs.values()))) if shown else None,
            )[1]
        seen = loop.run_epoch(
            compiled.epoch_function(training),
            feeds,
            stopped,
            (lambda seen, steps: show(seen, steps, compiled.results(training, seen))) if shown else None,
            ProgbarLogger.refresh_seconds,
        )
        return compiled.results(training, seen)
