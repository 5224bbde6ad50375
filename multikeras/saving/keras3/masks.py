"""Masks in configurations: where Keras 3 has other ones than the layers here.

Keras 3 writes how the mask of a call is computed as operations between the layers, and gives the result to the call by
name. Here masks go from layer to layer by themselves. They do so in nearly the same way: with two inputs a step counts
if either of them keeps it there and if both do here, and a recurrent layer that is given its state takes no mask there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from multikeras.saving.keras3.mask_order import moved
from multikeras.saving.keras3.mask_rules import (
    ENDING,
    FILLING,
    MERGING,
    OPEN,
    PASSING,
    UNKNOWN,
    USING,
    Call,
    Key,
    Layer,
    Propagation,
    Terms,
    call_of,
    has_masks,
    is_builtin,
)

#: Key in the configuration of a model inside another one: its inputs have masks.
_MASKED = "masked"


# -- from Keras 3 -------------------------------------------------------------------------------


def is_operation(layer: Mapping[str, Any]) -> bool:
    """Whether what stands among the layers of a configuration of Keras 3 is an operation between them."""
    config = layer.get("config")
    if "module" in layer:
        return ".ops." in str(layer["module"])
    if not isinstance(config, Mapping) or isinstance(config.get("dtype"), Mapping):
        return False
    if "dtype" in config and is_builtin(str(layer.get("class_name"))):
        # Some layers say less of themselves than others.
        return False
    return not {"trainable", "layers", "batch_shape", "batch_input_shape"} & set(config)


def without_operations(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    """A model of Keras 3 without the operations that compute its masks.

    Args:
        config: The configuration of a model of calls.

    Returns:
        The configuration, and the calls, by layer and number, whose first input has no mask for them there.

    Raises:
        ValueError: If a layer computes with another mask there than here.
    """
    listed = config["layers"]
    given = UNKNOWN if config.get(_MASKED) is True else None
    if given is None and not has_masks(listed) and not any(map(_takes_mask, listed)):
        return dict(config), []
    if any(isinstance(node, list) for layer in listed for node in layer.get("inbound_nodes", [])):
        # Written here, by the rules of here.
        return dict(config), []
    layers = {layer["name"]: _of_keras3(layer) for layer in listed if "name" in layer}
    terms = Terms()
    theirs, ours = Propagation(layers, terms, True, given), Propagation(layers, terms, False, given)
    for layer in _attending_alike(layers, ours):
        raise ValueError(
            f"MultiHeadAttention {layer.name!r} is given a masked tensor that another one is given as well: in Keras 3 "
            "only the first that computes sees its mask, and here each, so that results would differ. Pass none there."
        )
    unmasked = []
    for name, layer in layers.items():
        for number, call in enumerate(layer.calls):
            if not layer.is_operation and _has_no_mask_there(layer, call, theirs, ours, _refuse):
                unmasked.append((name, number))
    kept: list[Mapping[str, Any]] = [layer if is_operation(layer) else _without_mask(layer) for layer in listed]
    for i, entry in enumerate(kept):
        found = layers.get(entry.get("name", ""))
        if found is not None and "layers" in found.config:
            masks = [ours.mask(key) for call in found.calls for key in call.first]
            if any(mask is not None for mask in masks):
                kept[i] = {**entry, "config": {**found.config, _MASKED: True}}
    return {**config, "layers": _needed(kept, config)}, unmasked


def _takes_mask(layer: Mapping[str, Any]) -> bool:
    nodes = layer.get("inbound_nodes", [])
    return any(isinstance(node, Mapping) and node.get("kwargs", {}).get("mask") is not None for node in nodes)


def _of_keras3(layer: Mapping[str, Any]) -> Layer:
    calls = []
    for node in layer.get("inbound_nodes", []):
        if isinstance(node, list):
            calls.append(call_of(layer["class_name"], node))
            continue
        given = [
            *node.get("args", []),
            *(v for k, v in node.get("kwargs", {}).items() if k not in ("mask", "training")),
        ]
        mask = _keys(node.get("kwargs", {}).get("mask"))
        constants = tuple(each for each in given[1:] if isinstance(each, (int, float)))
        first, others = _keys(given[:1]), _keys(given[1:])
        operation = is_operation(layer)
        calls.append(
            Call(
                [*first, *others] if operation else first,
                [] if operation else others,
                mask[0] if mask else None,
                constants,
                True,
            )
        )
    return Layer(layer["class_name"], layer["name"], layer.get("config") or {}, calls, is_operation(layer))


def _keys(value: Any) -> list[Key]:
    """The tensors in arguments, dictionaries by their sorted keys."""
    if isinstance(value, list):
        return [key for entry in value for key in _keys(entry)]
    if not isinstance(value, Mapping):
        return []
    if value.get("class_name") == "__keras_tensor__":
        name, node, tensor = value["config"]["keras_history"]
        return [(name, node, tensor)]
    return [] if "class_name" in value else [key for entry in sorted(value) for key in _keys(value[entry])]


def _without_mask(layer: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(layer)
    if _takes_mask(layer):
        made["inbound_nodes"] = [
            {**node, "kwargs": {key: value for key, value in node["kwargs"].items() if key != "mask"}}
            for node in layer["inbound_nodes"]
        ]
    return made


def _needed(layers: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Layers without operations that nothing comes of."""
    from multikeras.saving.keras3.calls import flat_ends

    sources = {
        layer["name"]: [
            key[0] for node in layer["inbound_nodes"] if isinstance(node, Mapping) for key in _keys(list(node.values()))
        ]
        for layer in layers
        if "inbound_nodes" in layer
    }
    found = {layer["name"] for layer in layers if "name" in layer and not is_operation(layer)}
    found |= {end[0] for end in flat_ends(config["output_layers"])}
    stack = list(found)
    while stack:
        for name in sources.get(stack.pop(), ()):
            if name not in found:
                found.add(name)
                stack.append(name)
    return [layer for layer in layers if layer.get("name") in found or "name" not in layer]


