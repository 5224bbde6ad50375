"""The operations that fuzzed graphs are made of: entry by entry, reduced, moved, picked, of several types."""

from __future__ import annotations

import numpy as np

from multikeras.testing.fuzzing.growing import Grower, Made, Operation, Unfit

_UNARY = (
    "abs",
    "negative",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sinh",
    "cosh",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arccosh",
    "arctanh",
    "sigmoid",
    "hard_sigmoid",
    "elu",
    "softplus",
    "softsign",
    "relu",
    "square",
    "erf",
    "gelu",
    "silu",
    "identity",
    "stop_gradient",
    "sign",
    "floor",
    "ceil",
    "round",
)
_WITH_NUMBERS = (
    "{0} + 1",
    "1 - {0}",
    "{0} * -1",
    "0.5 * {0}",
    "{0} * 0",
    "{0} - 0",
    "{0} / 4",
    "1 / ({0} * {0} + 1)",
    "{0} ** 2",
    "{0} ** 3",
    "K.abs({0}) ** 0.5",
    "K.pow({0}, -1)",
    "2 ** {0}",
    "{0} % 1.5",
    "{0} // 0.75",
    "-{0}",
    "abs({0})",
    "K.clip({0}, -0.7, 0.9)",
    "K.relu({0}, alpha=0.1, max_value=1.5, threshold=0.2)",
    "K.relu({0}, max_value=0.8)",
    "K.elu({0}, 0.5)",
    "K.gelu({0}, approximate=True)",
    "np.sin({0})",
    "np.maximum({0}, 0.25)",
    "K.zeros_like({0}) + K.ones_like({0})",
)
_BINARY = (
    "{0} + {1}",
    "{0} - {1}",
    "{0} * {1}",
    "{0} * {1}",
    "{0} / (K.square({1}) + 0.5)",
    "{0} % (K.abs({1}) + 0.5)",
    "{0} // (K.abs({1}) + 0.5)",
    "K.pow(K.abs({0}) + 0.1, {1})",
    "K.maximum({0}, {1})",
    "K.minimum({0}, {1})",
    "K.arctan2({0}, {1})",
    "np.add({0}, {1})",
    "K.where(K.greater({0}, {1}), {0}, {1})",
    "K.switch(K.less({0}, {1}), {0} + 0.0 * {1}, {1} * K.ones_like({0}))",
)
_COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")


def unary(g: Grower) -> str:
    """A function of one operand."""
    name = g.choice(_UNARY)
    return f"-{g.float()}" if name == "negative" else f"K.{name}({g.float()})"


def with_number(g: Grower) -> str:
    """An operand and numbers."""
    return g.choice(_WITH_NUMBERS).format(g.float())


def binary(g: Grower) -> str:
    """Two operands that broadcast."""
    x = g.float()
    y = g.beside(x)
    return g.choice(_BINARY).format(*((x, y) if g.chance() else (y, x)))


def comparison(g: Grower) -> str:
    """Booleans of floats."""
    x = g.float()
    if g.chance(0.2):
        return f"K.{g.choice(('isnan', 'isfinite', 'isinf'))}({x})"
    return f"K.{g.choice(_COMPARISONS)}({x}, {g.choice((g.beside(x), '0.25'))})"


def logical(g: Grower) -> str:
    """Booleans of booleans, and numbers of them."""
    x = g.boolean()
    y = g.like(x)
    forms = (
        f"K.logical_and({x}, {y})",
        f"K.logical_or({x}, K.logical_not({y}))",
        f"{x} ^ {y}",
        f"{x} + {y}",
        f"K.cast({x}, {g.options.floatx!r})",
        f"K.any({x}, axis={g.axes(x)}, keepdims={g.chance()})",
        f"K.all({x}, axis={g.axes(x)})",
        f"K.sum({x}, axis={g.axes(x)})",
        f"K.switch({x}, {g.like(g.float())}, {g.float()})",
    )
    return g.choice(forms)


def select(g: Grower) -> str:
    """Entries chosen by booleans."""
    x = g.boolean()
    y = g.float(fits=lambda name: g.shape(name)[-g.rank(x) :] == g.shape(x) if g.rank(x) else True)
    return g.choice((f"K.where({x}, {y}, {g.like(y)})", f"K.where({x}, {y}, 0.5)", f"{y} * K.cast({x}, 'int32')"))


