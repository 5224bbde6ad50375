"""Layers that act in training alone: what they leave, how often, and the same on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import layers, registry
from multikeras.models import Sequential

SHARE = 0.3
LOW = -1.0507009873554805 * 1.6732632423543772

MAKERS: dict[str, Callable[..., Any]] = {
    "dropout": lambda **kw: layers.Dropout(SHARE, **kw),
    "spatial dropout 1d": lambda **kw: layers.SpatialDropout1D(SHARE, **kw),
    "gaussian noise": lambda **kw: layers.GaussianNoise(0.5, **kw),
    "gaussian dropout": lambda **kw: layers.GaussianDropout(SHARE, **kw),
    "alpha dropout": lambda **kw: layers.AlphaDropout(SHARE, **kw),
}


def trained(layer: Any, data: np.ndarray) -> np.ndarray:
    return np.asarray(layer(data, training=True))


@pytest.mark.parametrize("name", MAKERS)
def test_seeds_phases_and_equal_bits(name: str) -> None:
    data = np.random.default_rng(0).normal(size=(2, 50, 4)).astype("float32")
    drawn = []
    for backend in [b for b in ("numpy", "jax", "torch") if registry.installed()[b].installed]:
        with K.use_backend(backend):
            one, other = MAKERS[name](seed=3), MAKERS[name](seed=3)
            first = trained(one, data)
            np.testing.assert_array_equal(first, trained(other, data))
            assert (first != trained(one, data)).any(), "each run draws anew"
            assert (first != trained(MAKERS[name](), data)).any()
            np.testing.assert_array_equal(np.asarray(one(data)), data)
            drawn.append(first)
    for each in drawn[1:]:
        np.testing.assert_allclose(each, drawn[0], rtol=1e-5, atol=1e-6)


def test_what_each_does() -> None:
    ones = np.ones((100, 100, 4), "float32")
    noise = trained(layers.GaussianNoise(0.5, seed=1), ones) - 1
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 0.5) < 0.01
    factors = trained(layers.GaussianDropout(SHARE, seed=1), ones)
    assert abs(factors.mean() - 1) < 0.02
    assert abs(factors.std() - (SHARE / (1 - SHARE)) ** 0.5) < 0.02
    maps = trained(layers.SpatialDropout1D(SHARE, seed=1), ones)
    np.testing.assert_array_equal(maps, np.broadcast_to(maps[:, :1], maps.shape))
    np.testing.assert_allclose(np.unique(maps), [0, 1 / (1 - SHARE)], rtol=1e-6)
    assert abs((maps == 0).mean() - SHARE) < 0.1


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_whole_maps(data_format: str) -> None:
    for layer, shape in ((layers.SpatialDropout2D, (20, 3, 4)), (layers.SpatialDropout3D, (20, 2, 3, 2))):
        whole = shape[:1] + ((*shape[1:], 8) if data_format == "channels_last" else (8, *shape[1:]))
        made = trained(layer(0.5, data_format=data_format, seed=2), np.ones(whole, "float32"))
        maps = made if data_format == "channels_first" else np.moveaxis(made, -1, 1)
        flat = maps.reshape(20, 8, -1)
        assert (flat == flat[..., :1]).all()
        assert set(np.unique(flat)) == {0.0, 2.0}


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    data = np.random.default_rng(1).normal(size=(400, 300)).astype("float32")
    made = trained(layers.AlphaDropout(SHARE, seed=1), data)
    assert abs(made.mean()) < 0.02
    assert abs(made.std() - 1) < 0.02
    q = 1 - SHARE
    scale = (q * (1 + SHARE * LOW**2)) ** -0.5
    dropped = scale * LOW - scale * SHARE * LOW
    assert abs(np.isclose(made, dropped, atol=1e-5).mean() - SHARE) < 0.02
    kept = ~np.isclose(made, dropped, atol=1e-5)
    np.testing.assert_allclose(made[kept], (data * scale - scale * SHARE * LOW)[kept], rtol=1e-4, atol=1e-5)
    rows = trained(layers.AlphaDropout(0.5, noise_shape=(None, 1), seed=1), data)
    assert ((rows == rows[:, :1]).all(1) | (rows != rows[:, :1]).any(1)).all()
    assert 0.4 < (rows == rows[:, :1]).all(1).mean() < 0.6


def test_shares_of_nothing_and_of_everything_change_nothing() -> None:
    data = np.ones((2, 3), "float32")
    for layer in (layers.Dropout, layers.GaussianDropout, layers.AlphaDropout):
        for share in (0, 1):
            np.testing.assert_array_equal(trained(layer(share), data), data)


def test_gradient_flows_through_what_is_kept(each_backend: str) -> None:
    x = layers.Input((200,))
    y = layers.Dropout(0.5, seed=1)(x, training=True)
    value, slope = K.function([x], [y, K.gradients(K.sum(y), [x])[0]])([np.ones((1, 200))])
    np.testing.assert_array_equal(value, slope)
    assert set(np.unique(slope)) == {0.0, 2.0}


def test_noise_of_a_model_is_there_in_training_alone() -> None:
    model = Sequential([layers.GaussianNoise(5.0, input_shape=(3,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    ones = np.ones((8, 3))
    np.testing.assert_array_equal(model.predict(ones), [[3]] * 8)
    assert model.evaluate(ones, np.full((8, 1), 3.0), verbose=0) == 0
    assert model.train_on_batch(ones, np.full((8, 1), 3.0)) > 1
