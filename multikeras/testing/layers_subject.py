"""A layer under examination: how it is made, what it is given, and runs of it that leave no trace."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import layers, registry
from multikeras.contract import is_float
from multikeras.graph.tensor import Tensor, Variable
from multikeras.layers import calls, owned
from multikeras.programs import Function, settings
from multikeras.programs.program import Program
from multikeras.programs.specialise import Argument, Specialised, specialise
from multikeras.testing import comparing


class Broken(Exception):
    """A rule is broken; the text says how, and the mend."""


class LeftOut(Exception):
    """A rule does not apply; the text says why."""


@dataclass
class Placed:
    """A layer with one call of it.

    Attributes:
        layer: The layer.
        tensors: Its inputs.
        outputs: Its outputs, floating-point or not.
        updates: What the call, and calls inside it, asked to be stored.
    """

    layer: Any
    tensors: list[Any]
    outputs: list[Any]
    updates: list[Any]

    @property
    def floats(self) -> list[Any]:
        """The outputs that have gradients."""
        return [t for t in self.outputs if is_float(t.dtype)]


@dataclass
class Subject:
    """What `check_layer` examines.

    Attributes:
        cls: The class, or a function that makes a layer.
        arguments: Arguments of the constructor, or a function that makes them anew.
        arrays: The inputs, the batch axis first.
        call_arguments: Other arguments of the call.
        custom_objects: What configurations may name.
        fixed_batch: Whether the length of the batch is part of the layer, as with stateful ones.
        backends: Backends whose results are compared; None for all that are installed.
        dtypes: The floating types in which it has to work.
        formats: `'equal'` where channels first gives the same numbers with the same weights, else `'apart'`.
    """

    cls: Callable[..., Any]
    arguments: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    arrays: list[np.ndarray]
    call_arguments: dict[str, Any] = field(default_factory=dict)
    custom_objects: dict[str, Any] = field(default_factory=dict)
    fixed_batch: bool = False
    backends: Sequence[str] | None = None
    dtypes: Sequence[str] = ("float16", "float32", "float64")
    formats: str = "equal"

    @property
    def name(self) -> str:
        """The name of the class."""
        return str(getattr(self.cls, "__name__", self.cls))

    @property
    def parameters(self) -> list[str]:
        """Names of the constructor's own arguments."""
        found = inspect.signature(self.cls).parameters.values()
        return [p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]

    def made(self, **more: Any) -> Any:
        """A new layer."""
        arguments = self.arguments() if callable(self.arguments) else self.arguments
        return self.cls(**{**arguments, **more})

    def placed(
        self,
        layer: Any = None,
        shapes: Sequence[Sequence[int | None]] | None = None,
        dtype: str | None = None,
        **call_arguments: Any,
    ) -> Placed:
        """A layer called on new inputs.

        Args:
            layer: The layer, a new one if None.
            shapes: Shapes of the inputs, the batch included; those of the arrays, the batch unknown, if None.
            dtype: Type of the floating inputs; floatx if None.
            **call_arguments: Arguments of the call that go before the usual ones.
        """
        layer = self.made() if layer is None else layer
        if shapes is None:
            shapes = [(a.shape[0] if self.fixed_batch else None, *a.shape[1:]) for a in self.arrays]
        tensors = [
            layers.Input(batch_shape=shape, dtype=(dtype or K.floatx()) if is_float(str(a.dtype)) else str(a.dtype))
            for shape, a in zip(shapes, self.arrays, strict=True)
        ]
        return self.called(layer, tensors, **call_arguments)

    def called(self, layer: Any, tensors: list[Any], **call_arguments: Any) -> Placed:
        """A layer called on these inputs."""
        given = tensors if len(tensors) > 1 else tensors[0]
        with calls.scratch() as around:
            result = layer(given, **{**self.call_arguments, **call_arguments})
        updates = [u for _, record, _ in owned.walk(around.children) for u in record.updates]
        outputs = list(result) if isinstance(result, (list, tuple)) else [result]
        return Placed(layer, tensors, outputs, updates)

    def feeds(self, placed: Placed, arrays: Sequence[np.ndarray] | None = None) -> dict[Tensor, np.ndarray]:
        """The inputs' values."""
        given = self.arrays if arrays is None else arrays
        return {t: np.asarray(a, t.dtype) for t, a in zip(placed.tensors, given, strict=True)}


