"""Architectures as JSON and YAML, and models as bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import LSTM, Concatenate, Dense, Embedding, Input, Lambda
from multikeras.models import (
    Model,
    Sequential,
    model_from_config,
    model_from_json,
    model_from_yaml,
    serialize_model,
    unserialize_model,
)
from multikeras.saving import CorruptFileError, UnsafeFileError
from multikeras.saving.reading.yaml_data import parsed

X = np.random.RandomState(1).rand(6, 4)


def nested() -> Model:
    a, b = Input((4,), name="a"), Input((4,), name="b")
    inner = Sequential([Dense(3, activation="relu", kernel_regularizer="l2", input_shape=(4,))], name="inner")
    return Model([a, b], Dense(8, name="end")(K.tanh(Concatenate()([inner(a), inner(b)]))))


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_an_architecture_can_be_read_edited_and_built(form: str) -> None:
    if form == "yaml":
        pytest.importorskip("yaml")
    model = nested()
    text = getattr(model, f"to_{form}")(**({"indent": 2} if form == "json" else {}))
    build = {"json": model_from_json, "yaml": model_from_yaml}[form]
    made = build(text)
    made.set_weights(model.get_weights())
    np.testing.assert_array_equal(made.predict([X, X]), model.predict([X, X]))
    edited = '"units": 8' if form == "json" else "units: 8"
    assert edited in text
    assert build(text.replace(edited, edited.replace("8", "5"))).output_shape == (None, 5)


def test_a_text_says_which_keras_it_is_for() -> None:
    content = json.loads(nested().to_json())
    assert content["class_name"] == "Model" and content["keras_version"].startswith("2.")


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "python object": ("!!python/object/apply:os.system ['true']", UnsafeFileError, "asks for a Python object"),
    "python name": ("class_name: !!python/name:os.system x", UnsafeFileError, "asks for a Python object"),
    "references": (
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)),
        UnsafeFileError,
        "stands for more than 1,000,000 entries",
    ),
    "reference to itself": ("&a [*a]", UnsafeFileError, "refers to itself"),
    "brackets": ("[" * 60_000, UnsafeFileError, "nested too deep"),
    "lists": ("- " * 20_000, UnsafeFileError, "nested too deep"),
    "bytes": ("a: !!binary eA==", UnsafeFileError, "asks for a Python object, 'binary'"),
    "set": ("!!set {a, b}", UnsafeFileError, "asks for a Python object, 'set'"),
    "key": ("{[1]: 2}", CorruptFileError, "a key is a sequence"),
    "other kind": ("!!int [1]", CorruptFileError, "a sequence is marked as 'int'"),
    "digits": ("a: " + "9" * 5000, CorruptFileError, "is no number"),
    "several": ("--- a\n--- b\n", CorruptFileError, "is no YAML"),
    "no yaml": ("a: [", CorruptFileError, "is no YAML"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_yaml_never_makes_python_objects(name: str) -> None:
    pytest.importorskip("yaml")
    text, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words):
        model_from_yaml(text)


def test_yaml_of_keras_2_with_its_tuples_and_references() -> None:
    pytest.importorskip("yaml")
    model = model_from_yaml(
        """
backend: tensorflow
class_name: Sequential
config:
  layers:
  - class_name: Conv2D
    config: {batch_input_shape: !!python/tuple [null, 6, 6, 1], filters: 2, kernel_size: &id001 !!python/tuple [3, 3],
      name: one, kernel_initializer: {class_name: VarianceScaling, config: {scale: 1.0, mode: fan_avg,
      distribution: uniform, seed: null}}, kernel_regularizer: {class_name: L1L2, config: {l1: 0.0, l2: 1.0e-07}}}
  - class_name: Conv2D
    config: {filters: 3, kernel_size: *id001, name: !!python/unicode 'two', use_bias: false, activation: relu}
  name: m
keras_version: 2.1.2
"""
    )
    assert model.output_shape == (None, 2, 2, 3)
    assert [layer.name for layer in model.layers] == ["one", "two"]
    assert model.layers[1].kernel_size == (3, 3) and model.layers[1].use_bias is False


def test_numbers_of_yaml_are_read_as_they_are_written() -> None:
    yaml = pytest.importorskip("yaml")
    values: list[Any] = [0, -7, 12.5, 1e-07, 1e300, float("inf"), True, False, None]
    values += ["", "1:30", "2020-01-01", "yes", "0x1f", "1e5", ".", "~", "é", "a: b", "7"]
    assert parsed(yaml.safe_dump(values), "the text") == values


def test_json_that_is_none_or_too_deep() -> None:
    with pytest.raises(CorruptFileError, match="is no JSON"):
        model_from_json("{")
    with pytest.raises(UnsafeFileError, match="nested too deep"):
        model_from_json("[" * 100_000)
    with pytest.raises(ValueError, match="Unknown layer 'Nothing'"):
        model_from_json('{"class_name": "Nothing", "config": {}}')


def test_functions_are_found_by_name_alone() -> None:
    def plus(x: Any) -> Any:
        return x + 1

    text = Sequential([Lambda(plus, input_shape=(2,))]).to_json()
    # As another process would meet it.
    content = json.loads(text)
    content["config"]["layers"][0]["config"]["digest"] = None
    with pytest.raises(ValueError, match="custom_objects=.'plus': function."):
        model_from_json(json.dumps(content))
    made = model_from_json(json.dumps(content), custom_objects={"plus": plus})
    np.testing.assert_array_equal(made.predict(np.zeros((1, 2))), [[1, 1]])


def test_bytes_hold_the_compiled_model() -> None:
    model = Sequential([Embedding(5, 3, input_length=4), LSTM(2)])
    model.compile("adam", "mse")
    x = np.array([[1, 2, 3, 4]])
    model.train_on_batch(x, np.zeros((1, 2)))
    content = serialize_model(model)
    assert isinstance(content, bytes)
    made = unserialize_model(content)
    np.testing.assert_array_equal(made.predict(x), model.predict(x))
    for m in (model, made):
        m.train_on_batch(x, np.ones((1, 2)))
    np.testing.assert_array_equal(made.predict(x), model.predict(x))


@pytest.mark.parametrize("name", ["hard_sigmoid", "hard_sigmoid_6"])
def test_configurations_that_programs_take_out_of_a_file(tmp_path: Path, name: str) -> None:
    h5py = pytest.importorskip("h5py")
    x = Input((4,))
    models: list[Model] = [
        Sequential([LSTM(3, recurrent_activation=name, input_shape=(2, 4)), Dense(2, activation=name)]),
        Model(x, Dense(2, activation=name)(Concatenate()([x, Dense(3)(x)]))),
    ]
    for model, data in zip(models, (X.reshape(3, 2, 4), X), strict=True):
        model.save(tmp_path / "m.h5")
        with h5py.File(tmp_path / "m.h5", "r") as file:
            text = file.attrs["model_config"]
        content = json.loads(text)
        for made in (model_from_json(text), model_from_config(content), type(model).from_config(content["config"])):
            made.load_weights(tmp_path / "m.h5")
            np.testing.assert_array_equal(made.predict(data), model.predict(data))
