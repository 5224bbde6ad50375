"""Models as configurations: dictionaries that JSON can hold, and back."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from multikeras.graph.tensor import Tensor
from multikeras.layers import sharing
from multikeras.layers.base import Layer
from multikeras.layers.calls import CallRecord, tensors_in
from multikeras.layers.operations import Operations

if TYPE_CHECKING:
    from multikeras.models.network import Network

#: Key of a tensor among the arguments of a call: name of the layer that makes it, number of the call, of the output.
_TENSOR = "multikeras_tensor"


def of_graph(model: Network) -> dict[str, Any]:
    """Layers with their configurations and calls, in the format of Keras 2."""
    with sharing.writing():
        return _of_graph(model)


def _of_graph(model: Network) -> dict[str, Any]:
    places: dict[Tensor, list[Any]] = {}
    for begin, tensor in zip(model._input_layers, model.inputs, strict=True):
        places[tensor] = [begin.name, 0, 0]
    records: dict[int, list[CallRecord]] = {}
    for step in model._steps:
        if step.record is not None:
            records.setdefault(id(step.layer), []).append(step.record)
    for step in model._steps:
        if step.record is None:
            places.update({tensor: [step.layer.name, 0, i] for i, tensor in enumerate(step.outputs)})
            continue
        of_layer = records[id(step.layer)]
        of_layer.sort(key=lambda record: record.serial)
        for i, tensor in enumerate(step.outputs):
            places[tensor] = [step.layer.name, of_layer.index(step.record), i]
    layers = []
    for layer in model.layers:
        if isinstance(layer, Operations):
            nodes = [[[*places[t], {}] for t in layer.boundary]]
        else:
            nodes = [_node(model, layer, record, places) for record in records.get(id(layer), [])]
        entry = sharing.described(layer, name=layer.name)
        entry["inbound_nodes"] = nodes
        layers.append(entry)
    return {
        **heading(model),
        "layers": layers,
        "input_layers": [list(places[t]) for t in model.inputs],
        "output_layers": [list(places[t]) for t in model.outputs],
    }


def heading(model: Network) -> dict[str, Any]:
    """What a configuration of a model begins with: its name, and that it is frozen as a whole."""
    # Every other model is trainable, and Keras 2 knows no such entry.
    return {"name": model.name} if model.trainable else {"name": model.name, "trainable": False}


def _node(model: Network, layer: Layer, record: CallRecord, places: Mapping[Tensor, list[Any]]) -> list[Any]:
    unknown = [t for t in tensors_in(record.arguments) if t not in places]
    if unknown:
        raise NotImplementedError(
            f"Model {model.name!r}: layer {layer.name!r} was called with {unknown[0].name!r} among its arguments "
            f"({', '.join(record.arguments)}), which no layer of the model makes, and which a configuration cannot "
            "hold. Make it an Input or the output of a layer."
        )
    arguments = _written(record.arguments, places)
    return [[*places[t], dict(arguments)] for t in record.input_tensors]


def _written(value: Any, places: Mapping[Tensor, list[Any]]) -> Any:
    """Arguments of a call, the tensors among them as the places where they are made."""
    if isinstance(value, Tensor):
        return {_TENSOR: list(places[value])}
    if isinstance(value, Mapping):
        return {key: _written(entry, places) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_written(entry, places) for entry in value]
    return value


def _places_in(value: Any) -> list[list[Any]]:
    """The places that arguments written in a configuration name."""
    if isinstance(value, Mapping):
        if set(value) == {_TENSOR}:
            return [list(value[_TENSOR])]
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [place for entry in value for place in _places_in(entry)]
    return []


def _read(value: Any, outputs: Mapping[tuple[str, int], list[Tensor]]) -> Any:
    """Arguments written in a configuration, with the tensors that stand at these places."""
    if isinstance(value, Mapping):
        if set(value) == {_TENSOR}:
            name, node, i = value[_TENSOR]
            return outputs[name, node][i]
        return {key: _read(entry, outputs) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_read(entry, outputs) for entry in value)
    return value


def to_graph(cls: type, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a configuration, with new weights.

    Raises:
        ValueError: If a call needs what no layer of the configuration makes.
    """
    with sharing.reading():
        return _to_graph(cls, config, custom_objects)


