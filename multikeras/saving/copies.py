"""Pickling and deep-copying of models and layers: by configuration, weights and what compile was told.

The graph itself is never followed, so that depth is no limit, and classes, losses and functions go by
pickle's own rules. A pickle runs code when it is read: use `save` for files that travel.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from multikeras import backend as K
from multikeras import lookup
from multikeras.saving import flags, states, streams, weights

#: The arguments of compile that are kept, in the order of `Compiled.arguments`.
_ARGUMENTS = ("loss", "metrics", "loss_weights", "sample_weight_mode", "weighted_metrics")


class Copied:
    """Gives a layer `pickle` and `copy.deepcopy`."""

    def __reduce__(self) -> Any:
        return _made_again, (_state(self, for_pickle=True),)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not getattr(self, "built", True) and not hasattr(self, "_set_graph"):
            return _with_same_attributes(self, memo)
        state = _state(self, for_pickle=False)
        for name in ("config", "compiled"):
            state[name] = copy.deepcopy(state[name], memo)
        made = memo[id(self)] = _made_again(state)
        return made


def _with_same_attributes(layer: Any, memo: dict[int, Any]) -> Any:
    """A copy of a layer that is not built: attribute for attribute."""
    cls: Any = type(layer)
    made = cls.__new__(cls)
    memo[id(layer)] = made
    for name, value in vars(layer).items():
        made.__dict__[name] = copy.deepcopy(value, memo)
    return made


def _state(layer: Any, for_pickle: bool) -> dict[str, Any]:
    """What a layer or a model is made of again.

    Raises:
        TypeError: If it has no configuration.
    """
    from multikeras.layers import sharing
    from multikeras.models import configuration

    is_model = hasattr(layer, "_set_graph")
    try:
        with sharing.apart(), sharing.writing():
            config = layer.get_config()
    except NotImplementedError as error:
        raise TypeError(f"{type(layer).__name__} {layer.name!r} cannot be copied: {error}") from error
    return {
        "class": type(layer),
        "config": config,
        "built": configuration.built_for(layer) if is_model else {},
        "known": _known(layer, for_pickle),
        "shapes": None if is_model else _shapes(layer),
        "weights": layer.get_weights(),
        "trainable": [inner.trainable for inner in _inside(layer)],
        "compiled": _compiled(layer) if is_model else None,
        "streams": streams.streams_of(layer) if is_model and layer.inputs else None,
        "states": [K.batch_get_value(each) for each in states.states_of(layer)],
    }


def _inside(layer: Any) -> list[Any]:
    from multikeras.layers import versions

    return list(versions.inside(layer))


def _known(layer: Any, for_pickle: bool) -> dict[str, Any]:
    """Classes and functions of one's own in a layer or model, by name."""
    from multikeras.layers import Lambda, named_functions

    found: dict[str, Any] = {}
    for inner in _inside(layer):
        kind = type(inner)
        if not kind.__module__.startswith("multikeras."):
            found[lookup.get_registered_name(kind)] = kind
        # In this process the code itself tells which function is meant.
        if for_pickle and isinstance(inner, Lambda):
            for function in inner.functions():
                name = named_functions.written(function)
                if found.setdefault(name, function) is not function:
                    raise TypeError(
                        f"Two functions called {name!r} are in Lambda layers: give them names of their own."
                    )
    return found


def _shapes(layer: Any) -> tuple[list[Any], bool] | None:
    """Shapes that a built layer was built for, and whether it is a single one."""
    if not layer.built or not layer._inbound_nodes:
        return None
    record = layer._inbound_nodes[0]
    return list(record.input_shapes), record.single_input


def _compiled(model: Any) -> dict[str, Any] | None:
    compiled = model._compiled
    if compiled is None:
        return None
    return {
        "optimizer": type(compiled.optimizer),
        "config": compiled.optimizer.get_config(),
        "state": compiled.optimizer.get_weights(),
        "trainable": flags.at_compile(model),
        "arguments": {name: _described(value) for name, value in zip(_ARGUMENTS, compiled.arguments, strict=False)},
    }


def _described(value: Any) -> Any:
    """Losses and metrics with a state as their class and configuration; the copy has a state of its own."""
    if isinstance(value, dict):
        return {name: _described(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(entry) for entry in value]
    if hasattr(value, "get_config") and not isinstance(value, type):
        return _Described(type(value), value.get_config())
    return value


@dataclass
class _Described:
    cls: Any
    config: dict[str, Any]


def _object(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _object(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_object(entry) for entry in value]
    return value.cls.from_config(value.config) if isinstance(value, _Described) else value


def _made_again(state: dict[str, Any]) -> Any:
    cls: Callable[..., Any] = state["class"]
    from multikeras.layers import sharing
    from multikeras.models import configuration

    with sharing.apart(), lookup.custom_object_scope(state["known"]):
        made = cls.from_config(state["config"])  # type: ignore[attr-defined]
    if state["shapes"] is not None and not made.built:
        shapes, single = state["shapes"]
        made._build_for([K.placeholder(shape, dtype=made.dtype) for shape in shapes], single)
    configuration.build(made, state["built"])
    if state["weights"]:
        if made.weights:
            made.set_weights(state["weights"])
        else:
            made._initial_weights = state["weights"]
    for inner, flag in zip(_inside(made), state["trainable"], strict=False):
        inner.__dict__["trainable"] = flag
    states.set_states(made, state["states"], "the copy")
    compiled = state["compiled"]
    if compiled is not None:
        arguments = {name: _object(value) for name, value in compiled["arguments"].items()}
        with flags.as_compiled(made, compiled["trainable"]):
            made.compile(optimizer=compiled["optimizer"].from_config(compiled["config"]), **arguments)
        if compiled["state"] and made.inputs:
            weights.set_optimizer(made, [("", value) for value in compiled["state"]])
    if state["streams"]:
        streams.set_streams(made, state["streams"])
    return made
