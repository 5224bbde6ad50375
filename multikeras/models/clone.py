"""`clone_model`: the same architecture with new weights."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from multikeras import backend as K
from multikeras.graph.rebuilding import rebuild
from multikeras.graph.tensor import Tensor, Variable
from multikeras.layers import calls, copying, sharing
from multikeras.layers.base import Layer
from multikeras.layers.input_layer import Input, InputLayer
from multikeras.layers.operations import Operations
from multikeras.models.model import Model
from multikeras.models.network import call_again
from multikeras.models.paths import Step
from multikeras.models.sequential import Sequential, starts_with_input


def clone_model(model: Any, input_tensors: Any = None, clone_function: Callable[[Layer], Any] | None = None) -> Any:
    """A model of the same layers, with new weights.

    Args:
        model: A `Sequential`, or a model of inputs and outputs.
        input_tensors: Tensors to begin with; new inputs if None.
        clone_function: Gives the layer that takes the place of each layer that is no input: another one
            by its configuration if None. A model inside is given to it as any layer.

    Raises:
        ValueError: If the model has a `call` of its own, which cannot be taken apart.
        TypeError: If `clone_function` gives no layer.
    """
    given = None if input_tensors is None else _listed(input_tensors)
    if clone_function is not None:
        return _cloned(model, given, _checked(clone_function))
    with sharing.cloning(copying.own_classes(model)) as copied:

        def copy(layer: Layer) -> Layer:
            inside = isinstance(layer, Model) and layer._is_graph
            made: Layer = copied(layer, (lambda: _cloned(layer, None, copy, declares=True)) if inside else None)
            return made

        return _cloned(model, given, copy, declares=True)


def _cloned(model: Any, given: list[Tensor] | None, copied: Callable[[Layer], Layer], declares: bool = False) -> Any:
    """The model with other layers.

    Args:
        model: The model.
        given: Tensors to begin with; new inputs if None.
        copied: Gives the layer in the place of another.
        declares: Whether the first layer of a `Sequential` declares the same input as the one that it stands for.
    """
    if isinstance(model, Sequential):
        return _cloned_sequential(model, given, copied, declares)
    if not isinstance(model, Model) or not model._is_graph:
        raise ValueError(
            f"clone_model takes a Sequential or a model of inputs and outputs, received {model!r}: the call of a "
            "subclass is code. Make another object of its class instead."
        )
    if given is not None and len(given) != len(model.inputs):
        raise ValueError(f"Model {model.name!r} has {len(model.inputs)} inputs, received {len(given)} input_tensors.")
    if given is None:
        given = [
            Input(batch_shape=t.shape, dtype=t.dtype, name=layer.name)
            for layer, t in zip(model._input_layers, model.inputs, strict=True)
        ]
    made: dict[Tensor, Tensor] = dict(zip(model.inputs, given, strict=True))
    copies: dict[int, Layer] = {}
    for step in _as_called(model._steps):
        if isinstance(step.layer, Operations):
            results = rebuild(step.layer.results, {**made, **_new_variables(step.layer, made)})
        else:
            assert step.record is not None
            if id(step.layer) not in copies:
                copies[id(step.layer)] = copied(step.layer)
            results = call_again(copies[id(step.layer)], step.record, made)
        made.update(zip(step.outputs, results, strict=True))
    inputs = given[0] if model._single_input else given
    outputs = [made.get(t, t) for t in model.outputs]
    copy = Model(inputs=inputs, outputs=outputs[0] if model._single_output else outputs, name=model.name)
    return _as_trainable(copy, model)


def _as_called(steps: Sequence[Step]) -> Iterator[Step]:
    """The calls in the order in which they were made, as far as what they need allows.

    A layer that is called several times changes its averages in the order of its calls.
    """
    makers = {tensor: i for i, step in enumerate(steps) for tensor in step.outputs}
    waits = [len({makers[t] for t in step.needed if t in makers}) for step in steps]
    users: dict[int, list[int]] = {}
    for i, step in enumerate(steps):
        for maker in {makers[t] for t in step.needed if t in makers}:
            users.setdefault(maker, []).append(i)
    ready = [(step.outputs[0].serial, i) for i, step in enumerate(steps) if not waits[i]]
    heapq.heapify(ready)
    while ready:
        _, i = heapq.heappop(ready)
        yield steps[i]
        for user in users.get(i, ()):
            waits[user] -= 1
            if not waits[user]:
                heapq.heappush(ready, (steps[user].outputs[0].serial, user))


def _as_trainable(copy: Any, model: Any) -> Any:
    if not model.trainable:
        copy.trainable = False
    return copy


def _listed(tensors: Any) -> list[Tensor]:
    return list(tensors) if isinstance(tensors, Sequence) else [tensors]


def _checked(function: Callable[[Layer], Any]) -> Callable[[Layer], Layer]:
    """The function, whose results are checked."""

    def copied(layer: Layer) -> Layer:
        made = function(layer)
        if not isinstance(made, Layer):
            raise TypeError(
                f"clone_model: clone_function must return a layer for {layer.name!r} ({type(layer).__name__}), "
                f"received {made!r}. Return the layer itself to share it."
            )
        return made

    return copied


def _new_variables(layer: Operations, made: dict[Tensor, Tensor]) -> dict[Tensor, Tensor]:
    """New variables in place of those that operations between layers read."""
    found: dict[Tensor, Tensor] = {}
    for weight in layer.weights:
        if weight in made:
            continue
        copy: Variable = K.variable(K.get_value(weight), dtype=weight.dtype, name=weight.name)
        copy.trainable = weight.trainable
        found[weight] = copy
    made.update(found)
    return found


def _cloned_sequential(
    model: Sequential, given: list[Tensor] | None, copied: Callable[[Layer], Layer], declares: bool
) -> Any:
    copy = Sequential(name=model.name)
    # Other layers than those of the model may not say what the first input is.
    if given is None and (starts_with_input(model) or (model.inputs and not declares)):
        begin = model._input_layers[0]
        given = [Input(batch_shape=begin.batch_input_shape, dtype=begin.dtype, name=begin.name)]
    if given is not None:
        first = given[0]
        known = calls.history(first)
        copy._begin(first if known is not None and isinstance(known[0], InputLayer) else Input(tensor=first))
    for layer in model.layers:
        copy.add(copied(layer))
    return _as_trainable(copy, model)
