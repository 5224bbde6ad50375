"""What computes other losses in Keras 3 than here, in models whose predictions are equal."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from multikeras.saving.keras3.calls import flat_ends
from multikeras.saving.keras3.freezing import INSIDE
from multikeras.saving.keras3.mask_rules import UNKNOWN, Call, Key, Layer, Propagation, Terms, call_of, has_masks

#: Layers that train there though they are frozen, if the flag comes from a configuration.
_NEVER_FROZEN = frozenset({"ConvLSTM2D", "MultiHeadAttention"})

_WORDS = {
    "mask": "the loss of {} is divided by the number of steps there that are not masked, and here by that of all; "
    "metrics that count, as Precision does, leave the masked ones out here, and not there",
    "apart": "{} normalizes each step by itself in training there, and all together here",
    "averages": "{} is frozen and normalizes by its averages in training there, and by the batch here",
    "trained": "{} is frozen here, and trained there until its trainable is set once more",
}


def warn(content: Mapping[str, Any]) -> None:
    """Names what trains or evaluates otherwise in Keras 3.

    Args:
        content: `{'class_name': …, 'config': …}` of a model that is compiled, in the form of Keras 2.
    """
    if not isinstance(content.get("config"), Mapping):
        return
    found: dict[str, list[str]] = {}
    # The flag of the model as a whole is not that of its layers there.
    for reason, name in _found([content["config"].get(key) for key in INSIDE], False, False):
        found.setdefault(reason, []).append(name)
    if has_masks(content) and _has_mask(content, None):
        found["mask"] = [f"{content['class_name']} {content['config'].get('name')!r}"]
    if found:
        words = "; ".join(_WORDS[reason].format(", ".join(dict.fromkeys(names))) for reason, names in found.items())
        warnings.warn(f"Training and evaluate differ between Keras 3 and here: {words}.", stacklevel=2)


def _found(content: Any, frozen: bool, each_step: bool) -> Iterator[tuple[str, str]]:
    """Reasons, and the layers that they hold for.

    Args:
        content: A layer, or a list of them.
        frozen: Whether it is inside something frozen.
        each_step: Whether it is inside TimeDistributed.
    """
    if isinstance(content, list):
        for entry in content:
            yield from _found(entry, frozen, each_step)
        return
    if not isinstance(content, Mapping) or not isinstance(content.get("config"), Mapping):
        return
    kind, config = content.get("class_name"), content["config"]
    frozen = frozen or config.get("trainable") is False
    name = f"{kind} {config.get('name')!r}"
    if kind == "BatchNormalization" and frozen:
        yield "averages", name
    elif kind == "BatchNormalization" and each_step:
        yield "apart", name
    if kind in _NEVER_FROZEN and frozen:
        yield "trained", name
    for key in INSIDE:
        if key in config:
            yield from _found(config[key], frozen, each_step or kind == "TimeDistributed")


class _Deep(Propagation):
    """Masks of tensors by the rules of here, those of models inside models too."""

    def _layer(self, layer: Layer, call: Call) -> int | None:
        if "layers" not in layer.config:
            return super()._layer(layer, call)
        given = any(self.mask(key) is not None for key in call.first)
        made = _has_mask({"class_name": layer.kind, "config": layer.config}, UNKNOWN if given else None)
        return UNKNOWN if made else None


def _has_mask(content: Mapping[str, Any], given: int | None) -> bool:
    """Whether an output of a model has a mask, if its inputs have the mask that is given."""
    config = content["config"]
    layers: dict[Any, Layer] = {}
    if "output_layers" in config:
        for layer in config["layers"]:
            calls = [call_of(layer["class_name"], node) for node in layer.get("inbound_nodes", [])]
            layers[layer["name"]] = Layer(layer["class_name"], layer["name"], layer["config"], calls)
        ends: list[Key] = [(end[0], end[1], end[2]) for end in flat_ends(config["output_layers"])]
    else:
        layers[0] = Layer("InputLayer", "", {}, [])
        for layer in config.get("layers", []):
            if layer["class_name"] != "InputLayer":
                own = [Call([(len(layers) - 1, 0, 0)], [])]
                layers[len(layers)] = Layer(layer["class_name"], "", layer["config"], own)
        ends = [(len(layers) - 1, 0, 0)]
    masks = _Deep(layers, Terms(), False, given)
    return any(masks.mask(end) is not None for end in ends)
