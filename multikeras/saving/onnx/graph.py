"""An ONNX graph under construction, from tensors to named values.

What is made of weights, settings and numbers alone is computed here and becomes a constant; lengths that are known
are numbers, and those that are not are read from the shape of the tensor that has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from multikeras.contract import is_integer
from multikeras.graph.build import ITEM, all_attributes, data_inputs
from multikeras.graph.context import Body as Scope
from multikeras.graph.context import inside
from multikeras.graph.tensor import Constant, Placeholder, RandomKey, Setting, Tensor, ValueTensor, Variable
from multikeras.graph.updates import Update
from multikeras.saving.graphs.fixed import KEPT_AWAY, Fixed, is_integer_known
from multikeras.saving.onnx import types
from multikeras.saving.onnx.broadcasting import bare
from multikeras.saving.onnx.lengths import Lengths, source_of
from multikeras.saving.onnx.nodes import Node, Stored

#: Constants of up to so many bytes are compared with those that are there.
_SAME_BYTES = 512


@dataclass(eq=False)
class _Later:
    """A tensor of the graph around, which has perhaps no name yet."""

    tensor: Tensor


@dataclass(eq=False)
class _Shared:
    """What all graphs of one file have in common."""

    where: str
    double: bool
    stored: dict[str, Stored] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    same: dict[Any, str] = field(default_factory=dict)
    fixed: Fixed = field(default_factory=Fixed)
    lengths: Lengths = field(init=False)
    loops: dict[Tensor, Any] = field(default_factory=dict)
    shapes: dict[str, Any] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.lengths = Lengths(self.fixed)


class Graph:
    """An ONNX graph under construction; bodies of loops and branches are graphs inside it.

    Args:
        where: What is exported, for messages.
        double: Whether float64 stays float64 rather than becoming float32.
        outer: The graph around this one.
        scope: The body that this graph is made of.

    Attributes:
        nodes: The operators so far.
    """

    def __init__(
        self, where: str, double: bool = False, outer: Graph | None = None, scope: Scope | None = None
    ) -> None:
        self.nodes: list[Node] = []
        self.scope = scope
        self._outer = outer
        self._names: dict[Any, Any] = {}
        self._layer: str | None = None
        self._shared: _Shared = _Shared(where, double) if outer is None else outer._shared

    @property
    def where(self) -> str:
        """What is exported."""
        return self._shared.where

    @property
    def stored(self) -> dict[str, Stored]:
        """Constants and weights by name, those of all graphs of the file."""
        return self._shared.stored

    @property
    def fixed(self) -> Fixed:
        """What is known before the graph runs."""
        return self._shared.fixed

    @property
    def lengths(self) -> Lengths:
        """Where lengths come from."""
        return self._shared.lengths

    @property
    def loops(self) -> dict[Tensor, Any]:
        """The cells of loops that ONNX has operators for."""
        return self._shared.loops

    @property
    def shapes(self) -> dict[str, Any]:
        """Shapes of values by name, as far as tensors say them."""
        return self._shared.shapes

    def inner(self, scope: Scope | None) -> Graph:
        """A graph inside this one."""
        return Graph(self.where, outer=self, scope=scope)

    # -- names ----------------------------------------------------------------------------------

    def fresh(self, hint: str) -> str:
        """A name that nothing has."""
        while True:
            self._shared.count += 1
            name = f"/{hint}/{self._shared.count}"
            if name not in self._shared.taken:
                self._shared.taken.add(name)
                return name

    def claim(self, name: str) -> str:
        """The name, with a number behind it if it is taken."""
        made, number = name, 0
        while made in self._shared.taken:
            number += 1
            made = f"{name}_{number}"
        self._shared.taken.add(made)
        return made

    def bind(self, tensor: Tensor, name: Any) -> None:
        """Says which value a tensor is."""
        self._names[tensor] = name
        if isinstance(name, str) and isinstance(tensor, Tensor):
            self._shared.shapes[name] = tensor.shape

    def keep(self, key: Any, value: Any) -> None:
        """Remembers something under a key, for `known`."""
        self._names[key] = value

    def pass_in(self, place: Tensor, value: Tensor) -> None:
        """Says that a tensor in this graph is one of the graph around it, whose operators are added when it is read."""
        if place is not value:
            self._names[place] = _Later(value)

    def bind_state(self, variable: Variable, name: str) -> None:
        """Says that a variable is passed in."""
        self.fixed.states.add(variable)
        self.bind(variable, name)

    def known(self, key: Any) -> Any:
        """The name of a tensor here or around, None if it has none yet."""
        graph: Graph | None = self
        while graph is not None:
            found = graph._names.get(key)
            if isinstance(found, _Later):
                assert graph._outer is not None
                found = graph._names[key] = graph._outer.name_of(found.tensor)
            if found is not None:
                return found
            graph = graph._outer
        return None

    def held(self, dtype: str) -> str:
        """The type in which values of a type are in the file."""
        return types.held(dtype, self._shared.double)

    # -- operators ------------------------------------------------------------------------------

    def node(self, kind: str, inputs: Sequence[str], outputs: Sequence[str] | None = None, **attributes: Any) -> str:
        """Adds an operator; the name of its first output."""
        names = list(outputs) if outputs is not None else [self.fresh(kind.lower())]
        self.nodes.append(Node(kind, list(inputs), names, attributes, self._layer))
        return names[0]

    def typed(
        self, kind: str, names: Sequence[str], dtype: str, others: Sequence[str] = (), back: bool = True, **rest: Any
    ) -> str:
        """Adds an operator whose first operands are of one type, in a type that it takes.

        Args:
            kind: The operator.
            names: Its operands.
            dtype: Their type, one of ours.
            others: Operands behind them, as they are.
            back: Whether the result has the operands' type.
            **rest: Its attributes.
        """
        here = self.held(dtype)
        inside = types.working(kind, here)
        made = self.node(kind, [*[self.cast(name, here, inside) for name in names], *others], **rest)
        return self.cast(made, inside, here) if back else made

    def cast(self, name: str, before: str, after: str) -> str:
        """A value in another type."""
        return name if before == after else self.node("Cast", [name], to=types.number_of(after))

    def constant(self, value: Any, dtype: str = "int64") -> str:
        """A constant, in the type that the file holds; the name of it."""
        dtype = self.held(dtype)
        array = np.array(value, dtype=dtype, order="C")
        if array.nbytes > _SAME_BYTES:
            return self._store(array, dtype, self.fresh("constant"))
        key = (dtype, array.shape, array.tobytes())
        found = self._shared.same.get(key)
        if found is None:
            found = self._shared.same[key] = self._store(array, dtype, self.fresh("constant"))
        return found

    def _store(self, array: np.ndarray, dtype: str, name: str) -> str:
        self._shared.stored[name] = Stored(array, dtype)
        return name

    # -- tensors --------------------------------------------------------------------------------

    def name_of(self, tensor: Tensor) -> str:
        """The name of a tensor, whose operators are added if they are not there yet."""
        found = self.known(tensor)
        if found is None:
            for each in self._missing(tensor):
                # What is made of weights alone is there when it is asked for, perhaps in another form.
                if self.known(each) is None and (each is tensor or not self.fixed.is_fixed(each)):
                    graph = self._home(each)
                    graph.bind(each, graph._made(each))
            found = self.known(tensor)
        return str(found)

    def names_of(self, tensors: Iterable[Tensor]) -> list[str]:
        """The names of tensors."""
        return [self.name_of(t) for t in tensors]

    def _home(self, tensor: Tensor) -> Graph:
        """The graph that a tensor belongs to: what a body does not change is not computed in it."""
        graph: Graph | None = self
        while graph is not None:
            if graph.scope is tensor.body:
                return graph
            graph = graph._outer
        return self

    def _missing(self, tensor: Tensor) -> list[Tensor]:
        """What a tensor is made of and has no name yet, in creation order."""
        found = self._walk(tensor, lambda t: False)
        for each in found:
            self.fixed.is_fixed(each)
        return self._walk(tensor, self.fixed.is_fixed)

    def _walk(self, tensor: Tensor, ends: Any) -> list[Tensor]:
        seen, found, stack = {tensor}, [], [tensor]
        while stack:
            here = stack.pop()
            found.append(here)
            if ends(here):
                continue
            for x in self.fixed.needed(here):
                if x not in seen and self.known(x) is None:
                    seen.add(x)
                    stack.append(x)
        return sorted(found, key=lambda t: t.serial)

    def _made(self, tensor: Tensor) -> Any:
        from multikeras.saving.onnx import control, means, shapes, windows  # noqa: F401
        from multikeras.saving.onnx.operators import OPERATORS

        primitive = tensor.primitive
        if primitive is None:
            return self._leaf(tensor)
        self._layer = tensor.origin[2] if tensor.origin is not None else None
        if self.fixed.is_fixed(tensor):
            return self.constant(self.fixed.value_of(tensor), tensor.dtype)
        if tensor.ndim == 0 and tensor.on_host and is_integer(tensor.dtype):
            source = source_of(tensor)
            if source is not None:
                scalar = self.node("Squeeze", [self.length(*source)])
                return self.cast(scalar, "int64", tensor.dtype)
        if primitive is ITEM:
            names = self.known(tensor.inputs[0])
            return names[tensor.attributes["index"]]
        if primitive.name == "host_select" and self.fixed.is_fixed(tensor.inputs[0]):
            return self.name_of(self.fixed.selected(tensor))
        if primitive.name == "after":
            self._check_effects(tensor)
            return self.name_of(tensor.inputs[0])
        make = OPERATORS.get(primitive.name)
        inputs, attributes = bare(self, tensor, data_inputs(tensor)), all_attributes(tensor)
        if make is not None:
            return make(self, tensor, *inputs, **attributes)
        if isinstance(tensor, Update) and tensor.body is None:
            self._check_effects(tensor)
        elif primitive.composition is None or primitive.name in KEPT_AWAY:
            raise NotImplementedError(
                f"{self.where} uses {primitive.name!r} ({tensor.where}), for which ONNX has no operators here."
            )
        return self._composed(tensor, inputs, attributes)

    def _composed(self, tensor: Tensor, inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> Any:
        primitive = tensor.primitive
        assert primitive is not None
        assert primitive.composition is not None
        try:
            with inside(self.scope):
                composed = primitive.composition(*inputs, **attributes)
        except (TypeError, ValueError) as error:
            raise NotImplementedError(
                f"{self.where} uses {primitive.name!r} ({tensor.where}), which ONNX has no operator for and which "
                f"cannot be made of others while lengths are unknown: {error}"
            ) from error
        return self.names_of(composed) if isinstance(composed, (list, tuple)) else self.name_of(composed)

    def _check_effects(self, tensor: Tensor) -> None:
        """Refuses stores that predicting makes, but for those of states that are passed in."""
        for update in [tensor] if isinstance(tensor, Update) else tensor.inputs[1:]:
            if isinstance(update, Update) and update.variable not in self.fixed.states and not self.fixed.keeps(update):
                raise NotImplementedError(
                    f"{self.where} stores into {update.variable.name!r} when it predicts ({tensor.where}), and an ONNX "
                    "file keeps nothing. Make the layer stateful, so that the variable is passed in and out."
                )

    def _leaf(self, tensor: Tensor) -> str:
        if isinstance(tensor, Variable):
            return self._weight(tensor)
        if isinstance(tensor, (Constant, ValueTensor, Setting)):
            return self.constant(self.fixed.value_of(tensor), tensor.dtype)
        if isinstance(tensor, RandomKey):
            raise NotImplementedError(
                f"{self.where} draws random numbers when it predicts ({tensor.where}), and ONNX has none of ours."
            )
        kind = "the placeholder" if isinstance(tensor, Placeholder) else "a tensor"
        raise NotImplementedError(f"{self.where} needs {kind} {tensor!r}, which is none of its inputs.")

    def _weight(self, variable: Variable) -> str:
        return self.weight(self.fixed.value_of(variable), variable.dtype, variable.name or "weight")

    def weight(self, value: np.ndarray, dtype: str, name: str) -> str:
        """A weight under its name, or one like it; the name of its value."""
        name, here = self.claim(name), self.held(dtype)
        if dtype == "bfloat16":
            # Half the bytes; only what is computed is wider.
            self._store(np.array(value, "float32", order="C"), dtype, name)
            return self.outermost.node("Cast", [name], to=types.number_of(here))
        return self._store(np.array(value, here, order="C"), here, name)

    @property
    def outermost(self) -> Graph:
        """The graph of the model, which all others lie in."""
        graph = self
        while graph._outer is not None:
            graph = graph._outer
        return graph

    # -- lengths --------------------------------------------------------------------------------

    def length(self, tensor: Tensor, axis: int) -> str:
        """The length of an axis, as a vector of one entry."""
        known = tensor.shape[axis]
        if known is not None:
            return self.constant([known])
        tensor, axis = key = self._shared.lengths.root(tensor, axis)
        name = self.known(key)
        if name is None:
            self.name_of(tensor)
            graph = self._home(tensor)
            name = graph._names[key] = graph.node("Shape", [graph.name_of(tensor)], start=axis, end=axis + 1)
        return str(name)

    def vector(self, entries: Any) -> str:
        """A vector of integers, of numbers and integer tensors, or of one tensor."""
        if isinstance(entries, Tensor):
            if is_integer_known(entries):
                return self.constant(entries.known)
            if entries.shape == ():
                return self._entry(entries)
            count = entries.shape[0] if entries.ndim == 1 else None
            sources = [source_of(entries, i) for i in range(count or 0)]
            known = entries.known if isinstance(entries.known, tuple) else (None,) * len(sources)
            if count is None or any(s is None and n is None for s, n in zip(sources, known, strict=True)):
                return self.cast(self.name_of(entries), entries.dtype, "int64")
            lengths = [None if source is None else self.length(*source) for source in sources]
            return self._joined([n if n is not None else e for n, e in zip(known, lengths, strict=True)])
        return self._joined([self._entry(e) if isinstance(e, Tensor) else e for e in entries])

    def _entry(self, scalar: Tensor) -> Any:
        """A scalar as a vector of one entry, or the number itself."""
        if isinstance(scalar.known, int):
            return scalar.known
        source = source_of(scalar)
        if source is not None:
            return self.length(*source)
        name = self.cast(self.name_of(scalar), scalar.dtype, "int64")
        return self.node("Reshape", [name, self.constant([1])])

    def _joined(self, entries: Sequence[Any]) -> str:
        parts: list[Any] = []
        for entry in entries:
            if isinstance(entry, str):
                parts.append(entry)
            elif parts and isinstance(parts[-1], list):
                parts[-1].append(entry)
            else:
                parts.append([entry])
        names = [part if isinstance(part, str) else self.constant(part) for part in parts]
        if not names:
            return self.constant(np.zeros(0, "int64"))
        return names[0] if len(names) == 1 else self.node("Concat", names, axis=0)


__all__ = ["Graph"]
