"""Small colour pictures in a hundred classes, or twenty."""

from __future__ import annotations

from pathlib import Path

from multikeras.datasets.cifar import batch
from multikeras.datasets.sources import CIFAR_FILES, Pair, fetched

__all__ = ["load_data"]

ORIGIN = CIFAR_FILES + "cifar-100-python.tar.gz"
HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: str = "fine") -> tuple[Pair, Pair]:
    """Loads CIFAR-100, fetched once (169 MB); an unpacked directory in the cache is enough.

    Args:
        label_mode: `'fine'` for 100 classes, `'coarse'` for 20.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: 50,000 and 10,000 pictures, uint8 of shape `(n, 32, 32, 3)`, or
        `(n, 3, 32, 32)` under channels_first; labels uint8 of shape `(n,)`.

    Raises:
        OSError: If it cannot be fetched.
        ValueError: If `label_mode` is another word, or a file is another.

    Source: A. Krizhevsky (2009), https://www.cs.toronto.edu/~kriz/cifar.html
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f"cifar100.load_data: label_mode is 'fine' or 'coarse', received {label_mode!r}.")
    directory = Path(fetched("cifar-100-python", ORIGIN, HASH, untar=True))
    labels = f"{label_mode}_labels"
    return batch(directory / "train", labels), batch(directory / "test", labels)
