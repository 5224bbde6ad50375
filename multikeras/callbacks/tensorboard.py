"""`TensorBoard`: event files for TensorBoard's curves and histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.callbacks.base import Callback, Logs
from multikeras.callbacks.event_file import EventFile


class TensorBoard(Callback):
    """Writes what every epoch logs to an event file; the tag is the name in the logs.

    Args:
        log_dir: Directory of the files; every run makes one.
        histogram_freq: Epochs between two histograms of the weights; 0 for none.
        batch_size: Accepted for old programs, without effect.
        write_graph: Accepted for old programs, without effect: TensorBoard's graphs are TensorFlow's.
        write_grads: Only False: gradients are not kept.
        write_images: Only False.
        embeddings_freq: Only 0.
        embeddings_layer_names: Accepted for old programs, without effect.
        embeddings_metadata: Accepted for old programs, without effect.
        embeddings_data: Accepted for old programs, without effect.
        update_freq: `'epoch'`; or `'batch'`, or a number of samples, for the numbers of batches as well (tags
            `batch_loss`, …), for which every batch has to wait for the device.

    Raises:
        NotImplementedError: For gradients, images and embeddings.
        ValueError: If `update_freq` is another word.
    """

    def __init__(
        self,
        log_dir: Any = "./logs",
        histogram_freq: int = 0,
        batch_size: int | None = None,
        write_graph: bool = True,
        write_grads: bool = False,
        write_images: bool = False,
        embeddings_freq: int = 0,
        embeddings_layer_names: Any = None,
        embeddings_metadata: Any = None,
        embeddings_data: Any = None,
        update_freq: Any = "epoch",
    ) -> None:
        super().__init__()
        for name, value in (
            ("write_grads", write_grads),
            ("write_images", write_images),
            ("embeddings_freq", embeddings_freq),
        ):
            if value:
                raise NotImplementedError(f"TensorBoard: {name}={value!r} is not there; scalars and histograms are.")
        if update_freq not in ("epoch", "batch") and (isinstance(update_freq, str) or int(update_freq) < 1):
            raise ValueError(
                f"TensorBoard: update_freq is 'epoch', 'batch' or a number of samples, received {update_freq!r}."
            )
        self.log_dir = log_dir
        self.histogram_freq = histogram_freq
        self.update_freq = update_freq
        self._file: EventFile | None = None
        self._seen = self._written = 0
        if update_freq != "epoch":
            # Only a callback that has this method makes batches wait.
            self.on_batch_end = self._batch_ended  # type: ignore[method-assign]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._file = EventFile(self.log_dir)
        self._seen = self._written = 0

    def _batch_ended(self, batch: int, logs: Logs | None = None) -> None:
        assert self._file is not None
        logs = logs or {}
        self._seen += int(logs.get("size", 0))
        if self.update_freq == "batch" or self._seen - self._written >= self.update_freq:
            self._file.scalars({f"batch_{name}": value for name, value in _numbers(logs).items()}, self._seen)
            self._written = self._seen
            self._file.flush()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert self._file is not None
        self._file.scalars(_numbers(logs or {}), epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            weights = self.model.weights
            for weight, value in zip(weights, K.batch_get_value(weights), strict=True):
                self._file.histogram(weight.name, value, epoch)
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _numbers(logs: Logs) -> dict[str, float]:
    """The numbers among logs."""
    return {name: float(v) for name, v in logs.items() if name not in ("batch", "size") and np.ndim(v) == 0}
