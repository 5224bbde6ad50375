"""An error of a kernel says which operation it was and which layer or line made it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import registry
from multikeras.layers import Embedding, Input
from multikeras.models import Model
from multikeras.programs import lower

#: JAX's compiled programs cannot raise: there the rows of such indices are NaN.
RAISING = [name for name in ("numpy", "torch") if registry.installed()[name].installed]


@pytest.fixture(params=RAISING)
def backend(request: pytest.FixtureRequest, backend_restored: None) -> str:
    registry.set_backend(request.param)
    return str(request.param)


@pytest.mark.parametrize(
    ("indices", "worst"), [([[1, 5]], 5), ([[1, -6]], -6), ([[9, -7]], 9), ([[5, -99]], -99)], ids=str
)
def test_embedding_of_a_number_outside(backend: str, indices: Any, worst: int) -> None:
    x = Input((2,))
    model = Model(x, Embedding(5, 3, name="words")(x))
    model.compile("sgd", "mse")
    text = (
        rf"Index {worst} is outside an axis of length 5: indices go from 0 to 4, or from -5 to -1 .* longer "
        r"\(input_dim of an Embedding\)\. \(gather made at layer 'words', test_places\.py line \d+\)$"
    )
    for call in (
        lambda: model.predict(np.array(indices)),
        lambda: model.train_on_batch(np.array(indices), np.zeros((1, 2, 3))),
        lambda: model(np.array(indices)),
    ):
        with pytest.raises(IndexError, match=text):
            call()
    # What is no fault stays none.
    np.testing.assert_array_equal(model.predict(np.array([[-1, 4]]))[:, 0], model.predict(np.array([[4, 4]]))[:, 0])


@pytest.mark.parametrize("axis", [0, 1])
def test_gather_of_a_number_outside(backend: str, axis: int) -> None:
    indices = K.placeholder((None,), dtype="int32")
    rows = K.variable(np.zeros((3, 3, 2)))
    picked = (rows[indices], rows[:, indices], rows[0, 0][indices])
    for tensor in picked:
        with pytest.raises(IndexError, match=r"Index -4 is .* length .*\(gather made at test_places.py line \d+\)"):
            K.function([indices], [tensor])([[0, -4]])
    # The gradient alone reads no row of the variable.
    slope = K.gradients(K.sum(K.gather(rows, indices)), [rows])
    with pytest.raises(IndexError, match="Index 7 is outside an axis of length 3"):
        K.function([indices], slope)([[0, 7]])


def test_gather_of_no_rows(backend: str) -> None:
    indices = K.placeholder((None,), dtype="int32")
    with pytest.raises(IndexError, match="Index 2 was looked up along an axis of length 0, which has no entries"):
        K.function([indices], [K.gather(K.variable(np.zeros((0, 2))), indices)])([[2]])


def test_constants_outside(backend: str) -> None:
    picked = K.gather(K.constant(np.eye(3)), K.constant([0, 8], dtype="int32"))
    with pytest.raises(IndexError, match=r"Index 8 is .* \(gather made at test_places.py line \d+\)"):
        K.eval(picked)


class Refused(RuntimeError):
    """What a user's own function raises."""


def _refuse(x: Any) -> Any:
    raise Refused("no numbers today")


@pytest.mark.parametrize("statements", [5000, 3, 1])
def test_errors_of_others_carry_a_note(backend: str, monkeypatch: pytest.MonkeyPatch, statements: int) -> None:
    # In pieces of so many statements.
    monkeypatch.setattr(lower, "CHUNK", statements)
    x = K.placeholder((2,))
    fine = K.exp(K.sin(x) + K.cos(x) * K.tanh(x))
    made = K.numpy_function(_refuse, [fine], (2,), "float32")
    f = K.function([x], [K.sum(K.exp(made) * fine), K.sqrt(fine)])
    for run in (lambda: f([[1, 2]]), lambda: K.eval(K.numpy_function(_refuse, [K.constant(2.0)], (), "float32") * 2)):
        with pytest.raises(Refused, match="no numbers today") as caught:
            run()
        assert len(caught.value.__notes__) == 1
        assert caught.value.__notes__[0].startswith("It was raised in host_call made at test_places.py line ")


def test_jax_fills_with_nan() -> None:
    if not registry.installed()["jax"].installed:
        pytest.skip("JAX is not installed")
    with K.use_backend("jax"):
        picked = K.eval(K.gather(K.variable(np.eye(3)), K.constant([0, 3, -1, -4], dtype="int32")))
    np.testing.assert_array_equal(np.isnan(picked).all(-1), [False, True, False, True])
    np.testing.assert_array_equal(picked[[0, 2]], np.eye(3)[[0, 2]])
