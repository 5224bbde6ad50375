"""House prices around Boston: 506 districts with 13 features."""

from __future__ import annotations

import numpy as np

from multikeras.datasets.sources import KERAS_FILES, Pair, arrays, fetched, shuffled

__all__ = ["load_data"]

ORIGIN = KERAS_FILES + "boston_housing.npz"
HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> tuple[Pair, Pair]:
    """Loads the Boston house prices, fetched once (57 KB).

    Args:
        path: Name in the cache directory `datasets`, or an absolute path; a file there is used as it is.
        test_split: Share of the districts set apart for testing, from 0 to below 1.
        seed: Seed of the shuffle that precedes the split.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: features of shape `(districts, 13)` and prices in thousands of dollars.

    Raises:
        OSError: If it cannot be fetched.
        ValueError: If `test_split` is not in [0, 1), or the file is another.

    Source: D. Harrison, D. Rubinfeld (1978), J. Environ. Economics and Management 5, 81-102. One of its features was
    made from the share of Black inhabitants; think before using it for more than exercises.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"boston_housing.load_data: test_split is in [0, 1), received {test_split}.")
    x, y = shuffled(np.random.RandomState(seed), *arrays(fetched(path, ORIGIN, HASH), ("x", "y")))
    split = int(len(x) * (1 - test_split))
    return (x[:split], y[:split]), (x[split:], y[split:])
