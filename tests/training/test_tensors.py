"""Tensors in the place of data: inputs that compute themselves, targets given to compile, tensors given to fit."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import Dense, Input
from multikeras.models import Model, Sequential
from multikeras.optimizers import SGD

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = X[:, :1] * 2
WEIGHTS = np.linspace(0, 2, 8).astype("float32")


def plain():
    model = Sequential([Dense(1, kernel_initializer="ones", input_shape=(4,))])
    model.compile(SGD(lr=0.05), "mse", metrics=["mae"])
    return model


def three_steps(sample_weight=None):
    """What three steps on the whole data give."""
    model = plain()
    history = model.fit(X, Y, batch_size=8, steps_per_epoch=3, verbose=0, sample_weight=sample_weight, shuffle=False)
    return model, history.history


def computing(target=None, **compiled):
    """A model whose input computes itself."""
    x = Input(tensor=K.variable(X))
    model = Model(x, Dense(1, kernel_initializer="ones")(x))
    model.compile(SGD(lr=0.05), "mse", metrics=["mae"], target_tensors=target, **compiled)
    return model


def agree(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-5), name


def test_nothing_is_fed(each_backend):
    expected, history = three_steps()
    model = computing(K.variable(Y))
    agree(model.fit(None, None, steps_per_epoch=3, verbose=0).history, history)
    np.testing.assert_allclose(model.get_weights()[0], expected.get_weights()[0], rtol=1e-5)
    assert model.evaluate(None, None, steps=2, verbose=0) == pytest.approx(expected.evaluate(X, Y, verbose=0), rel=1e-5)
    np.testing.assert_allclose(model.predict(None, steps=2), expected.predict(np.tile(X, (2, 1))), rtol=1e-5)
    assert model.train_on_batch(None, None) == pytest.approx(expected.train_on_batch(X, Y), rel=1e-5)
    for use, argument in ((model.fit, "steps_per_epoch"), (model.evaluate, "steps"), (model.predict, "steps")):
        with pytest.raises(ValueError, match=f"fed nothing: say with `{argument}`"):
            use()
    with pytest.raises(ValueError, match="takes no inputs, and received some"):
        model.predict(X)
    with pytest.raises(ValueError, match="`target_tensors`"):
        model.fit(None, Y, steps_per_epoch=1)


def test_targets_are_fed_and_inputs_are_not(each_backend):
    """All that is fed is one batch, since the input has its own number of samples."""
    model = computing()
    agree(model.fit(None, Y, steps_per_epoch=3, verbose=0).history, three_steps()[1])
    model = computing()
    agree(
        model.fit(y=Y, sample_weight=WEIGHTS, steps_per_epoch=3, verbose=0).history,
        three_steps(WEIGHTS)[1],
    )


def test_inputs_are_fed_and_targets_are_not(each_backend):
    x = Input((4,))
    for given in (x[:, :1] * 2, [x[:, :1] * 2]):
        model = Model(x, Dense(1, kernel_initializer="ones", name="p")(x))
        model.compile(SGD(lr=0.05), "mse", metrics=["mae"], target_tensors=given)
        agree(
            model.fit(X, sample_weight=WEIGHTS, batch_size=8, steps_per_epoch=3, verbose=0, shuffle=False).history,
            three_steps(WEIGHTS)[1],
        )
    model = Model(x, [Dense(1, kernel_initializer="ones", name=name)(x) for name in ("p", "q")])
    model.compile(SGD(lr=0.0), "mse", target_tensors={"q": x[:, :1] * 2})
    total, p, q = model.evaluate(X, 3 * Y, verbose=0)
    both = plain().evaluate(X, Y, verbose=0)[0]
    assert q == pytest.approx(both, rel=1e-5)
    assert total == pytest.approx(p + q, rel=1e-5)
    assert model.targets[1] is model._compiled.outputs[1].target
    # A placeholder of one's own is fed.
    target = K.placeholder((None, 1))
    model = Model(x, Dense(1, kernel_initializer="ones")(x))
    model.compile(SGD(), "mse", target_tensors=target)
    assert model.test_on_batch(X, Y) == pytest.approx(both, rel=1e-5)


def test_tensors_are_evaluated_for_every_batch(each_backend):
    """Inputs and targets of one evaluation, also where they are drawn at random."""
    model = plain()
    agree(model.fit(K.variable(X), K.variable(Y), steps_per_epoch=3, verbose=0).history, three_steps()[1])
    agree(plain().fit(K.variable(X), Y, steps_per_epoch=3, verbose=0).history, three_steps()[1])
    noise = K.random_uniform((8, 4))
    model = Sequential([Dense(1, kernel_initializer="ones", use_bias=False)])
    model.compile(SGD(lr=0.0), "mae")
    target = K.sum(noise, axis=1, keepdims=True)
    assert model.evaluate(noise, target, steps=2, verbose=0) == pytest.approx(0, abs=1e-5)
    found = model.predict({model.input_names[0]: noise}, steps=3)
    assert found.shape == (24, 1)
    assert len(np.unique(found)) == 24
    assert model.fit(X, Y, epochs=1, validation_data=(noise, target), validation_steps=2, verbose=0).history[
        "val_loss"
    ] == [pytest.approx(0, abs=1e-5)]
    assert model.test_on_batch(noise, target) == pytest.approx(0, abs=1e-5)
    assert model.predict_on_batch(noise).shape == (8, 1)
    with pytest.raises(ValueError, match="Tensors as data.*say with `steps_per_epoch` how many"):
        model.fit(noise, target)
    with pytest.raises(ValueError, match="`validation_split` cuts arrays"):
        model.fit(noise, target, steps_per_epoch=2, validation_split=0.5)


def test_fixed_values_are_arrays(each_backend):
    """Constants, and what a layer gives for arrays."""
    doubled = Dense(4, kernel_initializer="ones")(X)
    model, expected = plain(), plain()
    agree(
        model.fit(doubled, K.constant(Y), batch_size=3, verbose=0, shuffle=False).history,
        expected.fit(doubled.numpy(), Y, batch_size=3, verbose=0, shuffle=False).history,
    )


def test_target_tensors_that_do_not_fit():
    x = Input((4,))
    model = Model(x, Dense(1, name="p")(x))
    several = Model(x, [Dense(1, name=name)(x) for name in ("q", "r")])
    with pytest.raises(TypeError, match=r"`target_tensors` takes tensors of K, received ndarray: pass arrays as `y`"):
        model.compile("sgd", "mse", target_tensors=Y)
    with pytest.raises(ValueError, match=r"one tensor for each of the 2 outputs \(q, r\), received 1"):
        several.compile("sgd", "mse", target_tensors=[K.variable(Y)])
    with pytest.raises(ValueError, match=r"\['s'\]"):
        several.compile("sgd", "mse", target_tensors={"s": K.variable(Y)})
    for shape in ((8,), (8, 2)):
        with pytest.raises(ValueError, match=r"target tensor of 'p' has shape \(8,.*expects \(None, 1\)"):
            model.compile("sgd", "mse", target_tensors=K.zeros(shape))
    model.compile("sgd", "mse", target_tensors=K.variable(Y))
    with pytest.raises(ValueError, match="class_weight.*those of 'p' are a tensor"):
        model.fit(X, class_weight={0: 1}, verbose=0)
