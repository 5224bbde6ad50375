"""What old programs call on open files and on the kernels of other versions."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest

import multikeras.compat
from multikeras.layers import Activation, BatchNormalization, Conv2D, Dense, Flatten
from multikeras.models import Model, Sequential, load_model
from multikeras.utils import get_custom_objects
from multikeras.utils.io_utils import ask_to_proceed_with_overwrite, load_from_binary_h5py, save_to_binary_h5py

RNG = np.random.RandomState(3)
X = RNG.rand(5, 4)


@pytest.fixture
def saving() -> Iterator[ModuleType]:
    import importlib

    multikeras.compat.install()
    yield importlib.import_module("keras.engine.saving")
    multikeras.compat.uninstall()


def model_of(first: str = "first", last: int = 3) -> Model:
    layers = [Dense(6, input_dim=4, name=first), BatchNormalization(name="norm"), Dense(last, name="last")]
    return Sequential(layers, name="whole")


def test_weights_of_layers_in_an_open_group(saving: Any, tmp_path: Path) -> None:
    model, other, third = model_of(), model_of("other"), model_of("other")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        saving.save_weights_to_hdf5_group(file, model.layers)
    with h5py.File(tmp_path / "w.h5", "r") as file:
        assert saving.load_attributes_from_hdf5_group(file, "layer_names") == ["first", "norm", "last"]
        saving.load_weights_from_hdf5_group(file, other.layers)
        before = third.get_weights()
        saving.load_weights_from_hdf5_group_by_name(file, third.layers)
        with pytest.warns(UserWarning, match="Layer 'last' keeps its weights"):
            saving.load_weights_from_hdf5_group_by_name(file, model_of("x", 2).layers, skip_mismatch=True)
        with pytest.raises(ValueError, match="Layer 'last': weight"):
            saving.load_weights_from_hdf5_group_by_name(file, model_of("x", 2).layers)
        with pytest.raises(ValueError, match="2 layers with weights"):
            saving.load_weights_from_hdf5_group(file, model.layers[1:])
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    np.testing.assert_array_equal(third.get_weights()[0], before[0])
    np.testing.assert_array_equal(third.get_weights()[-2], model.get_weights()[-2])


def test_weights_are_brought_into_shape(saving: Any, tmp_path: Path) -> None:
    model = Sequential([Conv2D(2, 3, input_shape=(5, 5, 1), name="c")])
    flat = RNG.rand(9, 2).astype("float32")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        saving.save_attributes_to_hdf5_group(file, "layer_names", [b"c"])
        saving.save_attributes_to_hdf5_group(file.create_group("c"), "weight_names", [b"k", b"b"])
        file["c/k"], file["c/b"] = flat, np.zeros(2)
        file.attrs["keras_version"] = b"2.2.4"
    with h5py.File(tmp_path / "w.h5", "r") as file:
        with pytest.raises(ValueError, match="holds shape"):
            saving.load_weights_from_hdf5_group(file, model.layers)
        saving.load_weights_from_hdf5_group(file, model.layers, reshape=True)
    np.testing.assert_array_equal(model.get_weights()[0], flat.reshape(3, 3, 1, 2))


def test_weights_of_one_layer_of_an_older_file(saving: Any) -> None:
    layer = Sequential([Conv2D(2, (2, 3), input_shape=(5, 5, 1))]).layers[0]
    kernel, bias = RNG.rand(2, 3, 1, 2), RNG.rand(2)
    found = saving.preprocess_weights_for_loading(layer, [kernel[::-1, ::-1], bias], "2.0.0", "theano")
    np.testing.assert_array_equal(found[0], kernel)
    np.testing.assert_array_equal(saving.preprocess_weights_for_loading(layer, [kernel, bias], "2.0.0", "")[0], kernel)


def test_models_as_dictionaries_and_groups(saving: Any, tmp_path: Path) -> None:
    model = model_of()
    np.testing.assert_array_equal(saving.unpickle_model(saving.pickle_model(model)).predict(X), model.predict(X))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        saving._serialize_model(model, file)
    with h5py.File(tmp_path / "m.h5", "r") as file:
        np.testing.assert_array_equal(saving._deserialize_model(file).predict(X), model.predict(X))
    assert saving.get_json_type(np.float32(2)) == 2.0
    assert saving.get_json_type(model.layers[0])["class_name"] == "Dense"


def test_the_functions_have_their_older_path_as_well(saving: Any) -> None:
    from multikeras.compat.paths import PATHS

    assert all("multikeras.compat.saving" in PATHS[path] for path in ("engine.topology", "engine.saving"))


def test_models_in_binary_streams() -> None:
    model, stream = model_of(), io.BytesIO()
    save_to_binary_h5py(model.save, stream)
    stream.seek(0)
    np.testing.assert_array_equal(load_from_binary_h5py(load_model, stream).predict(X), model.predict(X))


def test_asking_whether_a_file_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["perhaps", "Y", "n"])
    monkeypatch.setattr("builtins.input", lambda words: next(answers))
    assert ask_to_proceed_with_overwrite(Path("m.h5")) is True
    assert ask_to_proceed_with_overwrite("m.h5") is False


@pytest.mark.parametrize("told", [None, "tensorflow", "theano"])
def test_kernels_of_theano_in_a_file_that_does_not_say_so(tmp_path: Path, told: str | None) -> None:
    from multikeras.compat.names import convert_all_kernels_in_model

    model = Sequential([Conv2D(2, (2, 3), input_shape=(5, 5, 1), name="c"), Flatten(), Dense(2, name="d")])
    today = [RNG.rand(*w.shape).astype("float32") for w in model.weights]
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = np.array([b"c", b"d"])
        for name, arrays in (("c", [today[0][::-1, ::-1], today[1]]), ("d", today[2:])):
            file.create_group(name).attrs["weight_names"] = np.array([b"w0", b"w1"])
            for i, array in enumerate(arrays):
                file[f"{name}/w{i}"] = array
    model.load_weights(tmp_path / "w.h5")
    multikeras.compat.install(backend=told)
    try:
        convert_all_kernels_in_model(model)
    finally:
        multikeras.compat.uninstall()
    # A program that is told that it runs on Theano converts kernels in the order that is right here.
    kernel = today[0][::-1, ::-1] if told == "theano" else today[0]
    for one, other in zip(model.get_weights(), [kernel, *today[1:]], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("target", ["channels_first", "channels_last"])
def test_dense_layers_behind_a_flatten_of_the_other_format(target: str) -> None:
    from multikeras.compat.names import convert_dense_weights_data_format

    last, first = (3, 4, 2), (2, 3, 4)
    given, wanted = (last, first) if target == "channels_first" else (first, last)
    model, other = (Sequential([Flatten(input_shape=shape), Dense(3)]) for shape in (given, wanted))
    other.set_weights(model.get_weights())
    convert_dense_weights_data_format(other.layers[1], wanted, target)
    x = RNG.rand(2, *given)
    moved = np.moveaxis(x, -1, 1) if target == "channels_first" else np.moveaxis(x, 1, -1)
    np.testing.assert_allclose(other.predict(moved), model.predict(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="has 24 rows, which shape \\(2, 2, 2\\) does not give"):
        convert_dense_weights_data_format(other.layers[1], (2, 2, 2), target)


class Named(Activation):
    """An activation that says under which name it is known, as programs of Keras 2 do."""

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(activation, **kwargs)
        self.__name__ = "self_named"


def half(x: Any) -> Any:
    return x / 2


@pytest.mark.parametrize(("name", "kind"), [("self_named", Named), ("made_known", Activation)])
def test_activations_that_are_layers_known_by_name(tmp_path: Path, name: str, kind: Any) -> None:
    get_custom_objects()[name] = kind(half)
    try:
        model = Sequential([Dense(3, activation=name, input_dim=4)])
        assert model.layers[0].get_config()["activation"] == name
        model.save(tmp_path / "m.h5")
        made = load_model(tmp_path / "m.h5")
        np.testing.assert_array_equal(made.predict(X), model.predict(X))
    finally:
        del get_custom_objects()[name]


PARENT = """
import multiprocessing
import pickle

import numpy as np

if __name__ == "__main__":
    import multikeras.compat

    multikeras.compat.install(backend="tensorflow")

import keras
import keras.layers.core
from keras import backend as K
from keras.models import Sequential, load_model
from keras.layers import Dense


def child(path, model, modules, answers):
    assert all(a is b for a, b in zip(modules, (keras, keras.layers.core)))
    x = np.ones((1, 2))
    answers.put((keras.__version__, K.backend(), load_model(path).predict(x).tolist(), model.predict(x).tolist()))


if __name__ == "__main__":
    model = Sequential([Dense(2, input_dim=2)])
    model.compile("sgd", "mse")
    model.save("m.h5")
    assert pickle.loads(pickle.dumps(keras)) is keras
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=child, args=("m.h5", model, (keras, keras.layers.core), answers))
    process.start()
    version, backend, one, other = answers.get(timeout=50)
    process.join()
    assert (version, backend) == ("2.3.1", "tensorflow"), (version, backend)
    assert one == other == model.predict(np.ones((1, 2))).tolist()
    print("passed")
"""


def test_models_in_processes_that_are_not_forked(python: Any, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PARENT)
    process = python(str(tmp_path / "program.py"), "here")
    assert process.stdout == "passed\n", process.stderr
