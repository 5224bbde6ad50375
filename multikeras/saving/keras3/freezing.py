"""`trainable` of layers that stand inside others.

Here what is frozen freezes what stands inside it, whose own flags wait until it is not any more. Keras 3 takes the
flags of layers that are made from a configuration one by one: it trains the layers of a model, and the cell of a
recurrent layer, that is frozen itself. So that it does not, files have the layers inside frozen as well, and beside
them that they are not by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Key beside a layer whose configuration says that it is frozen because something around it is.
UNFROZEN_ITSELF = "multikeras_unfrozen_itself"

#: Arguments that are layers.
INSIDE = ("layers", "layer", "backward_layer", "cell", "cells")


def frozen_throughout(content: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of ours in which whatever is inside something frozen says that it is frozen.

    Args:
        content: `{'class_name': …, 'config': …}` of a model. Its own flag is not that of its layers.
    """
    if not isinstance(content.get("config"), Mapping):
        return dict(content)
    made = {key: _inside(value, False) if key in INSIDE else value for key, value in content["config"].items()}
    return {**content, "config": made}


def _inside(content: Any, around: bool) -> Any:
    if isinstance(content, list):
        return [_inside(entry, around) for entry in content]
    if not isinstance(content, Mapping) or not isinstance(content.get("config"), Mapping):
        return content
    made, config = dict(content), dict(content["config"])
    is_frozen = config.get("trainable") is False
    if around and not is_frozen and ("trainable" in config or "layers" in config):
        config["trainable"] = False
        made[UNFROZEN_ITSELF] = True
    for key in INSIDE:
        if key in config:
            config[key] = _inside(config[key], around or is_frozen)
    return {**made, "config": config}


def with_own_flag(made: dict[str, Any], content: Mapping[str, Any]) -> None:
    """Takes back what `frozen_throughout` did to one layer.

    Args:
        made: Its configuration, which is changed.
        content: What stood in the file.
    """
    if content.get(UNFROZEN_ITSELF) is True:
        if "layers" in made:
            made.pop("trainable", None)
        else:
            made["trainable"] = True
