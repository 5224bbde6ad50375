"""Cases: entry by entry, reductions, products, shapes."""

from __future__ import annotations

import numpy as np

from multikeras import backend as K
from multikeras.testing.functions import oracle
from multikeras.testing.functions.case import COLUMNS, Drawn, case, spelled

_drawn = Drawn(1)
apart, bits, normal, unit = _drawn.apart, _drawn.bits, _drawn.normal, _drawn.unit

# -- elementwise --------------------------------------------------------------------------------

for _name, _expect, _x in [
    ("square", np.square, normal(3, 2)),
    ("abs", np.abs, apart(3, 2)),
    ("exp", np.exp, normal(3, 2)),
    ("expm1", np.expm1, normal(3, 2)),
    ("log", np.log, unit(3, 2)),
    ("log1p", np.log1p, unit(3, 2)),
    ("sin", np.sin, normal(3, 2)),
    ("cos", np.cos, normal(3, 2)),
    ("tan", np.tan, unit(3, 2)),
    ("tanh", np.tanh, normal(3, 2)),
    ("sigmoid", oracle.sigmoid, normal(3, 2)),
    ("softplus", lambda x: np.logaddexp(x, 0), normal(3, 2)),
    ("softsign", lambda x: x / (1 + np.abs(x)), apart(3, 2)),
    ("silu", lambda x: x * oracle.sigmoid(x), normal(3, 2)),
    ("hard_sigmoid", lambda x: np.clip(0.2 * x + 0.5, 0, 1), apart(6, 5)),
    ("identity", lambda x: x, normal(3, 2)),
]:
    case(_name, _x, build=getattr(K, _name), expect=_expect)

for _name, _expect in [("round", np.round), ("sign", np.sign), ("floor", np.floor), ("ceil", np.ceil)]:
    case(_name, np.array([-1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 2.6]), build=getattr(K, _name), expect=_expect, smooth=False)

case("sqrt", unit(3, 2), build=K.sqrt, expect=np.sqrt)
case(
    "sqrt",
    np.array([-4.0, 0.0, 9.0]),
    build=K.sqrt,
    expect=lambda x: np.sqrt(np.maximum(x, 0)),
    note="negative",
    smooth=False,
)
case("exp", np.array([0, 1, 2]), build=K.exp, expect=np.exp, note="integers")
case("pow", unit(3, 2), build=lambda x: K.pow(x, 2.5), expect=lambda x: x**2.5)
case("pow", unit(3, 2), normal(3, 2), build=K.pow, expect=np.power, note="tensors", whole=False)
case(
    "pow",
    np.round(4 * unit(3, 2)),
    np.round(unit(3, 2) * 4),
    build=K.pow,
    expect=np.power,
    columns=COLUMNS[:-1],
    smooth=False,
    note="small",
)
case("pow", np.array([1, 2, 3]), build=lambda x: K.pow(x, 2), expect=lambda x: x**2, dtype="int32", note="integers")
case("clip", apart(4, 3), build=lambda x: K.clip(x, -1, 1.2), expect=lambda x: np.clip(x, -1, 1.2), whole=False)
case(
    "clip",
    apart(4, 3),
    build=lambda x: K.clip(x, 1, 0),
    expect=lambda x: np.ones_like(x),
    note="crossed",
    smooth=False,
)
case("clip", apart(4, 3), build=lambda x: K.clip(x, None, 0.5), expect=lambda x: np.minimum(x, 0.5), note="one bound")

for _name, _expect in [
    ("equal", np.equal),
    ("not_equal", np.not_equal),
    ("greater", np.greater),
    ("greater_equal", np.greater_equal),
    ("less", np.less),
    ("less_equal", np.less_equal),
    ("lesser", np.less),
    ("lesser_equal", np.less_equal),
]:
    case(_name, np.array([1.0, 2, 3]), np.array([3.0, 2, 1]), build=getattr(K, _name), expect=_expect, dtype="bool")
    case(
        _name,
        np.array([1, 2, 3]),
        build=lambda x, f=_name: getattr(K, f)(x, 2),
        expect=lambda x, f=_expect: f(x, 2),
        dtype="bool",
        note="number",
    )
