"""Clothes: 70,000 grey pictures of 28 by 28 in ten classes."""

from __future__ import annotations

import gzip
import zlib

import numpy as np

from multikeras.datasets.sources import KERAS_FILES, Pair, fetched

__all__ = ["load_data"]

ORIGIN = KERAS_FILES
_DIRECTORY = "datasets/fashion-mnist"
#: Bytes of the largest file, that of 60,000 pictures.
_LONGEST = 16 + 60_000 * 784


def load_data() -> tuple[Pair, Pair]:
    """Loads Fashion-MNIST, fetched once (30 MB) as four files into the cache directory `datasets/fashion-mnist`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 of shapes (60000, 28, 28) and (10000, 28, 28), labels uint8 of
        shape (60000,) and (10000,).

    Raises:
        OSError: If it cannot be fetched.
        ValueError: If a file is another.

    Source: H. Xiao, K. Rasul, R. Vollgraf (2017), https://github.com/zalandoresearch/fashion-mnist
    """
    return _part("train"), _part("t10k")


def _part(name: str) -> Pair:
    labels = _read(f"{name}-labels-idx1-ubyte.gz", 8)
    pictures = _read(f"{name}-images-idx3-ubyte.gz", 16)
    if len(pictures) != len(labels) * 784:
        raise ValueError(f"fashion_mnist: {len(labels)} labels and {len(pictures)} pixels do not belong together.")
    return pictures.reshape(len(labels), 28, 28), labels


def _read(name: str, header: int) -> np.ndarray:
    path = fetched(name, ORIGIN + name, directory=_DIRECTORY)
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise ValueError(f"it unfolds to more than {_LONGEST:,} bytes")
        return np.frombuffer(content, np.uint8, offset=header).copy()
    except (gzip.BadGzipFile, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{path} is not the data set's file: {error}. Delete it to fetch it again.") from error
