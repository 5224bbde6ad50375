"""Sequences of numbers made ready for a model."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence as Listed
from typing import Any

import numpy as np

from multikeras.utils.data_utils import Sequence

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams"]

#: Euler's constant with the three digits that Keras takes, so that the same words are kept.
_GAMMA = 0.577


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as one array.

    Args:
        sequences: A list of sequences; their entries are numbers, or arrays of one shape.
        maxlen: Length of the result; the longest sequence's if None.
        dtype: Data type of the result; `object` for texts.
        padding: `'pre'` or `'post'`: where `value` fills up short sequences.
        truncating: `'pre'` or `'post'`: where long sequences lose entries.
        value: What fills up.

    Returns:
        An array of shape `(len(sequences), maxlen, …)`.

    Raises:
        ValueError: If an entry of the list is no sequence, entries differ in shape, or a word is unknown.
    """
    for name, word in (("padding", padding), ("truncating", truncating)):
        if word not in ("pre", "post"):
            raise ValueError(f"pad_sequences: {name} is 'pre' or 'post', received {word!r}.")
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"pad_sequences takes a list of sequences, received {type(sequences).__name__}.")
    for number, each in enumerate(sequences):
        if not hasattr(each, "__len__"):
            raise ValueError(f"pad_sequences takes a list of sequences; number {number} is {each!r}.")
    lengths = [len(each) for each in sequences]
    longest = max(lengths, default=0) if maxlen is None else int(maxlen)
    first = next((each for each in sequences if len(each)), ())
    inner = np.shape(first)[1:] if len(first) else ()
    kind = np.dtype(dtype)
    if isinstance(value, str) and kind.kind != "O" and not (kind.kind == "U" and kind.itemsize >= 4 * len(value)):
        raise ValueError(f"pad_sequences: the value {value!r} does not fit into dtype={dtype!r}; use dtype=object.")
    result = np.full((len(lengths), longest, *inner), value, dtype=kind)
    for number, each in enumerate(sequences):
        if not len(each) or not longest:
            continue
        kept = np.asarray(each[-longest:] if truncating == "pre" else each[:longest], dtype=kind)
        if kept.shape[1:] != inner:
            raise ValueError(
                f"pad_sequences: the entries of sequence {number} have shape {kept.shape[1:]}, those before it {inner}."
            )
        if padding == "pre":
            result[number, longest - len(kept) :] = kept
        else:
            result[number, : len(kept)] = kept
    return result


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """How probably a word is kept, by its rank among the most frequent.

    Word frequencies are taken to follow Zipf's law, and a word of relative frequency f is kept with
    probability `min(1, sqrt(sampling_factor / f))` (Mikolov et al. 2013, https://arxiv.org/abs/1310.4546).

    Args:
        size: Number of words.
        sampling_factor: The smaller, the more of the frequent words are left out.

    Returns:
        Probabilities, float64 of shape `(size,)`.
    """
    rank = np.maximum(np.arange(size), 1).astype("float64")
    # rank * H(rank), where H, the harmonic number, is what the frequencies of Zipf's law add up to.
    inverse = rank * (np.log(rank) + _GAMMA) + 0.5 - 1.0 / (12.0 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse))


def skipgrams(
    sequence: Listed[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs of words that stand near each other, and pairs drawn at random.

    Args:
        sequence: Word numbers; 0 stands for no word and is passed over.
        vocabulary_size: One more than the largest word number.
        window_size: Words up to this far away are near.
        negative_samples: Number of random pairs for each near pair; 0 for none.
        shuffle: Whether the pairs come in random order.
        categorical: Labels `[0, 1]` for near and `[1, 0]` for random pairs, instead of 1 and 0.
        sampling_table: Probability that a word is kept, by its number; see `make_sampling_table`.
        seed: Makes the result repeatable; without it Python's generator `random` is used.

    Returns:
        The pairs, and their labels.
    """
    draw: Any = random if seed is None else random.Random(seed)
    pairs: list[list[int]] = []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < draw.random()):
            continue
        for other in range(max(0, place - window_size), min(len(sequence), place + window_size + 1)):
            if other != place and sequence[other]:
                pairs.append([word, sequence[other]])
    labels: list[Any] = [[0, 1] if categorical else 1 for _ in pairs]
    if negative_samples > 0 and pairs:
        count = int(len(pairs) * negative_samples)
        words = [word for word, _ in pairs]
        draw.shuffle(words)
        pairs += [[words[i % len(words)], draw.randint(1, vocabulary_size - 1)] for i in range(count)]
        labels += [[1, 0] if categorical else 0 for _ in range(count)]
    if shuffle:
        order = list(range(len(pairs)))
        draw.shuffle(order)
        pairs, labels = [pairs[i] for i in order], [labels[i] for i in order]
    return pairs, labels


class TimeseriesGenerator(Sequence):
    """Batches of windows of a series, each with the target that follows it.

    Args:
        data: The series, its first axis time.
        targets: One target for each time.
        length: Length of a window in time steps.
        sampling_rate: A window holds every so many-th step.
        stride: Windows begin so many steps apart.
        start_index: Time of the earliest step in use.
        end_index: Time of the latest target in use; the last if None.
        shuffle: Draw windows at random instead of in order.
        reverse: Turn the time in each window around.
        batch_size: Windows a batch.

    Raises:
        ValueError: If data and targets differ in length, or no window fits in.
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        if len(data) != len(targets):
            raise ValueError(
                f"TimeseriesGenerator: there must be a target for each step, received {len(data)} steps of data and "
                f"{len(targets)} targets."
            )
        self.data, self.targets = data, targets
        self.length, self.sampling_rate, self.stride = length, sampling_rate, stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse, self.batch_size = shuffle, reverse, batch_size
        if self.start_index > self.end_index:
            raise ValueError(
                f"TimeseriesGenerator: no window of length {length} lies between start_index={start_index} and "
                f"end_index={self.end_index}."
            )

    def __len__(self) -> int:
        windows = (self.end_index - self.start_index) // self.stride + 1
        return math.ceil(windows / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self.shuffle:
            ends = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            ends = np.arange(first, min(first + self.batch_size * self.stride, self.end_index + 1), self.stride)
        order = slice(None, None, -1) if self.reverse else slice(None)
        samples = [self.data[end - self.length : end : self.sampling_rate][order] for end in ends]
        return np.array(samples), np.array([self.targets[end] for end in ends])

    def get_config(self) -> dict[str, Any]:
        """The arguments, data and targets as JSON."""
        return {
            "data": _as_json(self.data, "data"),
            "targets": _as_json(self.targets, "targets"),
            "length": self.length,
            "sampling_rate": self.sampling_rate,
            "stride": self.stride,
            "start_index": self.start_index,
            "end_index": self.end_index,
            "shuffle": self.shuffle,
            "reverse": self.reverse,
            "batch_size": self.batch_size,
        }

    def to_json(self, **kwargs: Any) -> str:
        """The generator as JSON; keywords go to `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def _as_json(values: Any, name: str) -> str:
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    try:
        return json.dumps(listed)
    except TypeError as error:
        raise TypeError(f"TimeseriesGenerator: {name} holds what JSON cannot ({error}).") from error
