"""`K.function`: a graph as a callable, specialised to what it is called with."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras import config, registry
from multikeras.contract import Backend
from multikeras.graph import operands
from multikeras.graph.tensor import Setting, Tensor, ValueTensor, Variable
from multikeras.graph.updates import Update, assign
from multikeras.programs import settings
from multikeras.programs.interrupts import HeldInterrupts
from multikeras.programs.program import COMPILED, Program
from multikeras.programs.specialise import Argument, specialise

#: Programs that one function keeps, by what it was called with.
_PROGRAMS_KEPT = 64
#: Specialisations by shape after which a function says so, once.
_MANY_SHAPES = 8

#: Counts for `K.backend_info()`.
counts = {"specialised": 0, "calls": 0}


class Function:
    """A callable from a list of arrays to a list of NumPy arrays.

    Attributes:
        inputs: The tensors that are fed; the graph is cut there.
        outputs: The tensors that are computed.
        updates: What is stored after everything is computed.
        name: For messages.
    """

    def __init__(
        self,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        updates: Sequence[Any] | None = None,
        name: str = "function",
        phase: int | None = None,
    ) -> None:
        """Args:
            inputs: Tensors to feed: placeholders, or any tensor in the middle of a graph.
            outputs: Tensors to compute.
            updates: Updates or (variable, new value) pairs.
            name: For messages.
            phase: The learning phase of all its runs; None asks the process, or an input.

        Raises:
            TypeError: If one of these is not a tensor.
        """
        self.inputs = [_checked(t, "inputs", i) for i, t in enumerate(inputs)]
        self.outputs = [_checked(t, "outputs", i) for i, t in enumerate(outputs)]
        self.updates = [_as_update(u) for u in updates or [] if u is not None]
        self.name = name
        self._phase = phase
        self._phase_at = next(
            (i for i, t in enumerate(self.inputs) if isinstance(t, Setting) and t.key == "learning_phase"), None
        )
        self._fed = [(i, t) for i, t in enumerate(self.inputs) if i != self._phase_at]
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        self._lock = threading.Lock()
        self._fits: set[str] = set()
        self._warned = False
        self._densified = 0

    def __call__(self, inputs: Any = ()) -> list[np.ndarray]:
        """Runs once.

        Args:
            inputs: One value for each input: arrays, numbers, nested lists.

        Returns:
            The outputs as NumPy arrays of the caller's own.
        """
        backend = registry.current()
        arrays = self.run(inputs, backend)
        to_numpy = backend.to_numpy
        return [_own(to_numpy(array)) for array in arrays]

    def run(self, inputs: Any, backend: Backend | None = None) -> list[Any]:
        """Runs once and returns arrays of the backend, without waiting for the device."""
        if backend is None:
            backend = registry.current()
        if not isinstance(inputs, (list, tuple)):
            inputs = [inputs]
        if len(inputs) != len(self.inputs):
            raise ValueError(
                f"{self.name} takes {len(self.inputs)} inputs ({', '.join(t.name for t in self.inputs)}), received "
                f"{len(inputs)}."
            )
        phase = self._phase
        if phase is None:
            phase = settings.default_phase() if self._phase_at is None else _phase_value(inputs[self._phase_at])
        if backend.name not in self._fits:
            self._check_types(backend)
        # An interrupt while the scope is entered or left would leave the library's settings changed.
        with HeldInterrupts(), backend.scope():
            values = []
            key: Any = (backend.name, phase, config.epsilon())
            for i, tensor in self._fed:
                value = inputs[i]
                if type(value) is np.ndarray and value.dtype.kind != "O" or backend.is_array(value):
                    array = backend.feed(value, tensor.dtype)
                else:
                    if hasattr(value, "tocsr"):
                        # There are no sparse arrays beyond the door.
                        self._densified += 1
                        value = value.toarray()
                    array = backend.feed(_as_fed(value, tensor, self.name), tensor.dtype)
                values.append(array)
                key += (array.shape,)
            program = self._programs.get(key)
            if program is None:
                program = self._specialise(key, backend, phase, values)
            counts["calls"] += 1
            return program.run(values)

    def _check_types(self, backend: Backend) -> None:
        for _, tensor in self._fed:
            if tensor.dtype not in backend.dtypes:
                raise TypeError(
                    f"{self.name}: input {tensor.name!r} is of type {tensor.dtype}, which the backend {backend.name!r} "
                    f"does not have. It has {', '.join(sorted(backend.dtypes))}."
                )
        self._fits.add(backend.name)

    def _check_shape(self, tensor: Tensor, shape: Sequence[int]) -> None:
        wanted = tensor.shape
        if len(shape) != len(wanted) or any(w is not None and w != n for w, n in zip(wanted, shape, strict=True)):
            raise ValueError(
                f"{self.name}: input {tensor.name!r} expects shape {wanted}, received an array of shape {tuple(shape)}."
            )

    def _specialise(self, key: Any, backend: Backend, phase: int, values: Sequence[Any]) -> Program:
        with self._lock:
            if key in self._programs:
                return self._programs[key]
            fed = {}
            arguments = []
            for (_, tensor), value in zip(self._fed, values, strict=True):
                self._check_shape(tensor, value.shape)
                argument = Argument(tensor, tuple(value.shape), tensor.dtype)
                arguments.append(argument)
                fed[tensor] = argument
            made = specialise(self.outputs, self.updates, fed, settings.values(phase), backend)
            program = Program(made, backend, arguments)
            counts["specialised"] += 1
            self._programs[key] = program
            while len(self._programs) > _PROGRAMS_KEPT:
                self._programs.popitem(last=False)
            if backend.compiles:
                self._warn_about_shapes(key)
            return program

    def _warn_about_shapes(self, key: Any) -> None:
        shapes = {k[3:] for k in self._programs if k[:3] == key[:3]}
        if self._warned or len(shapes) <= _MANY_SHAPES:
            return
        self._warned = True
        varying = [
            f"axis {axis} of {tensor.name!r}"
            for position, (_, tensor) in enumerate(self._fed)
            for axis in range(len(tensor.shape))
            if len({s[position][axis] for s in shapes}) > 1
        ]
        warnings.warn(
            f"{self.name} was specialised to {len(shapes)} shapes: {' and '.join(varying)} keeps changing, and each "
            "length is compiled anew. Pad to a few lengths if that takes long.",
            stacklevel=4,
        )

    def explain(self) -> str:
        """What runs: one line for each operation of the programs made so far."""
        text = []
        for key, program in self._programs.items():
            text.append(f"{self.name} on {key[0]}, phase {key[1]}, shapes {list(key[3:])}:")
            for line in program.straight.lines:
                attributes = ", ".join(f"{n}={v}" for n, v in line.attributes.items() if not callable(v))
                kind = line.tensor.primitive.name if line.tensor.primitive is not None else ""
                text.append(f"  {kind}({attributes}) -> {line.tensor.shape} {line.tensor.dtype}")
            text.append(f"  stores: {', '.join(v.name for v in program.stored) or 'nothing'}")
        if self._densified:
            text.append(f"sparse matrices made dense: {self._densified}")
        return "\n".join(text) or f"{self.name} has not run yet."


def _checked(tensor: Any, what: str, position: int) -> Tensor:
    if isinstance(tensor, Tensor):
        return tensor
    raise TypeError(
        f"K.function: {what}[{position}] is no tensor but {type(tensor).__name__}: {tensor!r}. Pass placeholders, "
        "variables or tensors made of them, in a list."
    )


def _as_update(update: Any) -> Update:
    if isinstance(update, Update):
        return update
    if isinstance(update, (tuple, list)) and len(update) == 2 and isinstance(update[0], Variable):
        return assign(update[0], operands.convert(update[1], update[0].dtype))
    raise TypeError(f"An update is what K.update gives, or a pair (variable, new value); received {update!r}.")


def _phase_value(value: Any) -> int:
    phase = int(np.asarray(value))
    if phase not in (0, 1):
        raise ValueError(f"The learning phase is 0 (test) or 1 (train), received {value!r}.")
    return phase


def _tensor_value(value: Tensor) -> Any:
    if isinstance(value, ValueTensor) and value.home == registry.current_name():
        return value.array
    from multikeras.programs.evaluate import protocol_value

    return protocol_value(value)


def _as_fed(value: Any, tensor: Tensor, name: str) -> Any:
    """What the backend's `feed` takes: a NumPy array, or an array of the backend's own."""
    if isinstance(value, Tensor):
        return _tensor_value(value)
    if value is None:
        raise ValueError(f"{name}: input {tensor.name!r} of shape {tensor.shape} received None instead of an array.")
    if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        try:
            array = np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError):
            # Arrays of another device or type export no NumPy view; their own conversion may copy.
            array = np.asarray(value)
    else:
        array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name}: input {tensor.name!r} expects numbers of type {tensor.dtype}, received values of type "
            f"{array.dtype}."
        )
    return array


def _own(array: np.ndarray) -> np.ndarray:
    # A read-only view (of a broadcast, or of another library's buffer) is not the caller's to keep.
    return array if type(array) is np.ndarray and array.flags.writeable else np.array(array)


def clear() -> None:
    """Forgets compiled programs; functions specialise again when they are called."""
    COMPILED.clear()
