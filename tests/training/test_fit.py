"""What `fit`, `evaluate` and `predict` mean, on every backend."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import regularizers
from multikeras.callbacks import LambdaCallback
from multikeras.layers import Dense, Dropout, Input, Layer
from multikeras.models import Model, Sequential
from multikeras.optimizers import SGD
from multikeras.utils import set_random_seed, to_categorical

_generator = np.random.default_rng(0)
X = _generator.normal(size=(50, 4)).astype("float32")
W = _generator.normal(size=(4, 3))
LABELS = (X @ W).argmax(1)
Y = to_categorical(LABELS, 3)
NUMBERS = (X @ W[:, :1]).astype("float32")


def softmax_model(metrics=("accuracy",), loss="categorical_crossentropy", lr=0.5, **arguments):
    model = Sequential([Dense(3, activation="softmax", input_shape=(4,), **arguments)])
    model.compile(SGD(lr=lr), loss, metrics=list(metrics))
    return model


def linear_model(start=0.0, lr=0.1, **compiled):
    model = Sequential([Dense(1, use_bias=False, kernel_initializer="zeros", input_shape=(4,))])
    model.compile(SGD(lr=lr), "mse", **compiled)
    return model


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


class ByHand:
    """The linear model in NumPy's double precision."""

    def __init__(self, lr=0.1):
        self.w, self.lr = np.zeros((4, 1)), lr

    def step(self, x, y, weights=None):
        weights = np.ones(len(x)) if weights is None else weights
        error = x @ self.w - y
        loss = (weights * error[:, 0] ** 2).mean()
        self.w -= self.lr * 2 * x.T @ (weights[:, None] * error) / len(x)
        return loss


def test_one_epoch_by_hand(each_backend):
    """Every batch in order, the smaller last one too; the loss of the epoch is weighted by samples."""
    model, reference = linear_model(), ByHand()
    history = model.fit(X, NUMBERS, batch_size=16, epochs=2, shuffle=False, verbose=0)
    for epoch in range(2):
        losses = [(reference.step(X[i : i + 16], NUMBERS[i : i + 16]), len(X[i : i + 16])) for i in range(0, 50, 16)]
        expected = sum(loss * size for loss, size in losses) / 50
        assert history.history["loss"][epoch] == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], reference.w, rtol=1e-5)
    assert history.epoch == [0, 1]
    assert list(history.history) == ["loss"]
    assert model.history is history
    assert int(K.get_value(model.optimizer.iterations)) == 8


def test_history_has_metrics_and_validation(each_backend):
    model = softmax_model()
    history = model.fit(X, Y, epochs=20, batch_size=10, validation_data=(X[:20], Y[:20]), verbose=0)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert all(len(values) == 20 for values in history.history.values())
    assert all(isinstance(value, float) for values in history.history.values() for value in values)
    assert history.history["loss"][-1] < history.history["loss"][0]
    loss, accuracy = model.evaluate(X[:20], Y[:20], verbose=0)
    assert loss == pytest.approx(history.history["val_loss"][-1], rel=1e-5)
    assert accuracy == pytest.approx(history.history["val_accuracy"][-1])
    assert model.metrics_names == ["loss", "accuracy"]


def test_evaluate_and_predict_by_hand(each_backend):
    model = softmax_model()
    expected = softmax(X @ model.get_weights()[0].astype("float64") + model.get_weights()[1])
    np.testing.assert_allclose(model.predict(X, batch_size=7), expected, rtol=2e-5)
    np.testing.assert_allclose(model.predict_on_batch(X), expected, rtol=2e-5)
    np.testing.assert_array_equal(model.predict_classes(X), expected.argmax(1))
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=2e-5)
    loss = -np.log(expected[np.arange(50), LABELS])
    for batch_size in (None, 50, 13):
        found = model.evaluate(X, Y, batch_size=batch_size, verbose=0)
        np.testing.assert_allclose(found, [loss.mean(), (expected.argmax(1) == LABELS).mean()], rtol=1e-5)
    found = model.test_on_batch(X[:5], Y[:5])
    np.testing.assert_allclose(found, [loss[:5].mean(), (expected.argmax(1) == LABELS)[:5].mean()], rtol=1e-5)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_accuracy_fits_the_loss(each_backend, loss):
    model = softmax_model(loss=loss)
    target = LABELS if loss.startswith("sparse") else Y
    expected = (model.predict(X).argmax(1) == LABELS).mean()
    assert model.evaluate(X, target, verbose=0)[1] == pytest.approx(expected)


