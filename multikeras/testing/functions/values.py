"""Cases: what makes values, chooses between them, changes variables, and goes out of the graph."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.testing import running
from multikeras.testing.functions import oracle
from multikeras.testing.functions.case import FLOATS, OTHERS, Drawn, case

_drawn = Drawn(7)
apart, normal, unit = _drawn.apart, _drawn.normal, _drawn.unit

# -- made of numbers, in the type of the column ---------------------------------------------------

_entries = [[1, 0, 3], [2, 5, 1]]
for _name, _build, _expect in [
    ("variable", lambda dtype: K.variable(_entries, dtype), _entries),
    ("constant", lambda dtype: K.constant(_entries, dtype), _entries),
    ("zeros", lambda dtype: K.zeros((2, 3), dtype), np.zeros((2, 3))),
    ("ones", lambda dtype: K.ones((2, 3), dtype), np.ones((2, 3))),
    ("eye", lambda dtype: K.eye((2, 3), dtype), np.eye(2, 3)),
    ("cast", lambda dtype: K.cast(K.constant(_entries, "int32"), dtype), _entries),
    ("arange", lambda dtype: K.arange(0, 2, dtype=dtype), [0, 1]),
]:
    case(_name, build=_build, expect=lambda dtype, value=_expect: np.asarray(value), typed=True, note="typed")
case("cast_to_floatx", normal(2, 3), build=K.cast_to_floatx, expect=lambda x: x)

# -- random ---------------------------------------------------------------------------------------


def drawn(function: str, *arguments: Any, **rest: Any) -> None:
    """A random case with a seed: what the NumPy backend draws has to come out."""

    def build(dtype: str) -> Any:
        return getattr(K, function)(*arguments, dtype=dtype, seed=7)

    def expect(dtype: str) -> np.ndarray:
        return running.run(build(dtype), backend="numpy")

    case(function, build=build, expect=expect, typed=True, **rest)


drawn("random_uniform", (3, 4), columns=FLOATS)
drawn("random_uniform", (3, 4), 2, 9, columns=OTHERS, note="whole")
drawn("random_normal", (3, 4))
drawn("truncated_normal", (3, 4))
drawn("random_binomial", (3, 4), 0.4)
drawn("random_uniform_variable", (3, 4), -1.0, 2.0)
drawn("random_normal_variable", (3, 4), 1.0, 2.0)


def dropped(x: np.ndarray) -> np.ndarray:
    """What the bits of the NumPy backend leave of an array."""
    kept = running.run(K.random_binomial(x.shape, 0.5, "float64", seed=7), backend="numpy")
    return np.where(kept == 0, 2 * x, 0)


case("dropout", normal(4, 3), build=lambda x: K.dropout(x, 0.5, seed=7), expect=dropped, smooth=False, known=True)

# -- choice ---------------------------------------------------------------------------------------

case("switch", np.array(True), normal(3, 2), normal(3, 2), build=K.switch, expect=lambda c, x, y: x)
case(
    "switch",
    np.array([True, False, True]),
    normal(3, 2),
    normal(3, 2),
    build=K.switch,
    expect=lambda c, x, y: np.where(c[:, None], x, y),
    note="entries",
)
case(
    "switch",
    np.array(False),
    normal(3, 2),
    build=lambda c, x: K.switch(c, lambda: K.square(x), lambda: K.maximum(x, x)),
    expect=lambda c, x: x,
    note="functions",
)
case("in_train_phase", normal(3), build=lambda x: K.in_train_phase(K.square(x), x), expect=lambda x: x)
case("in_train_phase", normal(3), build=lambda x: K.in_train_phase(K.square(x), x, training=1),
     expect=lambda x: x * x, note="training")  # fmt: skip
case("in_test_phase", normal(3), build=lambda x: K.in_test_phase(K.square(x), x), expect=lambda x: x * x)
case("stop_gradient", normal(3, 2), build=lambda x: K.stop_gradient(x), expect=lambda x: x, smooth=False)
case(
    "stop_gradient",
    normal(3, 2),
    build=lambda x: K.stop_gradient(K.cast(x, K.floatx())) * 0 + K.exp(x),
    expect=np.exp,
    note="beside another path",
)
case(
    "gradients",
    normal(3, 2),
    build=lambda x: K.gradients(K.sum(K.exp(x) * K.cast(x, K.floatx())), x)[0],
    expect=lambda x: (1 + x) * np.exp(x),
    columns=FLOATS,
)
case("print_tensor", normal(2), build=lambda x: K.print_tensor(x, "a case: "), expect=lambda x: x)

# -- variables ------------------------------------------------------------------------------------

for _name, _expect in [
    ("update", lambda x: x),
    ("update_add", lambda x: x + 4),
    ("update_sub", lambda x: 4 - x),
]:

    def _changed(x: Any, function: str = _name) -> Any:
        dtype = "int32" if x.dtype == "bool" else x.dtype
        return getattr(K, function)(K.variable(np.full((3,), 4), dtype), x)

    case(_name, normal(3), build=_changed, expect=_expect, smooth=False, known=True)
case(
    "moving_average_update",
    normal(3),
    build=lambda x: K.moving_average_update(K.variable(np.full((3,), 4.0)), x, 0.75),
    expect=lambda x: 3 + 0.25 * x,
    smooth=False,
    known=True,
)

# -- out of the graph -----------------------------------------------------------------------------

case(
    "numpy_function",
    normal(3, 2),
    build=lambda x: K.numpy_function(np.fliplr, x, K.int_shape(x), x.dtype, lambda g, out, x: K.reverse(g, 1)),
    expect=np.fliplr,
)
case(
    "custom_gradient",
    normal(3, 2),
    build=K.custom_gradient(lambda x: (K.square(x), lambda g: g * 2 * x)),
    expect=np.square,
)
_cube = K.primitive(
    "multikeras_testing.cube",
    shape=lambda x: x.shape,
    dtype=lambda x: x.dtype,
    gradient="composition",
    composition=lambda x: x * x * x,
    doc="The third power.",
)
case("primitive", normal(3, 2), build=lambda x: _cube(x), expect=lambda x: x**3)

# -- loops and sequences of labels ----------------------------------------------------------------

case(
    "while_loop",
    normal(3) / 3,
    build=lambda x: K.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y + y), (0, x), 5)[1],
    expect=lambda x: 8 * x,
    known=True,
)


def cost(shares: np.ndarray, labels: list[int]) -> float:
    """Minus the logarithm of the probability of labels, by counting all ways through time."""
    blank, total = shares.shape[-1] - 1, 0.0
    for path in product(range(shares.shape[-1]), repeat=len(shares)):
        merged = [c for i, c in enumerate(path) if i == 0 or path[i - 1] != c]
        if [c for c in merged if c != blank] == labels:
            total += float(np.prod([shares[t, c] for t, c in enumerate(path)]))
    return -float(np.log(total))


_labels = np.array([[0, 1], [1, 0]])
_lengths = np.array([[4], [3]]), np.array([[2], [1]])


def _costs(labels: np.ndarray, shares: np.ndarray, steps: np.ndarray, counts: np.ndarray) -> np.ndarray:
    shares = oracle.softmax(shares)
    return np.array(
        [[cost(s[: n[0]], list(c[: m[0]]))] for s, n, c, m in zip(shares, steps, labels, counts, strict=True)]
    )


case(
    "ctc_batch_cost",
    _labels,
    normal(2, 4, 3),
    *_lengths,
    build=lambda labels, x, steps, counts: K.ctc_batch_cost(labels, K.softmax(x), steps, counts),
    expect=_costs,
    known=True,
)
_likely = np.array([[[3.0, 0, 0], [3, 0, 0], [0, 0, 3], [0, 3, 0]], [[0, 0, 3], [0, 3, 0], [0, 3, 0], [3, 0, 0]]])


def _best(x: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Minus the logarithm of the probability of the best path."""
    logarithms = np.log(oracle.softmax(x).max(-1))
    return -np.where(np.arange(4) < steps, logarithms, 0).sum(-1, keepdims=True)


case(
    "ctc_decode",
    _likely,
    _lengths[0],
    build=lambda x, steps: K.ctc_decode(K.softmax(x), steps[:, 0])[0][0],
    expect=lambda x, steps: np.array([[0, 1, -1, -1], [1, -1, -1, -1]]),
    dtype="int64",
    known=True,
)
case(
    "ctc_decode",
    _likely,
    _lengths[0],
    build=lambda x, steps: K.ctc_decode(K.softmax(x), steps[:, 0])[1],
    expect=_best,
    note="scores",
    smooth=False,
    columns=FLOATS,
    known=True,
)
case(
    "ctc_label_dense_to_sparse",
    np.array([[1.0, 2, 3], [4, 5, 6]]),
    np.array([2, 3]),
    build=K.ctc_label_dense_to_sparse,
    expect=lambda labels, counts: labels * (np.arange(3) < counts[:, None]),
    known=True,
)
