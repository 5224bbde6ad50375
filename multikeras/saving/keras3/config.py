"""Configurations of Keras 3 as those of Keras 2, and back.

Keras 3 names the module of every class, writes calls with their whole arguments, and renamed some
arguments. Custom classes are found by name in `custom_objects`, never by the module that a file names.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from multikeras.saving.keras3 import masks
from multikeras.saving.keras3.calls import (
    FROM_ONE,
    counted_from_zero,
    flat_ends,
    name_ends,
    renumbered,
    sources,
    without_phases,
)
from multikeras.saving.keras3.freezing import UNFROZEN_ITSELF, with_own_flag

#: Classes of models, by the name that they have there.
MODELS = {"Functional": "Model", "Sequential": "Sequential", "Model": "Model"}

#: By class: arguments with another name there.
RENAMED: dict[str, dict[str, str]] = {
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
    "data_format": ("channels_last",),
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
SHARED = "multikeras_shared_object_id"

#: Key of the digest of a Lambda's function, which that layer of Keras 3 does not take.
DIGEST = "multikeras_digest"
#: Where they stand in the configuration of a Lambda.
DIGESTS = ("digest", "output_shape_digest", "mask_digest")

#: What a class is called that has a name of Keras 3 and computes something else, so that it is not mistaken there.
APART_FROM_THEIRS = "multikeras>"

#: Keras 2's hard sigmoid, clip(0.2 x + 0.5, 0, 1), in words of Keras 3, whose activation of that name is another one.
HARD_SIGMOID: dict[str, Any] = {
    "module": "keras.layers",
    "class_name": "Pipeline",
    "config": {
        "layers": [
            {
                "module": "keras.layers",
                "class_name": "Rescaling",
                "config": {"scale": 0.2, "offset": 0.5, "name": "scaled"},
                "registered_name": None,
            },
            {
                "module": "keras.layers",
                "class_name": "ReLU",
                "config": {"max_value": 1.0, "name": "limited"},
                "registered_name": None,
            },
        ],
        "name": "hard_sigmoid",
    },
    "registered_name": None,
}

#: The other one, clip(x / 6 + 0.5, 0, 1); by its name alone it would be mistaken for Keras 2's.
OTHER_HARD_SIGMOID: dict[str, Any] = {
    "module": "keras.activations",
    "class_name": "function",
    "config": "hard_sigmoid",
    "registered_name": "hard_sigmoid",
}

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
        return _type_of_policy(content["config"]["name"])
    if kind == "SeedGenerator":
        return content["config"].get("seed")
    if kind == "function":
        return _name_of_function(content)
    if _is_hard_sigmoid(content):
        return "hard_sigmoid"
    if "config" in content and isinstance(kind, str):
        return _object(kind, content)
    return {key: from_keras3(value) for key, value in content.items()}


def _type_of_policy(name: Any) -> Any:
    """The type of the weights of a layer with this policy."""
    if not isinstance(name, str) or not name.startswith("mixed_"):
        return name
    warnings.warn(
        f"Layers with the policy {name!r} compute in float32 here, the type of their weights: results are those of "
        f"Keras 3 up to the rounding of {name.removeprefix('mixed_')}.",
        stacklevel=2,
    )
    return "float32"


def with_first_numbers(content: Any) -> Any:
    """A configuration in which a layer that stands in several places has its number in the first of them as well.

    Keras 3 leaves that out where the first place is inside another layer.
    """
    unnumbered: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
    known: set[Any] = set()

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(entry) for entry in value]
        if not isinstance(value, Mapping):
            return value
        made = {}
        config = value.get("config")
        name = config.get("name") if isinstance(config, Mapping) else None
        number = value.get("shared_object_id")
        if isinstance(number, int) and isinstance(name, str) and number not in known:
            known.add(number)
            for first in unnumbered.get((value.get("class_name"), name), ())[-1:]:
                first["shared_object_id"] = number
        made.update({key: walk(entry) for key, entry in value.items()})
        if number is None and isinstance(name, str):
            unnumbered.setdefault((value.get("class_name"), name), []).append(made)
        return made

    return walk(content)


def _is_hard_sigmoid(content: Mapping[str, Any]) -> bool:
    """Whether a configuration is what `HARD_SIGMOID` has become."""
    config = content.get("config")
    if content.get("class_name") != "Pipeline" or not isinstance(config, Mapping):
        return False
    found = config.get("layers")
    wanted = HARD_SIGMOID["config"]["layers"]
    if not isinstance(found, list) or [each.get("class_name") for each in found] != ["Rescaling", "ReLU"]:
        return False
    neutral = {"negative_slope": 0.0, "threshold": 0.0}
    numbers = ({k: v for k, v in each["config"].items() if isinstance(v, float)} for each in found)
    return all(
        {**neutral, **one} == {**neutral, **{k: v for k, v in other["config"].items() if isinstance(v, float)}}
        for one, other in zip(numbers, wanted, strict=True)
    )


def _activation(key: str, value: Any) -> Any:
    """An argument by Keras 2's names of activations."""
    return "hard_sigmoid_6" if key.endswith("activation") and value == "hard_sigmoid" else value


