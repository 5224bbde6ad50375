"""NumPy's functions on tensors: values and slopes are those of NumPy on arrays, arguments count or raise.

The oracle is NumPy itself: each case is one expression, of arrays and of tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.backend.numpy_protocol import TABLE, name_of

_random = np.random.RandomState(5)


def normal(*shape: int) -> np.ndarray:
    return _random.randn(*shape)


def unit(*shape: int) -> np.ndarray:
    return _random.uniform(0.1, 0.9, shape)


def apart(*shape: int) -> np.ndarray:
    size = int(np.prod(shape))
    return (_random.permutation(size) - size / 2 + 0.3).reshape(shape) * 0.37


def regular(*shape: int) -> np.ndarray:
    return normal(*shape) + 3 * np.eye(shape[-1])


whole = np.array([[5, -3, 0], [2, 7, -6]])
bits = np.array([True, False, True])
SMOOTH, CONSTANT = True, False

#: NumPy's function, the arrays, whether slopes are compared, and what is called: the function itself if nothing.
CASES: list[tuple[Any, ...]] = [
    # -- ufuncs of one operand
    *[(f, [apart(3, 2)], SMOOTH) for f in (
        np.negative, np.positive, np.absolute, np.fabs, np.square, np.cbrt, np.reciprocal, np.exp, np.exp2, np.expm1,
        np.sin, np.cos, np.tan, np.tanh, np.arctan, np.sinh, np.cosh, np.arcsinh, np.deg2rad, np.radians, np.rad2deg,
        np.degrees, np.conjugate)],
    *[(f, [unit(3, 2)], SMOOTH) for f in (np.sqrt, np.log, np.log2, np.log10, np.log1p, np.arcsin, np.arccos,
                                          np.arctanh)],
    (np.arccosh, [unit(3) + 1.2], SMOOTH),
    (np.sqrt, [np.array([-1.0, 4.0])], CONSTANT),
    *[(f, [np.array([-1.5, -0.5, 0.5, 1.5, 2.6, -2.6])], CONSTANT) for f in (
        np.sign, np.floor, np.ceil, np.rint, np.trunc)],
    *[(f, [np.array([1.0, np.nan, np.inf, -np.inf])], CONSTANT) for f in (np.isnan, np.isinf, np.isfinite)],
    (np.invert, [bits], CONSTANT),
    (np.logical_not, [whole], CONSTANT),
    (np.trunc, [whole], CONSTANT),
    (np.absolute, [bits], CONSTANT),
    # -- ufuncs of two
    *[(f, [apart(3, 2), apart(3, 2) + 0.11], SMOOTH) for f in (
        np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.fmax, np.fmin, np.hypot, np.logaddexp,
        np.arctan2, np.vecdot)],
    *[(f, [np.array([1.0, np.nan, 3.0]), np.array([np.nan, 2.0, 4.0])], CONSTANT) for f in (
        np.fmax, np.fmin, np.maximum, np.minimum)],
    *[(f, [whole, whole.T.reshape(2, 3)], CONSTANT) for f in (
        np.add, np.multiply, np.fmax, np.equal, np.not_equal, np.greater, np.greater_equal, np.less, np.less_equal,
        np.logical_and, np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or, np.bitwise_xor)],
    (np.logaddexp, [np.array([-np.inf, 800.0, 1.0]), np.array([-np.inf, 801.0, 1.0])], CONSTANT),
    (np.power, [unit(3), normal(3)], SMOOTH),
    (np.floor_divide, [apart(4), np.array(0.7)], CONSTANT),
    (np.remainder, [apart(4), np.array(0.7)], SMOOTH),
    (np.divmod, [apart(4), np.array(0.7)], CONSTANT),
    (np.heaviside, [np.array([-1.0, 0.0, 2.0]), unit(3)], CONSTANT),
    (np.matmul, [normal(2, 3), normal(3, 2)], SMOOTH),
    (np.matmul, [normal(3), normal(2, 3, 4)], SMOOTH),
    (np.left_shift, [np.array([1, 3]), np.array([2, 1])], CONSTANT),
    (np.right_shift, [np.array([9, 3]), np.array([2, 1])], CONSTANT),
    # -- reductions
    *[(f, [apart(2, 3, 4)], SMOOTH, call) for f in (np.sum, np.prod, np.mean, np.var, np.std, np.max, np.min, np.amax,
                                                   np.amin, np.ptp)
      for call in (lambda g, x: g(x), lambda g, x: g(x, axis=1), lambda g, x: g(x, axis=(0, -1), keepdims=True))],
    (np.sum, [whole], CONSTANT, lambda f, x: f(x, 0, "float32")),
    (np.mean, [whole], CONSTANT),
    (np.var, [normal(4, 3)], SMOOTH, lambda f, x: f(x, axis=0, ddof=1)),
    (np.std, [normal(4, 3)], SMOOTH, lambda f, x: f(x, ddof=1)),
    *[(f, [whole], CONSTANT, call) for f in (np.any, np.all, np.count_nonzero, np.argmax, np.argmin)
      for call in (lambda g, x: g(x, axis=1), lambda g, x: g(x))],
    *[(f, [whole], CONSTANT, lambda g, x: g(x, axis=0, keepdims=True)) for f in (np.any, np.argmax, np.count_nonzero)],
    (np.argmax, [apart(2, 3)], CONSTANT, lambda f, x: f(x, keepdims=True)),
    (np.average, [normal(2, 3)], SMOOTH, lambda f, x: f(x, axis=1)),
    (np.average, [normal(2, 3), unit(3)], SMOOTH, lambda f, x, w: f(x, axis=1, weights=w)),
    (np.average, [normal(2, 3), unit(2, 3)], SMOOTH, lambda f, x, w: f(x, weights=w)),
    *[(f, [normal(2, 3)], SMOOTH, call) for f in (np.cumsum, np.cumprod)
      for call in (lambda g, x: g(x), lambda g, x: g(x, axis=1))],
    (np.diff, [normal(2, 4)], SMOOTH),
    (np.diff, [normal(4, 2)], SMOOTH, lambda f, x: f(x, n=2, axis=0)),
    # -- entry by entry
    (np.clip, [apart(4, 3)], SMOOTH, lambda f, x: f(x, -1, 1.2)),
    (np.clip, [apart(4, 3)], SMOOTH, lambda f, x: f(x, min=-1, max=1.2)),
    (np.clip, [apart(4, 3)], SMOOTH, lambda f, x: f(x, None, 1.2)),
    (np.round, [apart(4, 3)], CONSTANT),
    (np.around, [apart(4, 3)], CONSTANT, lambda f, x: f(x, 1)),
    (np.where, [bits, normal(3), normal(3)], SMOOTH),
    (np.where, [bits, normal(3)], SMOOTH, lambda f, c, x: f(c, x, 0.0)),
    (np.nan_to_num, [np.array([1.0, np.nan, np.inf, -np.inf])], CONSTANT, lambda f, x: f(x, posinf=9.0, neginf=-9.0)),
    (np.zeros_like, [normal(2, 3)], CONSTANT),
    (np.ones_like, [normal(2, 3)], CONSTANT, lambda f, x: f(x, dtype="int32")),
    (np.full_like, [normal(2, 3)], CONSTANT, lambda f, x: f(x, 2.5)),
    (np.copy, [normal(2, 3)], SMOOTH),
    # -- shapes
    (np.reshape, [normal(2, 6)], SMOOTH, lambda f, x: f(x, (-1, 3))),
    (np.ravel, [normal(2, 3)], SMOOTH),
    (np.transpose, [normal(2, 3, 4)], SMOOTH),
    (np.transpose, [normal(2, 3, 4)], SMOOTH, lambda f, x: f(x, (1, 0, 2))),
    (np.matrix_transpose, [normal(2, 3, 4)], SMOOTH),
    (np.linalg.matrix_transpose, [normal(2, 3, 4)], SMOOTH),
    (np.swapaxes, [normal(2, 3, 4)], SMOOTH, lambda f, x: f(x, 0, -1)),
    (np.moveaxis, [normal(2, 3, 4)], SMOOTH, lambda f, x: f(x, 0, -1)),
    (np.moveaxis, [normal(2, 3, 4, 5)], SMOOTH, lambda f, x: f(x, [0, 2], [-1, 0])),
    (np.expand_dims, [normal(2, 3)], SMOOTH, lambda f, x: f(x, 1)),
    (np.expand_dims, [normal(2, 3)], SMOOTH, lambda f, x: f(x, (0, -1))),
    (np.squeeze, [normal(1, 3, 1)], SMOOTH),
    (np.squeeze, [normal(1, 3, 1)], SMOOTH, lambda f, x: f(x, axis=0)),
    *[(f, [np.asarray(normal(*shape))], SMOOTH) for f in (np.atleast_1d, np.atleast_2d, np.atleast_3d)
      for shape in ((), (3,), (2, 3), (2, 3, 4))],
    (np.broadcast_to, [normal(3)], SMOOTH, lambda f, x: f(x, (2, 3))),
    # -- joining and splitting
    (np.concatenate, [normal(2, 3), normal(1, 3)], SMOOTH, lambda f, x, y: f([x, y])),
    (np.concatenate, [normal(2, 3), normal(1, 3)], SMOOTH, lambda f, x, y: f([x, y], axis=None)),
    (np.concatenate, [normal(2, 3)], SMOOTH, lambda f, x: f([x, np.ones((2, 1))], axis=1)),
    (np.stack, [normal(2, 3), normal(2, 3)], SMOOTH, lambda f, x, y: f([x, y], axis=-1)),
    *[(f, [normal(3), normal(3)], SMOOTH, lambda g, x, y: g([x, y])) for f in (np.vstack, np.hstack, np.dstack,
                                                                             np.column_stack)],
    *[(f, [normal(2, 3), normal(2, 3)], SMOOTH, lambda g, x, y: g([x, y])) for f in (np.vstack, np.hstack, np.dstack,
                                                                                   np.column_stack)],
    (np.split, [normal(6, 2)], SMOOTH, lambda f, x: f(x, 3)),
    (np.split, [normal(2, 6)], SMOOTH, lambda f, x: f(x, [1, 4], axis=1)),
    (np.array_split, [normal(5, 2)], SMOOTH, lambda f, x: f(x, 3)),
    (np.repeat, [normal(2, 3)], SMOOTH, lambda f, x: f(x, 2)),
    (np.repeat, [normal(2, 3)], SMOOTH, lambda f, x: f(x, 2, axis=1)),
    (np.tile, [normal(2, 3)], SMOOTH, lambda f, x: f(x, (2, 1, 3))),
    (np.flip, [normal(2, 3)], SMOOTH),
    (np.flip, [normal(2, 3)], SMOOTH, lambda f, x: f(x, axis=1)),
    (np.fliplr, [normal(2, 3)], SMOOTH),
    (np.flipud, [normal(2, 3)], SMOOTH),
    (np.roll, [normal(2, 3)], SMOOTH, lambda f, x: f(x, 4)),
    (np.roll, [normal(2, 3)], SMOOTH, lambda f, x: f(x, (1, -1), axis=(0, 1))),
    (np.pad, [normal(2, 3)], SMOOTH, lambda f, x: f(x, ((1, 0), (0, 2)), constant_values=0.5)),
    (np.pad, [normal(2, 3)], SMOOTH, lambda f, x: f(x, 1)),
    # -- picking and ordering
    (np.take, [normal(4, 3)], SMOOTH, lambda f, x: f(x, [[0, -1], [2, 2]], axis=0)),
    (np.take, [normal(4, 3)], SMOOTH, lambda f, x: f(x, [7, 0])),
    (np.take_along_axis, [normal(2, 3)], SMOOTH, lambda f, x: f(x, np.array([[0, 2], [1, 1]]), axis=1)),
    (np.sort, [apart(3, 4)], SMOOTH),
    (np.sort, [apart(3, 4)], SMOOTH, lambda f, x: f(x, axis=None)),
    (np.argsort, [whole], CONSTANT, lambda f, x: f(x, axis=0, kind="stable")),
    (np.tril, [normal(2, 3, 4)], SMOOTH, lambda f, x: f(x, 1)),
    (np.triu, [normal(3, 4)], SMOOTH, lambda f, x: f(x, -1)),
    *[(np.diag, [normal(3)], SMOOTH, lambda f, x, k=k: f(x, k)) for k in (-2, 0, 1)],
    *[(np.diag, [normal(3, 4)], SMOOTH, lambda f, x, k=k: f(x, k)) for k in (-2, 0, 1, 9)],
    (np.diagonal, [normal(2, 3, 4)], SMOOTH, lambda f, x: f(x, 1, 2, 0)),
    (np.linalg.diagonal, [normal(2, 3, 4)], SMOOTH, lambda f, x: f(x, offset=-1)),
    (np.trace, [normal(3, 3)], SMOOTH),
    (np.linalg.trace, [normal(2, 3, 4)], SMOOTH, lambda f, x: f(x, offset=1)),
    # -- products
    (np.dot, [normal(2, 3), normal(4, 3, 2)], SMOOTH),
    (np.dot, [normal(3), normal(3)], SMOOTH),
    (np.inner, [normal(2, 3), normal(4, 3)], SMOOTH),
    (np.inner, [normal(2, 3), np.asarray(2.0)], SMOOTH),
    *[(f, [normal(3), normal(2)], SMOOTH) for f in (np.outer, np.linalg.outer)],
    (np.vdot, [normal(2, 3), normal(2, 3)], SMOOTH),
    (np.tensordot, [normal(2, 3, 4), normal(3, 4, 5)], SMOOTH),
    (np.linalg.tensordot, [normal(2, 3), normal(4, 2)], SMOOTH, lambda f, x, y: f(x, y, axes=(0, 1))),
    (np.tensordot, [normal(2), normal(3)], SMOOTH, lambda f, x, y: f(x, y, axes=0)),
    (np.einsum, [normal(2, 3), normal(3, 4)], SMOOTH, lambda f, x, y: f("ij,jk->ki", x, y, optimize=True)),
    # -- linear algebra
    (np.linalg.inv, [regular(2, 3, 3)], SMOOTH),
    (np.linalg.det, [regular(2, 3, 3)], SMOOTH),
    (np.linalg.slogdet, [regular(2, 3, 3)], SMOOTH),
    (np.linalg.solve, [regular(2, 3, 3), normal(3, 2)], SMOOTH),
    (np.linalg.solve, [regular(2, 3, 3), normal(3)], SMOOTH),
    (np.linalg.cholesky, [np.array([[4.0, 1.0], [1.0, 3.0]])], CONSTANT),
    (np.linalg.cholesky, [np.array([[4.0, 1.0], [1.0, 3.0]])], CONSTANT, lambda f, x: f(x, upper=True)),
    (np.linalg.matmul, [normal(2, 3), normal(3, 2)], SMOOTH),
    *[(np.linalg.matrix_power, [regular(3, 3)], n != 0, lambda f, x, n=n: f(x, n)) for n in (-2, 0, 1, 5)],
    (np.linalg.norm, [normal(2, 3, 4)], SMOOTH),
    *[(np.linalg.norm, [apart(5)], n != 0, lambda f, x, n=n: f(x, n)) for n in (2, 1, 3, 0, np.inf, -np.inf)],
    *[(np.linalg.norm, [apart(2, 3)], SMOOTH, lambda f, x, n=n: f(x, n, keepdims=True))
      for n in ("fro", 1, -1, np.inf, -np.inf)],
    (np.linalg.norm, [apart(2, 3, 4)], SMOOTH, lambda f, x: f(x, 1, axis=(2, 0))),
    (np.linalg.norm, [apart(2, 3, 4)], SMOOTH, lambda f, x: f(x, axis=1)),
]  # fmt: skip


def _call(case: tuple[Any, ...], operands: list[Any]) -> list[Any]:
    function, _, _, *rest = case
    made = rest[0](function, *operands) if rest else function(*operands)
    return list(made) if isinstance(made, (tuple, list)) else [made]


@pytest.fixture
def numpy_backend(fresh_session: None) -> Iterator[None]:
    """The functions are graph made of primitives, which other tests compare between backends."""
    with K.use_backend("numpy"):
        yield


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0].__name__)
def test_value_and_slope(case: tuple[Any, ...], numpy_backend: None) -> None:
    K.set_floatx("float64")
    _, arrays, smooth, *_ = case
    kinds = {"f": "float64", "i": "int32", "b": "bool"}
    tensors = [K.variable(a, dtype=kinds[a.dtype.kind]) for a in arrays]
    results = _call(case, tensors)
    with np.errstate(all="ignore"):
        expected = [np.asarray(e) for e in _call(case, arrays)]
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert K.is_tensor(result)
        assert result.shape == wanted.shape
        assert (K.dtype(result) == "bool") == (wanted.dtype == bool)
        np.testing.assert_allclose(K.eval(result), wanted, rtol=1e-10, atol=1e-10)
    if not smooth:
        return
    weights = [_random.randn(*e.shape) for e in expected]
    loss = sum(K.sum(r * w) for r, w in zip(results, weights, strict=True))
    held = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    slopes = K.gradients(loss, [tensors[i] for i in held])
    directions = [_random.randn(*arrays[i].shape) for i in held]

    def along(distance: float) -> float:
        moved = list(arrays)
        for i, direction in zip(held, directions, strict=True):
            moved[i] = moved[i] + distance * direction
        return sum(float(np.sum(e * w)) for e, w in zip(_call(case, moved), weights, strict=True))

    total = sum(float(np.sum(K.eval(g) * d)) for g, d in zip(slopes, directions, strict=True))
    assert total == pytest.approx((along(1e-5) - along(-1e-5)) / 2e-5, rel=1e-6, abs=1e-7)


def test_every_function_has_a_case() -> None:
    assert {case[0] for case in CASES} | {np.size} == set(TABLE)


# -- arguments ------------------------------------------------------------------------------------

#: For each argument of NumPy's functions a value that is not its default.
VALUES: dict[str, Any] = {
    "axis": 0, "dtype": "float32", "out": np.zeros(()), "keepdims": True, "initial": 2.0, "where": np.array(True),
    "ddof": 1, "mean": np.ones((1, 1)), "correction": 1, "order": "F", "kind": "stable", "stable": True, "subok": False,
    "shape": (3, 2), "casting": "unsafe", "optimize": True, "mode": "clip", "decimals": 1, "copy": False, "nan": 1.0,
    "posinf": 3.0, "neginf": 3.0, "upper": True, "ord": 1, "min": 0.0, "max": 0.1, "a_min": 0.0, "a_max": 0.1,
    "returned": True, "weights": np.ones((2, 3)), "prepend": 0.0, "append": 0.0, "n": 2, "k": 1, "offset": 1,
    "axis1": 1, "axis2": 0, "axes": (1, 0), "constant_values": 3.0, "device": "cpu", "shift": 1,
}  # fmt: skip
#: Arguments without a default, by function.
NEEDED: dict[Any, list[Any]] = {
    np.reshape: [(3, 2)], np.swapaxes: [0, 1], np.moveaxis: [0, 1], np.expand_dims: [0], np.broadcast_to: [(2, 3)],
    np.split: [[1]], np.array_split: [2], np.repeat: [2], np.tile: [2], np.roll: [1], np.pad: [1], np.take: [[0, 1]],
    np.take_along_axis: [np.array([[0, 1, 1]])], np.clip: [-1, 1], np.full_like: [2.0], np.linalg.matrix_power: [2],
}  # fmt: skip
_PAIRS = (np.dot, np.outer, np.inner, np.vdot, np.tensordot, np.linalg.tensordot, np.linalg.outer, np.linalg.solve)
_SQUARE = ["inv", "det", "slogdet", "cholesky", "matrix_power", "solve", "trace", "diag"]
_LISTS = (np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack)


def _start(function: Any, make: Any) -> list[Any]:
    x = np.array([[0.5, 1.5, -2.5], [3.5, -0.25, 1.0]])
    if function.__name__ in _SQUARE:
        x = np.array([[4.0, 1.0], [1.0, 3.0]])
    if function in _PAIRS:
        return [make(x), make(x if function is not np.dot and "tensordot" not in function.__name__ else x.T)]
    if function in _LISTS:
        return [[make(x), make(x)]]
    if function is np.where:
        return [make(x) > 0, make(x), make(x)]
    if function is np.einsum:
        return ["ij->j", make(x)]
    return [make(x), *NEEDED.get(function, [])]


def _arguments() -> list[tuple[Any, str]]:
    found = []
    for function in TABLE:
        if isinstance(function, np.ufunc):
            every = ("dtype", "casting", "subok", "order")
            found += [(function, name) for name in (every if function.signature else (*every, "where"))]
            continue
        names = [p.name for p in inspect.signature(function).parameters.values()]
        found += [(function, name) for name in names if name in VALUES]
    return found


@pytest.mark.parametrize(("function", "name"), _arguments(), ids=lambda p: p if isinstance(p, str) else p.__name__)
def test_argument_counts_or_raises(function: Any, name: str, numpy_backend: None) -> None:
    if isinstance(function, np.ufunc):
        operands = [K.constant([0.5, 0.25])] * function.nin
        with pytest.raises(TypeError, match=rf"np\.{function.__name__} cannot .* with {name}"):
            function(*operands, **{name: VALUES[name]})
        return
    K.set_floatx("float64")
    value = {name: VALUES[name]}
    if name == "out":
        with pytest.raises(TypeError, match="on tensors takes"):
            function(*_start(function, K.constant), **value)
        return
    try:
        expected = function(*_start(function, np.array), **value)
    except (TypeError, ValueError) as error:
        # NumPy itself has no use for it in this call.
        with pytest.raises((TypeError, ValueError)):
            function(*_start(function, K.constant), **value)
        assert error
        return
    try:
        made = function(*_start(function, K.constant), **value)
    except TypeError as error:
        assert "on tensors takes" in str(error) and name_of(function) in str(error), error
        return
    results = made if isinstance(made, (tuple, list)) else [made]
    wanted = expected if isinstance(expected, (tuple, list)) else [expected]
    for result, array in zip(results, wanted, strict=True):
        value = K.eval(result) if K.is_tensor(result) else result
        np.testing.assert_allclose(value, array, rtol=1e-10)
        if name == "dtype":
            assert np.asarray(value).dtype == "float32"


def test_what_is_known_of_a_shape() -> None:
    x = K.placeholder((None, 3))
    assert np.shape(x) == (None, 3) and np.ndim(x) == 2 and np.size(x, 1) == 3
    assert np.size(K.constant(np.ones((2, 3)))) == 6
    with pytest.raises(TypeError, match=r"K\.size\(x\)"):
        np.size(x)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.linalg.svd(x),
        lambda x: np.median(x),
        lambda x: np.fft.fft(x),
        lambda x: np.add.reduce(x),
        lambda x: np.add.at(x, [0], 1),
        lambda x: np.nextafter(x, x),
        lambda x: np.where(x),
        lambda x: np.repeat(x, [1, 2]),
        lambda x: np.pad(x, 1, mode="edge"),
        lambda x: np.linalg.norm(x, "nuc"),
        lambda x: np.linalg.norm(x, 2, axis=(0, 1)),
        lambda x: np.split(K.placeholder((None, 3)), 2),
        lambda x: np.diagonal(K.placeholder((None, 3))),
        lambda x: np.searchsorted(x, x),
    ],
)
def test_what_tensors_have_not(call: Any) -> None:
    with pytest.raises(TypeError, match=r"K\.|tensors|whole number|known length|singular values"):
        call(K.constant([[1.0, 2.0], [3.0, 4.0]]))


def test_lengths_that_are_unknown(numpy_backend: None) -> None:
    """What needs no known length takes any."""
    x = K.placeholder((None, 3))
    made = [
        np.sum(x, axis=0), np.var(x, axis=0, ddof=1), np.roll(x, 1, axis=0), np.diff(x, axis=0), np.flip(x),
        np.tril(x), np.pad(x, 1), np.sort(x, axis=0), np.cumsum(x), np.split(x, [1])[1], np.average(x, axis=0),
    ]  # fmt: skip
    value = normal(4, 3)
    values = K.function([x], made)([value])
    expected = [
        value.sum(0), value.var(0, ddof=1), np.roll(value, 1, 0), np.diff(value, axis=0), np.flip(value),
        np.tril(value), np.pad(value, 1), np.sort(value, 0), np.cumsum(value), value[1:], value.mean(0),
    ]  # fmt: skip
    for found, wanted in zip(values, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)
