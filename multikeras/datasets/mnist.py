"""Handwritten digits: 70,000 pictures of 28 by 28."""

from __future__ import annotations

from multikeras.datasets.sources import KERAS_FILES, Pair, arrays, fetched

__all__ = ["load_data"]

ORIGIN = KERAS_FILES + "mnist.npz"
HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: str = "mnist.npz") -> tuple[Pair, Pair]:
    """Loads MNIST, fetched once (11 MB).

    Args:
        path: Name in the cache directory `datasets`, or an absolute path; a file there is used as it is.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 of shapes (60000, 28, 28) and (10000, 28, 28), labels uint8 of
        shape (60000,) and (10000,).

    Raises:
        OSError: If it cannot be fetched.
        ValueError: If the file is another.

    Source: Y. LeCun, C. Cortes, C. Burges, http://yann.lecun.com/exdb/mnist/
    """
    file = fetched(path, ORIGIN, HASH)
    x_train, y_train, x_test, y_test = arrays(file, ("x_train", "y_train", "x_test", "y_test"))
    return (x_train, y_train), (x_test, y_test)
