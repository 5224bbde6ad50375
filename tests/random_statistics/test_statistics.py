"""Statistics of the random numbers: even, uncorrelated, in streams that know nothing of each other.

Everything is seeded, so that a test gives the same at every run, and is computed by NumPy's kernels,
whose bits are those of every backend (tests/backend_table/test_random.py).

A statistic gives some p-values. It passes if the smallest, times their number (Bonferroni), is above
1e-4: of perfect generators one in ten thousand would fail. All p-values of all statistics together must
in turn be spread evenly. Each statistic is shown to notice a bad generator.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

stats = pytest.importorskip("scipy.stats")

from tests.random_statistics.generators import BAD, Generator  # noqa: E402
from tests.random_statistics.statistics import NORMALS, ROWS, STREAMS, both_sides, of_z  # noqa: E402

THRESHOLD = 1e-4
#: What a bad generator has to fall below, so that no good one is mistaken for it.
CERTAIN = 1e-9

WORDS = 1 << 18
SHAPE = (1024, 256)

GOOD = Generator()

#: A row of words each: one stream, and many short ones after the other, or one place of each in turn.
ARRANGEMENTS: dict[str, Callable[[Generator], np.ndarray]] = {
    "one stream": lambda g: g.one_stream(WORDS),
    "runs": lambda g: g.runs(*SHAPE),
    "runs, place by place": lambda g: g.runs(*SHAPE).T,
    "seeds": lambda g: g.seeds(*SHAPE),
    "seeds, place by place": lambda g: g.seeds(*SHAPE).T,
    "iterations, place by place": lambda g: g.iterations(*SHAPE).T,
    "near keys, place by place": lambda g: g.near_keys(*SHAPE).T,
}
#: Many streams each.
FAMILIES: dict[str, Callable[[Generator], np.ndarray]] = {
    "runs": lambda g: g.runs(*SHAPE),
    "seeds": lambda g: g.seeds(*SHAPE),
    "iterations": lambda g: g.iterations(*SHAPE),
    "near keys": lambda g: g.near_keys(*SHAPE),
}


def level(values: np.ndarray) -> float:
    """One p-value of several (Bonferroni)."""
    return min(1.0, float(np.min(values)) * len(values))


@cache
def arranged(name: str) -> np.ndarray:
    return np.ascontiguousarray(ARRANGEMENTS[name](GOOD)).ravel()


@cache
def family(name: str) -> np.ndarray:
    return FAMILIES[name](GOOD)


@cache
def of_rows(statistic: str, arrangement: str) -> np.ndarray:
    return ROWS[statistic](arranged(arrangement))


@cache
def of_streams(statistic: str, name: str) -> np.ndarray:
    return STREAMS[statistic](family(name))


@cache
def of_normals(statistic: str) -> np.ndarray:
    return NORMALS[statistic](GOOD.normals(WORDS, seed=5))


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("statistic", ROWS)
def test_rows(statistic: str, arrangement: str) -> None:
    assert level(of_rows(statistic, arrangement)) > THRESHOLD


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("statistic", STREAMS)
def test_streams(statistic: str, name: str) -> None:
    assert level(of_streams(statistic, name)) > THRESHOLD


@pytest.mark.parametrize("statistic", NORMALS)
def test_normals(statistic: str) -> None:
    assert level(of_normals(statistic)) > THRESHOLD


def test_all_together() -> None:
    groups = [of_rows(s, a) for s in ROWS for a in ARRANGEMENTS]
    groups += [of_streams(s, f) for s in STREAMS for f in FAMILIES]
    groups += [of_normals(s) for s in NORMALS]
    # One value a statistic, since those of one are not independent of each other.
    levels = np.array([1 - (1 - np.min(values)) ** len(values) for values in groups])
    assert len(levels) > 100
    assert level(both_sides(stats.kstest(levels, "uniform").pvalue)) > THRESHOLD
    assert np.min(levels) * len(levels) > 1e-3


# -- avalanche ------------------------------------------------------------------------------------


def flips(generator: Generator, which: str) -> tuple[np.ndarray, int]:
    """(bits of the input, bits of a word): the share of words whose bit flips with a bit of the input."""
    random = np.random.default_rng(9)
    count = 512
    keys = [(int(a), int(b)) for a, b in random.integers(0, 2**32, (8, 2))]
    found = []
    for bit in range(9 if which == "place" else 32):
        pairs = []
        for k0, k1 in keys:
            words = generator.words((k0, k1), count)
            if which == "place":
                pairs.append((words, words[np.arange(count) ^ 1 << bit]))
            else:
                other = (k0 ^ 1 << bit, k1) if which == "first word of the key" else (k0, k1 ^ 1 << bit)
                pairs.append((words, generator.words(other, count)))
        changed = np.concatenate([a ^ b for a, b in pairs])
        if which == "place":
            # Each pair of places comes twice.
            changed = changed[np.tile(np.arange(count) & 1 << bit == 0, len(keys))]
        found.append(np.unpackbits(changed.view("uint8")).reshape(-1, 32).mean(axis=0))
    return np.array(found), len(changed)


def avalanche(generator: Generator, which: str) -> np.ndarray:
    shares, tried = flips(generator, which)
    return of_z(((shares - 0.5) * np.sqrt(4 * tried)).ravel())


class Summed(Generator):
    """The key added to the place, and nothing mixed."""

    def words(self, key, count):
        return np.arange(count, dtype="uint32") + np.uint32(key[0])


INPUTS = ["place", "first word of the key", "second word of the key"]


@pytest.mark.parametrize("which", INPUTS)
def test_avalanche(which: str) -> None:
    """Every bit of place and key flips every bit of a word in half of all cases."""
    values = avalanche(GOOD, which)
    assert level(values) > THRESHOLD


@pytest.mark.parametrize(
    ("which", "bad"), [(INPUTS[0], BAD["counter"]), (INPUTS[1], Summed()), (INPUTS[2], BAD["half"])], ids=INPUTS
)
def test_avalanche_notices(which: str, bad: Generator) -> None:
    assert level(avalanche(bad, which)) < CERTAIN


def test_avalanche_of_seeds_and_runs() -> None:
    """Keys of near seeds and runs have nothing in common."""
    found = []
    for bit in range(64):
        keys = [(GOOD.key(seed, 0), GOOD.key(seed ^ 1 << bit, 0)) for seed in range(200)]
        keys += [(GOOD.key(7, run), GOOD.key(7, run ^ 1 << bit % 32)) for run in range(200)]
        words = np.array([[a[0] ^ b[0], a[1] ^ b[1]] for a, b in keys], "uint32")
        ones = np.unpackbits(words.view("uint8")).sum()
        count = words.size * 32
        found.append((ones - count / 2) / np.sqrt(count / 4))
    assert level(of_z(found)) > THRESHOLD


# -- that bad generators are noticed --------------------------------------------------------------


@pytest.mark.parametrize(
    ("statistic", "bad"),
    [
        ("bytes", "congruential"),
        ("bytes", "counter"),
        ("bytes", "biased"),
        ("pairs of bytes", "congruential"),
        ("pairs of bytes", "sticky"),
        ("triples", "sticky"),
        ("Kolmogorov-Smirnov", "counter"),
        ("Kolmogorov-Smirnov", "biased"),
        ("bit balance", "biased"),
        ("bits of neighbours", "congruential"),
        ("serial correlation", "sticky"),
        ("serial correlation", "counter"),
        ("serial correlation", "alternating"),
        ("runs above and below", "alternating"),
        ("runs up", "alternating"),
        ("runs up", "sticky"),
        ("gaps", "congruential"),
        ("gaps", "sticky"),
        ("collisions", "permuted"),
        ("collisions", "sticky"),
        ("ranks", "linear"),
    ],
)
def test_rows_notice(statistic: str, bad: str) -> None:
    assert level(ROWS[statistic](BAD[bad].one_stream(WORDS))) < CERTAIN


@pytest.mark.parametrize(
    ("statistic", "name", "bad"),
    [
        ("correlations", "runs", "half"),
        ("correlations of neighbours", "runs", "shifted"),
        ("correlations of neighbours", "iterations", "shifted"),
        ("shared bits", "runs", "half"),
        ("shared words", "runs", "shifted"),
        ("sums", "runs", "shifted"),
        ("sums", "seeds", "biased"),
    ],
)
def test_streams_notice(statistic: str, name: str, bad: str) -> None:
    assert level(STREAMS[statistic](FAMILIES[name](BAD[bad]))) < CERTAIN


@pytest.mark.parametrize(
    ("statistic", "bad"),
    [
        ("moments", "sums of six"),
        ("moments", "lopsided"),
        ("tails", "sums of six"),
        ("shape", "lopsided"),
        ("squares of neighbours", "sorted"),
    ],
)
def test_normals_notice(statistic: str, bad: str) -> None:
    if bad == "sorted":
        values = np.random.default_rng(3).normal(size=WORDS)
        # Quiet and lively stretches, without any correlation of the numbers themselves.
        values *= np.repeat(np.where(np.arange(WORDS // 64) % 2, 1.1, 0.9), 64)
    else:
        values = BAD[bad].normals(WORDS, seed=5)
    assert level(NORMALS[statistic](values)) < CERTAIN


def test_a_good_library_passes() -> None:
    # The statistics themselves: a generator of another design passes them all.
    random = np.random.Generator(np.random.Philox(17))
    words = random.integers(0, 2**32, WORDS, dtype="uint32")
    values = [level(statistic(words)) for statistic in ROWS.values()]
    values += [level(statistic(words.reshape(SHAPE))) for name, statistic in STREAMS.items() if name != "shared words"]
    values += [level(statistic(random.normal(size=WORDS))) for statistic in NORMALS.values()]
    assert min(values) > THRESHOLD
