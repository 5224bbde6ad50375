"""What the configuration of a Lambda keeps, and which functions a configuration may name."""

from __future__ import annotations

import copy
import functools
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import LSTM, Dense, Input, Lambda, Masking
from multikeras.models import Model, Sequential, clone_model, load_model, model_from_json
from multikeras.utils import custom_object_scope, get_custom_objects, register_keras_serializable

X = np.random.RandomState(2).rand(3, 4).astype("float32")


@register_keras_serializable(package="tests")
def halved(x: Any) -> Any:
    return x / 2


@register_keras_serializable(package="tests")
def first_two_lengths(shape: Any) -> Any:
    return (*shape[:-1], 2)


@register_keras_serializable(package="tests")
def no_mask(inputs: Any, mask: Any = None) -> Any:
    return None


@register_keras_serializable(package="tests")
def other_mask(inputs: Any, mask: Any = None) -> Any:
    return K.any(K.not_equal(inputs, 0.5), axis=-1)


def of_another_process(text: str) -> str:
    """The configuration as a process meets it that never saw its functions."""
    content = json.loads(text)
    for layer in content["config"]["layers"]:
        layer["config"] = {key: value for key, value in layer["config"].items() if "digest" not in key}
    return json.dumps(content)


# -- what is kept -------------------------------------------------------------------------------


def test_registered_functions_are_found_everywhere(tmp_path: Path) -> None:
    model = Sequential([Lambda(halved, input_shape=(4,)), Dense(2)])
    content = json.loads(model.to_json())["config"]["layers"][0]["config"]
    assert content["function"] == "tests>halved"
    made = model_from_json(of_another_process(model.to_json()))
    made.set_weights(model.get_weights())
    np.testing.assert_array_equal(made.predict(X), model.predict(X))
    for ending in ("h5", "keras"):
        model.save(tmp_path / f"model.{ending}")
        np.testing.assert_array_equal(load_model(tmp_path / f"model.{ending}").predict(X), model.predict(X))


def test_shape_and_mask_of_the_output() -> None:
    steps = np.array([[[1, 1, 1, 1], [0, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]]], "float32")

    def masked(mask: Any) -> Model:
        x = Input((3, 4))
        return Model(x, LSTM(2)(Lambda(halved, mask=mask, name="half")(Masking()(x))))

    for mask in (other_mask, no_mask):
        model = masked(mask)
        made = model_from_json(of_another_process(model.to_json()))
        made.set_weights(model.get_weights())
        assert made.get_layer("half").mask is mask
        np.testing.assert_array_equal(made.predict(steps), model.predict(steps))
    # The masks matter.
    other = masked(no_mask)
    other.set_weights(model.get_weights())
    one = masked(other_mask)
    one.set_weights(model.get_weights())
    assert (one.predict(steps) != other.predict(steps)).any()

    for shape, expected in ((first_two_lengths, (None, 2)), ((2,), (None, 2)), ([2], (None, 2)), (None, (None, 2))):
        model = Sequential([Lambda(first_two, output_shape=shape, input_shape=(4,))])
        made = model_from_json(of_another_process(model.to_json()), {"first_two": first_two})
        assert made.output_shape == expected
        stated = made.layers[0].get_config()["output_shape"]
        assert stated == ("tests>first_two_lengths" if callable(shape) else shape and list(shape))


def first_two(x: Any) -> Any:
    return x[:, :2]


def scaled(x: Any, by: Any, plus: float = 0.0) -> Any:
    return x * by + plus


def test_arrays_among_the_arguments(tmp_path: Path) -> None:
    by = np.arange(4, dtype="float32")
    model = Sequential([Lambda(scaled, arguments={"by": by, "plus": 2.0}, input_shape=(4,))])
    for made in (model_from_json(model.to_json()), clone_model(model), copy.deepcopy(model), pickled(model)):
        kept = made.layers[0].arguments
        assert kept["by"].dtype == by.dtype and kept["plus"] == 2.0
        np.testing.assert_allclose(made.predict(X), X * by + 2)
    # As Keras 2 writes them.
    content = json.loads(model.to_json())
    content["config"]["layers"][0]["config"]["arguments"]["by"] = {"type": "ndarray", "value": [0.0, 1.0, 2.0, 3.0]}
    np.testing.assert_allclose(model_from_json(json.dumps(content)).predict(X), X * by + 2)