for _name, _expect in [("maximum", np.maximum), ("minimum", np.minimum)]:
    case(_name, apart(3, 4), apart(1, 4) + 0.11, build=getattr(K, _name), expect=_expect)
    case(
        _name,
        apart(3, 4),
        build=lambda x, f=_name: getattr(K, f)(x, 0.5),
        expect=lambda x, f=_expect: f(x, 0.5),
        note="number",
    )
for _name, _expect in [("logical_and", np.logical_and), ("logical_or", np.logical_or)]:
    case(_name, bits(5), bits(5), build=getattr(K, _name), expect=_expect, dtype="bool")
case("logical_not", bits(5), build=K.logical_not, expect=np.logical_not, dtype="bool")
case("logical_and", np.array([0.0, 1, 0, -2]), np.array([0.0, 0, 3, 1]), build=K.logical_and,
     expect=np.logical_and, dtype="bool", note="numbers")  # fmt: skip
case("logical_or", np.array([0.0, 1, 0, -2]), np.array([0.0, 0, 3, 1]), build=K.logical_or,
     expect=np.logical_or, dtype="bool", note="numbers")  # fmt: skip
case("logical_not", np.array([0.0, 1, -2]), build=K.logical_not, expect=np.logical_not, dtype="bool", note="numbers")
for _name, _expect in [("isnan", np.isnan), ("isfinite", np.isfinite), ("isinf", np.isinf)]:
    case(_name, normal(3), build=getattr(K, _name), expect=_expect, dtype="bool", note="numbers")
case("isnan", np.array([1.0, np.nan, np.inf]), build=K.isnan, expect=np.isnan, dtype="bool")
case("isfinite", np.array([1.0, np.nan, np.inf]), build=K.isfinite, expect=np.isfinite, dtype="bool")
case("where", bits(3, 2), normal(3, 2), normal(3, 2), build=K.where, expect=np.where)
case(
    "where",
    bits(3, 2),
    normal(3, 2),
    build=lambda c, x: K.where(c, x, 0.0),
    expect=lambda c, x: np.where(c, x, 0),
    note="number",
)
case("cast", np.array([1.9, -1.9, 0.0]), build=lambda x: K.cast(x, "int32"), expect=np.trunc, dtype="int32")
case(
    "cast",
    np.array([1.9, -1.9, 0.0]),
    build=lambda x: K.cast(x, "bool"),
    expect=lambda x: x != 0,
    dtype="bool",
    note="bool",
)
case(
    "cast",
    np.array([1.5, -2.5]),
    build=lambda x: K.cast(x, "float64"),
    expect=lambda x: x,
    dtype="float64",
    note="float64",
)

# -- reductions ---------------------------------------------------------------------------------

for _name in ["max", "min", "sum", "prod", "mean", "var", "std"]:
    for _axis, _keep in [(None, False), (1, False), (-1, True), ([0, 2], False), ((-1, 0), True)]:
        case(
            _name,
            apart(2, 3, 4),
            build=lambda x, f=_name, a=_axis, k=_keep: getattr(K, f)(x, axis=a, keepdims=k),
            expect=lambda x, f=_name, a=_axis, k=_keep: getattr(np, f)(
                x, axis=tuple(a) if isinstance(a, list) else a, keepdims=k
            ),
            note=f"{_axis}-{_keep}",
            scale=4.0 if _name in ("sum", "mean") else 0.0,
        )
for _name in ["any", "all"]:
    case(_name, bits(3, 4), build=getattr(K, _name), expect=getattr(np, _name), dtype="bool")
    case(
        _name,
        np.array([[0.0, 2.0], [1.0, 3.0]]),
        build=lambda x, f=_name: getattr(K, f)(x, -1, True),
        expect=lambda x, f=_name: getattr(np, f)(x, -1, keepdims=True),
        dtype="bool",
        note="numbers",
    )
for _name in ["argmax", "argmin"]:
    case(
        _name,
        np.array([[1.0, 3, 3], [2, 0, 0]]),
        build=getattr(K, _name),
        expect=lambda x, f=_name: getattr(np, f)(x, -1),
        dtype="int64",
    )
    case(
        _name,
        apart(3, 4),
        build=lambda x, f=_name: getattr(K, f)(x, 0),
        expect=lambda x, f=_name: getattr(np, f)(x, 0),
        dtype="int64",
        note="axis",
    )
