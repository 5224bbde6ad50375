"""Python operators, indexing and NumPy's protocols on tensors.

A NumPy function applied to a tensor builds graph where K has that function, and raises otherwise:
it must never turn a tensor into numbers in silence, which would cut the gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras.graph import operands


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
        name = operands.UFUNCS.get(ufunc.__name__)
        if method != "__call__" or name is None or any(v is not None for v in keywords.values()):
            what = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            raise TypeError(
                f"np.{what} cannot be applied to a tensor{_with(keywords)}: a tensor has no value while "
                f"a graph is built. Use the function of the same meaning in K (multikeras.backend), or "
                "K.numpy_function to call NumPy in a graph."
            )
        return operands.call(name, *inputs)

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        if function.__name__ in ("shape", "ndim"):
            # What is known without a value, as for an array.
            return getattr(arguments[0], function.__name__)
        name = operands.FUNCTIONS.get(function.__name__)
        if name is None:
            raise TypeError(
                f"np.{function.__name__} cannot be applied to a tensor: a tensor has no value while a "
                "graph is built. Use the function of the same meaning in K (multikeras.backend), or "
                "K.numpy_function to call NumPy in a graph."
            )
        return operands.call_function(name, arguments, keywords)


def _with(keywords: dict[str, Any]) -> str:
    given = [name for name, value in keywords.items() if value is not None]
    return f" with {', '.join(given)}" if given else ""
