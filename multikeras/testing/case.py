"""What one row of the table of primitive cases holds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from multikeras.contract import PRIMITIVES, is_float
from multikeras.graph.tensor import Tensor

FLOATS = ("float32", "float64", "float16", "bfloat16")
WIDE_FLOATS = ("float32", "float64")
SIGNED = ("int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32")
#: Every type of whole numbers but uint32, which a library may lack.
INTEGERS = (*SIGNED, "int16", "int8", "uint8", "uint16")
#: Types of primitives that calculate; the small ones of whole numbers stand for each other.
NUMBERS = (*FLOATS, *SIGNED, "uint8")
BOOL = ("bool",)
#: Types of primitives that only move entries.
ANY = ("float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8", "bool")

#: Largest relative difference between a result and its float64 reference, by type of the result.
PRECISION = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 3e-6, "float64": 1e-12}

Make = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Input:
    """One operand of a case.

    Attributes:
        make: Draws its entries from a generator.
        shape: Its shape.
        dtype: Its type; None for the type that the case is run in.
    """

    make: Make
    shape: tuple[int, ...]
    dtype: str | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """A primitive applied to certain operands, and what must come out.

    Attributes:
        primitive: Its name.
        inputs: The operands.
        reference: `(*arrays, **attributes)`: what must come out, computed by NumPy in float64 (or
            in the integer type of the operands) and never by a backend's code. A tuple where there
            are several results.
        label: What tells it from the other cases of the primitive.
        attributes: Static attributes.
        dtypes: Types that it is run in.
        result: Type of the result, or a tuple of them; None for the type that the case is run in.
        differentiable: Positions of the operands by which it is differentiated.
        build: Makes the tensor (or list of them) of the operands, where that is more than applying
            the primitive.
        exact: Whether floating-point results must be equal to the last bit.
        tolerance: Factor on the precision of the type.
        unknown: Whether it can be built of operands whose lengths are all unknown.
        order: How often it is differentiated: 2, or 1 where the second derivative does not exist.
    """

    primitive: str
    inputs: tuple[Input, ...]
    reference: Callable[..., Any]
    label: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = FLOATS
    result: str | tuple[str | None, ...] | None = None
    differentiable: tuple[int, ...] = ()
    build: Callable[..., Any] | None = None
    exact: bool = False
    tolerance: float = 1.0
    unknown: bool = True
    order: int = 2

    @property
    def id(self) -> str:
        """Its name in reports and in lists of known differences."""
        return f"{self.primitive}/{self.label}" if self.label else self.primitive

    def dtype_of(self, position: int, dtype: str) -> str:
        """Type of an operand when the case is run in `dtype`."""
        return self.inputs[position].dtype or dtype

    def arrays(self, dtype: str) -> list[np.ndarray]:
        """The operands in the type `dtype`: floats as float64 numbers that the type can hold.

        They are the same at every call.
        """
        generator = np.random.default_rng(zlib.crc32(self.id.encode()))
        made = []
        for position, each in enumerate(self.inputs):
            drawn = np.asarray(each.make(generator, each.shape))
            wanted = self.dtype_of(position, dtype)
            if drawn.dtype.kind == "f" and not is_float(wanted):
                # Numbers around 0 would nearly all become 0 or 1.
                drawn = np.trunc(drawn * 4)
            made.append(held_by(np.abs(drawn) if wanted in UNSIGNED else drawn, wanted))
        return made

    def expected(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What must come out, one array a result."""
        with np.errstate(all="ignore"):
            value = self.reference(*arrays, **self.attributes)
        return [np.asarray(v) for v in value] if isinstance(value, (tuple, list)) else [np.asarray(value)]

    def result_dtypes(self, count: int, dtype: str) -> list[str]:
        """Types of the results when the case is run in `dtype`."""
        if isinstance(self.result, tuple):
            return [each or dtype for each in self.result]
        return [self.result or dtype] * count

    def runs_on(self, dtypes: Collection[str], dtype: str) -> bool:
        """Whether a backend that has `dtypes` can run the case in `dtype`."""
        used = {dtype, self.attributes.get("dtype", dtype), *(each.dtype or dtype for each in self.inputs)}
        return used <= set(dtypes)

    def apply(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The results as tensors."""
        if self.build is not None:
            made = self.build(*tensors)
        else:
            made = PRIMITIVES[self.primitive](*tensors, **self.attributes)
        return list(made) if isinstance(made, (list, tuple)) else [made]


def held_by(array: np.ndarray, dtype: str) -> np.ndarray:
    """Values rounded to what a type can hold: floats as float64, all others in their own type."""
    if not is_float(dtype):
        return np.asarray(array).astype(dtype)
    wide = np.asarray(array, dtype="float64")
    with np.errstate(all="ignore"):
        if dtype == "bfloat16":
            return _rounded_to_bfloat16(wide)
        return wide.astype(dtype).astype("float64")


def _rounded_to_bfloat16(array: np.ndarray) -> np.ndarray:
    """The nearest of the numbers whose float32 form ends in 16 zero bits, halves to even."""
    single = np.asarray(array, dtype="float32")
    bits = single.view("uint32").astype("uint64")
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype("uint32").view("float32")
    return np.where(np.isnan(single), single, rounded).astype("float64")


# -- how operands are drawn -----------------------------------------------------------------------


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers around 0, none nearer to it than 0.1, where many primitives have a kink."""
    drawn = generator.normal(size=shape)
    return np.asarray(drawn + np.copysign(0.1, drawn))


def positive(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers between 0.2 and 2.2."""
    return generator.uniform(0.2, 2.2, size=shape)


def small(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers between -0.6 and 0.6."""
    return generator.uniform(-0.6, 0.6, size=shape)


def distinct(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of which no two are nearer than 0.25, so that the largest is clear."""
    count = int(np.prod(shape, dtype=int))
    return (generator.permutation(count) * 0.25 - count / 8 + 0.1).reshape(shape)


def between(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers whose distance to the nearest integer and half is at least 0.1."""
    whole = generator.integers(-4, 4, size=shape)
    return whole + generator.uniform(0.1, 0.4, size=shape) + 0.5 * generator.integers(0, 2, size=shape)


def coarse(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A few different numbers, so that many are equal."""
    return generator.integers(-2, 3, size=shape).astype("float64")


def counts(low: int, high: int) -> Make:
    """Integers from `low` up to, not including, `high`."""
    return lambda generator, shape: generator.integers(low, high, size=shape)


def booleans(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """True and False."""
    return np.asarray(generator.integers(0, 2, size=shape) > 0)


def fixed(value: Any, dtype: str | None = None) -> Input:
    """An operand with these entries."""
    array = np.asarray(value)
    return Input(lambda generator, shape: array, array.shape, dtype)


def inputs(make: Make, *shapes: tuple[int, ...], dtype: str | None = None) -> tuple[Input, ...]:
    """Operands of these shapes, drawn alike."""
    return tuple(Input(make, shape, dtype) for shape in shapes)
