"""What a backend is: kernels for the primitives, and a few hooks that have defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from multikeras.contract.device import DeviceSettings

Array = Any
Kernel = Callable[..., Any]


class Backend:
    """Base class of every backend.

    A backend is made once, at first need, with the device that the user asked for. It supplies
    `kernels` and moves arrays in and out; all else has a default. It imports `multikeras.contract`
    and nothing else of the framework.

    A kernel takes the primitive's inputs by position and its static attributes by keyword, and
    returns one array, or a tuple where the primitive has several outputs. Inputs of one primitive
    already have equal dtypes, and attributes are concrete: nothing is promoted and no shape is
    unknown in a kernel. A kernel never writes to its inputs, unless it is called with
    `in_place=True` (see `Primitive.in_place`). It may return a view of an input.

    Attributes:
        name: The word of `KERAS_BACKEND`, such as `'numpy'`.
        title: The name people know it by, such as `'NumPy'`.
        kernels: Primitive name to kernel. Primitives that have a composition may be left out.
        dtypes: Names of the data types that it can store.
        missing_dtypes: Why it lacks a type, and what would help, by the type's name.
        compiles: Whether a program for a new shape costs a compilation, so that many of them are worth a word.
        donates: Whether `compile` makes use of donated arguments.
        in_place: Whether kernels of `Primitive.in_place` primitives accept `in_place=True`.
        longest_program: Most statements that `compile` takes well; a longer program comes in pieces,
            of which none donates. None where there is no such limit.
        asynchronous: Whether a call may return before the device has finished.
        matmul_precision: How float32 is multiplied in products of matrices and convolutions:
            `'float32'`, in full, or `'tf32'`, where a device may round the factors to 11 bits first. The
            framework sets it, and `scope` sees to it, whatever the library's own setting is.
        stacked_bytes: What a loop may stack of its steps for its gradient; where it would be more, the
            gradient computes the steps again.
    """

    name: str = ""
    title: str = ""
    kernels: Mapping[str, Kernel] = {}
    dtypes: frozenset[str] = frozenset()
    missing_dtypes: Mapping[str, str] = {}
    compiles: bool = False
    donates: bool = False
    in_place: bool = False
    longest_program: int | None = None
    asynchronous: bool = False
    matmul_precision: str = "float32"
    stacked_bytes: int = 1 << 28

    def __init__(self, settings: DeviceSettings = DeviceSettings()) -> None:
        self.settings = settings

    def kernel(self, name: str, types: frozenset[str]) -> Kernel | None:
        """The kernel of a primitive, None where there is none: that of `kernels`.

        A backend may have others for some types.

        Args:
            name: The primitive.
            types: The types of all inputs and results.
        """
        return self.kernels.get(name)

    def lacks(self, dtype: str) -> str:
        """Words for an error: that there is no such type, and what to do about it."""
        mend = self.missing_dtypes.get(dtype, f"It has {', '.join(sorted(self.dtypes))}.")
        return f"The backend {self.name!r} has no type {dtype}. {mend}"

    def feed(self, value: Any, dtype: str) -> Array:
        """An array for one run, from a NumPy array (or an array of this backend).

        It may share memory with `value`: a fed array is neither written nor kept.
        """
        raise NotImplementedError(f"{type(self).__name__}.feed is not defined.")

    def own(self, value: Any, dtype: str) -> Array:
        """An array that shares memory with nothing, from a NumPy array or an array of this backend."""
        raise NotImplementedError(f"{type(self).__name__}.own is not defined.")

    def adopt(self, value: np.ndarray, dtype: str) -> Array:
        """As `own`, of a NumPy array that nobody else holds: its memory may become that of the result."""
        return self.own(value, dtype)

    def constant(self, value: np.ndarray, dtype: str) -> Any:
        """A fixed operand of programs, such as the 0.5 of a formula; kernels take it as an array."""
        return self.own(value, dtype)

    def copy(self, array: Array) -> Array:
        """An array of equal value that shares memory with nothing."""
        raise NotImplementedError(f"{type(self).__name__}.copy is not defined.")

    def to_numpy(self, array: Array) -> np.ndarray:
        """The value as a NumPy array, which may share memory with `array`; waits for the device.

        It is of the same type, except that bfloat16, which NumPy lacks, becomes float32.
        """
        raise NotImplementedError(f"{type(self).__name__}.to_numpy is not defined.")

    def is_array(self, value: Any) -> bool:
        """Whether `value` is an array of this backend's library that `feed` takes without a copy to the host."""
        return False

    def scope(self) -> AbstractContextManager[Any]:
        """What has to hold around every run: a device, a precision, gradients off."""
        return nullcontext()

    def compile(
        self, function: Callable[..., tuple[Array, ...]], donated: Sequence[int]
    ) -> Callable[..., tuple[Array, ...]]:
        """A faster callable with the meaning of `function`, to be called inside `scope`.

        Args:
            function: A straight line of kernel calls: arrays in, a tuple of arrays out.
            donated: Positions of arguments that nobody reads after the call.
        """
        return function

    def synchronize(self) -> None:
        """Returns when the device has finished everything that was asked of it."""

    def devices(self) -> list[str]:
        """The devices there are, such as `['cpu', 'gpu:0']`; the one in use is `device`."""
        return ["cpu"]

    @property
    def device(self) -> str:
        """The device in use: `'cpu'` or `'gpu:0'`."""
        return "cpu"

    @property
    def device_reason(self) -> str:
        """One sentence: why this device and not another."""
        return f"{self.title} computes on the CPU."

    def versions(self) -> dict[str, str]:
        """Versions of the libraries underneath, by distribution name."""
        return {}
