"""One call of `fit` or `evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from multikeras import registry
from multikeras.callbacks import CallbackList, History, ProgbarLogger
from multikeras.training import loop
from multikeras.training.compiled import Compiled
from multikeras.training.sources import ArraySource, Source
from multikeras.utils.progress import Progbar


class Run:
    """One call of fit or evaluate: callbacks, and how an epoch is run.

    Args:
        model: The model.
        compiled: What compile fixed.
        callbacks: What the user gave.
        verbose: 1 shows a progress bar, 2 writes a line an epoch.
        epochs: Number of the last epoch.
        source: Where the batches come from.
        validation: Where those of validation come from, or None.
    """

    def __init__(
        self,
        model: Any,
        compiled: Compiled,
        callbacks: Any,
        verbose: int,
        epochs: int,
        source: Source,
        validation: Source | None = None,
    ) -> None:
        self.compiled = compiled
        self.source = source
        self.validation = validation
        self.history = History()
        self.tallies = {training: compiled.tally(training) for training in (True, False)}
        given: Iterable[Any] = callbacks.callbacks if isinstance(callbacks, CallbackList) else callbacks or ()
        shown = [ProgbarLogger("steps" if source.samples is None else "samples")] if verbose else []
        self.callbacks = CallbackList([*shown, *given, self.history])
        self.callbacks.set_model(model)
        if isinstance(validation, ArraySource):
            # Callbacks written for Keras 2 predict on it.
            for callback in self.callbacks:
                callback.validation_data = validation.data.arrays()
        names = compiled.names
        self.callbacks.set_params(
            {
                "batch_size": source.batch_size,
                "epochs": epochs,
                "steps": source.steps,
                "samples": source.samples,
                "verbose": verbose,
                "do_validation": validation is not None,
                "metrics": [*names, *[f"val_{name}" for name in names]] if validation is not None else list(names),
                # Keras has no such entry, and callbacks of others may show what they are given.
                **({} if source.resumable else {"resumable": False}),
            }
        )
        self.bars = self.callbacks.of_progress()
        self.watchers = {mode: CallbackList(self.callbacks.of_batches(mode)) for mode in ("train", "test")}

    def epoch(
        self, training: bool, source: Source, number: int, stopped: Any, bar: Progbar | None = None
    ) -> list[Any] | None:
        """Runs one epoch.

        Args:
            training: Whether weights are updated.
            source: Where the batches come from.
            number: Number of the epoch.
            stopped: Whether to stop.
            bar: A bar to show beside those of callbacks.

        Returns:
            Its numbers; None if there was no batch.
        """
        compiled, tally = self.compiled, self.tallies[training]
        mode = "train" if training else "test"
        bars = self.bars if training else []
        watchers = self.watchers[mode]

        def show(seen: int, steps: int, numbers: Sequence[Any]) -> None:
            logs = dict(zip(compiled.names, numbers, strict=False))
            for each in bars:
                each.on_progress(steps if getattr(each, "count_mode", "") == "steps" else seen, logs)
            if bar is not None:
                bar.show(seen if source.samples is not None else steps, logs.items())

        asked: tuple[int, int, list[Any]] | None = None

        def report(seen: int, steps: int) -> None:
            # A device that works on while Python goes on would stand still if it were waited for: the numbers shown
            # are those asked for at the drawing before, which are there by now.
            nonlocal asked
            before, asked = asked, (seen, steps, compiled.ask(tally, training))
            ready = before if registry.current().asynchronous else asked
            if ready is not None:
                show(ready[0], ready[1], compiled.numbers(ready[2], ready[0]))

        shown = bool(bars) or bar is not None
        compiled.begin(tally, training)
        try:
            if watchers.callbacks or compiled.run_eagerly:
                return loop.run_watched_epoch(
                    compiled.batch_function(training),
                    source.epoch(number),
                    stopped,
                    (compiled.turns, tally),
                    compiled.names,
                    1 + len(compiled.output_losses),
                    watchers,
                    mode,
                    (lambda seen, steps, logs: show(seen, steps, list(logs.values()))) if shown else None,
                )[1]
            seen = loop.run_epoch(
                compiled.epoch_function(training),
                source.epoch(number),
                stopped,
                (compiled.turns, tally),
                report if shown else None,
                ProgbarLogger.refresh_seconds,
            )
            return compiled.results(tally, training, seen) if seen else None
        finally:
            compiled.end(tally)

    def close(self) -> None:
        """Ends what makes batches, and gives the terminal back."""
        self.source.close()
        if self.validation is not None:
            self.validation.close()
        for bar in self.bars:
            if hasattr(bar, "close"):
                bar.close()