def _to_graph(cls: type, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> Any:
    from multikeras.layers import deserialize

    layers: dict[str, Layer] = {}
    waiting: dict[str, list[Any]] = {}
    outputs: dict[tuple[str, int], list[Tensor]] = {}
    for entry in config["layers"]:
        if entry["name"] in layers:
            raise ValueError(
                f"The configuration of model {config.get('name')!r} has several layers called {entry['name']!r}: names "
                "of layers are unique in a model."
            )
        layer = layers[entry["name"]] = deserialize(entry, custom_objects)
        if entry["inbound_nodes"]:
            waiting[entry["name"]] = list(entry["inbound_nodes"])
        else:
            outputs[entry["name"], 0] = [layer.output]
    left = _connect(layers, waiting, outputs)
    if left:
        named = ", ".join(left[:8]) + (", …" if len(left) > 8 else "")
        raise ValueError(
            f"The configuration of model {config.get('name')!r} cannot be connected: {named} wait for outputs that no "
            "layer makes."
        )
    ends = [
        [outputs[name, node][i] for name, node, i in _listed(config[key])] for key in ("input_layers", "output_layers")
    ]
    made = cls(inputs=_one(ends[0]), outputs=_one(ends[1]), name=config.get("name"))
    _keep_order(made, layers.values())
    if config.get("trainable") is False:
        made.trainable = False
    return made


def _keep_order(model: Network, layers: Iterable[Layer]) -> None:
    """Brings the layers of a model into the order of its configuration, in which files hold their weights.

    What Keras 3 puts between layers for masks counts in its order, and is no layer here.
    """
    known = {id(layer): layer for layer in layers if not isinstance(layer, Operations)}
    found = model._layers or []
    places = [i for i, layer in enumerate(found) if id(layer) in known]
    present = {id(layer) for layer in found}
    listed = (layer for key, layer in known.items() if key in present)
    for place, layer in zip(places, listed, strict=True):
        found[place] = layer


def _connect(
    layers: Mapping[str, Layer], nodes: Mapping[str, list[Any]], outputs: dict[tuple[str, int], list[Tensor]]
) -> list[str]:
    """Calls layers as soon as their inputs are there, in the order of the configuration, over and over.

    Args:
        layers: The layers by name.
        nodes: The calls of each, in order.
        outputs: What the calls give, by name of the layer and number of its call; more is added.

    Returns:
        The layers that are left.
    """
    order = list(nodes)
    # What each call still needs, and who waits for a place: nothing is looked at twice, however the layers are ordered.
    calls = {name: [(node, iter(_sources(node))) for node in reversed(nodes[name])] for name in order}
    waiting: dict[tuple[str, int], list[int]] = {}
    done = dict.fromkeys(order, 0)
    # In rounds: a layer that stands before the one that it waits for has its turn in the next.
    turns = [(0, i) for i in range(len(order))]
    while turns:
        turn, i = heapq.heappop(turns)
        name = order[i]
        while calls[name]:
            node, needed = calls[name][-1]
            missing = next(((place[0], place[1]) for place in needed if (place[0], place[1]) not in outputs), None)
            if missing is not None:
                waiting.setdefault(missing, []).append(i)
                break
            calls[name].pop()
            here = (name, done[name])
            outputs[here] = _called(layers[name], node, outputs)
            done[name] += 1
            for other in waiting.pop(here, ()):
                heapq.heappush(turns, (turn if other > i else turn + 1, other))
    return [name for name in order if calls[name]]


def _listed(ends: Any) -> list[Any]:
    """The ends of a model; Keras 3 writes a single one without a list around it."""
    return [ends] if ends and isinstance(ends[0], str) else list(ends)


def _sources(node: list[Any]) -> list[list[Any]]:
    """The places of all tensors that a call needs."""
    return [*node, *(place for source in node for place in _places_in(source[3:]))]


def _one(tensors: list[Tensor]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _called(layer: Layer, sources: list[Any], outputs: Mapping[tuple[str, int], list[Tensor]]) -> list[Tensor]:
    inputs = [outputs[name, node][i] for name, node, i, *_ in sources]
    if isinstance(layer, Operations):
        # They are no layer in the new model either, but what it makes of operations between its layers.
        return layer.rebuilt(dict(zip(layer.boundary, inputs, strict=True)))
    arguments = _read(sources[0][3], outputs) if len(sources[0]) > 3 else {}
    made = layer(_one(inputs), **arguments)
    return made if isinstance(made, list) else [made]


def built_for(model: Any) -> dict[str, Any]:
    """The shapes that a model with a `call` of its own was built for, as an entry beside its configuration."""
    if getattr(model, "_is_graph", True) or not model.inputs:
        return {}
    shapes = [list(tensor.shape) for tensor in model.inputs]
    return {"build_config": {"input_shape": shapes[0] if model._single_input else shapes}}


def build(model: Any, content: Mapping[str, Any]) -> None:
    """Builds a model with a `call` of its own for the shapes of `built_for`, so that it has its weights.

    Raises:
        ValueError: If they are no shapes.
    """
    stated = content.get("build_config")
    if not isinstance(stated, Mapping) or getattr(model, "_is_graph", True) or model.inputs:
        return
    shape: Any = stated.get("input_shape")
    shapes = shape if isinstance(shape, list) and any(isinstance(entry, list) for entry in shape) else [shape]
    if not all(isinstance(each, list) and each and all(map(_is_length, each)) for each in shapes):
        raise ValueError(f"Model {model.name!r}: {shape!r} are no shapes to build it for.")
    model.build_from_data(tuple(shape) if shapes[0] is shape else [tuple(each) for each in shapes])


def _is_length(entry: Any) -> bool:
    return entry is None or (type(entry) is int and entry >= 0)


def model_from_config(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a dictionary with `class_name` and `config`, also as files and older versions of Keras have it."""
    from multikeras.layers import deserialize
    from multikeras.saving import texts

    return deserialize(texts.present(config), custom_objects)
