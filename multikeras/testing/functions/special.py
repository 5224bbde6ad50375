"""Cases: special functions, sorting, places."""

from __future__ import annotations

from math import erf

import numpy as np

from multikeras import backend as K
from multikeras.testing.functions.case import Drawn, case

_drawn = Drawn(5)
apart, bits, normal, unit = _drawn.apart, _drawn.bits, _drawn.normal, _drawn.unit

_erf = np.vectorize(erf)
_away = np.array([-4.0, -1.7, -0.6, -0.3, 0.0, 0.2, 0.45, 0.5, 1.1, 2.4, 5.0, 7.0])

case("erf", _away, build=K.erf, expect=_erf)
case("erf", np.array([0, 1, 2]), build=K.erf, expect=_erf, note="integers")
case("gelu", _away, build=K.gelu, expect=lambda x: x * 0.5 * (1 + _erf(x / np.sqrt(2))))
case(
    "gelu",
    normal(3, 4),
    build=lambda x: K.gelu(x, approximate=True),
    expect=lambda x: x * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    note="approximate",
)
case("isinf", np.array([1.0, np.inf, -np.inf, np.nan]), build=K.isinf, expect=np.isinf, dtype="bool")
for _name, _x in [
    ("arcsin", unit(3, 4) - 0.5),
    ("arccos", unit(3, 4) - 0.5),
    ("arctan", normal(3, 4)),
    ("sinh", normal(3, 4)),
    ("cosh", normal(3, 4)),
    ("arcsinh", normal(3, 4)),
    ("arccosh", unit(3, 4) + 1.2),
    ("arctanh", unit(3, 4) - 0.5),
]:
    case(_name, _x, build=getattr(K, _name), expect=getattr(np, _name))
case("arctan2", apart(3, 4), apart(1, 4), build=K.arctan2, expect=np.arctan2)
case("arctan2", np.array([1, -1]), np.array([0, -1]), build=K.arctan2, expect=np.arctan2, note="integers")

# -- sorting ------------------------------------------------------------------------------------

_ties = np.array([[2, 1, 2, 1], [0, 3, 3, 0], [5, 5, 5, 5]])
case("sort", apart(3, 4), build=K.sort, expect=np.sort)
case("sort", apart(3, 4), build=lambda x: K.sort(x, 0), expect=lambda x: np.sort(x, 0), note="axis")
case("sort", apart(3, 4), build=lambda x: K.sort(x, None), expect=lambda x: np.sort(x, None), note="all")
case(
    "sort",
    apart(3, 4),
    build=lambda x: K.sort(x, descending=True),
    expect=lambda x: -np.sort(-x),
    note="descending",
)
case("sort", _ties, build=K.sort, expect=np.sort, dtype="int32", note="integers")
case("sort", bits(3, 4), build=K.sort, expect=np.sort, dtype="bool", note="booleans")
case("sort", np.array([1, np.nan, -np.inf, np.inf]), build=K.sort, expect=np.sort, smooth=False, note="nan")
case("argsort", apart(3, 4), build=K.argsort, expect=np.argsort, dtype="int64")
case(
    "argsort",
    _ties,
    build=lambda x: K.argsort(x, 0),
    expect=lambda x: np.argsort(x, 0, kind="stable"),
    dtype="int64",
    note="ties",
)
case(
    "argsort",
    _ties,
    build=lambda x: K.argsort(x, descending=True),
    expect=lambda x: np.argsort(-x, kind="stable"),
    dtype="int64",
    note="ties, descending",
)
case("argsort", _ties, build=lambda x: K.argsort(x, None), expect=lambda x: np.argsort(x, None, kind="stable"),
     dtype="int64", note="all")  # fmt: skip
case("top_k", apart(2, 3, 5), build=lambda x: K.top_k(x, 2)[0], expect=lambda x: -np.sort(-x)[..., :2])
case(
    "top_k",
    _ties,
    build=lambda x: K.top_k(x, 3)[1],
    expect=lambda x: np.argsort(-x, kind="stable")[..., :3],
    dtype="int64",
    note="places of equal entries",
)

# -- places -------------------------------------------------------------------------------------

_places = np.array([[0, -1, 2], [3, 3, -4], [1, 0, 1]])
case("take_along_axis", normal(3, 4), _places, build=K.take_along_axis, expect=lambda x, i: np.take_along_axis(x, i, 1))
case(
    "take_along_axis",
    normal(4, 3),
    _places[:2],
    build=lambda x, i: K.take_along_axis(x, i, 0),
    expect=lambda x, i: np.take_along_axis(x, i, 0),
    note="axis",
    known=True,
)
case(
    "take_along_axis",
    normal(4, 1),
    _places[:2],
    build=lambda x, i: K.take_along_axis(x, i, 0),
    expect=lambda x, i: np.take_along_axis(np.broadcast_to(x, (4, 3)), i, 0),
    note="broadcast",
)
case(
    "take_along_axis",
    normal(3, 4),
    _places,
    build=lambda x, i: K.take_along_axis(x, i, None),
    expect=lambda x, i: x.ravel()[i.ravel()],
    note="all",
)


def _added(x: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    made = x.copy()
    np.add.at(made, tuple(np.moveaxis(indices, -1, 0)), updates)
    return made


_pairs = np.array([[0, 1], [2, -1], [0, 1], [-3, 0]])
case("scatter_add", normal(3, 4), _pairs, normal(4), build=K.scatter_add, expect=_added)
case("scatter_add", normal(3, 4), _pairs[:, :1], normal(4, 4), build=K.scatter_add, expect=_added, note="rows")
case(
    "scatter_add",
    normal(3, 4, 2),
    _pairs.reshape(2, 2, 2),
    normal(2, 2, 2),
    build=K.scatter_add,
    expect=_added,
    note="two axes of updates",
)
case("scatter_add", _ties, _pairs, np.arange(4), build=K.scatter_add, expect=_added, dtype="int32", note="integers")
