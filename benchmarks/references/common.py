"""What the references share: initial weights, data shaped like MNIST, and the loop over epochs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CLASSES = 10
EPSILON = 1e-7


class Trainer(Protocol):
    """A hand-written network with its optimizer."""

    def run_epoch(self, x: Array, y: Array, order: Array, batch_size: int) -> tuple[float, float]:
        """Does one update a batch and returns the epoch's mean loss and accuracy."""
        ...


@dataclass
class Run:
    """What a training run took and reached.

    Attributes:
        build_s: Seconds to make weights and whatever else precedes the first update.
        epoch_s: Seconds of each epoch.
        epoch_cpu_s: Processor seconds of each epoch, of all threads.
        loss: Mean training loss of each epoch.
        accuracy: Training accuracy of each epoch.
    """

    build_s: float
    epoch_s: list[float] = field(default_factory=list)
    epoch_cpu_s: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


def mnist_shaped(samples: int, flat: bool, seed: int = 0) -> tuple[Array, Array]:
    """Draws pictures shaped like MNIST and labels that a small network can learn.

    Args:
        samples: Number of pictures.
        flat: Whether a picture is a vector of 784 numbers, instead of (28, 28, 1).
        seed: Seed of the draw.

    Returns:
        Pictures, float32 in [0, 1): a pattern per class under uniform noise; and one-hot labels `(samples, 10)`.
    """
    generator = np.random.default_rng(seed)
    patterns = generator.random((CLASSES, 784), dtype=np.float32)
    classes = generator.integers(CLASSES, size=samples)
    pictures = np.float32(0.1) * patterns[classes]
    pictures += np.float32(0.9) * generator.random((samples, 784), dtype=np.float32)
    labels = np.eye(CLASSES, dtype=np.float32)[classes]
    return (pictures if flat else pictures.reshape(samples, 28, 28, 1)), labels


def glorot_uniform(shape: Sequence[int], generator: np.random.Generator) -> Array:
    """Draws a kernel as Keras's default initializer does; the last two axes are inputs and outputs."""
    receptive = int(np.prod(shape[:-2]))
    limit = np.sqrt(6.0 / (receptive * (shape[-2] + shape[-1])))
    return generator.uniform(-limit, limit, tuple(shape)).astype(np.float32)


def initial_weights(kernel_shapes: Sequence[Sequence[int]], seed: int = 0) -> list[Array]:
    """Draws one kernel and one bias of zeros for each shape, in this order: kernel, bias, kernel, bias, …"""
    generator = np.random.default_rng(seed)
    weights: list[Array] = []
    for shape in kernel_shapes:
        weights += [glorot_uniform(shape, generator), np.zeros(shape[-1], np.float32)]
    return weights


def batches(order: Array, batch_size: int) -> Iterator[Array]:
    """Yields the sample numbers of each batch; the last one may be shorter."""
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def train(trainer: Trainer, x: Array, y: Array, *, epochs: int, batch_size: int, started: float) -> Run:
    """Runs a trainer for some epochs, in a new random order each.

    Args:
        trainer: A reference.
        x: Inputs.
        y: One-hot labels.
        epochs: Number of epochs.
        batch_size: Samples per update.
        started: `time.perf_counter()` before the trainer was made.
    """
    run = Run(build_s=time.perf_counter() - started)
    generator = np.random.default_rng(1)
    for _ in range(epochs):
        begin, cpu_begin = time.perf_counter(), time.process_time()
        loss, accuracy = trainer.run_epoch(x, y, generator.permutation(len(x)), batch_size)
        run.epoch_s.append(time.perf_counter() - begin)
        run.epoch_cpu_s.append(time.process_time() - cpu_begin)
        run.loss.append(loss)
        run.accuracy.append(accuracy)
    return run
