"""Configurations of Keras 3 as those of Keras 2, and back.

Keras 3 names the module of every class, writes calls with their whole arguments, and renamed some
arguments. Custom classes are found by name in `custom_objects`, never by the module that a file names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

#: Classes of models, by the name that they have there.
_MODELS = {"Functional": "Model", "Sequential": "Sequential", "Model": "Model"}

#: By class: arguments with another name there.
_RENAMED: dict[str, dict[str, str]] = {
    "ELU": {},
    "InputLayer": {"batch_shape": "batch_input_shape"},
    "LeakyReLU": {"negative_slope": "alpha"},
}

_SCALES = {
    "Glorot": (1.0, "fan_avg"),
    "He": (2.0, "fan_in"),
    "Lecun": (1.0, "fan_in"),
}

#: Classes that are others with certain arguments here.
_CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"{name}{distribution}": (
            "VarianceScaling",
            {"scale": scale, "mode": mode, "distribution": distribution.lower()},
        )
        for name, (scale, mode) in _SCALES.items()
        for distribution in ("Normal", "Uniform")
    },
    "IdentityInitializer": ("Identity", {}),
    "L1": ("L1L2", {}),
    "L2": ("L1L2", {}),
    "OrthogonalInitializer": ("Orthogonal", {}),
}

#: Arguments that exist there alone, with the values under which nothing is lost without them; none stands for any.
#: An argument that is None asks for nothing in any case.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "autocast": (True,),
    "build_input_shape": (),
    "groups": (1,),
    "keepdims": (False,),
    "optional": (False,),
    "ragged": (False,),
    "renorm": (False,),
    # Counts only with renorm.
    "renorm_momentum": (),
    "rms_scaling": (False,),
    "sparse": (False,),
    "synchronized": (False,),
    "use_cudnn": ("auto",),
}

#: Key of the number of a layer that stands in several places. Keras 3 has "shared_object_id" for it, and fails where it
#: reads that of a layer which is called in two models; without it, each place gets a copy with the same weights.
_SHARED = "multikeras_shared_object_id"

#: What stands around the configuration of an object.
_AROUND = frozenset({"module", "class_name", "config", "registered_name", "build_config", "shared_object_id"})


def is_keras3(content: Any) -> bool:
    """Whether a configuration of a model is in the form of Keras 3."""
    if not isinstance(content, Mapping):
        return False
    if "module" in content or content.get("class_name") == "Functional":
        return True
    config = content.get("config")
    layers = config.get("layers", []) if isinstance(config, Mapping) else []
    return any(_has_policy(layer) for layer in layers)


def _has_policy(layer: Any) -> bool:
    config = layer.get("config") if isinstance(layer, Mapping) else None
    return isinstance(config, Mapping) and (isinstance(config.get("dtype"), Mapping) or "batch_shape" in config)


def from_keras3(content: Any) -> Any:
    """A configuration of Keras 3 in the form of Keras 2.

    Args:
        content: `{'module': …, 'class_name': …, 'config': …}`, or anything inside one.

    Raises:
        ValueError: If it asks for what does not exist here.
    """
    if isinstance(content, list):
        return [from_keras3(entry) for entry in content]
    if not isinstance(content, Mapping):
        return content
    kind = content.get("class_name")
    if kind == "__lambda__":
        # Whether it may run is decided where the file is read.
        return dict(content)
    if kind == "__tuple__":
        return [from_keras3(entry) for entry in content.get("items", [])]
    if kind in ("__numpy__", "__tensor__"):
        return from_keras3(content["config"].get("value"))
    if kind == "DTypePolicy":
        return content["config"]["name"]
    if kind == "function":
        return _name_of_function(content)
    if "config" in content and isinstance(kind, str):
        return _object(kind, content)
    return {key: from_keras3(value) for key, value in content.items()}


def _name_of_function(content: Mapping[str, Any]) -> str:
    name = content.get("config")
    if not isinstance(name, str):
        raise ValueError(f"The configuration names a function by {name!r}, which is no text.")
    registered = content.get("registered_name")
    return registered if isinstance(registered, str) and ">" in registered else name


def _object(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    config = content["config"]
    name, more = _CLASSES.get(kind, (_MODELS.get(kind, kind), {}))
    registered = content.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        name = registered
    if not isinstance(config, Mapping):
        return {"class_name": name, "config": from_keras3(config)}
    if kind in _MODELS and "layers" in config:
        made = _model(kind, config)
    else:
        made = {**more, **{key: from_keras3(value) for key, value in config.items()}}
        if made.get("distribution") == "truncated_normal":
            # What Keras 2 means by normal.
            made["distribution"] = "normal"
        if kind == "Bidirectional" and _is_like_forward(made):
            del made["backward_layer"]
        made = _arguments(name, made)
    around = {key: value for key, value in content.items() if key not in _AROUND}
    result: dict[str, Any] = {"class_name": name, "config": made}
    number = content.get("shared_object_id", around.get(_SHARED))
    if number is not None:
        result["shared_object_id"] = number
    if "inbound_nodes" in around:
        result["name"] = around["name"]
        result["inbound_nodes"] = [_node(node) for node in around["inbound_nodes"]]
    return result


def _is_like_forward(config: Mapping[str, Any]) -> bool:
    """Whether the layer that runs backwards is what is made of the other one if nothing is said of it."""
    backward = config.get("backward_layer")
    if not isinstance(backward, Mapping):
        return "backward_layer" in config
    apart = ("name", "go_backwards")
    forward, other = (
        {key: value for key, value in _without_numbers(layer["config"]).items() if key not in apart}
        for layer in (config["layer"], backward)
    )
    return forward == other and backward["class_name"] == config["layer"]["class_name"]


def _without_numbers(content: Any) -> Any:
    """A configuration that does not say what is shared."""
    if isinstance(content, list):
        return [_without_numbers(entry) for entry in content]
    if not isinstance(content, Mapping):
        return content
    return {key: _without_numbers(value) for key, value in content.items() if key != "shared_object_id"}


def _model(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    layers = [from_keras3(layer) for layer in config["layers"]]
    made: dict[str, Any] = {"name": config.get("name"), "layers": layers}
    if config.get("trainable") is False:
        made["trainable"] = False
    if kind == "Sequential":
        shape = config.get("build_input_shape")
        if shape is not None and layers and layers[0]["class_name"] != "InputLayer":
            layers[0]["config"].setdefault("batch_input_shape", list(shape))
        return made
    for key in ("input_layers", "output_layers"):
        ends = config[key]
        if isinstance(ends, Mapping):
            raise ValueError(f"The model {config.get('name')!r} names its inputs or outputs, which is not read.")
        # One tensor is written without the list around it.
        made[key] = [list(ends)] if ends and isinstance(ends[0], str) else [list(end) for end in ends]
    return made


def _node(node: Any) -> list[Any]:
    """A call: `{'args': …, 'kwargs': …}`, as a list of where its inputs come from."""
    if isinstance(node, list):
        return node
    tensors: list[Any] = []
    for entry in node["args"]:
        if isinstance(entry, list):
            tensors += entry
        else:
            tensors.append(entry)
    arguments = {key: value for key, value in node.get("kwargs", {}).items() if value is not None}
    for key in ("value", "key", "query"):
        # Attention may get its tensors by name.
        if key in arguments and _is_tensor(arguments[key]):
            tensors.append(arguments.pop(key))
    if not all(_is_tensor(entry) for entry in tensors) or any(_is_tensor(v) for v in arguments.values()):
        raise ValueError(
            "The model calls a layer with other arguments than tensors, or with tensors by name, which is not read."
        )
    return [[*entry["config"]["keras_history"], dict(arguments)] for entry in tensors]


def _is_tensor(entry: Any) -> bool:
    return isinstance(entry, Mapping) and entry.get("class_name") == "__keras_tensor__"


def _arguments(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a built-in class by the names of Keras 2; those that change nothing are left out."""
    cls = _builtin(kind)
    if cls is None or "from_config" in vars(cls):
        # A class that reads its configuration itself knows what stands in it.
        return config
    renamed = _RENAMED.get(kind, {})
    known = _accepted(cls)
    made = {}
    for key, value in config.items():
        key = renamed.get(key, key)
        if key not in known:
            if value is None or (key in _NEUTRAL and (not _NEUTRAL[key] or value in _NEUTRAL[key])):
                continue
            raise ValueError(
                f"{kind} has no argument {key}={value!r} here, and it would change what the model computes."
            )
        made[key] = value
    return made


