"""Small colour pictures in ten classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multikeras.datasets.cifar import batch
from multikeras.datasets.sources import CIFAR_FILES, Pair, fetched

__all__ = ["load_data"]

ORIGIN = CIFAR_FILES + "cifar-10-python.tar.gz"
HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data() -> tuple[Pair, Pair]:
    """Loads CIFAR-10, fetched once (170 MB); an unpacked directory in the cache is enough.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: 50,000 and 10,000 pictures, uint8 of shape `(n, 32, 32, 3)`, or
        `(n, 3, 32, 32)` under channels_first; labels uint8 of shape `(n,)`.

    Raises:
        OSError: If it cannot be fetched.
        ValueError: If a file is another.

    Source: A. Krizhevsky (2009), https://www.cs.toronto.edu/~kriz/cifar.html
    """
    directory = Path(fetched("cifar-10-batches-py", ORIGIN, HASH, untar=True))
    parts = [batch(directory / f"data_batch_{number}", "labels") for number in range(1, 6)]
    train = np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    return train, batch(directory / "test_batch", "labels")
