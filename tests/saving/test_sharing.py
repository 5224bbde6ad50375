"""What stands in several places of a model is one thing after every way of writing and reading it."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras.layers import (
    RNN,
    Add,
    BatchNormalization,
    Concatenate,
    Dense,
    GRUCell,
    Input,
    Layer,
    LSTMCell,
    SimpleRNNCell,
    StackedRNNCells,
    TimeDistributed,
    deserialize,
    serialize,
)
from multikeras.models import (
    Model,
    Sequential,
    clone_model,
    load_model,
    model_from_json,
    serialize_model,
    unserialize_model,
)
from multikeras.utils import CustomObjectScope

RNG = np.random.RandomState(3)


def model_inside_and_outside() -> Model:
    inner = Sequential([Dense(4, activation="tanh", input_shape=(4,)), BatchNormalization(), Dense(4)], name="inner")
    a = Input((4,))
    outer = Model(a, Dense(4)(inner(a)), name="outer")
    x = Input((4,))
    return Model(x, Dense(2)(inner(outer(inner(x)))))


def layer_in_two_models() -> Model:
    dense = Dense(4)
    a = Input((4,))
    first = Model(a, dense(a), name="first")
    second = Sequential([Dense(4, input_shape=(4,)), dense], name="second")
    x = Input((4,))
    return Model(x, Add()([first(x), second(x), dense(x)]))


def three_levels() -> Model:
    inner = Sequential([Dense(4, activation="tanh", input_shape=(4,)), BatchNormalization(), Dense(4)], name="inner")
    a = Input((4,))
    middle = [Model(a, inner(a), name=name) for name in ("left", "right")]
    outer = Model(a, Add()([model(a) for model in middle]), name="outer")
    x = Input((4,))
    return Model(x, Dense(2)(outer(x)))


def cell_of_two_layers() -> Model:
    cell = LSTMCell(3, recurrent_activation="sigmoid")
    x = Input((5, 4))
    return Model(x, Dense(2)(Concatenate()([RNN(cell)(x), RNN(cell, go_backwards=True)(x)])))


def cell_twice_in_a_stack() -> Model:
    cell, last = GRUCell(4, recurrent_activation="sigmoid"), SimpleRNNCell(2)
    return Sequential([RNN(StackedRNNCells([cell, cell, last]), input_shape=(5, 4)), Dense(2)])


def model_at_every_step_and_alone() -> Model:
    inner = Sequential([Dense(4, input_shape=(4,))], name="inner")
    x, y = Input((5, 4)), Input((4,))
    functional = Model(y, Dense(2)(y))
    steps = TimeDistributed(functional)(TimeDistributed(inner)(x))
    return Model([x, y], [steps, inner(y), functional(y)])


def model_in_a_chain() -> Model:
    x = Input((4,))
    inner = Model(x, Dense(4, activation="tanh")(x), name="inner")
    y = Input((4,))
    chain = Sequential([inner, Dense(4), Sequential([inner.layers[1], Dense(4)], name="last")])
    return Model(y, Add()([chain(y), inner(y)]))


def input_of_two_models() -> Model:
    x, dense = Input((4,)), Dense(4)
    inner = Model(x, dense(x), name="inner")
    return Model(x, Add()([inner(x), dense(x)]))


MODELS: dict[str, Callable[[], Model]] = {
    made.__name__: made
    for made in (
        model_inside_and_outside,
        layer_in_two_models,
        three_levels,
        cell_of_two_layers,
        cell_twice_in_a_stack,
        model_at_every_step_and_alone,
        model_in_a_chain,
        input_of_two_models,
    )
}


def with_weights(made: Model, model: Model) -> Model:
    made.set_weights(model.get_weights())
    return made


def through(ending: str) -> Callable[[Model, Path], Model]:
    def read(model: Model, directory: Path) -> Model:
        model.save(directory / f"model.{ending}")
        return load_model(directory / f"model.{ending}")

    return read


def by_weights(ending: str) -> Callable[[Model, Path], Model]:
    def read(model: Model, directory: Path) -> Model:
        model.save_weights(directory / ending)
        made = model_from_json(model.to_json())
        made.load_weights(directory / ending)
        return made

    return read


WAYS: dict[str, Callable[[Model, Path], Model]] = {
    "h5": through("h5"),
    "keras": through("keras"),
    "weights.h5": by_weights("model.weights.h5"),
    "weights of Keras 2": by_weights("model.h5"),
    "bytes": lambda model, _: unserialize_model(serialize_model(model)),
    "json": lambda model, _: with_weights(model_from_json(model.to_json()), model),
    "clone": lambda model, _: with_weights(clone_model(model), model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, _: copy.deepcopy(model),
}


def data_of(model: Model) -> tuple[Any, Any]:
    def arrays(tensors: Any) -> Any:
        made = [RNG.rand(6, *tensor.shape[1:]).astype("float32") for tensor in tensors]
        return made if len(made) > 1 else made[0]

    return arrays(model.inputs), arrays(model.outputs)


def predicted(model: Model, x: Any) -> list[np.ndarray]:
    found = model.predict(x)
    return found if isinstance(found, list) else [found]


def check(model: Model, way: str, directory: Path) -> None:
    x, y = data_of(model)
    model.compile("adam", "mse")
    model.train_on_batch(x, y)
    made = WAYS[way](model, directory)
    assert [w.shape for w in made.weights] == [w.shape for w in model.weights]
    if made.optimizer is None:
        # What comes back without being compiled is compiled like its model.
        for each in (model, made):
            each.compile("sgd", "mse")
    for _ in range(2):
        for one, other in zip(predicted(made, x), predicted(model, x), strict=True):
            np.testing.assert_array_equal(one, other)
        # Both places change, and by the same.
        assert made.train_on_batch(x, y) == model.train_on_batch(x, y)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_what_is_shared_stays_shared(tmp_path: Path, name: str, way: str) -> None:
    check(MODELS[name](), way, tmp_path)


@pytest.mark.parametrize("way", ["h5", "keras"])
def test_on_each_backend(each_backend: str, tmp_path: Path, way: str) -> None:
    check(model_inside_and_outside(), way, tmp_path)


class Holder(Layer):
    """A layer of one's own, around another."""

    def __init__(self, inner: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, x: Any) -> Any:
        return self.inner(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "inner": serialize(self.inner)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(deserialize(config.pop("inner")), **config)


@pytest.mark.parametrize("way", WAYS)
def test_a_layer_inside_one_of_ones_own(tmp_path: Path, way: str) -> None:
    dense = Dense(4)
    x = Input((4,))
    with CustomObjectScope({"Holder": Holder}):
        check(Model(x, Add()([Holder(dense)(x), dense(x)])), way, tmp_path)


def test_only_what_is_shared_has_a_number_and_the_same_everywhere() -> None:
    content = json.loads(model_inside_and_outside().to_json())
    layers = {layer["name"]: layer for layer in content["config"]["layers"]}
    inside = {layer["name"]: layer for layer in layers["outer"]["config"]["layers"]}
    assert layers["inner"]["shared_object_id"] == inside["inner"]["shared_object_id"]
    assert "shared_object_id" not in layers["outer"]
    # Without the number each place gets a layer of its own.
    text = json.dumps(content).replace('"shared_object_id"', '"another_key"')
    assert len(model_from_json(text).weights) > len(model_inside_and_outside().weights)
    # And what is written once more is the same text.
    model = model_from_json(json.dumps(content))
    assert json.loads(model.to_json()) == content


@pytest.mark.parametrize("number", ["1", 1.0, True, [1], {}])
def test_numbers_that_are_none(number: Any) -> None:
    with pytest.raises(ValueError, match="whole number as shared_object_id"):
        deserialize({"class_name": "Dense", "config": {"units": 2}, "shared_object_id": number})


def test_one_number_for_two_classes() -> None:
    cells = [
        {"class_name": name, "config": {"units": 2}, "shared_object_id": 1} for name in ("GRUCell", "SimpleRNNCell")
    ]
    with pytest.raises(ValueError, match="1 for a GRUCell .* and for a SimpleRNNCell"):
        deserialize({"class_name": "StackedRNNCells", "config": {"cells": cells}})


def test_a_file_that_is_read_while_reading_another_is_apart() -> None:
    text = cell_of_two_layers().to_json()

    class Reader(Layer):
        """Its constructor reads a configuration with numbers of its own."""

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.kept = model_from_json(text)

        def call(self, x: Any) -> Any:
            return x

    dense = Dense(4)
    x = Input((4,))
    inner = Model(x, dense(x), name="inner")
    model = Model(x, Add()([inner(x), dense(Reader()(x))]))
    made = model_from_json(model.to_json(), {"Reader": Reader})
    assert len(made.get_layer("inner").weights) == 2
    assert made.get_layer("inner").weights[0] is made.get_layer(dense.name).weights[0]


# -- Keras 3 ------------------------------------------------------------------------------------

READ = """
import sys, numpy as np, keras
from pathlib import Path
directory = Path(sys.argv[1])
for path in sorted(directory.glob("*.npz")):
    with np.load(path) as file:
        x, expected = ([file[key] for key in sorted(file.files) if key[0] == part] for part in "xy")
    for ending in ("h5", "keras"):
        model = keras.models.load_model(path.with_suffix("." + ending), compile=False)
        found = model.predict(x if len(x) > 1 else x[0], verbose=0)
        for one, other in zip(found if isinstance(found, list) else [found], expected):
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6, err_msg=f"{path.stem}.{ending}")
        print(path.stem, ending)
"""


def test_keras_3_predicts_the_same(tmp_path: Path) -> None:
    # It makes copies of what is shared.
    for name, make in MODELS.items():
        model = make()
        model.set_weights([RNG.rand(*w.shape) for w in model.weights])
        x, _ = data_of(model)
        for ending in ("h5", "keras"):
            model.save(tmp_path / f"{name}.{ending}")
        listed = x if isinstance(x, list) else [x]
        arrays = {f"x{i}": v for i, v in enumerate(listed)} | {f"y{i}": v for i, v in enumerate(predicted(model, x))}
        np.savez(tmp_path / f"{name}.npz", **arrays)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "numpy", "KERAS_HOME": os.environ["KERAS_HOME"] + "/keras3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(done.stdout.split("\n")) == 2 * len(MODELS) + 1