def randomize(layer: Any, seed: int = 4) -> None:
    """Gives every weight random values; above 0, since variances may be among them."""
    generator = np.random.default_rng(seed)
    layer.set_weights([generator.uniform(0.2, 1.0, w.shape).astype(w.dtype) for w in layer.weights])


def variables_behind(tensors: Sequence[Tensor]) -> list[Variable]:
    """The variables that tensors are computed from."""
    found, seen, stack = [], set(tensors), list(tensors)
    while stack:
        tensor = stack.pop()
        if isinstance(tensor, Variable):
            found.append(tensor)
        for x in tensor.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return found


class Evaluation:
    """A graph computed on the host as often as one likes: nothing is stored, and random numbers are always the same.

    Args:
        outputs: What is computed.
        feeds: Values of the inputs.
        phase: The learning phase.
        updates: What would be stored, computed as well.
    """

    def __init__(
        self, outputs: Sequence[Tensor], feeds: Mapping[Tensor, np.ndarray], phase: int = 0, updates: Sequence[Any] = ()
    ) -> None:
        function = Function([], list(outputs), list(updates))
        self._values = {**feeds, **comparing._state([*function.outputs, *function.updates], dict(feeds))}
        self._backend = registry.load(registry.HOST)
        arguments = {t: Argument(t, v.shape, t.dtype) for t, v in self._values.items()}
        made = specialise(function.outputs, function.updates, arguments, settings.values(phase), self._backend)
        self.stores = list(made.stores)
        results = [*made.outputs, *made.stores.values()]
        self._count = len(made.outputs)
        self._program = Program(Specialised(results, {}), self._backend, list(arguments.values()), compiled=False)

    def value_of(self, tensor: Tensor) -> np.ndarray:
        """The value of an input or a variable that it computes with."""
        return self._values[tensor]

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor in self._values

    def run(self, replaced: Mapping[Tensor, np.ndarray] | None = None) -> list[np.ndarray]:
        """The outputs, with other values of some inputs or variables."""
        return self._run(replaced)[: self._count]

    def stored(self) -> list[np.ndarray]:
        """The new values of `stores`."""
        return self._run(None)[self._count :]

    def _run(self, replaced: Mapping[Tensor, np.ndarray] | None) -> list[np.ndarray]:
        values = {**self._values, **(replaced or {})}
        with self._backend.scope():
            arrays = [self._backend.feed(values[tensor], tensor.dtype) for tensor in self._values]
            return [np.array(self._backend.to_numpy(array)) for array in self._program.run(arrays)]


@contextmanager
def settings_kept() -> Iterator[None]:
    """In this block floatx, the data format and NumPy's generator may change; they are put back."""
    before, state = (K.floatx(), K.image_data_format()), np.random.get_state()
    try:
        yield
    finally:
        K.set_floatx(before[0])
        K.set_image_data_format(before[1])
        np.random.set_state(state)


def listed(names: Sequence[str]) -> str:
    """Names for a message."""
    return ", ".join(map(repr, names))


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference, relative to the largest number expected or to 1; infinite for other shapes."""
    if found.shape != expected.shape:
        return float("inf")
    a, b = np.asarray(found, "float64"), np.asarray(expected, "float64")
    with np.errstate(all="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        scale = max(1.0, float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b))))
    worst = float(np.max(apart, initial=0.0))
    return float("inf") if np.isnan(worst) else worst / scale
