"""`x[key]` is NumPy's: slices, numbers, new axes, ellipses and integer arrays in any mixture, and its slope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multikeras import backend as K


@pytest.fixture
def numpy_backend(fresh_session: None) -> Iterator[None]:
    with K.use_backend("numpy"):
        yield


SHAPE = (2, 3, 4, 5)
ARRAY = np.arange(120.0).reshape(SHAPE)
rows = np.array([[1], [0]])

#: Keys where NumPy's order of axes is a matter of rules.
KEYS: list[Any] = [
    (0, slice(None), [1, 2]),
    (0, slice(None), slice(None), [1, 2]),
    (slice(None), 0, [1, 2]),
    (slice(None), [1, 2], 0),
    ([1, 0], slice(None), 0),
    (slice(None), [1, 2], slice(None), 0),
    (slice(None), [1, 2], slice(None), [0, 4]),
    (slice(None), rows, [1, 2]),
    (rows, slice(None), [[0, 1, 2]]),
    (Ellipsis, [1, 2], 0),
    (0, Ellipsis, [1, 2]),
    ([1, 0], Ellipsis, rows, slice(1, 3)),
    (slice(None), [0, 1], Ellipsis, [1, 2], [0, 3]),
    (slice(None), [0, 1], slice(None), Ellipsis, [0, 3]),
    (slice(None), Ellipsis, [0, 1], [1, 2], [0, 3]),
    (slice(None), None, Ellipsis, 0, [1, 2], [0, 3]),
    ([1, 0], None, [1, 2]),
    (None, [1, 0], [1, 2]),
    (slice(None), None, [1, 0], [1, 2]),
    (slice(None), [1, 0], [1, 2], None),
    ([0], [1], [2], [3]),
    (0, [1, 2], 3, [4, 0]),
    (np.array(1), slice(None), rows),
    (slice(None, None, -1), [0, -1], slice(3, 0, -2)),
    ([-1, -2], slice(None), [-1, 0]),
    ([], slice(None), [1]),
    (np.zeros((0, 2), int),),
    (-1, Ellipsis, None, slice(-3, None)),
    (slice(5, 1, -1), slice(-9, 9), slice(2, 1)),
    (Ellipsis,),
    (),
    None,
    1,
    rows,
    [0, 1],
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_key(key: Any, each_backend: str) -> None:
    if isinstance(key, list):
        key = np.array(key, int)
    elif isinstance(key, tuple):
        key = tuple(np.array(k, int) if isinstance(k, list) else k for k in key)
    expected = ARRAY[key]
    x = K.variable(ARRAY)
    made = x[key]
    assert made is not x and made.shape == expected.shape
    weights = np.random.RandomState(0).randn(*expected.shape)
    slope = np.zeros(SHAPE)
    np.add.at(slope, key, weights)
    np.testing.assert_array_equal(K.eval(made), expected)
    np.testing.assert_allclose(K.eval(K.gradients(K.sum(made * weights), x)[0]), slope, rtol=1e-5, atol=1e-6)


def test_places_that_a_run_knows(each_backend: str) -> None:
    """Arrays that are fed, of unknown lengths, into axes of unknown lengths."""
    x = K.placeholder((None, None, 4, None))
    i, j = K.placeholder((None,), dtype="int32"), K.placeholder((None, 1), dtype="int64")
    made = [x[i, :, 0, j], x[:, i, j], x[j, i], x[..., j, None], x[0, i, :, j]]
    feeds = [np.array([1, -1, 0]), np.array([[2], [-3]])]
    values = K.function([x, i, j], made)([ARRAY % 7, *[f % 2 for f in feeds]])
    a, (p, q) = ARRAY % 7, (f % 2 for f in feeds)
    expected = [a[p, :, 0, q], a[:, p, q], a[q, p], a[..., q, None], a[0, p, :, q]]
    for tensor, value, wanted in zip(made, values, expected, strict=True):
        np.testing.assert_array_equal(value, wanted)
        assert len(tensor.shape) == wanted.ndim
        assert all(n in (None, m) for n, m in zip(tensor.shape, wanted.shape, strict=True))
    negative = K.function([x, i, j], [x[:, i, j]])([ARRAY, *feeds])[0]
    np.testing.assert_array_equal(negative, ARRAY[:, feeds[0], feeds[1]])


def test_places_outside() -> None:
    x = K.placeholder((None, 3, 4))
    for key, text in [
        ((0, [3]), "Index 3 of an array is outside axis 1"),
        ((slice(None), [0, -4]), "Index -4 of an array is outside axis 1"),
        ((slice(None), [0, 0], [1, 7]), "Index 7 of an array is outside axis 2"),
        ((0, 3), "Index 3 is outside axis 1"),
    ]:
        with pytest.raises(IndexError, match=text):
            x[key]
    i = K.placeholder((2,), dtype="int32")
    f = K.function([x, i], [x[:, i, [0, 1]]])
    with K.use_backend("numpy"), pytest.raises(IndexError):
        f([np.zeros((1, 3, 4)), [0, 3]])


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (np.array([True, False]), "boolean mask"),
        ((slice(None), np.ones((3, 4), bool)), "boolean mask"),
        (True, "boolean mask"),
        ([0.5], "indexed by integers"),
        (slice(0.5, 2), "bounds of a slice are ints or None, received float: 0.5"),
        (slice(None, None, 1.5), "received float: 1.5"),
        (slice("a"), "received str: 'a'"),
    ],
)
def test_what_is_no_index(key: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        K.variable(ARRAY[..., 0, 0])[key]


def test_steps_of_zero() -> None:
    with pytest.raises(ValueError, match="cannot be 0"):
        K.variable(ARRAY)[::0]


# -- any mixture ------------------------------------------------------------------------------------

_numbers = st.integers(-2, 1)
_bounds = st.none() | st.integers(-6, 6)
_slices = st.builds(slice, _bounds, _bounds, st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]))
_arrays = st.sampled_from([(), (1,), (3,), (2, 1), (2, 3), (0,)]).flatmap(
    lambda shape: st.lists(_numbers, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))).map(
        lambda entries: np.array(entries, int).reshape(shape)
    )
)


@st.composite
def keys(draw: Any) -> tuple[Any, ...]:
    entries = draw(st.lists(st.one_of(_slices, _numbers, _arrays, _slices, st.none()), max_size=7))
    used = [e for e in entries if e is not None]
    entries = entries if len(used) <= len(SHAPE) else used[: len(SHAPE)]
    if draw(st.booleans()):
        entries.insert(draw(st.integers(0, len(entries))), Ellipsis)
    return tuple(entries)


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(key=keys())
def test_any_key(key: tuple[Any, ...], numpy_backend: None) -> None:
    try:
        expected = ARRAY[key]
    except IndexError:
        # Arrays that do not broadcast.
        with pytest.raises((IndexError, ValueError)):
            K.constant(ARRAY)[key]
        return
    made = K.constant(ARRAY)[key]
    assert made.shape == expected.shape
    np.testing.assert_array_equal(K.eval(made), expected)
    unknown = K.placeholder((None,) * ARRAY.ndim)[key]
    assert len(unknown.shape) == expected.ndim
