"""From a graph with unknown lengths to a small graph in which every shape is a number.

The outputs are walked on demand: a branch that a host setting excludes is never visited. What is
made of shapes, settings and constants is computed here, by NumPy; equal operations are merged;
primitives that the backend has no kernel for are replaced by their compositions. Nothing of the
user's graph is changed: the result is a new graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from multikeras import registry
from multikeras.contract import PRIMITIVES, Backend, Primitive
from multikeras.graph.bodies import SMALL, SubGraph
from multikeras.graph.build import ITEM
from multikeras.graph.context import context
from multikeras.graph.operands import host_constant
from multikeras.graph.origin import describe
from multikeras.graph.tensor import (
    Constant,
    Parameter,
    Placeholder,
    RandomKey,
    Setting,
    Shape,
    Tensor,
    ValueTensor,
    Variable,
)
from multikeras.graph.updates import Update, chain
from multikeras.programs import scans, simplify

#: Constants are computed on the host up to this many entries; larger ones are cheap to make where
#: they are used and dear to carry.
_FOLD_LIMIT = 4096

#: Constants of up to so many bytes are compared by value.
_SAME_BYTES = 512


class Argument(Tensor):
    """A leaf of a specialised graph: an array that is passed in.

    Attributes:
        source: The fed tensor, variable, constant, value tensor or random key.
    """

    __slots__ = ("source",)

    def __init__(self, source: Tensor, shape: Shape, dtype: str) -> None:
        super().__init__(shape, dtype, source.name)
        self.source = source


class Specialised:
    """A specialised graph.

    Attributes:
        outputs: One tensor for each output asked for.
        stores: New values by variable, to be stored after everything is computed.
    """

    def __init__(self, outputs: list[Tensor], stores: dict[Variable, Tensor]) -> None:
        self.outputs = outputs
        self.stores = stores


def specialise(
    outputs: Sequence[Tensor],
    updates: Sequence[Update],
    fed: Mapping[Tensor, Argument],
    settings: Mapping[str, float],
    backend: Backend,
) -> Specialised:
    """Specialises a graph.

    Args:
        outputs: What the program computes.
        updates: What it stores beside the updates that the outputs reach, in this order.
        fed: The tensors that are passed in, where the graph is cut.
        settings: Values of the host settings.
        backend: Whose kernels there are.

    Raises:
        ValueError: If a placeholder is neither fed nor cut off, or shapes do not fit.
    """
    spec = Specialiser(fed, settings, backend)
    before = context.body, context.replaced, context.origin
    context.body, context.replaced, context.building = None, None, context.building + 1
    try:
        return spec.run(outputs, updates)
    finally:
        context.body, context.replaced, context.origin = before
        context.building -= 1


class Specialiser:
    """One specialisation; see `specialise`."""

    def __init__(self, fed: Mapping[Tensor, Tensor], settings: Mapping[str, float], backend: Backend) -> None:
        self.backend = backend
        self.settings = settings
        self.made: dict[Tensor, Any] = dict(fed)
        self.merged: dict[Any, Any] = {}
        self.bases: dict[Update, Tensor] = {}

    def run(self, outputs: Sequence[Tensor], updates: Sequence[Update]) -> Specialised:
        reached = self.reachable([*outputs, *updates])
        found = sorted((t for t in reached if isinstance(t, Update)), key=lambda t: t.serial)
        self.bases, last = chain(updates, found)
        # Creation order: it is what keeps memory low, since a gradient follows what it reads.
        for tensor in sorted(reached, key=lambda t: t.serial):
            self.demand(tensor)
        made = scans.improve([self.made[t] for t in [*outputs, *last.values()]], self)
        return Specialised(made[: len(outputs)], dict(zip(last, made[len(outputs) :], strict=True)))

    # -- what is needed -------------------------------------------------------------------------

    def reachable(self, roots: Iterable[Tensor]) -> set[Tensor]:
        """Every tensor that has to be computed, without the branches that settings exclude."""
        seen: set[Tensor] = set()
        stack = list(roots)
        while stack:
            tensor = stack.pop()
            if tensor in seen or tensor in self.made and not isinstance(tensor, Update):
                continue
            seen.add(tensor)
            if isinstance(tensor, (Placeholder, Parameter)):
                self.missing(tensor)
            stack.extend(self.needs(tensor))
        return seen

    def missing(self, tensor: Tensor) -> None:
        if isinstance(tensor, Parameter):
            raise ValueError(f"{tensor!r} belongs to {tensor.body} and has no value outside it.")
        raise ValueError(
            f"The placeholder {tensor.name!r} of shape {tensor.shape} (made at {tensor.where}) is needed and has no "
            "value: list it among the inputs of K.function and pass an array for it."
        )

    def needs(self, tensor: Tensor) -> tuple[Tensor, ...]:
        primitive = tensor.primitive
        if primitive is None:
            return ()
        if primitive.name == "host_select":
            choice = self.early_choice(tensor.inputs[0])
            if choice is not None:
                return (tensor.inputs[1] if choice else tensor.inputs[2],)
        return tensor.inputs

    def early_choice(self, predicate: Tensor) -> bool | None:
        """The value of a condition made of settings and constants alone, else None."""
        if not predicate.on_host:
            return None
        stack = [predicate]
        while stack:
            tensor = stack.pop()
            if tensor.primitive is not None and tensor.primitive.host:
                return None
            stack.extend(tensor.inputs)
        value = self.demand(predicate)
        return bool(value.value) if isinstance(value, Constant) else None

    # -- conversion -----------------------------------------------------------------------------

    def demand(self, tensor: Tensor) -> Any:
        """The specialised counterpart of a tensor; makes what it needs first."""
        made = self.made
        if tensor in made:
            return made[tensor]
        stack = [tensor]
        begun: set[Tensor] = set()
        while stack:
            top = stack[-1]
            if top in made:
                stack.pop()
                continue
            waiting = [x for x in self.dependencies(top) if x not in made]
            if waiting:
                begun.add(top)
                if not begun.isdisjoint(waiting):
                    self.circular(begun)
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            context.origin = top.origin
            made[top] = self.convert(top)
        return made[tensor]

    def circular(self, begun: Iterable[Tensor]) -> None:
        names = sorted({t.variable.name for t in begun if isinstance(t, Update)})
        raise ValueError(
            f"The updates of {', '.join(names)} wait for each other: each starts from the new value of a variable "
            "whose update reads another of them. List them in another order, or make one of what the other reads."
        )

    def dependencies(self, tensor: Tensor) -> tuple[Tensor, ...]:
        if isinstance(tensor, Update):
            return (self.bases.get(tensor, tensor.variable), *tensor.inputs[1:])
        return self.needs(tensor)

    def convert(self, tensor: Tensor) -> Any:
        primitive = tensor.primitive
        if primitive is None:
            return self.leaf(tensor)
        if isinstance(tensor, Update):
            values = [self.made[x] for x in self.dependencies(tensor)]
            value = self.compose(primitive, tuple(values), tensor.attributes)
            return self.emit(PRIMITIVES["broadcast_to"], (value,), {"shape": tensor.shape})
        if primitive.name == "host_select":
            needed = self.needs(tensor)
            if len(needed) == 1:
                return self.made[needed[0]]
            predicate = self.made[tensor.inputs[0]]
            if isinstance(predicate, Constant):
                return self.made[tensor.inputs[1] if predicate.value else tensor.inputs[2]]
        if primitive.name == "after":
            return self.made[tensor.inputs[0]]
        if primitive is ITEM:
            source = self.made[tensor.inputs[0]]
            index = tensor.attributes["index"]
            if isinstance(source, list):
                return source[index] if index < len(source) else None
            return self.emit(ITEM, (source,), tensor.attributes)
        inputs = tuple([self.made[x] for x in tensor.inputs])
        attributes = tensor.attributes
        if tensor.host:
            count = len(inputs) - len(tensor.host)
            concrete = {
                name: self.host_attribute(x, tensor) for name, x in zip(tensor.host, inputs[count:], strict=True)
            }
            inputs, attributes = inputs[:count], {**attributes, **concrete}
        try:
            return self.emit(primitive, inputs, attributes)
        except ValueError as error:
            raise ValueError(f"{error} (made at {describe(tensor.origin)})") from None
        except IndexError as error:
            raise IndexError(f"{error} ({primitive.name} made at {describe(tensor.origin)})") from None

    def host_attribute(self, value: Any, tensor: Tensor) -> Any:
        if not isinstance(value, Constant):
            raise ValueError(
                f"A shape of {tensor!r} depends on values that are known only when the program runs. Shapes can be "
                "made of K.shape, constants and numbers."
            )
        entries = value.value.tolist()
        return tuple(entries) if isinstance(entries, list) else entries

    def leaf(self, tensor: Tensor) -> Tensor:
        if tensor.dtype not in self.backend.dtypes:
            self.lacks(tensor.dtype, tensor)
        if isinstance(tensor, Constant):
            return self.canonical(tensor)
        if isinstance(tensor, Setting):
            return self.canonical(host_constant(np.asarray(self.settings[tensor.key]), tensor.dtype))
        if isinstance(tensor, (Variable, ValueTensor, RandomKey)):
            return Argument(tensor, tensor.shape, tensor.dtype)
        self.missing(tensor)
        raise AssertionError

    def lacks(self, dtype: str, tensor: Tensor) -> None:
        """Raises for a type that the backend does not have."""
        raise TypeError(f"{self.backend.lacks(dtype)} It is the type of {tensor!r}, made at {describe(tensor.origin)}.")

    def canonical(self, constant: Constant) -> Constant:
        """The first constant of this value, so that operations with equal numbers are equal."""
        if constant.value.nbytes > _SAME_BYTES:
            return constant
        key = ("constant", constant.dtype, constant.shape, constant.value.tobytes())
        found: Constant = self.merged.setdefault(key, constant)
        return found

    # -- emission -------------------------------------------------------------------------------

    def emit(self, primitive: Primitive, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Any:
        """The specialised tensor of a primitive applied to specialised inputs."""
        name = primitive.name
        if name == "shape":
            return self.canonical(host_constant(np.array(inputs[0].shape, dtype="int64"), "int64"))
        if primitive.bodies:
            attributes = self.specialise_bodies(primitive, inputs, attributes)
        if primitive.resolve is not None:
            attributes = primitive.resolve(*inputs, **attributes)
        if primitive.broadcasts and name not in ("broadcast_to", "matmul"):
            bare = simplify.unbroadcast(inputs)
            if bare is not None:
                inputs = bare
        rule = simplify.RULES.get(name)
        if rule is not None:
            simpler = rule(self, inputs, attributes)
            if simpler is not None:
                return self.fit(simpler, primitive, inputs, attributes)
        kernel = self.backend.kernels.get(name) or primitive.kernels.get(self.backend.name)
        if kernel is None and primitive is not ITEM:
            return self.compose(primitive, inputs, attributes)
        shape = primitive.shape(*inputs, **attributes)
        dtype = primitive.dtype(*inputs, **attributes)
        # NumPy need not have a bfloat16.
        if dtype != "bfloat16" and all(map(simplify.foldable, inputs)) and self.may_fold(primitive, shape):
            return self.fold(primitive, inputs, attributes, dtype)
        key = None
        if not (primitive.effect or primitive.keep):
            key = (name, inputs, _hashable(attributes))
            if key in self.merged:
                return self.merged[key]
        node = Tensor(shape if not primitive.multiple else tuple(shape), dtype if not primitive.multiple else "tuple")
        node.primitive, node.inputs, node.attributes = primitive, inputs, attributes
        if primitive.multiple:
            node.known = tuple(dtype)
        elif dtype not in self.backend.dtypes and dtype != "opaque":
            self.lacks(dtype, node)
        if key is not None:
            self.merged[key] = node
        return node

    def fit(
        self, value: Tensor, primitive: Primitive, inputs: tuple[Tensor, ...], attributes: dict[str, Any]
    ) -> Tensor:
        """`value` with the shape that the primitive's result has: a removed operand may have broadcast it."""
        if not primitive.broadcasts or primitive.name == "broadcast_to":
            return value
        shape = primitive.shape(*inputs, **attributes)
        if value.shape == shape:
            return value
        made: Tensor = self.emit(PRIMITIVES["broadcast_to"], (value,), {"shape": shape})
        return made

    def may_fold(self, primitive: Primitive, shape: Any) -> bool:
        if primitive.effect or primitive.keep or primitive.multiple or primitive is ITEM or primitive.bodies:
            return False
        limit = 64 if primitive.name in ("broadcast_to", "iota") else _FOLD_LIMIT
        return prod(shape) <= limit and primitive.name in registry.host().kernels

    def fold(self, primitive: Primitive, inputs: tuple[Tensor, ...], attributes: dict[str, Any], dtype: str) -> Tensor:
        host = registry.host()
        with host.scope():
            value = host.kernels[primitive.name](*[simplify.host_value(x) for x in inputs], **attributes)
        return self.canonical(host_constant(np.asarray(value), dtype))

    def compose(self, primitive: Primitive, inputs: tuple[Tensor, ...], attributes: dict[str, Any]) -> Any:
        if primitive.composition is None:
            raise NotImplementedError(
                f"The backend {self.backend.name!r} has no kernel for the primitive {primitive.name!r}, which has no "
                f"composition. Add one to {type(self.backend).__name__}.kernels, or use another backend."
            )
        for x in inputs:
            if x is not None:
                self.made.setdefault(x, x)
        composed = primitive.composition(*inputs, **attributes)
        if isinstance(composed, (list, tuple)):
            return [self.demand(t) for t in composed]
        return self.demand(composed)

    # -- bodies ---------------------------------------------------------------------------------

    def specialise_bodies(
        self, primitive: Primitive, inputs: tuple[Tensor, ...], attributes: dict[str, Any]
    ) -> dict[str, Any]:
        result = dict(attributes)
        for name in primitive.bodies:
            graph = attributes[name]
            if isinstance(graph, SubGraph):
                result[name] = self.specialise_body(primitive, graph, inputs, attributes)
        return result

    def specialise_body(
        self, primitive: Primitive, graph: SubGraph, inputs: tuple[Tensor, ...], attributes: dict[str, Any]
    ) -> SubGraph:
        if primitive.name == "scan":
            count = attributes["num_sequences"]
            slices = [(x.shape[1:], x.dtype) for x in inputs[:count]]
            passed = [((), "int32"), *slices, *[(x.shape, x.dtype) for x in inputs[count:]]]
            changing = 1 + count + attributes["num_carries"]
        else:
            passed = [(x.shape, x.dtype) for x in inputs[1:]]
            changing = attributes.get("num_carries", 0)
        places = [
            Argument(binding, shape, dtype) for binding, (shape, dtype) in zip(graph.bindings, passed, strict=True)
        ]
        given: dict[Tensor, Tensor] = dict(zip(graph.bindings, places, strict=True))
        for binding, x in zip(graph.bindings[changing:], inputs[len(inputs) - len(passed) + changing :], strict=True):
            # Inside, it can be a shape, or be computed with now.
            if isinstance(x, Constant) and x.value.size <= SMALL:
                given[binding] = x
        inner = Specialiser(given, self.settings, self.backend)
        for tensor in sorted(inner.reachable(graph.outputs), key=lambda t: t.serial):
            inner.demand(tensor)
        outputs = scans.improve([inner.made[t] for t in graph.outputs], inner)
        if primitive.name == "scan":
            first = 1 + attributes["num_sequences"]
            for place, output in zip(places[first:], outputs[: attributes["num_carries"]], strict=False):
                if place.shape != output.shape:
                    raise ValueError(
                        f"{graph.scope} got a state of shape {place.shape} and returned one of shape {output.shape}: "
                        "a state keeps its shape from step to step."
                    )
        return SubGraph(places, outputs, graph.scope)


def _hashable(attributes: Mapping[str, Any]) -> Any:
    return tuple(
        (name, id(value) if isinstance(value, SubGraph) or callable(value) else _type_aware(value))
        for name, value in sorted(attributes.items())
    )


def _type_aware(value: Any) -> Any:
    # 1, 1.0 and True are equal as keys, and not equal as attributes.
    return (type(value).__name__, repr(value)) if isinstance(value, (float, bool)) else value