def integers(g: Grower) -> str:
    """Whole numbers of whole numbers."""
    x = g.integer()
    y = g.like(x)
    forms = (
        f"{x} + {y}",
        f"{x} - 3",
        f"{x} * {y}",
        f"{x} // (K.abs({y}) + 1)",
        f"{x} % 3",
        f"{x} & {y}",
        f"{x} | 5",
        f"{x} ^ {y}",
        f"K.abs({x})",
        f"K.maximum({x}, {y})",
        f"K.sign({x})",
        f"K.sum({x}, axis={g.axes(x)})",
        f"K.max({x}, axis={g.axes(x)})",
        f"K.cumsum({x}, axis={g.axis(x)})",
        f"K.square({x})",
        f"K.equal({x}, {y})",
        f"K.cast({x}, {g.choice(('int64', 'uint8', 'int16', 'uint32', 'float32'))!r})",
        f"K.sort({x}, axis={g.axis(x)})",
    )
    return g.choice(forms)


def types(g: Grower) -> str:
    """Other types, and their meeting."""
    x = g.pick(lambda name: True)
    kinds = ("float32", "float64", "int32", "int64", "bool", "float16", g.options.floatx, g.options.floatx)
    y = g.pick(lambda name: g.shape(name) == g.shape(x))
    if "bool" in (g.dtype(x), g.dtype(y)) or g.chance():
        return f"K.cast({x}, {g.choice(kinds)!r})"
    return g.choice((f"{x} + {y}", f"K.concatenate([{x}, {y}], axis={g.axis(x)})", f"K.maximum({x}, {y})"))


def back_to_floats(g: Grower) -> str:
    """Whatever it is in the float type in use."""
    x = g.pick(lambda name: g.dtype(name) != g.options.floatx)
    return f"K.cast({x}, {g.options.floatx!r}) * 0.5"


def reduce(g: Grower) -> str:
    """Axes less."""
    x = g.float()
    name = g.choice(("sum", "sum", "mean", "max", "min", "var", "std", "prod", "logsumexp", "norm"))
    return f"K.{name}({x}, axis={g.axes(x)}, keepdims={g.chance()})"


def along(g: Grower) -> str:
    """Functions along an axis."""
    x = g.float()
    axis = g.axis(x)
    forms = (
        f"K.cumsum({x}, axis={axis})",
        f"K.cumprod({x}, axis={axis})",
        f"K.softmax({x}, axis={axis})",
        f"K.log_softmax({x}, axis={axis})",
        f"K.l2_normalize({x}, axis={axis})",
        f"K.sort({x}, axis={axis}, descending={g.chance()})",
        f"K.argsort({x}, axis={axis}, descending={g.chance()})",
        f"K.argmax({x}, axis={g.choice((axis, None))})",
        f"K.argmin({x}, axis={axis})",
        f"K.layer_normalization({x}, axis={axis})",
    )
    return g.choice(forms)


def move(g: Grower) -> str:
    """The same entries in other places."""
    x = g.float()
    shape, axis = g.shape(x), g.axis(x)
    order = tuple(int(a) for a in g.random.permutation(len(shape)))
    size = int(np.prod(shape))
    divisor = g.choice([n for n in range(1, size + 1) if size % n == 0])
    ones = [i for i, n in enumerate(shape) if n == 1]
    forms = [
        f"K.reshape({x}, ({divisor}, -1))",
        f"K.reshape({x}, (-1, {size // divisor}))",
        f"K.reshape({x}, (K.shape({x})[{axis}], -1))",
        f"K.permute_dimensions({x}, {order})",
        f"K.transpose(K.transpose({x}))",
        f"K.transpose({x})",
        f"K.expand_dims({x}, {g.axis(x, 1)})",
        f"K.flatten({x})",
        f"K.batch_flatten({x})",
        f"K.reverse({x}, {axis})",
        f"K.reverse({x}, {[i for i in range(len(shape)) if g.chance()]})",
    ]
    forms += [f"K.squeeze({x}, {g.choice(ones)})"] * 2 if ones else []
    return g.choice(forms)


