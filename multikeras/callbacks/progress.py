"""The progress that `fit` shows."""

from __future__ import annotations

from typing import Any

from multikeras.callbacks.base import Callback, Logs
from multikeras.utils.progress import Progbar


class ProgbarLogger(Callback):
    """Shows a bar for every epoch (verbose=1), or writes a line (verbose=2)."""

    #: Seconds between two drawings; what a drawing shows has to be fetched from the device.
    refresh_seconds = 0.05

    def __init__(self, count_mode: str = "samples", stateful_metrics: Any = None) -> None:
        """Keeps the settings.

        Args:
            count_mode: Whether the bar counts `'samples'` or `'steps'`.
            stateful_metrics: Accepted for old programs; all values shown are those of the epoch so far.
        """
        super().__init__()
        if count_mode not in ("samples", "steps"):
            raise ValueError(f"ProgbarLogger: count_mode is 'samples' or 'steps', received {count_mode!r}.")
        self.count_mode = count_mode
        self.progbar: Progbar | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        verbose = self.params.get("verbose", 1)
        if not verbose:
            return
        print(f"Epoch {epoch + 1}/{self.params.get('epochs', 1)}", flush=True)
        target = self.params.get("samples") if self.count_mode == "samples" else None
        self.progbar = Progbar(self.params.get("steps") if target is None else target, verbose=verbose)

    def on_progress(self, seen: int, logs: Logs) -> None:
        """Shows how far the epoch is.

        Args:
            seen: Samples or steps done.
            logs: Loss and metrics of the epoch so far.
        """
        if self.progbar is not None and self.progbar.target != seen:
            self.progbar.show(seen, self._values(logs))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.progbar is None:
            return
        bar, self.progbar = self.progbar, None
        bar.show(bar.target if bar.target is not None else bar.seen_so_far, self._values(logs or {}))
        bar.finish()

    def close(self) -> None:
        """Gives the terminal back after a run that was cut short."""
        if self.progbar is not None:
            self.progbar.close()
            self.progbar = None

    def _values(self, logs: Logs) -> list[tuple[str, Any]]:
        return [(name, logs[name]) for name in self.params.get("metrics", ()) if name in logs]
