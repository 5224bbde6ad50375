"""Decoding of CTC outputs on the host: beam search over prefixes, and comparison of a dictionary's entries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

Labels = tuple[int, ...]


def dictionary(values: Any, lengths: Any = None) -> tuple[Labels, ...] | None:
    """The entries of a dictionary as tuples.

    Args:
        values: A list of lists of labels; or all labels in one list, to be cut by `lengths`. None for
            no dictionary.
        lengths: How many labels of each list count; None for all.

    Raises:
        ValueError: If the lengths do not fit.
    """
    if values is None:
        return None
    counts = None if lengths is None else [int(n) for n in np.asarray(lengths).reshape(-1)]
    rows = list(values)
    if counts is not None and rows and np.ndim(rows[0]) == 0:
        ends = np.cumsum(counts)
        if ends[-1] != len(rows):
            raise ValueError(
                f"A dictionary of entries of {counts} labels holds {ends[-1]} of them, received {len(rows)}."
            )
        rows = [rows[end - n : end] for n, end in zip(counts, ends, strict=True)]
    if counts is not None and len(counts) != len(rows):
        raise ValueError(f"A dictionary of {len(rows)} entries needs as many lengths, received {len(counts)}.")
    return tuple(
        tuple(int(label) for label in list(row)[: None if counts is None else counts[i]]) for i, row in enumerate(rows)
    )


def trimmed(labels: np.ndarray) -> np.ndarray:
    """Labels (samples, time), padded with -1, only as wide as the longest sequence."""
    used = np.flatnonzero((labels >= 0).any(axis=0))
    return labels[:, : used[-1] + 1 if used.size else 0]


class Search:
    """A function of NumPy arrays, for calls of the host.

    Attributes:
        beam_width: How many prefixes are kept.
        top_paths: How many results are given.
        entries: The only possible results; None for any.
        merged: Whether equal neighbours in what a beam search finds become one.
    """

    def __init__(self, beam_width: int, top_paths: int, entries: tuple[Labels, ...] | None, merged: bool) -> None:
        self.beam_width = beam_width
        self.top_paths = top_paths
        self.entries = entries
        self.merged = merged

    def __call__(self, logarithms: np.ndarray, steps: np.ndarray) -> list[np.ndarray]:
        """Labels padded with -1, an array (samples, time) for each path, and scores (samples, paths)."""
        samples, time, _ = logarithms.shape
        labels = np.full((self.top_paths, samples, time), -1, "int64")
        scores = np.full((samples, self.top_paths), -np.inf)
        for sample, length in enumerate(steps.reshape(-1)):
            rows = np.asarray(logarithms[sample, : max(int(length), 0)], "float64")
            found = beam_search(rows, self.beam_width) if self.entries is None else compare(rows, self.entries)
            for path, (prefix, score) in enumerate(found[: self.top_paths]):
                if self.merged and self.entries is None:
                    prefix = tuple(label for label, _ in groupby(prefix))
                labels[path, sample, : len(prefix)] = prefix
                scores[sample, path] = score
        return [*labels, scores.astype(logarithms.dtype)]


class _Prefixes:
    """Sequences of labels as a tree, each held once."""

    def __init__(self) -> None:
        self.parents = [-1]
        self.labels = [-1]
        self.children: dict[tuple[int, int], int] = {}

    def child(self, parent: int, label: int) -> int:
        """The prefix that is one label longer."""
        number = self.children.get((parent, label))
        if number is None:
            number = self.children[parent, label] = len(self.labels)
            self.parents.append(parent)
            self.labels.append(label)
        return number

    def sequence(self, number: int) -> Labels:
        """All labels of a prefix."""
        found = []
        while number:
            found.append(self.labels[number])
            number = self.parents[number]
        return tuple(reversed(found))


def beam_search(logarithms: np.ndarray, width: int) -> list[tuple[Labels, float]]:
    """The likeliest label sequences with the logarithms of their probabilities, as far as the beam sees.

    For every prefix two probabilities are kept: of the paths that end in a blank, which may repeat
    the last label, and of those that end in that label, which then only goes on.

    Args:
        logarithms: Logarithms of probabilities (time, classes), the blank last.
        width: How many prefixes are kept after each time step.

    Returns:
        Pairs, the likeliest first.
    """
    tree = _Prefixes()
    beam = [0]
    in_blank, in_label = np.zeros(1), np.full(1, -np.inf)
    with np.errstate(all="ignore"):
        for row in logarithms:
            symbols, blank = row[:-1], row[-1]
            last = np.array([tree.labels[number] for number in beam])
            total = np.logaddexp(in_blank, in_label)
            repeated = np.where(last >= 0, in_label + row[last], -np.inf)
            longer = total[:, None] + symbols
            rooted = np.flatnonzero(last >= 0)
            longer[rooted, last[rooted]] = in_blank[rooted] + symbols[last[rooted]]
            # A prefix one label longer that is in the beam already gets its parent's share.
            at = {number: i for i, number in enumerate(beam)}
            for i, number in enumerate(beam):
                parent = at.get(tree.parents[number])
                if parent is not None:
                    repeated[i] = np.logaddexp(repeated[i], longer[parent, last[i]])
                    longer[parent, last[i]] = -np.inf
            waiting = total + blank
            merit = np.concatenate([np.logaddexp(waiting, repeated), longer.reshape(-1)])
            chosen = np.argsort(-merit, kind="stable")[:width]
            chosen = chosen[merit[chosen] > -np.inf]
            kept = len(beam)
            in_blank = np.where(chosen < kept, waiting[np.minimum(chosen, kept - 1)], -np.inf)
            in_label = np.where(chosen < kept, repeated[np.minimum(chosen, kept - 1)], merit[chosen])
            beam = [
                beam[i] if i < kept else tree.child(beam[(i - kept) // len(symbols)], (i - kept) % len(symbols))
                for i in chosen.tolist()
            ]
        total = np.logaddexp(in_blank, in_label)
    order = np.argsort(-total, kind="stable")
    return [(tree.sequence(beam[i]), float(total[i])) for i in order]


def compare(logarithms: np.ndarray, entries: Sequence[Labels]) -> list[tuple[Labels, float]]:
    """The entries of a dictionary with the logarithms of their exact probabilities, the likeliest first."""
    blank = logarithms.shape[1] - 1
    longest = max(map(len, entries), default=0)
    states = np.full((len(entries), 2 * longest + 1), blank)
    for i, entry in enumerate(entries):
        if any(not 0 <= label < blank for label in entry):
            raise ValueError(
                f"The dictionary's entry {entry} has labels outside 0 to {blank - 1}; {blank} is the blank."
            )
        states[i, 1 : 2 * len(entry) : 2] = entry
    skips = np.zeros(states.shape, bool)
    skips[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    held = np.full(states.shape, -np.inf)
    held[:, 0] = 0
    with np.errstate(all="ignore"):
        for row in logarithms:
            new = held.copy()
            new[:, 1:] = np.logaddexp(new[:, 1:], held[:, :-1])
            new[:, 2:] = np.where(skips[:, 2:], np.logaddexp(new[:, 2:], held[:, :-2]), new[:, 2:])
            held = new + row[states]
        ends = np.array([2 * len(entry) for entry in entries], int)
        numbers = np.arange(len(entries))
        in_label = np.where(ends > 0, held[numbers, np.maximum(ends - 1, 0)], -np.inf)
        scores = np.logaddexp(held[numbers, ends], in_label)
    # An entry too long for the time steps is no result.
    order = [i for i in np.argsort(-scores, kind="stable").tolist() if scores[i] > -np.inf]
    return [(entries[i], float(scores[i])) for i in order]
