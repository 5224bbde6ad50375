"""Randomness: who owns the seed, equal bits on every backend, and which streams differ.

What is exact is compared with NumPy's kernels by equal bits, and these in turn with whole-number
Python in the table of primitive cases. Statistics of the numbers are in tests/random_statistics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import initializers, registry
from multikeras.graph.ops.random import key_words, mix_seed
from multikeras.testing.cases import random as whole_numbers

scipy_stats = pytest.importorskip("scipy.stats")
special = pytest.importorskip("scipy.special")

SHAPES: list[tuple[int, ...]] = [(), (7,), (0, 3), (2, 3, 4), (1031,)]

#: Draws whose bits are equal everywhere, from a shape, a float type and a seed.
EXACT: dict[str, Callable[..., Any]] = {
    "uniform": lambda shape, dtype, seed: K.random_uniform(shape, dtype=dtype, seed=seed),
    "uniform of a range": lambda shape, dtype, seed: K.random_uniform(shape, -2.0, 3.0, dtype, seed),
    "uniform of a narrow range": lambda shape, dtype, seed: K.random_uniform(shape, 0.1, 0.11, dtype, seed),
    "uniform of no range": lambda shape, dtype, seed: K.random_uniform(shape, 2.5, 2.5, dtype, seed),
    "binomial": lambda shape, dtype, seed: K.random_binomial(shape, 0.3, dtype, seed),
    "certain": lambda shape, dtype, seed: K.random_binomial(shape, 1.0, dtype, seed),
    "mask": lambda shape, dtype, seed: K.dropout(K.ones(shape, dtype), 0.3, seed=seed),
    "shared mask": lambda shape, dtype, seed: K.dropout(
        K.ones(shape, dtype), 0.6, noise_shape=[1 if i % 2 else n for i, n in enumerate(shape)], seed=seed
    ),
    "integers": lambda shape, dtype, seed: K.random_uniform(shape, 0, 10, "int32", seed),
    "negative integers": lambda shape, dtype, seed: K.random_uniform(shape, -5, 3, "int64", seed),
    "large integers": lambda shape, dtype, seed: K.random_uniform(shape, 0, 2**40, "int64", seed),
    "small integers": lambda shape, dtype, seed: K.random_uniform(shape, 0, 200, "uint8", seed),
}

#: Draws that a library's logarithm and square root enter.
NORMAL: dict[str, Callable[..., Any]] = {
    "normal": lambda shape, dtype, seed: K.random_normal(shape, dtype=dtype, seed=seed),
    "scaled normal": lambda shape, dtype, seed: K.random_normal(shape, 0.0, 0.05, dtype, seed),
    "truncated normal": lambda shape, dtype, seed: K.truncated_normal(shape, dtype=dtype, seed=seed),
}

INITIALIZERS = [
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Orthogonal",
    "glorot_uniform",
    "he_normal",
    "lecun_uniform",
]


def drawn(draws: dict[str, Callable[..., Any]], dtype: str, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """All of them in two runs of one program."""
    nodes = [draw(shape, dtype, number) for number, draw in enumerate(draws.values()) for shape in shapes]
    f = K.function([], nodes)
    return [*f([]), *f([])]


def on_numpy(function: Callable[..., Any], *arguments: Any) -> Any:
    with K.use_backend("numpy"):
        return function(*arguments)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_bits_are_equal(each_backend: str, dtype: str) -> None:
    here, there = drawn(EXACT, dtype, SHAPES), on_numpy(drawn, EXACT, dtype, SHAPES)
    names = [f"{name} {shape}" for name in EXACT for shape in SHAPES] * 2
    for name, a, b in zip(names, here, there, strict=True):
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, name)


def test_bits_are_those_of_the_definition(each_backend: str) -> None:
    # Without any array library: the key from seed and run, the bits from key and place.
    for seed in (0, 5, -1, 2**63 + 11):
        nodes = [K.random_uniform((9,), dtype=dtype, seed=seed) for dtype in ("float32", "float64")]
        f = K.function([], nodes)
        for run in range(2):
            key = np.array(key_words(mix_seed(seed % 2**64), run), "uint32")
            for dtype, value in zip(("float32", "float64"), f([]), strict=True):
                np.testing.assert_array_equal(value, whole_numbers.random_uniform(key, (9,), dtype), f"seed {seed}")


def test_bounds_may_be_tensors(each_backend: str) -> None:
    def draw() -> list[np.ndarray]:
        low, high = K.placeholder(()), K.placeholder(())
        f = K.function([low, high], [K.random_uniform((500,), low, high, seed=4)])
        return [f([-0.7, 1.9])[0], f([0.1, 0.2])[0]]

    for a, b in zip(draw(), on_numpy(draw), strict=True):
        np.testing.assert_array_equal(a, b)


def test_lengths_may_be_unknown(each_backend: str) -> None:
    def draw() -> list[np.ndarray]:
        x = K.placeholder((None, 5))
        f = K.function(
            [x],
            [
                K.random_uniform(K.shape(x), seed=1),
                K.dropout(x, 0.4, seed=2),
                K.dropout(x, 0.4, noise_shape=(None, 1), seed=3),
            ],
        )
        return [value for n in (4, 9) for value in f([np.ones((n, 5))])]

    for a, b in zip(draw(), on_numpy(draw), strict=True):
        np.testing.assert_array_equal(a, b)


def steps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many numbers of its type an entry is from that of the other array."""
    return np.abs(a.astype("longdouble") - b) / np.spacing(np.abs(b))