case("mean", np.array([1, 2, 4]), build=K.mean, expect=np.mean, note="integers")
case("mean", bits(7), build=K.mean, expect=np.mean, note="bool")
case(
    "sum",
    np.array([[1, 2], [3, 4]]),
    build=lambda x: K.sum(x, 0),
    expect=lambda x: x.sum(0),
    dtype="int32",
    note="integers",
)
case("sum", bits(7), build=K.sum, expect=np.sum, dtype="int32", note="bool")
case("max", bits(3, 2), build=lambda x: K.max(x, 1), expect=lambda x: x.max(1), dtype="bool", note="bool")
case(
    "prod",
    np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.0]]),
    build=lambda x: K.prod(x, 1),
    expect=lambda x: x.prod(1),
    note="zeros",
)
case("logsumexp", normal(3, 4), build=lambda x: K.logsumexp(x, 1), expect=lambda x: np.log(np.exp(x).sum(1)))
case(
    "logsumexp",
    np.array([[800.0, 801.0]]),
    build=lambda x: K.logsumexp(x, -1, True),
    expect=lambda x: np.logaddexp(x[:, :1], x[:, 1:]),
    note="large",
)
case("norm", normal(3, 4), build=lambda x: K.norm(x, 1), expect=lambda x: np.sqrt((x * x).sum(1)))
case("cumsum", normal(3, 4), build=lambda x: K.cumsum(x, 1), expect=lambda x: x.cumsum(1))
case("cumprod", normal(3, 4), build=lambda x: K.cumprod(x, 1), expect=lambda x: x.cumprod(1))
case("size", normal(3, 4), build=K.size, expect=np.size, dtype="int64")

# -- products -----------------------------------------------------------------------------------

for _a, _b in [
    ((2, 3), (3, 4)),
    ((2, 3), (4, 3, 5)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (5, 4, 2)),
    ((4,), (4, 3)),
    ((2, 4), (4,)),
    ((4,), (4,)),
]:
    case("dot", normal(*_a), normal(*_b), build=K.dot, expect=np.dot, note=f"{len(_a)}-{len(_b)}")
case(
    "dot", np.array([[1, 2], [3, 4]]), np.array([[1], [2]]), build=K.dot, expect=np.dot, dtype="int32", note="integers"
)
for _a, _b in [((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4, 5)), ((4,), (4, 3)), ((2, 4), (4,))]:
    case("matmul", normal(*_a), normal(*_b), build=K.matmul, expect=np.matmul, note=f"{len(_a)}-{len(_b)}")
for _a, _b, _axes in [
    ((2, 3), (2, 3), (1, 1)),
    ((2, 3, 4), (2, 4, 5), (2, 1)),
    ((2, 3, 4), (2, 5, 4), (2, 2)),
    ((2, 4, 3), (2, 4, 5), (1, 1)),
    ((2, 3), (2, 5, 3), (1, 2)),
    ((2, 5, 3), (2, 3), (2, 1)),
    ((2, 3, 4, 5), (2, 6, 4), (2, 2)),
]:
    case(
        "batch_dot",
        normal(*_a),
        normal(*_b),
        build=lambda x, y, axes=_axes: K.batch_dot(x, y, axes),
        expect=lambda x, y, axes=_axes: oracle.batch_dot(x, y, *axes),
        note=f"{len(_a)}-{len(_b)}-{_axes}",
    )
case("batch_dot", normal(2, 3, 4), normal(2, 4, 5), build=K.batch_dot, expect=np.matmul, note="none")
case(
    "batch_dot",
    np.array([[1.0, 2], [3, 4]]),
    np.array([[5.0, 6], [7, 8]]),
    build=lambda x, y: K.batch_dot(x, y, 1),
    expect=lambda x, y: (x * y).sum(1, keepdims=True),
    note="int",
    smooth=False,
)
case("transpose", normal(2, 3), build=K.transpose, expect=np.transpose)
case("gather", normal(4, 3), np.array([[0, 3], [1, 1]]), build=K.gather, expect=lambda x, i: x[i])

# -- shapes -------------------------------------------------------------------------------------

