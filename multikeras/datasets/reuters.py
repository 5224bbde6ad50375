"""Newswires as word numbers, in 46 topics."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras.datasets.sources import (
    KERAS_FILES,
    Pair,
    arrays,
    fetched,
    number_of_words,
    numbers_of_words,
    shuffled,
    word_sequences,
)

__all__ = ["get_word_index", "load_data"]

ORIGIN = KERAS_FILES + "reuters.npz"
HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
WORDS_ORIGIN = KERAS_FILES + "reuters_word_index.json"
WORDS_HASH = "4d44cc38712099c9e383dc6e5f11a921"


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[Pair, Pair]:
    """Loads 11,228 newswires of Reuters, fetched once (2 MB).

    Words are numbered by how frequent they are; 0 is left for padding.

    Args:
        path: Name in the cache directory `datasets`, or an absolute path; a file there is used as it is.
        num_words: Only words numbered below this are kept; all if None. Keras 1 called it `nb_words`.
        skip_top: Words numbered below this are not kept.
        maxlen: Longer newswires are cut to this many numbers.
        test_split: Share of the newswires set apart for testing, from 0 to below 1.
        seed: Seed of the order.
        start_char: What every newswire begins with; nothing if None.
        oov_char: What stands for words that are not kept; they are left out if None.
        index_from: How much the numbers of words are raised.
        **kwargs: `nb_words` instead of `num_words`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: object arrays of lists of word numbers, topics 0 to 45.

    Raises:
        OSError: If it cannot be fetched.
        ValueError: If `test_split` is not in [0, 1), or the file is another.

    Source: Reuters-21578, prepared by F. Chollet for Keras.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"reuters.load_data: test_split is in [0, 1), received {test_split}.")
    num_words = number_of_words("reuters", num_words, kwargs)
    x, y = shuffled(np.random.RandomState(seed), *arrays(fetched(path, ORIGIN, HASH), ("x", "y")))
    x = word_sequences(x, "reuters", num_words, skip_top, maxlen, start_char, oov_char, index_from)
    split = int(len(x) * (1 - test_split))
    return (x[:split], y[:split]), (x[split:], y[split:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The number of each word, before `index_from` is added; fetched once (0.6 MB)."""
    return numbers_of_words(fetched(path, WORDS_ORIGIN, WORDS_HASH))
