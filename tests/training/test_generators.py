"""Training, evaluating and predicting with generators and Sequences."""

from __future__ import annotations

import itertools
import traceback

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.callbacks import BackupAndRestore, Callback
from multikeras.layers import Dense, Input
from multikeras.models import Model, Sequential
from multikeras.optimizers import SGD
from multikeras.utils import Sequence
from multikeras.utils.batch_processes import start_method_of

forks = pytest.mark.skipif(start_method_of(None) != "fork", reason="worker processes are not forked here")

#: Workers, and whether they are processes.
WAYS = [(0, False), (1, False), (3, False), pytest.param(1, True, marks=forks), pytest.param(2, True, marks=forks)]

_generator = np.random.default_rng(0)
X = _generator.normal(size=(20, 4)).astype("float32")
Y = X[:, :1] * 2
WEIGHTS = _generator.uniform(0, 2, 20).astype("float32")


def model_of(lr=0.05, shape=True, **compiled):
    model = Sequential([Dense(1, kernel_initializer="ones", **({"input_shape": (4,)} if shape else {}))])
    model.compile(SGD(lr=lr), "mse", **{"metrics": ["mae"], **compiled})
    return model


class Batches(Sequence):
    """Five samples a batch, the last one smaller."""

    def __init__(self, size=6, weighted=False):
        self.size, self.weighted, self.asked, self.passes = size, weighted, [], 0

    def __len__(self):
        return len(range(0, 20, self.size))

    def __getitem__(self, index):
        self.asked.append(index)
        rows = slice(index * self.size, (index + 1) * self.size)
        return (X[rows], Y[rows], WEIGHTS[rows]) if self.weighted else (X[rows], Y[rows])

    def on_epoch_end(self):
        self.passes += 1


def endless(size=6, weighted=False):
    data = Batches(size, weighted)
    return (data[i] for i in itertools.cycle(range(len(data))))


def agree(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["generator", "Sequence"])
def test_generators_mean_what_arrays_mean(each_backend, kind, workers):
    make = endless if kind == "generator" else Batches
    steps = {"steps_per_epoch": 4} if kind == "generator" else {}
    found, expected = model_of(), model_of()
    history = found.fit_generator(
        make(weighted=True), epochs=2, verbose=0, workers=workers, shuffle=False,
        validation_data=make(), validation_steps=4 if kind == "generator" else None, **steps,
    ).history  # fmt: skip
    agree(
        history,
        expected.fit(
            X, Y, batch_size=6, epochs=2, verbose=0, shuffle=False, sample_weight=WEIGHTS, validation_data=(X, Y)
        ).history,
    )
    np.testing.assert_allclose(found.get_weights()[0], expected.get_weights()[0], rtol=1e-5)
    count = 4 if kind == "generator" else None
    np.testing.assert_allclose(
        found.evaluate_generator(make(), count, workers=workers), expected.evaluate(X, Y, verbose=0), rtol=1e-5
    )
    np.testing.assert_allclose(
        found.predict_generator(make(), count, workers=workers), expected.predict(X), rtol=1e-5, atol=1e-6
    )


@forks
def test_worker_processes_after_a_step(each_backend):
    """Semantics' eleventh test: the library is warm, and the class is one that nobody could send."""

    class OfANotebook(Batches):
        def __getitem__(self, index):
            if self.passes == 5:
                raise KeyError(f"no row {index}")
            return super().__getitem__(index)

    found, expected = model_of(), model_of()
    for model in (found, expected):
        model.train_on_batch(X, Y)
    data = OfANotebook()
    agree(
        found.fit(data, epochs=2, verbose=0, shuffle=False, workers=2, use_multiprocessing=True).history,
        expected.fit(X, Y, batch_size=6, epochs=2, verbose=0, shuffle=False).history,
    )
    assert not data.asked
    assert data.passes == 2
    np.testing.assert_allclose(
        found.predict(data, workers=2, use_multiprocessing=True), expected.predict(X), rtol=1e-5, atol=1e-6
    )
    agree(
        found.fit(endless(), steps_per_epoch=4, epochs=2, verbose=0, use_multiprocessing=True).history,
        expected.fit(X, Y, batch_size=6, epochs=2, verbose=0, shuffle=False).history,
    )
    data.passes = 5
    with pytest.raises(KeyError, match="no row 0") as error:
        found.fit(data, verbose=0, shuffle=False, workers=2, use_multiprocessing=True)
    assert "in __getitem__" in "".join(traceback.format_exception(error.value))
    assert np.isfinite(found.predict(X)).all()


