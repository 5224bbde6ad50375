"""Statistics of a generator. Each gives p-values, which are even between 0 and 1 if the generator is good.

Values are two-sided: what is too even to be random is as unlikely as what is too uneven.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

Values = np.ndarray
Statistic = Callable[[np.ndarray], Values]


def both_sides(p: np.ndarray | float) -> Values:
    """A one-sided p-value as one that is small at either end."""
    p = np.atleast_1d(np.asarray(p, "float64"))
    return np.minimum(1.0, 2 * np.minimum(p, 1 - p))


def of_z(z: np.ndarray | float) -> Values:
    """p-values of numbers that should be standard normal."""
    return np.atleast_1d(2 * stats.norm.sf(np.abs(z)))


def of_counts(counts: np.ndarray, expected: np.ndarray | float) -> Values:
    """Chi-square of counts along the last axis, whose sum is fixed."""
    total = np.sum((counts - expected) ** 2 / expected, axis=-1)
    return both_sides(stats.chi2.sf(total, counts.shape[-1] - 1))


def of_distance(shares: np.ndarray) -> Values:
    """Kolmogorov's and Smirnov's largest distance of many numbers from the even distribution on [0, 1)."""
    n = len(shares)
    ordered = np.sort(shares)
    places = np.arange(n) / n
    distance = max(np.max(ordered - places), np.max(places + 1 / n - ordered))
    return both_sides(stats.kstwobign.sf(distance * np.sqrt(n)))


def unit(words: np.ndarray) -> np.ndarray:
    """The numbers in [0, 1) that K makes of words."""
    return (words >> 8) * 2.0**-24


# -- of one row of words --------------------------------------------------------------------------


def single_bytes(words: np.ndarray) -> Values:
    """Counts of the 256 values of each of the four bytes."""
    parts = words.view("uint8").reshape(-1, 4)
    counts = np.stack([np.bincount(parts[:, i], minlength=256) for i in range(4)])
    return of_counts(counts, len(words) / 256)


def pairs_of_bytes(words: np.ndarray) -> Values:
    """Counts of the values of two bytes: first of neighbours, last of neighbours, first and last of one word."""
    high, low = words >> 24, words & 0xFF
    joint = [high[:-1:2] * 256 + high[1::2], low[:-1:2] * 256 + low[1::2], high * 256 + low]
    return np.concatenate([of_counts(np.bincount(j, minlength=65536), len(j) / 65536) for j in joint])


def triples(words: np.ndarray) -> Values:
    """Counts of the first five bits of three words in a row."""
    parts = (words[: len(words) // 3 * 3] >> 27).reshape(-1, 3)
    joint = parts @ np.array([1024, 32, 1], "uint32")
    return of_counts(np.bincount(joint, minlength=32768), len(joint) / 32768)


def kolmogorov_smirnov(words: np.ndarray) -> Values:
    """The largest distance of the distribution of blocks from the even one, too small or too large."""
    return np.concatenate([of_distance(block) for block in np.array_split(unit(words), 4)])


def bit_balance(words: np.ndarray) -> Values:
    """How often each of the 32 bits is 1."""
    ones = np.unpackbits(words.view("uint8")).reshape(-1, 32).sum(axis=0, dtype="int64")
    return of_z((ones - len(words) / 2) / np.sqrt(len(words) / 4))


def bits_of_neighbours(words: np.ndarray) -> Values:
    """How often each bit is that of the word before, and of the one before that."""
    found = []
    for lag in (1, 2):
        equal = np.unpackbits((~(words[lag:] ^ words[:-lag])).view("uint8")).reshape(-1, 32).sum(axis=0, dtype="int64")
        found.append((equal - (len(words) - lag) / 2) / np.sqrt((len(words) - lag) / 4))
    return of_z(np.concatenate(found))


def serial_correlation(words: np.ndarray) -> Values:
    """Correlations with the words 1 to 24 places on."""
    u = unit(words) - 0.5
    return of_z([np.sum(u[lag:] * u[:-lag]) * 12 / np.sqrt(len(u) - lag) for lag in range(1, 25)])


def runs_above_and_below(words: np.ndarray) -> Values:
    """The number of runs on one side of the middle, for the whole number and its low half."""
    found = []
    for above in (words >= 2**31, (words & 0xFFFF) >= 2**15):
        n1 = int(np.sum(above))
        n2 = len(words) - n1
        runs = 1 + int(np.sum(above[1:] != above[:-1]))
        mean = 1 + 2 * n1 * n2 / (n1 + n2)
        variance = (mean - 1) * (mean - 2) / (n1 + n2 - 1)
        found.append((runs - mean) / np.sqrt(variance))
    return of_z(found)


def runs_up(words: np.ndarray) -> Values:
    """Lengths of runs that rise, the word after each left out so that they are independent (Knuth 3.3.2, G)."""
    words = words[: 1 << 17]
    rises = words[1:] > words[:-1]
    falls = np.flatnonzero(~rises)
    lengths, at = [], 0
    for end in falls.tolist():
        if end >= at:
            lengths.append(end - at + 1)
            at = end + 2
    counts = np.bincount(np.minimum(lengths, 7), minlength=8)[1:]
    shares = np.array([1 / 2, 1 / 3, 1 / 8, 1 / 30, 1 / 144, 1 / 840, 1 / 5040])
    return of_counts(counts, shares * len(lengths))


def gaps(words: np.ndarray) -> Values:
    """Distances between numbers below 1/8, by the high and by the low bits (Knuth 3.3.2, D)."""
    found = []
    for inside in (words < 2**29, (words & 0xFF) < 32):
        distances = np.diff(np.flatnonzero(inside)) - 1
        most = 40
        counts = np.bincount(np.minimum(distances, most), minlength=most + 1)
        shares = np.append(0.125 * 0.875 ** np.arange(most), 0.875**most)
        found.append(of_counts(counts, shares * len(distances)))
    return np.concatenate(found)


def collisions(words: np.ndarray) -> Values:
    """How many of 4096 neighbours share their first twenty bits, over all such blocks (Knuth 3.3.2, I)."""
    blocks = np.sort(words[: len(words) // 4096 * 4096].reshape(-1, 4096) >> 12, axis=1)
    found = int(np.sum(blocks[:, 1:] == blocks[:, :-1]))
    expected = len(blocks) * (4096 - 2**20 * (1 - (1 - 2.0**-20) ** 4096))
    return of_z((found - expected) / np.sqrt(expected))


def ranks(words: np.ndarray) -> Values:
    """Ranks of 32 by 32 matrices of bits (Marsaglia)."""
    rows = words[: len(words) // 32 * 32].reshape(-1, 32)[:8192].astype("uint32").copy()
    rank = np.zeros(len(rows), int)
    every = np.arange(len(rows))
    free = np.ones_like(rows, bool)
    for bit in range(32):
        has = (rows >> np.uint32(bit) & 1).astype(bool) & free
        pivot = np.argmax(has, axis=1)
        there = has[every, pivot]
        value = np.where(there, rows[every, pivot], 0).astype("uint32")
        rest = (rows >> np.uint32(bit) & 1).astype(bool)
        rest[every, pivot] = False
        rows ^= np.where(rest & there[:, None], value[:, None], np.uint32(0))
        free[every, pivot] &= ~there
        rank += there
    counts = np.array([np.sum(rank == 32), np.sum(rank == 31), np.sum(rank == 30), np.sum(rank < 30)])
    shares = np.array([0.2887880951538411, 0.5775761901732046, 0.1283502644231667, 0.0052854502497876])
    return of_counts(counts, shares * len(rows))


ROWS: dict[str, Statistic] = {
    "bytes": single_bytes,
    "pairs of bytes": pairs_of_bytes,
    "triples": triples,
    "Kolmogorov-Smirnov": kolmogorov_smirnov,
    "bit balance": bit_balance,
    "bits of neighbours": bits_of_neighbours,
    "serial correlation": serial_correlation,
    "runs above and below": runs_above_and_below,
    "runs up": runs_up,
    "gaps": gaps,
    "collisions": collisions,
    "ranks": ranks,
}

# -- of many streams ------------------------------------------------------------------------------


def correlations(streams: np.ndarray) -> Values:
    """The correlations of 48 streams with each other."""
    u = (unit(streams[:48]) - 0.5) * np.sqrt(12)
    between = u @ u.T / np.sqrt(u.shape[1])
    return of_z(between[np.triu_indices(len(u), 1)])


def correlations_of_neighbours(streams: np.ndarray) -> Values:
    """The correlation of each stream with the next, all together, at several shifts."""
    u = (unit(streams) - 0.5) * np.sqrt(12)
    found = []
    for shift in range(-3, 4):
        x, y = u[:-1, max(shift, 0) :], u[1:, max(-shift, 0) :]
        width = min(x.shape[1], y.shape[1])
        products = x[:, :width] * y[:, :width]
        found.append(np.sum(products) / np.sqrt(products.size))
    return of_z(found)


def shared_bits(streams: np.ndarray) -> Values:
    """How often each bit is that of the same place in the stream before."""
    equal = np.unpackbits((~(streams[1:] ^ streams[:-1])).view("uint8")).reshape(-1, 32).sum(axis=0, dtype="int64")
    count = streams[1:].size
    return of_z((equal - count / 2) / np.sqrt(count / 4))


def shared_words(streams: np.ndarray) -> Values:
    """How many words of all streams are equal; streams that overlap share whole stretches."""
    flat = np.sort(streams.ravel())
    found = int(np.sum(flat[1:] == flat[:-1]))
    # Within a stream no word comes twice: it is a permutation.
    count, width = streams.size, streams.shape[1]
    expected = count * (count - width) / 2 / 2.0**32
    return np.atleast_1d(both_sides(stats.poisson.cdf(found, expected)) if found else np.array([1.0]))


def sums(streams: np.ndarray) -> Values:
    """The means of the streams are as far apart as they should be."""
    z = (unit(streams) - 0.5).sum(axis=1) * np.sqrt(12 / streams.shape[1])
    return np.append(of_distance(stats.norm.cdf(z)), both_sides(stats.chi2.sf(np.sum(z * z), len(z))))


STREAMS: dict[str, Statistic] = {
    "correlations": correlations,
    "correlations of neighbours": correlations_of_neighbours,
    "shared bits": shared_bits,
    "shared words": shared_words,
    "sums": sums,
}

# -- of normals -----------------------------------------------------------------------------------


def moments(z: np.ndarray) -> Values:
    """Mean, variance, skewness, kurtosis."""
    n = len(z)
    centred = z - z.mean()
    variance = np.mean(centred**2)
    skewness = np.mean(centred**3) / variance**1.5
    kurtosis = np.mean(centred**4) / variance**2
    found = [np.sqrt(n) * z.mean(), (variance - 1) * np.sqrt(n / 2), skewness * np.sqrt(n / 6)]
    return of_z([*found, (kurtosis - 3) * np.sqrt(n / 24)])


def tails(z: np.ndarray) -> Values:
    """How many lie beyond 2, 3, 3.5 and 4, on either side."""
    found = []
    for bound in (2, 3, 3.5, 4):
        share = stats.norm.sf(bound)
        for count in (np.sum(z > bound), np.sum(z < -bound)):
            found.append((count - len(z) * share) / np.sqrt(len(z) * share))
    return of_z(found)


def shape(z: np.ndarray) -> Values:
    """The largest distance from the normal distribution, and counts in 200 parts of equal share."""
    counts = np.bincount(np.minimum((stats.norm.cdf(z) * 200).astype(int), 199), minlength=200)
    return np.append(of_distance(stats.norm.cdf(z)), of_counts(counts, len(z) / 200))


def squares_of_neighbours(z: np.ndarray) -> Values:
    """Correlations of neighbours, of their squares, and of one with the square of the next."""
    n = len(z) - 1
    square = (z**2 - 1) / np.sqrt(2)
    return of_z(
        [
            np.sum(z[1:] * z[:-1]) / np.sqrt(n),
            np.sum(square[1:] * square[:-1]) / np.sqrt(n),
            np.sum(z[1:] * square[:-1]) / np.sqrt(n),
        ]
    )


NORMALS: dict[str, Statistic] = {
    "moments": moments,
    "tails": tails,
    "shape": shape,
    "squares of neighbours": squares_of_neighbours,
}