@pytest.mark.parametrize(("dtype", "most"), [("float32", 4), ("float64", 4), ("float16", 2)])
def test_normals_inside_programs(each_backend: str, dtype: str, most: int) -> None:
    # Enough of them for a few from the tails, and beside other work, as a compiler sees them: where it makes one
    # operation of a product and a sum, the quantile differs by some steps.
    def draw() -> list[np.ndarray]:
        nodes = [make((20_000,), dtype, number) for number, make in enumerate(NORMAL.values())]
        return K.function([], [*nodes, *[K.tanh(t) for t in nodes]])([])

    for name, a, b in zip(NORMAL, draw(), on_numpy(draw), strict=False):
        assert a.dtype == b.dtype == dtype
        assert np.max(np.abs(a.astype("float64"))) > (1.9 if "trunc" in name else 0.05 * 3), name
        assert np.max(steps(a, b)) <= most, name


def test_normals_with_a_mean(each_backend: str) -> None:
    # A product and a sum may become one operation: the error is that of the larger of the two.
    def draw() -> np.ndarray:
        return K.function([], [K.random_normal((5000,), 3.0, 0.5, seed=8)])([])[0]

    np.testing.assert_allclose(draw(), on_numpy(draw), rtol=0, atol=4 * np.spacing(np.float32(4)))


def test_initial_values_are_equal(each_backend: str) -> None:
    def make() -> list[np.ndarray]:
        np.random.seed(3)
        values = [
            K.random_normal_variable((100,), 0.0, 0.1, seed=3),
            K.random_normal_variable((100,), 1.0, 0.1),
            K.random_uniform_variable((100,), -1, 1, seed=3),
            K.random_uniform_variable((50,), -1, 1, dtype="float64"),
        ]
        values += [K.variable(getattr(initializers, name)()((6, 6))) for name in INITIALIZERS]
        values += [K.variable(getattr(initializers, name)(seed=4)((3, 3, 2, 5))) for name in INITIALIZERS]
        return [K.get_value(v) for v in values]

    here, there = make(), on_numpy(make)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a, b)


# -- streams --------------------------------------------------------------------------------------


def differ(*values: np.ndarray) -> bool:
    """Whether no entry of one is that of another at its place."""
    return not any(np.any(a == b) for i, a in enumerate(values) for b in values[:i])


def test_np_random_seed_fixes_everything(each_backend: str) -> None:
    def draw(seed: int) -> np.ndarray:
        np.random.seed(seed)
        w = K.random_uniform_variable((5,), -1, 1)
        noise = K.random_normal((5,))
        return np.concatenate([K.get_value(w), K.eval(noise), K.eval(noise)])

    np.testing.assert_array_equal(draw(7), draw(7))
    assert differ(draw(7), draw(8))


def test_a_seed_leaves_the_global_generator_alone() -> None:
    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    K.eval(K.random_uniform((3,), seed=5))
    assert np.random.rand() == expected


