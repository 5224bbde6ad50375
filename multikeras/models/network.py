"""`Network`: layers connected to a graph, which is a layer again."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from multikeras.graph.ops.elementwise import identity
from multikeras.graph.tensor import Tensor
from multikeras.layers import calls
from multikeras.layers.base import InputSpec, Layer
from multikeras.layers.calls import CallRecord, LossTerm, MetricTerm
from multikeras.layers.input_layer import InputLayer
from multikeras.layers.operations import Operations
from multikeras.layers.owned import Pair
from multikeras.layers.weights import unique
from multikeras.models.paths import Step, layers_in_order, steps_between
from multikeras.models.terms import Owned


class Network(Layer):
    """Layers between inputs and outputs.

    Attributes:
        inputs: The tensors that the graph begins with.
        outputs: The tensors that it computes.
        input_names: Names of the input layers.
        output_names: Names of the layers that make the outputs.
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.supports_masking = True
        self._single_input = self._single_output = True
        self._input_layers: list[InputLayer] = []
        self._steps: list[Step] = []
        self._layers: list[Layer] | None = None
        # The call of a model that has a `call` of its own.
        self._trace: CallRecord | None = None

    # -- the graph ------------------------------------------------------------------------------

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        """Makes this the network from `inputs` to `outputs`."""
        self._single_input, self._single_output = _is_single(inputs), _is_single(outputs)
        given, made = _listed(inputs, "inputs"), _listed(outputs, "outputs")
        if len(set(given)) != len(given):
            raise ValueError(f"Model {self.name!r}: a tensor is among the inputs twice: {[t.name for t in given]}.")
        steps = steps_between(given, made, self.name)
        pairs = [(_input_layer(t), t) for t in given]
        layers = layers_in_order(pairs, steps, made)
        _check_names(self.name, layers)
        self.inputs, self.outputs = given, made
        self._input_layers = [layer for layer, _ in pairs]
        self._steps = steps
        self._layers = layers
        self._graph_is_set()

    def _graph_is_set(self) -> None:
        self.built = True
        self.input_spec = [InputSpec(ndim=t.ndim) for t in self.inputs]
        # The first of its call records is the graph that it was made of.
        record = CallRecord(self, self.inputs, self._single_input, {})
        record.input_masks = [calls.mask_of(t) for t in self.inputs]
        record.finish(self.outputs, self._single_output, [calls.mask_of(t) for t in self.outputs])
        record._outputs = [weakref.ref(t) for t in self.outputs]
        record._node_index = 0
        self._inbound_nodes[:1] = [record]

    @property
    def _is_graph(self) -> bool:
        """Whether it was made of inputs and outputs, rather than by a `call` of its own."""
        return self._layers is not None

    @property
    def layers(self) -> list[Layer]:
        """The layers, those nearest to the inputs first."""
        if self._layers is not None:
            return list(self._layers)
        return [layer for layer in self._sublayers() if not isinstance(layer, InputLayer)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name, or by its place.

        Raises:
            ValueError: If there is none.
        """
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"Model {self.name!r} has {len(layers)} layers, there is none at index {index}.")
            return layers[index]
        if not name:
            raise ValueError("get_layer needs the name or the index of a layer.")
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"Model {self.name!r} has no layer {name!r}. It has: {', '.join(x.name for x in layers)}.")

    @property
    def input_names(self) -> list[str]:
        return [layer.name for layer in self._input_layers]

    @property
    def output_names(self) -> list[str]:
        names: list[str] = []
        makers = {tensor: step.layer.name for step in self._steps for tensor in step.outputs}
        for tensor in self.outputs:
            found = calls.history(tensor)
            name = first = makers.get(tensor) or (found[0].name if found is not None else tensor.name)
            number = 0
            while name in names:
                number += 1
                name = f"{first}_{number}"
            names.append(name)
        return names

    @property
    def feed_inputs(self) -> list[Tensor]:
        """The tensors to be fed, in order: bare placeholders, or where the graph is cut."""
        return [t for t, _ in self._feeds()]

    @property
    def feed_input_names(self) -> list[str]:
        """Names of what is to be fed, in order."""
        return [name for _, name in self._feeds()]

    def _feeds(self) -> list[tuple[Tensor, str]]:
        feeds = [
            (layer.feed(tensor), layer.name) for layer, tensor in zip(self._input_layers, self.inputs, strict=True)
        ]
        return [(tensor, name) for tensor, name in feeds if tensor is not None]

    # -- input and output -----------------------------------------------------------------------

    def _needs_graph(self, what: str) -> None:
        if not self.inputs:
            raise AttributeError(
                f"Model {self.name!r} has no {what} yet: it is built when it first meets data. Give its first layer an "
                "input_shape, or call it on data."
            )

    @property
    def input(self) -> Any:
        """The input, or the list of inputs."""
        self._needs_graph("input")
        return self.inputs[0] if len(self.inputs) == 1 else list(self.inputs)

    @property
    def output(self) -> Any:
        """The output, or the list of outputs."""
        self._needs_graph("output")
        return self.outputs[0] if len(self.outputs) == 1 else list(self.outputs)

    @property
    def input_shape(self) -> Any:
        """Static shape of the input, or a list of shapes."""
        self._needs_graph("input_shape")
        return self.inputs[0].shape if len(self.inputs) == 1 else [t.shape for t in self.inputs]

    @property
    def output_shape(self) -> Any:
        """Static shape of the output, or a list of shapes."""
        self._needs_graph("output_shape")
        return self.outputs[0].shape if len(self.outputs) == 1 else [t.shape for t in self.outputs]

    # -- calling --------------------------------------------------------------------------------

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the model like a layer, also on a dictionary of inputs by name."""
        # Asking an array whether it is a mapping takes longer than the rest of this.
        if type(inputs) is not np.ndarray and isinstance(inputs, Mapping):
            inputs = self._by_name(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def _by_name(self, inputs: Mapping[str, Any]) -> Any:
        names = self.input_names
        if not names:
            raise ValueError(
                f"Model {self.name!r} has no inputs with names yet, received values for "
                f"{', '.join(map(repr, inputs))}. Pass an array, or give its first layer an input_shape."
            )
        if set(inputs) != set(names):
            raise ValueError(
                f"Model {self.name!r} has the inputs {', '.join(names)}, received values for {', '.join(inputs)}."
            )
        listed = [inputs[name] for name in names]
        return listed[0] if len(listed) == 1 else listed

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Calls the layers again, on other inputs."""
        if not self._is_graph:
            raise NotImplementedError(
                f"Model {self.name!r} ({type(self).__name__}) has neither inputs and outputs nor a call(self, inputs) "
                "of its own. Use Model(inputs, outputs), or define call."
            )
        given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        masks = list(mask) if isinstance(mask, (list, tuple)) else [mask] * len(given)
        made = {
            tensor: value if m is None else _masked(value, m)
            for tensor, value, m in zip(self.inputs, given, masks, strict=True)
        }
        replay(self._steps, made)
        outputs = [made.get(t, t) for t in self.outputs]
        return outputs[0] if self._single_output else outputs

    def _output_masks(self, given: Any, record: CallRecord, values: Sequence[Tensor]) -> list[Any]:
        if self._is_graph:
            return [calls.mask_of(v) for v in values]
        return super()._output_masks(given, record, values)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks of the outputs."""
        if not self._is_graph:
            return None
        with calls.scratch():
            outputs = self(inputs, mask=mask)
        return [calls.mask_of(t) for t in outputs] if isinstance(outputs, list) else calls.mask_of(outputs)

    def _with_shapes(self, record: CallRecord, values: list[Tensor], single: bool) -> list[Tensor]:
        # Its layers have done so.
        return values

    def _input_dtype(self, position: int) -> str:
        """The data type of an input, which arrays are cast to."""
        return self.inputs[position].dtype if self.inputs else self.dtype

    # -- what training asks for -----------------------------------------------------------------

    def _owned(self) -> Owned:
        if self._is_graph:
            pairs: list[Pair] = [(step.layer, step.record) for step in self._steps if step.record is not None]
            pairs.sort(key=lambda pair: pair[1].serial)
        else:
            pairs = [] if self._trace is None else [(self, self._trace)]
        tensors = [t for step in self._steps for t in step.outputs]
        return Owned(self, pairs, [*self.inputs, *self.feed_inputs], tensors)

    @property
    def updates(self) -> list[Any]:
        """Updates that training makes, those of frozen layers left out."""
        return self._owned().updates()

    @property
    def state_updates(self) -> list[Any]:
        """Updates of stateful layers, which every run makes."""
        return self._owned().state_updates()

    @property
    def loss_terms(self) -> list[LossTerm]:
        """Everything that is added to the loss: penalties of regularizers, and what `add_loss` was given."""
        return self._owned().loss_terms()

    @property
    def losses(self) -> list[Any]:
        """The tensors that are added to the loss."""
        return [term.tensor for term in self.loss_terms]

    @property
    def metric_terms(self) -> list[MetricTerm]:
        """What `add_metric` was given."""
        return self._owned().metric_terms()

    @property
    def weights(self) -> list[Any]:
        """All weights, layer after layer."""
        own = [*self._trainable_weights, *self._non_trainable_weights]
        return unique([*own, *[w for layer in [*self.layers, *self._sublayers()] for w in layer.weights]])

    def count_params(self) -> int:
        """Number of scalars in all weights."""
        if not self.built and not self.weights:
            raise RuntimeError(
                f"Model {self.name!r} has no weights to count before it is built: give its first layer an input_shape, "
                "or call it on data."
            )
        return super(Layer, self).count_params()


def replay(steps: Sequence[Step], made: dict[Tensor, Tensor]) -> None:
    """Calls the layers of `steps` on other tensors.

    Args:
        steps: The calls, in order.
        made: New tensors by the old ones; those of the inputs at first, all others afterwards.
    """
    for step in steps:
        if isinstance(step.layer, Operations):
            results = step.layer.rebuilt({t: made.get(t, t) for t in step.needed})
        else:
            assert step.record is not None
            results = call_again(step.layer, step.record, made)
        made.update(zip(step.outputs, results, strict=True))


def call_again(layer: Layer, record: CallRecord, made: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """Calls a layer as a record tells, on other tensors."""
    inputs = [made.get(t, t) for t in record.input_tensors]
    arguments = calls.replace_in(record.arguments, made)
    results = layer(inputs[0] if record.single_input else inputs, **arguments)
    return results if isinstance(results, list) else [results]


def _masked(value: Tensor, mask: Any) -> Tensor:
    made: Tensor = identity(value)
    made.__dict__["_keras_mask"] = mask
    return made


def _is_single(tensors: Any) -> bool:
    return not isinstance(tensors, (list, tuple, Mapping))


def _listed(tensors: Any, what: str) -> list[Tensor]:
    if isinstance(tensors, Mapping):
        tensors = list(tensors.values())
    listed = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    for tensor in listed:
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"Model: {what} are tensors, made by Input(...) and by layers called on them; received {tensor!r}."
            )
    return listed


def _input_layer(tensor: Tensor) -> InputLayer:
    """The input layer of a tensor; a new one where the graph is cut at another tensor."""
    found = calls.history(tensor)
    if found is not None and isinstance(found[0], InputLayer):
        return found[0]
    return InputLayer(batch_input_shape=tensor.shape, dtype=tensor.dtype)


def _check_names(model: str, layers: Sequence[Layer]) -> None:
    for name, count in Counter(layer.name for layer in layers).items():
        if count > 1:
            raise ValueError(
                f"Model {model!r} has {count} layers called {name!r}: names of layers are unique in a model."
            )


def get_source_inputs(tensor: Tensor) -> list[Tensor]:
    """The tensors of input layers that a tensor depends on, in creation order."""
    found: list[Tensor] = []
    seen = {tensor}
    stack = [tensor]
    while stack:
        node = stack.pop()
        source = calls.history(node)
        if source is not None and isinstance(source[0], InputLayer):
            found.append(node)
            continue
        for x in node.inputs if source is None else source[1].needed:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(found, key=lambda t: t.serial)
