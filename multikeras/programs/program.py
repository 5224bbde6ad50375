"""A program: a specialised graph, ready to run on one backend, and what a run does to variables."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from multikeras.contract import Backend
from multikeras.graph.ops.random import key_words
from multikeras.graph.tensor import Constant, RandomKey, Tensor, ValueTensor, Variable
from multikeras.programs import storage
from multikeras.programs.interrupts import HeldInterrupts
from multikeras.programs.locks import RUNS
from multikeras.programs.lower import Source, Straight, calls_python, constant_array, interpret, straighten
from multikeras.programs.memory import owners
from multikeras.programs.places import name_the_place
from multikeras.programs.specialise import Argument, Specialised

#: Array constants above this many bytes are passed as arguments rather than compiled in.
_INLINE_BYTES = 256


class _Compiled:
    """Compiled functions by the text of their source and all that it refers to, bounded."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.entries: OrderedDict[Any, Callable[..., tuple[Any, ...]]] = OrderedDict()
        self.lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def get(self, key: Any, make: Callable[[], Callable[..., tuple[Any, ...]]]) -> Callable[..., tuple[Any, ...]]:
        with self.lock:
            found = self.entries.get(key)
            if found is not None:
                self.hits += 1
                self.entries.move_to_end(key)
                return found
        made = make()
        with self.lock:
            self.misses += 1
            self.entries[key] = made
            while len(self.entries) > self.limit:
                self.entries.popitem(last=False)
        return made

    def clear(self) -> None:
        with self.lock:
            self.entries.clear()


COMPILED = _Compiled(limit=256)


class Program:
    """A specialised graph on one backend.

    Attributes:
        straight: The line of kernel calls.
        backend: Where it runs.
    """

    def __init__(
        self,
        specialised: Specialised,
        backend: Backend,
        fed: Sequence[Argument],
        compiled: bool = True,
        fresh: bool = True,
    ) -> None:
        """Args:
        specialised: The graph.
        backend: Where it runs.
        fed: The arguments that are passed in, in order.
        compiled: Whether to generate and compile; otherwise the line is interpreted.
        fresh: Whether outputs must share memory with nothing.
        """
        self.backend = backend
        outputs, stores = specialised.outputs, specialised.stores
        self.num_outputs = len(outputs)
        self.stored = list(stores)
        results = [*outputs, *stores.values()]
        self.straight = straight = straighten(results, backend, stores, fed, len(outputs))
        self.num_fed = len(fed)
        extra = straight.arguments[len(fed) :]
        if compiled:
            extra = [*extra, *_large_constants(straight)]
            straight.arguments[len(fed) :] = extra
        self._sources = [a.source for a in extra]
        self.variables = [a.source for a in extra if isinstance(a.source, Variable)]
        self.keys = [a.source for a in extra if isinstance(a.source, RandomKey)]
        self._copied = _shared(self.straight.results) if fresh or stores else []
        # What calls Python may fail in the middle of a run, and what was given away would be lost.
        donated = self._donated(straight) if backend.donates and not calls_python(results) else ()
        if compiled:
            source = Source(straight, backend)
            text = source.text()
            signature = tuple((a.shape, a.dtype) for a in straight.arguments)
            key = (backend.name, id(backend), text, tuple(source.key), signature, donated)

            def compile_piece(function: Callable[..., Any], number: int | None) -> Callable[..., Any]:
                return backend.compile(function, donated if number is None else ())

            self._call = COMPILED.get(_hashable(key), lambda: source.define(text, compile_piece))
        else:
            self._call = lambda *values: tuple(interpret(straight, backend, values))
        self.exclusive = bool(self.stored or self.keys)

    def _donated(self, straight: Straight) -> tuple[int, ...]:
        stored = set(self.stored)
        # What is fed belongs to the caller, also in place of a variable.
        return tuple(i for i, a in enumerate(straight.arguments) if i >= self.num_fed and a.source in stored)

    def run(self, values: Sequence[Any]) -> list[Any]:
        """Runs once on arrays of the backend, inside its scope; returns arrays of the backend."""
        try:
            if not self._sources and not self.stored:
                return self._outputs(self._call(*values))
            # An interrupt while the lock is taken or given back would leave it taken.
            with HeldInterrupts():
                RUNS.acquire(self.exclusive)
                try:
                    return self._run_with_state(values)
                finally:
                    RUNS.release()
        except Exception as error:
            name_the_place(error, self.straight, self.backend)
            raise

    def _outputs(self, results: Sequence[Any]) -> list[Any]:
        made = list(results)
        for i in self._copied:
            made[i] = self.backend.copy(made[i])
        return made

    def _run_with_state(self, values: Sequence[Any]) -> list[Any]:
        backend = self.backend
        name = backend.name
        held: list[Any] = list(values)
        for source in self._sources:
            if isinstance(source, Variable):
                held.append(source.array if source.home == name else storage.array_of(source, backend))
            elif isinstance(source, RandomKey):
                words = np.array(key_words(source.seed, source.runs), dtype=np.uint32)
                held.append(backend.feed(words, "uint32"))
            elif isinstance(source, Constant):
                held.append(constant_array(source, backend))
            else:
                assert isinstance(source, ValueTensor)
                held.append(_value_on(source, backend))
        results = self._outputs(self._call(*held))
        for variable, array in zip(self.stored, results[self.num_outputs :], strict=True):
            variable.array, variable.home, variable.initial = array, name, None
        for key in self.keys:
            key.runs += 1
        return results[: self.num_outputs]


def _hashable(key: Any) -> Any:
    try:
        hash(key)
    except TypeError:
        # Something unhashable among the attributes: the program is its own key.
        return object()
    return key


def _large_constants(straight: Straight) -> list[Argument]:
    """Array constants as arguments, so that compiled code does not carry them."""
    found: dict[Tensor, Argument] = {}

    def place(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, Constant) or tensor.value.nbytes <= _INLINE_BYTES:
            return tensor
        if tensor not in found:
            found[tensor] = Argument(tensor, tensor.value.shape, tensor.dtype)
        return found[tensor]

    for line in straight.lines:
        line.tensor.inputs = tuple(place(x) for x in line.tensor.inputs)
    straight.results[:] = [place(t) for t in straight.results]
    return list(found.values())


def _shared(results: Sequence[Tensor]) -> list[int]:
    """Positions of results that may share memory with an argument or with another result."""
    copied = []
    taken: set[Tensor] = set()
    for i, result in enumerate(results):
        sources = owners(result)
        if any(source.primitive is None for source in sources) or sources & taken:
            copied.append(i)
        else:
            taken |= sources
    return copied


def _value_on(value: ValueTensor, backend: Backend) -> Any:
    if value.home == backend.name:
        return value.array
    return backend.feed(np.asarray(value.to_host(value.array)), value.dtype)