def pickled(model: Model) -> Model:
    made: Model = pickle.loads(pickle.dumps(model))
    return made


def test_a_mask_that_is_no_function() -> None:
    with pytest.raises(NotImplementedError, match="Lambda layer 'a' has a mask that is no function.*mask=function"):
        Lambda(halved, mask=K.constant([[True]]), name="a").get_config()


# -- digests ------------------------------------------------------------------------------------


def made_with(number: float) -> Callable[[Any], Any]:
    return lambda x: x * number


class Multiplier:
    def __init__(self, number: float) -> None:
        self.number = number

    def times(self, x: Any) -> Any:
        return x * self.number


ALIKE: dict[str, Callable[[float], Callable[..., Any]]] = {
    "closure": made_with,
    "default": lambda number: lambda x, number=number: x * number,
    "keyword": lambda number: lambda x, *, number=number: x * number,
    "array": lambda number: made_with(np.full(4, number)),  # type: ignore[arg-type]
    "function": lambda number: functools.partial(lambda f, x: f(x), made_with(number)),
    "partial": lambda number: functools.partial(scaled, by=number),
    "method": lambda number: Multiplier(number).times,
    "object": lambda number: (lambda kept: lambda x: x * kept.number)(Multiplier(number)),
}


@pytest.mark.parametrize("kind", ALIKE)
def test_functions_of_one_code_that_were_made_with_other_values(kind: str) -> None:
    model = Sequential([Lambda(ALIKE[kind](2.0), input_shape=(4,)), Lambda(ALIKE[kind](3.0))])
    digests = [layer.get_config()["digest"] for layer in model.layers]
    assert digests[0] and digests[0] != digests[1]
    for made in (model_from_json(model.to_json()), clone_model(model), copy.deepcopy(model)):
        np.testing.assert_allclose(made.predict(X), 6 * X, rtol=1e-6)


def test_a_function_whose_values_change() -> None:
    numbers = [2.0]
    model = Sequential([Lambda(lambda x: x * numbers[0], input_shape=(4,))])
    numbers[0] = 3.0
    np.testing.assert_allclose(clone_model(model).predict(X), 3 * X)


def test_a_function_that_is_gone_is_refused() -> None:
    text = Sequential([Lambda(made_with(5.0), input_shape=(4,))]).to_json()
    import gc

    gc.collect()
    with pytest.raises(ValueError, match=r"'<lambda>', which is not known here.*custom_objects=\{'<lambda>': function"):
        model_from_json(text)


# -- names --------------------------------------------------------------------------------------


def square(x: Any) -> Any:
    """A function of one's own, called like one of K."""
    return x * x + 1


def test_a_name_that_k_has_too_means_the_function_of_ones_own() -> None:
    model = Sequential([Lambda(square, input_shape=(4,))])
    text = of_another_process(model.to_json())
    with pytest.raises(ValueError, match="needs the function 'square', which is not known here"):
        model_from_json(text)
    with custom_object_scope({"square": square}):
        np.testing.assert_allclose(model_from_json(text).predict(X), X * X + 1, rtol=1e-6)


def test_functions_of_k_need_no_name_of_ones_own() -> None:
    model = Sequential([Lambda(K.square, input_shape=(4,)), Lambda(K.sum, arguments={"axis": 1, "keepdims": True})])
    made = model_from_json(of_another_process(model.to_json()))
    np.testing.assert_allclose(made.predict(X), (X * X).sum(1, keepdims=True), rtol=1e-6)


def test_what_the_caller_gives_counts_first() -> None:
    text = Sequential([Lambda(halved, input_shape=(4,))]).to_json()
    np.testing.assert_allclose(model_from_json(text, {"tests>halved": square}).predict(X), X * X + 1, rtol=1e-6)
    with custom_object_scope({"tests>halved": K.exp}):
        np.testing.assert_allclose(model_from_json(text).predict(X), np.exp(X), rtol=1e-6)
    assert "tests>halved" in get_custom_objects()
    with pytest.raises(ValueError, match="is not known here"):
        model_from_json(text, {"tests>halved": "no function"})