def _builtin(kind: str) -> Any:
    from multikeras import constraints, initializers, layers, regularizers

    for module in (layers, initializers, regularizers, constraints):
        found = getattr(module, kind, None)
        if inspect.isclass(found):
            return found
    return None


def _accepted(cls: Any) -> set[str]:
    """Names of the arguments of a constructor and of those that it passes on."""
    names: set[str] = set()
    for base in cls.__mro__:
        init: Callable[..., Any] | None = base.__dict__.get("__init__")
        if init is None:
            continue
        parameters = inspect.signature(init).parameters.values()
        names.update(p.name for p in parameters)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    from multikeras.layers import RNN, Layer

    if issubclass(cls, Layer):
        names |= {"name", "trainable", "dtype", "batch_input_shape", "activity_regularizer"}
    if issubclass(cls, RNN):
        names.add("zero_output_for_mask")
    return names


# -- to Keras 3 ---------------------------------------------------------------------------------

#: Arguments that exist here alone and change nothing there.
_OURS_ALONE = frozenset({"implementation", "input_length", "batch_input_shape"})

_MODULES = {
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
}

_OLD_NAMES = {kind: {ours: theirs for theirs, ours in names.items()} for kind, names in _RENAMED.items()}


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
    result = {"module": module, "class_name": kind, "config": made, "registered_name": None}
    if "shared_object_id" in content:
        result[_SHARED] = content["shared_object_id"]
    if "inbound_nodes" in content:
        result["name"] = content["name"]
        result["inbound_nodes"] = content["inbound_nodes"]
    return result


