"""What all optimizers share: hyperparameters, clipping, constraints, state, configuration."""

from __future__ import annotations

import json

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import optimizers

NAMES = ["SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "AdamW", "Adamax", "Nadam"]


def step_of(optimizer, variables, loss):
    return K.function([], [loss], optimizer.get_updates(loss, variables))


def test_rate_set_between_steps(each_backend):
    w = K.variable([1.0, 2.0])
    optimizer = optimizers.SGD(lr=0.1)
    step = step_of(optimizer, [w], K.sum(w * 3.0))
    step([])
    np.testing.assert_allclose(K.get_value(w), [0.7, 1.7], rtol=1e-6)
    K.set_value(optimizer.lr, 1.0)
    step([])
    np.testing.assert_allclose(K.get_value(w), [-2.3, -1.3], rtol=1e-6)
    optimizer.lr = 0.0
    step([])
    np.testing.assert_allclose(K.get_value(w), [-2.3, -1.3], rtol=1e-6)
    assert optimizer.lr is optimizer.learning_rate
    assert int(K.get_value(optimizer.iterations)) == 3
    assert K.dtype(optimizer.iterations) == "int64"


def test_clipnorm_is_of_all_gradients(each_backend):
    a, b = K.variable([0.0]), K.variable([0.0, 0.0])
    optimizer = optimizers.SGD(lr=1.0, clipnorm=1.0)
    step_of(optimizer, [a, b], K.sum(a * 6.0) + K.sum(b * K.constant([0.0, 8.0])))([])
    np.testing.assert_allclose(K.get_value(a), [-0.6], rtol=1e-6)
    np.testing.assert_allclose(K.get_value(b), [0, -0.8], rtol=1e-6)


def test_small_gradients_are_not_clipped(each_backend):
    w = K.variable([0.0])
    step_of(optimizers.SGD(lr=1.0, clipnorm=10.0), [w], K.sum(w * 0.5))([])
    np.testing.assert_allclose(K.get_value(w), [-0.5])
    step_of(optimizers.SGD(lr=1.0, clipnorm=10.0), [w], K.sum(w * 0.0))([])
    np.testing.assert_allclose(K.get_value(w), [-0.5])


def test_clipvalue(each_backend):
    w = K.variable([0.0, 0.0])
    step_of(optimizers.SGD(lr=1.0, clipvalue=0.5), [w], K.sum(w * K.constant([3.0, -0.25])))([])
    np.testing.assert_allclose(K.get_value(w), [-0.5, 0.25])


def test_constraints_come_last(each_backend):
    w = K.variable([0.5, 0.5])
    w.constraint = lambda x: K.maximum(x, 0.0)
    step_of(optimizers.SGD(lr=1.0), [w], K.sum(w * K.constant([2.0, -2.0])))([])
    np.testing.assert_allclose(K.get_value(w), [0, 2.5])


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "Adagrad"])
def test_sixteen_bit_parameters(each_backend, name):
    """Slots are of 32 bits, and the parameter stays what it is."""
    half, single = K.variable([1.0, 2.0], dtype="float16"), K.variable([1.0, 2.0])
    optimizer = optimizers.get(name)
    optimizer.lr = 0.125
    loss = K.cast(K.sum(K.square(half)), "float32") + K.sum(K.square(single))
    step = step_of(optimizer, [half, single], loss)
    for _ in range(3):
        step([])
    assert K.dtype(half) == "float16"
    assert {K.dtype(w) for w in optimizer.weights[1:]} == {"float32"}
    np.testing.assert_allclose(K.get_value(half), K.get_value(single), rtol=3e-3)


def test_every_update_passes_through_k(monkeypatch):
    """Packages replace K.update while another optimizer runs."""
    seen = []
    update = K.update
    monkeypatch.setattr(K, "update", lambda x, new: (seen.append(x), update(x, new))[1])
    w, b = K.variable([1.0]), K.variable([2.0])
    for name in NAMES:
        seen.clear()
        optimizers.get(name).get_updates(K.sum(w * b), [w, b])
        assert w in seen and b in seen, name


def test_a_loss_that_does_not_depend():
    w, b = K.variable([1.0], name="used"), K.variable([2.0], name="unused")
    with pytest.raises(ValueError, match="does not depend on unused"):
        optimizers.SGD().get_updates(K.sum(w), [w, b])


@pytest.mark.parametrize("name", NAMES)
def test_configuration(name):
    optimizer = optimizers.get(name)
    optimizer.lr = 0.25
    config = optimizers.serialize(optimizer)
    assert config["class_name"] == name
    assert config["config"]["learning_rate"] == 0.25
    again = optimizers.deserialize(json.loads(json.dumps(config)))
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    assert type(optimizers.get(name.lower())) is type(optimizer)


def test_names_and_arguments():
    assert float(K.get_value(optimizers.Adam(0.5).lr)) == 0.5
    assert float(K.get_value(optimizers.Adam(learning_rate=0.5).lr)) == 0.5
    assert optimizers.SGD(lr=0.25, clipnorm=1.0).get_config()["clipnorm"] == 1.0
    assert optimizers.get(optimizers.SGD).get_config()["learning_rate"] == 0.01
    with pytest.raises(TypeError, match="'leaning_rate'"):
        optimizers.SGD(leaning_rate=1.0)
    with pytest.raises(ValueError, match="Unknown optimizer 'sdg'.*adam"):
        optimizers.get("sdg")
    with pytest.raises(ValueError, match="get_updates"):
        optimizers.get(3)


def test_state(each_backend):
    values = [np.array([1.0, 2.0], "float32")]
    w = K.variable(values[0])
    first = optimizers.Adam(lr=0.1)
    loss = K.sum(K.square(w))
    step = step_of(first, [w], loss)
    step([])
    kept, weights = K.get_value(w), first.get_weights()
    assert [x.shape for x in weights] == [(), (2,), (2,), (1,)]
    step([])
    expected = K.get_value(w)

    again = K.variable(kept)
    second = optimizers.Adam(lr=0.1)
    with pytest.raises(ValueError, match="before its first training step"):
        second.set_weights(weights)
    go_on = step_of(second, [again], K.sum(K.square(again)))
    second.set_weights(weights)
    go_on([])
    np.testing.assert_array_equal(K.get_value(again), expected)
    with pytest.raises(ValueError, match="expected 4 arrays, received 2"):
        second.set_weights(weights[:2])
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        second.set_weights([weights[0], np.zeros(3), *weights[2:]])


def test_used_for_two_models(each_backend):
    """Slots are made anew for each, so that one does not disturb the other."""
    optimizer = optimizers.RMSprop(lr=0.1)
    a, b = K.variable([1.0]), K.variable([1.0])
    first, second = (step_of(optimizer, [v], K.sum(K.square(v))) for v in (a, b))
    for _ in range(3):
        first([])
    for _ in range(3):
        second([])
    np.testing.assert_allclose(K.get_value(a), K.get_value(b), rtol=1e-6)
