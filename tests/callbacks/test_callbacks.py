"""Callbacks: when they are called, with what, and what the built-in ones do."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import callbacks as callbacks_module
from multikeras.callbacks import (
    BaseLogger,
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from multikeras.layers import Dense
from multikeras.models import Sequential
from multikeras.optimizers import SGD

X = np.random.default_rng(1).normal(size=(10, 4)).astype("float32")
Y = X[:, :1]


def model_of(lr=0.01, **arguments):
    model = Sequential([Dense(1, input_shape=(4,), **arguments)])
    model.compile(SGD(lr=lr), "mse", metrics=["mae"])
    return model


class Recorder(Callback):
    """Keeps every call."""

    def __init__(self):
        super().__init__()
        self.calls = []


def _record(name):
    def method(self, *arguments):
        self.calls.append((name, *[a for a in arguments if not isinstance(a, dict)], *map(_copy, arguments[-1:])))

    return method


def _copy(logs):
    return dict(logs) if isinstance(logs, dict) else logs


for _name in [n for n in dir(Callback) if n.startswith("on_") and n not in ("on_batch_begin", "on_batch_end")]:
    setattr(Recorder, _name, _record(_name))


def test_order_and_logs(each_backend):
    recorder = Recorder()
    model = model_of()
    history = model.fit(X, Y, batch_size=5, epochs=2, verbose=0, validation_data=(X[:5], Y[:5]), callbacks=[recorder])
    epoch = [
        "on_epoch_begin",
        "on_train_batch_begin", "on_train_batch_end",
        "on_train_batch_begin", "on_train_batch_end",
        "on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end",
        "on_epoch_end",
    ]  # fmt: skip
    assert [call[0] for call in recorder.calls] == ["on_train_begin", *epoch, *epoch, "on_train_end"]
    ends = [call for call in recorder.calls if call[0] == "on_epoch_end"]
    assert [call[1] for call in ends] == [0, 1]
    assert ends[1][2] == {name: values[1] for name, values in history.history.items()}
    batches = [call for call in recorder.calls if call[0] == "on_train_batch_end"]
    assert [call[1] for call in batches] == [0, 1, 0, 1]
    assert set(batches[0][2]) == {"batch", "size", "loss", "mae"}
    assert np.mean([call[2]["loss"] for call in batches[:2]]) == pytest.approx(history.history["loss"][0], rel=1e-6)
    assert recorder.model is model
    assert recorder.params == {
        "batch_size": 5, "epochs": 2, "steps": 2, "samples": 10, "verbose": 0, "do_validation": True,
        "metrics": ["loss", "mae", "val_loss", "val_mae"],
    }  # fmt: skip


def test_evaluate_and_predict_tell_too():
    recorder = Recorder()
    model = model_of()
    model.evaluate(X, Y, batch_size=5, verbose=0, callbacks=[recorder])
    model.predict(X, batch_size=10, callbacks=[recorder])
    assert [call[0] for call in recorder.calls] == [
        "on_test_begin", *["on_test_batch_begin", "on_test_batch_end"] * 2, "on_test_end",
        "on_predict_begin", "on_predict_batch_begin", "on_predict_batch_end", "on_predict_end",
    ]  # fmt: skip


def test_old_names_of_batch_methods():
    seen = []

    class Old(Callback):
        def on_batch_end(self, batch, logs=None):
            seen.append(batch)

    model_of().fit(X, Y, batch_size=4, verbose=0, callbacks=[Old()])
    assert seen == [0, 1, 2]


def test_a_callback_without_super_init():
    class Short(Callback):
        def __init__(self):
            self.seen = 0

        def on_epoch_end(self, epoch, logs=None):
            self.seen += self.params["samples"]

    short = Short()
    model_of().fit(X, Y, verbose=0, callbacks=[short])
    assert short.seen == 10


def test_only_overridden_methods_count_as_looking_at_batches():
    looking = CallbackList([History(), EarlyStopping(), LambdaCallback(on_epoch_end=print), TerminateOnNaN()])
    assert [type(c) for c in looking.of_batches("train")] == [TerminateOnNaN]
    assert len(CallbackList([LambdaCallback(on_batch_end=print)]).of_batches("train")) == 1
    assert CallbackList([LambdaCallback(on_batch_end=print)]).of_batches("test") == []


def test_lambda_callback():
    calls = []
    callback = LambdaCallback(
        on_train_begin=lambda logs: calls.append("begin"),
        on_epoch_begin=lambda epoch, logs: calls.append(epoch),
        on_train_end=lambda logs: calls.append("end"),
    )
    model_of().fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    assert calls == ["begin", 0, 1, "end"]


def fed(callback, values, name="val_loss"):
    """Feeds a callback with one number an epoch; returns the epochs run before it stopped."""
    model = model_of()
    callback.set_model(model)
    callback.on_train_begin({})
    model.stop_training = False
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, {name: value})
        if model.stop_training:
            break
    callback.on_train_end({})
    return epoch + 1


@pytest.mark.parametrize(
    ("arguments", "values", "expected"),
    [
        ({}, [3, 2, 2.5, 1], 3),
        ({"patience": 2}, [3, 2, 2.5, 2.4, 1], 4),
        ({"patience": 2}, [3, 2, 2.5, 1, 2, 3, 4], 6),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.8, 2.7], 2),
        ({"mode": "max"}, [1, 2, 3, 2], 4),
        ({"baseline": 1.0, "patience": 2}, [3, 2, 1], 2),
        ({"baseline": 2.5, "patience": 2}, [3, 2, 1], 3),
    ],
)
def test_early_stopping(arguments, values, expected):
    assert fed(EarlyStopping(**arguments), values) == expected


def test_early_stopping_on_accuracy_and_best_weights():
    stopping = EarlyStopping(monitor="val_accuracy", restore_best_weights=True, patience=2)
    model = model_of()
    stopping.set_model(model)
    stopping.on_train_begin()
    for epoch, value in enumerate([0.1, 0.9, 0.5, 0.4]):
        model.set_weights([np.full((4, 1), float(epoch)), np.zeros(1)])
        stopping.on_epoch_end(epoch, {"val_accuracy": value})
    assert model.stop_training
    assert stopping.stopped_epoch == 3
    np.testing.assert_array_equal(model.get_weights()[0], np.ones((4, 1)))


def test_watching_something_that_is_not_there():
    with pytest.warns(RuntimeWarning, match="watches 'val_loss'.*loss, mae"):
        model_of().fit(X, Y, verbose=0, callbacks=[EarlyStopping()])
    with pytest.raises(ValueError, match="mode"):
        EarlyStopping(mode="up")


def test_learning_rate_scheduler(each_backend):
    model = model_of()
    rates = []
    watch = LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(float(K.get_value(model.optimizer.lr))))
    history = model.fit(
        X, Y, epochs=3, verbose=0, callbacks=[LearningRateScheduler(lambda epoch: 0.1 * (epoch + 1)), watch]
    )
    np.testing.assert_allclose(rates, [0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(history.history["lr"], [0.1, 0.2, 0.3], rtol=1e-6)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[LearningRateScheduler(lambda epoch, lr: lr / 2), watch])
    np.testing.assert_allclose(rates[3:], [0.15, 0.075], rtol=1e-6)
    with pytest.raises(ValueError, match="has to give a number"):
        model.fit(X, Y, verbose=0, callbacks=[LearningRateScheduler(lambda epoch: "high")])


def test_reduce_on_plateau():
    callback = ReduceLROnPlateau(patience=2, factor=0.5, cooldown=1, min_lr=0.002)
    model = model_of(lr=0.01)
    callback.set_model(model)
    callback.on_train_begin({})
    rates = []
    for epoch, value in enumerate([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]):
        logs = {"val_loss": value}
        callback.on_epoch_end(epoch, logs)
        rates.append(round(float(K.get_value(model.optimizer.lr)), 6))
        assert "lr" in logs
    assert rates == [0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025, 0.002, 0.002, 0.002, 0.002, 0.002]
    with pytest.raises(ValueError, match="below 1"):
        ReduceLROnPlateau(factor=1.0)


def test_terminate_on_nan(each_backend, capsys):
    model = model_of()
    x = X.copy()
    x[0] = np.nan
    history = model.fit(x, Y, epochs=3, batch_size=5, shuffle=False, verbose=0, callbacks=[TerminateOnNaN()])
    assert len(history.epoch) == 1
    assert "Batch 0: the loss is nan" in capsys.readouterr().out


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    model = model_of()
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[CSVLogger(path)])
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[CSVLogger(str(path), append=True)])
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "0"]
    assert list(rows[0]) == ["epoch", "loss", "mae"]
    assert float(rows[1]["loss"]) == history.history["loss"][1]
    other = tmp_path / "other.csv"
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[CSVLogger(other, separator=";")])
    assert other.read_text().splitlines()[0] == "epoch;loss;mae"


def test_checkpoints(tmp_path):
    saved = []

    class Saving(Sequential):
        def save(self, path, overwrite=True):
            saved.append(path)

    model = Saving([Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[ModelCheckpoint("m-{epoch:02d}-{loss:.0f}.h5")])
    assert [path[:5] for path in saved] == ["m-01-", "m-02-"]
    saved.clear()
    best = ModelCheckpoint("best.h5", save_best_only=True)
    best.set_model(model)
    for epoch, value in enumerate([3, 1, 2, 0.5]):
        best.on_epoch_end(epoch, {"val_loss": value})
    assert saved == ["best.h5"] * 3
    saved.clear()
    seldom = ModelCheckpoint("m.h5", period=2)
    model.fit(X, Y, epochs=5, verbose=0, callbacks=[seldom])
    assert len(saved) == 2


def test_base_logger_averages():
    logger = BaseLogger(stateful_metrics=["acc"])
    logger.set_params({"metrics": ["loss", "acc"]})
    logger.on_epoch_begin(0)
    logger.on_batch_end(0, {"batch": 0, "size": 3, "loss": 1.0, "acc": 0.25})
    logger.on_batch_end(1, {"batch": 1, "size": 1, "loss": 5.0, "acc": 0.75})
    logs = {}
    logger.on_epoch_end(0, logs)
    assert logs == {"loss": 2.0, "acc": 0.75}


def test_callback_list_by_hand():
    history = History()
    listed = CallbackList([history])
    listed.set_params({"metrics": ["loss"]})
    listed.on_train_begin()
    listed.on_epoch_begin(0)
    listed.on_batch_begin(0)
    listed.on_batch_end(0, {"loss": 1.0})
    listed.on_epoch_end(0, {"loss": 1.0})
    listed.on_train_end()
    assert history.history == {"loss": [1.0]}
    with pytest.raises(TypeError, match="add the parentheses"):
        CallbackList([History])


def test_everything_is_exported():
    for name in callbacks_module.__all__:
        assert hasattr(callbacks_module, name)