def test_building_draws_from_the_global_generator_and_running_does_not() -> None:
    np.random.seed(1)
    noise = K.random_uniform((3,))
    state = np.random.get_state()[1].tolist()
    for _ in range(3):
        K.eval(noise)
    assert np.random.get_state()[1].tolist() == state
    K.random_uniform((3,))
    assert np.random.get_state()[2] != 624


def test_every_run_draws_anew_and_equal_seeds_agree(each_backend: str) -> None:
    a, b = K.random_uniform((10,), seed=5), K.random_uniform((10,), seed=5)
    runs = [K.eval(a) for _ in range(3)]
    assert differ(*runs)
    for run in runs:
        np.testing.assert_array_equal(K.eval(b), run)
    # Another kind of draw from the same seed uses the same bits.
    np.testing.assert_array_equal(K.eval(K.random_uniform((10,), 0, 2, seed=5)), 2 * runs[0])


def test_nodes_without_seeds_differ(each_backend: str) -> None:
    f = K.function([], [K.random_uniform((10,)), K.random_uniform((10,))])
    assert differ(*f([]), *f([]))


def test_each_node_counts_its_own_runs(each_backend: str) -> None:
    np.random.seed(4)
    mask, _ = K.random_uniform((10,)), K.random_uniform((10,))
    alone = [K.eval(mask) for _ in range(3)]
    np.random.seed(4)
    mask, metric = K.random_uniform((10,)), K.random_uniform((10,))
    both = K.function([], [mask, metric])
    only = K.function([], [mask])
    # The runs of other functions, and of other nodes, shift nobody's numbers.
    found = [both([])[0]]
    K.eval(metric)
    found += [only([])[0], both([])[0]]
    for a, b in zip(alone, found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_cell_that_runs_again_gives_the_same_numbers(each_backend: str) -> None:
    def cell() -> list[np.ndarray]:
        np.random.seed(11)
        f = K.function([], [K.dropout(K.ones((30,)), 0.5), K.random_normal((5,))])
        return [*f([]), *f([])]

    for a, b in zip(cell(), cell(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_draw_is_the_same_wherever_it_is_used(each_backend: str) -> None:
    noise = K.random_uniform((20,))
    x = K.placeholder((20,))
    f = K.function([x], [noise, noise * 2, K.gradients(K.sum(x * noise), [x])[0]])
    value, twice, slope = f([np.ones(20)])
    np.testing.assert_array_equal(twice, 2 * value)
    np.testing.assert_array_equal(slope, value)


def test_consecutive_seeds_differ(each_backend: str) -> None:
    assert differ(*[K.eval(K.random_uniform((50,), seed=seed)) for seed in (0, 1, 2, 2**32, 2**32 + 1, 2**63)])


def test_random_nodes_in_a_loop_draw_at_every_step(each_backend: str) -> None:
    x = K.zeros((2, 6, 3))
    kept = []

    def step(entry: Any, states: Any) -> Any:
        if not kept:
            kept.append(K.dropout(K.ones_like(entry), 0.5, seed=1))
        return K.concatenate([entry + K.random_uniform((2, 3), seed=2), kept[0]]), []

    _, outputs, _ = K.rnn(step, x, [])
    value = K.eval(outputs)
    assert len({row.tobytes() for row in value[:, :, :3].transpose(1, 0, 2)}) == 6
    # What was made by the call outside the loop is one mask over time.
    assert np.all(value[:, :, 3:] == value[:, :1, 3:])


def test_loops_draw_the_same_everywhere(each_backend: str) -> None:
    def loops() -> list[np.ndarray]:
        x = K.zeros((2, 5, 3))

        def step(entry: Any, states: Any) -> Any:
            inner = K.map_fn(lambda row: row + K.random_uniform((3,), seed=6), entry)
            return K.dropout(K.ones_like(entry), 0.5, seed=2) + inner, []

        _, forwards, _ = K.rnn(step, x, [])
        _, backwards, _ = K.rnn(step, x, [], go_backwards=True)
        f = K.function([], [forwards, backwards])
        return [*f([]), *f([])]

    here, there = loops(), on_numpy(loops)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a, b)
    forwards, backwards, again, _ = here
    # A number of the inner loop for each iteration of both.
    assert len(np.unique(forwards % 1)) == forwards.size
    assert not np.any(forwards == again)
    # An iteration is that of its entry, whichever way the loop goes.
    np.testing.assert_array_equal(backwards[:, ::-1], forwards)


# -- distributions --------------------------------------------------------------------------------


def test_distributions(fresh_session: None) -> None:
    n = 20_000
    for made, distribution in [
        (K.random_uniform((n,), -2.0, 3.0, seed=1), scipy_stats.uniform(-2, 5)),
        (K.random_normal((n,), 1.0, 2.0, seed=1), scipy_stats.norm(1, 2)),
        (K.truncated_normal((n,), 1.0, 2.0, seed=1), scipy_stats.truncnorm(-2, 2, 1, 2)),
        (K.random_normal((n,), dtype="float64", seed=1), scipy_stats.norm()),
        (K.truncated_normal((n,), dtype="float64", seed=1), scipy_stats.truncnorm(-2, 2)),
    ]:
        value = K.eval(made)
        assert scipy_stats.kstest(value, distribution.cdf).pvalue > 1e-3
    share = K.eval(K.random_binomial((n,), 0.3, seed=1)).mean()
    assert share == pytest.approx(0.3, abs=0.01)
    whole = K.eval(K.random_uniform((n,), 3, 7, dtype="int32", seed=1))
    assert scipy_stats.chisquare(np.bincount(whole)[3:]).pvalue > 1e-3
    assert set(whole.tolist()) == {3, 4, 5, 6}
    assert np.all(np.abs(K.eval(K.truncated_normal((n,), seed=9))) <= 2)
    assert K.eval(K.random_binomial((3,), 1.0)).tolist() == [1, 1, 1]
    assert K.eval(K.random_binomial((3,), 0.0)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_uniform_numbers_stay_below_their_bound(each_backend: str, dtype: str) -> None:
    if dtype not in registry.current().dtypes:
        pytest.skip(f"{each_backend} has no {dtype}")
    value = K.eval(K.cast(K.random_uniform((50_000,), dtype=dtype, seed=3), "float64"))
    assert value.min() >= 0
    assert value.max() < 1
    assert value.mean() == pytest.approx(0.5, abs=0.01)


def test_inverse_of_the_normal_distribution(fresh_session: None) -> None:
    from multikeras.graph.ops.normal import inverse_normal

    for dtype, tolerance in [("float32", 5e-7), ("float64", 2e-15)]:
        tail = 0.5 - 2.0 ** -np.arange(2, 24 if dtype == "float32" else 50)
        q = np.concatenate([np.linspace(-0.49, 0.49, 1001), tail, -tail]).astype(dtype)
        value = K.eval(inverse_normal(K.constant(q, dtype=dtype)))
        lower = np.where(q <= 0, 0.5 + q.astype("float64"), 0.5 - q.astype("float64"))
        expected = np.where(q <= 0, 1, -1) * special.ndtri(lower)
        np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)
    x = K.variable(0.3, dtype="float64")
    slope = K.eval(K.gradients(inverse_normal(x), x)[0])
    assert slope == pytest.approx(1 / scipy_stats.norm.pdf(special.ndtri(0.8)))


@pytest.mark.parametrize("floatx", ["float16", "float32", "float64"])
def test_dropout(each_backend: str, floatx: str) -> None:
    K.set_floatx(floatx)
    x = K.placeholder((None, 1000))
    y = K.dropout(x, 0.25, seed=11)
    value, slope = K.function([x], [y, K.gradients(y, x)[0]])([np.ones((2, 1000))])
    assert value.dtype == floatx
    assert set(np.unique(value).tolist()) == {0.0, float(np.asarray(1 / 0.75, floatx))}
    assert np.mean(value == 0) == pytest.approx(0.25, abs=0.04)
    np.testing.assert_array_equal(value, slope)
    shared = K.function([x], [K.dropout(x, 0.5, noise_shape=(None, 1))])([np.ones((50, 1000))])[0]
    assert np.all(shared == shared[:, :1]) and len(np.unique(shared)) == 2
