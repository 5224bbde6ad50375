"""One model in many threads: each has numbers of its own."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from multikeras import metrics
from multikeras.callbacks import Callback
from multikeras.layers import Dense
from multikeras.models import Sequential
from multikeras.optimizers import SGD

X = np.random.default_rng(1).normal(size=(60, 4)).astype("float32")
Y = X[:, :1]


def model_of(lr=0.0, **compiled):
    model = Sequential([Dense(1, kernel_initializer="ones", use_bias=False, input_shape=(4,))])
    model.compile(SGD(lr=lr), "mse", **{"metrics": ["mae"], **compiled})
    return model


def in_threads(functions):
    """Runs functions at once; raises the first of their errors."""
    errors = []

    def run(function):
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - a thread's error would be lost otherwise
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_threads_evaluate_beside_fit(each_backend):
    """Sums and metric states of one run do not get into those of another."""
    model = model_of()
    parts = [(X[i : i + 12], Y[i : i + 12]) for i in range(0, 60, 12)]
    expected = [model.evaluate(*part, batch_size=6, verbose=0) for part in parts]
    whole = model.evaluate(X, Y, batch_size=6, verbose=0)
    histories = []

    def judge(i):
        for _ in range(6):
            np.testing.assert_allclose(model.evaluate(*parts[i], batch_size=6, verbose=0), expected[i], rtol=1e-5)

    def train():
        histories.append(model.fit(X, Y, batch_size=6, epochs=4, validation_data=(X, Y), verbose=0).history)

    in_threads([train, *[lambda i=i: judge(i) for i in range(5)]])
    for name, number in zip(("loss", "mae", "val_loss", "val_mae"), whole * 2, strict=True):
        np.testing.assert_allclose(histories[0][name], [number] * 4, rtol=1e-5)


@pytest.mark.parametrize("watched", [True, False])
def test_a_callback_may_judge_the_model_that_is_trained(each_backend, watched):
    """In the middle of an epoch, whose numbers stay what they are."""
    found = []

    class Judge(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            found.append(self.model.evaluate(X[:12], Y[:12], verbose=0))

    class Watch(Judge):
        def on_batch_end(self, batch, logs=None):
            found.append(self.model.evaluate(X[:12], Y[:12], verbose=0))
            found.append(self.model.test_on_batch(X[:12], Y[:12]))

    model = model_of()
    whole = model.evaluate(X, Y, batch_size=20, verbose=0)
    part = model.evaluate(X[:12], Y[:12], verbose=0)
    history = model.fit(X, Y, batch_size=20, epochs=2, verbose=0, callbacks=[Watch() if watched else Judge()]).history
    np.testing.assert_allclose([history["loss"], history["mae"]], np.transpose([whole, whole]), rtol=1e-5)
    np.testing.assert_allclose(found, [part] * len(found), rtol=1e-5)
    assert len(found) == (14 if watched else 2)


def test_threads_build_a_model_once(each_backend):
    """A server's way: the first requests come together, for a model that has not met data."""
    model = Sequential([Dense(3, activation="relu"), Dense(1)])
    answers = []
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        answers.append(model.predict(X[:5]))

    in_threads([ask] * 8)
    assert len(model.weights) == 4
    for answer in answers:
        np.testing.assert_array_equal(answer, answers[0])
    model.compile("sgd", "mse")
    barrier = threading.Barrier(4)

    def train():
        barrier.wait()
        model.train_on_batch(X, Y)

    in_threads([train] * 4)
    assert int(np.asarray(model.optimizer.iterations)) == 4


def test_metrics_by_hand_go_on_after_a_fit():
    model = model_of(metrics=[metrics.MeanAbsoluteError(name="m")])
    first = model.test_on_batch(X[:12], Y[:12])[1]
    second = model.evaluate(X[12:24], Y[12:24], verbose=0)[1]
    both = model.test_on_batch(X[12:24], Y[12:24], reset_metrics=False)[1]
    assert both == pytest.approx((first + second) / 2, rel=1e-5)
    model.evaluate(X, Y, verbose=0)
    model.reset_metrics()
    assert model.test_on_batch(X[:12], Y[:12], reset_metrics=False)[1] == pytest.approx(first, rel=1e-5)


def test_a_thread_waits_for_a_model_that_another_builds(each_backend):
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Dense):
        def build(self, input_shape):
            begun.set()
            assert go_on.wait(30)
            super().build(input_shape)

    model = Sequential([Dense(3), Slow(1)])
    answers = []
    first = threading.Thread(target=lambda: answers.append(model.predict(X[:5])))
    second = threading.Thread(target=lambda: answers.append(model.predict(X[:5])))
    first.start()
    assert begun.wait(30)
    second.start()
    # What it finds of the model so far would be an answer of three columns.
    second.join(0.3)
    go_on.set()
    first.join()
    second.join()
    np.testing.assert_array_equal(answers[0], answers[1])
    assert answers[0].shape == (5, 1)
