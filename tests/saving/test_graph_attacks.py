"""Graphs of files that ask primitives for what they are not for: nothing is written, read or computed beyond arrays."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.contract import PRIMITIVES, is_float
from multikeras.graph.gradients import gradients
from multikeras.layers import Dense, Input
from multikeras.models import Model, load_savedmodel
from multikeras.saving import CorruptFileError, UnsafeFileError, export_savedmodel
from multikeras.saving.graphs.graph_format import from_data, to_data
from multikeras.testing.functions import CASES

Entry = dict[str, Any]


def constant(value: Any) -> Entry:
    array = np.asarray(value)
    content = base64.b64encode(array.tobytes()).decode()
    return {"constant": content, "shape": list(array.shape), "dtype": array.dtype.name}


def operation(name: str, of: list[int], **attributes: Any) -> Entry:
    return {"op": name, "of": of, "attributes": {key: _attribute(value) for key, value in attributes.items()}}


def _attribute(value: Any) -> Any:
    return {"tuple": [_attribute(entry) for entry in value]} if isinstance(value, tuple) else value


def loaded(entries: list[Entry], shape: tuple[int | None, ...] = (None, 3), directory: Any = "out") -> Model:
    """The model of a directory whose graph has these entries after its input; the last one is the output."""
    if not Path(directory).exists():
        x = Input((3,), name="i")
        export_savedmodel(Model(x, Dense(2, name="dense")(-x)), directory)
    place = Path(directory) / "graph.json"
    content = json.loads(place.read_text())
    begin = {"input": 0, "shape": list(shape), "dtype": "float32"}
    content["graph"] = {"entries": [begin, *entries], "outputs": [len(entries)]}
    place.write_text(json.dumps(content))
    return load_savedmodel(directory)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


PICTURES = (None, 4, 4, 1)
POOL: dict[str, Any] = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}
CONV: dict[str, Any] = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
KERNEL = constant(np.ones((2, 2, 1, 1), "float32"))


def conv(**changes: Any) -> list[Entry]:
    return [KERNEL, operation("conv", [0, 1], **{**CONV, **changes})]


def pool(**changes: Any) -> list[Entry]:
    return [operation("sum_pool", [0], **{**POOL, **changes})]


def loop(entries: list[Entry], results: list[int], inputs: int = 2, **attributes: Any) -> list[Entry]:
    """A scan without sequences, of one carry; the body has the number of the step and the carry as inputs."""
    begin = [{"input": 0, "shape": [], "dtype": "int32"}]
    begin += [{"input": i, "shape": [None, 3], "dtype": "float32"} for i in range(1, inputs)]
    body = {"graph": {"entries": [*begin, *entries], "outputs": results}, "label": "step"}
    given = {"num_sequences": 0, "num_carries": 1, "length": 2, "reverse": False, **attributes}
    return [operation("scan", [0], body=body, **given), {"item": 0, "of": 1}]


TAKES_NO = "takes no"
RESIDUAL = "residual of something else"

BAD: dict[str, tuple[list[Entry], str, tuple[int | None, ...]]] = {
    # NumPy's own functions write into what they are given beside their inputs.
    "a third input to add": ([operation("add", [0, 0, 0])], "takes 2 inputs, and is given 3", (None, 3)),
    "a second input to sin": ([operation("sin", [0, 0])], "takes 1 inputs, and is given 2", (None, 3)),
    "weights to write into": (
        [{"variable": 0}, operation("negative", [1, 1])],
        "takes 1 inputs, and is given 2",
        (None, 3),
    ),
    "inputs left out": ([operation("where", [0, 0])], "takes 3 inputs, and is given 2", (None, 3)),
    "an input as an attribute": ([operation("where", [0, 0], y={"entry": 0})], "has no attributes", (None, 3)),
    # Residuals say where to write.
    "a residual of constants": (
        [
            constant(np.ones((2, 2, 2, 1), "float32")),
            constant(np.full((2, 1, 2, 2), 10**9)),
            operation("max_pool_gradient", [1, 0, 1, 2], **POOL),
        ],
        RESIDUAL,
        PICTURES,
    ),
    "a residual of a larger pooling": (
        [
            constant(np.ones((2, 2, 2, 1), "float32")),
            constant(np.ones((2, 400, 400, 1), "float32")),
            operation("max_pool", [2], **{**POOL, "window": (200, 200), "strides": (200, 200)}),
            {"item": 0, "of": 3},
            {"item": 1, "of": 3},
            operation("max_pool_gradient", [1, 0, 4, 5], **POOL),
        ],
        RESIDUAL,
        PICTURES,
    ),
    "a residual of other windows": (
        [
            operation("max_pool", [0], **{**POOL, "window": (1, 1)}),
            {"item": 0, "of": 1},
            {"item": 1, "of": 1},
            operation("max_pool_gradient", [2, 0, 2, 3], **POOL),
        ],
        RESIDUAL,
        PICTURES,
    ),
    "a residual to compute with": (
        [operation("max_pool", [0], **POOL), {"item": 1, "of": 1}, operation("negative", [2])],
        RESIDUAL,
        PICTURES,
    ),
    "a residual as the output": (
        [operation("max_pool", [0], **POOL), {"item": 1, "of": 1}],
        "only gradients read",
        PICTURES,
    ),
    # Views of windows.
    "strides of 0": (conv(strides=(0, 1)), TAKES_NO, PICTURES),
    "strides below 0": (conv(strides=(-1, -1)), TAKES_NO, PICTURES),
    "strides of fractions": (conv(strides=(0.5, 1)), TAKES_NO, PICTURES),
    "strides of flags": (conv(strides=(True, True)), TAKES_NO, PICTURES),
    "dilation below 0": (conv(dilation=(-9, 1)), TAKES_NO, PICTURES),
    "padding below 0": (conv(padding=((-2, 9), (0, 0))), TAKES_NO, PICTURES),
    "padding of three": (conv(padding=((1, 2, 3), (0, 0))), TAKES_NO, PICTURES),
    "padding of another word": (conv(padding="x"), TAKES_NO, PICTURES),
    "no groups": (conv(groups=0), TAKES_NO, PICTURES),
    "windows of 0": (pool(window=(0, 0)), TAKES_NO, PICTURES),
    "windows below 0": (pool(window=(-2, -2)), TAKES_NO, PICTURES),
    "windows as a tensor": (pool(window={"entry": 0}), TAKES_NO, PICTURES),
    # Types, numbers, axes.
    "objects": ([operation("cast", [0], dtype="object")], TAKES_NO, (None, 3)),
    "a gigabyte an entry": ([operation("iota", [], length=1, dtype="V1000000000")], TAKES_NO, (None, 3)),
    "an axis that is a text": ([operation("argmax", [0], axis="x")], TAKES_NO, (None, 3)),
    "a flag that is a number": ([operation("reduce_sum", [0], axis=(0,), keepdims=1)], TAKES_NO, (None, 3)),
    "a rate of 1": (
        [{"random": 1}, operation("dropout_mask", [1], shape=(3,), rate=1, dtype="float32")],
        TAKES_NO,
        (3,),
    ),
    "a number without end": ([operation("iota", [], length=10**100, dtype="int32")], TAKES_NO, (None, 3)),
    "a shape without end": ([operation("broadcast_to", [0], shape=(1,) * 1000)], TAKES_NO, (None, 3)),
    "axes without end": ([operation("expand_dims", [i], axis=(0,)) for i in range(80)], "65 axes", (None, 3)),
    # Bodies.
    "a body of other inputs": (loop([], [1], inputs=3), "do not fit its 1 inputs", (None, 3)),
    "a body without results": (loop([], []), "do not fit its 1 inputs", (None, 3)),
    "more carries than inputs": (loop([], [1, 1], num_carries=2), "do not fit its 1 inputs", (None, 3)),
    "steps below 0": (loop([], [1], length=-1), TAKES_NO, (None, 3)),
    "steps of training": ([operation("sgd_update", [0] * 5)], "may not ask for the primitive", (None, 3)),
}


@pytest.mark.parametrize("name", BAD)
def test_primitives_get_what_they_are_for(name: str) -> None:
    entries, words, shape = BAD[name]
    with pytest.raises((CorruptFileError, UnsafeFileError), match=rf"graph\.json: .*{words}"):
        loaded(entries, shape)


def test_the_same_graphs_without_the_attack() -> None:
    x = np.random.RandomState(0).rand(2, 4, 4, 1).astype("float32")
    assert loaded(conv(), PICTURES).predict(x).shape == (2, 3, 3, 1)
    np.testing.assert_allclose(loaded(pool(), PICTURES).predict(x)[:, 0, 0], x[:, :2, :2].sum((1, 2)), rtol=1e-5)
    graph = [operation("max_pool", [0], **POOL), {"item": 0, "of": 1}, {"item": 1, "of": 1}]
    graph.append(operation("max_pool_gradient", [2, 0, 2, 3], **POOL))
    expected = np.where(x == x.reshape(2, 2, 2, 2, 2, 1).max((2, 4)).repeat(2, 1).repeat(2, 2), x, 0)
    np.testing.assert_array_equal(loaded(graph, PICTURES).predict(x), expected)
    y = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(loaded(loop([operation("add", [1, 1])], [2])).predict(y), 4 * y)


SQUARES = [constant(np.int64(3)), *[operation("multiply", [i, i]) for i in range(1, 60)]]
PRODUCTS = [constant(np.full(60, 1 << 62)), *[operation("multiply", [i, i]) for i in range(1, 60)]]


@pytest.mark.parametrize(
    "entries", [SQUARES, PRODUCTS, [*PRODUCTS, operation("reduce_prod", [60], axis=(0,), keepdims=False)]]
)
def test_numbers_that_are_known_stay_numbers_of_64_bits(entries: list[Entry]) -> None:
    """Sixty squares of 3 would have a number of 10 ** 18 bits."""
    loaded(entries)
    x = K.constant(3, "int64")
    for _ in range(5):
        x = x * x
    assert x.known == 3**32
    assert (x * x).known is None


def test_what_is_joined_with_itself_again_and_again() -> None:
    """Nothing sixty times, as parts of one joint 2 ** 60."""
    x = np.ones((0, 3), "float32")
    entries = [constant(x), *[operation("concatenate", [i, i], axis=0) for i in range(1, 60)]]
    entries.append(operation("concatenate", [0, 60], axis=0))
    np.testing.assert_array_equal(loaded(entries).predict(np.ones((2, 3))), np.ones((2, 3)))


def test_a_shape_is_not_as_long_as_a_file_says() -> None:
    """A list of 10 ** 9 unknown lengths would take 8 GB."""
    long = operation("iota", [], length=10**9, dtype="int64")
    with pytest.raises(ValueError, match=r"cannot stand for a shape: .*at most 64"):
        loaded([long, operation("reshape", [0], shape={"entry": 1})])
    loaded([long, operation("concatenate", [1, 1], axis=0)])


ADJOINTS: dict[str, tuple[Callable[[], list[Entry]], str]] = {
    # Libraries read past the end of an array that is shorter than it should be.
    "samples for a kernel": (
        lambda: [
            constant(np.ones((1, 4, 4, 1), "float32")),
            operation("conv_kernel_gradient", [0, 1], shape=(1, 1, 1, 1), **CONV),
        ],
        r"shape \(2, 4, 4, 1\), received one of shape \(1, 4, 4, 1\)",
    ),
    "windows for a kernel": (
        lambda: [operation("conv_kernel_gradient", [0, 0], shape=(2, 2, 1, 1), **CONV)],
        r"shape \(2, 3, 3, 1\), received one of shape \(2, 4, 4, 1\)",
    ),
    "samples for an input": (
        lambda: [KERNEL, operation("conv_input_gradient", [0, 1], shape=(200, 5, 5, 1), **CONV)],
        r"shape \(200, 4, 4, 1\), received one of shape \(2, 4, 4, 1\)",
    ),
    "samples of sums": (
        lambda: [operation("sum_pool_gradient", [0], shape=(2000, 8, 8, 1), **POOL)],
        r"shape \(2000, 4, 4, 1\), received one of shape \(2, 4, 4, 1\)",
    ),
    "places of a greatest entry": (
        lambda: [
            operation("max_pool", [0], **POOL),
            {"item": 0, "of": 1},
            {"item": 1, "of": 1},
            operation("max_pool_gradient", [0, 0, 2, 3], **POOL),
        ],
        r"shape \(2, 2, 2, 1\), received one of shape \(2, 4, 4, 1\)",
    ),
}


@pytest.mark.parametrize("name", ADJOINTS)
def test_gradients_are_of_the_shape_that_they_are_for(name: str, each_backend: str) -> None:
    entries, words = ADJOINTS[name]
    model = loaded(entries(), PICTURES)
    with pytest.raises(ValueError, match=f"takes a gradient of {words}"):
        model.predict(np.ones((2, 4, 4, 1), "float32"))


def test_every_function_and_its_gradient_are_read_again() -> None:
    """What the checks allow is what graphs are made of."""
    read = 0
    for case in CASES:
        column = next((each for each in case.run_in if case.result_type(each) is not None), None)
        if column is None:
            continue
        places, result = case.apply(column)
        wanted = [place for place in places if is_float(place.dtype)]
        found = gradients([result], wanted) if wanted and is_float(result.dtype) else []
        for outputs in ([result], [g for g in found if g is not None]):
            try:
                data = json.loads(json.dumps(to_data(places, outputs, [], "the case")))
            except NotImplementedError:
                continue
            _, again = from_data(data, None, [], "the case")
            assert [(t.shape, t.dtype) for t in again] == [(t.shape, t.dtype) for t in outputs], case.id
            read += 1
    assert read > 600


def test_every_attribute_has_a_check() -> None:
    from multikeras.saving.graphs.attributes import VALUES, number_of_inputs

    asked = [p for name, p in PRIMITIVES.items() if "." not in name]
    assert {p.name for p in asked if number_of_inputs(p) is None} <= {
        *("scan", "cond", "while_loop", "after", "concatenate", "host_call", "custom_gradient"),
        *("sgd_update", "rmsprop_update", "adam_update"),
    }
    for value in (None, object(), [1], {"a": 1}, ("x",), "__class__", float("nan"), (float("nan"),)):
        accepted = {name for name, check in VALUES.items() if check(value)}
        assert accepted <= {"maximum_iterations", "value"}, (value, accepted)
