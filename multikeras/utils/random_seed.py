"""One seed for everything that is drawn."""

from __future__ import annotations

import random

import numpy as np


def set_random_seed(seed: int) -> None:
    """Seeds Python's and NumPy's generators, and with them everything that multikeras draws.

    Initial weights, dropout masks and shuffles take their keys from NumPy's generator when they are
    built, so that a program gives the same numbers on every backend from one seed.

    Args:
        seed: A whole number from 0 to 2**32 - 1.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(seed, bool) or int(seed) != seed or not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed takes a whole number from 0 to 2**32 - 1, received {seed!r}.")
    random.seed(int(seed))
    np.random.seed(int(seed))
