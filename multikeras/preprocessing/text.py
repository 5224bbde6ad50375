"""Texts as sequences of word numbers, and as matrices."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "Tokenizer",
    "hashing_trick",
    "load_text_tokenizer",
    "one_hot",
    "save_text_tokenizer",
    "text_to_word_sequence",
    "tokenizer_from_json",
]

#: Punctuation and white space that separate words.
FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'

_MODES = ("binary", "count", "freq", "tfidf")


def text_to_word_sequence(text: str, filters: str = FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """The words of a text.

    Args:
        text: The text.
        filters: Characters that separate words as `split` does.
        lower: Whether capitals become small letters.
        split: What separates words.
    """
    if lower:
        text = text.lower()
    text = text.translate({ord(character): split for character in filters})
    return [word for word in text.split(split) if word]


def one_hot(text: str, n: int, filters: str = FILTERS, lower: bool = True, split: str = " ") -> list[int]:
    """The words of a text as numbers from 1 to n - 1, by Python's `hash`: see `hashing_trick`."""
    return hashing_trick(text, n, hash, filters, lower, split)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable[[str], int] | str | None = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
) -> list[int]:
    """The words of a text as numbers from 1 to n - 1, without a table; two words may share a number.

    Args:
        text: The text.
        n: One more than the largest number.
        hash_function: `'md5'`, which is the same in every process, or a function from a text to an
            integer; None stands for Python's `hash`, which differs from process to process.
        filters: Characters that separate words as `split` does.
        lower: Whether capitals become small letters.
        split: What separates words.

    Raises:
        ValueError: If n leaves no number, or the function is none.
    """
    if n < 2:
        raise ValueError(f"hashing_trick: numbers go from 1 to n - 1, so n is at least 2; received {n}.")
    if hash_function is None:
        hash_function = hash
    elif hash_function == "md5":
        hash_function = _md5
    if not callable(hash_function):
        raise ValueError(f"hashing_trick: hash_function is 'md5', a function or None, received {hash_function!r}.")
    return [hash_function(word) % (n - 1) + 1 for word in text_to_word_sequence(text, filters, lower, split)]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode("utf-8"), usedforsecurity=False).hexdigest(), 16)


