"""Python operators, indexing and NumPy's protocols on tensors.

A NumPy function applied to a tensor builds graph where K has that function, and raises otherwise:
it must never turn a tensor into numbers in silence, which would cut the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from multikeras.graph import operands

#: Ufuncs that are primitives of two operands under the same name.
BINARY = (
    "add", "subtract", "multiply", "floor_divide", "remainder", "maximum", "minimum", "equal", "not_equal", "greater",
    "greater_equal", "less", "less_equal",
)  # fmt: skip


def _binary(name: str) -> Callable[..., Any]:
    return lambda x, y: operands.binary(name, x, y)


#: By NumPy's function: the one of tensors that it means. K adds all that it has.
NUMPY: dict[Any, Callable[..., Any]] = {
    **{getattr(np, name): _binary(name) for name in BINARY},
    np.power: _binary("power"),
    np.divide: lambda x, y: operands.divide(x, y),
    np.matmul: lambda x, y: operands.matmul(x, y),
    np.negative: lambda x: operands.unary("negative", x),
}


class Operators:
    """What a tensor can do as a Python object."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return operands.binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return operands.binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return operands.binary("subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return operands.binary("subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return operands.binary("multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return operands.binary("multiply", other, self)

    def __truediv__(self, other: Any) -> Any:
        return operands.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return operands.divide(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return operands.binary("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return operands.binary("floor_divide", other, self)

    def __mod__(self, other: Any) -> Any:
        return operands.binary("remainder", self, other)

    def __rmod__(self, other: Any) -> Any:
        return operands.binary("remainder", other, self)

    def __pow__(self, other: Any) -> Any:
        return operands.binary("power", self, other)

    def __rpow__(self, other: Any) -> Any:
        return operands.binary("power", other, self)

    def __matmul__(self, other: Any) -> Any:
        return operands.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return operands.matmul(other, self)

    def __neg__(self) -> Any:
        return operands.unary("negative", self)

    def __pos__(self) -> Any:
        return operands.unary("identity", self)

    def __abs__(self) -> Any:
        return operands.unary("abs", self)

    def __invert__(self) -> Any:
        return operands.unary("logical_not", self)

    def __and__(self, other: Any) -> Any:
        return operands.logical("and", self, other)

    def __rand__(self, other: Any) -> Any:
        return operands.logical("and", other, self)

    def __or__(self, other: Any) -> Any:
        return operands.logical("or", self, other)

    def __ror__(self, other: Any) -> Any:
        return operands.logical("or", other, self)

    def __xor__(self, other: Any) -> Any:
        return operands.logical("xor", self, other)

    def __rxor__(self, other: Any) -> Any:
        return operands.logical("xor", other, self)

    def __lt__(self, other: Any) -> Any:
        return operands.binary("less", self, other)

    def __le__(self, other: Any) -> Any:
        return operands.binary("less_equal", self, other)

    def __gt__(self, other: Any) -> Any:
        return operands.binary("greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return operands.binary("greater_equal", self, other)

    def __eq__(self, other: object) -> Any:
        # Between tensors `==` is identity, so that `in`, `list.index` and dictionaries work.
        if isinstance(other, (bool, int, float, np.generic, np.ndarray)):
            return operands.binary("equal", self, other)
        return self is other

    def __ne__(self, other: object) -> Any:
        if isinstance(other, (bool, int, float, np.generic, np.ndarray)):
            return operands.binary("not_equal", self, other)
        return self is not other

    def __getitem__(self, key: Any) -> Any:
        return operands.index(self, key)  # type: ignore[arg-type]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        function = NUMPY.get(ufunc) if method == "__call__" else None
        if function is None or any(v is not None for v in keywords.values()):
            raise _refusal(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}", keywords)
        return function(*inputs)

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        if function is np.shape or function is np.ndim:
            # What is known without a value, as for an array.
            return getattr(arguments[0], function.__name__)
        made = NUMPY.get(function)
        if made is None:
            home = "linalg." if function.__module__ == "numpy.linalg" else ""
            raise _refusal(home + function.__name__, {})
        return made(*arguments, **keywords)


def _refusal(name: str, keywords: dict[str, Any]) -> TypeError:
    return TypeError(
        f"np.{name} cannot be applied to a tensor{_with(keywords)}: a tensor has no value while a graph is built. Use "
        "the function of the same meaning in K (multikeras.backend), or K.numpy_function to call NumPy in a graph."
    )


def _with(keywords: dict[str, Any]) -> str:
    given = [name for name, value in keywords.items() if value is not None]
    return f" with {', '.join(given)}" if given else ""
