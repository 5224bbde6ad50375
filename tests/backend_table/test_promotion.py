"""The rule by which types meet: its page, independent oracles, and what every backend makes of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multikeras import backend as K
from multikeras import registry
from multikeras.contract import FLOATS, SIZES, promote, weak
from multikeras.testing import observe

#: What the table counts for; dividing whole numbers gives floatx, and comparing gives bool.
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "**": lambda x, y: x**y,
    "less": K.less,
    "maximum": K.maximum,
    "where": lambda x, y: K.where(K.greater(x, y), x, y),
    "concatenate": lambda x, y: K.concatenate([x, y]),
    "dot": K.dot,
}

#: Functions of the same kind, of which the type is compared and no run made.
OTHERS: dict[str, Callable[[Any, Any], Any]] = {
    "//": lambda x, y: x // y,
    "%": lambda x, y: x % y,
    "equal": K.equal,
    "minimum": K.minimum,
    "stack": lambda x, y: K.stack([x, y]),
    "switch": lambda x, y: K.switch(K.greater(x, y), x, y),
    "switch, known": lambda x, y: K.switch(True, x, y),
    "in_train_phase": lambda x, y: K.in_train_phase(x, y),
    "in_train_phase, known": lambda x, y: K.in_train_phase(x, y, training=1),
    "matmul": lambda x, y: K.matmul(K.expand_dims(x), K.expand_dims(y)),
    "batch_dot": lambda x, y: K.batch_dot(K.expand_dims(x), K.expand_dims(y)),
    "einsum": lambda x, y: K.einsum("i,i->i", x, y),
}

#: What is not defined for two booleans.
NOT_OF_BOOLEANS = {"-", "**", "//", "%", "dot", "matmul", "batch_dot"}


def wanted(function: str, x: str, y: str) -> str:
    if function in ("less", "equal"):
        return "bool"
    met = promote(x, y)
    if function == "einsum" and met == "bool":
        return "int32"
    return K.floatx() if function == "/" and met not in FLOATS else met


def test_pairs_meet_as_in_jax() -> None:
    with jax.enable_x64(True):
        for x, y in product(SIZES, SIZES):
            assert promote(x, y) == str(jnp.promote_types(x, y)), (x, y)


def test_meeting_is_a_lattice() -> None:
    for x, y, z in product(SIZES, SIZES, SIZES):
        assert promote(x, y) == promote(y, x)
        assert promote(promote(x, y), x) == promote(x, y)
        assert promote(promote(x, y), z) == promote(x, promote(y, z)) == promote(x, y, z)


@pytest.mark.parametrize("kind", ["bool", "int", "float"])
def test_numbers_are_weak_as_in_jax(kind: str) -> None:
    number = {"bool": True, "int": 1, "float": 1.5}[kind]
    for dtype in SIZES:
        # Under JAX's 64-bit types its default float is float64.
        for floatx in ("float32", "float64"):
            with jax.enable_x64(floatx == "float64"):
                if floatx == "float32" and SIZES[dtype] == 8:
                    continue
                expected = str(jnp.result_type(jnp.dtype(dtype), number))
            if (dtype, kind, floatx) == ("bool", "int", "float64"):
                expected = "int32"
            assert promote(dtype, weak(kind, dtype, floatx)) == expected, (dtype, floatx)


@pytest.mark.parametrize("floatx", ["float16", "float32", "float64", "bfloat16"])
def test_numbers_and_arrays_beside_tensors(floatx: str, fresh_session: None) -> None:
    numbers = {
        "bool": [True, np.bool_(True), np.array([True]), [True]],
        "int": [1, np.int64(1), np.uint8(1), np.array([1], "int16"), [1]],
        "float": [1.5, np.float64(1.5), np.float16(1.5), np.array([1.5]), [1.5]],
    }
    config = K.floatx()
    with K.use_backend("torch"):
        K.set_floatx(floatx)
    for dtype, (kind, values) in product(SIZES, numbers.items()):
        x = K.placeholder((1,), dtype=dtype)
        expected = promote(dtype, weak(kind, dtype, floatx))
        for value in values:
            for function in ("+", "*", "maximum", "where"):
                found = FUNCTIONS[function](x, value), FUNCTIONS[function](value, x)
                assert [t.dtype for t in found] == [expected] * 2, (dtype, function, value)
            assert K.less(x, value).dtype == "bool"
    assert config == "float32"


def test_whole_numbers_that_do_not_fit(fresh_session: None) -> None:
    x, y = K.placeholder((2,), dtype="uint8"), K.placeholder((2,), dtype="int32")
    for wrong in (lambda: x + 300, lambda: x * -1, lambda: x - np.array([0, 256]), lambda: np.int64(2**31) + y):
        with pytest.raises(OverflowError, match=r"K\.cast"):
            wrong()
    assert (x + 255).dtype == "uint8" and (y - np.array([2**31 - 1, -(2**31)])).dtype == "int32"
    assert (x * -1.0).dtype == "float32"


@pytest.mark.parametrize("function", [*FUNCTIONS, *OTHERS])
def test_every_pair_of_types(function: str, fresh_session: None) -> None:
    apply = {**FUNCTIONS, **OTHERS}[function]
    for x, y in product(SIZES, SIZES):
        pair = [K.placeholder((1,), dtype=dtype) for dtype in (x, y)]
        if x == y == "bool" and function in NOT_OF_BOOLEANS:
            with pytest.raises(ValueError, match="booleans"):
                apply(*pair)
        else:
            assert apply(*pair).dtype == wanted(function, x, y), (x, y)


def test_backends_keep_to_it(each_backend: str) -> None:
    """Real runs of every function over every pair: types of the arrays, and values."""
    types = [dtype for dtype in SIZES if dtype in registry.current().dtypes]
    left, right = ({dtype: K.placeholder((1,), dtype=dtype) for dtype in types} for _ in "ab")
    asked = []
    for name, function in FUNCTIONS.items():
        for x, y in product(types, types):
            if not (x == y == "bool" and name in NOT_OF_BOOLEANS):
                asked.append((name, x, y, function(left[x], right[y])))
    feeds = {**dict.fromkeys(left.values(), [3]), **dict.fromkeys(right.values(), [2])}
    number = {dtype: (1, 1) if dtype == "bool" else (3, 2) for dtype in types}
    for (name, x, y, _), found in zip(asked, observe([t for *_, t in asked], feeds), strict=True):
        assert found.dtype == wanted(name, x, y), (name, x, y)
        a, b = np.array([number[x][0]]), np.array([number[y][1]])
        expected = {
            "+": a + b, "-": a - b, "*": a * b, "/": a / b, "**": a**b, "less": a < b, "maximum": np.maximum(a, b),
            "where": np.where(a > b, a, b), "concatenate": np.concatenate([a, b]), "dot": np.dot(a, b),
        }[name]  # fmt: skip
        if found.dtype == "bool":
            expected = expected > 0
        elif found.dtype not in FLOATS:
            expected = expected.astype(found.dtype)  # 1 - 2 goes round in an unsigned type
        np.testing.assert_allclose(np.asarray(found.value, "float64"), expected, err_msg=str((name, x, y)))