@pytest.mark.parametrize(("workers", "processes"), WAYS[1:4:2])
def test_a_run_that_is_resumed_gets_the_same_batches(workers, processes, tmp_path):
    """Bit for bit, also what workers draw at random."""

    class Augmented(Batches):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x + np.random.random(x.shape), y

    class Crash(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def run(*callbacks):
        np.random.seed(5)
        K.clear_session()
        model = model_of()
        how = {"workers": workers, "use_multiprocessing": processes, "epochs": 4, "verbose": 0}
        return model.fit(Augmented(), validation_data=Augmented(), callbacks=list(callbacks), **how).history

    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(BackupAndRestore(tmp_path), Crash())
    assert run(BackupAndRestore(tmp_path)) == whole
    with pytest.raises(ValueError, match="cannot resume a plain generator"):
        model_of().fit(endless(), steps_per_epoch=2, verbose=0, callbacks=[BackupAndRestore(tmp_path)])


@pytest.mark.parametrize(("workers", "processes"), WAYS)
def test_shuffling_draws_an_order_for_each_pass(workers, processes):
    class Numbered(Batches):
        def __getitem__(self, index):
            return np.full((2, 4), index), np.full((2, 1), index)

    class Watcher(Callback):
        seen: list = []

        def on_batch_end(self, batch, logs=None):
            self.seen.append(round(logs["loss"]))

    def orders(seed, shuffle=True):
        np.random.seed(seed)
        model = Sequential([Dense(1, input_shape=(4,))])
        model.compile(SGD(lr=0.0), lambda t, p: K.sum(t + 0 * p, axis=-1))
        watcher = Watcher()
        watcher.seen = []
        model.fit(
            Numbered(2), epochs=2, shuffle=shuffle, verbose=0, callbacks=[watcher],
            workers=workers, use_multiprocessing=processes,
        )  # fmt: skip
        return watcher.seen

    assert orders(0, shuffle=False) == [*range(10), *range(10)]
    found = orders(0)
    assert sorted(found[:10]) == sorted(found[10:]) == list(range(10))
    assert found[:10] != found[10:]
    assert found == orders(0) != orders(1)


def test_nothing_is_drawn_beyond_what_is_trained_on():
    given = endless()
    model = model_of()
    model.fit(given, steps_per_epoch=3, epochs=2, verbose=0, max_queue_size=50)
    np.testing.assert_array_equal(next(given)[0], X[12:18])
    data = Batches()
    model.fit(data, steps_per_epoch=3, epochs=2, shuffle=False, verbose=0, workers=2)
    # A pass goes on where the epoch before left off.
    assert sorted(data.asked[:4]) == [0, 1, 2, 3]
    assert sorted(data.asked[4:]) == [0, 1]
    assert data.passes == 1


def test_validation_begins_anew_each_time():
    class Frozen(Batches):
        pass

    data = Frozen()
    history = model_of(lr=0.0).fit(
        X, Y, epochs=3, verbose=0, validation_data=data, validation_steps=2, validation_freq=2
    )
    assert data.asked == [0, 1]
    assert len(history.history["val_loss"]) == 1
    history = model_of(lr=0.0).fit(X, Y, epochs=3, verbose=0, validation_data=data, validation_steps=2)
    assert data.asked == [0, 1] * 4
    assert len(set(history.history["val_loss"])) == 1
    assert model_of(lr=0.0).fit(
        X, Y, epochs=4, verbose=0, validation_data=data, validation_freq=[1, 4]
    ).history["val_mae"] == [pytest.approx(model_of(lr=0.0).evaluate(X, Y, verbose=0)[1])] * 2  # fmt: skip


def test_class_weights_and_initial_epoch():
    labels = (X[:, 0] > 0).astype(int)

    class Labelled(Batches):
        def __getitem__(self, index):
            return X[index * 6 : index * 6 + 6], labels[index * 6 : index * 6 + 6]

    def model():
        made = Sequential([Dense(2, activation="softmax", kernel_initializer="ones", input_shape=(4,))])
        made.compile(SGD(lr=0.1), "sparse_categorical_crossentropy")
        return made

    classes = {0: 0.5, 1: 3.0}
    found = model().fit_generator(Labelled(), epochs=3, initial_epoch=1, class_weight=classes, shuffle=False, verbose=0)
    expected = model().fit(
        X, labels, batch_size=6, epochs=3, initial_epoch=1, class_weight=classes, shuffle=False, verbose=0
    )
    assert found.epoch == [1, 2]
    agree(found.history, expected.history)
    with pytest.raises(ValueError, match=r"missing: \[1\]") as error:
        model().fit(Labelled(), class_weight={0: 1.0}, shuffle=False, verbose=0)
    assert "This is batch 0 of the Labelled" in "".join(traceback.format_exception(error.value))


def test_several_inputs_and_outputs_by_name():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    model = Model([a, b], [Dense(1, name="p")(a), Dense(1, name="q")(b)])
    model.compile(SGD(lr=0.0), "mse")

    def batches():
        while True:
            yield {"b": X, "a": X}, {"q": Y, "p": Y}, {"p": WEIGHTS}
            yield [X, X], [Y, Y], [WEIGHTS, None]

    weighted = model.evaluate([X, X], [Y, Y], sample_weight=[WEIGHTS, None], verbose=0)
    np.testing.assert_allclose(model.evaluate_generator(batches(), 2), weighted, rtol=1e-5)
    predicted = model.predict_generator(batches(), 2)
    assert [each.shape for each in predicted] == [(40, 1), (40, 1)]


def test_a_model_without_input_shape_learns_it_from_the_first_batch():
    found, expected = model_of(shape=False), model_of()
    expected_history = expected.fit(X, Y, batch_size=6, epochs=1, verbose=0, shuffle=False).history
    agree(found.fit(endless(), steps_per_epoch=4, verbose=0).history, expected_history)
    agree(model_of(shape=False).fit(Batches(), verbose=0, shuffle=False).history, expected_history)
    assert model_of(shape=False).predict(Batches()).shape == (20, 1)
    assert Sequential([Dense(2)]).predict((x for x in [X]), steps=1).shape == (20, 2)


def test_a_model_without_targets():
    x = Input((4,))
    model = Model(x, Dense(1, kernel_initializer="ones")(x))
    model.add_loss(K.mean(K.square(model.output)))
    model.compile(SGD(lr=0.0))
    for batches in ([X, X], [(X,), (X, None)]):
        assert model.evaluate(iter(batches), steps=2, verbose=0) == pytest.approx((X.sum(1) ** 2).mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("batch", "match"),
    [
        (X, r"a tuple \(x, y\).*received array"),
        ((X,), "tuple of 1 entries"),
        ((X, Y, WEIGHTS, 0), "tuple of 4 entries"),
        (None, "received None"),
        ((X, Y[:3]), "inputs 20; targets 3"),
        ((X[:, :2], Y), r"input of 'dense_1_input'.*\(None, 4\).*\(20, 2\)"),
    ],
)
def test_batches_of_another_form(batch, match):
    model = model_of()
    with pytest.raises((ValueError, TypeError), match=match) as error:
        model.fit(iter([(X, Y), batch]), steps_per_epoch=2, verbose=0)
    assert "This is batch 1 of the list_iterator" in "".join(traceback.format_exception(error.value))


def test_arguments_that_do_not_fit():
    model = model_of()
    with pytest.raises(ValueError, match="A generator does not say how many batches it has: pass `steps_per_epoch`"):
        model.fit_generator(endless())
    with pytest.raises(ValueError, match="pass `validation_steps`"):
        model.fit(Batches(), validation_data=endless(), verbose=0)
    with pytest.raises(ValueError, match="pass `steps`"):
        model.predict_generator(endless())
    for method in (model.fit_generator, model.evaluate_generator, model.predict_generator):
        with pytest.raises(TypeError, match=f"{method.__name__} takes a generator or a multikeras.utils.Sequence"):
            method(X, 2)
    for name, value in (("y", Y), ("batch_size", 3), ("sample_weight", WEIGHTS), ("validation_split", 0.5)):
        with pytest.raises(ValueError, match=f"`{name}` cannot be given with a Batches"):
            model.fit(Batches(), **{name: value})
    for steps in (0, -1.5, True, "3", float("inf")):
        with pytest.raises(ValueError, match="`steps_per_epoch` is a number from 1"):
            model.fit(Batches(), steps_per_epoch=steps, verbose=0)
    # Old programs divide the number of samples by that of a batch.
    data = Batches()
    model.fit(data, steps_per_epoch=20 / 8, verbose=0, shuffle=False, workers=0)
    assert data.asked == [0, 1, 2]
    assert len(model.predict(X, batch_size=4, steps=np.float64(2.0))) == 8
    with pytest.raises(ValueError, match="`validation_freq` is a whole number from 1"):
        model.fit(Batches(), validation_freq=0)
    with pytest.raises(TypeError, match="fit_generator does not take 'step_per_epoch'"):
        model.fit_generator(Batches(), step_per_epoch=3)
    with pytest.raises(RuntimeError, match="not compiled"):
        Sequential([Dense(1)]).fit(Batches())


def test_data_that_ends_too_early():
    model = model_of()
    with pytest.warns(UserWarning, match="The data ended in epoch 2.*Training stops here"):
        history = model.fit(itertools.islice(endless(), 5), steps_per_epoch=4, epochs=4, verbose=0)
    assert history.epoch == [0, 1]
    with pytest.warns(UserWarning, match="The data ended in epoch 2"):
        history = model.fit(itertools.islice(endless(), 4), steps_per_epoch=4, epochs=4, verbose=0)
    assert history.epoch == [0]
    with pytest.warns(UserWarning, match="ended before `steps` batches"):
        assert model.predict(itertools.islice(endless(), 2), steps=3).shape == (12, 1)
    with pytest.warns(UserWarning, match="ended before `steps` batches"):
        found = model.evaluate(itertools.islice(endless(), 2), steps=3, verbose=0)
    np.testing.assert_allclose(found, model.evaluate(X[:12], Y[:12], verbose=0), rtol=1e-5)
    with pytest.warns(UserWarning, match="validation data ended in epoch 1"):
        model.fit(X, Y, verbose=0, validation_data=itertools.islice(endless(), 1), validation_steps=2)
    for use in (model.evaluate, model.predict):
        with pytest.raises(ValueError, match="list_iterator gave no batch"):
            use(iter([]), steps=2)


def test_names_of_keras_1():
    """Batches are drawn until so many samples were seen."""
    model, expected = model_of(), model_of()
    history = model.fit_generator(
        endless(), samples_per_epoch=20, nb_epoch=2, verbose=0, nb_worker=2, max_q_size=3, pickle_safe=False,
        validation_data=endless(), nb_val_samples=9,
    ).history  # fmt: skip
    trained = expected.fit(X, Y, batch_size=6, epochs=2, verbose=0, shuffle=False).history
    agree({name: history[name] for name in trained}, trained)
    assert history["val_loss"][0] != history["val_loss"][1]
    # 6, 6, and 6 more than are wanted.
    assert model.predict_generator(endless(), val_samples=13).shape == (18, 1)
    np.testing.assert_allclose(
        model.evaluate_generator(endless(), val_samples=20), model.evaluate(X, Y, verbose=0), rtol=1e-5
    )
    data = Batches()
    model.fit_generator(data, samples_per_epoch=12, epochs=2, shuffle=False, verbose=0, workers=0)
    # 6 and 6; 6, 2 and 6.
    assert data.asked == [0, 1, 2, 3, 0]
    model.fit(X, Y, nb_epoch=1, verbose=0)


def test_callbacks_and_the_bar_count_batches(capsys):
    class Recorder(Callback):
        def on_train_begin(self, logs=None):
            self.told = dict(self.params)

    recorder = Recorder()
    model = model_of(metrics=[])
    model.fit(Batches(), epochs=2, verbose=1, callbacks=[recorder], validation_data=(X, Y))
    assert recorder.told == {
        "batch_size": None, "epochs": 2, "steps": 4, "samples": None, "verbose": 1, "do_validation": True,
        "metrics": ["loss", "val_loss"],
    }  # fmt: skip
    assert "4/4 - " in capsys.readouterr().out
    np.testing.assert_array_equal(recorder.validation_data[0], X)
    np.testing.assert_array_equal(recorder.validation_data[2], np.ones(20))
    model.fit(endless(), steps_per_epoch=3, verbose=0, callbacks=[recorder])
    assert recorder.told["resumable"] is False
    model.evaluate(Batches(), verbose=1)
    assert "4/4 - " in capsys.readouterr().out
    model.predict(Batches(), verbose=1)
    assert "4/4 - " in capsys.readouterr().out
