"""What is known of tensors before a graph runs: what weights, settings and numbers alone make in the test phase."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import registry
from multikeras.graph.build import ITEM
from multikeras.graph.operands import host_constant
from multikeras.graph.tensor import Constant, Setting, Tensor, ValueTensor, Variable
from multikeras.graph.updates import Update
from multikeras.programs import settings
from multikeras.programs.program import Program
from multikeras.programs.specialise import specialise

#: Results of up to so many entries are computed here where they are made of weights and numbers alone.
_FOLDED = 65_536

#: Primitives whose compositions ONNX's operators cannot say: they draw, or need 32-bit integers that go round.
KEPT_AWAY = frozenset({"random_bits", "random_uniform", "dropout_mask", "fold_in", "initializers.orthogonal"})


class Fixed:
    """The values that are known.

    Attributes:
        states: Variables that are passed in, whose values are not.
    """

    def __init__(self) -> None:
        self.states: set[Variable] = set()
        self._fixed: dict[Tensor, bool] = {}
        self._values: dict[Variable, np.ndarray] = {}

    def needed(self, tensor: Tensor) -> Sequence[Tensor]:
        """The inputs of a tensor that are read whatever bodies read."""
        if is_integer_known(tensor):
            return ()
        primitive = tensor.primitive
        if primitive is None:
            return ()
        if primitive.name == "host_select" and self.is_fixed(tensor.inputs[0]):
            return [self.selected(tensor)]
        if primitive.bodies:
            # What bodies read from outside is added when they do.
            return tensor.inputs[: passed_on(tensor)]
        if primitive.name == "after":
            return tensor.inputs[:1]
        return tensor.inputs

    def selected(self, tensor: Tensor) -> Tensor:
        """The branch that the phase of testing takes."""
        predicate, x, y = tensor.inputs
        return x if self.value_of(predicate) else y

    def is_fixed(self, tensor: Tensor) -> bool:
        """Whether a tensor is made of weights, settings and numbers alone, and is small or a leaf."""
        found = self._fixed.get(tensor)
        if found is None:
            found = self._fixed[tensor] = self._may_be_fixed(tensor)
        return found

    def _may_be_fixed(self, tensor: Tensor) -> bool:
        if isinstance(tensor, (Constant, ValueTensor, Setting)) or is_integer_known(tensor):
            return True
        if isinstance(tensor, Variable):
            return tensor not in self.states
        primitive = tensor.primitive
        if primitive is None or primitive.effect or primitive.keep or primitive.bodies or primitive.name == "shape":
            return False
        if primitive.name in KEPT_AWAY or primitive.residuals or isinstance(tensor, Update):
            return False
        if primitive.name == "host_select":
            return self.is_fixed(tensor.inputs[0]) and self.is_fixed(self.selected(tensor))
        shapes: Any = tensor.shape if primitive.multiple else [tensor.shape]
        if any(None in shape for shape in shapes) or sum(prod(shape) for shape in shapes) > _FOLDED:
            return False
        return all(self.is_fixed(x) for x in tensor.inputs)

    def value_of(self, tensor: Tensor) -> np.ndarray:
        """The value of what is made of weights, settings and numbers, in the phase of testing."""
        if isinstance(tensor, Variable):
            if tensor not in self._values:
                self._values[tensor] = K.get_value(tensor)
            return self._values[tensor]
        if isinstance(tensor, Constant):
            return tensor.value
        if isinstance(tensor, ValueTensor):
            return np.asarray(tensor)
        if is_integer_known(tensor):
            return np.asarray(tensor.known)
        host = registry.host()
        given: dict[Tensor, Any] = {}
        for each in self._walk_back(tensor):
            if isinstance(each, Variable) or (is_integer_known(each) and each.primitive is not None):
                given[each] = host_constant(np.asarray(self.value_of(each)), each.dtype)
        with host.scope():
            made = specialise([tensor], [], given, settings.values(0), host)
            (array,) = Program(made, host, [], compiled=False).run([])
            return np.array(host.to_numpy(array))

    def _walk_back(self, tensor: Tensor) -> set[Tensor]:
        seen, stack = {tensor}, [tensor]
        while stack:
            here = stack.pop()
            new = [x for x in self.needed(here) if x not in seen] if here.primitive is not None else []
            seen.update(new)
            stack.extend(new)
            if here.primitive is not None and here.primitive.name == "host_select" and here.inputs[0] not in seen:
                seen.add(here.inputs[0])
                stack.append(here.inputs[0])
        return seen

    def keeps(self, update: Update) -> bool:
        """Whether an update leaves its variable as it is in the phase of testing."""
        value = self.resolved(update.inputs[1])
        if value.primitive is not ITEM:
            return value is update.variable
        loop, place = value.inputs[0], value.attributes["index"]
        primitive, attributes = loop.primitive, loop.attributes
        if primitive is None or not primitive.bodies:
            return False
        if primitive.name == "cond":
            bodies = [attributes["then_body"], attributes["else_body"]]
            return all(self.resolved(body.outputs[place]) is update.variable for body in bodies)
        # A loop gives back what it was given, if the body does.
        before, first = attributes.get("num_sequences", 0), 1 if primitive.name == "scan" else 0
        outputs, places = attributes["body"].outputs[1 - first :], attributes["body"].bindings[before + first :]
        given = self.resolved(loop.inputs[place + before + 1 - first])
        return (
            place < attributes["num_carries"] and self.stays(outputs[place], places[place]) and given is update.variable
        )

    def stays(self, output: Tensor, place: Tensor) -> bool:
        """Whether a step of a loop passes a value on as it is."""
        return self.resolved(output) is place

    def resolved(self, tensor: Tensor) -> Tensor:
        """What a tensor is the same as in the phase of testing."""
        while True:
            name = tensor.primitive.name if tensor.primitive is not None else ""
            if name == "host_select" and self.is_fixed(tensor.inputs[0]):
                tensor = self.selected(tensor)
            elif name in ("assign", "assign_moved"):
                tensor = tensor.inputs[1]
            elif name == "identity" or (name == "multiply" and self.is_number(tensor.inputs[1], 1)):
                tensor = tensor.inputs[0]
            else:
                return tensor

    def is_number(self, tensor: Tensor, number: float) -> bool:
        """Whether a tensor without axes is a certain number."""
        return tensor.ndim == 0 and self.is_fixed(tensor) and bool(self.value_of(tensor) == number)


def passed_on(tensor: Tensor) -> int:
    """How many inputs a loop or a branch takes itself."""
    attributes = tensor.attributes
    condition = "num_sequences" not in attributes
    return int(condition) + attributes.get("num_sequences", 0) + attributes.get("num_carries", 0)


def is_integer_known(tensor: Tensor) -> bool:
    """Whether all entries of a small integer tensor are known."""
    known = tensor.known
    if tensor.primitive is None or tensor.dtype not in ("int32", "int64"):
        return False
    return None not in known if isinstance(known, tuple) else isinstance(known, int)