def test_binary_accuracy():
    model = Sequential([Dense(1, activation="sigmoid", input_shape=(4,))])
    model.compile("adam", "binary_crossentropy", metrics=["acc"])
    y = (LABELS > 0).astype("int64")
    expected = ((model.predict(X)[:, 0] > 0.5) == y).mean()
    assert model.metrics_names == ["loss", "acc"]
    assert model.evaluate(X, y, verbose=0)[1] == pytest.approx(expected)
    np.testing.assert_array_equal(model.predict_classes(X), (model.predict(X) > 0.5).astype("int32"))


def test_train_on_batch_gives_the_loss_before(each_backend):
    model, reference = linear_model(), ByHand()
    for _ in range(3):
        loss = model.train_on_batch(X, NUMBERS)
        assert isinstance(loss, float)
        assert loss == pytest.approx(reference.step(X, NUMBERS), rel=1e-5)


def test_sample_weights(each_backend):
    weights = _generator.uniform(0, 2, 50).astype("float32")
    model, reference = linear_model(metrics=["mse"], weighted_metrics=["mse"]), ByHand()
    history = model.fit(X, NUMBERS, batch_size=50, sample_weight=weights, epochs=2, verbose=0, shuffle=False)
    before = np.zeros((4, 1))
    expected = [reference.step(X, NUMBERS, weights)]
    squared = ((X @ before - NUMBERS) ** 2)[:, 0]
    expected.append(reference.step(X, NUMBERS, weights))
    np.testing.assert_allclose(history.history["loss"], expected, rtol=1e-5)
    assert history.history["mse"][0] == pytest.approx(squared.mean(), rel=1e-5)
    assert history.history["mse_1"][0] == pytest.approx((squared * weights).sum() / weights.sum(), rel=1e-5)
    plain = model.evaluate(X, NUMBERS, verbose=0)
    weighted = model.evaluate(X, NUMBERS, sample_weight=weights, verbose=0)
    squared = ((X @ reference.w - NUMBERS) ** 2)[:, 0]
    np.testing.assert_allclose(plain, [squared.mean()] * 3, rtol=1e-4)
    np.testing.assert_allclose(weighted[0], (weights * squared).mean(), rtol=1e-4)


def test_class_weights_are_sample_weights(each_backend):
    classes = {0: 1.0, 1: 0.25, 2: 3.0}
    weights = np.array([classes[label] for label in LABELS])
    for target in (Y, LABELS):
        loss = "categorical_crossentropy" if target.ndim == 2 else "sparse_categorical_crossentropy"
        first, second = softmax_model(loss=loss), softmax_model(loss=loss)
        second.set_weights(first.get_weights())
        a = first.fit(X, target, class_weight=classes, shuffle=False, verbose=0).history["loss"]
        b = second.fit(X, target, sample_weight=weights, shuffle=False, verbose=0).history["loss"]
        np.testing.assert_allclose(a, b, rtol=1e-6)
        np.testing.assert_allclose(first.get_weights()[0], second.get_weights()[0], rtol=1e-5)
    with pytest.raises(ValueError, match=r"missing: \[2\]"):
        first.fit(X, LABELS, class_weight={0: 1, 1: 1}, verbose=0)


def test_weights_of_time_steps(each_backend):
    x = _generator.normal(size=(6, 5, 2)).astype("float32")
    y = _generator.normal(size=(6, 5, 1)).astype("float32")
    weights = _generator.uniform(0, 1, (6, 5))
    model = Sequential([Dense(1, use_bias=False, kernel_initializer="zeros", input_shape=(5, 2))])
    model.compile("sgd", "mse", sample_weight_mode="temporal")
    expected = (weights * (y**2)[..., 0]).mean()
    assert model.test_on_batch(x, y, sample_weight=weights) == pytest.approx(expected, rel=1e-5)
    assert model.test_on_batch(x, y) == pytest.approx((y**2).mean(), rel=1e-5)
    with pytest.raises(ValueError, match="temporal"):
        linear_model().test_on_batch(X, NUMBERS, sample_weight=np.ones((50, 4)))


def test_validation_split_takes_the_last_samples(each_backend):
    model = linear_model(lr=0.0)
    history = model.fit(X, NUMBERS, validation_split=0.2, epochs=2, verbose=0)
    last = (NUMBERS[40:] ** 2).mean()
    np.testing.assert_allclose(history.history["val_loss"], [last, last], rtol=1e-5)
    np.testing.assert_allclose(history.history["loss"], [(NUMBERS[:40] ** 2).mean()] * 2, rtol=1e-5)


