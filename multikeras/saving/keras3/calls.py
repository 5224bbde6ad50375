"""Calls in configurations of Keras 3, and which of their tensors are inputs and outputs of a model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any


def flat_ends(ends: Any) -> list[list[Any]]:
    """Where inputs or outputs are, in the order in which Keras 3 counts them: dictionaries by their sorted keys."""
    if isinstance(ends, Mapping):
        return [end for key in sorted(ends) for end in flat_ends(ends[key])]
    # One tensor is written without the list around it.
    if ends and isinstance(ends[0], str):
        return [list(ends)]
    return [end for entry in ends for end in flat_ends(entry)]


#: Key beside a model inside another one: outputs of the other one count its calls from one, as Keras 3 does there.
FROM_ONE = "multikeras_calls_from_one"


def counted_from_zero(config: Mapping[str, Any]) -> dict[str, Any]:
    """A model whose outputs name calls by numbers from zero.

    In outputs, and there alone, Keras 3 counts the calls of a model from one; zero is the last.
    """
    calls = {
        layer.get("name"): len(layer["inbound_nodes"]) for layer in config["layers"] if _is_counted_from_one(layer)
    }

    def counted(ends: Any) -> Any:
        if isinstance(ends, Mapping):
            return {key: counted(end) for key, end in ends.items()}
        if not isinstance(ends, list):
            return ends
        if len(ends) == 3 and isinstance(ends[0], str):
            name, number, tensor = ends
            return [name, (number - 1) % calls[name] if name in calls else number, tensor]
        return [counted(end) for end in ends]

    return {**config, "output_layers": counted(config["output_layers"])} if calls else dict(config)


def _is_counted_from_one(layer: Mapping[str, Any]) -> bool:
    inside, nodes = layer.get("config"), layer.get("inbound_nodes")
    if not isinstance(inside, Mapping) or "output_layers" not in inside or not nodes:
        return False
    return layer.get(FROM_ONE) is True or any(isinstance(node, Mapping) for node in nodes)


def counted_from_one(config: Mapping[str, Any]) -> dict[str, Any]:
    """A model of ours whose outputs name calls as Keras 3 does; see `counted_from_zero`."""
    several = {
        layer["name"]
        for layer in config["layers"]
        if len(layer.get("inbound_nodes", ())) > 1 and "output_layers" in layer["config"]
    }
    ends = [[name, number + (name in several), tensor] for name, number, tensor in config["output_layers"]]
    layers = [{**layer, FROM_ONE: True} if layer.get("name") in several else layer for layer in config["layers"]]
    return {**config, "layers": layers, "output_layers": ends} if several else dict(config)


def renumbered(config: Mapping[str, Any]) -> dict[str, Any]:
    """A model of Keras 2 whose calls of models inside it are counted from zero.

    Keras 2 counts them from one, so that the last of them, which something comes of as of all, has their number.
    """
    calls = {
        layer.get("name"): len(layer["inbound_nodes"])
        for layer in config["layers"]
        if layer.get("inbound_nodes") and isinstance(layer.get("config"), Mapping) and "layers" in layer["config"]
    }
    if not calls:
        return dict(config)
    nodes = [node for layer in config["layers"] for node in layer.get("inbound_nodes", []) if isinstance(node, list)]
    sources = [source for node in nodes for source in node]
    last: dict[str, int] = {}
    for name, number, *_ in [*sources, *flat_ends(config["output_layers"])]:
        last[name] = max(last.get(name, 0), number)
    shifted = {name for name, count in calls.items() if last.get(name) == count}
    if not shifted:
        return dict(config)

    def counted(source: Any) -> list[Any]:
        return [source[0], source[1] - 1, *source[2:]] if source[0] in shifted else list(source)

    layers = [
        {**layer, "inbound_nodes": [[counted(source) for source in node] for node in layer.get("inbound_nodes", [])]}
        for layer in config["layers"]
    ]
    return {**config, "layers": layers, "output_layers": [counted(end) for end in flat_ends(config["output_layers"])]}


def without_phases(config: Mapping[str, Any]) -> dict[str, Any]:
    """A model of Keras 3 whose calls leave the phase to whoever calls the model.

    `fit`, `evaluate` and `predict` set it there for all layers, whatever a call says of it; recurrent layers are
    written with training=False there in any case.
    """
    listed = config["layers"]
    if any(isinstance(node, list) for layer in listed for node in layer.get("inbound_nodes", [])):
        # Written here, where a call keeps its phase.
        return dict(config)
    layers, fixed = [], []
    for layer in listed:
        nodes = layer.get("inbound_nodes", [])
        if any(node["kwargs"].get("training") is True for node in nodes):
            fixed.append(f"{layer.get('class_name')} {layer.get('name')!r}")
        kept = [
            {**node, "kwargs": {key: value for key, value in node["kwargs"].items() if key != "training"}}
            for node in nodes
        ]
        layers.append({**layer, "inbound_nodes": kept} if nodes else layer)
    if fixed:
        warnings.warn(
            f"{', '.join(fixed)}: training=True of a call is left out, as predict and fit of Keras 3 do, which set the "
            "phase of every layer.",
            stacklevel=2,
        )
    return {**config, "layers": layers}


def warn_of_phases(config: Mapping[str, Any]) -> None:
    """Names the layers of a model of ours that are always in the phase of training, and not so in Keras 3."""
    fixed = [
        f"{layer['class_name']} {layer['name']!r}"
        for layer in config["layers"]
        for node in layer.get("inbound_nodes", [])
        if node and len(node[0]) > 3 and node[0][3].get("training") in (True, 1)
    ]
    if fixed:
        warnings.warn(
            f"Keras 3 will predict something else with this file: {', '.join(dict.fromkeys(fixed))} is called with "
            "training=True, which predict does not keep there.",
            stacklevel=2,
        )


def name_ends(made: dict[str, Any], config: Mapping[str, Any]) -> None:
    """Lets inputs and outputs have the keys of their dictionaries for names, where no layer has that name already."""
    taken = {layer["name"] for layer in made["layers"]}
    for key, (name, *_) in _named_ends(config["input_layers"]):
        if key not in taken:
            taken.add(key)
            _rename(made, name, key)
    for key, end in _named_ends(config["output_layers"]):
        if key not in taken:
            taken.add(key)
            layer = {"class_name": "Activation", "config": {"name": key, "activation": "linear"}, "name": key}
            made["layers"].append({**layer, "inbound_nodes": [[[*end, {}]]]})
            made["output_layers"] = [[key, 0, 0] if other == list(end) else other for other in made["output_layers"]]


def _named_ends(ends: Any) -> list[tuple[str, Any]]:
    items = sorted(ends.items()) if isinstance(ends, Mapping) else []
    return [(key, end) for key, end in items if isinstance(end, list) and end and isinstance(end[0], str)]


def _rename(made: dict[str, Any], old: str, new: str) -> None:
    for layer in made["layers"]:
        if layer["name"] == old:
            layer["name"] = layer["config"]["name"] = new
        for node in layer["inbound_nodes"]:
            for source in node:
                source[0] = new if source[0] == old else source[0]
    for key in ("input_layers", "output_layers"):
        for end in made[key]:
            end[0] = new if end[0] == old else end[0]


#: Operations that are the layers of their names, where they are given tensors alone.
_LAYERS_TOO = frozenset({"Add", "Maximum", "Minimum", "Multiply", "Subtract"})


def sources(node: Any, layer: Mapping[str, Any]) -> list[Any]:
    """A call: `{'args': …, 'kwargs': …}`, as a list of where its inputs come from.

    Args:
        node: The call.
        layer: Configuration of what is called.

    Raises:
        ValueError: If that is not possible.
    """
    if isinstance(node, list):
        return node
    called = f"{layer.get('class_name')} {layer.get('name')!r}"
    arguments = {key: value for key, value in node.get("kwargs", {}).items() if not _is_nothing(value)}
    tensors = _flat(node["args"])
    is_operation = ".ops." in str(layer.get("module"))
    if is_operation and (layer["class_name"] not in _LAYERS_TOO or not all(map(_is_tensor, tensors))):
        raise ValueError(
            f"The model has the operation {called} of Keras 3 between its layers, which is not read: put operations "
            "into a layer there, such as Lambda(function), and pass the function in custom_objects."
        )
    # The tensors of attention and the state that a recurrent layer begins with may be named.
    for key in ("query", "value", "key", "initial_state"):
        if key in arguments and all(map(_is_tensor, found := _flat(arguments[key]))):
            tensors += found
            del arguments[key]
    tensors = [entry for entry in tensors if not _is_nothing(entry)]
    others = [entry for entry in tensors if not _is_tensor(entry)]
    named = [key for key, value in arguments.items() if any(map(_is_tensor, _flat(value)))]
    if others or named or not tensors:
        what = (
            f"the argument {', '.join(named)}" if named else f"{others[0]!r:.80} among its inputs" if others else "none"
        )
        raise ValueError(
            f"The model calls {called} with {what}, which is not read: tensors are passed without a name, and anything "
            "else by its name."
        )
    return [[*entry["config"]["keras_history"], dict(arguments)] for entry in tensors]


def _flat(value: Any) -> list[Any]:
    """What stands in lists and dictionaries, those by sorted keys."""
    if isinstance(value, list):
        return [each for entry in value for each in _flat(entry)]
    if isinstance(value, Mapping) and "class_name" not in value:
        return [each for key in sorted(value) for each in _flat(value[key])]
    return [value]


def _is_nothing(value: Any) -> bool:
    return all(each is None for each in _flat(value))


def _is_tensor(entry: Any) -> bool:
    return isinstance(entry, Mapping) and entry.get("class_name") == "__keras_tensor__"
