"""Configurations in the form of Keras 3, and those that Keras 2 and 3 read alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multikeras import lookup
from multikeras.saving.keras3 import masks
from multikeras.saving.keras3.calls import FROM_ONE, counted_from_one, warn_of_phases
from multikeras.saving.keras3.config import (
    APART_FROM_THEIRS,
    DIGEST,
    DIGESTS,
    HARD_SIGMOID,
    MODELS,
    OTHER_HARD_SIGMOID,
    RENAMED,
    SHARED,
    builtin,
)
from multikeras.saving.keras3.freezing import UNFROZEN_ITSELF, frozen_throughout

#: Arguments that exist here alone and change nothing there.
_OURS_ALONE = frozenset({"implementation", "input_length", "batch_input_shape"})

_MODULES = {
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
}

_OLD_NAMES = {kind: {ours: theirs for theirs, ours in names.items()} for kind, names in RENAMED.items()}


def to_keras3(content: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of a model or a layer in the form of Keras 3.

    Args:
        content: `{'class_name': …, 'config': …}` as `get_config` gives it.
    """
    kind, config = content["class_name"], content["config"]
    if kind in ("Model", "Sequential") and "layers" in config:
        made = _model_to_keras3(kind, config)
        kind = "Functional" if kind == "Model" else kind
        module = "keras.src.models.functional" if kind == "Functional" else "keras"
    else:
        names = _OLD_NAMES.get(kind, {})
        kept = {key: value for key, value in config.items() if key not in _OURS_ALONE or kind == "InputLayer"}
        made = {names.get(key, key): _value_to_keras3(key, value) for key, value in kept.items()}
        module = "keras.layers"
    result = _object(module, kind, made)
    if "shared_object_id" in content:
        result[SHARED] = content["shared_object_id"]
    if DIGEST in content:
        result[DIGEST] = content[DIGEST]
    if "inbound_nodes" in content:
        result["name"] = content["name"]
        result["inbound_nodes"] = content["inbound_nodes"]
    for key in (FROM_ONE, UNFROZEN_ITSELF):
        if key in content:
            result[key] = content[key]
    return result


def _model_to_keras3(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: value for key, value in config.items() if key != "layers"}
    made["layers"] = [to_keras3(layer) for layer in config["layers"]]
    return made


def readable_by_all(content: Any) -> Any:
    """A configuration of Keras 2 that Keras 3 reads as well.

    Keras 3 misreads a first layer that declares the shape of its input, so that every Sequential begins with its input
    layer; it wants to know the module of layers inside layers; and it does not freeze what is inside what is frozen.
    """
    return _readable(frozen_throughout(content))


def _readable(content: Any) -> Any:
    if isinstance(content, list):
        return [_readable(entry) for entry in content]
    if not isinstance(content, Mapping):
        return content
    if "output_layers" in content:
        masks.warn_of_others(content)
        warn_of_phases(content)
        content = counted_from_one(content)
    made = {key: _readable(_activation_to_keras3(key, value)) for key, value in content.items()}
    if isinstance(made.get("class_name"), str) and isinstance(made.get("config"), dict):
        _set_apart(made)
    for key in ("layer", "cell", "backward_layer"):
        if isinstance(made.get(key), dict) and "class_name" in made[key]:
            module = "keras" if made[key]["class_name"] in MODELS else "keras.layers"
            made[key] |= {"module": module, "registered_name": None}
            _set_single_ends(made[key])
    if isinstance(made.get("cells"), list):
        made["cells"] = [{**cell, "module": "keras.layers", "registered_name": None} for cell in made["cells"]]
    if made.get("class_name") in _RECURRENT and "inbound_nodes" in made:
        made["inbound_nodes"] = [_with_named_state(node) for node in made["inbound_nodes"]]
    if made.get("class_name") in _APART and "inbound_nodes" in made:
        made["inbound_nodes"] = [_with_inputs_apart(node) for node in made["inbound_nodes"]]
    config = made.get("config")
    if made.get("class_name") == "Sequential" and isinstance(config, Mapping) and config.get("layers"):
        for layer in config["layers"]:
            _set_single_ends(layer)
        begin = _first_input(config)
        if begin is not None:
            made["config"] = {**config, "layers": [begin, *_undeclared(config["layers"])]}
    return made


