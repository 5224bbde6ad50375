"""Tensors as Python objects: operators, NumPy's functions, iteration, identity, names, provenance, lifetime."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import multikeras.backend  # noqa: F401 - NumPy's functions on tensors are those of K
from multikeras.graph import operands
from multikeras.graph.context import building, context
from multikeras.graph.ops import elementwise, shapes
from multikeras.graph.tensor import Constant, Placeholder, Tensor, ValueTensor, Variable
from multikeras.programs import settings
from multikeras.testing import run


def p(*shape: int | None, dtype: str = "float32") -> Placeholder:
    return Placeholder(shape, dtype)


def variable(value: Any, dtype: str = "float32") -> Variable:
    array = np.asarray(value, dtype)
    return Variable(array.shape, dtype, array)


def value(tensor: Tensor, feeds: dict[Tensor, Any] | None = None) -> np.ndarray:
    return run(tensor, feeds, backend="numpy")


# -- operators ------------------------------------------------------------------------------------

FLOAT_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "//": lambda x, y: x // y,
    "%": lambda x, y: x % y,
    "**": lambda x, y: x**y,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
}


@pytest.mark.parametrize("sign", sorted(FLOAT_OPERATORS))
@pytest.mark.parametrize("other", [2, 2.5, np.float64(2.5), np.array([2.0, 0.5, 3.0]), [2.0, 0.5, 3.0]], ids=repr)
def test_operator_from_both_sides(sign: str, other: Any) -> None:
    operate = FLOAT_OPERATORS[sign]
    array = np.array([1.5, 2.5, 0.5], "float32")
    x = p(3)
    for build, expected in (
        (lambda: operate(x, other), operate(array, np.asarray(other, "float32"))),
        (lambda: operate(other, x), operate(np.asarray(other, "float32"), array)),
        (lambda: operate(x, x), operate(array, array)),
    ):
        made = build()
        # Numbers and arrays beside a tensor take its type, whatever NumPy would do.
        assert isinstance(made, Tensor)
        assert made.dtype == ("bool" if sign[0] in "<>" else "float32")
        np.testing.assert_allclose(value(made, {x: array}), expected, 1e-6)


def test_unary_operators() -> None:
    x = p(3)
    at = {x: np.array([-1.0, 0.0, 2.5])}
    np.testing.assert_array_equal(value(-x, at), [1, 0, -2.5])
    np.testing.assert_array_equal(value(+x, at), at[x])
    np.testing.assert_array_equal(value(abs(x), at), [1, 0, 2.5])
    np.testing.assert_array_equal(value(~(x > 0), at), [True, True, False])


def test_matrix_product() -> None:
    x, a = p(2, 3), np.arange(6.0).reshape(3, 2)
    at = {x: np.arange(6.0).reshape(2, 3)}
    np.testing.assert_array_equal(value(x @ a, at), at[x] @ a)
    np.testing.assert_array_equal(value(a @ x, at), a @ at[x])


def test_logic_and_bits() -> None:
    x, n = p(4), p(4, dtype="int32")
    at = {x: np.array([-1.0, 0.5, 2.0, 3.0]), n: np.array([12, 10, 7, 1])}
    np.testing.assert_array_equal(value((x > 0) & (x < 3), at), [False, True, True, False])
    np.testing.assert_array_equal(value((x > 2) | (x < 0), at), [True, False, False, True])
    np.testing.assert_array_equal(value((x > 0) ^ True, at), [True, False, False, False])
    np.testing.assert_array_equal(value(n & 6, at), at[n] & 6)
    np.testing.assert_array_equal(value(n | 1, at), at[n] | 1)
    np.testing.assert_array_equal(value(3 ^ n, at), at[n] ^ 3)


@pytest.mark.parametrize(
    ("dtype", "other", "expected"),
    [
        ("float32", 1, "float32"),
        ("float32", 1.5, "float32"),
        ("float32", np.float64(1.5), "float32"),
        ("float32", np.arange(3), "float32"),
        ("float64", np.float32(1.5), "float64"),
        ("float16", np.ones(3), "float16"),
        ("int32", 2, "int32"),
        ("int32", 2.5, "float32"),
        ("int32", np.ones(3), "float32"),
        ("int64", True, "int64"),
        ("uint8", 3, "uint8"),
        ("bool", 1, "int32"),
        ("bool", 1.5, "float32"),
    ],
)
def test_numbers_are_weak(dtype: str, other: Any, expected: str) -> None:
    assert (p(3, dtype=dtype) + other).dtype == expected
    assert (other + p(3, dtype=dtype)).dtype == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("int32", "float16", "float16"),
        ("float32", "float64", "float64"),
        ("bfloat16", "float16", "float32"),
        ("bool", "uint8", "uint8"),
        ("int32", "int64", "int64"),
        ("uint8", "int8", "int16"),
        ("uint32", "int32", "int64"),
        ("uint16", "int64", "int64"),
    ],
)
def test_tensors_are_strong(first: str, second: str, expected: str) -> None:
    assert (p(3, dtype=first) * p(3, dtype=second)).dtype == expected
    assert (p(3, dtype=second) * p(3, dtype=first)).dtype == expected


def test_division_of_integers_gives_floats() -> None:
    made = p(3, dtype="int32") / 2
    assert made.dtype == "float32"


# -- NumPy ----------------------------------------------------------------------------------------


def test_ufuncs_build_graph() -> None:
    w = variable([1.0, 4.0, 9.0])
    for made, expected in (
        (np.sqrt(w), [1, 2, 3]),
        (np.float64(2) * w, [2, 8, 18]),
        (np.ones(3) * w, [1, 4, 9]),
        (np.array([1, 2, 3]) - w, [0, -2, -6]),
        (np.maximum(w, 4), [4, 4, 9]),
        (np.negative(w), [-1, -4, -9]),
        (np.exp(w * 0), [1, 1, 1]),
    ):
        assert isinstance(made, Tensor)
        assert made.dtype == "float32"
        np.testing.assert_allclose(value(made), expected, 1e-6)


def test_gradient_flows_through_numpy() -> None:
    from multikeras.graph.gradients import gradients

    w = variable([1.0, 4.0])
    (g,) = gradients([np.sqrt(w) * np.float64(3)], [w])
    assert g is not None
    np.testing.assert_allclose(value(g), [1.5, 0.75], 1e-6)


def test_other_ufuncs_are_refused() -> None:
    w = variable([1.0, 2.0])
    with pytest.raises(TypeError, match=r"np\.nextafter cannot be applied to a tensor.*K\.numpy_function"):
        np.nextafter(w, 0.5)
    with pytest.raises(TypeError, match=r"np\.add\.reduce cannot be applied"):
        np.add.reduce(w)
    with pytest.raises(TypeError, match=r"np\.multiply cannot be applied to a tensor with out"):
        np.multiply(np.ones(2), w, out=np.ones(2))
    array = np.ones(2)
    with pytest.raises(TypeError, match="cannot be applied"):
        array += w


def test_other_functions_are_refused() -> None:
    w = variable([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(TypeError, match=r"np\.trapezoid cannot be applied to a tensor"):
        np.trapezoid(w)


# -- identity -------------------------------------------------------------------------------------


def test_equality_between_tensors_is_identity() -> None:
    x, y = p(3), p(3)
    assert x == x
    assert (x == y) is False
    assert (x != y) is True
    assert (x == None) is False  # noqa: E711
    assert (x == "x") is False
    assert y in [x, y]
    assert [x, y].index(y) == 1
    assert {x: 1, y: 2}[y] == 2
    assert x not in [y]


def test_equality_with_numbers_compares_entries() -> None:
    x = p(3)
    at = {x: np.array([1.0, 2.0, 3.0])}
    np.testing.assert_array_equal(value(x == 2, at), [False, True, False])
    np.testing.assert_array_equal(value(x != np.array([1, 1, 3]), at), [False, True, False])


def test_building_never_merges() -> None:
    x = p(3)
    assert (x + 1) is not (x + 1)
    assert x[:] is not x
    assert x[...] is not x
    assert +x is not x
    assert elementwise.identity(x) is not x


def test_membership_is_refused() -> None:
    x = p(3)
    with pytest.raises(TypeError, match="`in` is not defined for a tensor"):
        x in x  # noqa: B015


def test_iteration() -> None:
    x = p(2, 3)
    rows = list(x)
    assert [row.shape for row in rows] == [(3,), (3,)]
    assert len(x) == 2
    first, second = x
    np.testing.assert_array_equal(value(second - first, {x: [[1, 2, 3], [5, 7, 9]]}), [4, 5, 6])
    assert list(p(0, 3)) == []


def test_iteration_over_what_has_no_known_length() -> None:
    for x in (p(None, 3), p()):
        with pytest.raises(TypeError, match="unknown first axis|no axes"):
            for _ in x:
                raise AssertionError("an entry came out")
        with pytest.raises(TypeError):
            len(x)


def test_attributes_and_weak_references() -> None:
    x = p(3) * 2
    x._keras_shape = (None, 3)
    x._keras_history = "layer"
    assert x._keras_shape == (None, 3)
    assert weakref.ref(x)() is x
    x.name = "mine"
    assert x.name == "mine"
    assert "mine" in repr(x)


def test_copies_are_the_tensor_itself() -> None:
    x = p(3)
    assert copy.copy(x) is x
    assert copy.deepcopy([x])[0] is x
    v = variable([1.0])
    assert copy.deepcopy(v) is v


def test_pickle() -> None:
    with pytest.raises(TypeError, match="cannot be pickled.*K.eval"):
        pickle.dumps(p(3) + 1)
    v = Variable((2,), "float32", np.array([1.0, 2.0], "float32"), "kernel", trainable=False)
    again = pickle.loads(pickle.dumps(v))
    assert (again.name, again.dtype, again.trainable) == ("kernel", "float32", False)
    np.testing.assert_array_equal(value(again * 1.0), [1, 2])


# -- values ---------------------------------------------------------------------------------------


def test_values_outside_of_building() -> None:
    v = variable([[1.0, 2.0]])
    np.testing.assert_array_equal(np.asarray(v * 2), [[2, 4]])
    assert np.asarray(v, dtype="int32").dtype == "int32"
    assert float(operands.scalar(2.5, "float64") * 2) == 5.0
    assert int(operands.scalar(7, "int32") // 2) == 3
    assert bool(operands.scalar(1, "int32") > 0) is True
    np.testing.assert_array_equal((v + 1).numpy(), [[2, 3]])


def test_array_of_a_tensor_is_the_callers_own() -> None:
    v = variable([1.0, 2.0])
    array = np.asarray(v)
    array[0] = 77
    np.testing.assert_array_equal(np.asarray(v), [1, 2])


def test_values_are_refused_while_building() -> None:
    v = variable([1.0])
    with building("my_layer"):
        for look in (float, int, bool, np.asarray, lambda t: t.numpy()):
            with pytest.raises(TypeError, match=r"while a graph is built.*K\.switch.*K\.stop_gradient"):
                look(v * 2)
    assert float((v * 2)[0]) == 2


def test_value_that_needs_a_placeholder() -> None:
    x = Placeholder((None, 3), "float32", "images")
    with pytest.raises(ValueError, match=r"placeholder 'images' of shape \(None, 3\).*K\.function"):
        float((x * 2)[0, 0])


def test_the_phase_has_no_value() -> None:
    phase = settings.learning_phase()
    with pytest.raises(TypeError, match=r"learning phase.*K\.in_train_phase"):
        if phase:
            raise AssertionError("a branch was taken")
    for look in (float, np.asarray):
        with pytest.raises(TypeError, match=r"learning phase.*K\.in_train_phase"):
            look(phase)
    assert phase not in {0, 1}


def test_repr_computes_nothing() -> None:
    x = variable(np.zeros((200, 200)))
    tensors = [p(None, 3), x, x @ x, operands.constant(np.arange(1000.0)), settings.learning_phase()]
    for t in tensors:
        text = repr(t)
        assert str(t.shape) in text
        assert t.dtype in text
        assert len(text) < 200
    assert x.array is None
    assert "matmul" in repr(tensors[2])
    shown = repr(ValueTensor(np.array([1.5, 2.5]), (2,), "float32", "numpy", np.asarray))
    assert "1.5" in shown


def test_constants_are_copies_that_cannot_change() -> None:
    source = np.arange(3.0)
    c = operands.constant(source)
    source[0] = 9
    np.testing.assert_array_equal(c.value, [0, 1, 2])
    assert c.dtype == "float32"
    with pytest.raises(ValueError, match="read-only"):
        c.value[0] = 5
    assert operands.constant(np.array([2**40])).dtype == "int64"
    assert operands.constant([1, 2]).dtype == "int32"
    assert operands.constant(True).dtype == "bool"
    with pytest.raises(TypeError, match="[Ee]xpected numbers"):
        operands.constant(["a"])


def test_lists_of_tensors_are_joined() -> None:
    x = p(2)
    packed = operands.convert([x, x * 2, 3.0 * x])
    assert packed.shape == (3, 2)
    np.testing.assert_array_equal(value(packed, {x: [1, 2]}), [[1, 2], [2, 4], [3, 6]])


def test_foreign_objects_are_refused_with_the_doors() -> None:
    with pytest.raises(TypeError, match=r"received object.*K\.numpy_function.*multikeras\.contract\.primitive"):
        p(3) + object()


# -- provenance -----------------------------------------------------------------------------------


def line_here() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_every_tensor_remembers_the_users_line() -> None:
    x = p(3)
    made, line = x * 2 + 1, line_here()
    for t in (made, made.inputs[0]):
        assert t.where == f"test_tensors.py line {line}"
    with building("dense_3"):
        inner, line = operands.matmul(p(2, 2), p(2, 2)), line_here()
    assert inner.where == f"layer 'dense_3', test_tensors.py line {line}"
    leaf, line = Placeholder((1,), "float32"), line_here()
    assert leaf.where.endswith(f"line {line}")


def test_line_in_the_middle_of_a_long_function() -> None:
    x = p(3)
    tensors, lines = [], []
    for _ in range(2):
        tensors.append(
            # A statement over several lines.
            elementwise.exp(
                x,
            )
        )
        lines.append(line_here() - 5)
    assert [t.where for t in tensors] == [f"test_tensors.py line {line + 1}" for line in lines]


def test_no_frame_is_kept() -> None:
    class Large:
        pass

    def build() -> tuple[Tensor, weakref.ref[Large]]:
        local = Large()
        return p(3) * 2, weakref.ref(local)

    gc.disable()
    try:
        tensor, seen = build()
        assert seen() is None
        assert tensor.where
    finally:
        gc.enable()


def test_failure_of_a_specialisation_names_the_line() -> None:
    x, y = p(None), p(None)
    made, line = x + y, line_here()
    with pytest.raises(ValueError, match=rf"\(3,\) and \(4,\) do not broadcast.*test_tensors.py line {line}"):
        value(made, {x: np.zeros(3), y: np.zeros(4)})


# -- lifetime -------------------------------------------------------------------------------------


def test_expressions_die_by_reference_count() -> None:
    gc.disable()
    try:
        x = p(3)
        y = elementwise.exp(x)
        z = y * 2 + shapes.reshape(y, shape=(3,))
        seen = [weakref.ref(t) for t in (y, z)]
        del y, z
        assert [r() for r in seen] == [None, None]
    finally:
        gc.enable()


def test_long_chain_dies_without_recursion() -> None:
    x: Tensor = p(2)
    for _ in range(100_000):
        x = elementwise.identity(x)
    del x
    assert sys.getrecursionlimit() < 100_000


def test_names_scopes_and_threads() -> None:
    import threading

    from multikeras.graph.context import name_scope

    found: list[tuple[str, ...]] = []
    with name_scope("outer"), name_scope("inner") as joined:
        thread = threading.Thread(target=lambda: found.append(context.scopes))
        thread.start()
        thread.join()
        assert joined == "outer/inner"
    assert found == [()]
    assert context.scopes == ()
    assert isinstance(operands.scalar(1, "int32"), Constant)