def window(g: Grower) -> str:
    """Some of the entries in a row."""
    x = g.float()
    keys = []
    for n in g.shape(x):
        kind = g.number(0, 5)
        if kind == 0 and n:
            keys.append(str(g.number(-n, n - 1)))
        elif kind == 1:
            keys.append("None, :")
        elif kind in (2, 3):
            start, stop, step = g.number(-n, n), g.number(-n, n + 1), g.choice((1, 1, 2, -1, -2))
            keys.append(f"{g.choice((start, ''))}:{g.choice((stop, ''))}:{step}")
        else:
            keys.append(":")
    if not keys:
        raise Unfit
    if g.chance(0.2):
        keys = [*keys[: g.number(0, len(keys))], "..."]
    return f"{x}[{', '.join(keys)}]"


def join(g: Grower) -> str:
    """Values side by side."""
    x = g.float()
    y = g.like(x)
    axis = g.axis(x)
    forms = (
        f"K.concatenate([{x}, {y}], axis={axis})",
        f"K.concatenate([{x}, {y}, {x}], axis={axis})",
        f"K.stack([{x}, {y}], axis={g.axis(x, 1)})",
        f"K.tile({x}, {tuple(g.number(1, 2) for _ in g.shape(x))})",
        f"K.repeat_elements({x}, {g.number(1, 3)}, axis={axis})",
    )
    return g.choice(forms)


def split(g: Grower) -> Made:
    """Parts of a value."""
    x = g.float(fits=lambda name: g.rank(name) > 0 and g.shape(name)[-1] > 1)
    at = g.number(1, g.shape(x)[-1] - 1)
    return Made(f"{x}[..., :{at}], {x}[..., {at}:]", count=2)


def pad(g: Grower) -> str:
    """Zeros around."""
    x = g.float(3, 4)
    if g.rank(x) == 3:
        return f"K.temporal_padding({x}, {g.number(0, 2), g.number(0, 2)})"
    pairs = ((g.number(0, 1), g.number(0, 2)), (g.number(0, 2), g.number(0, 1)))
    return f"K.spatial_2d_padding({x}, {pairs}, data_format={_data_format(g)!r})"


def _data_format(g: Grower) -> str:
    return g.choice(("channels_last", "channels_first"))


def pick(g: Grower) -> str:
    """Entries named by whole numbers."""
    x = g.float(fits=lambda name: g.rank(name) > 0 and min(g.shape(name)) > 0)
    n = g.shape(x)[0]
    if g.chance(0.3):
        return f"K.gather({x}, K.abs({g.integer()}) % {n})"
    indices = g.leaf(tuple(g.number(1, 3) for _ in range(g.number(1, 2))), g.choice(("int32", "int64")), 0, n - 1)
    axis = g.number(0, g.rank(x) - 1)
    length = g.shape(x)[axis]
    forms = (
        f"K.gather({x}, {indices})",
        f"{x}[{':, ' * axis}{g.leaf((2, 2), 'int32', -length, length - 1)}]",
        f"K.take_along_axis({x}, K.argsort({x}, axis={axis}), axis={axis})",
        f"K.take_along_axis({x}, {g.leaf(g.shape(x), 'int64', -length, length - 1)}, axis={axis})",
        f"K.one_hot({indices}, {n + 1})",
        f"K.scatter_add({x}, {g.leaf((4, 1), 'int32', -n, n - 1)}, {g.leaf((4, *g.shape(x)[1:]))})",
        f"K.in_top_k({x}, {indices}, {g.number(1, 3)})",
    )
    return g.choice(forms)


def largest(g: Grower) -> Made:
    """The largest entries and their places."""
    x = g.float(fits=lambda name: g.rank(name) > 0 and g.shape(name)[-1] > 0)
    return Made(f"K.top_k({x}, {g.number(1, g.shape(x)[-1])})", count=2)


OPERATIONS: list[tuple[str, Operation, float]] = [
    ("unary", unary, 3),
    ("with_number", with_number, 2.5),
    ("binary", binary, 3),
    ("comparison", comparison, 1.2),
    ("logical", logical, 3),
    ("select", select, 3),
    ("integers", integers, 0.8),
    ("types", types, 0.5),
    ("back_to_floats", back_to_floats, 0.7),
    ("reduce", reduce, 2),
    ("along", along, 1.5),
    ("move", move, 2),
    ("window", window, 1.5),
    ("join", join, 1),
    ("split", split, 0.4),
    ("pad", pad, 0.5),
    ("pick", pick, 1.5),
    ("largest", largest, 0.3),
]
