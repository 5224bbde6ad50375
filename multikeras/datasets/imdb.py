"""Film reviews as word numbers, good or bad."""

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

ORIGIN = KERAS_FILES + "imdb.npz"
HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
WORDS_ORIGIN = KERAS_FILES + "imdb_word_index.json"
WORDS_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[Pair, Pair]:
    """Loads 50,000 film reviews of IMDB, fetched once (17 MB).

    Words are numbered by how frequent they are; 0 is left for padding.

    Args:
        path: Name in the cache directory `datasets`, or an absolute path; a file there is used as it is.
        num_words: Only words numbered below this are kept; all if None. Keras 1 called it `nb_words`.
        skip_top: Words numbered below this are not kept.
        maxlen: Longer reviews are cut to this many numbers.
        seed: Seed of the order.
        start_char: What every review begins with; nothing if None.
        oov_char: What stands for words that are not kept; they are left out if None.
        index_from: How much the numbers of words are raised.
        **kwargs: `nb_words` instead of `num_words`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: object arrays of lists of word numbers, labels 0 (bad) and 1 (good).

    Raises:
        OSError: If it cannot be fetched.
        ValueError: If the file is another.

    Source: A. Maas et al. (2011), https://ai.stanford.edu/~amaas/data/sentiment/
    """
    num_words = number_of_words("imdb", num_words, kwargs)
    x_train, y_train, x_test, y_test = arrays(fetched(path, ORIGIN, HASH), ("x_train", "y_train", "x_test", "y_test"))
    generator = np.random.RandomState(seed)
    x_train, y_train = shuffled(generator, x_train, y_train)
    x_test, y_test = shuffled(generator, x_test, y_test)
    options = ("imdb", num_words, skip_top, maxlen, start_char, oov_char, index_from)
    return (word_sequences(x_train, *options), y_train), (word_sequences(x_test, *options), y_test)


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The number of each word, before `index_from` is added; fetched once (1.6 MB)."""
    return numbers_of_words(fetched(path, WORDS_ORIGIN, WORDS_HASH))
