"""The generator as streams of words, and bad ones of the same form, which the statistics have to notice."""

from __future__ import annotations

import numpy as np

from multikeras import registry
from multikeras.graph.ops.random import GOLDEN, finalize, key_words, mix_seed

Key = tuple[int, int]

_KERNELS = registry.load("numpy").kernels
_WORD = 2**32


class Generator:
    """The generator of multikeras: NumPy's kernels, whose bits are those of every backend."""

    name = "multikeras"

    def key(self, seed: int, run: int) -> Key:
        """The key of one run of a node with a seed."""
        return key_words(mix_seed(seed), run)

    def folded(self, key: Key, iteration: int) -> Key:
        """The key of an iteration of a loop."""
        made = _KERNELS["fold_in"](np.array(key, "uint32"), np.array(iteration, "int32"))
        return int(made[0]), int(made[1])

    def words(self, key: Key, count: int) -> np.ndarray:
        """The first words of a key's stream."""
        return _KERNELS["random_bits"](np.array(key, "uint32"), shape=(count,))

    def normals(self, count: int, seed: int) -> np.ndarray:
        """Numbers that should follow the normal distribution."""
        from multikeras import backend as K

        with K.use_backend("numpy"):
            return K.eval(K.random_normal((count,), dtype="float64", seed=seed))

    # -- arrangements: what the words of many streams look like in a row ---------------------------

    def one_stream(self, count: int, seed: int = 1) -> np.ndarray:
        """One tensor."""
        return self.words(self.key(seed, 0), count)

    def runs(self, streams: int, length: int, seed: int = 2) -> np.ndarray:
        """(streams, length): one node, run after run."""
        return np.stack([self.words(self.key(seed, run), length) for run in range(streams)])

    def seeds(self, streams: int, length: int) -> np.ndarray:
        """(streams, length): nodes whose seeds are 0, 1, 2."""
        return np.stack([self.words(self.key(seed, 0), length) for seed in range(streams)])

    def iterations(self, streams: int, length: int) -> np.ndarray:
        """(streams, length): one loop, iteration after iteration."""
        key = self.key(3, 0)
        return np.stack([self.words(self.folded(key, i), length) for i in range(streams)])

    def near_keys(self, streams: int, length: int) -> np.ndarray:
        """(streams, length): keys that differ by 1 in either word, as no seed makes them."""
        side = int(np.sqrt(streams))
        return np.stack([self.words((i, j), length) for i in range(side) for j in range(streams // side)])


class Counter(Generator):
    """A Weyl sequence: evenly spread, and far too evenly."""

    name = "counter"

    def words(self, key, count):
        return (np.arange(count, dtype="uint64") * GOLDEN + key[0]).astype("uint32")


class Congruential(Generator):
    """A linear congruential generator, whose low bits have short periods."""

    name = "congruential"

    def words(self, key, count):
        powers = np.full(count, 1664525, "uint32")
        powers[0] = 1
        powers = np.multiply.accumulate(powers)
        sums = np.cumsum(powers, dtype="uint32") - powers
        return (powers * np.uint32(key[0]) + sums * np.uint32(1013904223)).astype("uint32")


class Shifted(Generator):
    """A key that is added to the place only shifts the stream."""

    name = "shifted"

    def key(self, seed, run):
        return (seed * 1000 + run) % _WORD, 0

    def folded(self, key, iteration):
        return (key[0] + iteration) % _WORD, 0

    def words(self, key, count):
        place = np.arange(count, dtype="uint64") + key[0] + key[1]
        return super().words((0, 0), int(place[-1]) + 1)[place]


class Half(Generator):
    """The second word of the key is put on at the end, where nothing mixes it any more."""

    name = "half"

    def key(self, seed, run):
        return finalize(seed), run

    def folded(self, key, iteration):
        return key[0], (key[1] + iteration) % _WORD

    def words(self, key, count):
        return super().words((key[0], 0), count) ^ np.uint32(key[1])


class Biased(Generator):
    """Bits are 1 a little too often."""

    name = "biased"

    def words(self, key, count):
        made = super().words(key, 7 * count).reshape(7, count)
        return made[0] | np.bitwise_and.reduce(made[1:], axis=0)


class Sticky(Generator):
    """A word comes twice now and then."""

    name = "sticky"

    def words(self, key, count):
        made = super().words(key, count)
        repeated = made[1:] % 16 == 0
        made[1:][repeated] = made[:-1][repeated]
        return made


class Alternating(Generator):
    """Large numbers follow small ones a little too often."""

    name = "alternating"

    def words(self, key, count):
        made = super().words(key, count)
        turned = made[1::2] % 4 == 0
        made[1::2][turned] = ~made[: made.size // 2 * 2 : 2][turned]
        return made


class Permuted(Generator):
    """Streams of one key are permutations, and so is each block of 4096 of this one: nothing comes twice."""

    name = "permuted"

    def words(self, key, count):
        made = super().words(key, count)
        blocks = made[: count // 4096 * 4096].reshape(-1, 4096)
        order = np.argsort(np.argsort(blocks, axis=1), axis=1).astype("uint32")
        blocks[...] = order << 20 | blocks & 0xFFFFF
        return made


class Linear(Generator):
    """Shifts and exclusive ors alone, in stretches of 32 words: their bits depend on each other linearly."""

    name = "linear"

    def words(self, key, count):
        state = super().words(key, -(-count // 32)) | np.uint32(1)
        made = np.empty((32, len(state)), "uint32")
        for row in made:
            state = state ^ state << np.uint32(13)
            state ^= state >> np.uint32(17)
            state ^= state << np.uint32(5)
            row[:] = state
        return np.ascontiguousarray(made.T).ravel()[:count]


class SumsOfSix(Generator):
    """Sums of six uniform numbers have no tails."""

    name = "sums of six"

    def normals(self, count, seed):
        return (np.sum(self.one_stream(6 * count, seed).reshape(6, count) / _WORD, axis=0) - 3) * np.sqrt(2)


class Lopsided(Generator):
    """Normals with a little of their squares."""

    name = "lopsided"

    def normals(self, count, seed):
        made = super().normals(count, seed)
        return made + 0.02 * (made**2 - 1)


BAD: dict[str, Generator] = {
    each.name: each
    for each in (
        Counter(),
        Congruential(),
        Shifted(),
        Half(),
        Biased(),
        Sticky(),
        Alternating(),
        Permuted(),
        Linear(),
        SumsOfSix(),
        Lopsided(),
    )
}
