"""What one row of the table of K functions holds: a call, arguments, and what NumPy makes of them.

A row is run in *columns*, one a type. In a column of floats that type is floatx and the type of all
floating arguments. In a column of whole numbers or booleans floatx is float32, and the floating
arguments become whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import config
from multikeras.contract import is_float
from multikeras.graph.tensor import Tensor
from multikeras.testing.case import held_by

FLOATS = ("float64", "float32", "bfloat16", "float16")
#: Types that are no floats: one with a sign, one without, and bool.
OTHERS = ("int32", "uint8", "bool")
COLUMNS = (*FLOATS, *OTHERS)

#: As the type of a result: floatx in columns of floats, what K says in the others.
FLOAT = "floatx"

CHANNELS = ("channels_last", "channels_first")


@dataclass(frozen=True, eq=False)
class FunctionCase:
    """One call of a function of K.

    Attributes:
        function: Its name in K.
        feeds: Arguments that become placeholders whose first length is unknown.
        build: From placeholders to the result.
        expect: From arrays to the expected value: by NumPy in float64 or whole numbers.
        dtype: Type of the result in columns of floats.
        smooth: Whether derivatives by the floating arguments are compared with finite differences.
        known: Whether all lengths of the placeholders have to be known.
        note: What tells it from other cases of its function.
        format: Where the channels are, of functions that ask for it.
        whole: Whether it is run in columns that are no floats.
        columns: The columns that it is run in where that is not all of them.
        scale: Size of terms that cancel, where the result is small beside them.
        typed: Whether `build` and `expect` take the column's type, by the name `dtype`.
    """

    function: str
    feeds: tuple[np.ndarray, ...]
    build: Callable[..., Any]
    expect: Callable[..., Any]
    dtype: str = FLOAT
    smooth: bool = True
    known: bool = False
    note: str = ""
    format: str = ""
    whole: bool = True
    columns: tuple[str, ...] = COLUMNS
    scale: float = 0.0
    typed: bool = False
    _types: dict[str, str | None] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its name in reports."""
        parts = [self.function, self.note or self.format]
        if self.note and self.format and self.format not in self.note:
            parts.append(self.format)
        return "-".join(part for part in parts if part)

    @property
    def row(self) -> tuple[str, str]:
        """The row of the matrix: function and data format."""
        return self.function, self.format

    @property
    def varies(self) -> bool:
        """Whether an argument has the column's type."""
        return self.typed or any(feed.dtype.kind == "f" for feed in self.feeds)

    @property
    def run_in(self) -> tuple[str, ...]:
        """The columns in which it is run."""
        finite = all(np.all(np.isfinite(feed)) for feed in self.feeds)
        if self.whole and self.varies and finite:
            return self.columns
        # Without a floating argument there is nothing that could become a whole number.
        return tuple(column for column in self.columns if is_float(column))

    def types(self, column: str) -> list[str]:
        """Types of the placeholders."""
        return [{"f": column, "b": "bool"}.get(feed.dtype.kind, "int32") for feed in self.feeds]

    def places(self, column: str, known: bool = False) -> list[Tensor]:
        """The placeholders, with all lengths known if asked."""
        shapes = [feed.shape if known or self.known else (None, *feed.shape[1:])[: feed.ndim] for feed in self.feeds]
        return [K.placeholder(shape, dtype=t) for shape, t in zip(shapes, self.types(column), strict=True)]

    def apply(self, column: str, known: bool = False) -> tuple[list[Tensor], Tensor]:
        """The placeholders and the result in a column, with all lengths known if asked."""
        with in_floatx(column if is_float(column) else "float32"):
            places = self.places(column, known)
            result = self.build(*places, dtype=column) if self.typed else self.build(*places)
        return places, result if isinstance(result, Tensor) else K.constant(result, result.dtype)

    def result_type(self, column: str) -> str | None:
        """The type that K gives the result in a column; None where the call is not defined."""
        if column not in self._types:
            try:
                self._types[column] = self.apply(column)[1].dtype
            except REFUSALS:
                self._types[column] = None
        return self._types[column]

    def arrays(self, column: str) -> list[np.ndarray]:
        """The arguments as the column's type can hold them: floats as float64."""
        made = []
        for feed, dtype in zip(self.feeds, self.types(column), strict=True):
            if feed.dtype.kind == "f" and not is_float(dtype):
                whole = np.trunc(feed * 4)
                feed = np.abs(whole) if dtype == "uint8" else whole
            made.append(held_by(feed, dtype))
        return made

    def expected(self, arrays: list[np.ndarray], column: str, dtype: str) -> np.ndarray:
        """What must come out, whose type is `dtype`: in float64 where that is a float."""
        # Whole numbers that outgrow their type go round, as int64 does when it is cut off.
        kind = "float64" if is_float(dtype) or is_float(column) else "int64"
        given = [
            array.astype(kind if feed.dtype.kind == "f" else feed.dtype)
            for feed, array in zip(self.feeds, arrays, strict=True)
        ]
        with np.errstate(all="ignore"), in_floatx(column if is_float(column) else "float32"):
            value = self.expect(*given, dtype=column) if self.typed else self.expect(*given)
            return np.asarray(value).astype("float64" if is_float(dtype) else dtype)


#: What a call raises that is not defined for a type.
REFUSALS = (TypeError, ValueError, OverflowError)


@contextmanager
def in_floatx(name: str) -> Iterator[None]:
    """Another floatx for a block."""
    before = config.floatx()
    config.set_floatx(name)
    try:
        yield
    finally:
        config.set_floatx(before)


#: Every case, in the order in which the files of this folder declare them.
CASES: list[FunctionCase] = []


def case(function: str, *feeds: np.ndarray, **rest: Any) -> None:
    """Adds a case to the table; of functions that ask for a data format the default is channels last."""
    if "format" not in rest and "data_format" in signature(getattr(K, function)).parameters:
        first = {"channels_first", "first", "th"} & set(rest.get("note", "").split("-"))
        rest["format"] = CHANNELS[bool(first)]
    CASES.append(FunctionCase(function, feeds, **rest))


def spelled(function: str, *arguments: Any, **keywords: Any) -> Any:
    """A call with arguments that a signature does not show: those of Keras 1."""
    return getattr(K, function)(*arguments, **keywords)


class Drawn:
    """Arguments of one file, the same at every import."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.RandomState(seed)

    def normal(self, *shape: int) -> np.ndarray:
        """Numbers around 0."""
        return np.asarray(self._random.randn(*shape))

    def apart(self, *shape: int) -> np.ndarray:
        """Numbers no two of which are near each other or near 0, for functions with corners."""
        size = int(np.prod(shape))
        return (self._random.permutation(size) - size / 2 + 0.3).reshape(shape) * 0.37

    def unit(self, *shape: int) -> np.ndarray:
        """Numbers between 0.05 and 0.95."""
        return np.asarray(self._random.uniform(0.05, 0.95, shape))

    def bits(self, *shape: int) -> np.ndarray:
        """True and False."""
        return np.asarray(self._random.rand(*shape) > 0.4)