def _has_no_mask_there(
    layer: Layer, call: Call, theirs: Propagation, ours: Propagation, differs: Callable[[Layer], None]
) -> bool:
    """Whether a call takes no mask there and would have one here; `differs` is called where masks are two others."""
    kind = layer.kind
    if not call.first:
        return False
    if kind in FILLING and any(ours.mask(key) is not None or theirs.mask(key) is not None for key in call.first):
        differs(layer)
        return False
    if kind == "MultiHeadAttention":
        for key in (*call.first, *call.others):
            if _are_apart(theirs.mask(key), ours.mask(key)):
                differs(layer)
        return False
    here = ours.mask(call.first[0])
    if kind == "Softmax":
        # There it leaves out what is masked, if shapes happen to fit.
        if here is not None:
            differs(layer)
        return False
    if kind in USING:
        there = theirs.used(layer, call)
        if there is None and here is not None and here != UNKNOWN:
            return True
        if _are_apart(there, here):
            differs(layer)
        return False
    passes = kind in PASSING or kind in MERGING or kind in ENDING or kind in ("Concatenate", "Embedding", "Masking")
    refused = not passes and kind not in OPEN and is_builtin(kind)
    return refused and here is not None


def _attending_alike(layers: Mapping[Any, Layer], ours: Propagation) -> list[Layer]:
    """Layers of attention that are given a masked tensor after others: the first takes the mask off there."""
    taken: set[Key] = set()
    found = []
    for layer in layers.values():
        for call in layer.calls if layer.kind == "MultiHeadAttention" else ():
            masked = {key for key in (*call.first, *call.others) if ours.mask(key) is not None}
            if masked & taken:
                found.append(layer)
            taken |= masked
    return found


def _are_apart(one: int | None, other: int | None) -> bool:
    return one != other and UNKNOWN not in (one, other)


def _refuse(layer: Layer) -> None:
    if layer.kind in FILLING:
        warnings.warn(
            f"{layer.kind} {layer.name!r} leaves what is masked out of account in Keras 3, and not here: results "
            "differ where an input is masked.",
            stacklevel=2,
        )
        return
    raise ValueError(
        f"{layer.kind} {layer.name!r} computes with another mask in Keras 3 than here, so that results would differ: "
        "of several inputs that are masked, a step counts there if any keeps it, and here if all do; a mask may also "
        "come from an operation between the layers. Put a Lambda(function, mask=function) there, or no mask."
    )


# -- to Keras 3 ---------------------------------------------------------------------------------


