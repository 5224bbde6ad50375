"""Every function exists, takes its arguments by position and by name, and has the defaults that it should have.

What should be stands in `spec_signatures` and `spec_spellings`.
"""

from __future__ import annotations

import ast
import inspect
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from spec_calls import CALLS, normal, step
from spec_signatures import BEYOND, KERAS_2_3, PROMISED
from spec_spellings import FORMATS, SPELLINGS

from multikeras import backend as K
from multikeras.graph.tensor import Tensor

Arguments = dict[str, Any]
REQUIRED = inspect.Parameter.empty


def _parsed(text: str) -> dict[str, Arguments]:
    """By function: arguments in their order, with defaults."""
    made = {}
    for line in text.split("\n"):
        if not line:
            continue
        definition = ast.parse(f"def {line}: pass").body[0]
        assert isinstance(definition, ast.FunctionDef)
        names = [a.arg for a in definition.args.args]
        defaults = [ast.literal_eval(d) for d in definition.args.defaults]
        values = [*[REQUIRED] * (len(names) - len(defaults)), *defaults]
        made[definition.name] = dict(zip(names, values, strict=True))
    return made


SPECIFIED = {**_parsed(KERAS_2_3), **_parsed(PROMISED), **_parsed(BEYOND)}


#: Functions whose specification of Keras 2.3 has arguments that `PROMISED` puts elsewhere: these go by name.
BY_NAME = {"placeholder": {"sparse"}, "ctc_decode": {"merge_repeated"}}


@pytest.mark.parametrize("name", SPECIFIED)
def test_arguments_and_defaults(name: str) -> None:
    parameters = inspect.signature(getattr(K, name)).parameters
    for text in (PROMISED, KERAS_2_3, BEYOND):
        expected = _parsed(text).get(name, {})
        loose = BY_NAME.get(name, set())
        order = [p.name for p in parameters.values() if p.name not in loose]
        wanted = [argument for argument in expected if argument not in loose]
        assert order[: len(wanted)] == wanted
        for argument, default in expected.items():
            held = parameters[argument].default
            # None where the specification requires it, is a default that the global setting fills.
            assert held == default or (default is REQUIRED and held is None)
        extra = [p for p in parameters.values() if expected and p.name not in expected]
        assert all(p.default is not REQUIRED or p.kind is inspect.Parameter.VAR_KEYWORD for p in extra)


def _result(made: Any) -> Any:
    """What a call made, in a form that can be compared."""
    if isinstance(made, Tensor):
        value = None if K.is_placeholder(made) else K.eval(made)
        return made.dtype, made.shape, bool(getattr(made, "is_sparse", False)), value
    if isinstance(made, (list, tuple)):
        return [_result(m) for m in made]
    if isinstance(made, AbstractContextManager):
        with made as entered:
            return entered
    return made([]) if isinstance(made, type(K.function([], []))) else made


def _arguments(name: str) -> list[Any]:
    given = CALLS.get(name, [])
    return list(given() if callable(given) else given)


@pytest.mark.parametrize("name", sorted(SPECIFIED.keys() - {"get_session", "set_session"}))
def test_by_position_and_by_name(name: str) -> None:
    function = getattr(K, name)
    names = list(SPECIFIED[name])
    for other in (_parsed(KERAS_2_3), _parsed(PROMISED)):
        names += [n for n in other.get(name, {}) if n not in names and n not in BY_NAME.get(name, ())]
    first, second = _arguments(name), _arguments(name)
    assert len(first) >= len(names), f"the call of {name} lacks {names[len(first) :]}"
    loose = dict(zip(BY_NAME.get(name, ()), first[len(names) :], strict=False))
    K.clear_session()
    placed = _result(function(*first[: len(names)], **loose))
    K.clear_session()
    named = _result(function(**dict(zip(names, second, strict=False)), **loose))
    np.testing.assert_equal(named, placed)


# -- spellings of Keras 1 and others ------------------------------------------------------------


@pytest.mark.parametrize("entry", SPELLINGS, ids=lambda e: f"{e[0]}-{'-'.join(e[2])}")
def test_spellings(entry: Any) -> None:
    old, arguments, keywords, (present, given, named) = entry
    expected = _result(getattr(K, present)(*given, **named))
    K.set_floatx("float32")
    np.testing.assert_equal(_result(getattr(K, old)(*arguments, **keywords)), expected)


def test_mask_of_three_axes_is_that_of_two() -> None:
    x, mask = K.constant(normal(2, 3, 4)), np.array([[1, 0, 1], [0, 1, 1]])
    results = [K.rnn(step, x, [K.zeros((2, 4))], mask=K.constant(m)) for m in (mask, mask[..., None])]
    np.testing.assert_equal(_result(results[0]), _result(results[1]))


def test_images_of_two_orders_under_one_setting() -> None:
    """The setting decides where no order is given; a word decides where one is."""
    x = normal(1, 2, 3, 4)
    for word, old in (("channels_first", "th"), ("channels_last", "tf")):
        K.set_image_data_format(word)
        expected = [K.eval(K.pool2d(x, (2, 2), data_format=word)), K.eval(K.resize_images(x, 2, 1, word))]
        for keywords in ({}, {"data_format": old}, {"data_format": None}, {"dim_ordering": old}):
            found = [K.eval(K.pool2d(x, (2, 2), **keywords)), K.eval(K.resize_images(x, 2, 1, **keywords))]
            np.testing.assert_equal(found, expected)


# -- data formats and padding -------------------------------------------------------------------


def _first(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, -1, 1)


@pytest.mark.parametrize("entry", FORMATS, ids=lambda e: f"{e[0]}-{e[2].get('padding', '')}")
def test_channels_first_is_channels_last_transposed(entry: Any, each_backend: str) -> None:
    name, x, arguments = entry
    shape = arguments.get("output_shape")
    turned = {**arguments, **({} if shape is None else {"output_shape": (shape[0], shape[-1], *shape[1:-1])})}
    last = K.eval(getattr(K, name)(x, **arguments, data_format="channels_last"))
    first = K.eval(getattr(K, name)(_first(x), **turned, data_format="channels_first"))
    np.testing.assert_allclose(first, _first(last), rtol=1e-5, atol=1e-5)
    if arguments.get("padding") == "same" and "transpose" not in name:
        strides = np.broadcast_to(arguments.get("strides", 1), x.ndim - 2)
        assert last.shape[1:-1] == tuple(-(-n // s) for n, s in zip(x.shape[1:-1], strides, strict=True))
