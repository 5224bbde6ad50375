"""Examples drawn by hypothesis: a K function, operands of drawn shapes, and what NumPy makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from multikeras import backend as K
from multikeras.contract import Backend, is_float
from multikeras.graph.tensor import Placeholder, Tensor
from multikeras.testing.case import held_by
from multikeras.testing.checks import assert_close
from multikeras.testing.running import observe

Shape = tuple[int, ...]

#: Step of the central differences that slopes are compared with.
_STEP = 1e-5
_NAMES = "xyzw"


@dataclass(frozen=True)
class Feed:
    """One operand.

    Attributes:
        array: Its entries: floats as float64 numbers that the type can hold.
        dtype: Its type.
        unknown: For each axis, whether its length is unknown while the graph is built.
    """

    array: np.ndarray
    dtype: str
    unknown: tuple[bool, ...] = ()

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The static shape."""
        unknown = self.unknown or (False,) * self.array.ndim
        return tuple(None if hidden else n for n, hidden in zip(self.array.shape, unknown, strict=True))

    def __str__(self) -> str:
        lengths = ", ".join(
            f"None={n}" if known is None else str(n) for known, n in zip(self.shape, self.array.shape, strict=True)
        )
        return f"{self.dtype} ({lengths})"


@dataclass(frozen=True, repr=False)
class Example:
    """A call of K, and what must come out.

    Attributes:
        function: Name of the K function, or what is written in its place.
        feeds: The operands.
        expect: `(*arrays)`: the result by NumPy, in float64 where it is a float.
        dtype: Type of the result.
        keywords: Further arguments.
        build: From tensors to the result, where that is more than `K.function(*tensors, **keywords)`.
        slopes: Positions of the operands by which it is differentiated, where it is smooth.
        tolerance: Factor on the precision of the type; 0 asks for equal bits.
    """

    function: str
    feeds: tuple[Feed, ...]
    expect: Callable[..., Any]
    dtype: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    build: Callable[..., Tensor] | None = None
    slopes: tuple[int, ...] = ()
    tolerance: float = 4.0

    def __repr__(self) -> str:
        names = _NAMES[: len(self.feeds)]
        rest = [f"{key}={value!r}" for key, value in self.keywords.items()]
        operands = "; ".join(f"{name} is {feed}" for name, feed in zip(names, self.feeds, strict=True))
        return f"{self.function}({', '.join([*names, *rest])}), where {operands or 'there are no operands'}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # Hypothesis would show every field.
        printer.text(repr(self))

    def runs_on(self, backend: Backend) -> bool:
        """Whether the backend has the types of the operands and the result."""
        return {self.dtype, *(feed.dtype for feed in self.feeds)} <= set(backend.dtypes)

    def tensor(self, operands: Sequence[Tensor]) -> Tensor:
        """The result as graph."""
        if self.build is not None:
            return self.build(*operands)
        made: Tensor = getattr(K, self.function)(*operands, **self.keywords)
        return made

    def expected(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The result by NumPy."""
        with np.errstate(all="ignore"):
            return np.asarray(self.expect(*arrays))


def check(example: Example, backend: Backend) -> None:
    """Shape, type, value and slopes of an example on a backend, in a compiled program.

    Raises:
        AssertionError: If something is not what NumPy makes of it.
    """
    arrays = [feed.array for feed in example.feeds]
    expected = example.expected(arrays)
    tensors = [Placeholder(feed.shape, feed.dtype) for feed in example.feeds]
    made = example.tensor(tensors)
    fits = len(made.shape) == expected.ndim and all(
        n is None or n == length for n, length in zip(made.shape, expected.shape, strict=True)
    )
    assert fits, f"{example}: static shape {made.shape}, expected {expected.shape}"
    assert made.dtype == example.dtype, f"{example}: static type {made.dtype}, expected {example.dtype}"
    outputs, slopes = [made], None
    feeds: dict[Tensor, np.ndarray] = dict(zip(tensors, arrays, strict=True))
    if example.slopes and expected.size:
        slopes = _Slopes(example, tensors, made, expected)
        outputs += slopes.tensors
        feeds |= slopes.feeds
    found = observe(outputs, feeds, backend=backend, compiled=True)
    first = found[0]
    assert first.shape == expected.shape, f"{example}: shape {first.shape}, expected {expected.shape}"
    assert first.dtype == example.dtype, f"{example}: type {first.dtype}, expected {example.dtype}"
    assert_close(first.value, expected, example.dtype, example.tolerance, repr(example))
    if slopes is not None:
        slopes.check([each.value for each in found[1:]])


class _Slopes:
    """Gradients of a weighted sum of the result, against central differences of what NumPy makes."""

    def __init__(self, example: Example, tensors: Sequence[Tensor], made: Tensor, expected: np.ndarray) -> None:
        self.example = example
        self.generator = np.random.default_rng(expected.size)
        self.weights = self.generator.normal(size=expected.shape)
        # Fed, since what is made of constants alone is computed by NumPy.
        weights = Placeholder(expected.shape, example.dtype)
        self.feeds: dict[Tensor, np.ndarray] = {weights: self.weights}
        targets = [tensors[i] for i in example.slopes]
        gradients = K.gradients(K.sum(made * weights), targets)
        missing = [i for i, g in zip(example.slopes, gradients, strict=True) if g is None]
        assert not missing, f"{example}: no gradient by operands {missing}"
        self.tensors: list[Tensor] = [g for g in gradients if g is not None]

    def check(self, found: Sequence[np.ndarray]) -> None:
        """Compares along one direction."""
        arrays = [feed.array for feed in self.example.feeds]
        for i, slope in zip(self.example.slopes, found, strict=True):
            assert slope.shape == arrays[i].shape, f"{self.example}: gradient by operand {i} of shape {slope.shape}"
        along = {i: self.generator.normal(size=arrays[i].shape) for i in self.example.slopes}
        ahead, behind = (
            float(np.sum(self.weights * self.example.expected([*self._moved(arrays, along, step)])))
            for step in (_STEP, -_STEP)
        )
        by_difference = (ahead - behind) / (2 * _STEP)
        by_graph = sum(float(np.sum(g * along[i])) for i, g in zip(self.example.slopes, found, strict=True))
        size = 1 + abs(by_difference) + abs(ahead)
        assert abs(by_graph - by_difference) <= 1e-6 * size, (
            f"{self.example}: slope {by_graph} by the graph, {by_difference} by differences"
        )

    @staticmethod
    def _moved(arrays: Sequence[np.ndarray], along: Mapping[int, np.ndarray], step: float) -> list[np.ndarray]:
        return [x + step * along[i] if i in along else x for i, x in enumerate(arrays)]


# -- operands -------------------------------------------------------------------------------------


@st.composite
def feeds(
    draw: st.DrawFn, shape: Shape, dtype: str = "float64", *, apart: bool = False, hidden: Sequence[int] | None = None
) -> Feed:
    """An operand of a shape.

    Args:
        draw: Given by hypothesis.
        shape: Its shape.
        dtype: Its type.
        apart: Whether no two entries are equal or near each other.
        hidden: Axes whose lengths may be unknown; None for all.
    """
    generator = np.random.default_rng(draw(st.integers(0, 999)))
    entries: np.ndarray
    if apart:
        size = int(np.prod(shape, dtype=int))
        entries = (generator.permutation(size) * 0.25 - size / 8 + 0.1).reshape(shape)
    elif is_float(dtype):
        entries = np.round(generator.normal(size=shape), 2) + 0.004
    elif dtype == "bool":
        entries = generator.integers(0, 2, size=shape)
    else:
        entries = generator.integers(0 if dtype.startswith("u") else -4, 5, size=shape)
    axes = range(len(shape)) if hidden is None else hidden
    # All lengths are known in half of the examples.
    some = draw(st.booleans())
    unknown = tuple(some and i in axes and draw(st.booleans()) for i in range(len(shape)))
    return Feed(held_by(entries, dtype), dtype, unknown)


def shapes(
    least: int = 0, most: int = 4, shortest: int = 1, longest: int = 3, empty: bool = False
) -> st.SearchStrategy[Shape]:
    """Shapes of few entries."""
    lengths = st.integers(0 if empty else shortest, longest)
    return st.lists(lengths, min_size=least, max_size=most).map(tuple)


def axis_of(ndim: int) -> st.SearchStrategy[int]:
    """An axis, counted from either end."""
    return st.integers(-ndim, ndim - 1)


@st.composite
def axes_of(draw: st.DrawFn, ndim: int) -> Any:
    """What reductions take as their axis: None, a number, or several in any order."""
    kind = draw(st.sampled_from(["all", "one", "several"]))
    if kind == "all" or not ndim:
        return None
    if kind == "one":
        return draw(axis_of(ndim))
    chosen = draw(st.lists(st.integers(0, ndim - 1), unique=True, min_size=1, max_size=ndim))
    return tuple(a - ndim if draw(st.booleans()) else a for a in chosen)
