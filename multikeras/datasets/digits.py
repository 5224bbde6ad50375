"""Handwritten digits: 1,797 small scans, without a download."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["load_data"]

Pair = tuple[NDArray[Any], NDArray[Any]]


def load_data(test_split: float = 0.2, seed: int = 113) -> tuple[Pair, Pair]:
    """Loads the handwritten digits that scikit-learn ships.

    They are real scans: people wrote the digits 0 to 9 on forms, and each bitmap of 32 by 32 points was reduced to 8 by
    8 pixels, which count the inked points, 0 to 16, in blocks of 4 by 4.

    Args:
        test_split: Share of the samples set apart for testing, from 0 to below 1.
        seed: Seed of the shuffle that precedes the split. NumPy's global generator is not touched.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: pictures, uint8 of shape `(samples, 8, 8)` with values 0 to 16, and
        labels, uint8 of shape `(samples,)`. The test set comes from the end of the shuffled order.

    Raises:
        ValueError: If `test_split` is not in [0, 1).
        ImportError: If scikit-learn is not installed.

    Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, https://doi.org/10.24432/C50P49; scikit-learn ships its test part.
    """
    if not 0 <= test_split < 1:
        raise ValueError(
            "digits.load_data: `test_split` is the share of the samples set apart for testing, from 0 to below 1. "
            f"Received: test_split={test_split!r}."
        )
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "multikeras.datasets.digits reads the digits that scikit-learn ships, and scikit-learn cannot be "
            f"imported ({error}). Install it with: pip install scikit-learn"
        ) from error
    digits = load_digits()
    pictures = digits.images.astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    order = np.random.RandomState(seed).permutation(len(pictures))
    pictures, labels = pictures[order], labels[order]
    split = len(pictures) - round(len(pictures) * test_split)
    return (pictures[:split], labels[:split]), (pictures[split:], labels[split:])
