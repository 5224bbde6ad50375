"""Randomness: who owns the seed, equal bits, and the shape of the distributions."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K

scipy_stats = pytest.importorskip("scipy.stats")


def _draws() -> list[np.ndarray]:
    x = K.placeholder((None, 50))
    f = K.function(
        [x],
        [
            K.dropout(x, 0.3),
            K.dropout(x, 0.3, noise_shape=(None, 1), seed=4),
            K.random_uniform((20,), -2.0, 3.0),
            K.random_binomial((50,), 0.3),
            K.random_uniform((20,), 0, 10, dtype="int32"),
        ],
    )
    return [*f([np.ones((4, 50))]), *f([np.ones((4, 50))])]


def test_bits_are_equal_on_every_backend(each_backend):
    np.random.seed(1337)
    here = _draws()
    with K.use_backend("numpy"):
        np.random.seed(1337)
        there = _draws()
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a, b)


def test_normals_are_equal_to_a_few_ulp(each_backend):
    values = [K.eval(K.random_normal((2000,), seed=2)), K.eval(K.truncated_normal((2000,), seed=2))]
    with K.use_backend("numpy"):
        expected = [K.eval(K.random_normal((2000,), seed=2)), K.eval(K.truncated_normal((2000,), seed=2))]
    for a, b in zip(values, expected, strict=True):
        np.testing.assert_array_max_ulp(a, b, 8)


def test_initial_values_are_bit_equal(each_backend):
    def make() -> np.ndarray:
        return K.get_value(K.random_normal_variable((100,), 0.0, 0.1, seed=3))

    here = make()
    with K.use_backend("numpy"):
        np.testing.assert_array_equal(here, make())


def test_np_random_seed_fixes_everything(each_backend):
    def draw(seed: int) -> np.ndarray:
        np.random.seed(seed)
        w = K.random_uniform_variable((5,), -1, 1)
        noise = K.random_normal((5,))
        return np.concatenate([K.get_value(w), K.eval(noise), K.eval(noise)])

    np.testing.assert_array_equal(draw(7), draw(7))
    assert not np.any(draw(7) == draw(8))


def test_every_run_draws_anew_and_equal_seeds_agree(each_backend):
    noise = K.random_uniform((10,))
    assert not np.any(K.eval(noise) == K.eval(noise))
    a, b = K.random_uniform((10,), seed=5), K.random_uniform((10,), seed=5)
    first = K.eval(a)
    np.testing.assert_array_equal(first, K.eval(b))
    assert not np.any(first == K.eval(a))
    f = K.function([], [K.random_uniform((10,)), K.random_uniform((10,))])
    one, two = f([])
    assert not np.any(one == two)


def test_distributions(fresh_session):
    n = 20_000
    for made, distribution in [
        (K.random_uniform((n,), -2.0, 3.0, seed=1), scipy_stats.uniform(-2, 5)),
        (K.random_normal((n,), 1.0, 2.0, seed=1), scipy_stats.norm(1, 2)),
        (K.truncated_normal((n,), 1.0, 2.0, seed=1), scipy_stats.truncnorm(-2, 2, 1, 2)),
        (K.random_normal((n,), dtype="float64", seed=1), scipy_stats.norm()),
    ]:
        value = K.eval(made)
        assert scipy_stats.kstest(value, distribution.cdf).pvalue > 1e-3
    share = K.eval(K.random_binomial((n,), 0.3, seed=1)).mean()
    assert share == pytest.approx(0.3, abs=0.01)
    whole = K.eval(K.random_uniform((n,), 3, 7, dtype="int32", seed=1))
    assert set(whole.tolist()) == {3, 4, 5, 6}
    assert np.all(np.abs(K.eval(K.truncated_normal((n,), seed=9))) <= 2)
    assert K.eval(K.random_binomial((3,), 1.0)).tolist() == [1, 1, 1]


def test_inverse_of_the_normal_distribution(fresh_session):
    from multikeras.graph.ops.normal import inverse_normal

    special = pytest.importorskip("scipy.special")
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
def test_dropout(each_backend, floatx):
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


def test_random_nodes_in_a_loop_draw_at_every_step(each_backend):
    x = K.zeros((2, 6, 3))
    kept = []

    def step(entry, states):
        if not kept:
            kept.append(K.dropout(K.ones_like(entry), 0.5, seed=1))
        return K.concatenate([entry + K.random_uniform((2, 3), seed=2), kept[0]]), []

    _, outputs, _ = K.rnn(step, x, [])
    value = K.eval(outputs)
    assert len({row.tobytes() for row in value[:, :, :3].transpose(1, 0, 2)}) == 6
    # What was made by the call outside the loop is one mask over time.
    assert np.all(value[:, :, 3:] == value[:, :1, 3:])
