"""Call records: what one call of a layer took, gave and asked for.

A record is the only place where the updates, losses and metrics of a call live. The layer keeps the
records of calls on tensors, a record keeps those of the layers called inside it, and a model owns
the ones on the paths from its inputs to its outputs.

Nothing here points in a circle, so that a model dies when its last user lets go of it: an output
points to its layer, the layer to the record, and the record to the value beneath the output, never
to the output itself.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from multikeras.graph import operands
from multikeras.graph.build import data_inputs
from multikeras.graph.context import Body, context
from multikeras.graph.ops.elementwise import identity
from multikeras.graph.tensor import Tensor
from multikeras.programs.interrupts import HeldInterrupts

if TYPE_CHECKING:
    from multikeras.layers.base import Layer

_serial = itertools.count()


@dataclass(eq=False)
class LossTerm:
    """Something added to the loss.

    Attributes:
        tensor: What is added.
        regularizer: Whether it is a penalty of a regularizer, which counts in training only.
    """

    tensor: Any
    regularizer: bool = False


@dataclass(eq=False)
class MetricTerm:
    """Something reported beside the loss.

    Attributes:
        name: The name it is reported under.
        tensor: Its value for a batch, or the result of `metric`.
        aggregation: `'mean'` over the batches of an epoch, or None where `metric` does that itself.
        metric: The metric object whose result the tensor is, or None.
    """

    name: str
    tensor: Any
    aggregation: str | None = "mean"
    metric: Any = None


@dataclass(eq=False)
class Entries:
    """What a call, or a layer for itself, asks of the models that own it."""

    updates: list[Any] = field(default_factory=list)
    losses: list[LossTerm] = field(default_factory=list)
    metrics: list[MetricTerm] = field(default_factory=list)


class CallRecord(Entries):
    """One call of a layer.

    Attributes:
        input_tensors: The inputs.
        single_input: Whether the input was a tensor rather than a list.
        arguments: The other arguments of `call`.
        training: The phase that the caller asked for, None where the process or a program says it.
        settled: Whether no layer unknown before may make weights inside.
        summed: Whether losses and metrics added in a loop over time are summed over the steps by who runs the loop.
        body: The body that the call is made in, or None.
        input_masks: A mask or None for each input.
        values: What `call` returned, beneath the outputs.
        single_output: Whether it returned a tensor rather than a list.
        output_masks: A mask or None for each output.
        children: The layers called inside, with their records.
        serial: Running number of calls.
    """

    def __init__(self, layer: Layer, inputs: Sequence[Tensor], single: bool, arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self._layer = weakref.ref(layer)
        self.input_tensors = tuple(inputs)
        self.single_input = single
        self.arguments = dict(arguments)
        self.training: Any = None
        self.settled = False
        self.summed = False
        self.body = context.body
        self.input_masks: list[Any] = []
        self.values: tuple[Tensor, ...] = ()
        self.single_output = True
        self.output_masks: list[Any] = []
        self.children: list[tuple[Layer, CallRecord]] = []
        self.serial = next(_serial)
        self._outputs: list[weakref.ref[Tensor]] = []
        self._node_index: int | None = None

    @property
    def layer(self) -> Layer:
        """The layer that was called."""
        layer = self._layer()
        if layer is None:
            raise ReferenceError("The layer of this call record exists no more.")
        return layer

    @property
    def needed(self) -> list[Tensor]:
        """All tensors the call depends on: inputs, and tensors among the arguments."""
        return [*self.input_tensors, *tensors_in(self.arguments)]

    @property
    def output_tensors(self) -> list[Tensor]:
        """The outputs; one that nobody holds is made again."""
        made = []
        for i, reference in enumerate(self._outputs):
            tensor = reference()
            if tensor is None:
                tensor = self._publish(i)
                self._outputs[i] = weakref.ref(tensor)
            made.append(tensor)
        return made

    @property
    def input_shapes(self) -> list[Any]:
        """Static shapes of the inputs."""
        return [t.shape for t in self.input_tensors]

    @property
    def output_shapes(self) -> list[Any]:
        """Static shapes of the outputs."""
        return [t.shape for t in self.values]

    @property
    def inbound_layers(self) -> list[Layer]:
        """The layers that made the inputs."""
        histories = [history(t) for t in self.input_tensors]
        return [found[0] for found in histories if found is not None]

    def finish(self, values: Sequence[Tensor], single: bool, masks: Sequence[Any]) -> None:
        """Takes what `call` returned."""
        self.values = tuple(values)
        self.single_output = single
        self.output_masks = list(masks)

    def publish(self, node_index: int | None) -> list[Tensor]:
        """Makes the outputs: new nodes over the values.

        Args:
            node_index: Position among the layer's records, None for a call inside another.
        """
        self._node_index = node_index
        made = [self._publish(i) for i in range(len(self.values))]
        self._outputs = [weakref.ref(t) for t in made]
        return made

    def _publish(self, i: int) -> Tensor:
        value = self.values[i]
        output: Tensor = identity(value)
        # An identity keeps the body of its value even when it is made later.
        output.body = value.body
        if self._node_index is not None:
            output.name = f"{self.layer.name}/output" if len(self.values) == 1 else f"{self.layer.name}/output_{i}"
        self._sign(output, i)
        return output

    def _sign(self, tensor: Tensor, i: int) -> None:
        tensor.__dict__["_keras_shape"] = tensor.shape
        tensor.__dict__["_keras_mask"] = self.output_masks[i]
        if self._node_index is not None:
            tensor.__dict__["_keras_history"] = (self.layer, self._node_index, i)


class _Open(threading.local):
    def __init__(self) -> None:
        self.calls: list[tuple[Any, CallRecord]] = []


_open = _Open()


def uninterrupted() -> AbstractContextManager[None]:
    """The block of an outermost call that builds graph: Ctrl-C comes at its end.

    An interrupt on the way into or out of one of the blocks inside would leave this thread as if it were still in
    the middle of the call. A second one is let through; and whoever debugs a model eagerly waits inside for long.
    """
    return nullcontext() if context.building or context.eager is not None else HeldInterrupts()


@contextmanager
def opened(layer: Layer, record: CallRecord) -> Iterator[None]:
    """Marks the block in which a layer's `call` runs."""
    calls = _open.calls
    calls.append((layer, record))
    try:
        yield
    finally:
        calls.pop()