def warn_of_others(config: Mapping[str, Any]) -> None:
    """Names the layers of a model of ours that compute with another mask in Keras 3."""
    from multikeras.saving.keras3.calls import flat_ends

    if not isinstance(config.get("layers"), list) or not has_masks(config["layers"]):
        return
    layers = {
        layer["name"]: Layer(
            layer["class_name"],
            layer["name"],
            layer["config"],
            [call_of(layer["class_name"], node) for node in layer["inbound_nodes"]],
        )
        for layer in config["layers"]
        if "inbound_nodes" in layer
    }
    terms = Terms()
    theirs, ours = Propagation(layers, terms, True), Propagation(layers, terms, False)
    apart = _attending_alike(layers, ours)
    for layer in layers.values():
        for call in layer.calls:
            if call.mask is None and _has_no_mask_there(layer, call, theirs, ours, apart.append):
                apart.append(layer)
    if apart:
        names = ", ".join(dict.fromkeys(f"{layer.kind} {layer.name!r}" for layer in apart))
        warnings.warn(
            f"Keras 3 will predict something else with this file: {names} has another mask there. Of several inputs "
            "that are masked, a step counts there if any keeps it, and here if all do; a recurrent layer that is given "
            "its state takes no mask there; Softmax takes one; Maximum, Minimum and Multiply leave out what is "
            "masked, and MultiHeadAttention takes the mask off a tensor.",
            stacklevel=2,
        )
    elsewhere = moved(layers, [(end[0], end[1], end[2]) for end in flat_ends(config["output_layers"])], terms, theirs)
    if elsewhere:
        names = ", ".join(f"{layer.kind} {layer.name!r}" for layer in elsewhere)
        warnings.warn(
            f"Keras 3 will give {names} the weights of one another, or refuse this file: it counts what computes masks "
            "as layers, and has these in another order. Build the model there by its code, and load weights with "
            "load_weights('….h5', by_name=True).",
            stacklevel=2,
        )


# -- without a mask -----------------------------------------------------------------------------


def unmask(made: dict[str, Any], calls: Iterable[tuple[str, int]]) -> None:
    """Puts a layer that keeps no mask before the first input of calls, in a configuration of ours."""
    by_name = {layer["name"]: layer for layer in made["layers"]}
    for name, number in calls:
        source = by_name[name]["inbound_nodes"][number][0]
        layer = dropping(_free_name(name, by_name))
        layer["inbound_nodes"] = [[[*source[:3], {}]]]
        by_name[layer["name"]] = layer
        made["layers"].append(layer)
        source[:3] = [layer["name"], 0, 0]


def unmask_chain(layers: list[Any], config: Mapping[str, Any]) -> list[Any]:
    """The layers of a Sequential of ours, with one that keeps no mask before those that refuse a mask."""
    mask = UNKNOWN if config.get(_MASKED) is True else None
    if mask is None and not has_masks(layers):
        return layers
    found: list[Any] = []
    taken = {layer["config"].get("name"): layer for layer in layers}
    for layer in layers:
        kind, config = layer["class_name"], layer["config"]
        own = Layer(kind, config.get("name", ""), config, [Call([(0, 0, 0)], [])])
        ours = Propagation({0: Layer("InputLayer", "", {}, []), 1: own}, Terms(), False, mask)
        if kind == "InputLayer":
            found.append(layer)
            continue
        if _has_no_mask_there(own, own.calls[0], ours, ours, _refuse):
            name = _free_name(config.get("name", kind.lower()), taken)
            found.append(dropping(name))
            taken[name] = found[-1]
            mask = None
        else:
            # Whether there is one is all that counts in a chain.
            mask = UNKNOWN if ours.mask((1, 0, 0)) is not None else None
        found.append(layer)
    return found


def dropping(name: str) -> dict[str, Any]:
    """The configuration of a layer that keeps no mask, and otherwise what it is given."""
    config: dict[str, Any] = {"name": name, "function": "backend>identity", "output_shape": None, "arguments": {}}
    return {"class_name": "Lambda", "config": config, "name": name}


def _free_name(name: str, taken: Mapping[Any, Any]) -> str:
    made = f"{name}_unmasked"
    while made in taken:
        made += "_"
    return made