def test_shuffling(each_backend):
    """A new order each epoch, every sample once; the same from one seed; none with False; whole batches on demand."""
    x = np.arange(20, dtype="float32")[:, None]

    def orders(shuffle, epochs=2, seed=4):
        model = Sequential([Dense(1, input_shape=(1,))])
        model.compile("sgd", lambda t, p: K.sum(t + 0 * p, axis=-1))
        seen = []
        set_random_seed(seed)
        model.fit(
            x, x, batch_size=8, epochs=epochs, shuffle=shuffle, verbose=0,
            callbacks=[LambdaCallback(on_batch_end=lambda batch, logs: seen.append(logs["loss"] * logs["size"]))],
        )  # fmt: skip
        return np.array(seen).reshape(epochs, 3)

    plain = orders(False)
    np.testing.assert_allclose(plain, [[28, 92, 70]] * 2)
    mixed = orders(True)
    np.testing.assert_allclose(mixed.sum(1), [190, 190])
    assert not np.allclose(mixed[0], mixed[1])
    np.testing.assert_array_equal(mixed, orders(True))
    assert not np.allclose(mixed, orders(True, seed=5))
    whole = orders("batch", epochs=6)
    assert all(sorted(epoch) == [28, 70, 92] for epoch in whole.round(3).tolist())
    assert len({tuple(epoch) for epoch in whole.tolist()}) > 1


def test_initial_epoch_and_stopping(each_backend):
    model = linear_model()
    assert model.fit(X, NUMBERS, epochs=5, initial_epoch=2, verbose=0).epoch == [2, 3, 4]

    def stop(batch, logs):
        model.stop_training = batch == 1

    history = model.fit(X, NUMBERS, batch_size=10, epochs=5, verbose=0, callbacks=[LambdaCallback(on_batch_end=stop)])
    assert history.epoch == [0]
    stopping = LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1))
    assert model.fit(X, NUMBERS, epochs=5, verbose=0, callbacks=[stopping]).epoch == [0, 1]


def test_steps(each_backend):
    model = linear_model()
    before = int(K.get_value(model.optimizer.iterations))
    model.fit(X, NUMBERS, batch_size=20, epochs=2, steps_per_epoch=4, verbose=0)
    assert int(K.get_value(model.optimizer.iterations)) - before == 8
    assert model.evaluate(X, NUMBERS, batch_size=10, steps=2, verbose=0) == pytest.approx(
        model.evaluate(X[:20], NUMBERS[:20], verbose=0), rel=1e-5
    )
    assert len(model.predict(X, batch_size=10, steps=2)) == 20


def test_dropout_acts_in_training_only(each_backend):
    model = Sequential([Dropout(0.5, input_shape=(4,)), Dense(1, kernel_initializer="ones")])
    model.compile(SGD(lr=0.0), "mse")
    assert model.evaluate(X, NUMBERS, verbose=0) == pytest.approx(model.evaluate(X, NUMBERS, verbose=0))
    losses = [model.train_on_batch(X, NUMBERS) for _ in range(2)]
    assert losses[0] != losses[1]


def test_penalties_belong_to_training_alone(each_backend):
    model = Sequential(
        [Dense(1, use_bias=False, kernel_initializer="ones", kernel_regularizer=regularizers.l2(0.5), input_shape=(4,))]
    )
    model.compile(SGD(lr=0.0), "mse")
    plain = ((X.sum(1, keepdims=True) - NUMBERS) ** 2).mean()
    assert model.test_on_batch(X, NUMBERS) == pytest.approx(plain, rel=1e-5)
    assert model.train_on_batch(X, NUMBERS) == pytest.approx(plain + 0.5 * 4, rel=1e-5)
    assert model.fit(X, NUMBERS, verbose=0).history["loss"][0] == pytest.approx(plain + 2, rel=1e-5)


def test_a_model_with_add_loss_alone(each_backend):
    x = Input((4,))
    model = Model(x, Dense(1, use_bias=False, kernel_initializer="ones")(x))
    model.layers[-1].add_loss(K.mean(K.square(model.output)), inputs=x)
    model.compile(SGD(lr=0.01))
    expected = (X.sum(1) ** 2).mean()
    assert model.test_on_batch(X, None) == pytest.approx(expected, rel=1e-5)
    losses = model.fit(X, epochs=3, batch_size=50, verbose=0).history["loss"]
    assert losses[0] == pytest.approx(expected, rel=1e-5)
    assert losses[2] < losses[1] < losses[0]
    with pytest.raises(ValueError, match="add_loss"):
        model.fit(X, Y, verbose=0)