class _Scratch:
    """Stands for the layer around a call that leaves no trace on the layers called."""

    name = "scratch"
    trainable = True
    stateful = False


_scratch: Any = _Scratch()


@contextmanager
def scratch() -> Iterator[CallRecord]:
    """In this block calls are filed in the record given, and not by the layers called."""
    record = CallRecord(_scratch, [], True, {})
    with opened(_scratch, record):
        yield record


@contextmanager
def apart() -> Iterator[None]:
    """In this block calls belong to no call in progress, such as those that build a model's graph."""
    before = _open.calls
    _open.calls = []
    try:
        yield
    finally:
        _open.calls = before


def in_progress() -> list[tuple[Any, CallRecord]]:
    """The layers whose `call` runs, with their records, the outermost first."""
    return _open.calls


def enclosing() -> CallRecord | None:
    """The record of the call in progress, or None."""
    return _open.calls[-1][1] if _open.calls else None


def home() -> Body | None:
    """The body in which losses and metrics are kept as they are, since who runs the loop sums them; None outside."""
    for _, record in reversed(_open.calls):
        if record.summed:
            return record.body
    return None


def current(layer: Layer) -> CallRecord | None:
    """The record of the call of this layer in progress, or None."""
    for called, record in reversed(_open.calls):
        if called is layer:
            return record
    return None


def history(tensor: Tensor) -> tuple[Layer, CallRecord, int] | None:
    """The layer and the record that made a tensor, and its place among the outputs; or None."""
    found = tensor.__dict__.get("_keras_history")
    if found is None:
        return None
    layer, node_index, tensor_index = found
    return layer, layer._inbound_nodes[node_index], tensor_index


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in nested lists and dictionaries, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for entry in value for tensor in tensors_in(entry)]
    return []


def replace_in(value: Any, replaced: Mapping[Tensor, Tensor]) -> Any:
    """The same nested lists and dictionaries with some tensors replaced."""
    if isinstance(value, Tensor):
        return replaced.get(value, value)
    if isinstance(value, Mapping):
        return {key: replace_in(entry, replaced) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(replace_in(entry, replaced) for entry in value)
    return value


def as_tensors(layer_name: str, inputs: Any) -> tuple[list[Tensor], bool]:
    """Inputs of a call as tensors (arrays become constants), and whether it was a single one."""
    single = not isinstance(inputs, (list, tuple))
    listed = [inputs] if single else list(inputs)
    made = []
    for value in listed:
        check_no_layer(layer_name, value)
        if isinstance(value, (list, tuple, Mapping)) or value is None or isinstance(value, str):
            raise TypeError(
                f"Layer {layer_name!r} is called on a tensor, an array, or a list of them; received {value!r} "
                "among its inputs."
            )
        made.append(operands.convert(value))
    return made, single


def check_no_layer(layer_name: str, value: Any) -> None:
    """Refuses a layer, or a class, where a tensor belongs."""
    if isinstance(value, type) or callable(getattr(value, "call", None)):
        raise TypeError(
            f"Layer {layer_name!r} is called on a tensor, an array, or a list of them; received the "
            f"{'class' if isinstance(value, type) else 'layer'} {value!r}. Call that on a tensor first: "
            "second(first(x))."
        )


class LostMask:
    """Stands for a mask that an operation of K could not carry along."""

    def __init__(self, primitive: str) -> None:
        self.primitive = primitive


def mask_of(tensor: Tensor) -> Any:
    """The mask of a tensor: that of the layer which made it.

    A mask passes operations of K that work entry by entry; beyond others it is a `LostMask`.
    """
    if "_keras_mask" in tensor.__dict__:
        return tensor.__dict__["_keras_mask"]
    if tensor.primitive is None:
        return None
    found: Any = None
    lost: str | None = None
    seen = {tensor}
    # Each node with the first operation on the way to it that a mask cannot pass.
    stack: list[tuple[Tensor, str | None]] = [(tensor, None)]
    while stack:
        node, barrier = stack.pop()
        if "_keras_mask" in node.__dict__:
            mask = node.__dict__["_keras_mask"]
            if isinstance(mask, LostMask):
                return mask
            if mask is not None:
                lost = lost or barrier
                if found is not None and mask is not found:
                    lost = lost or "an operation on tensors with different masks"
                found = mask
            continue
        if node.primitive is not None and not node.primitive.elementwise:
            barrier = barrier or node.primitive.name
        for x in data_inputs(node):
            if x not in seen:
                seen.add(x)
                stack.append((x, barrier))
    return LostMask(lost) if found is not None and lost is not None else found
