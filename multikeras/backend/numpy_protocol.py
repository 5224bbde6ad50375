"""What NumPy's functions mean on tensors: functions of K under NumPy's arguments and defaults.

A function that is not here raises on a tensor, and so does an argument of one that is: it must never
turn a tensor into numbers in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from math import log, pi
from typing import Any

import numpy as np

from multikeras.backend import common, elementwise, making, nn, products, reductions, special
from multikeras.contract import is_float
from multikeras.graph import operands, operators
from multikeras.graph.ops import elementwise as ops
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor

Function = Callable[..., Any]

#: By NumPy's function: the one of tensors that it means. `numpy_functions` adds those that are no ufuncs.
TABLE: dict[Any, Function] = {}


def name_of(function: Any) -> str:
    """A NumPy function as users write it, such as `'np.linalg.inv'`."""
    home = "np.linalg." if getattr(function, "__module__", "") == "numpy.linalg" else "np."
    return home + str(function.__name__)


def meaning(*functions: Any) -> Callable[[Function], Function]:
    """Registers a function of tensors for functions of NumPy, whose arguments it has under the same names.

    An argument that it lacks raises, unless it is None.
    """

    def register(function: Function) -> Function:
        arguments = signature(function)
        names = [p.name for p in arguments.parameters.values() if p.kind is not Parameter.VAR_POSITIONAL]

        def checked(numpy_function: Any) -> Function:
            def call(*args: Any, **keywords: Any) -> Any:
                given = {key: value for key, value in keywords.items() if value is not None or key in names}
                try:
                    bound = arguments.bind(*args, **given)
                except TypeError as error:
                    raise TypeError(
                        f"{name_of(numpy_function)} on tensors takes {', '.join(names)}; {error}. Use the functions of "
                        "K (multikeras.backend)."
                    ) from None
                return function(*bound.args, **bound.kwargs)

            return call

        for each in functions:
            TABLE[each] = checked(each)
        return function

    return register


def refuse(function: str, **given: Any) -> None:
    """Raises where an argument has another value than the one that tensors can have.

    Args:
        function: NumPy's function.
        **given: By argument: the pair of what was given and what is allowed.
    """
    for argument, (value, allowed) in given.items():
        if value is not None and not (isinstance(value, type(allowed)) and value == allowed):
            raise TypeError(f"{function} on tensors takes {argument}={allowed!r} only, received {value!r}.")


# -- what the functions share -------------------------------------------------------------------


def typed(a: Any, dtype: Any) -> Any:
    """A tensor in another type, if one is given."""
    return a if dtype is None else making.cast(a, dtype)


def part(x: Tensor, axis: int, start: Any, stop: Any) -> Tensor:
    """The entries from `start` to `stop` along an axis."""
    window: list[Any] = [slice(None)] * x.ndim
    window[axis] = slice(start, stop)
    made: Tensor = x[tuple(window)]
    return made


def axes_of(x: Tensor, axis: Any, function: str, added: int = 0) -> list[int]:
    """One axis or several, counted from 0."""
    entries = axis if isinstance(axis, (list, tuple)) else [axis]
    return [common.one_axis(x, a, function, added) for a in entries]


# -- ufuncs -------------------------------------------------------------------------------------


def _sqrt(x: Any) -> Any:
    # NumPy's root of a negative number is NaN; K.sqrt counts it as 0.
    return ops.sqrt(common.float_tensor(x))


def _reciprocal(x: Any) -> Any:
    return operands.divide(1, x)


def _cbrt(x: Any) -> Any:
    number = common.float_tensor(x)
    return ops.sign(number) * ops.abs_(number) ** (1 / 3)


def _truncated(x: Any) -> Any:
    number = common.tensor(x)
    return ops.sign(number) * ops.floor(ops.abs_(number)) if is_float(number.dtype) else ops.identity(number)


def _hypot(x: Any, y: Any) -> Any:
    first, second = (common.float_tensor(t) for t in operands.match(x, y))
    return ops.sqrt(first * first + second * second)


def _log_add_exp(x: Any, y: Any) -> Any:
    first, second = (common.float_tensor(t) for t in operands.match(x, y))
    # Equal ones, infinite ones among them, have no difference to speak of.
    level = ops.equal(first, second)
    apart = ops.abs_(select(level, 0, first - second))
    return ops.maximum(first, second) + select(level, log(2), nn.softplus(-apart))


def _extreme_number(name: str) -> Function:
    def extreme(x: Any, y: Any) -> Any:
        first, second = operands.match(x, y)
        if not is_float(first.dtype):
            return operands.binary(name, first, second)
        chosen = select(ops.isnan(second), first, operands.binary(name, first, second))
        return select(ops.isnan(first), second, chosen)

    return extreme


def _heaviside(x: Any, y: Any) -> Any:
    first, second = (common.float_tensor(t) for t in operands.match(x, y))
    sign = ops.sign(first)
    return select(ops.equal(sign, operands.scalar(0, sign.dtype)), second, (sign + 1) * 0.5)


def _logical_xor(x: Any, y: Any) -> Any:
    return ops.logical_xor(elementwise.as_bool(x), elementwise.as_bool(y))


def _divmod(x: Any, y: Any) -> Any:
    return operands.binary("floor_divide", x, y), operands.binary("remainder", x, y)


def _vecdot(x: Any, y: Any) -> Any:
    return reductions.sum(operands.binary("multiply", x, y), -1)


def _absolute(x: Any) -> Any:
    number = common.tensor(x)
    return ops.identity(number) if number.dtype == "bool" else elementwise.abs(number)


def _unary(name: str) -> Function:
    return lambda x: operands.unary(name, x)


def _binary(name: str) -> Function:
    return lambda x, y: operands.binary(name, x, y)


def _logical(word: str) -> Function:
    return lambda x, y: operands.logical(word, x, y)


def _scaled(factor: float, function: Function = common.float_tensor) -> Function:
    return lambda x: function(x) * factor


_UFUNCS: dict[Any, Function] = {
    **{getattr(np, name): _binary(name) for name in operators.BINARY},
    **{getattr(np, f"bitwise_{word}"): _logical(word) for word in ("and", "or", "xor")},
    np.negative: _unary("negative"),
    np.positive: _unary("identity"),
    np.conjugate: _unary("identity"),
    np.sign: elementwise.sign,
    np.invert: _unary("logical_not"),
    np.absolute: _absolute,
    np.fabs: elementwise.abs,
    np.divide: operands.divide,
    np.divmod: _divmod,
    np.power: elementwise.pow,
    np.square: elementwise.square,
    np.sqrt: _sqrt,
    np.cbrt: _cbrt,
    np.reciprocal: _reciprocal,
    np.exp: elementwise.exp,
    np.exp2: lambda x: elementwise.exp(common.float_tensor(x) * log(2)),
    np.expm1: elementwise.expm1,
    np.log: elementwise.log,
    np.log2: _scaled(1 / log(2), elementwise.log),
    np.log10: _scaled(1 / log(10), elementwise.log),
    np.log1p: elementwise.log1p,
    np.logaddexp: _log_add_exp,
    np.sin: elementwise.sin,
    np.cos: elementwise.cos,
    np.tan: elementwise.tan,
    np.tanh: nn.tanh,
    **{
        getattr(np, name): getattr(special, name)
        for name in (
            "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "arcsinh", "arccosh", "arctanh",
        )
    },
    np.hypot: _hypot,
    np.deg2rad: _scaled(pi / 180),
    np.radians: _scaled(pi / 180),
    np.rad2deg: _scaled(180 / pi),
    np.degrees: _scaled(180 / pi),
    np.floor: elementwise.floor,
    np.ceil: elementwise.ceil,
    np.rint: elementwise.round,
    np.trunc: _truncated,
    np.fmax: _extreme_number("maximum"),
    np.fmin: _extreme_number("minimum"),
    np.heaviside: _heaviside,
    np.logical_not: elementwise.logical_not,
    np.logical_and: elementwise.logical_and,
    np.logical_or: elementwise.logical_or,
    np.logical_xor: _logical_xor,
    np.isnan: elementwise.isnan,
    np.isinf: special.isinf,
    np.isfinite: elementwise.isfinite,
    np.left_shift: _binary("shift_left"),
    np.right_shift: _binary("shift_right"),
    np.matmul: products.matmul,
    np.vecdot: _vecdot,
}  # fmt: skip
TABLE.update(_UFUNCS)


def install() -> None:
    """Gives the table to the operators of tensors."""
    # The other parts of the table.
    import multikeras.backend.numpy_functions
    import multikeras.backend.numpy_linear_algebra
    import multikeras.backend.numpy_shapes  # noqa: F401

    operators.NUMPY.update(TABLE)


__all__ = ["TABLE", "axes_of", "install", "meaning", "name_of", "part", "refuse", "typed"]