def test_several_inputs_and_outputs(each_backend):
    a, b = Input((4,), name="a"), Input((4,), name="b")
    first = Dense(1, use_bias=False, kernel_initializer="ones", name="first")(a)
    second = Dense(3, activation="softmax", name="second")(b)
    model = Model([a, b], [first, second])
    model.compile(
        SGD(lr=0.0),
        loss={"first": "mse", "second": "categorical_crossentropy"},
        loss_weights={"first": 0.5},
        metrics={"second": "accuracy"},
    )
    assert model.metrics_names == ["loss", "first_loss", "second_loss", "second_accuracy"]
    found = model.evaluate([X, X], [NUMBERS, Y], verbose=0, batch_size=20)
    squared = ((X.sum(1, keepdims=True) - NUMBERS) ** 2).mean()
    shares = model.predict([X, X])[1]
    logs = -np.log(shares[np.arange(50), LABELS]).mean()
    expected = [0.5 * squared + logs, squared, logs, (shares.argmax(1) == LABELS).mean()]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(
        model.test_on_batch({"b": X, "a": X}, {"second": Y, "first": NUMBERS}), expected, rtol=1e-5
    )
    history = model.fit({"a": X, "b": X}, [NUMBERS, Y], batch_size=20, verbose=0).history
    np.testing.assert_allclose([history[name][0] for name in model.metrics_names], expected, rtol=1e-5)
    weighted = model.test_on_batch([X, X], [NUMBERS, Y], sample_weight={"first": np.full(50, 2.0)})
    np.testing.assert_allclose(weighted[1:3], [2 * squared, logs], rtol=1e-5)


def test_a_model_without_input_shape(each_backend):
    model = Sequential([Dense(3, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    assert model.weights == []
    model.fit(X, Y, verbose=0)
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,)]
    other = Sequential([Dense(3)])
    assert other.predict(X).shape == (50, 3)


def test_watching_batches_changes_no_number(each_backend):
    """The loop that leaves numbers on the device gives the same as the one that reads every batch."""
    results = []
    for callbacks in ([], [LambdaCallback(on_batch_end=lambda batch, logs: None)]):
        set_random_seed(3)
        model = softmax_model()
        results.append(model.fit(X, Y, batch_size=16, epochs=3, validation_split=0.2, verbose=0, callbacks=callbacks))
    assert results[0].history == results[1].history


@pytest.mark.parametrize("metrics", [["mae"], []])
def test_metrics_of_layers(each_backend, metrics):
    class Reporting(Dense):
        def call(self, inputs):
            outputs = super().call(inputs)
            self.add_metric(K.mean(outputs), name="level", aggregation="mean")
            return outputs

    model = Sequential([Reporting(1, use_bias=False, kernel_initializer="ones", input_shape=(4,))])
    model.compile("sgd", "mse", metrics=metrics)
    assert model.metrics_names == ["loss", *metrics, "level"]
    assert model.evaluate(X, NUMBERS, batch_size=25, verbose=0)[-1] == pytest.approx(X.sum(1).mean(), rel=1e-4)


def test_loss_weights_may_be_variables(each_backend):
    a = Input((4,))
    model = Model(a, [Dense(1, name="p")(a), Dense(1, name="q")(a)])
    factor = K.variable(0.5)
    model.compile(SGD(lr=0.0), "mse", loss_weights=[1.0, factor])
    total, p, q = model.test_on_batch(X, [NUMBERS, NUMBERS])
    assert total == pytest.approx(p + 0.5 * q, rel=1e-5)
    K.set_value(factor, 2.0)
    assert model.test_on_batch(X, [NUMBERS, NUMBERS])[0] == pytest.approx(p + 2 * q, rel=1e-5)


def test_masked_steps_count_for_nothing(each_backend):
    class Hiding(Layer):
        def call(self, inputs):
            return K.identity(inputs)

        def compute_mask(self, inputs, mask=None):
            return K.any(K.not_equal(inputs, 0.0), axis=-1)

    class Passing(Dense):
        supports_masking = True

    model = Sequential([Hiding(input_shape=(5, 2)), Passing(1, use_bias=False, kernel_initializer="ones")])
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.ones((3, 5, 2))
    x[0, 3:] = x[1, 1:] = 0
    y = np.zeros((3, 5, 1))
    np.testing.assert_allclose(model.test_on_batch(x, y), [9 * 4 / 15, 2], rtol=1e-6)
    np.testing.assert_allclose(model.test_on_batch(x, y, sample_weight=[1, 0, 0]), [3 * 4 / 15, 2], rtol=1e-6)