def _name_of_function(content: Mapping[str, Any]) -> str:
    name = content.get("config")
    if not isinstance(name, str):
        raise ValueError(f"The configuration names a function by {name!r}, which is no text.")
    registered = content.get("registered_name")
    return registered if isinstance(registered, str) and ">" in registered else name


def _object(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    config = content["config"]
    name, more = _CLASSES.get(kind, (MODELS.get(kind, kind), {}))
    registered = content.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        name = registered
    is_ours = name.startswith(APART_FROM_THEIRS)
    name = name.removeprefix(APART_FROM_THEIRS)
    if not isinstance(config, Mapping):
        return {"class_name": name, "config": from_keras3(config)}
    if kind in MODELS and "layers" in config:
        made = _model(kind, config)
    else:
        if not is_ours:
            _check_same(name, config)
        # What is a function now was "hard_sigmoid" there, and what is a layer there is ours.
        made = {**more, **{key: from_keras3(_activation(key, _plain(value))) for key, value in config.items()}}
        if made.get("distribution") == "truncated_normal":
            # What Keras 2 means by normal.
            made["distribution"] = "normal"
        if name == "Softmax" and isinstance(made.get("axis"), list):
            made["axis"] = made["axis"][0]
        if name == "Identity" and "trainable" in made:
            # The layer, not the initializer of this name.
            name, made = "Activation", {**made, "activation": "linear"}
        if kind == "Bidirectional" and _is_like_forward(made):
            del made["backward_layer"]
        if kind in ("Bidirectional", "TimeDistributed") and made["layer"]["config"].get("trainable") is False:
            # Here a wrapper has one flag with what it wraps; there each has its own.
            made["trainable"] = False
        made = _arguments(name, made)
    around = {key: value for key, value in content.items() if key not in _AROUND}
    result: dict[str, Any] = {"class_name": name, "config": made}
    number = content.get("shared_object_id", around.get(SHARED))
    if number is not None:
        result["shared_object_id"] = number
    if isinstance(result["config"], dict):
        result["config"].update(digests_in(around))
        with_own_flag(result["config"], around)
    if "inbound_nodes" in around:
        result["name"] = around["name"]
        result["inbound_nodes"] = [sources(node, content) for node in around["inbound_nodes"]]
    return result


def digests_in(content: Mapping[str, Any]) -> dict[str, Any]:
    """The digests beside a configuration of Keras 3, as they stand in one of ours."""
    found = content.get(DIGEST)
    return {key: found[key] for key in DIGESTS if key in found} if isinstance(found, Mapping) else {}


def _plain(value: Any) -> Any:
    """The name of a function that is written as an object."""
    is_function = isinstance(value, Mapping) and value.get("class_name") == "function"
    return _name_of_function(value) if is_function else value


def _check_same(kind: str, config: Mapping[str, Any]) -> None:
    """Makes sure that a layer of Keras 3 computes what that of its name does here.

    Raises:
        ValueError: If it does not.
    """
    if kind == "UpSampling2D" and config.get("interpolation") not in (None, "nearest"):
        raise ValueError(
            f"UpSampling2D {config.get('name')!r} has interpolation={config['interpolation']!r}. Keras 3 takes the "
            "pixels' centres for that, and here the corners stay where they are (as in Keras 2), so that results would "
            "differ. Save the model with interpolation='nearest', or put a layer of your own in its place there."
        )
    if kind == "Softmax" and isinstance(config.get("axis"), list) and len(config["axis"]) != 1:
        raise ValueError(
            f"Softmax {config.get('name')!r} has axis={config['axis']!r}; here it goes over one axis: put a Reshape "
            "layer before and after it."
        )
    if kind == "ZeroPadding1D" and config.get("data_format") == "channels_first":
        raise ValueError(
            f"ZeroPadding1D {config.get('name')!r} has data_format='channels_first', which does not exist here: put a "
            "Permute layer before and after it."
        )


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
    unmasked: list[tuple[str, int]] = []
    if kind != "Sequential":
        config, unmasked = masks.without_operations(without_phases(counted_from_zero(config)))
    layers = [from_keras3(layer) for layer in config["layers"]]
    made: dict[str, Any] = {"name": config.get("name"), "layers": layers}
    if config.get("trainable") is False:
        made["trainable"] = False
    if kind == "Sequential":
        shape = config.get("build_input_shape")
        if shape is not None and layers and layers[0]["class_name"] != "InputLayer":
            layers[0]["config"].setdefault("batch_input_shape", list(shape))
        made["layers"] = masks.unmask_chain(layers, config)
        return made
    for key in ("input_layers", "output_layers"):
        made[key] = flat_ends(config[key])
    masks.unmask(made, unmasked)
    name_ends(made, config)
    return made


def _arguments(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a built-in class by the names of Keras 2; those that change nothing are left out."""
    cls = builtin(kind)
    if cls is None:
        # What all layers have there; a class of one's own may not take it.
        nothing = {"activity_regularizer": None, "autocast": True}
        return {key: value for key, value in config.items() if key not in nothing or value != nothing[key]}
    if "from_config" in vars(cls):
        # A class that reads its configuration itself knows what stands in it.
        return config
    renamed = RENAMED.get(kind, {})
    known = accepted(cls)
    if kind == "ZeroPadding1D":
        known = known - {"data_format"}
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


def builtin(kind: str) -> Any:
    """The class of this name that configurations may hold, or None."""
    from multikeras import constraints, initializers, layers, regularizers

    for module in (layers, initializers, regularizers, constraints):
        found = getattr(module, kind, None)
        if inspect.isclass(found):
            return found
    return None


def accepted(cls: Any) -> set[str]:
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


# -- files that both read ------------------------------------------------------------------------


def with_listed_inputs(content: Any) -> Any:
    """What `writing.readable_by_all` made, as it was: every call lists where its inputs come from."""
    if isinstance(content, list):
        return [with_listed_inputs(entry) for entry in content]
    if not isinstance(content, Mapping):
        return content
    if _is_hard_sigmoid(content):
        return "hard_sigmoid"
    if content == OTHER_HARD_SIGMOID:
        return "hard_sigmoid_6"
    if "output_layers" in content and isinstance(content.get("layers"), list):
        content = counted_from_zero(content)
    made = {key: with_listed_inputs(value) for key, value in content.items()}
    made.pop(FROM_ONE, None)
    if isinstance(made.get("class_name"), str):
        made["class_name"] = made["class_name"].removeprefix(APART_FROM_THEIRS)
    if isinstance(made.get("config"), dict):
        made["config"].update(digests_in(made))
        made.pop(DIGEST, None)
        with_own_flag(made["config"], made)
        made.pop(UNFROZEN_ITSELF, None)
    if "output_layers" in made and isinstance(made.get("layers"), list):
        made = renumbered(made)
    nodes = content.get("inbound_nodes")
    if isinstance(nodes, list) and any(isinstance(node, Mapping) for node in nodes):
        made["inbound_nodes"] = [sources(node, content) for node in nodes]
    return made
