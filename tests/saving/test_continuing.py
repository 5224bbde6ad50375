"""Training goes on after loading as if never interrupted: optimizers, pairs of backends, kinds of models."""

from __future__ import annotations

import io
import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_fixtures import INSTALLED

from multikeras import backend as K
from multikeras import optimizers
from multikeras.layers import (
    GRU,
    LSTM,
    Add,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Lambda,
    Layer,
    SimpleRNN,
)
from multikeras.models import (
    Model,
    Sequential,
    export_savedmodel,
    load_model,
    model_from_json,
    serialize_model,
    unserialize_model,
)
from multikeras.utils import CustomObjectScope

RNG = np.random.RandomState(5)
X, Y = RNG.rand(16, 4).astype("float32"), RNG.rand(16, 2).astype("float32")


class Scale(Layer):
    """A layer of one's own, which nobody registered."""

    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight("scale", (input_shape[-1],), initializer="ones")

    def call(self, x: Any) -> Any:
        return x * self.scale * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def tripled(x: Any) -> Any:
    return 3 * x


def own_loss(y_true: Any, y_pred: Any) -> Any:
    return K.mean(K.abs(y_true - y_pred), axis=-1)


CUSTOM: dict[str, Any] = {"Scale": Scale, "tripled": tripled, "own_loss": own_loss}


def losses_of(model: Any, x: Any, y: Any, steps: int = 3) -> list[float]:
    return [float(np.ravel(model.train_on_batch(x, y))[0]) for _ in range(steps)]


def through(model: Any, ending: str, directory: Path, custom_objects: Any = None) -> Any:
    """The model, saved and loaded."""
    if ending == "bytes":
        return unserialize_model(serialize_model(model), custom_objects)
    model.save(directory / f"model.{ending}")
    return load_model(directory / f"model.{ending}", custom_objects)


# -- optimizers ---------------------------------------------------------------------------------

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "SGD": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9, decay=0.1),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=0.5),
    "RMSprop": lambda: optimizers.RMSprop(0.01, decay=0.1),
    "Adagrad": lambda: optimizers.Adagrad(),
    "Adadelta": lambda: optimizers.Adadelta(),
    "Adam": lambda: optimizers.Adam(0.01, clipvalue=0.1),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True, decay=0.1),
    "AdamW": lambda: optimizers.AdamW(0.01, weight_decay=0.1, exclude=["bias"]),
    "schedule": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)),
    "LossScale": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.01)),
    "Adamax": lambda: optimizers.Adamax(),
    "Nadam": lambda: optimizers.Nadam(),
}


def test_the_table_names_every_optimizer() -> None:
    made = {type(make()) for make in OPTIMIZERS.values()}
    there = {
        value
        for value in vars(optimizers).values()
        if isinstance(value, type) and issubclass(value, optimizers.Optimizer) and value is not optimizers.Optimizer
    }
    assert made == there


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on_exactly(tmp_path: Path, name: str, ending: str) -> None:
    model = Sequential([Dense(5, activation="tanh", input_shape=(4,)), Dense(2)])
    model.compile(OPTIMIZERS[name](), "mse")
    losses_of(model, X, Y)
    loaded = through(model, ending, tmp_path)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert int(K.get_value(loaded.optimizer.iterations)) == 3
    assert losses_of(loaded, X, Y) == losses_of(model, X, Y)
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # The state matters: without it the curve is another (plain SGD has none but its count).
    if name != "SGD":
        fresh = through(model, ending, tmp_path)
        fresh.compile(OPTIMIZERS[name](), "mse")
        assert losses_of(fresh, X, Y) != losses_of(model, X, Y)


# -- backends -----------------------------------------------------------------------------------


def mixed() -> Model:
    picture, series = Input((6, 6, 1), name="picture"), Input((3, 4), name="series")
    h = Conv2D(3, 3, activation="relu")(picture)
    h = Flatten()(BatchNormalization()(h))
    h = Dropout(0.3)(Concatenate()([h, GRU(3)(series)]))
    model = Model([picture, series], Dense(2)(h))
    model.compile("adam", "mse")
    return model


