"""Properties of K functions that combine, reduce and move entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from multikeras import backend as K
from multikeras import config
from multikeras.contract import DTYPES, FLOATS, is_float
from multikeras.testing.properties import Example, Feed, axes_of, axis_of, feeds, shapes

_DTYPES = st.sampled_from(["float64", "float64", "float32", "int32"])

_BINARY: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "x + y": (lambda x, y: x + y, np.add),
    "x - y": (lambda x, y: x - y, np.subtract),
    "x * y": (lambda x, y: x * y, np.multiply),
    "x / (y * y + 1)": (lambda x, y: x / (y * y + 1.0), lambda x, y: x / (y * y + 1)),
    "maximum": (lambda x, y: K.maximum(x, y + 0.001), lambda x, y: np.maximum(x, y + 0.001)),
    "minimum": (lambda x, y: K.minimum(x, y + 0.001), lambda x, y: np.minimum(x, y + 0.001)),
    "arctan2": (lambda x, y: K.arctan2(x, y), np.arctan2),
}
_COMPARISONS = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}


@st.composite
def broadcasting(draw: st.DrawFn) -> Example:
    """Two or three operands of shapes that broadcast."""
    kind = draw(st.sampled_from(["arithmetic", "arithmetic", "comparison", "where"]))
    count = 3 if kind == "where" else 2
    side = 0 if draw(st.integers(0, 5)) == 5 else 1
    drawn = draw(npst.mutually_broadcastable_shapes(num_shapes=count, max_dims=3, min_side=side, max_side=3))
    dtype = "float64" if kind != "comparison" else draw(_DTYPES)
    parts = [draw(feeds(shape, dtype)) for shape in drawn.input_shapes]
    if kind == "where":
        condition = draw(feeds(drawn.input_shapes[0], "bool"))
        return Example("where", (condition, *parts[1:]), np.where, dtype, slopes=(1, 2))
    if kind == "comparison":
        name = draw(st.sampled_from(sorted(_COMPARISONS)))
        return Example(name, tuple(parts), _COMPARISONS[name], "bool")
    name = draw(st.sampled_from(sorted(_BINARY)))
    build, expect = _BINARY[name]
    return Example(name, tuple(parts), expect, dtype, build=build, slopes=(0, 1))


def _logsumexp(x: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def _norm(x: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


#: NumPy's function, whether it takes booleans, whether it is smooth, and whether it takes no entries at all.
_REDUCTIONS: dict[str, tuple[Callable[..., Any], bool, bool, bool]] = {
    "sum": (np.sum, False, True, True),
    "prod": (np.prod, False, True, True),
    "mean": (np.mean, False, True, False),
    "var": (np.var, False, True, False),
    "std": (np.std, False, False, False),
    "max": (np.max, False, True, False),
    "min": (np.min, False, True, False),
    "any": (np.any, True, False, True),
    "all": (np.all, True, False, True),
    "logsumexp": (_logsumexp, False, True, False),
    "norm": (_norm, False, False, True),
}


@st.composite
def reductions(draw: st.DrawFn) -> Example:
    """A reduction over any axes, of no entries too where that has a meaning."""
    name = draw(st.sampled_from(sorted(_REDUCTIONS)))
    function, of_booleans, smooth, of_nothing = _REDUCTIONS[name]
    shape = draw(shapes(0, 4, empty=of_nothing and draw(st.booleans())))
    dtype = "bool" if of_booleans else draw(st.sampled_from(["float64", "float64", "float32"]))
    x = draw(feeds(shape, dtype, apart=not of_booleans))
    keywords = {"axis": draw(axes_of(len(shape))), "keepdims": draw(st.booleans())}
    slopes = (0,) if smooth and dtype == "float64" else ()
    return Example(name, (x,), lambda x: function(x, **keywords), dtype, keywords, slopes=slopes, tolerance=20)


@st.composite
def along_an_axis(draw: st.DrawFn) -> Example:
    """Running sums, places of extremes, orders."""
    shape = draw(shapes(1, 3))
    axis = draw(axis_of(len(shape)))
    name = draw(st.sampled_from(["cumsum", "cumprod", "argmax", "argmin", "sort", "argsort", "softmax", "reverse"]))
    dtype = "float64" if name in ("softmax", "cumprod") else draw(_DTYPES)
    # Equal entries keep their order.
    x = draw(feeds(shape, dtype, apart=is_float(dtype) and draw(st.booleans())))
    keywords: dict[str, Any] = {"axes" if name == "reverse" else "axis": axis}
    if name in ("argmax", "argmin"):
        keywords["axis"] = draw(st.sampled_from([axis, axis, None]))
        function = np.argmax if name == "argmax" else np.argmin
        return Example(name, (x,), lambda x: function(x, keywords["axis"]), "int64", keywords)
    if name in ("sort", "argsort"):
        keywords["descending"] = draw(st.booleans())
        return Example(
            name,
            (x,),
            lambda x: _ordered(x, axis, name == "argsort", keywords["descending"]),
            "int64" if name == "argsort" else dtype,
            keywords,
        )
    expect: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "cumsum": lambda x: np.cumsum(x, axis),
        "cumprod": lambda x: np.cumprod(x, axis),
        "softmax": lambda x: np.exp(x) / np.sum(np.exp(x), axis, keepdims=True),
        "reverse": lambda x: np.flip(x, axis),
    }
    slopes = (0,) if dtype == "float64" else ()
    return Example(name, (x,), expect[name], dtype, keywords, slopes=slopes, tolerance=20)


def _ordered(x: np.ndarray, axis: int, places: bool, descending: bool) -> np.ndarray:
    order = np.argsort(-x if descending else x, axis, kind="stable")
    return order if places else np.take_along_axis(x, order, axis)


@st.composite
def slicing(draw: st.DrawFn) -> Example:
    """`x[…]` with whole numbers, slices of any step, None and an ellipsis."""
    shape = draw(shapes(1, 4, longest=5))
    key = draw(npst.basic_indices(shape, min_dims=0, max_dims=6, allow_newaxis=True))
    x = draw(feeds(shape))
    return Example(f"x[{key!r}]", (x,), lambda x: x[key], "float64", build=lambda x: x[key], slopes=(0,), tolerance=0)


@st.composite
def reshaping(draw: st.DrawFn) -> Example:
    """Other shapes of the same entries, axes in another order, axes more and fewer."""
    shape = draw(shapes(0, 4))
    x = draw(feeds(shape, draw(_DTYPES)))
    name = draw(
        st.sampled_from(["reshape", "permute_dimensions", "expand_dims", "squeeze", "flatten", "batch_flatten"])
    )
    slopes = (0,) if x.dtype == "float64" else ()

    def example(expect: Callable[..., Any], **keywords: Any) -> Example:
        return Example(name, (x,), expect, x.dtype, keywords, slopes=slopes, tolerance=0)

    if name == "reshape":
        wanted = draw(_factors(int(np.prod(shape, dtype=int))))
        return example(lambda x: np.reshape(x, wanted), shape=wanted)
    if name == "permute_dimensions":
        order = draw(st.permutations(range(len(shape))))
        return example(lambda x: np.transpose(x, order), pattern=tuple(order))
    if name == "expand_dims":
        axis = draw(axis_of(len(shape) + 1))
        return example(lambda x: np.expand_dims(x, axis), axis=axis)
    if name == "squeeze" and 1 in shape:
        axis = draw(st.sampled_from([i for i, n in enumerate(shape) if n == 1]))
        return example(lambda x: np.squeeze(x, axis), axis=axis - len(shape) if draw(st.booleans()) else axis)
    if name == "batch_flatten" and shape:
        return example(lambda x: np.reshape(x, (len(x), -1)))
    name = "flatten"
    return example(np.ravel)


@st.composite
def _factors(draw: st.DrawFn, size: int) -> tuple[int, ...]:
    """A shape of `size` entries, one of its lengths perhaps left out."""
    made = []
    while size > 1:
        factor = draw(st.sampled_from([n for n in range(2, size + 1) if size % n == 0]))
        made.append(factor)
        size //= factor
    made += [1] * draw(st.integers(0, 1))
    order = draw(st.permutations(made))
    left_out = draw(st.integers(-1, len(order) - 1))
    return tuple(-1 if i == left_out else n for i, n in enumerate(order))


@st.composite
def joining(draw: st.DrawFn) -> Example:
    """Tensors side by side, and repeated."""
    shape = draw(shapes(1, 3))
    name = draw(st.sampled_from(["concatenate", "stack", "tile", "repeat_elements"]))
    if name == "tile":
        counts = tuple(draw(st.lists(st.integers(1, 3), min_size=len(shape), max_size=len(shape))))
        return Example(
            name, (draw(feeds(shape)),), lambda x: np.tile(x, counts), "float64", {"n": counts}, None, (0,), 0
        )
    axis = draw(axis_of(len(shape) + (name == "stack")))
    if name == "repeat_elements":
        rep, x = draw(st.integers(1, 3)), draw(feeds(shape))
        keywords = {"rep": rep, "axis": axis}
        return Example(name, (x,), lambda x: np.repeat(x, rep, axis), "float64", keywords, None, (0,), 0)
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        longer = list(shape)
        if name == "concatenate":
            longer[axis] = draw(st.integers(1, 3))
        parts.append(draw(feeds(tuple(longer))))
    function = np.concatenate if name == "concatenate" else np.stack
    return Example(
        name,
        tuple(parts),
        lambda *xs: function(xs, axis=axis),
        "float64",
        {"axis": axis},
        lambda *xs: getattr(K, name)(list(xs), axis=axis),
        tuple(range(len(parts))),
        0,
    )


@st.composite
def picking(draw: st.DrawFn) -> Example:
    """Entries named by whole numbers, which may come again and may count from the end."""
    shape = draw(shapes(1, 3, longest=4))
    name = draw(st.sampled_from(["gather", "x[indices]", "take_along_axis", "scatter_add", "one_hot"]))
    kind = draw(st.sampled_from(["int32", "int64"]))
    x = draw(feeds(shape))

    def places(of: tuple[int, ...], length: int, negative: bool = True) -> Feed:
        low = -length if negative else 0
        flat = draw(st.lists(st.integers(low, length - 1), min_size=int(np.prod(of)), max_size=int(np.prod(of))))
        return Feed(np.array(flat, kind).reshape(of), kind)

    if name == "one_hot":
        indices = places(shape, 5)
        eye = np.eye(5)
        return Example(
            name,
            (indices,),
            lambda i: np.where(i[..., None] < 0, 0.0, eye[i]),
            config.floatx(),
            {"num_classes": 5},
            tolerance=0,
        )
    if name == "gather":
        indices = places(draw(shapes(0, 2)), shape[0], negative=False)
        return Example(name, (x, indices), lambda x, i: np.take(x, i, axis=0), "float64", slopes=(0,), tolerance=0)
    axis = draw(axis_of(len(shape)))
    if name == "x[indices]":
        indices = places(draw(shapes(1, 2)), shape[axis])
        before = axis % len(shape)
        return Example(
            f"x[{'..., ' if before else ''}indices] on axis {before}",
            (x, indices),
            lambda x, i: np.take(x, i, axis=axis),
            "float64",
            build=lambda x, i: x[(slice(None),) * before + (i,)],
            slopes=(0,),
            tolerance=0,
        )
    if name == "take_along_axis":
        wanted = list(shape)
        wanted[axis] = draw(st.integers(1, 4))
        indices = places(tuple(wanted), shape[axis])
        return Example(
            name,
            (x, indices),
            lambda x, i: np.take_along_axis(x, i, axis),
            "float64",
            {"axis": axis},
            slopes=(0,),
            tolerance=0,
        )
    count, depth = draw(st.integers(1, 4)), draw(st.integers(1, len(shape)))
    columns = [places((count,), shape[a]).array for a in range(depth)]
    indices = Feed(np.stack(columns, axis=-1), kind)
    updates = draw(feeds((count, *shape[depth:])))
    return Example(name, (x, indices, updates), _scattered, "float64", slopes=(0, 2))


def _scattered(x: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    made = np.array(x)
    np.add.at(made, tuple(np.moveaxis(indices, -1, 0)), updates)
    return made


# -- types ----------------------------------------------------------------------------------------


def promoted(x: str, y: str) -> str:
    """The type in which two types meet, as NumPy has it, but that a float decides beside whole numbers."""
    if x == y or y == "bool":
        return x
    if x == "bool":
        return y
    if is_float(x) != is_float(y):
        return x if is_float(x) else y
    if "bfloat16" in (x, y):
        other = y if x == "bfloat16" else x
        return "float32" if other == "float16" else other
    return np.promote_types(x, y).name


@st.composite
def promotion(draw: st.DrawFn) -> Example:
    """Operands of two types, or of one beside a number or an array, which are weak."""
    name = draw(st.sampled_from(["x + y", "maximum", "concatenate", "where", "x + number", "x + array"]))
    x = draw(feeds((3,), draw(st.sampled_from(sorted(DTYPES)))))
    if name in ("x + number", "x + array"):
        number = draw(st.sampled_from([2, 2.5, True]))
        weak = np.array([number] * 3) if name == "x + array" else number
        dtype = _weak(x.dtype, number)
        return Example(
            f"{name} {weak!r}", (x,), lambda x: _added(x, np.full(3, number), dtype), dtype, build=lambda x: x + weak
        )
    y = draw(feeds((3,), draw(st.sampled_from(sorted(DTYPES)))))
    dtype = promoted(x.dtype, y.dtype)
    feeds_ = (x, y)
    if name == "x + y":
        return Example(name, feeds_, lambda x, y: _added(x, y, dtype), dtype, build=lambda x, y: x + y)
    if name == "maximum":
        return Example(name, feeds_, lambda x, y: np.maximum(_to(x, dtype), _to(y, dtype)), dtype)
    if name == "concatenate":
        expect = lambda x, y: np.concatenate([_to(x, dtype), _to(y, dtype)])  # noqa: E731
        return Example(name, feeds_, expect, dtype, build=lambda x, y: K.concatenate([x, y]))
    condition = Feed(np.array([True, False, True]), "bool")
    return Example(name, (condition, x, y), lambda c, x, y: np.where(c, _to(x, dtype), _to(y, dtype)), dtype)


def _weak(dtype: str, number: bool | int | float) -> str:
    """The type of a sum of a tensor and a number."""
    kind = type(number)
    if is_float(dtype) or kind is bool:
        return dtype
    if kind is float:
        return config.floatx()
    return "int32" if dtype == "bool" else dtype


def _to(x: np.ndarray, dtype: str) -> np.ndarray:
    return x.astype("float64" if dtype in FLOATS else dtype)


def _added(x: np.ndarray, y: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.add(_to(x, dtype), _to(y, dtype))