def _set_single_ends(layer: dict[str, Any]) -> None:
    """Writes one input or output of a model without the list around it.

    In a wrapper or a Sequential, Keras 3 asks such a model for the shape of one output, not of a list of one.
    """
    inside = layer.get("config")
    for ends in ("input_layers", "output_layers"):
        if isinstance(inside, dict) and len(inside.get(ends, ())) == 1:
            inside[ends] = inside[ends][0]


def _activation_to_keras3(key: str, value: Any) -> Any:
    if not key.endswith("activation") or value not in ("hard_sigmoid", "hard_sigmoid_6"):
        return value
    return HARD_SIGMOID if value == "hard_sigmoid" else OTHER_HARD_SIGMOID


def _set_apart(made: dict[str, Any]) -> None:
    """Changes what a layer of Keras 3 does not take, or would compute differently."""
    kind, config = made["class_name"], made["config"]
    if kind.startswith("SpatialDropout"):
        made["config"] = {key: value for key, value in config.items() if key != "trainable"}
    if kind == "Lambda" and "digest" in config:
        made["config"] = {key: value for key, value in config.items() if key not in DIGESTS}
        made[DIGEST] = {key: value for key, value in config.items() if key in DIGESTS}
    if kind == "UpSampling2D" and config.get("interpolation", "nearest") != "nearest":
        made["class_name"] = APART_FROM_THEIRS + kind


#: Layers that take their inputs one by one there, where ours take a list.
_APART = frozenset({"AdditiveAttention", "Attention", "MultiHeadAttention"})


#: Layers whose state, which ours take after their input, has a name there.
_RECURRENT = frozenset({"Bidirectional", "ConvLSTM2D", "GRU", "LSTM", "RNN", "SimpleRNN"})


def _with_inputs_apart(node: Any) -> Any:
    """A call in the form of Keras 3, whose inputs are arguments of their own."""
    if not isinstance(node, list):
        return node
    return {"args": [_tensor(source) for source in node], "kwargs": _keywords(node)}


def _with_named_state(node: Any) -> Any:
    """A call in the form of Keras 3, if there is a state to begin with."""
    if not isinstance(node, list) or len(node) < 2:
        return node
    state = [_tensor(source) for source in node[1:]]
    return {"args": [_tensor(node[0])], "kwargs": {**_keywords(node), "initial_state": state}}


def _tensor(source: Any) -> dict[str, Any]:
    config = {"shape": [], "dtype": "float32", "keras_history": source[:3]}
    return {"class_name": "__keras_tensor__", "config": config}


def _keywords(node: Any) -> dict[str, Any]:
    return dict(node[0][3]) if len(node[0]) > 3 else {}


def _undeclared(layers: Any) -> list[Any]:
    """Layers of a Sequential, the first without the shape of its input."""
    first, *others = layers
    config = {key: value for key, value in first["config"].items() if key not in ("batch_input_shape", "input_dtype")}
    return [{**first, "config": config}, *others]


def _first_input(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The input layer that a first layer's `batch_input_shape` stands for."""
    listed = config["layers"]
    first = listed[0]["config"] if listed else {}
    while "layers" in first and first["layers"]:
        first = first["layers"][0]["config"]
    if not listed or listed[0]["class_name"] == "InputLayer" or "batch_input_shape" not in first:
        return None
    name = f"{listed[0]['config'].get('name', 'input')}_input"
    dtype = "int32" if listed[0]["class_name"] == "Embedding" else first.get("dtype", "float32")
    made = {"batch_input_shape": first["batch_input_shape"], "dtype": dtype, "sparse": False, "name": name}
    return {"class_name": "InputLayer", "config": made}


def _value_to_keras3(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_value_to_keras3(key, entry) for entry in value]
    if isinstance(value, str) and ">" in value and lookup.get_registered_object(value) is not None:
        name = value.rpartition(">")[2]
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": value}
    if not isinstance(value, Mapping) or "class_name" not in value or "config" not in value:
        return value
    if value["class_name"] == "function" or value == HARD_SIGMOID:
        return value
    module = next((module for word, module in _MODULES.items() if key.endswith(word)), None)
    if module is None:
        return to_keras3(value)
    config = {name: _value_to_keras3(name, entry) for name, entry in value["config"].items()}
    return _object(module, value["class_name"], config)


def _object(module: str, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    if kind in MODELS or builtin(kind) is not None or kind.startswith(APART_FROM_THEIRS):
        return {"module": module, "class_name": kind, "config": config, "registered_name": None}
    # A class of one's own, which the reader names in custom_objects or has registered.
    return {"module": None, "class_name": kind.rpartition(">")[2], "config": config, "registered_name": kind}