PICTURES = [RNG.rand(8, 6, 6, 1).astype("float32"), RNG.rand(8, 3, 4).astype("float32")]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every backend, with what the model predicts and how its training goes on there."""
    directory = tmp_path_factory.mktemp("backends")
    for name in INSTALLED:
        with K.use_backend(name):
            K.clear_session()
            model = mixed()
            losses_of(model, PICTURES, Y[:8], 2)
            for ending in ("h5", "keras"):
                model.save(directory / f"{name}.{ending}")
            for ending in ("plain.h5", "weights.h5"):
                model.save_weights(directory / f"{name}.{ending}")
            (directory / f"{name}.json").write_text(model.to_json())
            (directory / f"{name}.bytes").write_bytes(serialize_model(model))
            (directory / f"{name}.pickle").write_bytes(pickle.dumps(model))
            export_savedmodel(model, directory / name)
            predicted = model.predict(PICTURES)
            np.savez(directory / f"{name}.npz", predicted=predicted, losses=losses_of(model, PICTURES, Y[:8]))
    return directory


@pytest.mark.parametrize("writer", INSTALLED)
def test_a_file_of_one_backend_goes_on_on_another(each_backend: str, written: Path, writer: str) -> None:
    with np.load(written / f"{writer}.npz") as file:
        predicted, losses = file["predicted"], file["losses"]
    model, other = (load_model(written / f"{writer}.{ending}") for ending in ("h5", "keras"))
    # One of them computes, since JAX compiles each.
    arrays = [[*m.get_weights(), *m.optimizer.get_weights()] for m in (model, other)]
    for one, two in zip(*arrays, strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(model.predict(PICTURES), predicted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(losses_of(model, PICTURES, Y[:8]), losses, rtol=1e-4)


@pytest.mark.parametrize("writer", INSTALLED)
def test_every_form_of_one_backend_is_read_on_another(each_backend: str, written: Path, writer: str) -> None:
    """What holds the numbers gives the same ones; one of the readers computes, since JAX compiles each."""
    model = load_model(written / f"{writer}.h5")
    whole = [
        load_model(written / f"{writer}.keras"),
        unserialize_model((written / f"{writer}.bytes").read_bytes()),
        pickle.loads((written / f"{writer}.pickle").read_bytes()),
    ]
    for other in whole:
        assert json.loads(other.to_json())["config"] == json.loads(model.to_json())["config"]
        for one, two in zip(*([*m.get_weights(), *m.optimizer.get_weights()] for m in (model, other)), strict=True):
            np.testing.assert_array_equal(one, two)
    bare = model_from_json((written / f"{writer}.json").read_text())
    for ending in ("plain.h5", "weights.h5", "h5", "keras"):
        bare.set_weights([0 * w for w in bare.get_weights()])
        bare.load_weights(written / f"{writer}.{ending}")
        for one, two in zip(bare.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    with np.load(written / f"{writer}.npz") as file:
        np.testing.assert_allclose(load_model(written / writer).predict(PICTURES), file["predicted"], atol=1e-6)


# -- kinds of models ----------------------------------------------------------------------------


def own_layers() -> Model:
    model = Sequential([Dense(3, input_shape=(4,)), Scale(2.0), Lambda(tripled), Dense(2)])
    model.compile("rmsprop", own_loss)
    return model


def shared_and_nested() -> Model:
    inner = Sequential([Dense(4, activation="tanh", input_shape=(4,)), BatchNormalization()], name="inner")
    a, b = Input((4,)), Input((4,))
    outer = Model([a, b], Add()([inner(a), inner(b)]), name="outer")
    x = Input((4,), name="x")
    shared = Dense(4)
    h = outer([shared(x), shared(shared(x))])
    inner.layers[0].trainable = False
    model = Model(x, [Dense(2, name="first")(h), Dense(2, name="second")(shared(h))])
    model.compile("adam", {"first": "mse", "second": "mae"}, loss_weights={"first": 0.5, "second": 2.0})
    return model


def one_model_twice() -> Model:
    tower = Sequential([Dense(3, input_shape=(2,)), Dense(3)])
    left, right = Input((2,)), Input((2,))
    x = Input((4,))
    halves = [Lambda(first_half)(x), Lambda(second_half)(x)]
    siamese = Model([left, right], Concatenate()([tower(left), tower(right)]))
    model = Model(x, Dense(2)(siamese(halves)))
    model.compile("sgd", "mse")
    return model


def first_half(x: Any) -> Any:
    return x[:, :2]


def second_half(x: Any) -> Any:
    return x[:, 2:]


@pytest.mark.parametrize("ending", ["h5", "keras", "bytes"])
@pytest.mark.parametrize("make", [own_layers, shared_and_nested, one_model_twice])
def test_kinds_of_models(tmp_path: Path, make: Callable[[], Model], ending: str) -> None:
    model = make()
    y = [Y, Y] if len(model.outputs) > 1 else Y
    losses_of(model, X, y)
    custom = {**CUSTOM, "first_half": first_half, "second_half": second_half}
    loaded = through(model, ending, tmp_path, custom)
    assert [w.shape for w in loaded.weights] == [w.shape for w in model.weights]
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert losses_of(loaded, X, y) == losses_of(model, X, y)


def test_own_classes_by_scope_and_without(tmp_path: Path) -> None:
    own_layers().save(tmp_path / "model.h5")
    with pytest.raises(ValueError, match="Scale"):
        load_model(tmp_path / "model.h5")
    with CustomObjectScope(CUSTOM):
        assert load_model(tmp_path / "model.h5").layers[1].factor == 2.0
    # One of them is missing, and is named.
    with pytest.raises(ValueError, match="own_loss"):
        load_model(tmp_path / "model.h5", {"Scale": Scale, "tripled": tripled})
    # What was compiled is not asked for where nobody wants it.
    known = {"Scale": Scale, "tripled": tripled}
    assert load_model(tmp_path / "model.h5", known, compile=False).predict(X).shape == (16, 2)


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("kind", [SimpleRNN, GRU, LSTM])
def test_stateful_layers(tmp_path: Path, kind: Any, ending: str) -> None:
    model = Sequential([kind(3, stateful=True, batch_input_shape=(2, 3, 4)), Dense(2)])
    model.compile("sgd", "mse")
    x = RNG.rand(2, 3, 4).astype("float32")
    first = model.predict(x, batch_size=2)
    assert (model.predict(x, batch_size=2) != first).any()
    loaded = through(model, ending, tmp_path)
    # It goes on within the sequence, as the model itself does.
    for _ in range(2):
        np.testing.assert_array_equal(loaded.predict(x, batch_size=2), model.predict(x, batch_size=2))
    assert losses_of(loaded, x, Y[:2]) == losses_of(model, x, Y[:2])
    # And begins a new one where it is told so, or where the state of training was left out.
    loaded.reset_states()
    model.save(tmp_path / f"bare.{ending}", include_optimizer=False)
    fresh = load_model(tmp_path / f"bare.{ending}")
    np.testing.assert_array_equal(loaded.predict(x, batch_size=2), fresh.predict(x, batch_size=2))
    model.reset_states()
    fresh.reset_states()
    np.testing.assert_array_equal(fresh.predict(x, batch_size=2), model.predict(x, batch_size=2))


@pytest.mark.parametrize("ending", ["h5", "keras", "bytes"])
def test_a_model_that_was_never_compiled_comes_back_so(tmp_path: Path, ending: str) -> None:
    model = Sequential([Dense(2, input_shape=(4,))])
    loaded = through(model, ending, tmp_path)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    with pytest.raises(RuntimeError, match="compile"):
        loaded.train_on_batch(X, Y)
    model.compile("sgd", "mse")
    if ending != "bytes":
        path = tmp_path / f"bare.{ending}"
        model.save(path, include_optimizer=False)
        with pytest.raises(RuntimeError, match="compile"):
            load_model(path).train_on_batch(X, Y)


# -- names beyond an HDF5 header ----------------------------------------------------------------


@pytest.mark.parametrize("ending", ["h5", "keras", "weights.h5"])
def test_names_beyond_64_kib(tmp_path: Path, ending: str) -> None:
    model = Sequential([Dense(1, input_shape=(1,), name="n" * 700 + str(i)) for i in range(100)])
    assert sum(len(layer.name) for layer in model.layers) > 65_536
    model.compile("sgd", "mse")
    path = tmp_path / f"model.{ending}"
    if ending == "weights.h5":
        model.save_weights(path)
        loaded = Sequential.from_config(model.get_config())
        loaded.load_weights(path)
    else:
        model.save(path)
        loaded = load_model(path)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    if ending == "h5":
        with h5py.File(path) as file:
            group = file["model_weights"]
            assert "layer_names" not in group.attrs
            assert sum(name.startswith("layer_names") for name in group.attrs) == 2


def test_a_layer_with_very_many_weights(tmp_path: Path) -> None:
    class Many(Layer):
        def build(self, input_shape: Any) -> None:
            for i in range(600):
                self.add_weight("weight_of_this_layer_with_a_name_that_is_long_" * 3 + str(i), (1,), initializer="ones")

        def call(self, x: Any) -> Any:
            return x

    model = Sequential([Many(input_shape=(1,))])
    model.set_weights([np.full(1, float(i)) for i in range(600)])
    model.save(tmp_path / "model.h5")
    loaded = load_model(tmp_path / "model.h5", {"Many": Many})
    np.testing.assert_array_equal(np.ravel(loaded.get_weights()), np.arange(600))


# -- targets and sources ------------------------------------------------------------------------


def test_open_files_groups_and_streams(tmp_path: Path) -> None:
    model = own_layers()
    model.fit(X, Y, verbose=0)
    with h5py.File(tmp_path / "all.h5", "w") as file:
        model.save(file.create_group("a/model"))
        model.save_weights(file.create_group("weights"))
        file["note"] = np.ones(2)
        again = load_model(file["a/model"], CUSTOM)
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        again.set_weights([0 * w for w in again.get_weights()])
        again.load_weights(file["weights"])
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        # It was opened by the caller, and stays open.
        assert file["note"][0] == 1
    with h5py.File(tmp_path / "root.h5", "w") as file:
        model.save(file)
    np.testing.assert_array_equal(load_model(tmp_path / "root.h5", CUSTOM).predict(X), model.predict(X))
    with open(tmp_path / "stream", "w+b") as stream:
        model.save(stream)
        stream.seek(0)
        np.testing.assert_array_equal(load_model(stream, CUSTOM).predict(X), model.predict(X))
    memory = io.BytesIO()
    model.save_weights(memory)
    again.load_weights(memory)
    model.save(tmp_path / "model.keras")
    with open(tmp_path / "model.keras", "rb") as stream:
        np.testing.assert_array_equal(load_model(stream, CUSTOM).predict(X), model.predict(X))


# -- weights by name ----------------------------------------------------------------------------


def test_skip_mismatch_and_reshape(tmp_path: Path) -> None:
    source = Sequential([Dense(4, input_shape=(4,), name="same"), Dense(3, name="other"), Dense(2, name="flat")])
    path = tmp_path / "weights.h5"
    source.save_weights(path)
    target = Sequential([Dense(4, input_shape=(4,), name="same"), Dense(5, name="other")])
    before = target.get_weights()
    with pytest.raises(ValueError, match="'other'.*has shape"):
        target.load_weights(path, by_name=True)
    for one, other in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.warns(UserWarning, match="'other' keeps its weights.*shape") as caught:
        target.load_weights(path, by_name=True, skip_mismatch=True)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(target.get_weights()[0], source.get_weights()[0])
    np.testing.assert_array_equal(target.get_weights()[2], before[2])
    # Another number of weights is a mismatch as well.
    fewer = Sequential([Dense(4, input_shape=(4,), name="same", use_bias=False)])
    with pytest.warns(UserWarning, match="has 1 weights"):
        fewer.load_weights(path, by_name=True, skip_mismatch=True)
    # (4, 4) does not become (2, 8) by itself, only where the caller asks.
    wide = Sequential([Dense(8, input_shape=(2,), name="same", use_bias=False)])
    narrow = Sequential([Dense(4, input_shape=(4,), name="same", use_bias=False)])
    narrow.save_weights(path)
    with pytest.raises(ValueError, match="has shape"):
        wide.load_weights(path, by_name=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wide.load_weights(path, by_name=True, reshape=True)
    np.testing.assert_array_equal(wide.get_weights()[0], narrow.get_weights()[0].reshape(2, 8))