case(
    "concatenate",
    normal(2, 3),
    normal(2, 1),
    build=lambda x, y: K.concatenate([x, y]),
    expect=lambda x, y: np.concatenate([x, y], -1),
)
case(
    "concatenate",
    normal(2, 3),
    normal(1, 3),
    build=lambda x, y: K.concatenate([x, y], axis=0),
    expect=lambda x, y: np.concatenate([x, y], 0),
    note="first",
)
case(
    "stack",
    normal(2, 3),
    normal(2, 3),
    build=lambda x, y: K.stack([x, y], axis=-1),
    expect=lambda x, y: np.stack([x, y], -1),
)
case("reshape", normal(2, 6), build=lambda x: K.reshape(x, (-1, 2, 3)), expect=lambda x: x.reshape(2, 2, 3))
case(
    "reshape",
    normal(2, 6),
    build=lambda x: K.reshape(x, (K.shape(x)[0], -1, 3)),
    expect=lambda x: x.reshape(2, 2, 3),
    note="shape",
)
case(
    "permute_dimensions",
    normal(2, 3, 4),
    build=lambda x: K.permute_dimensions(x, (0, 2, 1)),
    expect=lambda x: x.transpose(0, 2, 1),
)
case("flatten", normal(2, 3), build=K.flatten, expect=np.ravel)
case("batch_flatten", normal(2, 3, 4), build=K.batch_flatten, expect=lambda x: x.reshape(2, 12))
case("expand_dims", normal(2, 3), build=K.expand_dims, expect=lambda x: x[..., None])
case(
    "expand_dims",
    normal(2, 3),
    build=lambda x: spelled("expand_dims", x, dim=1),
    expect=lambda x: x[:, None],
    note="dim",
)
case("squeeze", normal(2, 1, 3), build=lambda x: K.squeeze(x, 1), expect=lambda x: x[:, 0])
case("repeat_elements", normal(2, 3), build=lambda x: K.repeat_elements(x, 3, 1), expect=lambda x: np.repeat(x, 3, 1))
case(
    "repeat_elements",
    normal(2, 3),
    build=lambda x: K.repeat_elements(x, 2, 0),
    expect=lambda x: np.repeat(x, 2, 0),
    note="first",
)
case("repeat", normal(2, 3), build=lambda x: K.repeat(x, 4), expect=lambda x: np.repeat(x[:, None], 4, 1))
case("tile", normal(2, 3), build=lambda x: K.tile(x, (2, 1)), expect=lambda x: np.tile(x, (2, 1)))
case(
    "tile", normal(2, 3), build=lambda x: K.tile(x, [2, 1, 3]), expect=lambda x: np.tile(x, [2, 1, 3]), note="more axes"
)
case(
    "tile",
    normal(1, 3),
    normal(4, 2),
    build=lambda x, y: K.tile(x, [K.shape(y)[0], 1]),
    expect=lambda x, y: np.tile(x, [4, 1]),
    note="shape",
)
case(
    "resize_images",
    normal(2, 2, 3, 2),
    build=lambda x: K.resize_images(x, 2, 3, "channels_last"),
    expect=lambda x: x.repeat(2, 1).repeat(3, 2),
)
case(
    "resize_images",
    normal(2, 2, 3, 2),
    build=lambda x: spelled("resize_images", X=x, height_factor=2, width_factor=3, dim_ordering="th"),
    expect=lambda x: x.repeat(2, 2).repeat(3, 3),
    note="th",
)


def _between(x: np.ndarray, factor: int, axis: int) -> np.ndarray:
    """Entries at every `factor`-th part of a step, the last one being repeated."""
    places = np.arange(x.shape[axis] * factor) / factor
    return np.apply_along_axis(lambda line: np.interp(places, np.arange(len(line)), line), axis, x)