class Tokenizer:
    """Numbers words by how frequent they are, and texts by their words.

    The most frequent word is number 1 (2, where there is an `oov_token`); 0 stands for no word.

    Args:
        num_words: Only words numbered below this are used; all if None. Keras 1 called it `nb_words`.
        filters: Characters that separate words as `split` does.
        lower: Whether capitals become small letters.
        split: What separates words.
        char_level: Whether characters take the place of words.
        oov_token: What stands for words that are not in use; they are left out if None.
        document_count: Number of texts seen so far.
        **kwargs: `nb_words` instead of `num_words`.

    Attributes:
        word_counts: How often each word was seen.
        word_docs: In how many texts each word was seen.
        word_index: The number of each word.
        index_word: The word of each number.
        index_docs: In how many texts the word of each number was seen.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        document_count: int = 0,
        **kwargs: Any,
    ) -> None:
        if "nb_words" in kwargs:
            if num_words is not None:
                raise TypeError("Tokenizer: 'nb_words' is the old name of 'num_words'; both were given.")
            num_words = kwargs.pop("nb_words")
        if kwargs:
            raise TypeError(f"Tokenizer takes no argument {', '.join(map(repr, sorted(kwargs)))}.")
        self.num_words = num_words
        self.filters = filters
        self.lower = lower
        self.split = split
        self.char_level = char_level
        self.oov_token = oov_token
        self.document_count = document_count
        self.word_counts: dict[str, int] = {}
        self.word_docs: dict[str, int] = {}
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}
        self.index_docs: dict[int, int] = {}

    # -- learning -------------------------------------------------------------------------------

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Counts the words of texts, and numbers all words seen so far.

        Args:
            texts: Texts, or lists of words.
        """
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word, count in Counter(words).items():
                self.word_counts[word] = self.word_counts.get(word, 0) + count
                self.word_docs[word] = self.word_docs.get(word, 0) + 1
        # Sorting is stable: of equally frequent words the one seen first comes first.
        ranked = sorted(self.word_counts, key=lambda word: self.word_counts[word], reverse=True)
        if self.oov_token is not None:
            ranked = [self.oov_token, *[word for word in ranked if word != self.oov_token]]
        self.word_index = {word: number for number, word in enumerate(ranked, 1)}
        self.index_word = dict(enumerate(ranked, 1))
        self.index_docs = {self.word_index[word]: count for word, count in self.word_docs.items()}

    def fit_on_sequences(self, sequences: Iterable[Iterable[int]]) -> None:
        """Counts word numbers, where there are no texts; needed before `sequences_to_matrix`."""
        for sequence in sequences:
            self.document_count += 1
            for number in set(sequence):
                self.index_docs[number] = self.index_docs.get(number, 0) + 1

    def _words(self, text: Any) -> list[str]:
        if self.char_level or isinstance(text, list):
            if not self.lower:
                return list(text)
            return [word.lower() for word in text] if isinstance(text, list) else list(text.lower())
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    # -- texts and numbers ----------------------------------------------------------------------

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """Each text as the list of its word numbers."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """As `texts_to_sequences`, one after the other."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token is not None else None
        for text in texts:
            numbers = (self.word_index.get(word) for word in self._words(text))
            kept = (n if n is not None and self._is_used(n) else unknown for n in numbers)
            yield [n for n in kept if n is not None]

    def _is_used(self, number: int) -> bool:
        return self.num_words is None or number < self.num_words

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Each list of word numbers as its words, joined by spaces."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """As `sequences_to_texts`, one after the other."""
        for sequence in sequences:
            words = (self.index_word.get(n) if self._is_used(n) else None for n in sequence)
            kept = (word if word is not None else self.oov_token for word in words)
            yield " ".join(word for word in kept if word is not None)

    # -- matrices -------------------------------------------------------------------------------

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> np.ndarray:
        """A row for each text, a column for each word number: see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Any, mode: str = "binary") -> np.ndarray:
        """A row for each list of word numbers, a column for each number.

        Args:
            sequences: Lists of word numbers; numbers not in use are left out.
            mode: `'binary'`: 1 where the word occurs. `'count'`: how often. `'freq'`: its share of the
                list. `'tfidf'`: (1 + log count) * log(1 + texts / (1 + texts with the word)).

        Returns:
            float64 of shape `(len(sequences), num_words)`.

        Raises:
            ValueError: If the mode is unknown, or there is nothing that says how many numbers there are.
        """
        if mode not in _MODES:
            raise ValueError(f"Tokenizer: the mode is one of {', '.join(_MODES)}; received {mode!r}.")
        if not self.num_words and not self.word_index:
            raise ValueError("Tokenizer: give num_words, or call fit_on_texts first: a matrix needs a width.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Tokenizer: call fit_on_texts or fit_on_sequences before mode='tfidf'.")
        width = self.num_words or len(self.word_index) + 1
        rows = list(sequences)
        matrix = np.zeros((len(rows), width))
        for row, sequence in zip(matrix, rows, strict=True):
            for number, count in Counter(n for n in sequence if n < width).items():
                row[number] = self._weight(mode, number, count, len(sequence))
        return matrix

    def _weight(self, mode: str, number: int, count: int, length: int) -> float:
        if mode == "binary":
            return 1.0
        if mode == "count":
            return count
        if mode == "freq":
            return count / length
        return (1 + np.log(count)) * np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))

    # -- keeping --------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Arguments and tables; the tables as JSON."""
        tables = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            **{name: json.dumps(getattr(self, name)) for name in tables},
        }

    def to_json(self, **kwargs: Any) -> str:
        """The tokenizer as JSON, for `tokenizer_from_json`; keywords go to `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The tokenizer that `Tokenizer.to_json` wrote.

    Raises:
        ValueError: If the text is something else.
    """
    try:
        return _tokenizer(json.loads(json_string))
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"tokenizer_from_json takes what Tokenizer.to_json wrote, received something else: {error}"
        ) from error


def _tokenizer(content: Any) -> Tokenizer:
    config = content.get("config") if isinstance(content, dict) else None
    if not isinstance(config, dict) or "word_index" not in config:
        raise ValueError("there is no 'word_index' in it.")
    config = dict(config)
    words = {name: _table(config.pop(name), name) for name in ("word_counts", "word_docs", "word_index")}
    numbers = {name: _table(config.pop(name), name) for name in ("index_docs", "index_word")}
    tokenizer = Tokenizer(**config)
    for name, table in words.items():
        setattr(tokenizer, name, table)
    for name, table in numbers.items():
        # JSON has no numbers for keys.
        setattr(tokenizer, name, {int(number): value for number, value in table.items()})
    return tokenizer


def _table(text: str, name: str) -> dict[str, Any]:
    table = json.loads(text)
    if not isinstance(table, dict):
        raise ValueError(f"{name!r} is no table.")
    return table


def save_text_tokenizer(tokenizer: Tokenizer, path: str | os.PathLike[str]) -> None:
    """Writes a tokenizer to a JSON file, which is replaced as a whole."""
    from multikeras.saving.atomic import replacing

    text = tokenizer.to_json(ensure_ascii=False)
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def load_text_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer that `save_text_tokenizer` wrote.

    Raises:
        ValueError: If the file holds something else; the message names it.
    """
    try:
        return tokenizer_from_json(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error