def _model_to_keras3(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: value for key, value in config.items() if key != "layers"}
    made["layers"] = [to_keras3(layer) for layer in config["layers"]]
    return made


def readable_by_all(content: Any) -> Any:
    """A configuration of Keras 2 that Keras 3 reads as well.

    Keras 3 misreads a first layer that declares the shape of its input, so that every Sequential begins with its input
    layer; and it wants to know the module of layers inside layers.
    """
    if isinstance(content, list):
        return [readable_by_all(entry) for entry in content]
    if not isinstance(content, Mapping):
        return content
    made = {key: readable_by_all(value) for key, value in content.items()}
    for key in ("layer", "cell", "backward_layer"):
        if isinstance(made.get(key), dict) and "class_name" in made[key]:
            module = "keras" if made[key]["class_name"] in _MODELS else "keras.layers"
            made[key] |= {"module": module, "registered_name": None}
            # A model in a wrapper is asked for the shape of one output there, not of a list of one.
            inside = made[key]["config"]
            for ends in ("input_layers", "output_layers"):
                if isinstance(inside, dict) and len(inside.get(ends, ())) == 1:
                    inside[ends] = inside[ends][0]
    if isinstance(made.get("cells"), list):
        made["cells"] = [{**cell, "module": "keras.layers", "registered_name": None} for cell in made["cells"]]
    if made.get("class_name") in _APART and "inbound_nodes" in made:
        made["inbound_nodes"] = [_with_inputs_apart(node) for node in made["inbound_nodes"]]
    config = made.get("config")
    if made.get("class_name") == "Sequential" and isinstance(config, Mapping) and config.get("layers"):
        begin = _first_input(config)
        if begin is not None:
            made["config"] = {**config, "layers": [begin, *_undeclared(config["layers"])]}
    return made


#: Layers that take their inputs one by one there, where ours take a list.
_APART = frozenset({"AdditiveAttention", "Attention", "MultiHeadAttention"})


def _with_inputs_apart(node: Any) -> Any:
    """A call in the form of Keras 3, whose inputs are arguments of their own."""
    if not isinstance(node, list):
        return node
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32", "keras_history": source[:3]}}
        for source in node
    ]
    return {"args": tensors, "kwargs": node[0][3] if len(node[0]) > 3 else {}}


def with_listed_inputs(content: Any) -> Any:
    """A configuration of Keras 2 in which every call lists where its inputs come from."""
    if isinstance(content, list):
        return [with_listed_inputs(entry) for entry in content]
    if not isinstance(content, Mapping):
        return content
    made = {key: with_listed_inputs(value) for key, value in content.items()}
    nodes = content.get("inbound_nodes")
    if isinstance(nodes, list) and any(isinstance(node, Mapping) for node in nodes):
        made["inbound_nodes"] = [_node(node) for node in nodes]
    return made


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
    if not isinstance(value, Mapping) or "class_name" not in value or "config" not in value:
        return value
    module = next((module for word, module in _MODULES.items() if key.endswith(word)), None)
    if module is None:
        return to_keras3(value)
    config = {name: _value_to_keras3(name, entry) for name, entry in value["config"].items()}
    return {"module": module, "class_name": value["class_name"], "config": config, "registered_name": None}


# -- compile ------------------------------------------------------------------------------------


def training_config(compiled: Mapping[str, Any]) -> dict[str, Any] | None:
    """What Keras 3's compile was told; see `keras3_training`."""
    from multikeras.saving import keras3_training

    return keras3_training.training_config(compiled)


def optimizer_state(state: list[tuple[str, np.ndarray]] | None) -> list[tuple[str, np.ndarray]] | None:
    """The state of an optimizer of Keras 3, in the order of ours; None if there is none."""
    from multikeras.saving import keras3_training

    return keras3_training.state_of_names(state) if state else None
