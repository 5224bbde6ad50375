"""Shape inference: unknown lengths, values that are partly known, and errors that say what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from multikeras.contract import PRIMITIVES
from multikeras.graph import operands
from multikeras.graph.context import building
from multikeras.graph.ops import algebra, control, elementwise, reductions, shapes
from multikeras.graph.ops.rules import broadcast_shapes
from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.testing import run


def p(*shape: int | None, dtype: str = "float32") -> Placeholder:
    return Placeholder(shape, dtype)


# -- broadcasting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((3, 4), (3, 4), (3, 4)),
        ((3, 1), (1, 4), (3, 4)),
        ((), (2, 3), (2, 3)),
        ((4,), (2, 3, 4), (2, 3, 4)),
        ((0, 4), (1, 4), (0, 4)),
        ((None, 4), (3, 4), (3, 4)),
        ((None, 4), (1, 4), (None, 4)),
        ((None,), (None,), (None,)),
        ((None, 1), (1, None), (None, None)),
        ((None, 4), (None, 1, 4), (None, None, 4)),
        ((3, 4), (3, 5), None),
        ((2, None), (3, 5), None),
        ((0,), (2,), None),
    ],
)
def test_broadcast(first: Any, second: Any, expected: Any) -> None:
    assert broadcast_shapes(first, second) == expected
    assert broadcast_shapes(second, first) == expected


def test_unknown_beside_one_stays_unknown() -> None:
    # The unknown length may be 7, and then the result has length 7.
    assert (p(None, 3) * p(1, 3)).shape == (None, 3)
    assert (p(None) + p(None)).shape == (None,)


# -- lengths through operations -------------------------------------------------------------------

LENGTHS: dict[str, tuple[Callable[..., Any], tuple[int | None, ...], Any]] = {
    "reduce": (lambda x: reductions.reduce_sum(x, axis=(0,), keepdims=False), (None, 4), (4,)),
    "reduce kept": (lambda x: reductions.reduce_sum(x, axis=(1,), keepdims=True), (None, 4), (None, 1)),
    "transpose": (lambda x: shapes.transpose(x, permutation=(1, 0)), (None, 4), (4, None)),
    "matmul": (lambda x: operands.matmul(x, p(4, 5)), (None, 4), (None, 5)),
    "batch matmul": (lambda x: operands.matmul(x, p(None, 4, 5)), (2, None, 4), (2, None, 5)),
    "concatenate": (lambda x: shapes.concatenate(x, x, axis=1), (None, 4), (None, 8)),
    "concatenate unknown": (lambda x: shapes.concatenate(x, p(3, 4), axis=0), (None, 4), (None, 4)),
    "concatenate learns": (lambda x: shapes.concatenate(x, p(3, 2), axis=1), (None, 4), (3, 6)),
    "split": (lambda x: shapes.split(x, axis=1, sizes=(1, 3))[1], (None, 4), (None, 3)),
    "slice": (lambda x: x[:, 1:3], (None, 4), (None, 2)),
    "slice of unknown": (lambda x: x[1:3], (None, 4), (None, 4)),
    "last": (lambda x: x[:, -1], (None, 4), (None,)),
    "one of unknown": (lambda x: x[0], (None, 4), (4,)),
    "first two": (lambda x: x[..., :2], (None, 3, 4), (None, 3, 2)),
    "new axis": (lambda x: x[:, None], (None, 4), (None, 1, 4)),
    "every other": (lambda x: x[:, ::2], (None, 5), (None, 3)),
    "backwards": (lambda x: x[:, ::-1], (None, 5), (None, 5)),
    "pad": (lambda x: shapes.pad(x, padding=((0, 0), (1, 2)), value=0), (None, 4), (None, 7)),
    "gather": (lambda x: shapes.gather(x, p(None, 2, dtype="int32"), axis=0), (9, 4), (None, 2, 4)),
    "conv same": (
        lambda x: algebra.conv(x, p(3, 3, 2, 5), strides=(2, 2), padding="same", dilation=(1, 1), groups=1),
        (None, None, 7, 2),
        (None, None, 4, 5),
    ),
    "conv valid": (
        lambda x: algebra.conv(x, p(3, 3, 2, 5), strides=(1, 1), padding="valid", dilation=(2, 2), groups=1),
        (None, None, 7, 2),
        (None, None, 3, 5),
    ),
    "pool": (
        lambda x: algebra.max_pool(x, window=(2, 2), strides=(2, 2), padding="valid")[0],
        (None, 5, None, 2),
        (None, 2, None, 2),
    ),
    "argmax": (lambda x: reductions.argmax(x, axis=1), (None, 4), (None,)),
    "squeeze": (lambda x: shapes.squeeze(x, axis=(1,)), (None, 1), (None,)),
    "squeeze unknown": (lambda x: shapes.squeeze(x, axis=(0,)), (None, 4), (4,)),
    "reshape": (lambda x: shapes.reshape(x, shape=(-1, 2, 2)), (None, 4), (None, 2, 2)),
    "reshape all known": (lambda x: shapes.reshape(x, shape=(2, -1)), (3, 4), (2, 6)),
    "where": (lambda x: elementwise.where_(x > 0, x, p(1, 4)), (None, 4), (None, 4)),
}


@pytest.mark.parametrize("name", sorted(LENGTHS))
def test_lengths(name: str) -> None:
    build, shape, expected = LENGTHS[name]
    made = build(p(*shape))
    assert made.shape == expected
    assert made.dtype == ("int64" if name == "argmax" else "float32")


def test_scan_of_unknown_length() -> None:
    xs, state = p(None, 2, 3), p(2, 3)
    (last,), (ys,) = control.scan(lambda i, x, h: ([h + x], [x[:, 0]]), [xs], [state])
    assert last.shape == (2, 3)
    assert ys.shape[1:] == (2,)
    assert not isinstance(ys.shape[0], Tensor)


def test_cond_of_two_lengths_is_unknown() -> None:
    flag = p(dtype="bool")
    (out,) = control.cond(flag, lambda: [p(3, 4)], lambda: [p(5, 4)])
    assert out.shape == (None, 4)


# -- values that are known before anything runs ---------------------------------------------------


def test_shape_vector_is_known_in_part() -> None:
    x = p(None, 3, 4)
    vector = shapes.shape(x)
    assert vector.known == (None, 3, 4)
    assert vector.dtype == "int64"
    assert vector[1].known == 3
    assert vector[0].known is None
    assert vector[1:].known == (3, 4)
    assert (vector * 2).known == (None, 6, 8)
    assert (vector[1] * vector[2] + 1).known == 13
    assert (vector[2] // 2).known == 2
    assert operands.pack([vector[0], -1, 4]).known == (None, -1, 4)
    assert reductions.reduce_prod(vector[1:], axis=(0,), keepdims=False).known == 12
    assert operands.cast(vector, "int32").known == (None, 3, 4)
    assert elementwise.maximum(vector[1], operands.scalar(7, "int64")).known == 7
    assert shapes.gather(vector, operands.constant(np.array([2, 0])), axis=0).known == (4, None)
    assert shapes.concatenate(vector, vector[1:2], axis=0).known == (None, 3, 4, 3)


def test_known_values_make_static_shapes() -> None:
    x = p(None, 3, 4)
    rows, middle, last = [shapes.shape(x)[i] for i in range(3)]
    assert shapes.reshape(x, shape=operands.pack([rows, -1, 2])).shape == (None, None, 2)
    assert shapes.reshape(x, shape=operands.pack([rows, middle * last])).shape == (None, 12)
    assert shapes.reshape(x, shape=operands.pack([-1, last])).shape == (None, 4)
    assert shapes.broadcast_to(p(1, 4), shape=operands.pack([rows, 4])).shape == (None, 4)
    assert shapes.iota(length=middle * 2, dtype="int32").shape == (6,)
    assert shapes.iota(length=rows, dtype="int32").shape == (None,)
    assert x[:, : middle - 1].shape == (None, 2, 4)


def test_a_layer_can_be_built_behind_a_computed_shape() -> None:
    x = p(None, 6, 4)
    flat = shapes.reshape(x, shape=operands.pack([shapes.shape(x)[0], 24]))
    kernel = Variable((flat.shape[-1], 5), "float32", np.zeros((24, 5), "float32"))
    assert operands.matmul(flat, kernel).shape == (None, 5)


def test_values_that_are_computed_are_not_known() -> None:
    numbers = Placeholder((2,), "int64")
    assert numbers.known is None
    assert shapes.reshape(p(None), shape=numbers).shape == (None, None)


def test_float_or_matrix_is_no_shape() -> None:
    with pytest.raises(ValueError, match=r"cannot stand for a shape.*received shape \(2, 2\)"):
        shapes.reshape(p(4), shape=Placeholder((2, 2), "int64"))


# -- errors ---------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "broadcast": (lambda: p(3, 4) + p(3, 5), r"Shapes \(3, 4\) and \(3, 5\) do not broadcast"),
    "matmul": (lambda: operands.matmul(p(None, 4), p(5, 6)), r"\(None, 4\) and \(5, 6\).*\(4\).*\(5\)"),
    "matmul of vectors": (lambda: operands.matmul(p(4), p(4, 2)), r"two axes or more.*\(4,\) and \(4, 2\)"),
    "matmul of stacks": (lambda: operands.matmul(p(2, 3, 4), p(3, 4, 5)), r"\(2, 3, 4\) and \(3, 4, 5\)"),
    "reshape": (lambda: shapes.reshape(p(3, 4), shape=(5, 2)), r"\(3, 4\) \(12 entries\).*\(5, 2\) \(10 entries\)"),
    "reshape with a rest": (lambda: shapes.reshape(p(3, 4), shape=(5, -1)), r"\(12 entries\) cannot become \(5, -1\)"),
    "two open lengths": (lambda: shapes.reshape(p(3, 4), shape=(-1, -1)), r"one -1, received \(-1, -1\)"),
    "concatenate": (
        lambda: shapes.concatenate(p(3, 4), p(2, 5), axis=0),
        r"\(3, 4\), \(2, 5\) cannot be joined along axis 0",
    ),
    "concatenate of ranks": (lambda: shapes.concatenate(p(3), p(3, 1), axis=0), r"\(3,\), \(3, 1\)"),
    "squeeze": (lambda: shapes.squeeze(p(3, 4), axis=(1,)), r"Axis 1 of a tensor of shape \(3, 4\)"),
    "transpose": (lambda: shapes.transpose(p(3, 4), permutation=(0, 0)), r"\(0, 0\) is no order of the 2 axes"),
    "broadcast_to": (lambda: shapes.broadcast_to(p(3), shape=(4,)), r"\(3,\) cannot be broadcast to \(4,\)"),
    "split": (lambda: shapes.split(p(5), axis=0, sizes=(2, 2)), r"\(2, 2\) do not make up axis 0.*\(5,\)"),
    "negative part": (lambda: shapes.split(p(2), axis=0, sizes=(3, -1)), r"\(3, -1\) do not make up axis 0.*\(2,\)"),
    "reduction": (lambda: reductions.reduce_sum(p(3), axis=(1,), keepdims=False), r"Axis 1 .*\(3,\)"),
    "pad": (lambda: shapes.pad(p(3), padding=((1, 1), (0, 0)), value=0), r"does not fit a tensor of shape \(3,\)"),
    "gather axis": (lambda: shapes.gather(p(3), p(2, dtype="int32"), axis=1), r"Axis 1 .*\(3,\)"),
    "gather by floats": (lambda: shapes.gather(p(3), p(2), axis=0), r"int32 or int64, received float32.*K.cast"),
    "channels": (
        lambda: algebra.conv(p(1, 5, 5, 3), p(3, 3, 4, 2), strides=(1, 1), padding="valid", dilation=(1, 1), groups=1),
        r"\(1, 5, 5, 3\) has 3 channels.*takes 4",
    ),
    "window": (
        lambda: algebra.conv(p(1, 2, 5, 3), p(3, 3, 3, 2), strides=(1, 1), padding="valid", dilation=(1, 1), groups=1),
        r"window of \(3, 3\).*\(2, 5\).*padding='same'",
    ),
    "groups": (
        lambda: algebra.conv(p(1, 5, 5, 4), p(3, 3, 2, 3), strides=(1, 1), padding="same", dilation=(1, 1), groups=2),
        r"3 filters, which 2 groups do not divide",
    ),
    "pool rank": (
        lambda: algebra.sum_pool(p(1, 5, 5), window=(2, 2), strides=(2, 2), padding="valid"),
        r"takes an input of 4 axes, received shape \(1, 5, 5\)",
    ),
    "types": (lambda: PRIMITIVES["add"](p(3), p(3, dtype="int32")), r"different types: float32, int32.*K.cast"),
    "floats only": (lambda: elementwise.exp(p(3, dtype="int32")), r"floating-point numbers, received int32"),
    "integers only": (lambda: elementwise.bitwise_and(p(3), p(3)), r"Expected integers, received float32"),
    "truths only": (lambda: elementwise.logical_not(p(3)), r"Expected booleans, received float32. Compare first"),
    "condition": (lambda: elementwise.where_(p(3), p(3), p(3)), r"condition must be bool, received float32"),
}


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_error_says_what_came(name: str) -> None:
    build, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        build()


def test_error_names_the_layer() -> None:
    with building("dense_7"), pytest.raises(ValueError, match=r"^Layer 'dense_7': Shapes \(3, 4\) and \(3, 5\)"):
        p(3, 4) + p(3, 5)


def test_error_about_what_is_no_tensor() -> None:
    with pytest.raises(TypeError, match=r"add: expected tensors, received float.*K.constant"):
        PRIMITIVES["add"](p(3), 2.0)


def test_index_out_of_range() -> None:
    with pytest.raises(IndexError, match=r"Index 4 is outside axis 1.*length is 4"):
        p(3, 4)[:, 4]
    with pytest.raises(IndexError, match="3 indices for .*2 axes"):
        p(3, 4)[0, 0, 0]
    with pytest.raises(IndexError, match="one ellipsis"):
        p(3, 4)[..., ...]
    with pytest.raises(TypeError, match="boolean mask"):
        p(3, 4)[p(3, dtype="bool")]
    with pytest.raises(TypeError, match="indexed by integers"):
        p(3, 4)[p(3)]


# -- indexing against NumPy -----------------------------------------------------------------------

KEYS = [
    0,
    -1,
    slice(1, 3),
    slice(None, None, 2),
    slice(None, None, -1),
    slice(-2, None),
    slice(3, 0, -1),
    (slice(None), 2),
    (slice(None), slice(1, -1), 0),
    (Ellipsis, -1),
    (Ellipsis, None),
    (None, 1, Ellipsis, None),
    (slice(None), None, slice(0, 2)),
    (0, slice(4, 1, -2)),
    (slice(10, 20),),
    (np.array([2, 0, 1]),),
    (slice(None), np.array([[0, 1], [3, 2]])),
    (1, np.array([2, 0])),
    (slice(1, 3), np.array([2, 0]), 1),
    (None, np.array([1, 1]), None, slice(None, None, 2)),
    (slice(None, None, -2), Ellipsis, None, 1),
    (),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("known", [True, False])
def test_index_as_numpy(key: Any, known: bool) -> None:
    value = np.arange(4 * 5 * 3, dtype="float32").reshape(4, 5, 3)
    x = p(*(value.shape if known else (None,) * 3))
    out = x[key]
    found = run(out, {x: value}, backend="numpy")
    expected = value[key]
    np.testing.assert_array_equal(found, expected)
    assert all(n is None or n == m for n, m in zip(out.shape, expected.shape, strict=True))
    if known:
        assert out.shape == expected.shape


def test_array_index_moves_to_the_front_as_in_numpy() -> None:
    # It does so where a slice stands between it and an integer.
    value = np.arange(24.0).reshape(2, 3, 4)
    x = p(2, 3, 4)
    picked = x[0, :, np.array([3, 1])]
    assert picked.shape == (2, 3)
    np.testing.assert_array_equal(run(picked, {x: value}, backend="numpy"), value[0, :, [3, 1]])
