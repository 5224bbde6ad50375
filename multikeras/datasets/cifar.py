"""What CIFAR-10 and CIFAR-100 share: reading their batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multikeras import config
from multikeras.datasets.sources import Pair, unpickled


def batch(path: Path, labels: str) -> Pair:
    """Pictures, uint8 in the global order of axes, and labels of one file.

    Args:
        path: The file, a pickle of Python 2.
        labels: Name of the labels in it.

    Raises:
        ValueError: If it is another file.
    """
    content: Any = unpickled(path.read_bytes(), str(path), encoding="bytes")
    try:
        pictures, numbers = content[b"data"], content[labels.encode("ascii")]
        if not isinstance(pictures, np.ndarray) or {*map(type, numbers)} - {int}:
            # Lists of lists may stand for more than any memory holds.
            raise TypeError("pictures are an array and labels whole numbers")
        pictures = np.asarray(pictures, dtype=np.uint8).reshape(-1, 3, 32, 32)
        numbers = np.asarray(numbers, dtype=np.uint8)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a batch of CIFAR: {error!r}. Delete it to fetch it again.") from error
    if config.image_data_format() == "channels_last":
        pictures = np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
    return pictures, numbers
