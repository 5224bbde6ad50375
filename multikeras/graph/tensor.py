"""Tensors: nodes of the graph, and its leaves.

A tensor holds shape, data type, the primitive and the inputs that make it. It points to its inputs
only, so that an expression dies by reference count. No tensor but a variable, a constant and a
value tensor holds numbers.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from multikeras.contract import Primitive, check_dtype
from multikeras.graph.context import Body, context
from multikeras.graph.operators import Operators
from multikeras.graph.origin import Origin, capture, describe

Shape = tuple[int | None, ...]

_serial = itertools.count()

#: Evaluates a tensor to a NumPy array; set by `multikeras.programs`, since building needs no backend.
_evaluate: Callable[[Tensor], np.ndarray] | None = None


def set_evaluator(evaluate: Callable[[Tensor], np.ndarray]) -> None:
    """Says how `np.asarray(tensor)` and `float(tensor)` get a value."""
    global _evaluate
    _evaluate = evaluate


class Tensor(Operators):
    """A node of the graph.

    Attributes:
        primitive: What makes it, None for a leaf.
        inputs: The tensors it is made of; those that stand for attributes come last.
        attributes: Static attributes of the primitive.
        host: Names of the attributes that the last inputs stand for.
        shape: Axis lengths, None where unknown.
        dtype: Name of the data type.
        known: What is known of the entries of a small integer tensor: a tuple of int and None (or
            one such entry for a scalar); None where nothing is known.
        on_host: Whether it is made of shapes, settings and constants alone, so that its value is
            known when a program is specialised.
        serial: Running number; inputs always have smaller ones.
        body: The scan step or branch in which it was made, or None.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_name",
        "attributes",
        "body",
        "dtype",
        "host",
        "inputs",
        "known",
        "on_host",
        "origin",
        "primitive",
        "serial",
        "shape",
    )
    __hash__ = object.__hash__

    primitive: Primitive | None
    inputs: tuple[Tensor, ...]
    attributes: dict[str, Any]
    host: tuple[str, ...]
    shape: Shape
    dtype: str
    known: Any
    on_host: bool
    serial: int
    body: Body | None
    origin: Origin | None

    def __init__(self, shape: Shape, dtype: str, name: str | None = None) -> None:
        self.primitive = None
        self.inputs = ()
        self.attributes = {}
        self.host = ()
        self.shape = shape
        self.dtype = dtype
        self.known = None
        self.on_host = False
        self.serial = next(_serial)
        self.body = context.body
        self.origin = context.origin or capture(context.layer)
        self._name = name

    @property
    def name(self) -> str:
        """A name for people: the given one, or the primitive and a number."""
        if self._name is None:
            kind = self.primitive.name if self.primitive is not None else type(self).__name__.lower()
            self._name = f"{kind}_{self.serial}"
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def where(self) -> str:
        """The layer and the line of user code that made it."""
        return describe(self.origin)

    def get_shape(self) -> Shape:
        """The static shape, as `K.int_shape`."""
        return self.shape

    def __repr__(self) -> str:
        kind = self.primitive.name if self.primitive is not None else type(self).__name__.lower()
        return f"<tensor {self.name!r} shape={self.shape} dtype={self.dtype} made by {kind}>"

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self

    def __reduce__(self) -> Any:
        raise TypeError(
            f"{self!r} cannot be pickled: it is a node of a graph. Pickle the model, or the value that K.eval gives."
        )

    # -- values ---------------------------------------------------------------------------------

    def _value(self, wanted: str) -> np.ndarray:
        if context.building and (context.eager is None or context.body is not None):
            raise TypeError(
                f"{wanted} of {self!r} was asked for while a graph is built (in a layer's call, a step "
                "function or a branch), where a tensor has no value. To choose between tensors use "
                "K.switch; to freeze a number use K.stop_gradient(K.constant(...)); to look at numbers compile the "
                "model with run_eagerly=True, for debugging."
            )
        if _evaluate is None:
            raise RuntimeError("No evaluator: import multikeras.backend first.")
        return _evaluate(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        value = self._value("The value")
        return value if dtype is None else value.astype(dtype)

    def __float__(self) -> float:
        return float(self._value("float()"))

    def __int__(self) -> int:
        return int(self._value("int()"))

    def __bool__(self) -> bool:
        return bool(self._value("The truth value"))

    def numpy(self) -> np.ndarray:
        """The value as a NumPy array, as `K.eval`."""
        return self._value("The value")

    # -- sequence -------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self!r} has no axes and so no length.")
        if self.shape[0] is None:
            raise TypeError(f"{self!r} has an unknown first axis: use K.shape(x)[0] for its length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return iter([self[i] for i in range(len(self))])

    def __contains__(self, item: object) -> bool:
        raise TypeError(
            "`in` is not defined for a tensor: compare identities with `any(t is x for t in ...)`, "
            "or build K.any(K.equal(tensor, value))."
        )


class Placeholder(Tensor):
    """A leaf that is fed."""

    __slots__ = ()


class Parameter(Tensor):
    """A leaf inside a body that stands for a slice, a carry or an operand."""

    __slots__ = ()


class Variable(Tensor):
    """A leaf that keeps a value from one run to the next, on the backend that last ran it.

    The storage is managed by `multikeras.programs.storage`; the graph never looks at it.

    Attributes:
        array: The array that holds the value, of the backend named by `home`; None before first use.
        home: Name of that backend.
        initial: NumPy array or tensor giving the first value, until it is needed.
        trainable: Whether training may change it.
        lock: Held while the storage moves.
    """

    __slots__ = ("array", "constraint", "home", "initial", "lock", "regularizer", "trainable")

    def __init__(self, shape: Shape, dtype: str, initial: Any, name: str | None = None, trainable: bool = True) -> None:
        super().__init__(shape, dtype, name)
        # A variable outlives the body that happened to be traced when it was made.
        self.body = None
        self.array: Any = None
        self.home: str | None = None
        self.initial: Any = initial
        self.trainable = trainable
        self.constraint: Any = None
        self.regularizer: Any = None
        self.lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<variable {self.name!r} shape={self.shape} dtype={self.dtype}>"

    def __reduce__(self) -> Any:
        if _evaluate is None:
            raise RuntimeError("No evaluator: import multikeras.backend first.")
        return _rebuild_variable, (_evaluate(self), self.dtype, self.name, self.trainable)


def _rebuild_variable(value: np.ndarray, dtype: str, name: str, trainable: bool) -> Variable:
    return Variable(value.shape, dtype, value, name, trainable)


class Constant(Tensor):
    """A leaf with a fixed value.

    Attributes:
        value: A read-only NumPy array.
        copies: The same value as arrays of backends that used it, by backend name.
        number: Whether it stands for a number in an expression, such as the 2 of `x * 2`: nobody
            holds it, so nobody asks for a gradient with respect to it.
    """

    __slots__ = ("copies", "number", "value")

    def __init__(self, value: np.ndarray, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(value.shape, dtype or check_dtype(value.dtype), name)
        # A number is the same inside and outside a body.
        self.body = None
        self.value = value
        self.on_host = True
        self.copies: dict[str, Any] = {}
        self.number = False
        if value.ndim < 2 and value.size <= 64 and value.dtype.kind in "iu":
            self.known = tuple(value.tolist()) if value.ndim else value.item()

    def __repr__(self) -> str:
        shown = np.array2string(self.value, threshold=8, edgeitems=2).replace("\n", " ")
        return f"<constant {shown} shape={self.shape} dtype={self.dtype}>"


class ValueTensor(Tensor):
    """A leaf that already has its value: what a layer or a model called on arrays returns.

    It has no history: gradients do not pass through it.

    Attributes:
        array: An array of the backend named by `home`.
    """

    __slots__ = ("array", "home", "to_host")

    def __init__(self, array: Any, shape: Shape, dtype: str, home: str, to_host: Callable[[Any], np.ndarray]) -> None:
        super().__init__(shape, dtype)
        self.array = array
        self.home = home
        self.to_host = to_host

    def _value(self, wanted: str) -> np.ndarray:
        return np.array(self.to_host(self.array))

    def __repr__(self) -> str:
        shown = np.array2string(np.asarray(self.to_host(self.array)), threshold=8, edgeitems=2).replace("\n", " ")
        return f"<value {shown} shape={self.shape} dtype={self.dtype}>"


class Setting(Tensor):
    """A leaf whose value is a setting of the process, read when a program is specialised.

    Attributes:
        key: `'learning_phase'` or `'epsilon'`.
    """

    __slots__ = ("key", "mend")

    def __init__(self, key: str, dtype: str, mend: str) -> None:
        super().__init__((), dtype, key)
        self.body = None
        self.on_host = True
        self.key = key
        self.mend = mend

    def _value(self, wanted: str) -> np.ndarray:
        if context.eager is not None and self.key == "learning_phase":
            return np.array(context.eager.phase)
        raise TypeError(f"{wanted} of the {self.key.replace('_', ' ')} was asked for outside a program. {self.mend}")

    def __bool__(self) -> bool:
        if context.eager is not None:
            return bool(self._value("The truth value"))
        raise TypeError(
            f"The {self.key.replace('_', ' ')} is known only when a program runs, so Python cannot branch on it. "
            f"{self.mend}"
        )


class RandomKey(Tensor):
    """A leaf that supplies a fresh 64-bit key to a random primitive at every run.

    Attributes:
        seed: 64-bit number fixed when the node was built.
        runs: How many runs have drawn from it.
    """

    __slots__ = ("runs", "seed")

    def __init__(self, seed: int) -> None:
        super().__init__((2,), "uint32")
        self.body = None
        self.seed = seed
        self.runs = 0