case(
    "resize_images",
    normal(2, 3, 2, 2),
    build=lambda x: K.resize_images(x, 2, 3, "channels_last", "bilinear"),
    expect=lambda x: _between(_between(x, 2, 1), 3, 2),
    note="bilinear",
)
case(
    "resize_images",
    normal(2, 3, 1, 2),
    build=lambda x: K.resize_images(x, 1, 4, "channels_first", interpolation="bilinear"),
    expect=lambda x: _between(x, 4, 3),
    note="bilinear-first",
)
case(
    "resize_images",
    np.arange(4).reshape(1, 2, 2, 1),
    build=lambda x: K.resize_images(x, 2, 2, "channels_last", "bilinear"),
    expect=lambda x: np.array([[0, 0.5, 1, 1], [1, 1.5, 2, 2], [2, 2.5, 3, 3], [2, 2.5, 3, 3]])[None, :, :, None],
    note="bilinear-integers",
)
case(
    "resize_volumes",
    normal(1, 2, 2, 2, 2),
    build=lambda x: K.resize_volumes(x, 2, 1, 3, "th"),
    expect=lambda x: x.repeat(2, 2).repeat(3, 4),
    note="th",
)
case(
    "resize_volumes",
    normal(1, 2, 3, 2, 2),
    build=lambda x: K.resize_volumes(x, 2, 1, 3, "channels_last"),
    expect=lambda x: x.repeat(2, 1).repeat(3, 3),
)
case(
    "temporal_padding",
    normal(2, 3, 2),
    build=lambda x: K.temporal_padding(x, (1, 2)),
    expect=lambda x: np.pad(x, [(0, 0), (1, 2), (0, 0)]),
)
case(
    "temporal_padding",
    normal(2, 3, 2),
    build=lambda x: K.temporal_padding(x, 2),
    expect=lambda x: np.pad(x, [(0, 0), (2, 2), (0, 0)]),
    note="int",
)
case(
    "spatial_2d_padding",
    normal(2, 3, 2, 2),
    build=K.spatial_2d_padding,
    expect=lambda x: np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]),
)
case(
    "spatial_2d_padding",
    normal(2, 3, 2, 2),
    build=lambda x: K.spatial_2d_padding(x, (1, 2), "th"),
    expect=lambda x: np.pad(x, [(0, 0), (0, 0), (1, 1), (2, 2)]),
    note="th",
)
case(
    "spatial_3d_padding",
    normal(1, 2, 2, 2, 1),
    build=lambda x: K.spatial_3d_padding(x, ((1, 0), (0, 2), (1, 1))),
    expect=lambda x: np.pad(x, [(0, 0), (1, 0), (0, 2), (1, 1), (0, 0)]),
)
case(
    "spatial_3d_padding",
    normal(1, 1, 2, 2, 2),
    build=lambda x: K.spatial_3d_padding(x, ((1, 0), (0, 2), (1, 1)), "channels_first"),
    expect=lambda x: np.pad(x, [(0, 0), (0, 0), (1, 0), (0, 2), (1, 1)]),
    note="first",
)
case("one_hot", np.array([[0, 2], [1, 0]]), build=lambda x: K.one_hot(x, 3), expect=lambda x: np.eye(3)[x])
case(
    "one_hot",
    np.array([0.0, 2.0, 1.0, 0.0, -1.0]),
    build=lambda x: K.one_hot(x, 3),
    expect=lambda x: x[:, None] == np.arange(3),
    note="any type",
    smooth=False,
)
case(
    "one_hot",
    np.array([0, 2]),
    build=lambda x: spelled("one_hot", x, nb_classes=3),
    expect=lambda x: np.eye(3)[x],
    note="nb_classes",
)
case("reverse", normal(2, 3, 2), build=lambda x: K.reverse(x, [0, -1]), expect=lambda x: x[::-1, :, ::-1])
case("slice", normal(3, 4), build=lambda x: K.slice(x, [1, 0], [2, -1]), expect=lambda x: x[1:3])
case("zeros_like", normal(2, 3), build=K.zeros_like, expect=np.zeros_like)
case(
    "ones_like",
    normal(2, 3),
    build=lambda x: K.ones_like(x, dtype="int32"),
    expect=np.ones_like,
    dtype="int32",
    smooth=False,
)
case("shape", normal(2, 3), build=K.shape, expect=lambda x: np.array(x.shape), dtype="int64")
case(
    "arange",
    normal(5, 3),
    build=lambda x: K.arange(1, K.shape(x)[0], 2),
    expect=lambda x: np.arange(1, 5, 2),
    dtype="int32",
)
case(
    "arange",
    build=lambda: K.arange(0, 1, 0.25, dtype="float32"),
    expect=lambda: np.arange(0, 1, 0.25),
    dtype="float32",
    note="numbers",
)
case("to_dense", normal(2, 3), build=K.to_dense, expect=lambda x: x)
